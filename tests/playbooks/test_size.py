"""200,000 customers: a guard against work that grows with the square of the rows or holds them in memory, not a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases import Database
from tests.support.jobs import Jobs
from tests.support.observation import changed, ended_well
from tests.support.playbook import PlaybookRun, Playbooks, RunningPlaybook
from tests.support.processes import modules

pytestmark = pytest.mark.slow

NewDatabase = Callable[..., Database]
MakePlaybooks = Callable[..., Playbooks]
SAMPLE, TIMES = 2_000, 100
COPY_SECONDS = 60
AGAIN_SECONDS = 8
ESTADO_SECONDS = 3
MEMORY = 150 * 2**20
GROWTH = 24 * 2**20  # between the first and the last third of the copy
# The sample's clean rows a hundred times over, each with a key and a phone of its own.
MANY = """
INSERT INTO customers (phone_number, full_name, city, city_confirmed_at, notes, created_at, updated_at)
SELECT '58' || lpad((row_number() OVER ())::text, 10, '0'), full_name, city, city_confirmed_at, notes, created_at, updated_at
FROM customers CROSS JOIN generate_series(1, %s) n
WHERE length(full_name) < 100 AND coalesce(length(city), 0) < 100 AND coalesce(length(notes::text), 0) < 1000
"""


def watched(running: RunningPlaybook) -> tuple[PlaybookRun, list[int]]:
    """The ended run, and the memory that its modules held together, looked at all the time."""
    held = []
    while running.process.poll() is None:
        if now := [module.resident() for module in modules(running.process.pid)]:
            held.append(sum(now))
        time.sleep(0.2)
    return running.wait(), held


def slowness(runner: Playbooks) -> float:
    """How many times longer than on two idle cores anything takes here and now, by the shortest playbook; at least 1."""
    return max(1.0, ended_well(runner.run("estado")).seconds / ESTADO_SECONDS)


@pytest.mark.size
@pytest.mark.parametrize("installation", ["jsonb", "text"])
def test_200_000_customers_are_copied_in_a_minute_and_little_memory_and_compared_again_in_seconds(
    installation: str, new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    database = new_database(installation, SAMPLE, messages=100)
    with database.cursor() as cursor:
        cursor.execute(MANY, (TIMES,))
    database.query("ANALYZE customers")
    rows = database.value("SELECT count(*) FROM customers")
    assert rows > 180_000
    Jobs(database.url, tmp_path / "previo").up_to_tables()
    runner = playbooks(database.url)

    run, held = watched(runner.start("fase2", subfase="2.1"))
    ended_well(run)
    assert run.seconds < COPY_SECONDS * slowness(runner)
    assert max(held) < MEMORY
    third = len(held) // 3
    assert third > 3
    assert max(held[-third:]) - max(held[:third]) < GROWTH
    assert database.value("SELECT count(*) FROM clientes") > 180_000

    again, held = watched(runner.start("fase2", subfase="2.1"))
    assert changed(ended_well(again)) == 0
    assert again.seconds < AGAIN_SECONDS * slowness(runner)
    assert max(held) < MEMORY
