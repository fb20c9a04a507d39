"""The step of the rendered function llevar that makes way for a unique value that a stale Spanish row still holds."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted, goes_in
from ..rows.retained import retains, values_apart
from ..rows.routes import Route, spanish_clave
from ..rows.row_locks import passed, seen_by_key, unnested
from ..rows.values import TEXT_TYPES, type_family
from ..sqltext import ident, literal
from .removing import removed


def parking_step(route: Route, routes: Sequence[Route]) -> str:
    """Return the step of llevar that frees a unique value still held by a stale Spanish row, as when two rows swapped phones.

    '' where no value can be held so. The holder gets a placeholder and is carried again right away, all in one transaction:
    nobody sees the placeholder.
    """
    parkable = _parkable(route)
    # a value of any type may be held by what is there as a refused row's twin alone
    unique = [u for u in values_apart(route) if u[0] in parkable or any(map(retains, routes))]
    if not unique:
        return ""
    steps = "".join(_make_leave(route, routes, u) for u in unique)
    steps += "".join(_park(route, routes, name, kind) for name, kind in parkable.items())
    again = "".join(
        f"""
      PERFORM {r.function("llevar")}({", ".join(f"coalesce(array_agg(g.{k}), '{{}}')" for k in r.key_names)}, p_run)
      FROM {unnested(_held(route))} JOIN {r.view} g ON {_same(route, "g", "k")};"""
        for r in routes
    )
    return f"""  IF v_estado = '23505' THEN
{steps}    IF v_hubo THEN
      SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas
      FROM {route.function("llevar")}({passed(route.key_names)}, p_run) r;{again}
      RETURN;
    END IF;
  END IF;
"""


def _parkable(route: Route) -> dict[str, str]:
    """Return the unique text columns by name with their types: a value held in one can be freed by a placeholder."""
    types = {c.name: c.type for c in route.table.columns}
    unique = [u[0] for u in route.table.unique if len(u) == 1 and u != route.pair.match and route.carried_as(u[0])]
    return {name: types[name] for name in unique if type_family(types[name])[0] in TEXT_TYPES}


def holds_placeholder(route: Route, routes: Sequence[Route]) -> str:
    """Return the condition, behind AND, that the Spanish row of none of llevar's legacy rows was left with a placeholder."""
    if not route.table.foreign_keys:
        return ""
    left = " OR ".join(placeholders(routes, "t"))
    if not left:
        return ""
    twin = " AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in route.pair.match)
    return f""" AND NOT EXISTS (
    SELECT FROM {unnested(route.key_names)} JOIN {route.view} f ON {seen_by_key(route)} JOIN {route.target_table} t ON {twin}
    WHERE {left})"""


def placeholders(routes: Sequence[Route], alias: str) -> list[str]:
    """Return the conditions under which the Spanish row ``alias``, which some of the routes fill, holds a placeholder."""
    parked = [f"{alias}.{ident(name)} = {_placeholder(r, kind, alias)}" for r in routes for name, kind in _parkable(r).items()]
    return list(dict.fromkeys(parked))


def _placeholder(route: Route, spanish_type: str, alias: str = "t") -> str:
    """Return what a Spanish row that makes way holds for as long as that lasts."""
    _, size = type_family(spanish_type)
    return f"left('~' || md5({spanish_clave(route, alias)}), {min(size[0], 33) if size else 33})"


def parking_variables(route: Route) -> str:
    """Return the variables that parking_step() uses, as llevar declares them."""
    held = "".join(f"\n  p{m} {c.type}[] := '{{}}';" for m, c in zip(_held(route), route.match, strict=True))
    return f"\n  v_hubo boolean := false;{held}"


def _held(route: Route) -> list[str]:
    return [f"_m{n}" for n in range(1, len(route.pair.match) + 1)]


def _same(route: Route, alias: str, holder: str) -> str:
    return " AND ".join(f"{alias}.{ident(c)} = {holder}.{m}" for m, c in zip(_held(route), route.pair.match, strict=True))


def free_to_change(columns: Sequence[str]) -> str:
    """Return whether no row that this run does not carry depends on the Spanish row t by these columns."""
    names = ", ".join(literal(c) for c in columns)
    return f"NOT {_held_there(f'ARRAY[{names}]')}"


def value_withheld(route: Route, routes: Sequence[Route]) -> str:
    """Return whether a Spanish row has a unique value of llevar's rows that is not its own any more, and has to stay as it is.

    Nothing is wrong with the row that wants the value then: it goes in once the other one may leave or change.
    '' where no value can be held so.
    """
    withheld = []
    for unique in values_apart(route):
        columns = "ARRAY[" + ", ".join(literal(u) for u in unique) + "]"
        rows, condition = _holders(route, unique)
        own = " AND ".join(f"g.{ident(u)} = t.{ident(u)}" for u in unique)
        same = " AND ".join(f"g.{ident(c)} = t.{ident(c)}" for c in route.pair.match)
        reach = f"CASE WHEN {_given(routes, same)} THEN {columns} END"
        there = f"SELECT FROM {rows} WHERE {condition}"
        withheld.append(f"EXISTS ({there} AND NOT ({_given(routes, same, own)}) AND {_held_there(reach)})")
    return " OR ".join(withheld)


def _held_there(columns: str) -> str:
    """Return whether something that this run does not carry depends on the Spanish row t; ``columns``: by which, or NULL."""
    return f"EXISTS (SELECT FROM {BOOKKEEPING}.alcance(t.tableoid, ARRAY[t.ctid], {columns}) a WHERE a.motivo IS NOT NULL)"


def _holders(route: Route, unique: Sequence[str]) -> tuple[str, str]:
    """Return llevar's rows f beside the other Spanish row t that has their value, and the condition: those that are carried."""
    value = " AND ".join(f"t.{ident(u)} = f.{ident(u)}" for u in unique)
    twin = " AND ".join(f"f.{ident(c)} = t.{ident(c)}" for c in route.pair.match)
    rows = f"""{unnested(route.key_names)} JOIN {route.view} f ON {seen_by_key(route)}
      JOIN {route.target_table} t ON {value} AND NOT ({twin})"""
    return rows, accepted("f")


def _given(routes: Sequence[Route], *conditions: str) -> str:
    """Return whether one of the routes gives a row g for which the conditions hold; one that PostgreSQL refused is none."""
    return " OR ".join(
        f"EXISTS (SELECT 1 FROM {r.view} g WHERE {' AND '.join((*conditions[:1], goes_in(r, 'g'), *conditions[1:]))})"
        for r in routes
    )


def _make_leave(route: Route, routes: Sequence[Route], unique: Sequence[str]) -> str:
    """Return the step that takes out who has a value to which one of llevar's rows is entitled, and is given by no legacy row."""
    same = " AND ".join(f"g.{ident(c)} = t.{ident(c)}" for c in route.pair.match)
    rows, condition = _holders(route, unique)
    return f"""    -- quien tiene el valor sin fila legacy que se lo dé sale, también la última buena de una rechazada
    {removed("v_mas", route, rows, f"{condition} AND NOT ({_given(routes, same)})")}
    v_hubo := v_hubo OR v_mas > 0;
"""


def _park(route: Route, routes: Sequence[Route], name: str, spanish_type: str) -> str:
    column, match = ident(name), _held(route)
    found = ", ".join(f"t.{ident(c)} AS {m}" for m, c in zip(match, route.pair.match, strict=True))
    rows, condition = _holders(route, (name,))
    holders = f"SELECT {found}\n      FROM {rows} WHERE {condition}"
    # what hangs on a row is asked of the few holders alone, a millisecond each, and not of every row of the table
    free = f"CASE WHEN h.{match[0]} IS NOT NULL THEN {free_to_change((name,))} END"
    same = _same(route, "g", "h")
    return f"""    -- quien va atrasado hace sitio y se lleva después
    -- a quien retiene algo que la ejecución no lleva no se le cambia nada
    WITH h AS (
      UPDATE {route.target_table} t SET {column} = {_placeholder(route, spanish_type)}
      FROM ({holders}) h WHERE {_same(route, "t", "h")} AND NOT ({_given(routes, same, f"g.{column} = t.{column}")})
        AND ({_given(routes, same)}) AND {free}
      RETURNING {found}
    )
    SELECT {", ".join(f"p{m} || coalesce(array_agg(h.{m}), '{{}}')" for m in match)}, v_hubo OR count(*) > 0
    INTO {passed(match)}, v_hubo FROM h;
"""
