"""The sequences that both sides draw from: past what was carried and no farther, back only where nobody has drawn since."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.support.databases import Begin, Database
from tests.support.named import statements_in
from tests.support.operator import Operator

DRAW = "INSERT INTO professions (name) VALUES ('Afilador') RETURNING id"
DRAW_SPANISH = "INSERT INTO profesiones (nombre) VALUES ('Calderero') RETURNING id"
STATE = "SELECT last_value, is_called FROM professions_id_seq"
WIDE = """DROP VIEW IF EXISTS active_providers, provider_directory, customer_activity;
ALTER TABLE professions ALTER id TYPE bigint; ALTER SEQUENCE professions_id_seq AS bigint;"""
# What somebody did to ids and sequence before fase0, and what both sides draw next: one more than the highest id, unless said.
BY_HAND = {
    "an id that fits nowhere": (f"{WIDE} INSERT INTO professions (id, name) VALUES (9999999999, 'A mano')", None, None),
    "an id that stays behind": (f"INSERT INTO professions (id, name) VALUES (500000, '{'x' * 150}')", None, None),
    "an id that goes in": ("INSERT INTO professions (id, name) VALUES (500000, 'A mano')", 500001, 500002),
    "the last id there is": ("INSERT INTO professions (id, name) VALUES (2147483647, 'A mano')", None, None),
    "an id beyond the sequence's end": (
        "ALTER SEQUENCE professions_id_seq MAXVALUE 100000; INSERT INTO professions (id, name) VALUES (500000, 'A mano')",
        None,
        None,
    ),
    "by tens": (
        "ALTER SEQUENCE professions_id_seq INCREMENT 10 RESTART 3; INSERT INTO professions (id, name) VALUES (500000, 'A mano')",
        500003,
        500013,
    ),
    "downwards": (
        "ALTER SEQUENCE professions_id_seq INCREMENT -1 MINVALUE -1000000 MAXVALUE -1 START -1 RESTART -5;"
        "INSERT INTO professions (id, name) VALUES (-500000, 'A mano')",
        -500001,
        -500002,
    ),
}


@pytest.mark.names("core/backfill/drawing.unreached")
@pytest.mark.parametrize("kind", BY_HAND)
def test_both_sides_draw_the_next_id_that_fits(begin: Begin, kind: str) -> None:
    statement, next_id, after = BY_HAND[kind]
    database, jobs = begin(rows=100, subphase="2.1")
    database.query(statement)
    highest = database.value("SELECT max(id) FROM professions WHERE id < 100000")
    jobs.up_to_proof()
    beyond = [line for line in jobs.prove()["lines"] if "tras el que no cabe ninguno" in line]
    found = [database.query(statement) for line in beyond for statement in statements_in(line)]
    assert [len(rows) for rows in found] == [1] * ("last" in kind or "end" in kind)
    assert database.value(DRAW) == (next_id or highest + 1)
    assert database.value(DRAW_SPANISH) == (after or highest + 2)


@pytest.mark.names("core/backfill/drawing.obstacle")
def test_a_sequence_that_begins_anew_at_its_end_is_moved_once_the_named_statement_has_run(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1", rows=100)
    database.query("ALTER SEQUENCE professions_id_seq CYCLE; SELECT setval('professions_id_seq', 5)")
    operator = Operator(database.url, tmp_path / "respaldos")
    refusal = operator.stops("ansible-playbook fase2.yml -i demo -e subfase=2.1")
    assert database.query(STATE) == [(5, True)]
    (statement,) = statements_in(refusal.message)
    assert statement == "ALTER SEQUENCE public.professions_id_seq NO CYCLE"
    database.query(statement)
    operator.goes("ansible-playbook fase2.yml -i demo -e subfase=2.1")
    taken = {row[0] for row in database.query("SELECT id FROM professions UNION SELECT id FROM profesiones")}
    free = next(n for n in itertools.count(database.value("SELECT max(id) FROM profesiones")) if n not in taken)
    assert database.value(DRAW_SPANISH) == free


@pytest.mark.parametrize("drawn", [False, True])
def test_the_way_back_puts_a_sequence_back_where_nobody_has_drawn(begin: Begin, drawn: bool) -> None:
    database, jobs = begin(up_to="fase1", rows=100)
    database.query("SELECT setval('professions_id_seq', 5)")
    jobs.fill()
    moved = database.query(STATE)
    if drawn:
        database.query("SELECT nextval('professions_id_seq')")
    jobs.take_back()
    assert database.query(STATE) == ([(moved[0][0] + 1, True)] if drawn else [(5, True)])


def statements(database: Database) -> list[str]:
    """What the server's log has of statements that set a sequence."""
    log = (database.server.home / "log").read_text(encoding="utf-8", errors="replace")
    return [line for line in log.splitlines() if "statement: " in line and "setval(" in line and "aqui" not in line]


def test_what_sets_a_sequence_reads_it_in_the_same_statement(begin: Begin) -> None:
    """An id drawn between two statements would be given a second time."""
    database, jobs = begin(up_to="fase1", rows=100)
    database.query("SELECT setval('professions_id_seq', 5)")
    database.query(f"ALTER DATABASE {database.name} SET log_statement = 'all'")
    before = len(statements(database))
    jobs.fill()
    jobs.take_back()
    forth, back = statements(database)[before:]
    for statement in (forth, back):
        assert "FROM public.professions_id_seq WHERE " in statement
        assert "last_value" in statement.partition(" WHERE ")[2]
