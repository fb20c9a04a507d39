"""How long a light writer waits while the sync is installed, beside the copy, the repair and the removal; and what the copy costs
with the sync on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from tests.bench.writes import WRITES
from tests.support.databases import Database, Databases
from tests.support.jobs import Jobs

PAUSE = 0.002  # seconds between two writes of the light writer
PHASES = ("fase2", "fase3")


@dataclass
class LightWriter:
    """A service that changes one message after another; ``longest`` is how long the slowest write took, in seconds."""

    database: Database
    longest: float = 0.0
    writes: int = 0
    errors: list[str] = field(default_factory=list)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """It writes for as long as the block lasts."""
        done, ready = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._write, args=(done, ready))
        thread.start()
        ready.wait()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _write(self, done: threading.Event, ready: threading.Event) -> None:
        with closing(psycopg2.connect(self.database.superuser_url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SELECT id::text FROM messages ORDER BY id LIMIT 500")
            keys = [key for (key,) in cursor.fetchall()]
            ready.set()
            while not done.wait(PAUSE):
                started = time.perf_counter()
                try:
                    cursor.execute(WRITES["messages update"], {"id": keys[self.writes % len(keys)]})
                except psycopg2.Error as error:
                    self.errors.append(str(error.pgcode))
                self.longest = max(self.longest, time.perf_counter() - started)
                self.writes += 1


def stalls(databases: Databases, folder: Path, rows: int) -> dict[str, float]:
    """Step → the longest write beside it, in seconds. Raises RuntimeError where a write failed."""
    database = databases.sample(rows=rows, up_to="fase1")
    jobs = Jobs(database.url, folder, batch_rows=5000)
    steps: dict[str, Callable[[], object]] = {
        "nothing": lambda: time.sleep(1),
        "installation": lambda: jobs.synchronise(*PHASES),
        "copy": lambda: [jobs.copy(phase) for phase in PHASES],
        "repair": lambda: [jobs.equalise(phase) for phase in PHASES],
        "removal": lambda: [jobs.take_back(phase) for phase in reversed(PHASES)],
    }
    found: dict[str, float] = {}
    for name, step in steps.items():
        writer = LightWriter(database)
        with writer.beside():
            step()
        if writer.errors:
            raise RuntimeError(f"writes failed beside {name}: {writer.errors}")
        found[name] = writer.longest
    databases.drop(database)
    return found


def copies(databases: Databases, folder: Path, rows: int) -> dict[str, float]:
    """Seconds of the copy of all tables, with the sync on and without it, nobody writing."""
    found: dict[str, float] = {}
    for name in ("without the sync", "with the sync on"):
        database = databases.sample(rows=rows, up_to="fase1")
        jobs = Jobs(database.url, folder, batch_rows=5000)
        if name == "with the sync on":
            jobs.synchronise(*PHASES)
        started = time.perf_counter()
        for phase in PHASES:
            jobs.copy(phase)
        found[name] = time.perf_counter() - started
        databases.drop(database)
    return found
