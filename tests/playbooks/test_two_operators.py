"""Two operators start the same phase within a second: one runs, one is told who and where. Never both, never none."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.databases import Database, Databases
from tests.support.gate import close_gate, sessions, wait_at_gate
from tests.support.jobs import Jobs
from tests.support.playbook import Playbooks
from tests.support.processes import waited_for

pytestmark = [pytest.mark.slow, pytest.mark.concurrent]

ROUNDS = int(os.environ.get("TEST_ROUNDS", "6"))


@pytest.fixture(scope="module")
def operators(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, list[Playbooks]]]:
    """Two controllers of one database; the copy of whoever wins waits in a batch, so it lives as long as we like."""
    database = databases.sample("text", 200)
    Jobs(database.url, tmp_path_factory.mktemp("previo")).up_to_tables()
    close_gate(database)
    homes = [tmp_path_factory.mktemp(name) for name in ("ana", "luis")]
    yield database, [Playbooks(home, database.url, extra={"backup_dir": str(home / "respaldos")}) for home in homes]
    databases.drop(database)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_operators_within_a_second_one_runs_and_one_is_told_who_does(
    operators: tuple[Database, list[Playbooks]], number: int
) -> None:
    """From the second round on both find a run that was killed: one takes it over."""
    database, makers = operators
    rows = "SELECT count(*) FROM migracion.fase_ejecucion WHERE fase = 'fase2'"
    before = database.value(rows)
    with ExitStack() as ended:
        chance, started = random.Random(number), []
        for maker in chance.sample(makers, 2):
            started.append(ended.enter_context(maker.start("fase2", subfase="2.1", batch_rows=20)))
            time.sleep(chance.uniform(0, 1))
        assert waited_for(lambda: any(run.process.poll() is not None for run in started), 60)
        (loser,) = [run for run in started if run.process.poll() is not None]
        (winner,) = [run for run in started if run is not loser]
        wait_at_gate(database, winner)
        refused = loser.wait()
        assert refused.rc != 0
        found = re.search(r"Otra ejecución está en marcha: \S+ en \S+ \(pid (\d+)\) desde 20", " ".join(refused.output.split()))
        assert found, refused.output
        assert int(found[1]) == winner.process.pid
        assert "NO EMPEZÓ" in refused.output
        running = database.query("SELECT run_id FROM migracion.fase_ejecucion WHERE fase = 'fase2' AND estado = 'en_curso'")
        assert running == database.query("SELECT run_id FROM migracion.arriendo")
        assert database.value(rows) == before + 1
        assert sessions(database) == 1
