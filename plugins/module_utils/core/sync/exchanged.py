"""Rows that exchanged a unique value while it waited to go across: in legacy they make room for one another. SQL text.

Each gets a placeholder there, in the one transaction that writes all of them after it: no other session ever reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.routes import CarriedColumn, Route, spanish_clave
from ..rows.values import TEXT_TYPES, type_family
from ..sqltext import ident
from .followers import partners_of
from .freed import unique_values
from .images import legacy_row_named, pair_is
from .inverse import legacy_place

PLACEHOLDER_SIZE = 33  # a mark and what md5 gives


def room_made_sql(home: Route, routes: Sequence[Route]) -> Iterator[str]:
    """Yield the UPDATEs of the home's legacy row of one Spanish row, and of who is merged into it.

    ``home``: one of the pairs that fill the table, ``routes``: all. Parameters: the Spanish row as it was, as JSON, and its key
    as it is now, as one text. A value that the Spanish row still has is left alone.
    """
    before = f"(SELECT (jsonb_populate_record(NULL::{home.target_table}, %s::jsonb)).*) v"
    now = f"{home.target_table} t WHERE {spanish_clave(home, 't')} = %s"
    for column in _replaceable(home):
        name, value = ident(column.source.name), _placeholder(home, column)
        mine = ident(column.target.name)
        yield (
            f"UPDATE {home.source_table} l SET {name} = {value} FROM {before} WHERE {legacy_place(home, 'v')}"
            f" AND NOT EXISTS (SELECT FROM {now} AND t.{mine} IS NOT DISTINCT FROM v.{mine})"
        )
        for other in partners_of(home, routes):
            theirs = other.carried_as(column.target.name)
            if theirs is None or other.pair.merge_by != column.target.name:
                continue
            yield (
                f"UPDATE {other.source_table} l SET {ident(theirs.source.name)} = {value} FROM {before}"
                f" JOIN {BOOKKEEPING}.fusion m ON m.clave_destino = {spanish_clave(home, 'v')}"
                f" WHERE {legacy_row_named(other, 'l', 'm.clave')}"
                f" AND {pair_is(other, 'm')} AND l.{ident(theirs.source.name)} = v.{mine}"
                f" AND NOT EXISTS (SELECT FROM {now} AND t.{mine} IS NOT DISTINCT FROM v.{mine})"
            )


def room_left_sql(home: Route) -> Iterator[str]:
    """Yield the SELECTs of whether a legacy row still has a placeholder; parameter: the Spanish row as it was, as JSON."""
    before = f"(SELECT (jsonb_populate_record(NULL::{home.target_table}, %s::jsonb)).*) v"
    for column in _replaceable(home):
        value = f"l.{ident(column.source.name)} = {_placeholder(home, column)}"
        yield f"SELECT 1 FROM {home.source_table} l, {before} WHERE {value}"


def _replaceable(home: Route) -> list[CarriedColumn]:
    """The text columns that are unique by themselves: nothing else has a value that nobody else may have."""
    alone = [columns[0] for _, columns in unique_values(home) if len(columns) == 1]
    return [c for c in alone if c.source.base in TEXT_TYPES and type_family(c.target.type)[0] in TEXT_TYPES]


def _placeholder(home: Route, column: CarriedColumn) -> str:
    sizes = [size[0] for kind in (column.source.type, column.target.type) if (size := type_family(kind)[1])]
    return f"left('~' || md5({spanish_clave(home, 'v')}), {min([*sizes, PLACEHOLDER_SIZE])})"
