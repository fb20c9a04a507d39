"""Which legacy rows may have a Spanish value: asked wider than needed, but not of a whole table where a column narrows it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ..mapping.column_types import INTEGERS, TEXTS, family
from .binding import BoundColumn, BoundPair
from .fates import Candidates, Everything, Known, LegacyRow, UnknownYetError
from .values import is_text

_AS_IT_IS = ("uuid", "date", "boolean", *INTEGERS)  # a value of such a type is written in one way only


def answered_rows(asked: Candidates | Everything, known: Known) -> tuple[LegacyRow, ...]:
    """Return the rows. Raises UnknownYetError where they were not read yet."""
    if asked not in known.rows:
        raise UnknownYetError(frozenset([asked]))
    return known.rows[asked]


def all_who(pair: BoundPair, wanted: Mapping[str, str | None], known: Known) -> list[LegacyRow]:
    """Return the pair's legacy rows that may have these Spanish values, and perhaps others. Raises UnknownYetError."""
    asked: list[Candidates] | None = None
    for name, value in wanted.items():
        found = None if value is None else _sources(pair.pair.source, pair.columns[name], value, known)
        if found is not None and (asked is None or len(found) < len(asked)):
            asked = found
    needs: list[Candidates | Everything] = [Everything(pair.pair.source)] if asked is None else list(asked)
    missing = [need for need in needs if need not in known.rows]
    if missing:
        raise UnknownYetError(frozenset(missing))
    rows = {row.place: row for need in needs for row in known.rows[need]}
    return [row for row in rows.values() if pair.takes(row)]


def cannot_meet(pair: BoundPair, wanted: Mapping[str, str | None]) -> bool:
    """Tell whether no two rows of the pair can have these Spanish values, because one legacy column's alone are each a row's own.

    So it is where the legacy columns are a key, of which fase0 counted no value twice, and each value is kept as it is: of a
    text that is cut, one of which nothing was cut off. None of the values is None.
    """
    cut = cuts(pair, tuple(wanted))
    return cut is not None and all(len(wanted[name] or "") < size for name, size in cut)


@cache
def cuts(pair: BoundPair, names: tuple[str, ...]) -> tuple[tuple[str, int], ...] | None:
    """Return from which length on a text of these columns may be another one's beginning; None where values meet anyway."""
    cut, sources = [], set()
    for name in names:
        column = pair.columns[name]
        source, rule = column.kept, column.rule
        if source is None or rule.default is not None or rule.values or rule.json_keys:
            return None
        sources.add(source.name)
        kind, _, size = column.spanish.type.rstrip(")").partition("(")
        if source.base in _AS_IT_IS and kind in (source.base, *TEXTS, *INTEGERS):
            continue
        if not is_text(source.base) or kind not in ("text", "character varying"):
            return None
        cut += [(name, int(size))] if size else []
    return tuple(cut) if any(set(key) <= sources for key in pair.single_keys) else None


def _sources(table: str, column: BoundColumn, value: str, known: Known) -> list[Candidates] | None:
    """What to ask for, or None where the column does not narrow."""
    rule, lookup = column.rule, column.rule.lookup
    if column.by is not None and lookup is not None and not rule.json_keys and rule.default is None:
        found = answered_rows(Candidates(lookup.table, lookup.take, value), known)
        keys = {key for row in found if (key := row.values[lookup.column]) is not None}
        return [Candidates(table, column.by.name, key) for key in sorted(keys)]
    kept = column.kept
    if kept is None or rule.json_keys or rule.text_key:
        return None
    kind, empty = family(column.spanish.type), [None] if rule.default is not None else []
    if kind in TEXTS and (is_text(kept.base) or kept.base in _AS_IT_IS):
        texts = [legacy for legacy, spanish in rule.values if spanish.strip(" ") == value.strip(" ")]
        return [Candidates(table, kept.name, text) for text in (*texts, value, *empty)]
    if kind == "uuid" and is_text(kept.base):
        return [Candidates(table, kept.name, value, loose=True), *(Candidates(table, kept.name, none) for none in empty)]
    if kept.base in _AS_IT_IS and (kind == kept.base or kind in INTEGERS):
        return [Candidates(table, kept.name, text) for text in (value, *empty)]
    return None
