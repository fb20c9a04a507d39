"""Fixtures on a real PostgreSQL: one server per test process (so per xdist worker), one database per request.

``TEST_POSTGRES_BIN`` names the binaries of another version, such as /usr/lib/postgresql/15/bin.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tests.support.playbook import Playbooks
from tests.support.reaper import reaped
from tools.postgres_server import SUPERUSER, PostgresServer, ServerError, launch

# Why a test may be skipped: what nobody could have here. Every other skip is a failure: make test installs what tests need.
SKIPS = {"this server has no such privilege", "this server has no citext"}
if platform.freedesktop_os_release()["ID"] != "debian":
    SKIPS.add("no server with Spanish messages here")  # Ubuntu takes translations out of its packages

# Stores the databases that there are in a new folder; the fixture databases knows how.
KEEP = pytest.StashKey[Callable[[], Path]]()
LOCKED = ("--lock-wait-timeout=5s",)  # a failed test may have left a transaction open

# What is started in the background, or by nohup, hands its deafness down to every run whose signals are tested.
for _number, _default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _default)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """The test server, its settings a Supabase's, its files of no value."""
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    settings = {"max_prepared_transactions": "5"}
    with reaped(launch(Path(chosen) if chosen else None, fsync=False, settings=settings)) as running:
        make_logins_cheap(running)
        yield running


def make_logins_cheap(server: PostgresServer) -> None:
    """Hash passwords once instead of 4,096 times: most of what a connection costs, and tests make many."""
    with closing(psycopg2.connect(server.url())) as connection, connection.cursor() as cursor:
        if connection.server_version < 160000:
            return
        connection.autocommit = True
        for statement in ("ALTER SYSTEM SET scram_iterations = 1", "SELECT pg_reload_conf()", "SET scram_iterations = 1"):
            cursor.execute(statement)
        cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(SUPERUSER), sql.Literal(server.password)))


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Makes databases that outlive a test; for most tests ``new_database`` is the better choice."""
    databases = Databases(server)

    def keep() -> Path:
        folder = tmp_path_factory.mktemp("fallida")
        shutil.copy(server.home / "log", folder / "postgresql.log")
        for database in databases.there():
            (folder / f"{database.name}.sql").write_text(dump(database, without=(), options=LOCKED), encoding="utf-8")
        return folder

    request.config.stash[KEEP] = keep
    return databases


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test fails, keep the server's log and its databases as they are now: CI uploads them."""
    report = yield
    _judge(report)
    if report.failed and call.when == "call" and (keep := item.config.stash.get(KEEP, None)):
        try:
            report.sections.append(("bases y registro del servidor", str(keep())))
        except (ServerError, OSError) as error:  # the server may be what failed
            report.sections.append(("bases y registro del servidor", f"no se pudieron guardar: {error}"))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file that is skipped, by importorskip for example, is judged as a test is."""
    report = yield
    _judge(report)
    return report


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of what was skipped for another reason than those above."""
    if report.skipped and isinstance(report.longrepr, tuple):  # an expected failure counts as skipped and has another longrepr
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason not in SKIPS:
            report.outcome = "failed"
            report.longrepr = f"skipped: {reason}. make test installs what tests need; what nobody can have: SKIPS in {__file__}"


@pytest.fixture
def new_database(databases: Databases) -> Iterator[Callable[..., Database]]:
    """``new_database(installation, rows, privileges, messages=, seed=, up_to=)``: a sample database, gone after the test."""
    made: list[Database] = []

    def make(installation: str = "jsonb", rows: int = 200, privileges: str = "open", **more: Any) -> Database:
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
