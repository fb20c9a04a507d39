"""Who keeps a session of ours waiting is named, and the statement that is named ends it; a wait never lasts in silence."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.backfill import slices
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.waits import Wait
from plugins.module_utils.jobs import table_copy
from plugins.module_utils.ledger import lease
from plugins.module_utils.ledger.events import record_event
from plugins.module_utils.server import db, lookout
from plugins.module_utils.server.beside import blockers_of
from plugins.module_utils.server.connect import connect
from tests.support.databases import Database, Databases
from tests.support.jobs import Jobs
from tests.support.phase import Phase, finish, refused
from tests.support.reaper import reaped
from tests.support.standby import SHOW, set_standbys
from tools.postgres_server import launch

pytestmark = pytest.mark.concurrent

ROLLBACK = re.compile(r"ROLLBACK PREPARED '(?:[^']|'')*'")
ENDING = re.compile(r"SELECT pg_(?:cancel|terminate)_backend\(\d+\)")
GID = "pedido 'a medias'; DROP"


@pytest.fixture(scope="module")
def own_server() -> Iterator[Databases]:
    """A server that keeps prepared transactions, and whose standbys a test may lose."""
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    settings = {"max_prepared_transactions": "5", "max_connections": "40"}
    with reaped(launch(Path(chosen) if chosen else None, fsync=False, settings=settings)) as running:
        yield Databases(running)


@pytest.fixture
def lonely(own_server: Databases) -> Iterator[Database]:
    database = own_server.sample("jsonb", 200, up_to="fase1")
    yield database
    set_standbys(database, "")
    for (gid,) in database.query("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
        database.run_alone(f"ROLLBACK PREPARED {psycopg2.extensions.adapt(gid).getquoted().decode()}")
    own_server.drop(database)


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits, in a tenth of the time."""
    monkeypatch.setattr(lookout, "LONGEST_WAIT", 1.5)
    monkeypatch.setattr(lookout, "FIRST_LOOK", 0.2)
    monkeypatch.setattr(lookout, "NEXT_LOOK", 0.1)


@contextmanager
def holding(database: Database, *statements: str) -> Iterator[Any]:
    with closing(psycopg2.connect(database.superuser_url)) as conn, conn.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        yield conn


def try_with_lock(conn: Any, statement: str, tries: int = 3) -> None:
    """A step of ours that needs a lock, which gives up soon."""
    db.with_lock_retries(conn, lambda c: db.run_sql(c, statement), Wait(200, tries), "la tabla")


# --- who is in the way


def test_a_prepared_transaction_that_nobody_finished_is_named_with_what_discards_it(
    lonely: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 1.0)
    gid = psycopg2.extensions.adapt(GID).getquoted().decode()
    with closing(psycopg2.connect(lonely.superuser_url)) as writer, writer.cursor() as cursor:
        cursor.execute(f"BEGIN; UPDATE customers SET full_name = full_name; PREPARE TRANSACTION {gid}")
    jobs = Jobs(lonely.url, tmp_path)
    error = refused(jobs.copy)
    assert error.code == "locked"
    assert f"la transacción preparada «{GID}» de supabase_admin, desde hace" in str(error)
    assert f"en la base {lonely.name}" in str(error)
    (statement,) = ROLLBACK.findall(str(error))
    lonely.run_alone(statement)
    assert jobs.copy()["more"] is False


def test_a_prepared_transaction_in_the_way_of_a_table_is_named_too(lonely: Database) -> None:
    gid = psycopg2.extensions.adapt(GID).getquoted().decode()
    with closing(psycopg2.connect(lonely.superuser_url)) as writer, writer.cursor() as cursor:
        cursor.execute(f"BEGIN; SELECT count(*) FROM clientes; PREPARE TRANSACTION {gid}")
    with closing(connect(lonely.url, "r1")) as conn:
        error = refused(lambda: try_with_lock(conn, "ALTER TABLE public.clientes ADD COLUMN n int"))
    assert f"«{GID}»" in str(error)


def test_of_those_who_wait_for_one_another_the_one_who_does_not_wait_is_named_first(lonely: Database) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(holding(lonely, "SET application_name = 'informe'", "SELECT count(*) FROM clientes"))
        second = stack.enter_context(closing(psycopg2.connect(lonely.superuser_url)))

        def wait() -> None:
            with second.cursor() as cursor:
                cursor.execute("SET application_name = 'despliegue'; ALTER TABLE clientes ADD COLUMN n int")

        waiting = threading.Thread(target=wait)
        waiting.start()
        pid = second.info.backend_pid
        until(lambda: lonely.value("SELECT cardinality(pg_blocking_pids(%s))", (pid,)))
        conn = stack.enter_context(closing(connect(lonely.url, "r1")))
        error = refused(lambda: try_with_lock(conn, "SELECT count(*) FROM public.clientes"))
        said = str(error)
        assert said.index("«informe»") < said.index("«despliegue»")
        assert ", que también espera" in said.partition("«despliegue»")[2]
        first.rollback()
        waiting.join()


def test_the_statement_that_is_named_ends_who_is_in_the_way(lonely: Database) -> None:
    table = "LOCK TABLE public.customers"
    with closing(connect(lonely.url, "r1")) as conn:
        with holding(lonely, "SELECT count(*) FROM customers"):
            said = str(refused(lambda: try_with_lock(conn, table)))
            assert "pg_terminate_backend" in said
            lonely.query(ENDING.findall(said)[0])
            try_with_lock(conn, table, 10)
        busy = threading.Thread(target=lambda: _ignore(lonely, "SELECT pg_sleep(600) FROM customers LIMIT 1"))
        busy.start()
        until(lambda: lonely.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        said = str(refused(lambda: try_with_lock(conn, table)))
        assert "pg_cancel_backend" in said
        lonely.query(ENDING.findall(said)[0])
        busy.join(10)
        try_with_lock(conn, table, 10)


def _ignore(database: Database, statement: str) -> None:
    with pytest.raises(psycopg2.errors.QueryCanceled):
        database.query(statement)


def test_who_holds_a_lock_that_no_step_of_ours_expected_is_named_too(lonely: Database, quick: None) -> None:
    """The net under every session: lock_timeout of the session, in a statement that nobody tries again."""
    with (
        closing(connect(lonely.url, "r1")) as conn,
        holding(lonely, "LOCK TABLE migracion.evento") as other,
        db.explaining("anotar", left="Nada."),
    ):
        pid = other.info.backend_pid
        db.run_sql(conn, "SET lock_timeout = '1s'")
        error = refused(lambda: _explained(conn))
    assert f"Lo impide el pid {pid} (supabase_admin" in str(error)


def _explained(conn: Any) -> None:
    with db.explaining("anotar", left="Nada."):
        db.run_sql(conn, "SELECT count(*) FROM migracion.evento")


def test_a_backup_that_runs_during_fase0_is_named(lonely: Database, tmp_path: Path) -> None:
    with holding(lonely, "SET application_name = 'pg_dump'", "LOCK TABLE customers IN ACCESS SHARE MODE") as dump:
        pid, error = dump.info.backend_pid, refused(Jobs(lonely.url, tmp_path).approve)
    assert "no probado: mover de esquema customers" in str(error)
    assert f"Lo impide el pid {pid} (supabase_admin, «pg_dump», idle in transaction, desde hace" in str(error)


# --- no wait in silence


@pytest.mark.names("core/server/blockers.waits_for")
def test_a_commit_that_waits_for_a_standby_ends_with_the_reason_and_stays(lonely: Database, quick: None) -> None:
    with closing(connect(lonely.url, "r1")) as conn:
        set_standbys(lonely, "nobody")
        with pytest.raises(MigrationError) as ended, db.transaction(conn):
            db.run_sql(conn, "CREATE TABLE public.queda ()")
        assert ended.value.code == "paused"
        assert ended.value.details["again"] == 60
        assert "synchronous_standby_names = 'nobody'" in str(ended.value)
        assert "Lo confirmado queda en este servidor" in str(ended.value)
        assert lonely.value("SELECT to_regclass('public.queda') IS NOT NULL")
        alone = refused(lambda: db.execute(conn, "INSERT INTO migracion.evento (tipo) VALUES ('x')"))  # a COMMIT as well
        assert alone.code == "paused"
        for statement in re.search(r"ALTER SYSTEM [^;]*; SELECT pg_reload_conf\(\)", str(ended.value))[0].split("; "):
            lonely.run_alone(statement)
        until(lambda: lonely.value(SHOW) == "")
        db.execute(conn, "INSERT INTO migracion.evento (tipo) VALUES ('x')")


def test_a_run_that_fails_for_its_standby_is_written_down_without_it(lonely: Database, quick: None) -> None:
    phase = Phase(lonely.url)
    run_id = phase.open("fase2", direction="aplicar")
    set_standbys(lonely, "nobody")
    started = time.monotonic()
    error = refused(lambda: phase.call("fail", "fase2", run_id, failure={"msg": "fase2: espera", "code": "paused"}))
    assert time.monotonic() - started < 1.4
    assert error.code == "paused"
    assert lonely.value("SELECT estado FROM migracion.fase_ejecucion WHERE run_id = %s", (run_id,)) == "pausada"
    assert lonely.query("SELECT FROM migracion.arriendo") == []


@pytest.mark.parametrize("again", [False, True], ids=["a first time", "already done"])
def test_a_phase_is_closed_once_though_its_standby_is_gone(again: bool, lonely: Database, quick: None) -> None:
    """A COMMIT that is cut off in that wait stands: a second call of the same closing would find that the lease is gone."""
    phase = Phase(lonely.url)
    with closing(connect(lonely.url, "r1")) as conn:
        if again:
            finish(phase, conn, "fase2")
        run_id = phase.open("fase2")
        record_event(conn, run_id, "prueba", "fase2", {"tablas": [], "diferencias": []})
    set_standbys(lonely, "nobody")
    started = time.monotonic()
    said = phase.call("close", "fase2", run_id)
    assert time.monotonic() - started < 1.4
    assert any("COMPLETADA" in line for line in said)
    assert any("Ya estaba hecha" in line for line in said) is again
    assert lonely.query("SELECT DISTINCT estado FROM migracion.fase_ejecucion WHERE fase = 'fase2'") == [("completada",)]
    assert lonely.query("SELECT FROM migracion.arriendo") == []


def test_a_copy_whose_standby_is_gone_says_so_and_keeps_what_it_has(lonely: Database, tmp_path: Path, quick: None) -> None:
    jobs = Jobs(lonely.url, tmp_path, batch_rows=20)
    with jobs.run("fase2") as run_id:
        table_copy.copy(jobs.params(run_id, "fase2"), True)
        set_standbys(lonely, "nobody")
        error = refused(lambda: table_copy.copy(jobs.params(run_id, "fase2"), False))
        assert error.code == "paused"
        set_standbys(lonely, "")
        with closing(connect(lonely.url, run_id)) as conn:
            assert lease.heartbeat(conn, run_id)
        while table_copy.copy(jobs.params(run_id, "fase2"), False)["more"]:
            pass


def test_a_statement_that_works_is_left_alone(lonely: Database, quick: None) -> None:
    with closing(connect(lonely.url, "r1")) as conn:
        assert db.fetch_one(conn, "SELECT 1 FROM pg_sleep(3)") == (1,)


def test_a_wait_for_a_lock_ends_with_who_holds_it(lonely: Database, quick: None) -> None:
    with closing(connect(lonely.url, "r1")) as conn, holding(lonely, "LOCK TABLE clientes") as other:
        error = refused(lambda: db.fetch_one(conn, "SELECT count(*) FROM public.clientes"))
        assert error.details["again"] == 60
        assert f"el pid {other.info.backend_pid}" in str(error)
        other.rollback()
        assert db.fetch_one(conn, "SELECT 1") == (1,)


def test_blockers_are_seen_from_a_session_without_rights(lonely: Database) -> None:
    with closing(connect(lonely.url, "r1")) as conn, holding(lonely, "SELECT 1"):
        assert blockers_of(conn, [conn.info.backend_pid]) == []
