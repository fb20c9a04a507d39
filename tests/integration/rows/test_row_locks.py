"""What the forward SELECT reads is locked first: a step waits for a writer in flight and carries what that committed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.rows.routes import routes_of
from plugins.module_utils.core.rows.row_locks import as_rows, legacy_locks
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.live_catalogue import read_catalogue
from tests.support.databases import Database, Databases
from tests.support.jobs import of_its_own
from tests.support.locks import held_up

MAPPING = """
schema: public
subphases: {fase2: ["2.1"]}
tables:
  personas:
    twin: people
    columns: {id: integer, telefono: {type: text, not_null: true}, apodo: text}
    primary_key: id
    unique: [telefono]
  llamadas:
    twin: calls
    columns: {id: integer, telefono: text, nota: text}
    primary_key: id
  notas:
    twin: notes
    columns: {id: integer, apodo: text, telefono: text}
    primary_key: id
  encargos:
    twin: errands
    columns: {id: integer, persona_id: integer}
    primary_key: id
    foreign_keys: {persona_id: {table: personas, column: id}}
pairs:
  people:
    personas: {subphase: "2.1", columns: {id: id, telefono: phone, apodo: nick}}
  calls:
    llamadas:
      subphase: "2.1"
      columns: {id: id, telefono: {lookup: {table: people, column: id, by: host, take: phone}}, nota: note}
  notes:
    notas:
      subphase: "2.1"
      columns:
        id: id
        apodo: {lookup: {table: people, column: id, by: host, take: nick}}
        telefono: {lookup: {table: people, column: id, by: guest, take: phone}}
  errands:
    encargos: {subphase: "2.1", columns: {id: id, persona_id: host}}
"""
TABLES = """
CREATE TABLE people (id integer PRIMARY KEY, phone text NOT NULL {unique}, nick text);
CREATE TABLE calls (id integer PRIMARY KEY, host integer, note text);
CREATE TABLE notes (id integer PRIMARY KEY, host integer, guest integer);
CREATE TABLE errands (id integer PRIMARY KEY, host integer);
INSERT INTO people VALUES (1, '11', 'uno'), (2, '22', 'dos'), (3, '33', 'tres');
INSERT INTO calls VALUES (1, 1, 'nota');
INSERT INTO notes VALUES (1, 2, 1);
INSERT INTO errands VALUES (1, 1)
"""
PAIRS = {"calls": "calls_llamadas", "notes": "notes_notas", "errands": "errands_encargos"}
AGAIN = """UPDATE migracion.progreso_copia SET terminada_at = NULL, posicion = NULL, fin = {} WHERE tabla_origen = '{}';
SELECT * FROM migracion.copiar_{}('', 100, 1000000, 'prueba')"""


@pytest.fixture(scope="module", params=["UNIQUE", ""], ids=["unique phones", "phones that no key holds"])
def made(request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Everything carried; the phones under a key or under none."""
    database = databases.empty()
    of_its_own(database, tmp_path_factory.mktemp("pasos"), MAPPING, TABLES.format(unique=request.param)).up_to_proof()
    yield database
    databases.drop(database)


def step(database: Database, how: str, table: str) -> str:
    """What carries, or looks at, the table's only row."""
    if how == "the proof":
        with closing(connect(database.url, "prueba")) as conn:
            mapping = load_mapping(MAPPING, "mapeo.yml")
            route = next(r for r in routes_of(mapping, read_catalogue(conn, mapping)) if r.pair.source == table)
            return "; ".join(f"SELECT {lock}" for lock in legacy_locks(route, as_rows(["integer"], [["1"]])))
    if how == "the repair":
        return f"SELECT * FROM migracion.llevar_{PAIRS[table]}(ARRAY[1], 'prueba')"
    # as far as any version of the row may lie, however often the tests before have written it
    page = f"jsonb_build_object('archivo', pg_relation_filenode('{table}'), 'hasta', '(9,0)', 'densidad', 1)"
    end = "'[\"9\"]'" if how == "a batch by key" else page
    return AGAIN.format(end, table, PAIRS[table])


HOWS = ("a batch by page", "a batch by key", "the repair", "the proof")
READS = {
    "the row itself": ("calls", "UPDATE calls SET note = md5(random()::text) WHERE id = 1"),
    "a value that is looked up": ("calls", "UPDATE people SET phone = md5(random()::text) WHERE id = 1"),
    "one that no key ever held": ("notes", "UPDATE people SET nick = md5(random()::text) WHERE id = 2"),
    "the second of two rows looked up in one table": ("notes", "UPDATE people SET phone = md5(random()::text) WHERE id = 1"),
    "what decides whether a parent goes in": ("errands", "UPDATE people SET nick = md5(random()::text) WHERE id = 1"),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("what", READS)
def test_what_is_read_is_waited_for_and_carried_as_it_was_committed(made: Database, tmp_path: Path, what: str, how: str) -> None:
    table, write = READS[what]
    with held_up(made, write, step(made, how, table)):
        pass
    if how != "the proof":
        target = PAIRS[table].split("_")[1]
        columns = {"calls": ("telefono", "nota"), "notes": ("apodo", "telefono"), "errands": ("persona_id",)}[table]
        differ = " OR ".join(f"e.{c} IS DISTINCT FROM v.{c}" for c in columns)
        stale = f"SELECT count(*) FROM {target} e JOIN migracion.v_{PAIRS[table]} v USING (id) WHERE {differ}"
        assert made.value(stale) == 0


def test_what_is_not_read_is_not_waited_for(made: Database) -> None:
    if made.query("SELECT FROM pg_constraint WHERE contype = 'u' AND conrelid = 'people'::regclass"):
        free = "UPDATE people SET nick = md5(random()::text) WHERE id = 1"  # of the row, a call reads the phone alone
    else:
        free = "UPDATE people SET nick = md5(random()::text) WHERE id = 3"
    for how in HOWS:
        with pytest.raises(AssertionError, match="it waited for nobody"), held_up(made, free, step(made, how, "calls")):
            pass
