"""A fase3 that stopped half-way: what stands before it is undone after it, and each refusal prints the command that does."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from plugins.module_utils.backfill import slices
from plugins.module_utils.jobs import table_copy
from tests.support.databases import Database
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.playbook import Playbooks

HALF = "SELECT count(*) FROM solicitudes_servicio"


def stop_half_way(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """fase3, which fails after its first batch."""
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    with suppress(InterruptedError), jobs.run("fase3") as run_id:
        assert table_copy.copy(jobs.params(run_id, "fase3"), False)["more"]
        raise InterruptedError


def test_the_rollbacks_before_it_are_refused_with_the_command_after_which_they_go_through(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database()
    original = dump(database)
    jobs = Jobs(database.url, tmp_path / "respaldos", batch_rows=5)
    jobs.up_to_proof()
    stop_half_way(jobs, monkeypatch)
    assert 0 < database.value(HALF) < database.value("SELECT count(*) FROM service_requests")
    operator = playbooks(database.url)
    printed = set()
    for phase in ("fase1", "fase2"):
        held = operator.run(phase, "--tags", "rollback")
        assert held.rc != 0, held.output
        assert f"{phase} no se deshace mientras fase3 esté a medias" in held.output
        commands = {line.strip() for line in held.stdout.splitlines() if line.strip().startswith("ansible-playbook fase")}
        printed |= {command for command in commands if f" {phase}.yml" not in command}  # without the summary's "repita"
    (command,) = printed
    assert command.startswith("ansible-playbook fase3.yml -i demo ")
    assert command.endswith(" --tags rollback")
    named = subprocess.run(
        shlex.split(command),
        cwd=operator.directory,
        env=operator.clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert named.returncode == 0, named.stdout
    assert database.value(HALF) == 0
    for phase in ("fase2", "fase1"):
        undone = operator.run(phase, "--tags", "rollback")
        assert undone.rc == 0, undone.output
    assert dump(database) == original
