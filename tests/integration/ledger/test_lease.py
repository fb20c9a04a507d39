"""Who may run: one at a time, and the heir of one that died."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import schema_state
from plugins.module_utils.ledger import bookkeeping, lease, runs
from plugins.module_utils.ledger.events import last_event, record_event
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect
from tests.support.boxes import Night
from tests.support.databases import Database
from tests.support.phase import Phase, finish, refused, states

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


def test_a_run_that_was_asked_to_stop_stops_before_a_step_that_is_no_copy(empty_database: Database, tmp_path: Path) -> None:
    night = Night.on(empty_database, tmp_path, 1)
    night.approve()
    with night.run("fase1") as run_id:
        with closing(connect(night.url, "otra")) as conn:
            lease.request_stop(conn, run_id)
        error = refused(lambda: schema_state.present(night.params(run_id, "fase1"), False))
    assert error.code == "paused"
    assert empty_database.value("SELECT to_regclass('public.cajas')") is None


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
