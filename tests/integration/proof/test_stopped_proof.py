"""What reads whole tables is attended: a stop request and the window's end cancel it within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.backfill import watch
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.phase.settings import settings_of
from plugins.module_utils.jobs import migration_render, table_compare
from plugins.module_utils.proof import accounting, prove
from plugins.module_utils.proof.accounting import take_account
from plugins.module_utils.server.attended import attended
from plugins.module_utils.server.connect import connect
from tests.support.databases import Begin, Database
from tests.support.jobs import Jobs
from tests.support.phase import closed_window

pytestmark = pytest.mark.concurrent

SOON = 8.0  # seconds: it is looked at every two
LASTING = "SELECT pg_sleep(60)"
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE query = %s AND state = 'active'"


def proof(jobs: Jobs, run_id: str, **more: Any) -> dict[str, Any]:
    return table_compare.compare(jobs.params(run_id, "fase2", repair=True, **more), False)


def judgement(jobs: Jobs, run_id: str, **more: Any) -> dict[str, Any]:
    return migration_render.approve(jobs.params(run_id, "fase0", **more), False)


@pytest.fixture(autouse=True)
def slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads whole tables begins with a minute of the server's, as where they have many millions of rows."""

    def after_a_minute(act: Callable[..., Any]) -> Callable[..., Any]:
        def run(conn: Any, *more: Any) -> Any:
            conn.cursor().execute(LASTING)
            return act(conn, *more)

        return run

    if "phase" in request.fixturenames:
        for module in (prove, accounting):
            monkeypatch.setattr(module, "take_account", after_a_minute(take_account))


def ended(database: Database, jobs: Jobs, act: Callable[..., Any], phase: str, when: Callable[[str], None], **more: Any) -> str:
    """What a run says that ``when`` ends while it reads: paused, within seconds, and the server reads no more."""
    with jobs.run(phase) as run_id, ThreadPoolExecutor(1) as pool:
        running = pool.submit(act, jobs, run_id, **more)
        deadline = time.monotonic() + 60
        while not database.value(RUNNING, (LASTING,)):
            assert not running.done(), running.exception()
            assert time.monotonic() < deadline
        started = time.monotonic()
        when(run_id)
        with pytest.raises(MigrationError) as stopped:
            running.result()
        assert time.monotonic() - started < SOON
        assert database.value(RUNNING, (LASTING,)) == 0
    assert stopped.value.code == "paused"
    return str(stopped.value)


def ask_to_stop(database: Database) -> Callable[[str], None]:
    asked = "UPDATE migracion.arriendo SET parar_solicitado_at = now() WHERE run_id = %s"
    return lambda run_id: database.query(asked, (run_id,)) and None


@pytest.mark.parametrize(("act", "phase"), [(proof, "fase2"), (judgement, "fase0")], ids=["a proof", "fase0"])
def test_a_stop_request_ends_a_comparison_that_is_under_way(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, act: Callable[..., Any], phase: str
) -> None:
    database, jobs = begin(up_to="fase2")
    said = ended(database, jobs, act, phase, ask_to_stop(database))
    assert "Parada pedida: la comparación se interrumpe a medias" in said
    assert "Lo ya confirmado queda; la misma orden continúa desde aquí." in said
    monkeypatch.undo()
    jobs.approve() if phase == "fase0" else jobs.equalise()


@pytest.mark.parametrize(("act", "phase"), [(proof, "fase2"), (judgement, "fase0")], ids=["a proof", "fase0"])
def test_so_does_the_windows_end(begin: Begin, act: Callable[..., Any], phase: str) -> None:
    database, jobs = begin(up_to="fase2")
    said = ended(database, jobs, act, phase, lambda _: None, maintenance_window=closed_window())
    assert "La ventana de mantenimiento" in said
    assert "la comparación se interrumpe a medias" in said
    assert "cuando se abra de nuevo" in said


def test_a_short_comparison_opens_no_second_session(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    _, jobs = begin(up_to="fase2")
    monkeypatch.setattr(watch, "connect", lambda *_: pytest.fail("a second session"))
    jobs.equalise()


def test_where_no_second_session_is_to_be_had_it_goes_on_and_says_so(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    database.query(f"ALTER ROLE {database.role} CONNECTION LIMIT 1")
    looks = watch.Watch("prueba", settings_of({}))
    try:
        with closing(connect(jobs.url, "prueba")) as conn:

            def slow() -> str:
                with conn.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(2.5)")
                return "done"

            assert looks.long(conn, jobs.url, slow) == "done"
    finally:
        database.query(f"ALTER ROLE {database.role} CONNECTION LIMIT -1")
    assert "conexiones" in looks.unattended or "connections" in looks.unattended


def test_a_long_comparison_gives_signs_of_life(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    database, jobs = begin(up_to="fase2")
    monkeypatch.setattr(watch, "SIGN_SECONDS", 0.0)
    sign = "SELECT ultima_senal FROM migracion.arriendo"
    with jobs.run("fase2") as run_id, closing(connect(jobs.url, run_id)) as conn:
        before = database.value(sign)
        watch.Watch(run_id).long(conn, jobs.url, lambda: conn.cursor().execute("SELECT pg_sleep(2.5)"))
        assert database.value(sign) > before


def test_what_the_statement_itself_ends_with_is_what_is_told(conn: Any) -> None:
    with pytest.raises(psycopg2.errors.DivisionByZero):
        attended(conn, lambda: conn.cursor().execute("SELECT 1 / 0"), lambda: None)
