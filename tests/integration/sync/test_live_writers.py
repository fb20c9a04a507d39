"""Services that write to both sides at once: at the end both sides say the same, and nobody failed because of the sync."""

from __future__ import annotations

import pytest

from tests.support.both_sides import Writers

from .conftest import Synced

pytestmark = pytest.mark.concurrent


@pytest.mark.parametrize("seed", [1, 2])
def test_both_sides_are_equal_after_writers_on_both(synced: Synced, seed: int) -> None:
    writers = Writers(synced.database, seed)
    writers.run(6)
    assert writers.errors == []
    assert writers.acknowledged["legacy"] > 20
    assert writers.acknowledged["espanol"] > 20
    synced.jobs.drain()
    synced.settled()
