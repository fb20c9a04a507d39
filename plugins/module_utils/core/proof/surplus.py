"""The Spanish rows that are due to no legacy row, and what a second look asks about them. SQL text."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted
from ..rows.retained import (
    entry_here,
    explained_by,
    given_now,
    keeps_twin,
    parents_stay,
    retained_beside,
    retains,
    values_apart,
    waits_here,
)
from ..rows.routes import Route, spanish_clave
from ..sqltext import ident, idents, literal


def surplus_sql(routes: Sequence[Route], waiting: bool = False) -> str:
    """Return a SELECT of clave, match columns (_t1 …) and sitio of every Spanish row that is due to no legacy row.

    ``routes``: all that fill the table; ``waiting``: also of those that wait to go back. Each view is read once; of a refused
    row's twin it is asked besides whether its parents stay.
    """
    route = routes[0]
    match = ", ".join(f"t.{ident(m)} AS {name}" for m, name in zip(route.pair.match, twin_names(route), strict=True))
    names = ", ".join(f"m{n}" for n in range(1, len(route.pair.match) + 1))
    on = " AND ".join(f"e.m{n} = t.{ident(m)}" for n, m in enumerate(route.pair.match, 1))
    union = "\n  UNION ALL ".join(_due(r) for r in routes)
    orphans, distinct = "", ""
    settled = "" if waiting else f" AND NOT {waits_here(route, 't')}"
    if parents := parents_stay(route, "t"):
        alone = len(routes) == 1
        orphans = f" OR e.rechazada AND NOT ({f'true{parents}' if alone else explained_by(routes, 't')})"
        distinct = "" if alone else "DISTINCT "
    return (
        f"SELECT {distinct}{spanish_clave(route, 't')} AS clave, {match}, t.ctid AS sitio FROM {route.target_table} t\n"
        f"LEFT JOIN (\n  {union}) e({names}, rechazada) ON {on}\nWHERE (e.m1 IS NULL{orphans})"
        f" AND {entry_here(route, 't')} IS NULL{settled}"
    )


def _due(route: Route) -> str:
    """The match columns of the pair's rows to which a Spanish row is due, and whether only as a refused one's twin."""
    due = f"{accepted('f')} OR {keeps_twin(route, 'f')}" if retains(route) else accepted("f")
    return f"SELECT {idents(route.pair.match, 'f.')}, NOT {accepted('f')} FROM {route.view} f WHERE {due}"


def surplus_candidates_sql(routes: Sequence[Route]) -> str:
    """Return a SELECT of the match columns as texts of every Spanish row that is due to no legacy row.

    ``routes``: all that fill the table.
    """
    columns = ", ".join(f"s.{name}::text" for name in twin_names(routes[0]))
    return f"SELECT {columns} FROM ({surplus_sql(routes)}) s"


def surplus_lock_sql(routes: Sequence[Route], keys: str) -> str:
    """Return a SELECT that locks the Spanish rows with the match columns in k, and gives these columns as texts."""
    columns = ", ".join(f"t.{ident(m)}::text" for m in routes[0].pair.match)
    return f"SELECT {columns} {_spanish_rows(routes, keys)} FOR SHARE OF t"


def surplus_judged_sql(routes: Sequence[Route], keys: str, limit: int) -> str:
    """Return a SELECT of clave of the Spanish rows with the match columns in k that are due to no legacy row.

    ``routes``: all that fill the table. Of a row that is due to one, clave is NULL; what holds the first ones where they are and
    the match columns follow as texts.
    """
    clave, columns = spanish_clave(routes[0], "t"), ", ".join(f"{ident(m)}::text" for m in routes[0].pair.match)
    known = f"{explained_by(routes, 't')} OR {entry_here(routes[0], 't')} IS NOT NULL OR {waits_here(routes[0], 't')}"
    judged = f"SELECT t.*, t.ctid AS _sitio, t.tableoid AS _tabla, {known} AS _dada"
    first = f'row_number() OVER (PARTITION BY t._dada ORDER BY {clave} COLLATE "C") <= {limit}'
    return (
        f"SELECT CASE WHEN NOT t._dada THEN {clave} END AS clave,"
        f" CASE WHEN NOT t._dada AND {first} THEN {held_by('t._tabla', 't._sitio')} END AS motivo, {columns}"
        f" FROM ({judged} {_spanish_rows(routes, keys)} OFFSET 0) t"
    )


def held_by(table: str, place: str) -> str:
    """Return in words what holds a Spanish row where it is, NULL where nothing does."""
    reach = f"{BOOKKEEPING}.alcance({table}, ARRAY[{place}])"
    return f"(SELECT 'no se retira: ' || string_agg(DISTINCT a.motivo, '; ') FROM {reach} a)"


def impeded_by(route: Route, fill: Sequence[Route]) -> str:
    """Return in words what holds the Spanish rows that have a unique value of the carried row f, and are given by no row.

    ``fill``: all routes of the Spanish table.
    """
    other = " AND ".join(f"h.{ident(m)} = f.{ident(m)}" for m in route.pair.match)
    held = []
    for unique in values_apart(route):
        value = " AND ".join(f"h.{ident(u)} = f.{ident(u)}" for u in unique)
        said = f"{literal('otra fila tiene su ' + ', '.join(unique) + ', y ')} || {held_by('h.tableoid', 'h.ctid')}"
        rows = f"{route.target_table} h WHERE {value} AND NOT ({other}) AND NOT ({given_now(fill, 'h')})"
        held.append(f"(SELECT string_agg({said}, '; ') FROM {rows})")
    return f"CASE WHEN {accepted('f')} THEN concat_ws('; ', {', '.join(held)}) END" if held and fill else "NULL::text"


def giving_sql(route: Route, fill: Sequence[Route], keys: str) -> str:
    """Return a SELECT of the legacy keys, as texts, of the rows to which the Spanish rows with the match columns in k are due.

    ``fill``: all routes of the Spanish table.
    """
    match = " AND ".join(f"f.{ident(m)} = t.{ident(m)}" for m in route.pair.match)
    names = ", ".join(f"f.{k}::text" for k in route.key_names)
    due = f"{accepted('f')} OR {retained_beside(route, fill, 'f')}"
    return f"SELECT {names} {_spanish_rows(fill, keys)} JOIN {route.view} f ON {match} WHERE {due}"


def _spanish_rows(routes: Sequence[Route], keys: str) -> str:
    match = " AND ".join(f"t.{ident(m)} = k._k{n}" for n, m in enumerate(routes[0].pair.match, 1))
    return f"FROM {routes[0].target_table} t JOIN {keys} ON {match}"


def twin_names(route: Route) -> list[str]:
    """Return the names that a Spanish row's match columns get: _t1, _t2 …"""
    return [f"_t{n}" for n in range(1, len(route.pair.match) + 1)]
