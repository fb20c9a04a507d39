"""A shop instead of TinkuBot: composite keys, names and values that want quoting; nothing of TinkuBot is in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database
from tests.support.dump import dump
from tests.support.jobs import SHOP, Jobs
from tests.support.shop import LINES, LOTS, STATES, shop

ARTICLES = """public."Artículos ""50%"" d'ocasión\""""
SPANISH_STATES = {"yes": "sí", "off": "no", "it's 50%": "d'ocasión"}


def test_a_shop_with_a_composite_key_goes_three_times_forward_and_back(empty_database: Database, tmp_path: Path) -> None:
    """Nothing of TinkuBot is in the code, and keys that hold | and \\ stay apart."""
    database, jobs = empty_database, Jobs(empty_database.url, tmp_path, SHOP, batch_rows=7, subphase="2.1")
    shop(database, LOTS)
    original = dump(database)
    refused = database.value(
        f"""SELECT count(*) FROM {LINES} WHERE "user" = repeat('y', 21) OR "State" = 'YES'
        OR "PRICE %s" < -0.005 OR "PRICE %s" BETWEEN 9999.995 AND 1e9"""
    )
    accepted = {user.strip(): SPANISH_STATES.get(str(STATES[n % 8]), STATES[n % 8]) for n, (_, _, user) in enumerate(LOTS)}
    for _ in range(3):
        [account] = jobs.up_to_proof()["accounting"]
        assert (account["total"], account["cuarentena"], account["pendientes"]) == (len(LOTS), refused, 0)
        found = dict(database.query(f'SELECT "código %s", "Estado" FROM {ARTICLES}'))
        assert found == {user: state for user, state in accepted.items() if user in found}
        assert database.query(f'SELECT "Lote|Nº", "group" FROM {ARTICLES} WHERE "código %s" = \'3\'') == [("a\\", "|b")]
        database.query(f"""UPDATE {ARTICLES} SET "Estado" = 'no' WHERE "código %s" = '3'""")
        with pytest.raises(MigrationError) as difference:
            jobs.prove()
        assert "a\\\\|\\|b: difiere: Estado: se esperaba \"d'ocasión\", hay 'no'" in str(difference.value)
        assert jobs.equalise()["changed"] is True
        jobs.take_back()
        jobs.drop_tables()
        assert dump(database) == original


def test_two_legacy_keys_that_become_one_spanish_key_are_one_row_and_one_entry(empty_database: Database, tmp_path: Path) -> None:
    mapping = tmp_path / "tienda.yml"
    mapping.write_text(SHOP.read_text(encoding="utf-8").replace("Lote|Nº: text", "Lote|Nº: varchar(3)"), encoding="utf-8")
    shop(empty_database, [("abc  ", "a", "1"), ("abc ", "a", "2"), ("abc", "b", "3"), ("abcd", "a", "4")])
    jobs = Jobs(empty_database.url, tmp_path, mapping, subphase="2.1")
    [account] = jobs.up_to_proof()["accounting"]
    assert (account["iguales"], account["cuarentena"], account["pendientes"]) == (2, 2, 0)
    assert empty_database.query("SELECT sqlstate FROM migracion.cuarentena ORDER BY 1") == [("22001",), ("23505",)]
