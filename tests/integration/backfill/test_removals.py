"""What hangs on a row that leaves: in our tables it goes with it and is kept, in anybody else's it holds the row where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Begin, Database, Made
from tests.support.named import statements_in
from tests.support.operator import Operator
from tests.support.rows import client, customer, quarantine
from tests.support.unseen import added_unseen

PAGOS = "CREATE TABLE pagos (id int PRIMARY KEY, cliente_id uuid REFERENCES clientes ON DELETE {})"
PROVIDER = "SELECT p.id::text FROM proveedores p JOIN servicios_proveedor s ON s.proveedor_id = p.id LIMIT 1"


def aside(database: Database) -> list[tuple[str, str]]:
    """Table and key of what was set aside, in the order in which it was."""
    return database.query("SELECT tabla, clave FROM migracion.apartada ORDER BY id")


def spanish_service(database: Database, provider: str) -> str:
    """A service that was born on the Spanish side."""
    return str(
        database.value("INSERT INTO servicios_proveedor (proveedor_id, titulo) VALUES (%s, 'Aquí') RETURNING id", (provider,))
    )


def remove(database: Database, *numbers: int) -> int:
    """How many rows leave when the repair takes out these customers' clients, on tables to which people have added something."""
    with database.cursor(database.url) as cursor:
        cursor.execute("SELECT set_config('migracion.lleva', '[[\"public\", \"clientes\"]]', false)")
        cursor.execute("SELECT migracion.quitar_clientes(%s::uuid[], 'prueba')", ([customer(n) for n in numbers],))
        return int(cursor.fetchone()[0])


def refused(made: Made, phase: str = "fase2") -> str:
    """What a run says that ends with differences."""
    with pytest.raises(MigrationError) as failed:
        made[1].equalise(phase)
    assert failed.value.code == "difference"
    return str(failed.value)


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION", "RESTRICT"])
def test_a_row_that_somebody_elses_table_points_at_stays_and_is_named(begin: Begin, action: str) -> None:
    database, jobs = made = begin(up_to="2.1", subphase="2.1")
    database.query(PAGOS.format(action))
    database.query("INSERT INTO pagos VALUES (1, %s), (2, %s)", (customer(4), customer(4)))
    database.query("DELETE FROM customers WHERE id IN (%s, %s)", (customer(4), customer(5)))
    said = refused(made)
    assert database.query("SELECT cliente_id::text FROM pagos") == [(customer(4),)] * 2
    assert client(database, 4) is not None
    assert client(database, 5) is None
    assert aside(database) == [("clientes", customer(5))]
    name = f"clientes {customer(4)}: sobra en clientes"
    held = "no se retira: public.pagos depende de ella por pagos_cliente_id_fkey"
    (line,) = [line for line in said.splitlines() if name in line]
    assert f"{held} (filas: 2)" in line
    rows = "antes de repetir, quite de public.pagos las filas que las retienen"
    assert f"{rows}, o: ALTER TABLE public.pagos DROP CONSTRAINT pagos_cliente_id_fkey" in said
    foreseen = "\n".join(jobs.forecast()["lines"])
    assert f"no se retirarían 1 ({held.partition(': ')[2]})" in foreseen
    assert held in "\n".join(jobs.differences())


def test_a_service_born_on_the_spanish_side_is_kept_with_an_entry_of_its_own_when_its_provider_leaves(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    provider = database.value(PROVIDER)
    born = spanish_service(database, provider)
    carried = [row[0] for row in database.query("SELECT id::text FROM servicios_proveedor WHERE proveedor_id = %s", (provider,))]
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM users WHERE id = %s", (provider,))
    jobs.equalise()
    kept = aside(database)
    assert {("servicios_proveedor", key) for key in carried} | {("proveedores", provider)} <= set(kept)
    assert kept[-1] == ("proveedores", provider)
    assert born in carried


def test_a_family_larger_than_a_batch_leaves_in_transactions_of_a_batchs_size(begin: Begin) -> None:
    """Its members first, by themselves: locks on all of them at once would stop whoever writes one."""
    database, jobs = begin(up_to="fase2", batch_rows=4)
    provider = database.value(PROVIDER)
    for _ in range(9):
        spanish_service(database, provider)
    family = {row[0] for row in database.query("SELECT id::text FROM servicios_proveedor WHERE proveedor_id = %s", (provider,))}
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM users WHERE id = %s", (provider,))
    jobs.equalise()
    assert family < {key for _, key in aside(database)}
    together = database.query("SELECT count(*) FROM migracion.apartada GROUP BY xmin::text")
    assert max(together) <= (4,), together


def test_what_a_twin_takes_along_that_has_to_make_way_is_kept_by_name(begin: Begin) -> None:
    """A refused row's, whose phone another provider has by now; a born service leaves before, as nobody explains it."""
    database, jobs = begin(up_to="fase2")
    provider = database.value(PROVIDER)
    carried = [row[0] for row in database.query("SELECT id::text FROM servicios_proveedor WHERE proveedor_id = %s", (provider,))]
    born, phone = spanish_service(database, provider), database.value("SELECT phone_number FROM users WHERE id = %s", (provider,))
    database.query("UPDATE users SET city = 'Prohibida', phone_number = 'otro' WHERE id = %s", (provider,))
    other = database.value("SELECT max(id::text) FROM proveedores WHERE id <> %s", (provider,))
    database.query("UPDATE users SET phone_number = %s WHERE id = %s", (phone, other))
    with added_unseen(database, "proveedores", "CHECK (ciudad <> 'Prohibida')"):
        jobs.equalise()
    assert provider in quarantine(database, "users")
    kept = [entry for entry in aside(database) if entry[0] != "proveedor_profesiones"]
    assert kept[0] == ("servicios_proveedor", born)
    assert sorted(kept[1:-1]) == sorted(("servicios_proveedor", key) for key in carried)
    assert kept[-1] == ("proveedores", provider)


def test_rows_of_a_part_that_the_run_does_not_carry_hold_the_row_that_they_hang_on(begin: Begin) -> None:
    database, _ = made = begin(up_to="fase2", subphase="2.1")
    profession = database.value("SELECT min(profesion_id) FROM proveedor_profesiones")
    children = database.query("SELECT * FROM proveedor_profesiones WHERE profesion_id = %s", (profession,))
    database.query("SET session_replication_role = replica; DELETE FROM professions WHERE id = %s", (profession,))
    said = refused(made)
    assert database.query("SELECT * FROM proveedor_profesiones WHERE profesion_id = %s", (profession,)) == children
    assert f"profesiones {profession}: sobra en profesiones" in said
    assert aside(database) == []


@pytest.mark.names("jobs/table_compare._freeing")
def test_what_frees_a_row_that_is_held_is_named_and_does(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase2")
    database.query(PAGOS.format("CASCADE"))
    database.query("INSERT INTO pagos VALUES (1, %s)", (customer(4),))
    database.query("DELETE FROM customers WHERE id = %s", (customer(4),))
    profession = database.value("SELECT min(profesion_id) FROM proveedor_profesiones")
    database.query("SET session_replication_role = replica; DELETE FROM professions WHERE id = %s", (profession,))
    operator = Operator(database.url, tmp_path / "respaldos")
    said = operator.stops("ansible-playbook fase2.yml -i demo -e subfase=2.1")
    (freeing,) = [statement for statement in statements_in(said.message) if "pagos" in statement]
    database.query(freeing)
    for words in said.commands():
        operator.goes(words)
    assert client(database, 4) is None
    assert database.value("SELECT count(*) FROM pagos") == 1
    assert database.value("SELECT count(*) FROM profesiones WHERE id = %s", (profession,)) == 0


def test_rows_of_a_later_phase_are_not_changed_by_a_rerun_of_this_one(begin: Begin) -> None:
    database, _ = made = begin(up_to="fase3")
    asked = "SELECT s.cliente_id::text FROM solicitudes_servicio s JOIN customers c ON c.id = s.cliente_id"
    person = database.value(f"{asked} WHERE c.id NOT IN (SELECT user_id FROM consents) LIMIT 1")
    before = database.query("SELECT * FROM solicitudes_servicio ORDER BY id")
    database.query("DELETE FROM customers WHERE id = %s", (person,))
    refused(made)
    assert database.query("SELECT * FROM solicitudes_servicio ORDER BY id") == before


BROTHERS = {
    "composite, in another schema": (
        "CREATE SCHEMA caja; ALTER TABLE clientes ADD UNIQUE (id, telefono);"
        'CREATE TABLE caja."Pagos 100%%" (a uuid, b varchar,'
        " FOREIGN KEY (a, b) REFERENCES clientes (id, telefono) ON DELETE CASCADE)",
        'INSERT INTO caja."Pagos 100%%" SELECT id, telefono FROM clientes WHERE id = %s',
        'caja."Pagos 100%%"',
    ),
    "partitioned": (
        "CREATE TABLE pagos (cliente_id uuid REFERENCES clientes ON DELETE CASCADE, dia date) PARTITION BY RANGE (dia);"
        "CREATE TABLE pagos_1 PARTITION OF pagos DEFAULT",
        "INSERT INTO pagos SELECT id, now() FROM clientes WHERE id = %s",
        "pagos",
    ),
    "by another unique column and collation": (
        'CREATE TABLE pagos (telefono text COLLATE "C" REFERENCES clientes (telefono) ON DELETE CASCADE)',
        "INSERT INTO pagos SELECT telefono FROM clientes WHERE id = %s",
        "pagos",
    ),
    "through a row of our own": (
        "ALTER TABLE clientes ADD padrino uuid REFERENCES clientes ON DELETE SET NULL;" + PAGOS.format("CASCADE"),
        "WITH a AS (UPDATE clientes SET padrino = %s WHERE id = 'c0000000-0000-4000-8000-000000000005' RETURNING id)"
        " INSERT INTO pagos SELECT 1, id FROM a",
        "pagos",
    ),
}


@pytest.mark.parametrize("case", BROTHERS)
def test_however_a_table_of_somebody_elses_points_at_a_row_it_is_not_changed(begin: Begin, case: str) -> None:
    make, fill, table = BROTHERS[case]
    database, _ = begin(up_to="2.1", subphase="2.1")
    with database.cursor() as cursor:
        cursor.execute(make.replace("%%", "%"))
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(fill, (customer(4),))
    before = database.query(f"SELECT * FROM {table.replace('%%', '%')}")
    schema = "GRANT USAGE ON SCHEMA caja TO {0};" if "caja" in table else ""
    database.query((schema + "GRANT SELECT ON {1} TO {0}").format(database.role, table.replace("%%", "%")))
    database.query("DELETE FROM customers WHERE id = %s", (customer(4),))
    holding = "SELECT tabla::regclass::text FROM migracion.alcance('clientes'::regclass, ARRAY(SELECT ctid FROM clientes"
    assert database.query(f"{holding} WHERE id = %s)) WHERE motivo IS NOT NULL", (customer(4),)) == [(table.replace("%%", "%"),)]
    assert remove(database, 4) == 0
    assert before
    assert database.query(f"SELECT * FROM {table.replace('%%', '%')}") == before
    assert client(database, 4) is not None
    assert aside(database) == []


READER = "tinkubot_reportes"  # a role that sees no more than it is given: a project's owner reads everything
HIDDEN = {
    "by row security": "ALTER TABLE pagos ENABLE ROW LEVEL SECURITY",
    "by a column": f"REVOKE SELECT ON pagos FROM {READER}; GRANT SELECT (id) ON pagos TO {READER}",
    "by its schema": "CREATE SCHEMA caja; ALTER TABLE pagos SET SCHEMA caja",
}


@pytest.mark.parametrize("how", HIDDEN)
def test_a_table_whose_rows_the_role_may_not_see_holds_every_row_that_it_may_point_at(begin: Begin, how: str) -> None:
    database, _ = begin(up_to="2.1", subphase="2.1")
    database.query(f"{PAGOS.format('CASCADE')}; INSERT INTO pagos VALUES (1, %s)", (customer(4),))
    database.query(
        f"GRANT SELECT ON pagos, clientes TO {READER}; ALTER TABLE clientes DISABLE ROW LEVEL SECURITY;"
        f"GRANT USAGE ON SCHEMA migracion TO {READER}; GRANT EXECUTE ON FUNCTION migracion.alcance TO {READER}"
    )
    table = database.value("SELECT 'pagos'::regclass::oid")

    def holds(n: int) -> list[str]:
        place = database.value("SELECT ctid::text FROM clientes WHERE id = %s", (customer(n),))
        with database.cursor() as cursor:
            cursor.execute(f"SET ROLE {READER}")
            reach = "SELECT motivo FROM migracion.alcance('clientes'::regclass, ARRAY[%s::tid]) WHERE tabla = %s"
            cursor.execute(reach, (place, table))
            return [reason for (reason,) in cursor.fetchall()]

    assert holds(4) == ["public.pagos depende de ella por pagos_cliente_id_fkey (filas: 1)"]
    assert holds(5) == []
    database.query(HIDDEN[how])
    for n in (4, 5):
        (reason,) = holds(n)
        assert reason.endswith(".pagos puede depender de ella por pagos_cliente_id_fkey, y este rol no ve sus filas")


def test_rows_that_point_at_each_other_leave_together(begin: Begin) -> None:
    database, _ = begin(up_to="2.1", subphase="2.1")
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("ALTER TABLE clientes ADD padrino uuid REFERENCES clientes ON DELETE CASCADE")
        cursor.execute("UPDATE clientes SET padrino = %s WHERE id = %s", (customer(4), customer(5)))
        cursor.execute("UPDATE clientes SET padrino = %s WHERE id = %s", (customer(5), customer(4)))
        cursor.execute("DELETE FROM customers WHERE id = %s", (customer(4),))
    assert remove(database, 4) == 2
    assert sorted(aside(database)) == [("clientes", customer(4)), ("clientes", customer(5))]


def test_a_key_that_somebody_elses_row_follows_is_not_changed(begin: Begin) -> None:
    database, _ = made = begin(up_to="2.1", subphase="2.1")
    database.query("CREATE TABLE pagos (telefono varchar REFERENCES clientes (telefono) ON UPDATE CASCADE)")
    database.query("INSERT INTO pagos SELECT telefono FROM clientes WHERE id = %s", (customer(4),))
    before = database.query("TABLE pagos")
    database.query("UPDATE customers SET phone_number = '593799999999' WHERE id = %s", (customer(4),))
    database.query("UPDATE customers SET phone_number = '593788888888' WHERE id = %s", (customer(5),))
    said = refused(made)
    assert database.query("TABLE pagos") == before
    assert client(database, 5, "telefono") == ("593788888888",)
    assert f"clientes {customer(4)}: difiere: telefono" in said


def test_no_placeholder_takes_the_phone_of_a_row_that_somebody_elses_table_holds(begin: Begin) -> None:
    database, _ = made = begin(up_to="2.1", subphase="2.1")
    database.query(PAGOS.format("CASCADE"))
    database.query("INSERT INTO pagos VALUES (1, %s)", (customer(4),))
    phone = database.value("SELECT phone_number FROM customers WHERE id = %s", (customer(4),))
    database.query("DELETE FROM customers WHERE id = %s", (customer(4),))
    database.query("UPDATE customers SET phone_number = %s WHERE id = %s", (phone, customer(5)))
    refused(made)
    assert client(database, 4, "telefono") == (phone,)
    assert database.value("SELECT count(*) FROM pagos") == 1
