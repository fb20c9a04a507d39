"""What the sync of a pair is made of, as statements: functions first, which nobody calls yet, then triggers, table by table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..bookkeeping import BOOKKEEPING
from ..mapping.types import SpanishTable
from ..rows.refusals import with_reason
from ..rows.routes import Route
from ..sqltext import folded, qname
from .back import back_function, back_name
from .back_triggers import back_trigger_function, back_trigger_name, back_triggers
from .conflicts import conflict_sequences
from .forward import forward_function
from .freed import freed_function, freed_name, unique_values
from .triggers import (
    Trigger,
    forward_trigger_function,
    forward_triggers,
    lookup_function_name,
    lookup_functions,
    lookup_triggers,
    lookups_of,
)


@dataclass(frozen=True)
class PairSync:
    """``functions``: statements that make them, ``names`` theirs; ``triggers``: in the order in which they are made."""

    functions: tuple[str, ...]
    triggers: tuple[Trigger, ...]
    names: tuple[str, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """All of it, as the file that a DBA signs has it."""
        return (*self.functions, *(folded(t.statement) for t in self.triggers))


def pair_sync(route: Route, all_routes: Sequence[Route], tables: Sequence[SpanishTable]) -> PairSync:
    """Return the pair's sync. The Spanish table's own functions and triggers come with the first pair that fills it."""
    routes = [r for r in all_routes if r.pair.target == route.pair.target]
    functions = [
        forward_function(route, all_routes),
        forward_trigger_function(route, all_routes),
        *lookup_functions(route, all_routes),
    ]
    triggers = [*forward_triggers(route), *lookup_triggers(route, all_routes)]
    if route == routes[0]:
        if any(unique_values(r) for r in routes):
            functions.append(freed_function(routes))
        functions += [back_function(routes, all_routes), back_trigger_function(routes, all_routes, tables)]
        triggers += back_triggers(route, tables)
    names = _names(route, routes)
    counted = [route.pair.source, *(c.lookup.table for _, c in lookups_of(route)), route.pair.target]
    functions += conflict_sequences(counted)
    functions.append(f"REVOKE ALL ON FUNCTION {', '.join(names)} FROM PUBLIC")
    return PairSync(tuple(folded(with_reason(f)) for f in functions), tuple(triggers), tuple(names))


def _names(route: Route, routes: Sequence[Route]) -> list[str]:
    listed = [f"{route.function('ida')}", f"{route.function('sinc')}"]
    listed += [qname(BOOKKEEPING, lookup_function_name(route, n)) for n, _ in lookups_of(route)]
    if route == routes[0]:
        if any(unique_values(r) for r in routes):
            listed.append(freed_name(route))
        listed += [back_name(route), back_trigger_name(route.pair.target)]
    return listed
