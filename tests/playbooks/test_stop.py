"""A run is stopped, or dies on another machine; somebody else goes on, from anywhere: all state is in the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cores import OLDEST, program_of
from tests.support.databases import Database
from tests.support.gate import close_gate, open_gate, sessions, wait_at_gate
from tests.support.jobs import Jobs
from tests.support.playbook import PlaybookRun, Playbooks
from tests.support.processes import waited_for

pytestmark = [pytest.mark.slow, pytest.mark.concurrent]

READ = "SELECT filas_leidas FROM migracion.progreso_copia WHERE tabla_origen = 'customers'"
RUNS = "SELECT estado, detalle->'continua' FROM migracion.fase_ejecucion WHERE fase = 'fase2' ORDER BY id"


@dataclass(frozen=True)
class Two:
    """A database whose copy waits in its fifth batch, and two controllers with nothing in common but the database."""

    database: Database
    here: Playbooks
    there: Playbooks


@pytest.fixture
def two(new_database: Callable[..., Database], tmp_path: Path) -> Two:
    database = new_database("text", 300)
    Jobs(database.url, tmp_path / "previo").up_to_tables()
    close_gate(database)
    homes = [tmp_path / "aqui", tmp_path / "alli"]
    for home in homes:
        home.mkdir()
    here, there = (Playbooks(home, database.url, extra={"backup_dir": str(home / "respaldos")}) for home in homes)
    return Two(database, here, Playbooks(there.home, there.database_url, extra=there.extra, program=program_of(OLDEST)))


def said(run: PlaybookRun, *words: str) -> None:
    text = " ".join(run.output.split())
    for each in words:
        assert each in text, run.output


def test_parar_pauses_the_copy_at_its_next_batch_and_another_controller_goes_on_in_the_same_row(two: Two) -> None:
    running = two.here.start("fase2", subfase="2.1", batch_rows=20)
    wait_at_gate(two.database, running)
    asked = two.there.run("estado", "--tags", "parar")
    assert asked.rc == 0, asked.output
    said(asked, "Parada pedida a fase2 aplicar", "se detiene entre dos lotes y queda pausada")
    said(two.there.run("estado"), "En marcha: fase2 aplicar", "se le pidió parar hace")
    open_gate(two.database)
    paused = running.wait()
    assert paused.rc != 0
    said(paused, "fase2 2.1 · aplicar · PAUSADA", "la misma orden continúa desde aquí")
    assert two.database.query(RUNS) == [("pausada", None)]
    assert two.database.value(READ) == 100
    assert two.database.query("SELECT FROM migracion.arriendo") == []

    said(two.there.run("estado", "--tags", "parar"), "No hay ninguna fase en marcha")
    (first,) = two.database.query("SELECT run_id FROM migracion.fase_ejecucion WHERE fase = 'fase2'")
    again = two.there.run("fase2", subfase="2.1", batch_rows=50)
    assert again.rc == 0, again.output
    assert two.database.query(RUNS) == [("completada", list(first))]


def test_a_run_that_died_on_another_machine_is_taken_over_when_it_is_silent_and_refused_before(two: Two) -> None:
    running = two.here.start("fase2", subfase="2.1", batch_rows=20)
    wait_at_gate(two.database, running)
    running.kill_group()
    running.process.wait()
    assert waited_for(lambda: sessions(two.database) == 0, 20)
    open_gate(two.database)
    two.database.query("UPDATE migracion.arriendo SET servidor = 'otra', operador = 'ana', proceso = '{}', ultima_senal = now()")
    (pid,) = two.database.query("SELECT pid FROM migracion.arriendo")[0]
    refused = two.there.run("fase2", subfase="2.1")
    assert refused.rc != 0
    said(refused, f"Otra ejecución está en marcha: ana en otra (pid {pid}) desde 20", "NO EMPEZÓ")
    assert two.database.query(RUNS) == [("en_curso", None)]

    two.database.query("UPDATE migracion.arriendo SET ultima_senal = now() - interval '61 s'")
    taken = two.there.run("fase2", subfase="2.1")
    assert taken.rc == 0, taken.output
    said(taken, "Se toma el relevo de la ejecución interrumpida", "(ana en otra): no da señales desde hace")
    assert two.database.query(RUNS) == [("fallida", None), ("completada", None)]
