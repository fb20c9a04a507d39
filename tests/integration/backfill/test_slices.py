"""A slice ends when its time is over, also where a writer lets nothing through; who asked to stop waits for no lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plugins.module_utils.backfill import slices
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import table_copy
from tests.support.databases import Database
from tests.support.jobs import Jobs

pytestmark = pytest.mark.concurrent

HOLD = "SELECT FROM customers FOR UPDATE"


@pytest.fixture
def held(
    new_database: Callable[..., Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Database, Jobs]]:
    """A database ready for the copy, whose customers a service holds all the time; slices of a second."""
    monkeypatch.setattr(slices, "SLICE_SECONDS", 1.0)
    database = new_database(up_to="fase1")
    jobs = Jobs(database.url, tmp_path, batch_rows=20, subphase="2.1")
    with database.cursor() as service:
        service.execute(HOLD)
        yield database, jobs
        service.connection.rollback()


@contextmanager
def at_once() -> Iterator[None]:
    """The slice's second and one more try."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 4


def test_a_slice_that_copied_something_asks_for_another_and_one_that_copied_nothing_says_who_holds_the_rows(
    held: tuple[Database, Jobs],
) -> None:
    database, jobs = held

    with jobs.run("fase2") as run_id:
        with at_once():
            result = table_copy.copy(jobs.params(run_id, "fase2"), False)
        assert result["more"]
        assert database.value("SELECT count(*) FROM migracion.progreso_copia WHERE terminada_at IS NOT NULL") == 1
        with at_once(), pytest.raises(MigrationError, match="se termina con: SELECT pg_terminate_backend") as refused:
            table_copy.copy(jobs.params(run_id, "fase2"), False)
        assert refused.value.code == "locked"
        assert "Lo copiado hasta aquí queda." in str(refused.value)


def test_what_stops_a_later_slice_does_not_claim_that_nothing_was_changed(held: tuple[Database, Jobs]) -> None:
    database, jobs = held
    with jobs.run("fase2") as run_id:
        params = jobs.params(run_id, "fase2")
        assert table_copy.copy(params, False)["more"]
        with database.cursor() as other:
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended('migracion:customers:clientes', 0))")
            with pytest.raises(MigrationError, match="otra sesión la está copiando") as busy:
                table_copy.copy(params, False)
            other.connection.rollback()
        database.query("ALTER TABLE professions ADD nueva text")
        with pytest.raises(MigrationError, match=r"professions\.nueva es nueva") as drifted:
            table_copy.copy(params, False)
    for stopped in (busy, drifted):
        assert "No se cambió nada" not in str(stopped.value)
    assert "Lo copiado hasta aquí queda. Mire quién es con: ansible-playbook estado.yml" in str(busy.value)
    assert "Lo ya confirmado queda. Revise la diferencia" in str(drifted.value)


def test_a_copy_that_waits_for_a_lock_stops_when_it_is_asked_to(
    held: tuple[Database, Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, jobs = held
    monkeypatch.setattr(slices, "SLICE_SECONDS", 60.0)
    ask = threading.Timer(2, database.query, ["UPDATE migracion.arriendo SET parar_solicitado_at = now()"])
    ask.start()
    with at_once(), pytest.raises(MigrationError, match="Parada pedida") as stopped:
        jobs.copy()
    ask.join()
    assert stopped.value.code == "paused"
