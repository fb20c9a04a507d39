"""What somebody does to the Spanish tables in the moment after a run has compared them with what fase1 made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from plugins.module_utils.jobs import table_compare, table_copy
from tests.support.databases import Database


@contextmanager
def added_unseen(database: Database, table: str, constraint: str) -> Iterator[None]:
    """A constraint called ``ajena``: away while a run compares, there for every row; away at the end."""
    drop = f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS ajena"
    real = table_copy.require_shape

    def then_added(*args: Any, **more: Any) -> Sequence[str]:
        database.query(drop)
        found = real(*args, **more)
        database.query(f"ALTER TABLE {table} ADD CONSTRAINT ajena {constraint} NOT VALID")
        return found

    with pytest.MonkeyPatch.context() as patch:
        for module in (table_copy, table_compare):
            patch.setattr(module, "require_shape", then_added)
        yield
    database.query(drop)
