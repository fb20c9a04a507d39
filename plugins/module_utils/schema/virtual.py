"""The virtual schema of a dry run: what earlier phases make, made in pg_temp, where no run makes or locks anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..call.context import Context
from ..core.backfill.carrying import route_statements
from ..core.bookkeeping import BOOKKEEPING, CREATE
from ..core.mapping.types import SpanishTable
from ..core.rows.reading import helper_statements
from ..core.schema.ddl import table_statements
from ..core.sqltext import qname
from ..ledger import bookkeeping
from ..server import db
from .tables import missing_tables

TEMPORARY = "pg_temp"
_NAME = r'(?:[\w$]+|"(?:[^"]|"")+")'
# what a statement makes: its schema with the dot, and its name
_MADE = re.compile(
    rf"^CREATE (?:OR REPLACE )?(?:TABLE|VIEW|FUNCTION|SEQUENCE)(?: IF NOT EXISTS)? ({_NAME}\.)({_NAME})", re.MULTILINE
)
ENTRIES = f"{BOOKKEEPING}.cuarentena"


@contextmanager
def virtual_schema(context: Context, *, entries: bool = False, empty: bool = True) -> Iterator[None]:
    """A transaction that is always rolled back, in which everything earlier phases make exists.

    A dry run is the same path on this virtual schema: within, every statement finds functions and views in pg_temp, and the
    Spanish tables that are missing or still empty, before fase0 the bookkeeping too. With ``entries`` those in quarantine
    are a copy, to be written; without ``empty`` the tables that are there stay themselves, for a rehearsal that empties them.
    """
    conn, major = context.conn, context.conn.info.server_version // 10_000
    routes = [s for route in context.all_routes for s in route_statements(route, context.all_routes)]
    ledger = [] if bookkeeping.is_current(conn) else [CREATE]
    mapping, catalogue = context.mapping, context.catalogue
    tables = [s for table in _unfilled(context, empty) for s in table_statements(mapping, catalogue, table, mapping.schema)]
    statements = [*ledger, *helper_statements(major), *tables, *routes]
    names = {f"{place}{name}": f"{TEMPORARY}.{name}" for s in statements for place, name in _MADE.findall(s)}
    with db.rolled_back(conn):
        if entries and not ledger:
            copy = f"{TEMPORARY}.cuarentena"
            db.run_sql(
                conn,
                f"CREATE TABLE {copy} (LIKE {ENTRIES} INCLUDING ALL)",
                f"INSERT INTO {copy} SELECT * FROM {ENTRIES} WHERE estado <> 'resuelta'",
            )
            names[ENTRIES] = copy
        with db.elsewhere(conn, names):
            db.run_sql(conn, *statements)
            yield


def _unfilled(context: Context, empty: bool) -> list[SpanishTable]:
    """The Spanish tables without rows, without what looks at others: a temporary table may not refer to one that stays."""
    missing = {t.name for t in missing_tables(context.conn, context.mapping)}
    return [
        replace(table, foreign_keys=(), touched=None)
        for table in context.mapping.tables
        if table.name in missing
        or (empty and db.fetch_one(context.conn, f"SELECT FROM {qname(context.mapping.schema, table.name)} LIMIT 1") is None)
    ]
