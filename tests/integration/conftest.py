"""Fixtures around one empty database: a connection of the runbook's, and an operator who calls phases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from plugins.module_utils import db
from tests.support.databases import Database
from tests.support.phase import Phase, finish


@pytest.fixture
def conn(empty_database: Database) -> Iterator[Any]:
    """A connection as the modules have it."""
    with closing(db.connect(empty_database.url, "prueba")) as connection:
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
