"""What only a server of its own can show: damaged files, prepared transactions, a synchronous standby that is gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.live_catalogue import read_catalogue
from plugins.module_utils.survey import row_reading
from plugins.module_utils.survey.row_reading import readable_rows
from tests.support.databases import Database, Databases
from tests.support.jobs import TINKUBOT, Jobs
from tests.support.named import statements_in
from tests.support.reaper import reaped
from tests.support.seen import looked, run_as_printed
from tests.support.standby import standby
from tools.postgres_server import PostgresServer, launch

BLOCK = 8192
MAPPING = load_mapping(TINKUBOT.read_text(encoding="utf-8"), str(TINKUBOT))
LONG = """INSERT INTO messages(id, content, "timestamp")
SELECT ('00000000-0000-4000-8000-00000000072' || n)::uuid,
       (SELECT string_agg(md5(n || '-' || i), '') FROM generate_series(1, 400) i), now()
FROM generate_series(1, 3) n"""


@pytest.fixture(scope="module")
def own() -> Iterator[PostgresServer]:
    """A server that may be stopped, damaged and told to wait."""
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    settings = {"max_prepared_transactions": "5"}
    with reaped(launch(Path(chosen) if chosen else None, fsync=False, settings=settings)) as running:
        yield running


@pytest.fixture(scope="module")
def databases(own: PostgresServer) -> Databases:
    """Makes databases on it."""
    return Databases(own)


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """A sample of its own."""
    made = databases.sample()
    yield made
    databases.drop(made)


def damage(database: Database, relation: str, change: Callable[[bytearray], None]) -> None:
    """Change the first block of a relation's file while the server is stopped."""
    path = database.value(f"SELECT pg_relation_filepath(({relation})::regclass)")

    def between(data: Path) -> None:
        with open(data / path, "r+b") as file:
            block = bytearray(file.read(BLOCK))
            change(block)
            file.seek(0)
            file.write(block)

    database.server.restart(between=between)


def zero(block: bytearray) -> None:
    block[:] = bytes(len(block))


def garble(block: bytearray) -> None:
    block[:24] = b"\xff" * 24


def test_rows_whose_values_kept_aside_are_damaged_are_named_and_the_others_read(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.query(LONG)
    rows = database.value("SELECT count(*) FROM messages")
    damage(database, "SELECT reltoastrelid FROM pg_class WHERE oid = 'messages'::regclass", zero)
    monkeypatch.setattr(row_reading, "BYTES_AT_ONCE", 200_000)
    [seen], _, refusals = looked(Jobs(database.url, tmp_path))
    assert (seen.name, seen.verdict, seen.mend, refusals) == ("filas legibles", "aviso", "", [])
    assert seen.value.startswith("messages: no se lee 1: 00000000-0000-4000-8000-000000000721 (SQLSTATE XX001: ")
    assert "cuarentena" in seen.note
    with closing(connect(database.url, "prueba")) as conn:
        messages = next(r for r in read_catalogue(conn, MAPPING).relations if r.name == "messages")
        assert readable_rows(conn, "public", messages).read == rows - 1


def test_a_damaged_page_of_the_table_itself_is_named_by_its_place(database: Database, tmp_path: Path) -> None:
    damage(database, "'task_queue'", garble)
    (unasked, broken), _, refusals = looked(Jobs(database.url, tmp_path))
    assert unasked.value.startswith("task_queue (id): no se pudo comprobar (SQLSTATE XX001: ")
    assert (unasked.name, unasked.verdict) == ("unicidad contada", "aviso")
    assert broken.value.startswith("task_queue: no se lee 1: bloque 0 (SQLSTATE XX001: ")
    assert not any("el rol" in refusal for refusal in refusals)
    (refusal,) = (r for r in refusals if r.startswith("no probado: leer y bloquear filas de task_queue; una página está dañada"))
    (statement,) = statements_in(refusal)
    assert database.query(statement) == [("task_queue",)]


def test_a_value_that_is_none_of_its_type_is_named_with_its_row(database: Database, tmp_path: Path) -> None:
    """PostgreSQL calls it no damage: it reads the bytes, and does not know what they mean."""
    database.query("CREATE TYPE animo AS ENUM ('bien'); ALTER TABLE customers ADD animos animo[]")
    (key,) = database.query("UPDATE customers SET animos = '{bien}' WHERE ctid = '(0,2)' RETURNING id::text")[0]
    with database.cursor() as cursor:
        cursor.execute("SET allow_system_table_mods = on; DELETE FROM pg_enum WHERE enumtypid = 'animo'::regtype")
    [broken] = [s for s in looked(Jobs(database.url, tmp_path))[0] if s.name == "filas legibles"]
    assert broken.value.startswith(f"customers: no se lee 1: {key} (SQLSTATE 22P03: ")


def test_a_key_that_could_not_be_counted_in_heirs_bars(database: Database, tmp_path: Path) -> None:
    database.query("CREATE TABLE task_queue_vieja () INHERITS (task_queue)")
    damage(database, "'task_queue'", garble)
    [heirs] = [s for s in looked(Jobs(database.url, tmp_path))[0] if s.name == "tablas que heredan"]
    assert heirs.verdict == "impide"
    assert heirs.value.startswith("task_queue: no se pudo comprobar (SQLSTATE XX001: ")


def test_a_prepared_transaction_is_named_with_what_ends_it(database: Database, tmp_path: Path) -> None:
    gid = r"de 'caja' \ 100%"
    with closing(psycopg2.connect(database.url)) as connection:
        connection.tpc_begin(connection.xid(0, gid, "x"))
        connection.cursor().execute("UPDATE sessions SET status = status")
        connection.tpc_prepare()
    with database.cursor() as cursor:
        cursor.execute("SELECT gid FROM pg_prepared_xacts")
        [(stored,)] = cursor.fetchall()
    [seen] = [s for s in looked(Jobs(database.url, tmp_path))[0] if s.name == "transacciones preparadas"]
    assert seen.verdict == "aviso"
    assert f"de {database.role}, desde hace " in seen.value
    assert database.name in seen.who
    run_as_printed(database, seen.mend)
    assert not database.query("SELECT FROM pg_prepared_xacts WHERE gid = %s", (stored,))
    assert looked(Jobs(database.url, tmp_path))[0] == []


def test_a_synchronous_standby_that_is_gone_bars_and_one_that_answers_does_not(database: Database, tmp_path: Path) -> None:
    jobs = Jobs(database.url, tmp_path)
    run_as_printed(database, "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (nadie, \"*\")'; SELECT pg_reload_conf()")
    try:
        [seen], _, [refusal] = looked(jobs)
        assert (seen.name, seen.verdict) == ("réplicas síncronas", "impide")
        assert "responde 0" in seen.value
        assert seen.mend in refusal
        with standby(database.server):
            assert looked(jobs)[0] == []
    finally:
        run_as_printed(database, seen.mend)
    assert looked(jobs)[0] == []
