"""Which pairs a proof hangs on, and which hang on what a run has changed: read from the mapping's own ties. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..rows.routes import Route


def tables_read(route: Route) -> set[str]:
    """The Spanish tables that rows of the pair look something up in: a value, a parent, the row they are merged into."""
    looked_up = {c.lookup.table for c in route.carried if c.spanish}
    parents = {key.table for key in route.table.foreign_keys if route.carried_as(key.column) is not None}
    return looked_up | parents | {earlier.pair.target for earlier in route.earlier}


def filling(target: str, all_routes: Sequence[Route]) -> list[Route]:
    """The routes that fill a Spanish table."""
    return [r for r in all_routes if r.pair.target == target]


def foundations(routes: Sequence[Route], all_routes: Sequence[Route]) -> list[Route]:
    """The other pairs that fill a table which ``routes`` read, or which such a pair reads, in the mapping's order.

    Of the pairs that fill one table, those that win over it.
    """
    reading = list(routes)
    seen = {route.view for route in routes}
    for route in reading:  # grows
        others = tables_read(route) - {route.pair.target}
        for other in all_routes:
            if other.view not in seen and (other.pair.target in others or other in route.earlier):
                seen.add(other.view)
                reading.append(other)
    return [route for route in all_routes if route in reading and route not in routes]


def pairs_hanging_on(tables: Collection[str], all_routes: Sequence[Route]) -> list[Route]:
    """The pairs that fill one of the Spanish tables or look something up in one."""
    return [route for route in all_routes if route.pair.target in tables or tables_read(route) & set(tables)]
