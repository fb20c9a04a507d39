"""Which pairs fill a leaf: a table on which no other Spanish row hangs, so that its rows may arrive in any order."""

from __future__ import annotations

from collections.abc import Sequence

from .repeated_keys import keys_repeat
from .routes import Route


def is_leaf(route: Route, all_routes: Sequence[Route]) -> bool:
    """Return whether the pair alone fills its Spanish table, whose rows are known by their primary key and by no other unique
    value, and to which no Spanish foreign key and no value looked up leads."""
    target, pair = route.pair.target, route.pair
    for other in all_routes:
        if other.pair.target == target and other != route:
            return False
        if any(key.table == target for key in other.table.foreign_keys):
            return False
        if any(c.spanish and c.lookup.table == target for c in other.carried):
            return False
    known = set(pair.match) == set(route.table.primary_key) and not route.table.unique
    return known and pair.merge_by is None and not pair.duplicates and not keys_repeat(route)


def ancestors_of(route: Route) -> list[Route]:
    """Return the pairs whose rows decide whether this one's go in: those of its parents, of theirs, and so on."""
    found: list[Route] = []
    for _, parents in route.parents:
        for parent in parents:
            found += [r for r in (parent, *ancestors_of(parent)) if r not in found]
    return found


def written_with_parents(route: Route) -> bool:
    """Return whether the deletion of a parent writes the Spanish table, by what a foreign key does then."""
    return any(key.on_delete.upper() in ("CASCADE", "SET NULL") for key in route.table.foreign_keys)
