"""Ctrl-C, a kill, a lost terminal in the middle of a copy: everything ends in seconds, nothing runs after it (C29, trap 22)."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cores import CORES, program_of
from tests.support.databases import Database, Databases
from tests.support.playbook import Playbooks, RunningPlaybook

SECONDS = 6.0  # from the signal to the end of everything
SLOW_BATCH = """
CREATE FUNCTION public.lento() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
CREATE TRIGGER lento BEFORE UPDATE ON migracion.progreso_copia FOR EACH ROW
  WHEN (NEW.tabla_origen = 'customers' AND NEW.filas_leidas = 100) EXECUTE FUNCTION public.lento();
"""
SLEEPING = "EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'migracion:%%' AND wait_event = 'PgSleep')"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'migracion:%%'"


@pytest.fixture(scope="module")
def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Playbooks]]:
    """A database whose copy never gets past its fifth batch: the module waits inside a statement."""
    database, home = databases.sample("text", 200), tmp_path_factory.mktemp("interrumpida")
    maker = Playbooks(home, database.url, extra={"backup_dir": str(home / "respaldos")})
    for name in ("fase0", "fase1"):
        run = maker.run(name)
        assert run.rc == 0, run.output
    database.query(SLOW_BATCH)
    yield database, maker
    databases.drop(database)


def processes(marker: str) -> list[str]:
    """Command lines of the processes whose environment holds the marker."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (folder / "environ").read_text(errors="replace"):
                found.append((folder / "cmdline").read_text(errors="replace").replace("\0", " ")[:100])
        except OSError:
            continue
    return found


def in_the_copy(database: Database, running: RunningPlaybook) -> None:
    deadline = time.monotonic() + 60
    while not database.value(f"SELECT {SLEEPING}"):
        assert running.process.poll() is None, running.wait().output
        assert time.monotonic() < deadline
        time.sleep(0.05)


def everything_ends(database: Database, home: Path) -> float:
    """Seconds until no session and no process is left."""
    started = time.monotonic()
    while (left := processes(f"HOME={home}\0")) or database.value(SESSIONS):
        assert time.monotonic() - started < 60, left
        time.sleep(0.05)
    return time.monotonic() - started


WAYS: dict[str, Callable[[RunningPlaybook], None]] = {
    "Ctrl-C": lambda running: running.kill_group(signal.SIGINT),
    "kill -INT": lambda running: running.kill(signal.SIGINT),
    "kill": lambda running: running.kill(signal.SIGTERM),
    "lost terminal": lambda running: running.kill_group(signal.SIGHUP),
    "kill -HUP": lambda running: running.kill(signal.SIGHUP),
    "kill -9": lambda running: running.kill(signal.SIGKILL),
}


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("way", WAYS)
def test_a_signal_in_the_copy_ends_everything_and_nothing_runs_after_it(
    site: tuple[Database, Playbooks], way: str, core: str
) -> None:
    database, maker = site
    operator = Playbooks(maker.home, maker.database_url, extra=maker.extra, program=program_of(core))
    before = database.value("SELECT count(*) FROM migracion.fase_ejecucion")
    running = operator.start("fase2", subfase="2.1", batch_rows=20)
    in_the_copy(database, running)
    WAYS[way](running)
    seconds = everything_ends(database, maker.home)
    run = running.wait()
    assert seconds < SECONDS
    assert run.rc != 0
    assert "Anotar el fallo" not in run.output
    assert "Probar fila" not in run.output
    # nobody wrote an end, nobody went back: the next command takes it over
    assert database.value("SELECT estado FROM migracion.fase_ejecucion ORDER BY id DESC LIMIT 1") == "en_curso"
    assert database.value("SELECT count(*) FROM migracion.fase_ejecucion") == before + 1
    assert not list(Path("/tmp").glob("ansible_tinkubot*_payload_*")), "temporary files"
