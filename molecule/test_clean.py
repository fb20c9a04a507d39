"""However a scenario ends, nothing of it stays; and two that run at once do not meet."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.trial import ROOT, Trial, docker

PATIENCE = 300


def world() -> list[str]:
    """Networks and images without a tag, and the folders that scenarios work in."""
    untagged = docker("image", "ls", "--quiet", "--filter", "dangling=true")
    return docker("network", "ls", "--quiet") + untagged + sorted(map(str, Path("/tmp").glob("escenario.*")))


def until_converge(trial: Trial) -> None:
    """Wait until a phase runs from inside the scenario's converge."""
    deadline = time.monotonic() + PATIENCE
    while "TASK [Run fase0" not in trial.said():
        assert not trial.ended(), trial.said()
        assert time.monotonic() < deadline, trial.said()
        time.sleep(0.2)


def assert_gone(trial: Trial, before: list[str]) -> None:
    """Ask for a minute: what was killed is cleaned by somebody who outlives it."""
    deadline = time.monotonic() + 60
    while left := [*trial.containers(), *trial.processes(), *(set(world()) - set(before))]:
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_scenario_leaves_nothing(number: signal.Signals) -> None:
    before = world()
    with Trial("cortado", "fases") as trial:
        until_converge(trial)
        assert trial.containers() == [f"{trial.name}-fases"]
        trial.send(number)
        assert trial.end()[1] != 0
        assert_gone(trial, before)


def test_a_failed_converge_leaves_what_was_seen_and_nothing_else(tmp_path: Path) -> None:
    before = world()
    with Trial("fallido", "fases", RUNBOOK_HOUSE=str(tmp_path)) as trial:
        said, code = trial.end()
        assert code != 0
        assert "TASK [Run fase0" in said
        assert (ROOT / f".molecule/{trial.name}-fases/cycle/fase0-antes.sql").read_text(encoding="utf-8").startswith("--")
        assert_gone(trial, before)


def test_two_checkouts_and_two_scenarios_at_once_do_not_meet() -> None:
    before = world()
    with Trial("uno", "fases") as one, Trial("dos", "fases") as two, Trial("dos", "ssh") as three:
        ends = [trial.end() for trial in (one, two, three)]
        assert [code for _, code in ends] == [0, 0, 0], "\n".join(said for said, _ in ends)
        assert_gone(one, before)
        assert_gone(two, before)


def test_each_checkout_gives_its_containers_another_name(tmp_path: Path) -> None:
    names = set()
    for folder in (ROOT, tmp_path):
        (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"), encoding="utf-8")
        command = ["env", "-u", "RUNBOOK_NAME", "make", "-s", "--eval=name: ; @echo $(RUNBOOK_NAME)", "name"]
        names.add(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)
    assert len(names) == 2, names
