"""respaldo.yml and the backups of the phases, as an operator calls them."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.databases import Database
from tests.support.named import commands_in
from tests.support.playbook import PlaybookRun, Playbooks

NAME = re.compile(r"completo-\d{8}T\d{6}Z-[0-9a-f]{12}")


def backups(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "respaldos").iterdir() if not path.name.startswith("registros"))


def ended(run: PlaybookRun, rc: int = 0) -> str:
    assert run.rc == rc, run.output
    return run.output


@pytest.mark.names("core/phase/summary.backup_line")
def test_a_phase_takes_its_backup_and_names_it_with_the_command_that_checks_it(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    database = new_database(rows=100)
    operator = playbooks(database.url)

    said = ended(operator.run("fase0", backup_max_hours=24))
    (name,) = set(NAME.findall(said))
    assert set(backups(tmp_path)) == {".respaldo.lock", name}
    assert database.value("SELECT detalle ->> 'nombre' FROM migracion.evento WHERE tipo = 'respaldo'") == name
    ((_, playbook, *options),) = [words for words in commands_in(said) if "respaldo" in words[1]]
    assert f"Respaldo: sirve {name}" in ended(operator.run("fase1", "--check", backup_max_hours=24))
    again = ended(operator.run(Path(playbook).stem, *options[options.index("--tags") :]))
    assert re.search(rf"  verificado: \d+ tablas y .* de {name}", again)


@pytest.mark.slow
def test_what_was_damaged_is_refused_and_listed(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    database = new_database(rows=100)
    operator = playbooks(database.url)
    (name,) = set(NAME.findall(ended(operator.run("respaldo"))))
    (file,) = list((tmp_path / "respaldos" / name / "datos").glob("toc.dat"))
    file.write_bytes(file.read_bytes()[:-1])
    assert "datos/toc.dat: tiene" in ended(operator.run("respaldo", "--tags", "verify"), 2)
    assert f"{name}: malo" in ended(operator.run("respaldo", "--tags", "list"))
    shutil.rmtree(tmp_path / "respaldos" / name)
    assert "No hay ningún respaldo verificado" in ended(operator.run("respaldo", "--tags", "verify"), 2)


@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_no_backup_and_the_next_one_clears_up(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    database = new_database(rows=100)
    operator = playbooks(database.url)
    folder = tmp_path / "respaldos"
    for moment in range(4):
        with operator.start("respaldo") as running:
            while not (found := list(folder.glob(".resultado-*.pid"))) and running.process.poll() is None:
                pass
            for _ in range(moment * 300_000):  # another moment each time, of the dump or of the check
                pass
            running.kill_group()
            for path in found:
                with suppress(OSError, ValueError):
                    os.kill(int(path.read_text(encoding="utf-8")), signal.SIGKILL)
            running.wait()
        assert [path.name for path in folder.iterdir() if NAME.fullmatch(path.name)] == []
    (name,) = set(NAME.findall(ended(operator.run("respaldo"))))
    assert set(backups(tmp_path)) == {".respaldo.lock", name}
