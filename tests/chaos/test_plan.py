"""The plan of the chaos loop: a seed says everything, and in thirty rounds nothing is left out."""

from __future__ import annotations

from pathlib import Path

from .plan import KINDS, round_of
from .steps import CYCLE

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"

NOT_WALKED = {
    "fase4": "it changes repositories and no row, and its gate waits for hours in which legacy writes nothing",
    "fase5": "it begins after fase4; its cuts are in tests/integration/contraction",
}


def test_the_same_seed_gives_the_same_accidents_whatever_ran_before() -> None:
    plans = [round_of(7, "text", number) for number in range(1, 31)]
    assert [round_of(7, "text", number) for number in range(30, 0, -1)] == plans[::-1]
    assert [round_of(8, "text", number) for number in range(1, 31)] != plans


def test_thirty_rounds_hit_every_step_with_accidents_of_every_kind() -> None:
    plans = [round_of(1, "jsonb", number) for number in range(1, 31)]
    assert {plan.step for plan in plans} == set(CYCLE)
    first = [plan.kills[0].kind for plan in plans]
    assert all(first.count(kind) >= 3 for kind in KINDS)
    assert any(len(plan.kills) == 3 for plan in plans)


def test_every_phase_that_moves_rows_is_walked_forwards_and_back() -> None:
    phases = {path.stem for path in PLAYBOOKS.glob("fase?.yml")} - set(NOT_WALKED)
    assert {step.playbook for step in CYCLE if not step.tag} == phases
    assert {step.playbook for step in CYCLE if step.tag == "rollback"} == phases - {"fase0"}


def test_the_walk_is_a_circle() -> None:
    before = CYCLE[-1].leaves
    assert before == CYCLE[0].leaves
    for step in CYCLE[1:-1]:
        assert step.leaves != before or step.tag == "verify" or step == CYCLE[0]
        before = step.leaves
