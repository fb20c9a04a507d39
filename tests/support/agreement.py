"""Where the second opinion and the view of a pair part, on every legacy row that there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from plugins.module_utils.core.catalogue import Catalogue
from plugins.module_utils.core.mapping.types import TableMapping
from plugins.module_utils.core.opinion.binding import Bound, BoundPair, clave_of
from plugins.module_utils.core.opinion.fates import Carried, Fate, LegacyRow, Merged
from plugins.module_utils.core.rows.routes import Route, routes_of
from plugins.module_utils.opinion.neighbourhood import Neighbourhood, bound_here
from plugins.module_utils.server import db
from plugins.module_utils.server.live_catalogue import read_catalogue

Difference = tuple[str, str, str, object, object]  # pair, clave, what, as the SELECT says it, as the opinion does


def disagreements(conn: Any, mapping: TableMapping, catalogue: Catalogue | None = None) -> list[Difference]:
    """Every row of every pair, judged by both in one snapshot; the views are installed."""
    catalogue = catalogue or read_catalogue(conn, mapping)
    bound, routes = bound_here(conn, mapping, catalogue), routes_of(mapping, catalogue)
    with db.transaction(conn, isolation="REPEATABLE READ", read_only=True):
        return compare(conn, bound, routes, list(dict.fromkeys(p.pair.source for p in bound.pairs)))


def compare(conn: Any, bound: Bound, routes: Iterable[Route], tables: Iterable[str]) -> list[Difference]:
    """The same of the rows of some legacy tables, in the transaction that is open."""
    found, named = list[Difference](), {(r.pair.source, r.pair.target): r for r in routes}
    here = Neighbourhood(conn, bound)
    for table in tables:
        rows = list(here.read(table))
        owned = [(bound.pair_of(row), row) for row in rows]
        said = dict(zip(claves(bound, rows), zip(owned, here.opinions(owned), strict=True), strict=True))
        for p in bound.pairs:
            if p.pair.source == table:
                mine = {clave: fate for clave, ((owner, _), fate) in said.items() if owner is p}
                found += _compared(conn, p, named[p.pair.source, p.pair.target], mine)
    return found


def claves(bound: Bound, rows: list[LegacyRow]) -> list[str]:
    """What the bookkeeping calls each row: its key, and of several rows of one key all but the first their place besides."""
    seen: dict[tuple[str, ...], int] = {}
    names: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row.place):
        key = clave_of(bound.pair_of(row).key_of(row))
        _, tableoid, block, offset = row.place.split(":")
        within = f"{key}|{int(tableoid)}"
        name = key if (key,) not in seen else within if (key, within) not in seen else f"{within}|({int(block)},{int(offset)})"
        seen[key,] = seen[key, within] = 1
        names[row.place] = name
    return [names[row.place] for row in rows]


def _compared(conn: Any, pair: BoundPair, route: Route, mine: Mapping[str, Fate]) -> list[Difference]:
    names = list(pair.columns)
    listed = "".join(', f."{}"::text'.format(name.replace('"', '""')) for name in names)
    asked = f"SELECT f._clave, f._rechazo[1:2], f._fusion{listed} FROM {route.view} f"
    theirs = {row[0]: row[1:] for row in db.fetch_all(conn, asked)}
    label = f"{pair.pair.source} → {pair.pair.target}"
    found: list[Difference] = [
        (label, clave, "row", clave in theirs, clave in mine) for clave in sorted(theirs.keys() ^ mine.keys())
    ]
    for clave in sorted(theirs.keys() & mine.keys()):
        refusal, merged, *values = theirs[clave]
        fate = mine[clave]
        if isinstance(fate, Carried):
            if refusal or merged:
                found.append((label, clave, "fate", refusal or merged, fate))
            found += [
                (label, clave, name, value, fate.values[name])
                for name, value in zip(names, values, strict=True)
                if not (refusal or merged) and value != fate.values[name]
            ]
        elif isinstance(fate, Merged):
            if merged != fate.into:
                found.append((label, clave, "merge", merged or refusal, fate))
        elif merged or not refusal or tuple(refusal) not in fate.reasons:
            found.append((label, clave, "refusal", merged or refusal, fate))
    return found
