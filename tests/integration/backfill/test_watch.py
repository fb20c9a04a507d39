"""Between two batches: the window's end, others who suffer, a disk that fills, a database that turns read-only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from plugins.module_utils.backfill import slices, watch
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.phase.settings import settings_of
from plugins.module_utils.jobs import table_copy
from plugins.module_utils.ledger import bookkeeping
from plugins.module_utils.server.clock import server_time
from plugins.module_utils.server.connect import connect
from tests.support.boxes import Night, at_each_batch, beside, others
from tests.support.databases import Database
from tests.support.named import statements_in
from tests.support.phase import Phase, closed_window, window_until
from tests.support.standby import standby

pytestmark = pytest.mark.concurrent

READ = "SELECT coalesce(sum(filas_leidas), 0) FROM migracion.progreso_copia"


@pytest.fixture
def night(empty_database: Database, tmp_path: Path) -> Night:
    """Two hundred boxes in batches of twenty."""
    made = Night.on(empty_database, tmp_path, 200, batch_rows=20)
    made.up_to_tables()
    return made


def paused(night: Night, match: str) -> MigrationError:
    with pytest.raises(MigrationError, match=match) as stopped:
        night.night()
    assert stopped.value.code == "paused"
    assert "la misma orden continúa desde aquí" in str(stopped.value)
    return stopped.value


# --- the window


def test_the_copy_pauses_before_the_windows_end_and_goes_on_in_the_next(
    night: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    closes = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=3)
    night.more["maintenance_window"] = window_until(closes)

    def clock(conn: Any) -> datetime:
        """Ten seconds are left once two batches are copied."""
        return closes - timedelta(seconds=10) if empty_database.value(READ) >= 40 else server_time(conn)

    monkeypatch.setattr(watch, "server_time", clock)
    error = paused(night, "La ventana de mantenimiento .* UTC se cierra")
    assert any("filas/s, faltan" in line or "detenida" in line for line in error.details["lines"])
    assert 40 <= empty_database.value(READ) < 200
    night.more["maintenance_window"] = {}
    night.night()
    assert empty_database.value("SELECT count(*) FROM cajas") == 200


@pytest.mark.parametrize(("seconds", "stops"), [(60, False), (20, True)])
def test_as_shipped_a_batch_has_half_a_minute_before_the_windows_end(
    conn: Any, monkeypatch: pytest.MonkeyPatch, seconds: int, stops: bool
) -> None:
    bookkeeping.ensure_schema(conn)
    closes = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
    monkeypatch.setattr(watch, "server_time", lambda conn: closes - timedelta(seconds=seconds))
    looks = watch.Watch("prueba", settings_of({"maintenance_window": window_until(closes)}))
    with pytest.raises(MigrationError, match="La ventana de mantenimiento") if stops else nullcontext():
        looks.require_time(conn)


def test_a_window_that_is_closed_lets_no_batch_and_no_repair_pass_and_by_name_both(
    night: Night, empty_database: Database
) -> None:
    night.more["maintenance_window"] = closed_window()
    paused(night, "La ventana de mantenimiento")
    assert empty_database.value(READ) == 0
    night.overrides["window"] = "acordado con soporte"
    night.night()
    night.overrides.clear()
    empty_database.query("UPDATE boxes SET weight = -1 WHERE id = 7")
    with pytest.raises(MigrationError, match="La ventana de mantenimiento"):
        night.equalise()
    night.overrides["window"] = "acordado con soporte"
    night.equalise()
    assert empty_database.value("SELECT peso FROM cajas WHERE id = 7") == -1


def test_the_window_holds_no_way_back(night: Night, empty_database: Database) -> None:
    night.night()
    night.more["maintenance_window"] = closed_window()
    night.take_back()
    assert empty_database.value("SELECT count(*) FROM cajas") == 0


def test_a_copy_that_the_window_ended_is_pausada_in_the_ledger(empty_database: Database, tmp_path: Path) -> None:
    """As the playbook does it: the failed task's code reaches the phase's end."""
    night = Night.on(empty_database, tmp_path, 10, more={"maintenance_window": closed_window()})
    phase = Phase(empty_database.url, options={"mapping": night.mapping.read_text(encoding="utf-8"), "stabilization_days": 0})
    night.up_to_tables()
    run_id = phase.open("fase2")
    with pytest.raises(MigrationError) as stopped:
        table_copy.copy(night.params(run_id, "fase2"), False)
    with pytest.raises(MigrationError) as told:
        phase.call("fail", "fase2", run_id, failure={"msg": str(stopped.value), "code": stopped.value.code})
    assert any("PAUSADA" in line for line in told.value.details["lines"])
    assert empty_database.value("SELECT estado FROM migracion.fase_ejecucion ORDER BY id DESC LIMIT 1") == "pausada"


# --- who waits behind us


def test_after_a_batch_that_others_waited_for_the_next_one_is_smaller(empty_database: Database, tmp_path: Path) -> None:
    night = Night.on(empty_database, tmp_path, 800, batch_rows=400)
    night.up_to_tables()
    at_each_batch(empty_database, "IF NEW.filas_leidas = 400 THEN PERFORM pg_sleep(1); END IF;")
    waited: list[float] = []

    def write(stopped: Event) -> None:
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        while empty_database.value(asleep) == 0 and not stopped.is_set():
            time.sleep(0.01)
        started = time.monotonic()
        empty_database.query("UPDATE boxes SET weight = -1 WHERE id = 5")
        waited.append(time.monotonic() - started)

    with beside(write):
        said = night.night()
    rows = [count for (count,) in empty_database.query("SELECT count(*) FROM cajas GROUP BY xmin::text ORDER BY min(id)")]
    assert rows[:2] == [400, 200]
    assert any("otras sesiones esperaban detrás de un lote: el siguiente lleva 200 filas" in line for line in said)
    assert waited[0] < 2


def test_behind_a_transaction_that_is_open_for_long_the_copy_goes_slowly_and_says_why(
    night: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.module_utils.core.backfill.load.OLD_SECONDS", 0.2)
    with others(empty_database, "SET application_name = 'informes'", "SELECT txid_current()") as old:
        time.sleep(0.3)
        said = night.night()
        pid = old.info.backend_pid
    assert any(f"la copia va a medio ritmo: la transacción del pid {pid} (" in line and "informes" in line for line in said)


# --- standbys and slots (39)


@contextmanager
def seeing_nothing_of_others(database: Database) -> Iterator[None]:
    """The runbook's role without the right to see how far standbys are behind."""
    database.query(f"REVOKE pg_monitor FROM {database.role}")
    try:
        yield
    finally:
        database.query(f"GRANT pg_monitor TO {database.role}")


@pytest.mark.names("backfill/slices.lines_before")
def test_the_copy_waits_for_a_standby_and_pauses_when_it_waits_too_long(
    night: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = empty_database
    monkeypatch.setattr("plugins.module_utils.core.backfill.load.LAG_BYTES", 2**20)
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.5)
    with standby(database.server) as follower:
        replica = Database(follower, database.name)

        def behind() -> None:
            replica.run_alone("SELECT pg_wal_replay_pause()")
            database.query("CREATE TABLE public.filler AS SELECT repeat(md5(n::text), 50) FROM generate_series(1, 3000) n")
            database.query("DROP TABLE public.filler")

        def in_time() -> None:
            replica.run_alone("SELECT pg_wal_replay_resume()")

        behind()
        steps = iter([lambda: None, in_time])
        said = night.night(lambda: next(steps, lambda: None)())
        assert any("la copia espera: la réplica walreceiver va" in line and "por detrás" in line for line in said)
        assert any("0 de 200 filas (0 %), detenida por ahora" in line for line in said)
        assert database.value("SELECT count(*) FROM cajas") == 200

        behind()
        night.take_back()  # nothing of this holds a way back
        assert database.value("SELECT count(*) FROM cajas") == 0
        monkeypatch.setattr(watch, "PATIENCE_SECONDS", 1.0)
        error = paused(night, "sin poder seguir: la réplica walreceiver va")
        assert '"replication_lag"' in str(error)
        night.overrides["replication_lag"] = "la réplica es de pruebas"
        night.night()
        assert database.value("SELECT count(*) FROM cajas") == 200
        night.take_back()
        night.overrides.clear()
        with seeing_nothing_of_others(database):
            said = night.night()
            (line,) = [line for line in said if "No se ve cuánto se retrasan 1 réplicas" in line]
            (grant,) = statements_in(line)
            database.query(grant)
            with closing(connect(database.url, "prueba")) as conn:
                assert not watch.read_load(conn).hidden


def test_the_copy_pauses_before_a_slot_loses_its_wal(
    night: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = empty_database
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watch, "PATIENCE_SECONDS", 0.3)
    database.query("SELECT pg_create_physical_replication_slot('realtime', true)")
    try:
        database.run_alone("ALTER SYSTEM SET max_slot_wal_keep_size = '80MB'", "SELECT pg_reload_conf()")
        for _ in range(5):
            database.run_alone("SELECT txid_current()", "SELECT pg_switch_wal()")
        assert database.value("SELECT wal_status FROM pg_replication_slots") in ("reserved", "extended")
        paused(night, "la ranura de replicación realtime perderá su WAL dentro de .* escritos, y ahora no la lee nadie")
        assert database.value(READ) == 0
        night.overrides["replication_lag"] = "ya nadie la usa"
        night.night()
    finally:
        database.run_alone("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
        database.query("SELECT pg_drop_replication_slot('realtime')")
    assert database.value("SELECT count(*) FROM cajas") == 200


# --- the disk


def test_the_forecast_refuses_where_the_disk_would_be_full_and_says_so_where_it_cannot_know(
    night: Night, empty_database: Database
) -> None:
    assert any("el tamaño del disco del servidor no se sabe" in line for line in night.forecast()["lines"])
    used = empty_database.value("SELECT sum(pg_database_size(oid))::float8 FROM pg_database")
    night.more["database_disk_gb"] = used * 1.05 / 2**30
    for step in (night.approve, night.forecast, night.night):
        with pytest.raises(MigrationError, match="pasaría del 85 %") as refused:
            step()
        assert refused.value.code == "refused"
        assert '{"overrides": {"disk": "MOTIVO"}}' in str(refused.value)
    assert empty_database.value(READ) == 0
    night.overrides["disk"] = "el disco crece esta noche"
    night.approve()
    night.night()
    assert empty_database.value("SELECT count(*) FROM cajas") == 200


def test_with_room_the_copy_says_how_full_the_disk_will_be(night: Night) -> None:
    night.more["database_disk_gb"] = 10_000
    assert any("el disco de 9.8 TB llegaría al 0 %" in line for line in night.night())


def test_a_running_copy_pauses_when_the_disk_is_nearly_full(
    night: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    night.more["database_disk_gb"] = 10_000

    def fills() -> None:
        if empty_database.value(READ) == 60:
            night.more["database_disk_gb"] = 0.001

    with pytest.raises(MigrationError, match="más del 85 %: la copia se detiene entre dos lotes") as stopped:
        night.night(fills)
    assert stopped.value.code == "paused"
    assert empty_database.value("SELECT count(*) FROM cajas") == 60
    night.more["database_disk_gb"] = 0
    night.night()
    assert empty_database.value("SELECT count(*) FROM cajas") == 200


@pytest.mark.parametrize("scope", ["DATABASE", "SYSTEM"])
def test_read_only_mode_ends_the_copy_at_its_last_batch_and_the_same_command_goes_on(
    night: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    """For the sessions to come, as Supabase does it, or for all at once."""
    monkeypatch.setattr(slices, "SLICE_SECONDS", 5.0 if scope == "SYSTEM" else 0.0)
    database, whose = empty_database, "SYSTEM" if scope == "SYSTEM" else f"DATABASE {empty_database.name}"
    at_each_batch(database, "PERFORM pg_sleep(0.1);")
    run_id = Phase(database.url, options={"mapping": night.mapping.read_text(encoding="utf-8")}).open("fase2")

    def fills(stopped: Event) -> None:
        while database.value(READ) < 60 and not stopped.is_set():
            time.sleep(0.01)
        database.run_alone(f"ALTER {whose} SET default_transaction_read_only = on", "SELECT pg_reload_conf()")

    back = (
        "SET default_transaction_read_only = off",
        f"ALTER {whose} RESET default_transaction_read_only",
        "SELECT pg_reload_conf()",
    )
    try:
        with beside(fills), pytest.raises(MigrationError) as stopped:
            night.slices(run_id)
    finally:
        database.run_alone(*back)
    assert stopped.value.code == "paused"
    assert "se detiene en su último lote confirmado" in str(stopped.value)
    assert "25006" in str(stopped.value)
    assert 60 <= database.value("SELECT count(*) FROM cajas") == database.value(READ) < 200
    database.query("DELETE FROM migracion.arriendo")
    night.night()
    assert database.value("SELECT count(*) FROM cajas") == 200
