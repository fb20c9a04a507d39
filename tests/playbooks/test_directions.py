"""Each direction of a phase, and each way in which it fails, on both ends of the supported ansible-cores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from tests.playbooks.test_secrets import leaks
from tests.support.cores import CORES, OLDEST, program_of
from tests.support.databases import Database
from tests.support.observation import changed, differences, ended_well, everything, look, runs
from tests.support.playbook import PlaybookRun, Playbooks
from tests.support.variants import brief

NewDatabase = Callable[..., Database]
Make = Callable[[str], Playbooks]
LOUD = ("-vvvv", "--diff")


@pytest.fixture(params=brief(CORES, OLDEST))  # all other tests run on the newest
def make(request: pytest.FixtureRequest, playbooks: Callable[..., Playbooks]) -> Make:
    program = program_of(request.param)
    return lambda url: dataclasses.replace(playbooks(url), program=program)


def refused(run: PlaybookRun, said: str) -> None:
    """Ended with 2: a failed task, told from 1 and 4, which ansible-playbook keeps for what it cannot read or reach."""
    assert run.rc == 2, run.output
    assert said in " ".join(run.output.split()), run.output


def test_a_phase_goes_forward_proves_itself_and_goes_back_and_never_says_the_password(
    new_database: NewDatabase, make: Make
) -> None:
    database = new_database(up_to="fase1")
    runner = make(database.url)
    before, untouched = look(database), everything(database)
    said = [ended_well(runner.run("fase2", *LOUD, "--check", subfase="2.1"))]
    assert differences(untouched, everything(database)) == []
    said.append(ended_well(runner.run("fase2", *LOUD, subfase="2.1")))
    assert changed(said[-1]) == 2  # the sync, and the rows
    said.append(ended_well(runner.run("fase2", *LOUD, "--tags", "verify", subfase="2.1")))
    said.append(ended_well(runner.run("fase2", *LOUD, "--tags", "rollback", subfase="2.1")))
    after = look(database)
    assert differences(before.outside, after.outside) == []
    assert [run[1:] for run in after.runs[len(before.runs) :]] == [
        ("fase2", "aplicar", "revertida"),
        ("fase2", "revertir", "completada"),
    ]
    assert all("module_args" in run.output for run in said)
    assert [leak for run in said for leak in leaks(run.output)] == []


def test_a_phase_that_fails_ends_with_2_and_its_row_says_so(new_database: NewDatabase, make: Make) -> None:
    database = new_database(up_to="fase1")
    runner = make(database.url)
    refused(runner.run("fase3"), "[order] fase3 va después de: fase2")
    refused(runner.run("fase2", "--tags", "rolback"), "¿quiso decir rollback?")
    refused(runner.run("phase"), "phase.yml es la forma que comparten las fases, no una de ellas")
    assert "fase2" not in {run[1] for run in runs(database)}
    database.query("DROP TABLE mensajes, solicitudes_servicio, clientes CASCADE")
    run = runner.run("fase2")
    refused(run, "fase2 2.1, 2.2 · aplicar · FALLIDA")
    assert "rescued=1" in run.stdout
    assert runs(database)[-1][1:] == ("fase2", "aplicar", "fallida")
