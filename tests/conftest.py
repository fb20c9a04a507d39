"""Fixtures on a real PostgreSQL: one server per test process (so per xdist worker), one database per request.

``TEST_POSTGRES_BIN`` names the binaries of another version, such as /usr/lib/postgresql/15/bin.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.databases import Database, Databases
from tests.support.playbook import Playbooks
from tests.support.reaper import reaped
from tools.postgres_server import PostgresServer, launch

SLOW = frozenset(
    {
        "test_cycle.py",
        "test_hostile_cycle.py",
        "test_kill.py",
        "test_interrupted.py",
        "test_two_operators.py",
        "test_stop.py",
        "test_size.py",
        "test_chaos.py",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what takes many minutes out of the default run; ``make test-slow`` runs just that."""
    for item in items:
        if item.path.name in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """The test server, its settings a Supabase's, its files of no value."""
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    with reaped(launch(Path(chosen) if chosen else None, fsync=False)) as running:
        yield running


@pytest.fixture(scope="session")
def databases(server: PostgresServer) -> Databases:
    """Makes databases that outlive a test; for most tests ``new_database`` is the better choice."""
    return Databases(server)


@pytest.fixture
def new_database(databases: Databases) -> Iterator[Callable[..., Database]]:
    """``new_database(installation, rows, privileges, messages=, seed=)``: a sample database, gone after the test."""
    made: list[Database] = []

    def make(installation: str = "jsonb", rows: int = 200, privileges: str = "open", **more: int) -> Database:
        made.append(databases.sample(installation, rows, privileges, **more))
        return made[-1]

    yield make
    for database in made:
        databases.drop(database)


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[Database]:
    """A database of the same owner, with nothing in it."""
    database = databases.empty()
    yield database
    databases.drop(database)


@pytest.fixture
def playbooks(tmp_path: Path) -> Callable[..., Playbooks]:
    """``playbooks(database_url, **extra)``: runs playbooks with a home and a backup folder of their own."""

    def make(database_url: str | None, **extra: object) -> Playbooks:
        return Playbooks(tmp_path, database_url, extra={"backup_dir": str(tmp_path / "respaldos"), **extra})

    return make
