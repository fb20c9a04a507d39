"""A run whose log cannot be written says so once, and is otherwise like any other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.databases import Database
from tests.support.observation import ended_well, runs
from tests.support.playbook import Playbooks

NewDatabase = Callable[..., Database]
MakePlaybooks = Callable[..., Playbooks]
UNWRITABLE = "No se puede escribir el registro"


@contextmanager
def spoiled(folder: Path) -> Iterator[None]:
    """Put a folder in the place of each log as soon as it is there: root's rights would not hold it back."""
    over = threading.Event()

    def spoil() -> None:
        while not over.wait(0.01):
            for log in folder.glob("*.log"):
                with suppress(OSError):  # written again just now, or a folder already
                    log.unlink()
                    log.mkdir()

    spoiler = threading.Thread(target=spoil)
    spoiler.start()
    try:
        yield
    finally:
        over.set()
        spoiler.join()


def test_a_log_that_is_lost_half_way_adds_a_line_and_the_run_is_completed(
    new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    database = new_database(up_to="fase0")
    with spoiled(tmp_path / "respaldos/registros"):
        run = ended_well(playbooks(database.url).run("fase1"))
    assert "fase1 · aplicar · COMPLETADA" in run.stdout
    (line,) = [line for line in run.stdout.splitlines() if UNWRITABLE in line]
    assert ".log: en su lugar hay una carpeta. La fase no depende de él" in line
    assert "Revise backup_dir" in line
    assert runs(database)[-1][1:] == ("fase1", "aplicar", "completada")


def test_a_log_that_cannot_be_begun_holds_nothing_and_is_told_once(
    new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    database = new_database(up_to="fase0")
    (tmp_path / "respaldos").mkdir()
    (tmp_path / "respaldos/registros").write_text("no es una carpeta", encoding="utf-8")
    runner = playbooks(database.url)
    for tags, verdict in (("all", "COMPLETADA"), ("verify", "VERIFICADA"), ("rollback", "DESHECHA")):
        run = ended_well(runner.run("fase1", "--tags", tags))
        assert verdict in run.stdout
        (line,) = [line for line in run.stdout.splitlines() if UNWRITABLE in line]
        assert "una parte de la ruta no es una carpeta" in line
        assert "  Registro: " not in run.stdout  # of the summary: there is none
