"""Three nights there and back with services that go on writing and fifty accidents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.databases import Databases
from tests.support.reaper import reaped
from tools.postgres_server import launch

from .nights import Nights
from .proxy import proxy

pytestmark = pytest.mark.slow


def test_every_acknowledged_write_is_on_both_sides_after_three_nights(tmp_path: Path) -> None:
    binaries = os.environ.get("TEST_POSTGRES_BIN")
    settings = {"max_prepared_transactions": "10"}
    launched = launch(Path(binaries) if binaries else None, fsync=False, settings=settings)
    with reaped(launched) as server, proxy(server) as line:
        night = Nights(Databases(server), line, tmp_path, installation="jsonb", seed=1).play(3, 50)
        server.stop()
    assert not night.problems, "\n".join(night.lines())
    assert night.counts["written"] > 1_000
    assert night.kills > 25
