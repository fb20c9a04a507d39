"""Ten rounds of the chaos loop, five on each installation, there and mostly back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import Databases
from tests.support.reaper import reaped
from tools.postgres_server import PostgresServer, launch

from .plan import round_of
from .proxy import proxy
from .rounds import Player

pytestmark = pytest.mark.slow

SEED = 1
ROUNDS = [("jsonb", range(1, 6)), ("text", range(6, 11))]


@pytest.fixture
def victim() -> Iterator[PostgresServer]:
    """A server of its own: it is restarted under the runs."""
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    with reaped(launch(Path(chosen) if chosen else None, fsync=False)) as server:
        yield server
        server.stop()


@pytest.mark.parametrize(("installation", "rounds"), ROUNDS)
def test_after_an_accident_the_same_command_completes_the_phase(
    victim: PostgresServer, tmp_path: Path, installation: str, rounds: range
) -> None:
    with proxy(victim) as line:
        player = Player(Databases(victim), line, tmp_path, installation=installation, rows=150, batch_rows=10)
        outcomes = [player.play(round_of(SEED, installation, number)) for number in rounds]
    said = [problem for outcome in outcomes for problem in (outcome.line(len(outcomes)), *outcome.problems)]
    assert not any(outcome.problems for outcome in outcomes), "\n".join(said)
