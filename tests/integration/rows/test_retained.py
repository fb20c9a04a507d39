"""A row that is refused once it was carried: its Spanish row stays as it was last good, until something else is due to it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.accounting import take_accounting
from tests.support.databases import Begin, Database
from tests.support.jobs import Jobs, of_its_own
from tests.support.rows import client, customer, key, quarantine
from tests.support.unseen import added_unseen

TOO_LONG = "x" * 101
WAYS = {"by the view": TOO_LONG, "by PostgreSQL alone": "Prohibida"}
PROVIDER = key("a", 13)


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """A small sample with hardly a message."""
    return partial(begin, rows=100, messages=7)


def figures(result: dict[str, Any], target: str) -> tuple[int, ...]:
    """Of a Spanish table: all rows, equal, retained, in quarantine on its side, waiting, without a legacy row."""
    names = ("espanolas", "iguales", "retenidas", "cuarentena_espanola", "pendientes_espanolas", "sin_origen")
    return tuple(sum(pair[name] for pair in result["accounting"] if pair["destino"] == target) for name in names)


def aside(database: Database) -> list[tuple[str, str]]:
    """Table and key of what was set aside, in the order in which it was."""
    return database.query("SELECT tabla, clave FROM migracion.apartada ORDER BY id")


def settled(database: Database, jobs: Jobs, retained: int) -> dict[str, Any]:
    """A further run finds nothing to do, the proof holds, and an accounting of its own finds so many rows retained."""
    assert jobs.equalise()["changed"] is False
    found = take_accounting(database.url, ("2.1", "2.2"))
    assert (found.problems, found.retained) == ([], retained)
    return jobs.prove()


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_row_keeps_its_last_good_twin_and_a_healed_one_is_carried_whole(begin: Begin, way: str) -> None:
    database, jobs = begin(up_to="fase2")
    before, rows = client(database, 4), database.value("SELECT count(*) FROM clientes")
    broken = "UPDATE customers SET full_name = 'Otra', city = %s WHERE id = %s"
    with added_unseen(database, "clientes", "CHECK (ciudad <> 'Prohibida')"):
        database.query(broken, (WAYS[way], customer(4)))
        foreseen = "\n".join(jobs.forecast()["lines"])
        assert "se retirarían" not in foreseen
        result = jobs.equalise()
        assert figures(result, "clientes") == (rows, rows - 1, 1, 0, 0, 0)
        said = f"clientes: {rows} filas = {rows - 1} iguales + 1 retenidas + 0 en cuarentena del lado español + 0 pendientes"
        assert any(line.startswith(said) for line in result["lines"]), result["lines"]
        assert jobs.equalise()["changed"] is False
        assert figures(jobs.prove(), "clientes") == (rows, rows - 1, 1, 0, 0, 0)
        assert (client(database, 4), aside(database)) == (before, [])
        assert customer(4) in quarantine(database)
    database.query("UPDATE customers SET city = 'Tena' WHERE id = %s", (customer(4),))
    assert figures(jobs.equalise(), "clientes") == (rows, rows, 0, 0, 0, 0)
    assert client(database, 4, "nombre_completo, ciudad") == ("Otra", "Tena")
    assert customer(4) not in quarantine(database)
    settled(database, jobs, 0)


def test_what_belongs_to_no_pair_keeps_no_twin_and_a_merged_row_none_of_its_own(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    stray = database.value("SELECT max(id::text) FROM proveedores")
    own = "SELECT max(c.id::text) FROM clientes c JOIN users u ON (u.id, u.phone_number) = (c.id, c.telefono)"
    merged = database.value(
        f"{own} WHERE NOT EXISTS (SELECT FROM customers k WHERE u.phone_number = k.phone_number OR u.id = k.id)"
    )
    database.query("DELETE FROM provider_services WHERE provider_id = %s", (stray,))
    database.query("DELETE FROM provider_professions WHERE provider_id = %s", (stray,))
    database.query("UPDATE users SET user_type = 'admin' WHERE id = %s", (stray,))
    phone = database.value("SELECT phone_number FROM users WHERE id = %s", (merged,))
    database.query("UPDATE customers SET phone_number = %s WHERE id = %s", (phone, customer(4)))
    jobs.equalise()
    assert {("proveedores", stray), ("clientes", merged)} <= set(aside(database))
    settled(database, jobs, 0)


def test_a_twin_leaves_with_its_legacy_row_and_where_another_row_is_entitled_to_its_value(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    phone = database.value("SELECT telefono FROM clientes WHERE id = %s", (customer(5),))
    database.query("UPDATE customers SET city = %s WHERE id IN (%s, %s)", (TOO_LONG, customer(4), customer(5)))
    jobs.equalise()
    settled(database, jobs, 2)
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM customers WHERE id = %s", (customer(4),))
        cursor.execute("UPDATE customers SET phone_number = 'x' WHERE id = %s", (customer(5),))
        cursor.execute("UPDATE customers SET phone_number = %s WHERE id = %s", (phone, customer(11)))
    forecast = {pair["origen"]: pair["quitar"] for pair in jobs.forecast()["forecast"]}
    assert forecast["customers"] == 2
    jobs.equalise()
    assert sorted(aside(database)) == [("clientes", customer(4)), ("clientes", customer(5))]
    assert client(database, 11, "telefono") == (phone,)
    assert database.value("SELECT fila->>'telefono' FROM migracion.apartada WHERE clave = %s", (customer(5),)) == phone
    settled(database, jobs, 0)


def test_a_row_that_postgresql_alone_refuses_gives_its_value_to_the_row_that_was_merged_into_it(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    winner, loser, phone = customer(26), key("a", 6), "593100000026"
    database.query("UPDATE customers SET city = 'Prohibida' WHERE id = %s", (winner,))
    with added_unseen(database, "clientes", "CHECK (ciudad <> 'Prohibida')"):
        jobs.equalise()
        assert database.query("SELECT id::text FROM clientes WHERE telefono = %s", (phone,)) == [(loser,)]
        assert aside(database) == [("clientes", winner)]
        assert jobs.equalise()["changed"] is False


def test_one_person_in_both_tables_is_one_row_whoever_of_them_is_refused(begin: Begin) -> None:
    """customers and users with one key and two phones: the users row waits, comes in for the other, and waits again."""
    database, jobs = begin(up_to="fase2")
    same, rows = key("c", 25), database.value("SELECT count(*) FROM clientes")
    phones = "SELECT (SELECT phone_number FROM customers WHERE id = %s), phone_number FROM users WHERE id = %s"
    [(first, second)] = database.query(phones, (same, same))
    telefono = "SELECT telefono FROM clientes WHERE id = %s"
    for city, phone in ((TOO_LONG, second), ("Ibarra", first)):
        database.query("UPDATE customers SET city = %s WHERE id = %s", (city, same))
        jobs.equalise()
        assert database.value(telefono, (same,)) == phone
        assert jobs.equalise()["changed"] is False
        assert figures(jobs.prove(), "clientes") == (rows, rows, 0, 0, 0, 0)
    database.query("UPDATE customers SET city = %s WHERE id = %s", (TOO_LONG, same))
    database.query("UPDATE users SET name = repeat('x', 256) WHERE id = %s", (same,))
    jobs.equalise()
    assert database.value(telefono, (same,)) == first
    assert figures(settled(database, jobs, 1), "clientes") == (rows, rows - 1, 1, 0, 0, 0)


def test_children_of_a_refused_row_have_entries_of_their_own_and_stay_until_its_twin_leaves(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    provider = database.value("SELECT proveedor_id::text FROM servicios_proveedor ORDER BY 1 LIMIT 1")
    services = database.query("SELECT * FROM servicios_proveedor WHERE proveedor_id = %s ORDER BY id", (provider,))
    professions = database.query("SELECT * FROM proveedor_profesiones WHERE proveedor_id = %s ORDER BY id", (provider,))
    database.query("UPDATE users SET city = %s WHERE id = %s", (TOO_LONG, provider))
    database.query("UPDATE provider_services SET title = 'Otro' WHERE provider_id = %s", (provider,))
    jobs.equalise()
    for table, before in (("servicios_proveedor", services), ("proveedor_profesiones", professions)):
        assert database.query(f"SELECT * FROM {table} WHERE proveedor_id = %s ORDER BY id", (provider,)) == before
    waiting = "SELECT count(*) FROM migracion.cuarentena WHERE estado = 'abierta' AND fila->>'provider_id' = %s"
    assert database.value(waiting, (provider,)) == len(services) + len(professions)
    settled(database, jobs, 1 + len(services) + len(professions))
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM users WHERE id = %s", (provider,))
    jobs.equalise()
    gone = [table for table, _ in aside(database)]
    assert len(gone) == 1 + len(services) + len(professions)
    assert gone[-1] == "proveedores"
    settled(database, jobs, 0)


def test_where_rows_are_matched_by_other_columns_than_the_legacy_key_no_twin_is_kept(begin: Begin) -> None:
    database, jobs = begin("text", up_to="fase2")
    [(provider, profession)] = database.query(
        "SELECT proveedor_id::text, profesion_id FROM proveedor_profesiones ORDER BY proveedor_id::text, profesion_id LIMIT 1"
    )
    rows = "provider_id = %s AND profession_id = %s"
    database.query(f"UPDATE provider_professions SET experience_years = 99 WHERE {rows}", (provider, profession))
    jobs.equalise()
    assert [table for table, _ in aside(database)] == ["proveedor_profesiones"]
    settled(database, jobs, 0)


def test_a_way_back_keeps_what_it_takes_out_and_leaves_what_another_part_retains(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    database.query("UPDATE customers SET city = %s WHERE id = %s", (TOO_LONG, customer(4)))
    jobs.equalise()
    jobs.subphase = "2.2"
    jobs.take_back()
    assert (client(database, 4) is None, ("clientes", customer(4)) in aside(database)) == (False, False)
    jobs.subphase = "2.1"
    assert figures(jobs.prove(), "clientes")[2:] == (1, 0, 0, 0)
    jobs.take_back()
    assert (client(database, 4), aside(database)) == (None, [("clientes", customer(4))])


def test_the_spanish_side_has_its_own_law(begin: Begin) -> None:
    """With the entries and the keys of that side in it: rows that nobody else explains."""
    database, jobs = begin(up_to="2.1", subphase="2.1")
    rows = database.value("SELECT count(*) FROM clientes")
    for n, phone in enumerate(("593999", "593998")):
        born = "INSERT INTO clientes (id, telefono, nombre_completo) VALUES (%s, %s, 'Aquí')"
        database.query(born, (key("d", n), phone))
    with pytest.raises(AssertionError):
        assert jobs.differences() == []
    entry = "INSERT INTO migracion.cuarentena (tabla_origen, clave, fila, motivo, origen)"
    database.query(f"{entry} VALUES ('clientes', %s, '{{}}', 'x', 'sincronizacion')", (key("d", 0),))
    database.query("INSERT INTO migracion.pendiente (tabla_origen, clave, motivo) VALUES ('clientes', %s, 'x')", (key("d", 1),))
    assert figures(jobs.prove(), "clientes") == (rows + 2, rows, 0, 1, 1, 0)


BOXES = """\
schema: public
subphases: {fase2: ["1"]}
tables:
  cajas:
    twin: boxes
    columns: {id: integer, numero: integer, rotulo: varchar(3)}
    primary_key: id
    unique: [numero]
pairs:
  boxes: {cajas: {subphase: "1", columns: {id: id, numero: number, rotulo: label}}}
"""


def test_a_value_of_any_type_goes_to_the_row_that_is_entitled_to_it(empty_database: Database, tmp_path: Path) -> None:
    """A number, for which there is no placeholder."""
    make = "CREATE TABLE boxes (id integer PRIMARY KEY, number integer UNIQUE, label text);"
    make += "INSERT INTO boxes VALUES (1, 10, 'a'), (2, 20, 'b')"
    database, jobs = empty_database, of_its_own(empty_database, tmp_path, BOXES, make)
    jobs.up_to_proof()
    database.query("UPDATE boxes SET label = 'larga', number = 30 WHERE id = 1; UPDATE boxes SET number = 10 WHERE id = 2")
    jobs.equalise()
    assert database.query("SELECT id, numero FROM cajas") == [(2, 10)]
    assert aside(database) == [("cajas", "1")]
    assert jobs.equalise()["changed"] is False
