"""Which Spanish rows are due to a legacy row: the one that it is carried as, or the last good twin of one that is refused.

Such a twin is retained as it is, whatever its values are by now. It goes with its legacy row, with the twin that its foreign
key names, and where another row is entitled to its unique value.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..sqltext import ident, literal
from .refusals import STRAY, accepted, goes_in
from .repeated_keys import keys_repeat, repeated_reason
from .routes import Route, spanish_clave


def retains(route: Route) -> bool:
    """Return whether refused rows of the pair keep their twins: only where the legacy key itself is what rows are matched by."""
    found = [route.carried_as(name) for name in route.pair.match]
    own = [c.source.name for c in found if c is not None and c.rule.lookup is None and not c.rule.json_keys]
    return sorted(own) == sorted(route.legacy.primary_key)


def keeps_twin(route: Route, alias: str) -> str:
    """Return whether a row of the forward SELECT is refused and keeps the Spanish row of its match columns.

    What belongs to no pair of its table keeps none, nor does a further row of one key.
    """
    if not retains(route):
        return "false"
    parts = [f"{alias}._rechazo IS NOT NULL"]
    if route.pair.otherwise:
        parts.append(f"{alias}._rechazo[1] <> {literal(STRAY)}")
    if keys_repeat(route):
        parts.append(f"{alias}._rechazo[3] <> {literal(repeated_reason(route))}")
    return " AND ".join(parts)


def given_by(routes: Sequence[Route], alias: str, *, by_key: bool = False) -> str:
    """Return whether one of the routes carries a row with the match columns of the Spanish row ``alias``.

    ``by_key``: asked of one row at a time, for statements on few rows: otherwise all are found once and looked up.
    """
    end = " OFFSET 0" if by_key else ""
    found = (f"EXISTS (SELECT 1 FROM {r.view} f WHERE {_matched(r, alias)} AND {accepted('f')}{end})" for r in routes)
    return " OR ".join(found)


def given_now(routes: Sequence[Route], alias: str) -> str:
    """Return the same without the rows that PostgreSQL alone refused: nothing in their Spanish rows is theirs by right."""
    return " OR ".join(f"EXISTS (SELECT 1 FROM {r.view} f WHERE {_matched(r, alias)} AND {goes_in(r, 'f')})" for r in routes)


def explained_by(routes: Sequence[Route], alias: str, *, by_key: bool = False) -> str:
    """Return whether the Spanish row ``alias`` is due to a legacy row of one of the routes: given by it, or retained."""
    given = given_by(routes, alias, by_key=by_key)
    if not any(map(retains, routes)):
        return given
    return f"{given} OR ({kept_by(routes, alias, by_key=by_key)}){parents_stay(routes[0], alias)}"


def kept_by(routes: Sequence[Route], alias: str, *, by_key: bool = False) -> str:
    """Return whether a refused row of one of the routes would keep the Spanish row ``alias``, if nothing else were due to it."""
    end = " OFFSET 0" if by_key else ""
    found = [
        f"EXISTS (SELECT 1 FROM {r.view} f WHERE {_matched(r, alias)} AND {keeps_twin(r, 'f')}{end})"
        for r in routes
        if retains(r)
    ]
    return " OR ".join(found) or "false"


def parents_stay(route: Route, alias: str) -> str:
    """Return the condition, behind AND, that the twins that the Spanish row ``alias`` points at are due to a legacy row.

    Behind OFFSET 0, as below, it is asked by key of the few rows that need it, and not of all at once to be looked up.
    """
    parent = f"{alias}p"
    return "".join(
        f" AND ({alias}.{ident(key.column)} IS NULL OR EXISTS (SELECT 1 FROM {found[0].target_table} {parent}"
        f" WHERE {parent}.{ident(key.references)} = {alias}.{ident(key.column)} AND ({explained_by(found, parent)}) OFFSET 0))"
        for key, found in route.parents
        if found
    )


def retained_beside(route: Route, fill: Sequence[Route], alias: str) -> str:
    """Return whether the Spanish row t of the refused row ``alias`` is retained by it, and by no other route of the table.

    ``fill``: all that fill it. An earlier one has priority, also with a refused row; a later one's row takes
    the twin over where it is carried.
    """
    taken = []
    for other in (r for r in fill if r != route):
        theirs = f"{accepted('g')} OR {keeps_twin(other, 'g')}" if other in route.earlier else accepted("g")
        match = " AND ".join(f"g.{ident(m)} = t.{ident(m)}" for m in route.pair.match)
        taken.append(f" AND NOT EXISTS (SELECT 1 FROM {other.view} g WHERE {match} AND ({theirs}) OFFSET 0)")
    return f"{keeps_twin(route, alias)}{''.join(taken)}{parents_stay(route, 't')}"


def entry_here(route: Route, alias: str) -> str:
    """Return a subselect of the reason for which the Spanish row with the key of ``alias`` is in quarantine on its own side.

    What a legacy write has overwritten is no reason any more: the row is what legacy says. A legacy row's Spanish one may have
    another key by now, which legacy did not take.

    ``alias``: a row of the Spanish table, or of a forward SELECT that carries its primary key; else there is none.
    """
    if alias == "f" and not all(route.carried_as(name) for name in route.table.primary_key):
        return "NULL::text"
    entry = (
        f"SELECT h.motivo FROM {BOOKKEEPING}.cuarentena h WHERE h.tabla_origen = {literal(route.pair.target)}"
        f" AND h.estado <> 'resuelta' AND h.sobrescrita_at IS NULL"
    )
    own = f"({entry} AND h.clave = {spanish_clave(route, alias)})"
    return own if alias != "f" else f"coalesce({own}, ({entry} AND h.antes = {spanish_key(route, alias)}))"


def spanish_key(route: Route, alias: str) -> str:
    """Return the Spanish key of ``alias`` as the JSON that an entry keeps of the one that legacy has."""
    named = ", ".join(f"{literal(n)}, {alias}.{ident(n)}" for n in route.table.primary_key)
    return f"jsonb_build_object({named})"


def waits_here(route: Route, alias: str) -> str:
    """Return whether the Spanish row ``alias`` waits to go back."""
    return (
        f"EXISTS (SELECT FROM {BOOKKEEPING}.pendiente h WHERE h.tabla_origen = {literal(route.pair.target)}"
        f" AND h.clave = {spanish_clave(route, alias)})"
    )


def values_apart(route: Route) -> list[tuple[str, ...]]:
    """Return the unique keys that the pair carries beside the one that rows are matched by: another row may hold their value."""
    keys = (route.table.primary_key, *route.table.unique)
    return [key for key in keys if key != route.pair.match and all(route.carried_as(name) is not None for name in key)]


def _matched(route: Route, alias: str) -> str:
    return " AND ".join(f"f.{ident(m)} = {alias}.{ident(m)}" for m in route.pair.match)
