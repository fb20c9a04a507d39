"""A run's log: written where it can be; where it cannot, that is told, and nothing depends on it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants

from plugins.module_utils.call.entry import located
from plugins.module_utils.call.runlog import WHY_NOT, RunLog, why_not
from plugins.plugin_utils import playbook_leftovers, reporting

RUN = "20261125T020304-abcd"


@pytest.fixture
def unwritable(tmp_path: Path) -> RunLog:
    """A log in whose place there is a folder: root may write everywhere else."""
    log = RunLog(str(tmp_path), RUN)
    log.path.mkdir(parents=True)
    return log


def test_lines_are_kept_in_a_file_of_its_owner(tmp_path: Path) -> None:
    log = RunLog(str(tmp_path / "respaldos"), RUN)
    assert log.write(["una", "dos\x1b[2J"]) == ""
    assert [line.split(" ", 1)[1] for line in log.path.read_text(encoding="utf-8").splitlines()] == ["una", "dos\\x1b[2J"]
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_folders_that_are_made_for_it_are_closed_to_others(tmp_path: Path) -> None:
    log = RunLog(str(tmp_path / "respaldos"), RUN)
    assert log.problem() == ""
    assert [folder.stat().st_mode & 0o777 for folder in (log.path.parent, log.path.parent.parent)] == [0o700, 0o700]


def test_a_second_writing_leaves_the_first(tmp_path: Path) -> None:
    log = RunLog(str(tmp_path), RUN)
    assert [log.write(["una"]), log.write(["dos"])] == ["", ""]
    assert [line.split(" ", 1)[1] for line in log.path.read_text(encoding="utf-8").splitlines()] == ["una", "dos"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    log, other = RunLog(str(tmp_path), RUN), tmp_path / "ajeno"
    other.write_text("intacto", encoding="utf-8")
    log.path.parent.mkdir()
    log.path.symlink_to(other)
    assert log.write(["una"]).startswith(f"No se puede escribir el registro {log.path}: ")
    assert other.read_text(encoding="utf-8") == "intacto"


def test_what_utf8_cannot_say_is_written_out(tmp_path: Path) -> None:
    log = RunLog(str(tmp_path), RUN)
    assert log.write(["una \udcff"]) == ""
    assert log.path.read_text(encoding="utf-8").endswith(" una \\udcff\n")


@pytest.mark.parametrize("log", [RunLog("", RUN), RunLog("/nowhere", "")])
def test_without_a_folder_or_a_run_nothing_is_written(log: RunLog) -> None:
    assert log.write(["una"]) == ""


def test_a_log_that_cannot_be_written_is_a_line_with_path_reason_and_what_to_do(unwritable: RunLog) -> None:
    assert unwritable.write(["una"]) == (
        f"No se puede escribir el registro {unwritable.path}: en su lugar hay una carpeta. La fase no depende de él, y lo que "
        "le falta se ve solo aquí. Revise backup_dir (sitio y permisos)."
    )


def test_every_reason_that_a_system_may_give_is_told_in_our_words() -> None:
    for number, name in errno.errorcode.items():
        said = os.strerror(number)
        assert said not in why_not(OSError(number, said))
        assert number in WHY_NOT or name in why_not(OSError(number, said))


def test_the_phase_stands_in_front_once() -> None:
    assert located("fase1", "no. Nada. Repita.") == "fase1: no. Nada. Repita."
    assert located("fase1", located("fase1", "no")) == "fase1: no"
    assert located("fase1", "fase1 aplicar, ana") == "fase1: fase1 aplicar, ana"


def test_a_run_says_it_once_and_not_after_every_slice_and_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[str] = []
    problem = {"log_problem": "sin registro"}
    slices = iter(
        [
            {"lines": ["lote 1", "sin registro"], "more": True, **problem},
            {"lines": ["lote 2", "sin registro"], "more": True, **problem},
            {"lines": ["lote 3"], "more": True},
            {"lines": ["lote 4", "sin registro"], "more": False, **problem},
            {"lines": ["prueba", "sin registro"], **problem},
        ]
    )
    (tmp_path / playbook_leftovers.OWNER_MARK).write_text("{}", encoding="utf-8")
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(reporting, "display", SimpleNamespace(display=lambda line, **_: said.append(line)))
    for _ in range(2):
        action: Any = object.__new__(reporting.ReportingAction)
        action._task = SimpleNamespace(action="table_copy")
        action._execute_module = lambda **_: next(slices)
        assert action.report({}, {})["changed"] is False
    assert said == ["lote 1", "sin registro", "lote 2", "lote 3", "lote 4", "prueba"]
