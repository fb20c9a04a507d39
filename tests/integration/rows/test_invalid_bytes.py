"""Bytes in a text that are no letters of the database's encoding: rows with them are compared, named and told apart."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.opinion import choice
from plugins.module_utils.ledger.events import record_event
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect
from tests.support.boxes import Night
from tests.support.damage import put_bytes
from tests.support.databases import Database

pytestmark = pytest.mark.values


@pytest.fixture(params=[choice.ALL_UP_TO, 1], ids=["few", "many"])
def night(request: pytest.FixtureRequest, empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    """Ten boxes, copied and proved; as of a table so small that every row is judged twice, and as of a large one."""
    monkeypatch.setattr(choice, "ALL_UP_TO", request.param)
    made = Night.on(empty_database, tmp_path, 10)
    made.up_to_tables()
    made.night()
    made.equalise()
    return made


def test_a_text_that_is_no_text_is_named_byte_by_byte_and_made_right(night: Night, empty_database: Database) -> None:
    put_bytes(empty_database, r"UPDATE cajas SET rotulo = E'caja \xff' WHERE id = 3")
    put_bytes(empty_database, r"UPDATE cajas SET contenido = E'\xe2\x82' WHERE id = 4")
    put_bytes(empty_database, r"UPDATE boxes SET content = E'\xe2' WHERE id = 4")
    with pytest.raises(MigrationError) as failed:
        night.prove()
    said = str(failed.value)
    assert r"cajas 3: difiere: rotulo: se esperaba 'caja 3', hay 'caja \udcff'" in said
    assert r"cajas 4: difiere: contenido: se esperaba '\udce2', hay '\udce2\udc82'" in said
    assert any(r"'caja \udcff'" in line for line in night.forecast()["lines"])
    night.equalise()
    night.prove()
    assert empty_database.value("SELECT rotulo FROM cajas WHERE id = 3") == "caja 3"
    assert empty_database.value("SELECT contenido::bytea FROM cajas WHERE id = 4").tobytes() == b"\xe2"


def test_what_only_such_a_row_holds_is_kept_and_shown(night: Night, empty_database: Database) -> None:
    put_bytes(empty_database, r"INSERT INTO cajas (id, rotulo) VALUES (77, E'sobra \xc3')")
    night.overrides["removal"] = "prueba"
    night.equalise()
    assert empty_database.value("SELECT count(*) FROM cajas WHERE id = 77") == 0
    kept = "SELECT (fila->>'rotulo')::bytea FROM migracion.apartada"
    assert empty_database.value(kept).tobytes() == b"sobra \xc3"


def test_a_row_is_refused_for_such_a_text_as_for_another(night: Night, empty_database: Database) -> None:
    put_bytes(empty_database, r"UPDATE boxes SET label = repeat('x', 60) || E'\xff' WHERE id = 5")
    night.equalise()
    assert empty_database.value("SELECT clave FROM migracion.cuarentena") == "5"
    night.prove()


def test_an_event_says_such_bytes_written_out(night: Night, empty_database: Database) -> None:
    put_bytes(empty_database, r"CREATE TABLE dicho AS SELECT E'caja \xff'::text AS clave")
    with closing(connect(empty_database.url, "prueba")) as conn:
        ((said,),) = db.fetch_all(conn, "SELECT clave FROM public.dicho")
        record_event(conn, "prueba", "prueba", "fase2", {"diferencias": [said]})
    assert (
        empty_database.value("SELECT detalle->'diferencias'->>0 FROM migracion.evento ORDER BY id DESC LIMIT 1") == r"caja \udcff"
    )
