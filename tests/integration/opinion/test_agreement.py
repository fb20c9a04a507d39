"""The evaluator and the forward SELECT, written apart from each other, say the same of every legacy row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.schema.routines import install_routes
from plugins.module_utils.server import db
from tests.support.agreement import disagreements
from tests.support.databases import Database
from tests.support.hostile_rows import hostile_rows, put
from tests.support.jobs import Jobs
from tests.support.variants import brief

pytestmark = pytest.mark.values


def install(context: Context) -> None:
    """The views and functions of all pairs."""
    with db.transaction(context.conn):
        install_routes(context.conn, context.all_routes)


@pytest.mark.parametrize("seed", brief(range(1, 9), 1, 2))
@pytest.mark.parametrize("installation", ["jsonb", "text"])
def test_every_row_of_the_nine_tables(
    new_database: Callable[..., Database], tmp_path: Path, installation: str, seed: int
) -> None:
    database = new_database(installation, up_to="fase1")
    with database.cursor() as cursor:
        assert put(cursor, hostile_rows(installation, seed, 300)) > 1000
    jobs = Jobs(database.url, tmp_path)
    with opened(jobs.params("prueba", "fase2"), False) as context:
        install(context)
        assert disagreements(context.conn, context.mapping, context.catalogue) == []
