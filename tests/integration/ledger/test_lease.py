"""Who may run: one at a time, and the heir of one that died."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.backfill import watch
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import migration_render, schema_state, table_compare, table_copy
from plugins.module_utils.ledger import bookkeeping, lease, runs
from plugins.module_utils.ledger.events import last_event, record_event
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect
from tests.support.boxes import Night, at_each_batch
from tests.support.databases import Database
from tests.support.phase import Phase, finish, refused, states
from tests.support.processes import waited_for

pytestmark = pytest.mark.concurrent


def test_of_two_operators_within_one_second_exactly_one_wins(empty_database: Database, conn: Any) -> None:
    """Twenty times, each from a database where not even the schema exists."""
    start = threading.Barrier(2)

    def compete(name: str) -> str:
        start.wait(10)
        try:
            return Phase(empty_database.url, operator=name).open("fase0", run_id=name)
        except MigrationError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            db.run_sql(conn, "DROP SCHEMA IF EXISTS migracion CASCADE")
            outcomes = list(pool.map(compete, ("ana", "luis")))
            assert outcomes.count("lease") == 1, outcomes
            assert states(conn) == [("fase0", "aplicar", "en_curso")]


def test_a_second_run_is_refused_with_who_where_and_since_when(fase0: Phase, conn: Any) -> None:
    fase0.open("fase1", run_id="primera")
    error = refused(lambda: Phase(fase0.url, host="otra", operator="luis").open("fase1"))
    assert error.code == "lease"
    assert "ana en portatil (pid 4242) desde 20" in str(error)
    assert error.details["holder"]["run_id"] == "primera"
    assert any(line.startswith(f"Base de datos: {conn.info.dbname} en ") for line in error.details["lines"])
    assert states(conn)[-1] == ("fase1", "aplicar", "en_curso")


def test_a_run_found_dead_on_its_machine_is_taken_over_and_its_sessions_ended(fase0: Phase, conn: Any) -> None:
    dead = fase0.open("fase1")
    orphan = connect(fase0.url, dead)
    lines = fase0.call("open", "fase1", "siguiente", controller={"dead_run": dead})
    assert any("Se toma el relevo" in line and "Se cerraron 1 sesiones" in line for line in lines)
    with pytest.raises(db.Error):
        db.run_sql(orphan, "SELECT 1")
    assert [state for _, _, state in states(conn)[-2:]] == ["fallida", "en_curso"]
    assert last_event(conn, ["arriendo_tomado"], "siguiente") is not None


def test_a_silent_run_of_another_machine_is_taken_over_only_when_no_session_of_it_lives(fase0: Phase, conn: Any) -> None:
    silent = fase0.open("fase1")
    db.run_sql(conn, "UPDATE migracion.arriendo SET ultima_senal = now() - interval '61 s'")
    with closing(connect(fase0.url, silent)):
        assert refused(lambda: fase0.open("fase1")).code == "lease"
    waited = threading.Event()
    for _ in range(100):  # the backend needs a moment to go
        if not lease._backends(conn, silent):
            break
        waited.wait(0.05)
    assert "no da señales" in " ".join(fase0.call("open", "fase1", "siguiente"))


def test_a_silent_run_whose_sessions_only_sit_there_is_taken_over_and_one_that_works_is_not(fase0: Phase, conn: Any) -> None:
    """The machine behind it is frozen: nothing ends its session."""
    silent = fase0.open("fase1")
    db.run_sql(conn, "UPDATE migracion.arriendo SET ultima_senal = now() - interval '61 s'")
    with closing(connect(fase0.url, silent)) as frozen:
        assert refused(lambda: fase0.open("fase1")).code == "lease"
        with pytest.MonkeyPatch.context() as soon:
            soon.setattr(lease, "SILENT_AFTER", 0)
            with db.transaction(frozen):
                db.fetch_one(frozen, "SELECT 1")
                assert refused(lambda: fase0.open("fase1")).code == "lease"
            lines = fase0.call("open", "fase1", "siguiente")
        assert any("Se cerraron 1 sesiones" in line for line in lines)
        with pytest.raises(db.Error):
            db.run_sql(frozen, "SELECT 1")


@pytest.mark.parametrize("back", ["1 minute", "2 hours", "3 days"])
def test_where_the_clock_was_set_back_the_sessions_alone_decide(fase0: Phase, conn: Any, back: str) -> None:
    silent = fase0.open("fase1")
    ahead = "now() + %s::interval"
    db.execute(
        conn,
        f"UPDATE migracion.arriendo SET ultima_senal = {ahead}, tomado_at = {ahead}, parar_solicitado_at = {ahead}",
        (back, back, back),
    )
    held = lease.holder(conn)
    assert held is not None
    assert not re.search(r"-\d", held.in_words.partition(" UTC, ")[2])
    assert "cuyo reloj se atrasó" in held.in_words
    with closing(connect(fase0.url, silent)):
        error = refused(lambda: fase0.open("fase1"))
        assert error.code == "lease"
        assert "cuyo reloj se atrasó" in str(error)
    assert waited_for(lambda: not lease._backends(conn, silent), 10)
    assert any("no da señales" in line for line in fase0.call("open", "fase1", "siguiente"))


def test_the_report_of_another_run_as_dead_does_not_take_over_a_new_holder(fase0: Phase) -> None:
    fase0.open("fase1", run_id="nueva")
    assert refused(lambda: fase0.call("open", "fase1", "tercera", controller={"dead_run": "vieja"})).code == "lease"


def test_a_run_that_lost_its_lease_can_write_nothing_more(fase0: Phase, conn: Any) -> None:
    old = fase0.open("fase1")
    lease.require_run(conn, old, "fase1")
    fase0.call("open", "fase1", "nueva", controller={"dead_run": old})
    assert refused(lambda: lease.require_run(conn, old, "fase1")).code == "lease_lost"
    with db.transaction(conn):
        assert refused(lambda: lease.fence(conn, old)).code == "lease_lost"
    lost = {"msg": "fase1: perdió el arriendo", "code": "lease_lost"}
    told = refused(lambda: fase0.call("fail", "fase1", old, failure=lost))
    assert not any("No llegó a cambiar nada" in line for line in told.details["lines"])


def test_a_run_whose_lease_nobody_has_any_more_does_not_claim_that_it_skipped_the_guard(fase0: Phase, conn: Any) -> None:
    """It was taken over, and who took it over has ended since."""
    old = fase0.open("fase1")
    lease.require_run(conn, old, "fase1")
    lease.release(conn, old)
    with db.transaction(conn):
        error = refused(lambda: lease.fence(conn, old))
    assert error.code == "lease_lost"
    assert str(error).startswith(f"Esta ejecución ({old}) perdió el arriendo: ahora no lo tiene nadie. ")
    assert "No se cambió nada" not in str(error)
    with db.transaction(conn):
        assert refused(lambda: lease.fence(conn, "nunca")).code == "no_run"


def test_nobody_takes_over_in_the_middle_of_a_fenced_transaction(fase0: Phase, conn: Any) -> None:
    """A batch that is not in sight by its application_name either finishes, or the lease was gone before it wrote."""
    old = fase0.open("fase1")
    done = threading.Event()

    def take() -> None:
        fase0.call("open", "fase1", "nueva", controller={"dead_run": old})
        done.set()

    thread = threading.Thread(target=take)
    with db.transaction(conn):
        lease.fence(conn, old)
        thread.start()
        assert not done.wait(0.5)
    thread.join(10)
    assert done.is_set()


def test_an_order_that_went_past_the_guard_writes_nothing(phase: Phase, conn: Any) -> None:
    for operation in ("open", "close", "fail"):
        error = refused(lambda operation=operation: phase.call(operation, "fase0", ""))
        assert "se saltó la guardia" in str(error)
    assert not bookkeeping.exists(conn)
    bookkeeping.ensure_schema(conn)
    assert refused(lambda: lease.require_run(conn, "inventada", "fase1")).code == "no_run"
    assert refused(lambda: lease.require_run(conn, "", "fase1")).code == "no_run"


def test_a_stop_request_reaches_the_run_that_has_the_lease(fase0: Phase, conn: Any) -> None:
    run_id = fase0.open("fase1")
    assert not lease.stop_requested(conn, run_id)
    assert lease.request_stop(conn, run_id)
    assert lease.stop_requested(conn, run_id)


def test_a_run_that_lost_its_lease_cannot_close(fase0: Phase, conn: Any) -> None:
    old = fase0.open("fase1")
    record_event(conn, old, "verificacion_esquema", "fase1", {"tablas": []})
    lease.release(conn, old)
    before = runs.run_of(conn, old)
    assert refused(lambda: fase0.call("close", "fase1", old)).code == "lease_lost"
    assert runs.run_of(conn, old) == before
    assert states(conn)[-1] == ("fase1", "aplicar", "en_curso")


STEPS: dict[str, tuple[str, Callable[..., Any]]] = {
    "approve": ("fase0", migration_render.approve),
    "tables": ("fase1", schema_state.present),
    "copy": ("fase2", table_copy.copy),
    "proof": ("fase2", table_compare.compare),
    "way back of rows": ("fase2", table_copy.take_back),
    "way back of tables": ("fase1", schema_state.absent),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_was_asked_to_stop_stops_before_its_next_step(empty_database: Database, tmp_path: Path, step: str) -> None:
    phase, module = STEPS[step]
    night = Night.on(empty_database, tmp_path, 1)
    if phase == "fase2":
        night.up_to_tables()
    else:
        night.approve()
    with night.run(phase) as run_id:
        with closing(connect(night.url, "otra")) as conn:
            lease.request_stop(conn, run_id)
            before = db.fetch_all(conn, "SELECT tipo FROM migracion.evento ORDER BY id")
        error = refused(lambda: module(night.params(run_id, phase), False))
        with closing(connect(night.url, "otra")) as conn:
            assert db.fetch_all(conn, "SELECT tipo FROM migracion.evento ORDER BY id") == before
    assert error.code == "paused"
    assert (empty_database.value("SELECT to_regclass('public.cajas')") is None) == (phase != "fase2")


def test_a_module_gives_signs_of_life_between_two_batches(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch finds the sign that was given before it, and makes it an hour old."""
    monkeypatch.setattr(watch, "SIGN_SECONDS", 0.0)
    night = Night.on(empty_database, tmp_path, 40, batch_rows=10)
    night.up_to_tables()
    empty_database.query("CREATE TABLE public.signs (n serial, recent boolean)")
    at_each_batch(
        empty_database,
        "INSERT INTO public.signs (recent) SELECT clock_timestamp() - ultima_senal < '1 minute' FROM migracion.arriendo;"
        "UPDATE migracion.arriendo SET ultima_senal = now() - interval '1 hour';",
    )
    with night.run("fase2") as run_id:
        assert table_copy.copy(night.params(run_id, "fase2"), False)["more"] is False  # one call
    assert empty_database.query("SELECT recent FROM public.signs ORDER BY n") == [(True,)] * 4


def lease_and_events(conn: Any) -> list[Any]:
    """All that a stop may change."""
    return [db.fetch_all(conn, f"SELECT * FROM migracion.{table} ORDER BY id") for table in ("arriendo", "evento")]


def test_a_way_back_is_not_asked_to_stop(fase0: Phase, conn: Any) -> None:
    finish(fase0, conn, "fase1")
    fase0.open("fase1", direction="revertir")
    before = lease_and_events(conn)
    error = refused(lambda: fase0.call("stop", "estado", "ver"))
    assert error.code == "refused"
    assert "una vuelta atrás no se detiene a medias" in str(error)
    assert lease_and_events(conn) == before


def test_a_rehearsed_stop_says_whom_it_would_stop_and_asks_nobody(fase0: Phase, conn: Any) -> None:
    run_id = fase0.open("fase1")
    before = lease_and_events(conn)
    lines = fase0.call("stop", "estado", "ver", check=True)
    assert any(line.startswith(f"Se pediría parar a fase1 aplicar, {run_id}") for line in lines)
    assert lease_and_events(conn) == before
    assert any(line.startswith("Parada pedida") for line in fase0.call("stop", "estado", "ver"))
    assert lease.stop_requested(conn, run_id)
