"""Legacy rows of one key: an archive that inherits, or an index that let a key in twice. Rows are counted, not keys."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.boxes import Night
from tests.support.damage import let_repeats_in
from tests.support.databases import Begin, Database
from tests.support.jobs import Jobs
from tests.support.phase import Phase
from tests.support.rows import key

PHASES = ("fase2", "fase3")


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """A small sample with hardly a message."""
    return partial(begin, rows=100, messages=60)


def entries(database: Database, table: str) -> list[tuple[str, str]]:
    """Clave and reason of the open entries whose key comes twice."""
    return database.query(
        "SELECT clave, motivo FROM migracion.cuarentena WHERE estado = 'abierta' AND tabla_origen = %s"
        " AND motivo LIKE '%%repite la clave%%' ORDER BY clave",
        (table,),
    )


def heir(database: Database, table: str, name: str, *, key: str = "") -> int:
    """An empty heir as the owner makes it; its tableoid."""
    with database.cursor(database.url) as cursor:
        cursor.execute(f"CREATE TABLE {name} ({key}) INHERITS ({table})")
    return int(database.value("SELECT oid FROM pg_class WHERE relname = %s", (name,)))


def accounted(jobs: Jobs, *phases: str) -> dict[str, tuple[int, int, int]]:
    """By Spanish table: all rows, equal and merged ones, quarantined ones; none is pending."""
    found = {}
    for phase in phases or PHASES:
        for pair in jobs.prove(phase)["accounting"]:
            assert pair["pendientes"] == 0
            assert pair["total"] == pair["iguales"] + pair["fusionadas"] + pair["cuarentena"]
            found[f"{pair['origen']} → {pair['destino']}"] = (pair["total"], pair["iguales"], pair["cuarentena"])
    return found


@pytest.mark.parametrize("batch_rows", [500, 1])
def test_the_tables_own_row_goes_in_and_each_heirs_row_of_its_key_has_an_entry(begin: Begin, batch_rows: int) -> None:
    """The heir is there when fase0 looks, its rows come afterwards."""
    database, jobs = begin(batch_rows=batch_rows)
    archive, older = heir(database, "messages", "messages_archivo"), heir(database, "messages", "messages_viejo")
    jobs.up_to_tables()
    own = database.query("SELECT id::text FROM ONLY messages WHERE content IS NOT NULL ORDER BY id LIMIT 3")
    first, second, third = (row for (row,) in own)
    copied = "INSERT INTO {} SELECT * FROM ONLY messages WHERE id = ANY (%s::uuid[])"
    database.query(copied.format("messages_archivo"), ([first, second, third],))
    database.query(copied.format("messages_archivo"), ([third],))
    database.query(copied.format("messages_viejo"), ([first],))
    database.query("UPDATE ONLY messages SET content = 'editado' WHERE id = ANY (%s::uuid[])", ([first, second],))
    database.query("INSERT INTO messages_viejo SELECT * FROM messages_archivo WHERE id = %s", (second,))
    database.query("DELETE FROM ONLY messages WHERE id = %s", (second,))  # the archive has it still
    alone = key("e", 9001)
    database.query("INSERT INTO messages_archivo (id, content, user_id) SELECT %s, 'solo aquí', id FROM users LIMIT 1", (alone,))
    foreseen = {f"{pair['origen']} → {pair['destino']}": pair["cuarentena"] for pair in jobs.forecast()["forecast"]}
    jobs.fill(*PHASES)
    claves = [f"{first}|{archive}", f"{first}|{older}", f"{second}|{older}", f"{third}|{archive}"]
    repeated = database.value("SELECT max(ctid::text) FROM messages_archivo WHERE id = %s", (third,))
    assert entries(database, "messages") == [
        (clave, "id repite la clave de otra fila, que queda") for clave in sorted([*claves, f"{third}|{archive}|{repeated}"])
    ]
    rows = accounted(jobs)
    assert rows["messages → mensajes"][0] == database.value("SELECT count(*) FROM messages")
    assert database.value("SELECT count(*) FROM mensajes") == rows["messages → mensajes"][1]
    assert {name: rows[name][2] for name in foreseen} == foreseen
    said = dict(database.query("SELECT id::text, contenido FROM mensajes WHERE id = ANY (%s::uuid[])", ([first, alone],)))
    assert said == {first: "editado", alone: "solo aquí"}
    for phase in PHASES:
        assert jobs.equalise(phase)["changed"] is False
    # the own row leaves, so the archive's goes in; the own row of another key comes back, so the archive's waits
    database.query("DELETE FROM ONLY messages WHERE id = %s", (first,))
    database.query("INSERT INTO messages SELECT * FROM messages_archivo WHERE id = %s", (second,))
    jobs.equalise("fase3")
    assert {clave for clave, _ in entries(database, "messages")} == {
        f"{first}|{older}", f"{second}|{archive}", f"{second}|{older}", f"{third}|{archive}", f"{third}|{archive}|{repeated}"
    }  # fmt: skip
    accounted(jobs)


def test_parents_winners_and_lookups_with_heirs_are_one_row_each(begin: Begin) -> None:
    database, jobs = begin()
    for table in ("users", "customers", "professions", "provider_professions"):
        heir(database, table, f"{table}_viejos", key="PRIMARY KEY (id)" if table == "users" else "")
    jobs.up_to_tables()
    for table in ("users", "customers", "professions", "provider_professions"):
        database.query(f"INSERT INTO {table}_viejos SELECT * FROM ONLY {table}")
    before = {table: database.value(f"SELECT count(*) FROM ONLY {table}") for table in ("users", "customers", "messages")}
    database.query("UPDATE users_viejos SET phone_number = 'x' || phone_number, name = 'Viejo'")
    jobs.fill(*PHASES)
    rows = accounted(jobs)
    assert rows["customers → clientes"][2] >= before["customers"]
    assert rows["users → proveedores"][0] + rows["users → clientes"][0] == 2 * before["users"]
    assert len(entries(database, "users")) == before["users"]
    assert database.value("SELECT count(*) FROM proveedores WHERE nombre = 'Viejo' OR telefono LIKE 'x%%'") == 0
    assert database.value("SELECT count(*) FROM mensajes WHERE telefono LIKE 'x%%'") == 0
    assert rows["messages → mensajes"][0] == before["messages"]
    for phase in PHASES:
        assert jobs.equalise(phase)["changed"] is False


def test_the_tables_own_row_goes_in_though_its_heir_is_the_older_table(empty_database: Database, tmp_path: Path) -> None:
    database = empty_database
    with database.cursor(database.url) as cursor:
        columns = "id bigint NOT NULL, label text, weight int, content text, data jsonb"
        cursor.execute(f"CREATE TABLE boxes_viejas ({columns}, seen_at timestamptz NOT NULL DEFAULT now())")
    night = Night.on(database, tmp_path, 3)
    database.query("ALTER TABLE boxes_viejas INHERIT boxes")
    night.up_to_tables()
    database.query("INSERT INTO boxes_viejas (id, label) VALUES (2, 'vieja'), (7, 'vieja')")
    night.night()
    night.equalise()
    assert database.query("SELECT id, rotulo FROM cajas ORDER BY id") == [
        (1, "caja 1"), (2, "caja 2"), (3, "caja 3"), (7, "vieja")
    ]  # fmt: skip
    assert accounted(night, "fase2") == {"boxes → cajas": (5, 4, 1)}


def test_a_key_that_a_damaged_index_let_in_twice_is_counted_by_fase0(empty_database: Database, tmp_path: Path) -> None:
    database, night = empty_database, Night.on(empty_database, tmp_path, 40, batch_rows=15)
    let_repeats_in(database, "INSERT INTO boxes (id, label) VALUES (7, 'otra'), (20, 'otra')", indexes=("boxes_pkey",))
    night.up_to_tables()
    night.night()
    night.equalise()
    tableoid = database.value("SELECT oid FROM pg_class WHERE relname = 'boxes'")
    places = database.query("SELECT id || '|' || tableoid || '|' || ctid FROM boxes WHERE label = 'otra' ORDER BY id")
    assert [clave for clave, _ in entries(database, "boxes")] == sorted(clave for (clave,) in places)
    assert all(f"|{tableoid}|(" in clave for (clave,) in places)
    assert accounted(night, "fase2") == {"boxes → cajas": (42, 40, 2)}
    assert database.value("SELECT count(*) FROM cajas WHERE rotulo = 'otra'") == 0
    assert night.equalise()["changed"] is False


@pytest.mark.names("jobs/table_compare._difference_error", "jobs/table_compare._go_by_what_is_approved")
def test_a_key_that_comes_twice_after_fase0_is_named_and_never_equal_twice(empty_database: Database, tmp_path: Path) -> None:
    database, night = empty_database, Night.on(empty_database, tmp_path, 40)
    night.up_to_tables()
    night.night()
    night.equalise()
    let_repeats_in(database, "INSERT INTO boxes SELECT * FROM boxes WHERE id = 7", indexes=("boxes_pkey",))
    for proof in (night.prove, night.equalise):
        with pytest.raises(MigrationError, match=r"boxes: la clave 7 la tienen 2 filas.*\n?") as failed:
            proof()
        assert "fase0.yml" in str(failed.value)
    night.approve()
    with pytest.raises(MigrationError, match="no son lo que fase0 aprobó") as failed:
        night.prove()
    assert "ansible-playbook fase2.yml" in str(failed.value)
    night.equalise()
    assert accounted(night, "fase2") == {"boxes → cajas": (41, 40, 1)}
    assert night.equalise()["changed"] is False


def test_the_correction_of_a_repeated_key_leaves_the_row_that_stays_alone(begin: Begin) -> None:
    database, jobs = begin()
    heir(database, "customers", "customers_viejos")
    jobs.up_to_tables()
    database.query("INSERT INTO customers_viejos SELECT * FROM ONLY customers ORDER BY id LIMIT 3")
    for _ in range(2):  # one of these stays
        database.query("INSERT INTO customers_viejos (id, phone_number) VALUES (%s, '593777777777')", (key("c", 9001),))
    jobs.fill()
    said = "\n".join(Phase(database.url).call("quarantine", "estado", "ver"))
    [statement] = re.findall(r"UPDATE public.customers SET id = <valor corregido>\n    WHERE [^;]*repite la clave[^;]*;", said)
    with database.cursor(database.url) as cursor:
        cursor.execute(statement.replace("<valor corregido>", "gen_random_uuid()"))
        assert cursor.rowcount == 4
    assert database.value("SELECT count(*) FROM ONLY customers JOIN customers_viejos USING (id)") == 0
