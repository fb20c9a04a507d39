"""What the cycle of each phase left: dumps by PostgreSQL's own pg_dump, compared as text."""

from __future__ import annotations

import re

import pytest

from .conftest import Database

testinfra_hosts = ["database"]


@pytest.fixture
def cycles(database: Database) -> list[str]:
    """The phases that went through their whole cycle."""
    if not database.cycles:
        pytest.skip("no phase of this road went through its cycle")
    return database.cycles


def test_every_phase_of_the_road_ended_well(database: Database) -> None:
    for phase in database.road:
        run = database.said(phase, "hecha")
        assert run["rc"] == 0, run["stdout"] + run["stderr"]


@pytest.mark.parametrize("step", ["simulada", "verificada", "repetida", "deshecha", "rehecha"])
def test_every_step_of_a_cycle_ended_well(database: Database, cycles: list[str], step: str) -> None:
    for phase in cycles:
        run = database.said(phase, step)
        assert run["rc"] == 0, run["stdout"] + run["stderr"]


def test_a_simulation_changes_nothing(database: Database, cycles: list[str]) -> None:
    for phase in cycles:
        assert database.dump(phase, "simulada") == database.dump(phase, "antes")


def test_the_proof_and_the_repetition_change_nothing(database: Database, cycles: list[str]) -> None:
    for phase in cycles:
        done = database.dump(phase, "hecha")
        assert database.dump(phase, "verificada") == done
        assert database.dump(phase, "repetida") == done
        assert re.search(r"^runner\s+: ok=\d+\s+changed=0 ", database.said(phase, "repetida")["stdout"], re.MULTILINE)


def test_the_way_back_leaves_what_was_there(database: Database, cycles: list[str]) -> None:
    for phase in cycles:
        assert (database.dump(phase, "hecha") == database.dump(phase, "antes")) == (phase == "fase0")
        assert database.dump(phase, "deshecha") == database.dump(phase, "antes")


def test_a_second_time_gives_the_same(database: Database, cycles: list[str]) -> None:
    for phase in cycles:
        assert database.dump(phase, "rehecha") == database.dump(phase, "hecha")
