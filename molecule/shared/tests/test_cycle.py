"""What the cycle of each phase left: dumps by PostgreSQL's own pg_dump, compared as text."""

from __future__ import annotations

import re

import pytest

from .conftest import Database

testinfra_hosts = ["database"]
STEPS = ["simulada", "hecha", "verificada", "repetida", "deshecha", "rehecha"]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_ended_well(database: Database, step: str) -> None:
    assert database.cycles
    for phase in database.road if step == "hecha" else database.cycles:
        run = database.said(phase, step)
        assert run["rc"] == 0, run["stdout"] + run["stderr"]


def test_a_simulation_changes_nothing(database: Database) -> None:
    for phase in database.cycles:
        assert database.dump(phase, "simulada") == database.dump(phase, "antes")


def test_the_proof_and_the_repetition_change_nothing(database: Database) -> None:
    for phase in database.cycles:
        done = database.dump(phase, "hecha")
        assert database.dump(phase, "verificada") == done
        assert database.dump(phase, "repetida") == done
        assert re.search(r"^runner\s+: ok=\d+\s+changed=0 ", database.said(phase, "repetida")["stdout"], re.MULTILINE)


def test_the_way_back_leaves_what_was_there(database: Database) -> None:
    for phase in database.cycles:
        assert (database.dump(phase, "hecha") == database.dump(phase, "antes")) == (phase == "fase0")
        assert database.dump(phase, "deshecha") == database.dump(phase, "antes")


def test_a_second_time_gives_the_same(database: Database) -> None:
    for phase in database.cycles:
        assert database.dump(phase, "rehecha") == database.dump(phase, "hecha")
