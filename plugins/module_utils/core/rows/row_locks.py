"""The row locks under which a pair is carried and looked at: nobody changes what the forward SELECT reads meanwhile.

Each lock is a statement without its verb (SELECT, in plpgsql PERFORM). ``keys`` is what unnested() or as_rows() return: rows k.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..catalogue import LegacyColumn
from ..sqltext import BYTES, DATABASE, collated, ident, idents, literal, qname
from .repeated_keys import index_deceives
from .routes import COLLATED, Route, equals


def passed(names: Sequence[str]) -> str:
    """Return a rendered function's array parameters of those names."""
    return ", ".join("p" + n for n in names)


def unnested(names: Sequence[str]) -> str:
    """Return the keys that a function got as arrays, one for each column, as rows k."""
    return f"unnest({passed(names)}) AS k({', '.join(names)})"


def as_rows(types: Sequence[str], keys: Sequence[Sequence[str]]) -> str:
    """Return keys (texts) as rows k with columns _k1, _k2 … of these types."""
    names = [f"_k{n}" for n in range(1, len(types) + 1)]
    rows = json.dumps([dict(zip(names, key, strict=True)) for key in keys], ensure_ascii=False)
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    return f"json_to_recordset({literal(rows)}::json) AS k({columns})"


def key_and_place(route: Route) -> str:
    """Return what a legacy row l is known by, as columns: its key _k1 … and its place _lugar."""
    keys = ", ".join(f"l.{ident(c.name)} AS {k}" for c, k in zip(route.key, route.key_names, strict=True))
    return f"{keys}, l.ctid AS _lugar"


def placed_rows(route: Route, alias: str, place: str, places: str, keys: str) -> str:
    """Return whether a row is one of the locked ones: such a row stays in its place, and is found there without an index."""
    placed = f"{alias}.{place} = ANY ({places})"
    if route.in_one_file:
        return placed
    names = [
        f"{alias}.{k}" if place == "_lugar" else f"{alias}.{ident(c.name)}"
        for c, k in zip(route.key, route.key_names, strict=True)
    ]
    return f"{placed} AND ({', '.join(names)}) IN (SELECT * FROM unnest({keys}))"


def by_key(route: Route, other: str) -> str:
    """Return the condition that makes the legacy row l one of the key in ``other``."""
    if index_deceives(route):
        columns = [f"l.{ident(c.name)}" for c in route.key]
        return _as_texts(columns, [f"{other}.{k}" for k in route.key_names])
    return " AND ".join(equals(c, "l", f"{other}.{k}") for c, k in zip(route.key, route.key_names, strict=True))


def seen_by_key(route: Route) -> str:
    """Return the condition that makes the view's row f one of the key in k."""
    columns, keys = ([f"{alias}.{k}" for k in route.key_names] for alias in "fk")
    if index_deceives(route):
        return _as_texts(columns, keys)
    return " AND ".join(f"{column} = {key}" for column, key in zip(columns, keys, strict=True))


def _as_texts(columns: Sequence[str], keys: Sequence[str]) -> str:
    """Return whether they are the same, asked so that no index answers."""
    return " AND ".join(f"{collated(f'{c}::text', BYTES)} = {k}::text" for c, k in zip(columns, keys, strict=True))


def legacy_locks(route: Route, keys: str) -> tuple[str, ...]:
    """Return the locks of the legacy rows and of every row that the forward SELECT reads beside them, in this order.

    They wait for writers in flight; the statement that follows reads what those committed.
    """
    mine = f"FROM {route.source_table} l JOIN {keys} ON {by_key(route, 'k')}"
    own = f"1 {mine}\n  ORDER BY {idents((c.name for c in route.key), 'l.')} FOR SHARE OF l"
    return (own, *_locks_beside(route, mine), *_partner_locks(route, mine))


def parent_locks(route: Route, chosen: str) -> tuple[str, ...]:
    """Return the locks of what the forward SELECT reads beside legacy rows l that are locked; ``chosen``: the condition on l."""
    return _locks_beside(route, f"FROM {route.source_table} l WHERE {chosen}")


def batch_locks(route: Route, chosen: str) -> tuple[str, ...]:
    """Return the same, and the locks of the rows into which those l may be merged, or whose Spanish key they share."""
    mine = f"FROM {route.source_table} l WHERE {chosen}"
    return (*_locks_beside(route, mine), *_partner_locks(route, mine))


def _partner_locks(route: Route, mine: str) -> Iterator[str]:
    """One that goes, or changes what they meet in, conflicts with KEY SHARE: it waits, and sees then what was noted of it.

    Of two types the texts are compared: a value that the other type does not have must fail nothing here.
    """
    for other in route.earlier:
        for names in dict.fromkeys([*([(route.pair.merge_by,)] if route.pair.merge_by else []), other.pair.match]):
            both = [(route.carried_as(name), other.carried_as(name)) for name in names]
            met = [(ours.source, theirs.source) for ours, theirs in both if ours is not None and theirs is not None]
            if len(met) < len(names):
                continue
            columns, values = zip(*(_met(ours, theirs) for ours, theirs in met), strict=True)
            order = idents((column.name for column in other.key), "c.")
            yield (
                f"1 FROM {other.source_table} c WHERE ({', '.join(columns)}) IN (SELECT DISTINCT {', '.join(values)} {mine})"
                f" ORDER BY {order} FOR KEY SHARE OF c"
            )


def _met(ours: LegacyColumn, theirs: LegacyColumn) -> tuple[str, str]:
    """Return the column of c and the one of l, so that they can be compared and an index on c's answers."""
    if ours.base != theirs.base:
        return collated(f"c.{ident(theirs.name)}::text", BYTES), f"l.{ident(ours.name)}::text"
    return f"c.{ident(theirs.name)}", collated_as(theirs, f"l.{ident(ours.name)}")


def collated_as(column: LegacyColumn, value: str) -> str:
    """Return the value under the column's own collation, where it has one: what it is compared with may have another."""
    return collated(value, column.collation or DATABASE) if column.base in COLLATED else value


def locked_beside(route: Route) -> dict[tuple[str, LegacyColumn, str], str]:
    """Return how strongly rows beside the pair's own are locked, by their table, its column and the one that names a row there.

    A change of what the forward SELECT reads there must conflict: with KEY SHARE that does only one of a unique key's columns.
    """
    locks: dict[tuple[str, LegacyColumn, str], str] = {}
    for carried in route.carried:
        if carried.found_by is not None:
            place = (carried.lookup.table, carried.found_by, carried.lookup.by)
            weak = carried.keyed and locks.get(place) != "SHARE"
            locks[place] = "KEY SHARE" if weak else "SHARE"
    for key, parents in route.parents:
        child = route.carried_as(key.column)
        for parent in parents:
            column = parent.carried_as(key.references)
            if child is not None and column is not None:
                locks[parent.pair.source, column.source, child.source.name] = "SHARE"
    return locks


def _locks_beside(route: Route, mine: str) -> tuple[str, ...]:
    return tuple(
        f"1 FROM {qname(route.schema, table)} p WHERE p.{ident(column.name)} IN"
        f" (SELECT DISTINCT {collated_as(column, f'l.{ident(by)}')} {mine}) ORDER BY p.{ident(column.name)} FOR {strength} OF p"
        for (table, column, by), strength in locked_beside(route).items()
    )


def twin_lock(route: Route, keys: str) -> str:
    """Return the lock of the Spanish rows of those legacy keys; to be taken after the legacy rows'."""
    twin = " AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in route.pair.match)
    return f"1 FROM {keys} JOIN {route.view} f ON {seen_by_key(route)} JOIN {route.target_table} t ON {twin} FOR SHARE OF t"
