"""Fixtures around one empty database: a connection of the runbook's, and an operator who calls phases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.server.connect import connect
from tests.support.databases import Begin, Database, Databases, Made
from tests.support.jobs import Jobs, Stage
from tests.support.phase import Phase, finish
from tests.support.variants import brief


@pytest.fixture
def begin(new_database: Callable[..., Database], tmp_path: Path) -> Begin:
    """``begin(installation, rows=, privileges=, up_to=, messages=, **options)``: a sample at that stage, jobs with options."""

    def make(
        installation: str = "jsonb",
        *,
        rows: int = 200,
        privileges: str = "open",
        up_to: Stage | None = None,
        messages: int | None = None,
        **options: Any,
    ) -> Made:
        database = new_database(installation, rows, privileges, up_to=up_to, messages=messages)
        return database, Jobs(database.url, tmp_path / "respaldos", **options)

    return make


@pytest.fixture(scope="module", params=brief(["jsonb", "text"], "jsonb"))
def tables(request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Both installations with their empty tables, for tests that leave them so."""
    database = databases.sample(request.param, 200, {"jsonb": "open", "text": "closed"}[request.param], up_to="fase1")
    yield database, Jobs(database.url, tmp_path_factory.mktemp("respaldos"))
    databases.drop(database)


@pytest.fixture
def conn(empty_database: Database) -> Iterator[Any]:
    """A connection as the modules have it."""
    with closing(connect(empty_database.url, "prueba")) as connection:
        yield connection


@pytest.fixture
def phase(empty_database: Database) -> Phase:
    """An operator on a database where nothing has run."""
    return Phase(empty_database.url)


@pytest.fixture
def fase0(phase: Phase, conn: Any) -> Phase:
    """An operator on a database whose fase0 is done."""
    finish(phase, conn, "fase0")
    return phase
