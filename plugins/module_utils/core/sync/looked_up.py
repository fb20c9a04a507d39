"""Values that volver looks up while their rows change: in legacy for what it writes, in Spanish for what comes back of it."""

from __future__ import annotations

from ..rows.routes import Route
from ..sqltext import ident, literal, qname
from .followers import value_lock
from .images import image, left


def lookup_locks(route: Route) -> str:
    """Return the steps that hold the legacy rows in which values of the Spanish row p_nueva are looked up.

    They are found by what is no key: who has the value when the lock is there is asked for again until somebody is held. What is
    looked up in a Spanish table may be on its way, with no row that could be waited for: the value itself is held.
    """
    steps = ""
    for carried in (c for c in route.carried if c.spanish):
        by, value = ident(carried.lookup.by), f"p_nueva.{ident(carried.lookup.by)}"
        steps += f"""    IF v_firme AND p_orden = 'UPDATE' AND p_vieja.{by} IS DISTINCT FROM {value} THEN
      {value_lock(carried, f"(SELECT {value})", shared=True)}
    END IF;
"""
    for carried in (c for c in route.carried if c.rule.lookup is not None and not c.spanish):
        lookup, name = carried.lookup, ident(carried.target.name)
        found = (
            f"FROM {qname(route.schema, lookup.table)} x WHERE x.{ident(lookup.take)} = (p_nueva.{name})::{carried.source.type}"
        )
        steps += f"""    IF p_orden = 'INSERT' OR p_orden = 'UPDATE' AND p_vieja.{name} IS DISTINCT FROM p_nueva.{name} THEN
      LOOP
        PERFORM 1 {found} FOR KEY SHARE;
        EXIT WHEN FOUND OR NOT EXISTS (SELECT {found});
      END LOOP;
    END IF;
"""
    return steps


def looked_up_later(route: Route, place: str) -> str:
    """Return the step that leaves the legacy row of ``place`` for the drain, where an old snapshot may not show who has come."""
    by = [c.source.name for n in (x.lookup.by for x in route.carried if x.spanish) if (c := route.carried_as(n)) is not None]
    if not by:
        return ""
    rows = f"(SELECT {image(route, 'l')} FROM {route.source_table} l WHERE {place}) k"
    return f"""          IF NOT v_firme AND v_poner ?| ARRAY[{", ".join(map(literal, by))}] THEN
            -- lo que su foto no ve lo mira el drenaje
            {left(route, rows, "'aislamiento'")}
          END IF;
"""
