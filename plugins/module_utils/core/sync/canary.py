"""The marked row that proves the way back: what it holds in each Spanish table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..mapping.types import SpanishColumn, SpanishTable
from ..rows.routes import Route

TEXTUAL = ("text", "varchar", "character varying", "citext")


@dataclass(frozen=True)
class Canary:
    """One table's row. ``values``: column to text as PostgreSQL reads it; ``changed``: the text that legacy changes."""

    table: SpanishTable
    values: Mapping[str, str]
    changed: str


def canary_for(
    table: SpanishTable,
    columns: Sequence[SpanishColumn],
    routes: Sequence[Route],
    parents: Mapping[str, Mapping[str, str]],
    mark: str,
) -> Canary:
    """Return the row: every column that has to be given, what points at the ``parents``' rows, and one carried text.

    ``parents``: Spanish table to the row that it got; ``mark``: twelve letters or figures of this try.
    """
    values: dict[str, str] = {}
    for key in table.foreign_keys:
        if key.table in parents:
            values[key.column] = parents[key.table][key.references]
    changed = _plain_text(columns, routes, [*values, *table.primary_key, *(name for key in table.unique for name in key)])
    for column in columns:
        if column.name in values:
            continue
        if column.name == changed or (column.not_null and column.default is None and not column.serial):
            values[column.name] = _value(column, mark)
    return Canary(table, values, changed)


def _plain_text(columns: Sequence[SpanishColumn], routes: Sequence[Route], taken: Sequence[str]) -> str:
    """The first text column that every pair carries as it is, one that others do not look up; '' where there is none."""
    for column in sorted(columns, key=lambda column: column.not_null):
        if column.name in taken or column.allowed or not column.type.startswith(TEXTUAL):
            continue
        ways = [route.carried_as(column.name) for route in routes]
        if all(way is not None and way.rule.lookup is None and not way.rule.values and way.rule.present is None for way in ways):
            return column.name
    return ""


def _value(column: SpanishColumn, mark: str) -> str:
    base = column.type.split("(")[0].strip()
    if column.allowed:
        return column.allowed[0]
    if base in TEXTUAL or base.startswith("char"):
        size = column.type.partition("(")[2].rstrip(")")
        return mark[: int(size)] if size.isdigit() else mark
    if base.startswith("timestamp") or base == "date":
        return "2000-01-01"
    if base in ("json", "jsonb"):
        return "{}"
    if base == "boolean":
        return "false"
    if base == "uuid":
        return f"00000000-0000-4000-8000-{mark.encode().hex()[-12:]}"
    return str(max(column.minimum or 0, 0))
