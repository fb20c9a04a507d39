"""Rows that meet in one unique Spanish column, rows that hang on others, rows that heal: each stands somewhere, and says why.

No row is dropped, overwritten or deleted for another one. After every step an accounting that shares nothing with the
runbook (tests/support/accounting.py) finds all of them.
"""

from __future__ import annotations

from functools import partial

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.accounting import take_accounting
from tests.support.databases import Begin, Database
from tests.support.jobs import Jobs
from tests.support.rows import key
from tests.support.unseen import added_unseen

PHASES = ("fase2", "fase3")


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """A small sample with hardly a message, its Spanish tables made."""
    return partial(begin, rows=100, messages=7, up_to="fase1")


def settle(database: Database, jobs: Jobs) -> None:
    """The same commands again, and nothing is left unexplained."""
    for phase in PHASES:
        jobs.equalise(phase)
    assert take_accounting(database.url).problems == []


def fate(database: Database, table: str, clave: str) -> str:
    """'sqlstate column' of the row's open entry, '→ key' of the row it was merged into, or ''."""
    entries = database.query(
        "SELECT sqlstate || ' ' || columna FROM migracion.cuarentena WHERE estado = 'abierta'"
        " AND (tabla_origen, clave) = (%s, %s)"
        " UNION ALL SELECT '→ ' || clave_destino FROM migracion.fusion WHERE (tabla_origen, clave) = (%s, %s)",
        (table, clave, table, clave),
    )
    assert len(entries) <= 1
    return str(entries[0][0]) if entries else ""


MEETINGS = f"""
-- blanks that varchar(n) cuts off make two texts one: within customers, within each half of users, across the two tables
UPDATE customers SET phone_number = rpad('593100000031', 21) WHERE id = '{key("c", 1)}';
UPDATE customers SET phone_number = rpad('593100000031', 20) WHERE id = '{key("c", 2)}';
UPDATE users SET phone_number = rpad('593100000031', 22) WHERE id = '{key("a", 1)}';
UPDATE users SET phone_number = rpad('593200000032', 23) WHERE id = '{key("a", 2)}';
UPDATE users SET phone_number = rpad('593200000032', 22), name = 'Otra' WHERE id = '{key("a", 3)}';
UPDATE users SET phone_number = rpad('593200000033', 23) WHERE id = '{key("a", 13)}';
UPDATE users SET phone_number = rpad('593200000033', 22) WHERE id = '{key("a", 14)}';
INSERT INTO professions (id, name) VALUES (951, rpad('Igual', 103)), (952, rpad('Igual', 102)), (953, 'Igual');
-- the same phone in both halves of users is none: they are two tables
UPDATE users SET phone_number = '593200000034 ' WHERE id = '{key("a", 19)}';
UPDATE users SET phone_number = '593200000034' WHERE id = '{key("a", 20)}';
"""
MEET = {
    ("customers", key("c", 1)): "",
    ("customers", key("c", 2)): "23505 phone_number",
    ("users", key("a", 1)): "23505 phone_number",
    ("users", key("a", 2)): "",
    ("users", key("a", 3)): "23505 phone_number",
    ("users", key("a", 13)): "",
    ("users", key("a", 14)): "23505 phone_number",
    ("professions", "951"): "",
    ("professions", "952"): "23505 name",
    ("professions", "953"): "",
    # the sample's own: one phone in both tables, one key with two phones, one person twice
    ("users", key("a", 6)): f"→ {key('c', 26)}",
    ("users", key("c", 24)): f"→ {key('c', 24)}",
    ("users", key("c", 25)): "23505 phone_number",
}


@pytest.mark.parametrize(("installation", "batch_rows"), [("jsonb", 500), ("text", 1)], ids=["in one batch", "in two batches"])
def test_two_rows_that_meet_are_one_row_and_one_record(begin: Begin, installation: str, batch_rows: int) -> None:
    database, jobs = begin(installation, batch_rows=batch_rows)
    database.query(MEETINGS)
    jobs.fill(*PHASES)
    assert take_accounting(database.url).problems == []
    assert {row: fate(database, *row) for row in MEET} == MEET
    assert database.value("SELECT nombre_completo FROM clientes WHERE telefono = rpad('593200000032', 20)") == "Cliente TinkuBot"
    reasons = "SELECT DISTINCT motivo FROM migracion.cuarentena WHERE sqlstate = '23505' AND tabla_origen = 'users' ORDER BY 1"
    assert [reason for (reason,) in database.query(reasons)] == [
        "customers tiene otra fila con el mismo id, que queda",
        "phone_number repite en telefono el valor de otra fila, que queda",
    ]


def test_when_the_winner_leaves_the_next_one_comes_in_by_the_same_command(begin: Begin) -> None:
    database, jobs = begin()
    database.query(MEETINGS)
    jobs.fill(*PHASES)
    waiting = (
        ("customers", key("c", 1), key("c", 2)),
        ("users", key("a", 2), key("a", 3)),
        ("users", key("a", 13), key("a", 14)),
        ("professions", "951", "952"),
    )
    for table, winner, _ in waiting:
        database.query(f"DELETE FROM {table} WHERE id = '{winner}'")
    settle(database, jobs)
    assert [fate(database, table, loser) for table, _, loser in waiting] == [""] * 4
    closed = "SELECT resolucion FROM migracion.cuarentena WHERE estado = 'resuelta' AND resuelta_at IS NOT NULL"
    assert {row for (row,) in database.query(closed)} == {"corregida"}


def test_several_rows_of_one_pair_follow_the_lowest_that_goes_in(begin: Begin) -> None:
    database, jobs = begin("text", up_to="fase3")
    provider = key("a", 13)
    ids = "SELECT id::text FROM provider_professions WHERE provider_id = %s AND profession_id = 901 ORDER BY id"
    first, second, third = (row for (row,) in database.query(ids, (provider,)))
    assert [fate(database, "provider_professions", n) for n in (first, second, third)] == ["", f"→ {first}", f"→ {first}"]
    database.query("UPDATE provider_professions SET experience_years = 99 WHERE id = %s", (first,))
    settle(database, jobs)
    assert [fate(database, "provider_professions", n) for n in (first, second, third)][1:] == ["", f"→ {second}"]
    assert fate(database, "provider_professions", first) == "23514 experience_years"
    database.query("UPDATE provider_professions SET experience_years = 9 WHERE id = %s", (first,))
    settle(database, jobs)
    assert [fate(database, "provider_professions", n) for n in (first, second, third)] == ["", f"→ {first}", f"→ {first}"]
    assert database.value("SELECT anos_experiencia FROM proveedor_profesiones WHERE id = %s", (first,)) == 9


def test_children_wait_with_a_quarantined_parent_and_are_carried_again_with_it(begin: Begin) -> None:
    database, jobs = begin()
    provider = key("a", 14)
    service = database.value(
        "INSERT INTO provider_services (provider_id, title) VALUES (%s, 'Con padre') RETURNING id::text", (provider,)
    )
    database.query("INSERT INTO provider_professions (provider_id, profession_id) VALUES (%s, 914)", (provider,))
    jobs.fill(*PHASES)
    children = (
        f"SELECT (SELECT count(*) FROM servicios_proveedor WHERE proveedor_id = '{provider}'),"
        f" (SELECT count(*) FROM proveedor_profesiones WHERE proveedor_id = '{provider}')"
    )
    assert database.query(children) == [(1, 1)]
    before = database.query("SELECT id, creado_at FROM servicios_proveedor WHERE proveedor_id = %s", (provider,))
    database.query("UPDATE users SET status = 'banned' WHERE id = %s", (provider,))
    settle(database, jobs)
    assert database.query(children) == [(1, 1)]  # the last good ones
    assert fate(database, "users", provider) == "23514 status"
    assert fate(database, "provider_services", service) == "23503 provider_id"
    said = database.value("SELECT motivo FROM migracion.cuarentena WHERE clave = %s AND estado = 'abierta'", (service,))
    assert said == "provider_id apunta a una fila que no está o está en cuarentena en users"
    database.query("UPDATE users SET status = 'pending' WHERE id = %s", (provider,))
    settle(database, jobs)
    assert database.query(children) == [(1, 1)]
    assert database.query("SELECT id, creado_at FROM servicios_proveedor WHERE proveedor_id = %s", (provider,)) == before
    assert fate(database, "provider_services", service) == fate(database, "users", provider) == ""


CLIENT = "SELECT cliente_id::text FROM solicitudes_servicio WHERE id = %s"


def hold(jobs: Jobs, said: str) -> None:
    """fase2 leaves a row as it is, since a request hangs on it, and names what holds it and what ends that."""
    with pytest.raises(MigrationError, match=r"(sobra|falta) en clientes.*no se retira") as held:
        jobs.equalise("fase2")
    assert said in str(held.value)


def test_a_merge_is_undone_while_its_winner_is_in_quarantine_and_made_again_when_it_heals(begin: Begin) -> None:
    database, jobs = begin()
    winner, loser, phone = key("c", 26), key("a", 6), "593100000026"
    database.query("INSERT INTO service_requests (id, phone) VALUES (%s, %s)", (key("b", 1), phone))
    jobs.fill(*PHASES)
    assert fate(database, "users", loser) == f"→ {winner}"
    assert database.value(CLIENT, (key("b", 1),)) == winner
    for city, holder, state in (("x" * 101, loser, "inactivo"), ("Ibarra", winner, "activo")):
        database.query("UPDATE customers SET city = %s WHERE id = %s", (city, winner))
        for _ in range(2):  # a second time changes nothing
            hold(jobs, "la lleva ansible-playbook fase3.yml con el mismo -i")
        jobs.equalise("fase3")
        settle(database, jobs)
        assert fate(database, "users", loser) == ("" if holder == loser else f"→ {winner}")
        assert fate(database, "customers", winner) == ("" if holder == winner else "22001 city")
        assert database.query("SELECT id::text, estado FROM clientes WHERE telefono = %s", (phone,)) == [(holder, state)]
        assert database.value(CLIENT, (key("b", 1),)) == holder
    assert database.value("SELECT count(*) FROM migracion.fusion WHERE clave = %s", (loser,)) == 1


def test_a_winner_whose_value_somebody_elses_row_keeps_taken_is_named_until_that_goes(begin: Begin) -> None:
    database, jobs = begin()
    winner, loser = key("c", 26), key("a", 6)
    database.query("UPDATE customers SET city = %s WHERE id = %s", ("x" * 101, winner))
    jobs.fill(*PHASES)
    with database.cursor(database.url) as cursor:
        cursor.execute("CREATE TABLE notas (cliente uuid CONSTRAINT nota_de REFERENCES clientes)")
        cursor.execute("INSERT INTO notas VALUES (%s)", (loser,))
    database.query("UPDATE customers SET city = 'Ibarra' WHERE id = %s", (winner,))
    for phase in (*PHASES, *PHASES):
        with pytest.raises(MigrationError, match=f"{winner}: falta en clientes") as held:
            jobs.equalise(phase)
        assert "ALTER TABLE public.notas DROP CONSTRAINT nota_de" in str(held.value)
        assert fate(database, "customers", winner) == ""
    with database.cursor(database.url) as cursor:
        cursor.execute("ALTER TABLE public.notas DROP CONSTRAINT nota_de")
    settle(database, jobs)
    assert fate(database, "users", loser) == f"→ {winner}"


@pytest.mark.parametrize("back", [False, True], ids=["by fase3", "by fase3's way back"])
def test_a_winner_that_postgresql_refused_takes_its_value_back_from_the_row_that_came_in_for_it(begin: Begin, back: bool) -> None:
    database, jobs = begin()
    winner, loser, phone = key("c", 26), key("a", 6), "593100000026"
    database.query("INSERT INTO service_requests (id, phone) VALUES (%s, %s)", (key("b", 1), phone))
    reason = "SELECT sqlstate, motivo LIKE '%%ajena%%' FROM migracion.cuarentena WHERE clave = %s AND estado = 'abierta'"
    with added_unseen(database, "clientes", f"CHECK (id <> '{winner}')"):
        jobs.fill(*PHASES)
        for phase in PHASES:
            assert jobs.equalise(phase)["changed"] is False
            assert database.query(reason, (winner,)) == [("23514", True)]
        assert (fate(database, "users", loser), database.value(CLIENT, (key("b", 1),))) == ("", loser)
    hold(jobs, "la lleva ansible-playbook fase3.yml con el mismo -i")
    if back:
        jobs.take_back("fase3")
        jobs.equalise("fase2")
        jobs.copy("fase3")
    jobs.equalise("fase3")
    settle(database, jobs)
    assert (fate(database, "customers", winner), fate(database, "users", loser)) == ("", f"→ {winner}")
    assert database.value(CLIENT, (key("b", 1),)) == winner
    jobs.take_back("fase3")
    jobs.take_back("fase2")
    assert database.value("SELECT count(*) FROM clientes") == 0


def test_a_user_who_changes_sides_leaves_one_table_for_the_other(begin: Begin) -> None:
    database, jobs = begin(up_to="fase3")
    person = key("a", 14)
    where = (
        f"SELECT (SELECT count(*) FROM proveedores WHERE id = '{person}'), (SELECT count(*) FROM clientes WHERE id = '{person}')"
    )
    for kind, found in (("client", (0, 1)), ("admin", (0, 0)), ("provider", (1, 0))):
        database.query("UPDATE users SET user_type = %s WHERE id = %s", (kind, person))
        settle(database, jobs)
        assert database.query(where) == [found]
    entry = "SELECT columna, motivo, estado FROM migracion.cuarentena WHERE clave = %s AND columna = 'user_type'"
    assert database.query(entry, (person,)) == [("user_type", "user_type no es provider ni client: 'admin'", "resuelta")]


def test_every_kind_of_refusal_of_the_sample_heals_by_a_corrected_row(begin: Begin) -> None:
    database, jobs = begin("text", up_to="fase3")
    refused = "SELECT count(*) FROM migracion.cuarentena WHERE estado = 'abierta' AND tabla_origen = %s"
    assert database.value(refused, ("service_requests",)) > 1
    with database.cursor() as cursor:
        cursor.execute("UPDATE service_requests SET phone_number = left(phone_number, 20), intent = 'service_request'")
        cursor.execute("UPDATE service_requests SET requested_at = '2024-06-01T10:00:00Z', resolved_at = ''")
        cursor.execute("UPDATE messages SET message_type = 'text', processing_status = NULL, media_url = NULL")
        cursor.execute("""UPDATE messages SET user_id = NULL, metadata = '{"phone": "593"}'""")
        cursor.execute("UPDATE task_queue SET status = NULL, priority = 10, task_type = 'reminder'")
    settle(database, jobs)
    assert [database.value(refused, (table,)) for table in ("service_requests", "messages", "task_queue")] == [0, 0, 0]


def test_a_row_that_postgresql_refuses_while_a_request_hangs_on_its_old_one_is_named_with_the_phase_that_ends_it(
    begin: Begin,
) -> None:
    database, jobs = begin()
    database.query("INSERT INTO service_requests (id, phone) VALUES (%s, '593100000026')", (key("b", 1),))
    jobs.fill(*PHASES)
    database.query("UPDATE customers SET city = 'Prohibida' WHERE id = %s", (key("c", 26),))
    with added_unseen(database, "clientes", "CHECK (ciudad <> 'Prohibida')"):
        with pytest.raises(
            MigrationError, match=r"falta en clientes \(otra fila tiene su telefono, y no se retira: .*solicitudes_servicio"
        ) as held:
            jobs.equalise("fase2")
        assert "la lleva ansible-playbook fase3.yml con el mismo -i" in str(held.value)
        jobs.equalise("fase3")
        for phase in PHASES:
            assert jobs.equalise(phase)["changed"] is False
        assert database.value(CLIENT, (key("b", 1),)) == key("a", 6)


def test_the_row_of_a_key_that_postgresql_refuses_keeps_its_key(begin: Begin) -> None:
    """Another table's row of that key does not come in for it, only to leave again in the next run that tries the first one."""
    database, jobs = begin()
    same = key("c", 25)
    jobs.fill(*PHASES)
    assert fate(database, "users", same) == "23505 phone_number"
    database.query("UPDATE customers SET city = 'Prohibida' WHERE id = %s", (same,))
    with added_unseen(database, "clientes", "CHECK (ciudad <> 'Prohibida')"):
        for phase in PHASES:
            jobs.equalise(phase)
        aside = database.value("SELECT count(*) FROM migracion.apartada")
        for phase in PHASES:
            assert jobs.equalise(phase)["changed"] is False
        assert database.value("SELECT count(*) FROM migracion.apartada") == aside
        assert database.value("SELECT ciudad = 'Prohibida' FROM clientes WHERE id = %s", (same,)) is False
    settle(database, jobs)
    assert (fate(database, "customers", same), fate(database, "users", same)) == ("", "23505 phone_number")
