"""A database of another encoding than UTF8: what it cannot hold is quarantined, all else goes in, and no word of ours fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.module_utils.core.opinion import choice
from tests.support.databases import Database, Databases
from tests.support.edges import judged
from tests.support.jobs import of_its_own
from tests.support.phase import Phase, closed_window

pytestmark = pytest.mark.values

MAPPING = """
schema: public
subphases: {fase2: ["2.1"]}
tables:
  avisos:
    twin: notices
    comment: Avisos de Ñandú
    columns: {id: integer, texto: {type: varchar(9), not_null: true}, datos: jsonb, canal: text, estado: text}
    primary_key: id
pairs:
  notices:
    avisos:
      subphase: "2.1"
      columns:
        id: id
        texto: {from: words, default: sin año}
        datos: data
        canal: {from: raw, json_keys: [canal], lookup: {table: notices, column: id, by: id, take: none}}
        estado: {from: state, values: {new: añadido}}
      waived: {left: nadie la lee}
"""
TABLES = """
CREATE TABLE notices (id integer PRIMARY KEY, words text, data text, raw json, state text, "left" json, none text);
INSERT INTO notices (id, words, data, raw, state, "left") VALUES
  (1, E'\\u00f1and\\u00fa', '{"a": "\\u00f1"}', '{"canal": "\\u00f1"}', 'new', '"\\u20ac"'),
  (2, NULL, '{"a": "\\u20ac"}', '{}', 'new', '"\\u20ac"'),
  (3, 'x', '{}', '{"canal": "\\u20ac"}', 'new', NULL),
  (4, 'x', '{}', '{"canal": "\\u0000"}', 'old', '"\\ud800"'),
  (5, 'too long a text', NULL, NULL, NULL, '"\\u20ac"')
"""
LETTERS = "INSERT INTO notices (id, words) SELECT n, CASE n WHEN 7 THEN E'\\u00f1' ELSE 'm' END FROM generate_series(1, 12) n"


@pytest.fixture(params=["LATIN1", "UTF8"])
def base(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Database]:
    """An empty database of that encoding."""
    owner = databases.empty()
    name = f"base_{request.param.lower()}"
    with databases._cursor() as cursor:
        cursor.execute(
            f"CREATE DATABASE {name} OWNER {owner.role} TEMPLATE template0 ENCODING '{request.param}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    database = Database(databases.server, name)
    yield database
    databases.drop(database)
    databases.drop(owner)


def test_a_migration_goes_forward_and_back_and_json_that_the_encoding_cannot_hold_is_quarantined(
    base: Database, tmp_path: Path
) -> None:
    latin = base.name == "base_latin1"
    jobs = of_its_own(base, tmp_path, MAPPING, TABLES)
    jobs.approve(check=True)
    jobs.up_to_proof()
    jobs.prove()
    rows = {key: rest for key, *rest in base.query("SELECT id, texto, datos, canal, estado FROM avisos ORDER BY 1")}
    assert rows[1] == ["ñandú", {"a": "ñ"}, "ñ", "añadido"]
    assert rows[3] == ["x", {}, None if latin else "€", "añadido"]
    assert rows[4] == ["x", {}, None, "old"]
    kept = {key: (state, fila) for key, state, fila in base.query("SELECT clave, sqlstate, fila FROM migracion.cuarentena")}
    assert {key: state for key, (state, _) in kept.items()} == {"5": "22001", **({"2": "22P02"} if latin else {})}
    assert kept["5"][1]["left"] == '"\\u20ac"'
    lines = Phase(base.url).call("status", "estado", "prueba-estado")
    assert any("avisos" in line for line in lines)
    jobs.take_back()
    jobs.drop_tables()


def test_the_last_text_of_a_large_table_is_judged_though_it_is_sent_in_more_bytes(
    base: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = of_its_own(base, tmp_path, MAPPING, f"{TABLES}; DELETE FROM notices; {LETTERS}")
    jobs.up_to_proof()
    base.query("SET session_replication_role = replica; UPDATE avisos SET texto = 'z' WHERE id = 7")
    monkeypatch.setattr(choice, "ALL_UP_TO", 1)
    found = judged(jobs, "notices", 0)
    assert [(d.clave, d.place) for d in found.examples] == [("7", "texto guardado")]
    assert not found.whole


def test_what_an_operator_writes_is_kept_where_the_encoding_has_not_all_its_letters(base: Database) -> None:
    phase = Phase(base.url, operator="Zoë €", options={"maintenance_window": closed_window()})
    phase.open("fase0", overrides={"window": "acordado – cuesta 5 €, ñ"})
    latin = base.name == "base_latin1"
    reason = r"acordado \u2013 cuesta 5 \u20ac, ñ" if latin else "acordado – cuesta 5 €, ñ"
    assert base.value("SELECT count(*) FROM migracion.evento WHERE strpos(detalle->>'motivo', %s) > 0", (reason,)) == 1
    who = base.query("SELECT DISTINCT operador FROM migracion.fase_ejecucion")
    assert who == [(r"Zoë \u20ac" if latin else "Zoë €",)]
    assert any("Zoë" in line for line in phase.call("status", "estado", "prueba-estado"))
