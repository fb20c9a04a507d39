"""The benchmark runs, both parts, and what it writes can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import measure
from tests.bench.synced import Sizes, measure_sync
from tests.bench.writes import ARMS

pytestmark = pytest.mark.slow


def test_a_small_benchmark_names_the_machine_and_every_table(tmp_path: Path) -> None:
    text = measure(rows=100, messages=50, rounds=1, output=tmp_path / "bench")
    result = json.loads((tmp_path / "bench/bench.json").read_text(encoding="utf-8"))
    assert result["machine"]["postgresql"] in text
    assert len(result["seconds"]["plan"]) == len(result["seconds"]["copy"]) == 9
    assert text == (tmp_path / "bench/bench.md").read_text(encoding="utf-8")


def test_the_second_part_measures_every_write_on_both_sides(tmp_path: Path) -> None:
    text = measure_sync(Sizes(rows=200, rounds=1, times=2, bulk=30, messages=5), tmp_path / "bench")
    result = json.loads((tmp_path / "bench/sync.json").read_text(encoding="utf-8"))
    single = {what: arms for what, arms in result["writes"].items() if what.endswith("disk")}
    assert len(single) == 18
    assert all(list(arms) == list(ARMS) for arms in single.values())
    assert list(result["stalls"]) == ["nothing", "installation", "copy", "repair", "removal"]
    assert "What waits afterwards: nothing." in text
