"""A row born on the Spanish side gets in legacy what the mapping declares for columns that no Spanish one fills."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database
from tests.support.jobs import of_its_own
from tests.support.seen import looked

pytestmark = pytest.mark.values

LEGACY = (
    "CREATE TABLE things (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, channel text NOT NULL, tags jsonb NOT NULL)"
)
MAPPING = """
schema: public
subphases: {fase2: ["2.1"], fase3: ["3"]}
tables:
  cosas:
    twin: things
    comment: x
    columns:
      id: {type: uuid, default_sql: gen_random_uuid()}
      nombre: text
    primary_key: id
pairs:
  things:
    cosas:
      subphase: "2.1"
      columns: {id: id, nombre: name}
      waived: {channel: x, tags: x}
      births: {channel: web's, tags: []}
"""


def test_what_the_mapping_declares_is_in_the_legacy_row(empty_database: Database, tmp_path: Path) -> None:
    jobs = of_its_own(empty_database, tmp_path, MAPPING, LEGACY, subphase="2.1")
    assert looked(jobs)[0] == []
    jobs.up_to_proof()
    jobs.synchronise("fase2")
    empty_database.query("INSERT INTO cosas (nombre) VALUES ('nueva')")
    assert empty_database.query("SELECT name, channel, tags FROM things") == [("nueva", "web's", [])]
    empty_database.query("UPDATE things SET channel = 'otro'")
    empty_database.query("UPDATE cosas SET nombre = 'otra'")
    assert empty_database.query("SELECT name, channel FROM things") == [("otra", "otro")]
    jobs.prove()


def test_a_column_that_nothing_fills_is_named_before(empty_database: Database, tmp_path: Path) -> None:
    jobs = of_its_own(empty_database, tmp_path, MAPPING.replace("channel: web's, ", ""), LEGACY, subphase="2.1")
    [seen], _, refusals = looked(jobs)
    assert (seen.name, seen.verdict, refusals) == ("filas que nacen en español", "aviso", [])
    assert "things.channel es obligatoria y nada la llena" in seen.value
    assert "«births: {channel: …}»" in seen.note
    jobs.up_to_proof()
    jobs.synchronise("fase2")
    empty_database.query("INSERT INTO cosas (nombre) VALUES ('nueva')")
    assert empty_database.query("SELECT tabla_origen, sqlstate FROM migracion.cuarentena") == [("cosas", "23502")]


def test_a_column_that_is_not_there_is_drift(empty_database: Database, tmp_path: Path) -> None:
    jobs = of_its_own(empty_database, tmp_path, MAPPING.replace("channel: web's", "canal: web's"), LEGACY, subphase="2.1")
    with pytest.raises(MigrationError, match=r"falta la columna things\.canal, a la que births da un valor"):
        jobs.approve()
