"""A part of make interleavings: statements that meet, whole and stopped half-way, and mistakes that such orders refute."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.databases import Databases

from .ground import Ground
from .parts import LOADING, PARTS, grounds, play
from .planted import MISTAKES, refuted

SEED = 1
# How many scenarios of each part; make interleavings plays them all.
LOAD_SHARE = 6
SHARE = {"pairs": 100, "half-way": 20, "longer": 2, "triples": 2, "repeatable": 12, "serializable": 8}


@pytest.fixture(scope="module")
def where(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ground]]:
    """One ground: another test runs beside this one."""
    found = grounds(databases, "jsonb", tmp_path_factory.mktemp("respaldos"), pauses=True, count=1)
    yield found
    for ground in found:
        databases.drop(ground.database)
        databases.drop(ground.alone)


@pytest.mark.parametrize("part", SHARE)
def test_no_order_leaves_anything_wrong(where: list[Ground], part: str) -> None:
    scenarios = list(PARTS[part](where[0], SEED))
    random.Random(SEED).shuffle(scenarios)
    counted, wrong = Counter[str](), list[str]()
    share = SHARE.get(part, LOAD_SHARE)
    for result in play(where, scenarios[:share], limit=30):
        counted += result.counted
        wrong += ["\n    ".join(lines) for lines in result.wrong]
    assert not wrong, "\n".join(wrong)
    assert counted["orders"] >= 2 * share


@pytest.fixture(scope="module")
def loading(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ground]]:
    """One on which tables are loaded without locks."""
    found = grounds(databases, "jsonb", tmp_path_factory.mktemp("respaldos"), pauses=False, count=1, loading=True)
    yield found
    for ground in found:
        databases.drop(ground.database)
        databases.drop(ground.alone)


def test_no_order_of_a_load_leaves_anything_wrong(loading: list[Ground]) -> None:
    test_no_order_leaves_anything_wrong(loading, LOADING)


@pytest.mark.parametrize("name", ["no fan-out", "the echo of a removal comes back", "values that are looked up are not locked"])
def test_a_planted_mistake_is_refuted(where: list[Ground], name: str) -> None:
    mistake = next(m for m in MISTAKES if m.name == name)
    _, lines = refuted(where, mistake, SEED, most=500)
    assert lines
