"""What a deployment may do to the legacy tables in the days between phases: whatever the mapping does not read is theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database
from tests.support.jobs import Jobs, of_its_own

MAPPING = """
schema: public
subphases: {fase2: ["2.1", "2.2"], fase3: ["3"]}
tables:
  personas:
    twin: people
    columns: {id: integer, telefono: {type: varchar(5), not_null: true}}
    primary_key: id
  partes:
    twin: parts
    columns: {id: integer, nota: text}
    primary_key: id
  avisos:
    twin: notices
    columns: {id: integer, telefono: varchar(5), datos: jsonb}
    primary_key: id
  futuras:
    twin: later
    columns: {id: integer}
    primary_key: id
pairs:
  people:
    personas:
      subphase: "2.1"
      where: {kind: p}
      otherwise: true
      columns: {id: id, telefono: phone}
      waived: {"left %s": nadie la lee, raw: nadie la lee, big: nadie la lee, raws: nadie la lee}
  parts:
    partes: {subphase: "2.2", columns: {id: id, nota: note}}
  notices:
    avisos:
      subphase: "3"
      columns:
        id: id
        telefono: {lookup: {table: people, column: id, by: person, take: phone}}
        datos: data
      waived: {"left %s": nadie la lee, raw: nadie la lee}
"""
TABLES = """
CREATE DOMAIN raw_json AS json;
CREATE TABLE people (id integer PRIMARY KEY, "left %s" text, phone text UNIQUE, kind text, raw raw_json, big numeric,
  raws json[], u text);
CREATE TABLE parts (u integer DEFAULT NULL, id integer PRIMARY KEY, note text) PARTITION BY RANGE (id);
CREATE TABLE a_part PARTITION OF parts DEFAULT;
CREATE TABLE notices (id integer PRIMARY KEY, person integer, "left %s" text, raw json, data json, u timestamp);
CREATE TABLE later (id integer PRIMARY KEY, u text);
CREATE TABLE unmapped (id integer PRIMARY KEY, u text);
INSERT INTO people VALUES
  (1, 'x', '11', 'p', NULL, 1.50, NULL),
  (2, 'y', 'too long', 'p', '{"a": 1,  "a": "\\u0000"}', 'NaN', ARRAY['"\\ud800"'::json]),
  (3, 'z', '33', 'q', 'null', NULL, NULL);
INSERT INTO parts SELECT NULL, n, 'nota' FROM generate_series(1, 5) n;
INSERT INTO notices VALUES (1, 1, 'w', '1e400000', '{"b":  1}'), (2, 1, NULL, NULL, '"\\u0000"'), (3, 1, NULL, 'null', NULL)
"""
DEPLOYED = """
ALTER TABLE people ALTER u TYPE integer USING NULL, DROP raw, DROP raws, ALTER big TYPE text, ADD CHECK ("left %s" <> 'no');
ALTER TABLE parts DROP u;
ALTER TABLE notices ALTER u TYPE text, DROP "left %s", ALTER raw TYPE jsonb USING '1';
ALTER TABLE later DROP u;
ALTER TABLE unmapped DROP u
"""


@pytest.fixture
def jobs(empty_database: Database, tmp_path: Path) -> Jobs:
    """fase2's first slice is carried and proved."""
    made = of_its_own(empty_database, tmp_path, MAPPING, TABLES, subphase="2.1")
    made.up_to_proof()
    return made


KEPT = "SELECT clave, fila FROM migracion.cuarentena WHERE tabla_origen = %s ORDER BY clave"


def test_columns_that_nobody_reads_are_altered_and_dropped_between_the_phases(jobs: Jobs, empty_database: Database) -> None:
    empty_database.query(DEPLOYED)
    rest = replace(jobs, subphase="")
    rest.fill("fase2", "fase3")
    assert empty_database.query("SELECT id, telefono FROM avisos ORDER BY 1") == [(1, "11"), (3, "11")]
    # a row that is refused now is kept as it is now
    empty_database.query("UPDATE people SET phone = 'also too long' WHERE id = 1")
    rest.equalise("fase2")
    assert dict(empty_database.query(KEPT, ("people",)))["1"].keys() == {"id", "left %s", "phone", "kind", "big", "u"}
    for phase in ("fase3", "fase2"):
        rest.take_back(phase)


def test_the_whole_row_is_kept_each_json_letter_by_letter(jobs: Jobs, empty_database: Database) -> None:
    replace(jobs, subphase="").fill("fase2", "fase3")
    kept = dict(empty_database.query(KEPT, ("people",)))
    assert kept["2"] == {
        "id": 2,
        "left %s": "y",
        "phone": "too long",
        "kind": "p",
        "raw": '{"a": 1,  "a": "\\u0000"}',
        "big": "NaN",
        "raws": '["\\ud800"]',
        "u": None,
    }
    assert kept["3"]["raw"] is None  # of a column that is not read, null and NULL are one
    assert dict(empty_database.query(KEPT, ("notices",)))["2"]["data"] == '"\\u0000"'


@pytest.mark.parametrize("statement", ["ALTER TABLE notices DROP data", "ALTER TABLE people ALTER phone TYPE varchar(9)"])
def test_columns_that_are_read_are_held(jobs: Jobs, empty_database: Database, statement: str) -> None:
    with pytest.raises((psycopg2.errors.DependentObjectsStillExist, psycopg2.errors.FeatureNotSupported)):
        empty_database.query(statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE notices RENAME person TO who", "falta notices.person"),
        ("ALTER TABLE notices ADD fresh text", "notices.fresh es nueva"),
    ],
)
def test_what_fase0_has_to_see_again_is_drift(jobs: Jobs, empty_database: Database, statement: str, said: str) -> None:
    empty_database.query(statement)
    with pytest.raises(MigrationError, match=said):
        replace(jobs, subphase="").copy("fase3")
