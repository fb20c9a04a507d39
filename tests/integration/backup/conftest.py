"""One backup of one sample, taken and verified once for all tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.backups import Backup, backed_up
from tests.support.databases import Database, Databases


@pytest.fixture(scope="module")
def source(databases: Databases) -> Iterator[Database]:
    """A small sample."""
    database = databases.sample("jsonb", 100)
    yield database
    databases.drop(database)


@pytest.fixture(scope="module")
def kept(source: Database, tmp_path_factory: Any) -> Backup:
    """A backup of it."""
    return backed_up(source.url, tmp_path_factory.mktemp("respaldos"))
