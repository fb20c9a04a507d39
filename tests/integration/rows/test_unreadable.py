"""Legacy rows that nobody can read (a damaged page of TOAST): they are named and quarantined, and the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.boxes import Night
from tests.support.damage import damage_page, damage_toast
from tests.support.databases import Begin, Database, Databases
from tests.support.jobs import of_its_own
from tests.support.named import statements_in
from tests.support.operator import Operator
from tests.support.phase import Phase
from tests.support.reaper import reaped
from tools.postgres_server import PostgresServer, launch

LONG = "(SELECT string_agg(md5(n::text || i::text), '') FROM generate_series(1, 80) i)"  # no compression makes it short
KINDS = {"a page of zeros": (0, bytes(8192)), "a page half overwritten": (4096, b"\xff" * 4000)}


@pytest.fixture
def damaged_database(server: PostgresServer) -> Iterator[Database]:
    """A database on a server of its own, which may be stopped."""
    with reaped(launch(server.bin_dir, fsync=False)) as running:
        yield Databases(running).empty()


@pytest.fixture
def night(damaged_database: Database, tmp_path: Path) -> Night:
    """Boxes with long contents, the Spanish table made."""
    made = Night.on(damaged_database, tmp_path, 0, batch_rows=40)
    rows(damaged_database, 1, 120)
    made.up_to_tables()
    return made


def rows(database: Database, first: int, last: int, table: str = "boxes") -> None:
    database.query(
        f"INSERT INTO {table} (id, label, content) SELECT n, 'caja ' || n, {LONG} FROM generate_series({first}, {last}) n"
    )


def lost(database: Database) -> list[str]:
    """The keys of the boxes whose content cannot be read, asked one by one."""
    found = []
    for (key,) in database.query("SELECT id FROM boxes ORDER BY id"):
        try:
            database.query("SELECT md5(content) FROM boxes WHERE id = %s", (key,))
        except psycopg2.errors.InternalError_:
            found.append(str(key))
        except psycopg2.errors.DataCorrupted:
            found.append(str(key))
    return found


def entries(database: Database) -> list[tuple[str, str, str, str, str]]:
    return database.query(
        "SELECT clave, left(sqlstate, 2), columna, motivo, fila->>'label' FROM migracion.cuarentena WHERE estado = 'abierta'"
        " AND NOT fila ? 'content' ORDER BY clave"
    )


def expected(keys: list[str]) -> list[tuple[str, str, str, str, str]]:
    return [(key, "XX", "content", "content no se puede leer: dañado en el disco", f"caja {key}") for key in sorted(keys)]


def account(night: Night) -> tuple[int, int, int, int]:
    [pair] = night.prove()["accounting"]
    return pair["total"], pair["iguales"], pair["cuarentena"], pair["pendientes"]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_cannot_be_read_are_quarantined_without_the_value_and_the_rest_goes_in(
    night: Night, damaged_database: Database, kind: str
) -> None:
    database = damaged_database
    damage_toast(database, "boxes", *KINDS[kind])
    gone = lost(database)
    assert 1 <= len(gone) < 12
    foreseen = night.forecast()
    assert foreseen["forecast"][0]["cuarentena"] == len(gone)
    assert any("content no se puede leer" in line for line in foreseen["lines"])
    assert database.value("SELECT count(*) FROM migracion.cuarentena") == 0
    said = night.night()
    assert any(f"boxes: {len(gone)} filas no se pueden leer (dañadas en el disco): {min(gone)}" in line for line in said)
    night.equalise()
    assert entries(database) == expected(gone)
    assert account(night) == (120, 120 - len(gone), len(gone), 0)
    assert night.equalise()["changed"] is False
    assert night.forecast()["forecast"][0]["copiar"] == 0
    night.take_back()
    assert database.value("SELECT count(*) FROM cajas") == 0


def test_a_row_that_is_written_anew_goes_in_and_one_that_leaves_waits_no_more(night: Night, damaged_database: Database) -> None:
    database = damaged_database
    damage_toast(database, "boxes")
    gone = lost(database)
    night.night()
    night.equalise()
    healed, deleted, *_ = gone
    database.query("UPDATE boxes SET content = 'nuevo' WHERE id = %s", (healed,))
    database.query("DELETE FROM boxes WHERE id = %s", (deleted,))
    night.equalise()
    assert entries(database) == expected(gone[2:])
    assert account(night) == (119, 121 - len(gone), len(gone) - 2, 0)
    assert database.value("SELECT contenido FROM cajas WHERE id = %s", (healed,)) == "nuevo"


@pytest.mark.names("jobs/table_compare._unread")
def test_rows_damaged_after_the_copy_are_named_by_the_proof_and_set_aside_by_the_command_it_names(
    night: Night, damaged_database: Database, tmp_path: Path
) -> None:
    database = damaged_database
    night.night()
    night.equalise()
    damage_toast(database, "boxes")
    gone = lost(database)
    with pytest.raises(MigrationError, match=f"boxes: {len(gone)} filas no se pueden leer .*: {min(gone)}") as failed:
        night.prove()
    assert "ansible-playbook fase2.yml con el mismo -i" in str(failed.value)
    assert database.value("SELECT count(*) FROM migracion.cuarentena") == 0
    night.take_back(check=True)
    night.equalise()
    assert entries(database) == expected(gone)
    assert account(night) == (120, 120 - len(gone), len(gone), 0)
    kept = database.query("SELECT clave, length(fila->>'contenido') FROM migracion.apartada ORDER BY clave")
    assert kept == [(key, 2560) for key in sorted(gone)]


@pytest.mark.names("core/server/sqlstate._damaged_page")
def test_a_page_of_which_no_row_can_be_told_is_named_by_the_statement_that_finds_its_table(
    night: Night, damaged_database: Database
) -> None:
    database = damaged_database
    night.night()
    damage_page(database, "boxes")
    with pytest.raises(MigrationError, match="una página está dañada en el disco") as failed:
        night.prove()
    (statement,) = statements_in(str(failed.value))
    assert database.query(statement) == [("boxes",)]


def test_rows_of_heirs_and_a_batch_by_key(damaged_database: Database, tmp_path: Path) -> None:
    database, night = damaged_database, Night.on(damaged_database, tmp_path, 0, batch_rows=7)
    with database.cursor(database.url) as cursor:
        cursor.execute("CREATE TABLE boxes_viejas () INHERITS (boxes)")
    rows(database, 1, 30)
    rows(database, 31, 60, "boxes_viejas")
    night.up_to_tables()
    rows(database, 28, 30, "boxes_viejas")
    damage_toast(database, "boxes_viejas")
    night.night()
    night.equalise()
    total, equal, quarantined, pending = account(night)
    assert (total, pending) == (63, 0)
    assert equal == database.value("SELECT count(*) FROM cajas") == total - quarantined
    assert quarantined > 3
    assert night.equalise()["changed"] is False


def test_the_listing_gives_a_statement_that_heals_them(night: Night, damaged_database: Database) -> None:
    database = damaged_database
    damage_toast(database, "boxes")
    night.night()
    night.equalise()
    call = partial(Phase(database.url).call, "quarantine", "estado", "ver", mapping=night.mapping.read_text(encoding="utf-8"))
    said = "\n".join(call(mapping_path="x"))
    assert "content = (no se puede leer)" in said
    start = said.index("UPDATE public.boxes SET content = <valor corregido>")
    statement = said[start : said.index(";", start)]
    database.query(statement.replace("<valor corregido>", "'otra vez'"))
    night.equalise()
    assert entries(database) == []
    assert account(night)[1] == 120


def test_messages_of_which_some_cannot_be_read_keep_no_other_table_back(begin: Begin, tmp_path: Path) -> None:
    """On the sample, its services' role and its lookups, by the playbooks' own words."""
    database, _ = begin(rows=100, messages=60)
    database.query("ALTER TABLE messages ALTER content SET STORAGE EXTERNAL")
    long = "(SELECT string_agg(md5(id::text || i), '') FROM generate_series(1, 90) i)"
    database.query(f"UPDATE messages SET content = {long} WHERE content IS NOT NULL")
    damage_toast(database, "messages")
    operator = Operator(database.url, tmp_path / "respaldos")
    for phase in ("fase0", "fase1", "fase2 -e subfase=2.1", "fase2 -e subfase=2.2", "fase3"):
        name, *more = phase.split(" ", 1)
        operator.goes(" ".join([f"ansible-playbook {name}.yml -i demo", *more]))
    assert database.value("SELECT count(*) FROM migracion.cuarentena WHERE sqlstate LIKE 'XX%%'") > 0
    assert database.value("SELECT count(*) FROM sesiones") > 0
    assert database.value("SELECT count(*) FROM tareas_programadas") > 0


LOOKED_UP = """\
schema: public
subphases: {fase2: ["1"]}
tables:
  papeles: {twin: papers, columns: {id: integer, cuerpo: text}, primary_key: id}
  notas: {twin: notes, columns: {id: integer, texto: text}, primary_key: id}
pairs:
  papers:
    papeles: {subphase: "1", columns: {id: id, cuerpo: body}}
  notes:
    notas: {subphase: "1", columns: {id: id, texto: {lookup: {table: papers, column: id, by: paper, take: body}}}}
"""
PAPERS = """
CREATE TABLE papers (id integer PRIMARY KEY, body text);
CREATE TABLE notes (id integer PRIMARY KEY, paper integer)
"""


def test_a_value_that_is_looked_up_in_a_damaged_row_is_named_by_table_column_and_row(
    damaged_database: Database, tmp_path: Path
) -> None:
    database = damaged_database
    jobs = of_its_own(database, tmp_path, LOOKED_UP, PAPERS)
    long = "(SELECT string_agg(md5(n::text || i::text), '') FROM generate_series(1, 80) i)"
    database.query(f"INSERT INTO papers SELECT n, {long} FROM generate_series(1, 3) n")
    database.query("INSERT INTO notes SELECT n, n FROM generate_series(1, 3) n")
    jobs.up_to_proof()
    damage_toast(database, "papers")
    said = "papers.body de la fila con id = 1, de donde sale notas.texto"
    for step in (jobs.forecast, jobs.equalise, jobs.prove):
        with pytest.raises(MigrationError, match=said) as failed:
            step()
        assert failed.value.code == "damaged"
    database.query("UPDATE papers SET body = NULL")
    jobs.equalise()
    jobs.prove()
    assert database.value("SELECT count(texto) FROM notas") == 0
