"""The benchmark runs, and what it writes can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import measure

pytestmark = pytest.mark.slow


def test_a_small_benchmark_names_the_machine_and_every_table(tmp_path: Path) -> None:
    text = measure(rows=100, messages=50, rounds=1, output=tmp_path / "bench")
    result = json.loads((tmp_path / "bench/bench.json").read_text(encoding="utf-8"))
    assert result["machine"]["postgresql"] in text
    assert len(result["seconds"]["plan"]) == len(result["seconds"]["copy"]) == 9
    assert text == (tmp_path / "bench/bench.md").read_text(encoding="utf-8")
