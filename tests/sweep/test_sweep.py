"""A command that dies at any statement, given again, leaves what it leaves undisturbed; what would not is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.sync import pending
from tests.support.databases import Databases

from .counting import Cut
from .sweep import COMMANDS, Command, Sweep, chosen

EVERY, MOST = 10, 6  # of the COMMITs; make sweep cuts everywhere


@pytest.mark.concurrent
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.name))
def test_a_command_that_died_goes_on_where_it_was(command: Command, databases: Databases, tmp_path: Path) -> None:
    sweep = Sweep(databases, command, tmp_path)
    sweep.measure()
    cuts = chosen(sweep.statements, EVERY, MOST)
    assert len(cuts) > 2
    assert [problem for cut in cuts for problem in sweep.problems(cut)] == []


def test_a_key_that_is_forgotten_outside_the_transaction_that_carries_it_is_found(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loose(conn: Any, act: Any) -> None:
        act(conn)

    monkeypatch.setattr(pending, "_tried", loose)
    (command,) = (c for c in COMMANDS if c.name == "drenar")
    sweep = Sweep(databases, command, tmp_path)
    sweep.measure()
    forgotten = [n for n, text in enumerate(sweep.statements, 1) if text.startswith("DELETE FROM migracion.pendiente WHERE")]
    found = [problem for n in forgotten[:3] for problem in sweep.problems(Cut(n, after=True))]
    assert found
    assert all("drenar, cut after statement" in problem and "DELETE FROM migracion.pendiente" in problem for problem in found)


def test_the_cuts_of_a_part_lie_around_commits() -> None:
    statements = ["BEGIN", "INSERT", "COMMIT", "SELECT", "SELECT", "BEGIN", "COMMIT", "SELECT"]
    assert len(chosen(statements, 1)) == 16
    assert chosen(statements, 2) == [Cut(3, False), Cut(3, True), Cut(5, False)]
