"""The evaluator and the forward SELECT, written apart from each other, say the same of every legacy row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.schema.routines import install_routes
from plugins.module_utils.server import db
from tests.support.agreement import disagreements
from tests.support.boxes import Night
from tests.support.damage import let_repeats_in
from tests.support.databases import Database
from tests.support.hostile_rows import hostile_rows, put
from tests.support.jobs import SHOP, Jobs
from tests.support.shop import LOTS, shop
from tests.support.variants import brief

pytestmark = pytest.mark.values


def agreed(jobs: Jobs) -> bool:
    """Both judge every row alike, whatever of it is migrated."""
    with opened(jobs.params("prueba", "fase2"), False) as context:
        install(context)
        assert disagreements(context.conn, context.mapping, context.catalogue) == []
        return True


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
    assert agreed(jobs)


@pytest.mark.parametrize("installation", ["jsonb", "text"])
def test_the_sample_before_and_after_it_is_migrated(
    new_database: Callable[..., Database], tmp_path: Path, installation: str
) -> None:
    database = new_database(installation, 100, messages=60, up_to="fase1")
    jobs = Jobs(database.url, tmp_path)
    assert agreed(jobs)
    jobs.fill("fase2", "fase3")
    assert agreed(jobs)


def test_rows_of_one_key_in_heirs(new_database: Callable[..., Database], tmp_path: Path) -> None:
    database = new_database("text", 100, messages=60)
    for table in ("users", "customers", "professions", "provider_professions", "messages"):
        with database.cursor(database.url) as cursor:
            cursor.execute(f"CREATE TABLE {table}_viejos () INHERITS ({table})")
    jobs = Jobs(database.url, tmp_path)
    jobs.up_to_tables()
    for table in ("users", "customers", "professions", "provider_professions", "messages"):
        database.query(f"INSERT INTO {table}_viejos SELECT * FROM ONLY {table}")
        database.query(f"INSERT INTO {table}_viejos SELECT * FROM ONLY {table} ORDER BY id LIMIT 9")
    database.query("UPDATE users_viejos SET phone_number = 'x' || phone_number, name = 'Viejo'")
    database.query("DELETE FROM ONLY messages WHERE id IN (SELECT id FROM ONLY messages ORDER BY id LIMIT 7)")
    assert agreed(jobs)


def test_a_shop_with_a_composite_key(empty_database: Database, tmp_path: Path) -> None:
    shop(empty_database, LOTS)
    jobs = Jobs(empty_database.url, tmp_path, SHOP)
    jobs.up_to_tables()
    assert agreed(jobs)


def test_a_fair_of_names_that_break_quoting(empty_database: Database, tmp_path: Path) -> None:
    with empty_database.cursor(empty_database.url) as cursor:
        cursor.execute((SHOP.parent / "fair.sql").read_text(encoding="utf-8"))
    jobs = Jobs(empty_database.url, tmp_path, SHOP.parent / "fair.yml")
    jobs.up_to_tables()
    jobs.fill()
    assert agreed(jobs)


@pytest.mark.parametrize("key", ["bigint", "uuid"])
def test_boxes_of_which_a_key_comes_twice(empty_database: Database, tmp_path: Path, key: str) -> None:
    night = Night.on(empty_database, tmp_path, 40, key=key)
    let_repeats_in(
        empty_database, "INSERT INTO boxes (id, label) SELECT id, 'otra' FROM boxes ORDER BY id LIMIT 5", indexes=("boxes_pkey",)
    )
    night.up_to_tables()
    assert agreed(night)
