"""The second opinion of large tables: a million rows, and memory that does not grow with them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from plugins.module_utils.core.opinion import choice
from tests.support.boxes import Night
from tests.support.databases import Database
from tests.support.edges import BOXES, judged, keys_at_edges, with_edges
from tests.support.lies import lying_view

pytestmark = [pytest.mark.slow, pytest.mark.size]

MILLION = 1_000_000
FEW, MANY = 12_000, 60_000
GROWTH = 16 * 2**20  # for five times the rows: their places, and nothing of what stands in them


def test_of_a_million_rows_a_mistake_at_an_edge_is_found_without_chance_and_one_in_a_thousand_by_it(
    empty_database: Database, tmp_path: Path
) -> None:
    night, keys = with_edges(empty_database, tmp_path, MILLION), keys_at_edges(MILLION)
    wrong(empty_database, f"$1 IN ({', '.join(map(str, keys))})")
    lying_view(empty_database, BOXES, "l.weight AS peso", "l.weight + public.wrong(l.id) AS peso")
    found = judged(night, "boxes", 0)
    assert {d.clave for d in found.examples} == set(map(str, keys))
    assert found.judged < 60
    wrong(empty_database, "$1 % 1000 = 777")
    assert all(judged(night, "boxes", 10_000).count for _ in range(20))


def wrong(database: Database, rows: str) -> None:
    """Let the function say 1 of these rows' keys, and 0 of others."""
    database.query(f"CREATE OR REPLACE FUNCTION public.wrong(bigint) RETURNS integer LANGUAGE sql AS $$SELECT ({rows})::int$$")


def test_memory_does_not_grow_with_the_rows(empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where every row is judged."""
    monkeypatch.setattr(choice, "ALL_UP_TO", MANY)
    night = Night.on(empty_database, tmp_path, FEW)
    empty_database.query("UPDATE boxes SET content = repeat(content, 30)")
    night.up_to_tables()
    night.night()
    few = held(night, FEW)
    night.fill(FEW + 1, MANY)
    empty_database.query("UPDATE boxes SET content = repeat(content, 30) WHERE id > %s", (FEW,))
    night.equalise()
    assert held(night, MANY) - few < GROWTH


def held(night: Night, rows: int) -> int:
    """The most memory that judging all of so many rows took at once."""
    tracemalloc.start()
    try:
        assert judged(night, "boxes", 0).judged == rows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
