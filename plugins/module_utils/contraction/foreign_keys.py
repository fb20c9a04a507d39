"""Neighbours' foreign keys: a second one to the other table is added and validated beside the first, which goes in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..core.contraction.neighbours import (
    NeighbourKey,
    add_key_statement,
    orphan_line,
    orphans_sql,
    swap_key_statements,
    target_of,
)
from ..core.mapping.types import TableMapping
from ..core.sqltext import ident
from ..core.waits import DDL
from ..ledger import lease
from ..server.db import fetch_all, fetch_one, run_sql, transaction, with_lock_retries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from ..call.context import Context

_SHOWN = 5  # values of rows without a parent that are named


def orphan_lines(conn: Connection, keys: Sequence[NeighbourKey], mapping: TableMapping) -> list[str]:
    """Return a line for each key whose rows the Spanish table would leave without a parent."""
    lines = []
    for key in keys:
        table, column = target_of(key, mapping)
        ((count, examples),) = fetch_all(conn, orphans_sql(key, mapping.schema, table, column, _SHOWN))
        if count:
            lines.append(orphan_line(key, table, count, examples))
    return lines


def point_at_spanish(context: Context, keys: Sequence[NeighbourKey]) -> list[str]:
    """Add and validate a key to the Spanish table beside each; what is there already stays. Returns the tables concerned."""
    made = []
    for key in keys:
        definition = key.pointing(context.mapping.schema, *target_of(key, context.mapping))
        if _beside(context, key, key.spanish_name, definition):
            made.append(key.place)
    return list(dict.fromkeys(made))


def point_at_legacy(context: Context, keys: Sequence[NeighbourKey]) -> None:
    """The way back: add and validate the key to the legacy table as it was, then let it take the other one's place."""
    for key in keys:
        if _definition(context.conn, key, key.name) != key.definition:
            _beside(context, key, key.legacy_name, key.definition)
            with_lock_retries(context.conn, partial(_swap, context=context, key=key), DDL, key.place)


def forget_spanish_keys(context: Context, keys: Sequence[NeighbourKey]) -> None:
    """Take away those that were added for a move that did not happen."""
    for key in keys:
        if _definition(context.conn, key, key.spanish_name):
            with_lock_retries(context.conn, partial(_drop, context=context, key=key), DDL, key.place)


def _swap(conn: Connection, context: Context, key: NeighbourKey) -> None:
    lease.fence(conn, context.run_id)
    run_sql(conn, *swap_key_statements(key, key.legacy_name))


def _drop(conn: Connection, context: Context, key: NeighbourKey) -> None:
    lease.fence(conn, context.run_id)
    run_sql(conn, f"ALTER TABLE {key.place} DROP CONSTRAINT {ident(key.spanish_name)}")


def _beside(context: Context, key: NeighbourKey, name: str, definition: str) -> bool:
    made = not _definition(context.conn, key, name)
    if made:
        with_lock_retries(context.conn, partial(_add, context=context, key=key, name=name, definition=definition), DDL, key.place)
    with transaction(context.conn):  # writers go on meanwhile
        lease.fence(context.conn, context.run_id)
        run_sql(context.conn, f"ALTER TABLE {key.place} VALIDATE CONSTRAINT {ident(name)}")
    return made


def _add(conn: Connection, context: Context, key: NeighbourKey, name: str, definition: str) -> None:
    lease.fence(conn, context.run_id)
    run_sql(conn, add_key_statement(key, name, definition))


def _definition(conn: Connection, key: NeighbourKey, name: str) -> str:
    row = fetch_one(
        conn,
        "SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.conrelid = to_regclass(%s) AND k.conname = %s",
        (key.place, name),
    )
    return str(row[0]) if row else ""
