"""Who writes which table: counted at once, then now and again, holding nobody up; our own writes are nobody's."""

from __future__ import annotations

from typing import Any

from plugins.module_utils.core.rows.writers import NOTED_EVERY, WRITERS
from tests.support.databases import Begin
from tests.support.operator import Operator

from .conftest import Synced

ROLE = "supabase_admin"  # who writes in these tests
COUNTED = f"SELECT tabla, rol, aplicacion, sum(escrituras)::int FROM {WRITERS} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"


def city(synced: Synced, side: str = "customers") -> str:
    """A statement that writes one row of a table of clients."""
    column = "city" if side == "customers" else "ciudad"
    key = synced.value("SELECT c.id FROM customers c JOIN clientes USING (id) ORDER BY 1 LIMIT 1")
    return f"UPDATE {side} SET {column} = coalesce({column}, '') || '.' WHERE id = '{key}'"


def counted(synced: Synced) -> list[tuple[Any, ...]]:
    """Everything that is noted."""
    return synced.database.query(COUNTED)


def test_the_first_write_is_noted_at_once_and_no_echo_or_follower_is(synced: Synced) -> None:
    synced.write("SET application_name = 'web'", "UPDATE users SET phone_number = phone_number || '9'")
    assert counted(synced) == [("users", ROLE, "web", 1)]
    synced.write("SET application_name = 'api'", city(synced, "clientes"))
    assert counted(synced)[0] == ("clientes", ROLE, "api", 1)
    assert {row[0] for row in counted(synced)} == {"clientes", "users"}


def test_what_a_bulk_write_carries_to_several_legacy_tables_is_nobodys(synced: Synced) -> None:
    synced.write("UPDATE clientes SET ciudad = 'Todas'")
    assert {row[0] for row in counted(synced)} == {"clientes"}


def test_neither_copy_nor_repair_nor_drain_is_counted(synced: Synced) -> None:
    synced.write("BEGIN ISOLATION LEVEL REPEATABLE READ", "INSERT INTO professions (name) VALUES ('foto')", "COMMIT")
    before = counted(synced)
    synced.jobs.drain()
    synced.jobs.copy()
    synced.jobs.equalise()
    assert counted(synced) == before == [("professions", ROLE, "", 1)]


def test_later_writes_of_a_session_are_noted_together_and_aborted_ones_never(synced: Synced) -> None:
    write, aborted = city(synced), "SAVEPOINT a; {}; ROLLBACK TO a"
    run = "\n".join
    with synced.database.cursor() as cursor:
        cursor.execute(run([f"{write};"] * 2 + [f"{aborted.format(write)};"] * 5 + [f"{write};"] * (NOTED_EVERY - 2)))
    assert counted(synced) == [("customers", ROLE, "", 1)]  # the others wait in the session
    with synced.database.cursor() as cursor:
        cursor.execute(run([f"{write};"] + [f"{aborted.format(write)};"] * 5 + [f"{write};"] * NOTED_EVERY))
    assert counted(synced) == [("customers", ROLE, "", 1 + 1 + NOTED_EVERY)]


def test_two_sessions_of_one_service_never_wait_for_each_other(synced: Synced) -> None:
    write = city(synced)
    synced.write(write)
    with synced.database.cursor() as first, synced.database.cursor() as second:
        first.execute("BEGIN")
        first.execute("INSERT INTO professions (name) VALUES ('una')")
        second.execute("SET lock_timeout = '1s'")
        second.execute("INSERT INTO professions (name) VALUES ('otra')")
        first.execute("COMMIT")
    assert ("professions", ROLE, "", 2) in counted(synced)


def test_each_role_of_a_pooled_session_is_counted_by_itself(synced: Synced) -> None:
    synced.write(
        "CREATE ROLE servicio_contado BYPASSRLS",
        "GRANT INSERT ON professions TO servicio_contado",
        "GRANT USAGE ON SEQUENCE professions_id_seq TO servicio_contado",
    )
    try:
        mine = "SET LOCAL ROLE NONE; INSERT INTO professions (name) VALUES ('dueño {0}')"
        theirs = "SET LOCAL ROLE servicio_contado; INSERT INTO professions (name) VALUES ('rol {0}')"
        synced.write(*(statement.format(n) for n in range(3) for statement in (mine, theirs)))
        assert counted(synced) == [("professions", "servicio_contado", "", 1), ("professions", ROLE, "", 1)]
    finally:
        synced.write("DROP OWNED BY servicio_contado", "DROP ROLE servicio_contado")


def test_what_it_is_kept_in_may_be_gone(synced: Synced) -> None:
    synced.write(f"ALTER TABLE {WRITERS} RENAME TO otra")
    synced.write("INSERT INTO professions (name) VALUES ('sin cuenta')")
    assert synced.value("SELECT count(*) FROM profesiones WHERE nombre = 'sin cuenta'") == 1
    synced.write("ALTER TABLE migracion.otra RENAME TO escritura")
    synced.settled()


def test_the_state_names_who_writes_and_who_writes_in_spanish_too_early(begin: Begin, tmp_path: Any) -> None:
    database, _ = begin(up_to="fase1", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    operator.goes("ansible-playbook fase2.yml -i demo")
    assert "Quién escribe" not in operator.goes("ansible-playbook estado.yml -i demo").text
    database.query("SET application_name = 'facturacion'; INSERT INTO professions (name) VALUES ('a')")
    said = operator.goes("ansible-playbook estado.yml -i demo").text
    assert f"professions: {ROLE}, «facturacion»" in said
    assert "Aviso: alguien escribe ya" not in said
    database.query("INSERT INTO profesiones (nombre) VALUES ('b')")
    assert "Aviso: alguien escribe ya en profesiones" in operator.goes("ansible-playbook estado.yml -i demo").text
    operator.goes("ansible-playbook fase2.yml -i demo --tags rollback")
    assert database.value(f"SELECT count(*) FROM {WRITERS}") == 0
