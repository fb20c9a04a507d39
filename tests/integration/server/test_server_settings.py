"""Every setting that this server has is on the page docs/server-settings.md, once, and what the page says of it is so."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.core.server.session import EXPECTED, LIFE_SIGNS, SETTINGS
from plugins.module_utils.server import db
from plugins.module_utils.server.connect import connect
from tests.support.databases import Database
from tools.postgres_matrix import RELEASES

pytestmark = pytest.mark.values

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/server-settings.md").read_text(encoding="utf-8")
_, SET, CHECKED, OTHERS = re.split(r"\n## .*\n", PAGE)
NAME = re.compile(r"`(\w+)`")
CHECKS = dict(re.findall(r"^\| `(\w+)` \| `([\w/]+\.py)`(?: \(asks `\w+`.*\))? \|$", CHECKED, re.MULTILINE))
ASKED = dict(re.findall(r"^\| `(\w+)` \| .*\(asks `(\w+)`", CHECKED, re.MULTILINE))
# Not the server's own: those that the database, or what a test loads into it, brings.
SERVERS_OWN = "SELECT name FROM pg_settings WHERE name NOT LIKE '%.%' AND category <> 'Customized Options'"


def set_names() -> set[str]:
    return set(NAME.findall(SET)) - set(NAME.findall("".join(re.findall(r"`[\w/]+\.py`", SET))))


def test_each_setting_of_this_server_stands_on_the_page_once(empty_database: Database) -> None:
    found = {name for (name,) in empty_database.query(SERVERS_OWN)}
    told = Counter([*set_names(), *CHECKS, *NAME.findall(OTHERS)])
    assert found - set(told) == set(), "decide about these: set, checked, or why they do not matter"
    assert [name for name, times in told.items() if times > 1] == []
    if empty_database.value("SHOW server_version_num")[:2] == str(max(RELEASES)):
        gone = "recursive promote vacuum_defer db_user force_parallel old_snapshot stats_temp lc_co lc_ct trace_rec ssl_ecdh"
        unknown = sorted(name for name in set(told) - found if not name.startswith(tuple(gone.split())))
        assert unknown == ["extension_destdir"]  # Debian's


def test_what_the_page_calls_set_is_what_a_session_of_ours_sets(empty_database: Database, monkeypatch: Any) -> None:
    assert set_names() == {*SETTINGS, *LIFE_SIGNS, "application_name"}
    session = "SELECT name FROM pg_settings WHERE source = 'session'"
    with closing(connect(empty_database.url, "r1")) as conn:
        ours = {name for (name,) in db.fetch_all(conn, session)}
    with closing(psycopg2.connect(empty_database.url)) as plain, plain.cursor() as cursor:
        cursor.execute(session)
        by_itself = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT name FROM pg_settings WHERE name = ANY (%s)", (sorted(set_names()),))
        known = {name for (name,) in cursor.fetchall()}
    assert ours - by_itself == known - by_itself


def test_what_the_page_calls_checked_is_asked_where_it_says() -> None:
    assert set(EXPECTED) <= set(CHECKS)
    for name, place in CHECKS.items():
        text = (ROOT / "plugins/module_utils" / place).read_text(encoding="utf-8")
        assert re.search(rf"\b{ASKED.get(name, name)}\b", text), name
