"""The rows on which mutants are tried: hostile ones in all nine legacy tables, copied and proved."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plugins.module_utils.call.context import Context, opened
from tests.support.databases import Database
from tests.support.hostile_rows import Row, hostile_rows, put
from tests.support.jobs import Jobs

PHASES = ("fase2", "fase3")


@contextmanager
def hostile_copy(database: Database, installation: str, seed: int, size: int) -> Iterator[Context]:
    """So many hostile rows in each table, and three times as many ordinary users, beside the sample's."""
    hostile = hostile_rows(installation, seed, size)
    hostile["users"] += _ordinary(hostile["users"])
    for table, rows in hostile.items():
        for first in range(0, len(rows), 500):  # each row is a savepoint, of which a transaction holds so many
            with database.cursor() as cursor:
                put(cursor, {table: rows[first : first + 500]})
    with tempfile.TemporaryDirectory() as folder:
        jobs = Jobs(database.url, Path(folder), batch_rows=2000)
        jobs.fill(*PHASES)
        with opened(jobs.params("mutantes", "fase3"), True) as context:
            yield context


def _ordinary(users: list[Row]) -> list[Row]:
    """The same with a phone of their own: of the hostile ones few are carried."""
    return [
        {**row, "id": f"{n:08x}-1111-4000-8000-000000000000", "phone_number": f"5939{n:08d}", "status": "active"}
        for n, row in enumerate(users * 3)
    ]
