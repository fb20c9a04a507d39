"""How much of a transaction's bytes a row takes, told without reading what lies in TOAST: a pointer holds its length."""

from __future__ import annotations

from collections.abc import Iterable

from ..sqltext import ident
from .routes import Route
from .values import type_family

ROW = 100  # bytes of a row beside its long columns, roughly
LONGEST_PLAIN = 1000  # characters: a column that cannot hold more is part of ROW
MOST = 10**9  # so that a batch's sum stays a bigint, whatever a row holds
# Only the stored length of a compressed jsonb can be had for nothing; what it unfolds to is guessed high.
UNFOLDED = 8
_TEXT = frozenset({"text", "character varying", "character", "bytea"})
_SHORT = frozenset(
    {
        *("smallint", "integer", "bigint", "real", "double precision", "numeric", "boolean", "uuid", "oid", "enum", "name"),
        *("date", "time without time zone", "time with time zone", "interval"),
        *("timestamp without time zone", "timestamp with time zone", "inet", "cidr", "macaddr"),
    }
)


def legacy_row_bytes(route: Route, alias: str) -> str:
    """Return the size of what is read of a legacy row (``alias``) as an SQL integer: what is not read, its owner may drop."""
    read = (c for c in route.legacy.columns if c.name in route.reads)
    return _row_bytes(((c.name, c.base, type_family(c.type)[1]) for c in read), alias)


def spanish_row_bytes(route: Route, alias: str) -> str:
    """Return the size of a row of the Spanish table (``alias``) as an SQL integer."""
    return _row_bytes(((c.name, *type_family(c.type)) for c in route.table.columns if c.name in route.columns), alias)


def _row_bytes(columns: Iterable[tuple[str, str, tuple[int, ...]]], alias: str) -> str:
    """Sum up columns given as name, type and modifiers.

    octet_length() of a text is its length unfolded, and pg_column_size() of anything its length as stored; neither of
    them fetches the value.
    """
    parts = [f"{ROW}::bigint"]
    for name, base, size in columns:
        value = f"{alias}.{ident(name)}"
        if base in _SHORT or (base in _TEXT and size and size[0] <= LONGEST_PLAIN):
            continue
        if base in _TEXT:
            parts.append(f"coalesce(octet_length({value}), 0)")
        else:
            unfolded = f"CASE WHEN pg_column_compression({value}) IS NULL THEN 1 ELSE {UNFOLDED} END"
            parts.append(f"coalesce(pg_column_size({value})::bigint * {unfolded}, 0)")
    total = "\n          + ".join(parts)
    return f"LEAST({total}, {MOST})::integer"
