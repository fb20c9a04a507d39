"""Chooses the rows of a legacy table that the second opinion judges. Reads only, in the caller's snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.opinion import choice
from ..core.opinion.binding import BoundPair
from ..core.sqltext import qname
from ..server.db import fetch_all
from .neighbourhood import Neighbourhood


@dataclass(frozen=True)
class Choice:
    """``rows``: how many the table has; ``places``: those to be judged; ``at_random``: how many of them chance named."""

    rows: int
    places: tuple[str, ...]
    at_random: int


def choose(here: Neighbourhood, pairs: Sequence[BoundPair], sample: int) -> Choice:
    """Choose among the rows of the pairs' one legacy table: all of a small one, else the edges and ``sample`` at random.

    Edges: the extremes and a NULL of every column that the mapping reads, each listed value, refused and merged rows.
    """
    schema, legacy, key = here.bound.mapping.schema, pairs[0].relation, pairs[0].key
    readable = f" WHERE NOT {choice.cannot_be_read(legacy, key)}" if legacy.name in here.damaged else ""
    source = f"{qname(schema, legacy.name)} l{readable}"

    def places(query: str) -> list[str]:
        return [place for (place,) in fetch_all(here.conn, query)]

    rows = int(fetch_all(here.conn, choice.count_sql(source))[0][0])
    if rows <= choice.ALL_UP_TO:
        return Choice(rows, tuple(places(choice.all_sql(source, legacy))), 0)
    measures = choice.measures_of(legacy, set(_read(pairs)))
    extremes = fetch_all(here.conn, choice.extremes_sql(source, measures))[0][0]
    edges = fetch_all(here.conn, choice.edges_sql(source, legacy, measures, extremes))[0][0]
    listed = choice.values_sql(source, legacy, set(_listed(pairs)), choice.ALL_UP_TO)
    chosen = [
        edges,
        places(listed) if listed else [],
        places(choice.quarantined_sql(schema, legacy, key, sample)),
        places(choice.fused_sql(schema, legacy, key, sample)),
        at_random := places(choice.random_sql(source, legacy, sample)),
    ]
    return Choice(rows, tuple(dict.fromkeys(place for some in chosen for place in some if place)), len(at_random))


def _read(pairs: Iterable[BoundPair]) -> Iterable[str]:
    for pair in pairs:
        yield from (name for name, _ in pair.pair.where)
        for column in pair.columns.values():
            yield from (found.name for found in (column.source, column.by) if found is not None)


def _listed(pairs: Iterable[BoundPair]) -> Iterable[str]:
    for pair in pairs:
        yield from (name for name, _ in pair.pair.where)
        yield from (c.source.name for c in pair.columns.values() if c.source is not None and c.rule.values)
