"""How far a sequence moves: by its step, past what it can pass, never where it ends."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.module_utils.core.backfill.drawing import Drawn, reachable

TOP = 2**31 - 1


def drawn(**more: Any) -> Drawn:
    kept = {"step": 1, "last": 7, "called": True, "cycles": False, "movable": True, "role": "yo", "used": 300}
    return Drawn("public.s", "public.t", "id", **{**kept, **more})


# step, last, called, the farthest id in use; the value to set, None where it does not lag
MOVES = {
    "one by one": (1, 7, True, 300, 300),
    "up to date": (1, 300, True, 300, None),
    "ahead": (1, 301, True, 300, None),
    "not yet called, on an id in use": (1, 300, False, 300, 300),
    "not yet called, on a free id": (1, 301, False, 300, None),
    "no rows": (1, 7, True, None, None),
    "even ids stay even": (2, 8, True, 301, 300),
    "even ids, on one in use": (2, 8, True, 300, 300),
    "by tens": (10, 5, True, 300, 295),
    "by tens, on one in use": (10, 5, True, 295, 295),
    "downwards": (-1, -7, True, -300, -300),
    "downwards by threes": (-3, -7, True, -300, -298),
    "downwards, ahead": (-1, -301, True, -300, None),
    "downwards, only ids above": (-1, -1, True, 40, None),
}


@pytest.mark.parametrize("kind", MOVES)
def test_the_next_id_is_the_first_free_one_that_the_sequence_would_give(kind: str) -> None:
    step, last, called, used, passed = MOVES[kind]
    found = drawn(step=step, last=last, called=called, used=used)
    assert found.lags == (passed is not None)
    if passed is not None:
        assert found.passed == passed
        assert used is not None
        nearer, behind = sorted((found.passed, found.passed + step), key=abs)
        assert abs(nearer) <= abs(used) < abs(behind)


@pytest.mark.parametrize(
    ("step", "bounds", "kind", "last"),
    [
        (1, (1, 2**63 - 1), "integer", TOP - 1),
        (1, (1, 32767), "integer", 32766),
        (10, (1, 2**63 - 1), "integer", TOP - 10),
        (1, (1, 2**63 - 1), "bigint", 2**63 - 2),
        (-1, (-(2**63), -1), "integer", -(2**31) + 1),
        (-5, (-100, -1), "integer", -95),
    ],
)
def test_behind_a_reachable_id_one_more_fits(step: int, bounds: tuple[int, int], kind: str, last: int) -> None:
    assert reachable(step, bounds, kind) == last


def test_ids_that_stayed_behind_next_to_the_last_one_are_stepped_over_and_no_others() -> None:
    assert drawn(taken=frozenset({301, 302, 304, 900})).passed == 302
    assert drawn(step=-2, last=-8, used=-300, taken=frozenset({-302, -303})).passed == -302


def test_what_cannot_be_moved_is_told_with_the_statement() -> None:
    assert drawn().obstacle == ""
    assert "GRANT UPDATE ON SEQUENCE public.s TO yo;" in drawn(movable=False).obstacle
    assert "ALTER SEQUENCE public.s NO CYCLE;" in drawn(cycles=True).obstacle
    assert drawn().unreached == ""
    assert f"SELECT * FROM public.t WHERE id = {TOP};" in drawn(beyond=TOP).unreached
