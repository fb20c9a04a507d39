"""What makes mutants of Python and judges them, on a few that are known."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.mutants.python.__main__ import all_mutants, known_survivors, room_of, spread
from tests.mutants.python.copies import SURVIVED, copied
from tests.mutants.python.plugin import ROOT
from tests.mutants.python.rules import FIXED, Mutant, mutants_of

EVERY = all_mutants()
SOURCE = '''"""A file: if this, that."""

from contextlib import suppress


def é(conn: Any, n: int = 1 if True else 2) -> bool:
    """If this is true."""
    with transaction(conn), suppress(ValueError):
        run(conn, "SELECT 1 FROM t FOR UPDATE", wait=3, encoding="utf-8")
    if n < 3 and not conn:
        raise ValueError(f"{n < 4}")
    rows: list[int] = [row for row in conn[1:] if row]
    return bool(rows)
'''


def changes(text: str) -> set[tuple[str, int, str]]:
    return {(mutant.rule, mutant.line, mutant.change) for mutant in mutants_of("a.py", text)}


def test_each_rule_changes_one_place_of_what_runs() -> None:
    assert changes(SOURCE) == {
        ("lock", 8, 'transaction(conn) → __import__("contextlib").nullcontext()'),
        ("lock", 9, "FOR UPDATE → (nada)"),
        ("step", 9, 'run(conn, "SELECT 1 FROM t FOR UPDATE", wait=3, encoding="utf-8") → pass'),
        ("argument", 9, ", wait=3 → (nada)"),
        ("condition", 10, "n < 3 and not conn → (not (n < 3 and not conn))"),
        ("condition", 10, "n < 3 and not conn → ((n < 3) or (not conn))"),
        ("bound", 10, "n < 3 → (n) <= (3)"),
        ("bound", 10, "3 → 4"),
        ("step", 11, 'raise ValueError(f"{n < 4}") → pass'),
        ("bound", 12, "1 → 2"),
        ("condition", 12, "row → (not (row))"),
        ("result", 13, "bool(rows) → True"),
        ("result", 13, "bool(rows) → False"),
    }


@pytest.mark.parametrize("kind", FIXED)
def test_a_result_is_fixed_at_a_value_of_its_kind(kind: str) -> None:
    text = f"def f(x) -> {kind}[int]:\n    return x\n"
    assert changes(text) == {("result", 2, f"x → {fixed}") for fixed in FIXED[kind]}


def test_every_mutant_of_the_runbook_can_be_read_and_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in EVERY}) == len(EVERY) > 300
    for mutant in spread(EVERY, 300):
        assert ast.parse(mutant.text)
        assert mutant.text != (ROOT / mutant.path).read_text(encoding="utf-8")


def test_the_choice_is_the_same_each_time_and_leaves_out_no_room_and_no_rule() -> None:
    chosen = spread(EVERY, 300)
    assert chosen == spread(reversed(EVERY), 300)
    assert len(chosen) == 300
    assert {room_of(mutant) for mutant in chosen} == {room_of(mutant) for mutant in EVERY}
    assert min(Counter(mutant.rule for mutant in chosen).values()) > 20


def test_every_known_survivor_is_a_mutant_of_today_and_has_a_reason() -> None:
    names = {mutant.name for mutant in EVERY}
    assert {name: reason for name, (_, reason) in known_survivors().items() if name not in names or not reason} == {}


def test_a_mistake_is_found_by_the_test_that_looks_and_leaves_nothing_in_the_checkout() -> None:
    path, tests = "plugins/module_utils/core/phase/window.py", ["tests/unit/test_window.py"]
    there = (ROOT / path).read_text(encoding="utf-8")
    by_change = {mutant.change: mutant for mutant in mutants_of(path, there)}

    def found(mutant: Mutant) -> str:
        return copy.found_by(path, mutant.text, tests, 120)

    with copied() as copy:
        assert found(by_change["edge <= clock → (not (edge <= clock))"]).startswith("tests/unit/test_window.py::")
        assert found(by_change["edge <= clock → (edge) < (clock)"]) == SURVIVED  # known_survivors says why
        assert (copy.root / path).read_text(encoding="utf-8") == there
    assert (ROOT / path).read_text(encoding="utf-8") == there
