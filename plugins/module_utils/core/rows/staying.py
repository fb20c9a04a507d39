"""Spanish values that stay because legacy cannot say them: what a service wrote is not undone by what legacy only derives.

A value of a presence stays while legacy says the absent one. Another value than the one looked up stays while it is looked up
by the same: that a service wrote it, and beside what, is kept in migracion.se_queda. Copy, repair, proof and sync ask here.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..bookkeeping import BOOKKEEPING
from ..sqltext import ident, literal
from .routes import CarriedColumn, Route, spanish_clave

STAYING = f"{BOOKKEEPING}.se_queda"


def may_stay(carried: CarriedColumn) -> bool:
    """Return whether the mapping lets the column have values that legacy cannot say."""
    return bool(carried.rule.stays) or (carried.rule.lookup is not None and carried.rule.lookup.stays)


def stays(route: Route, carried: CarriedColumn, row: str, seen: str) -> str:
    """Return whether the column of the Spanish row ``row`` stays beside what the forward SELECT's row ``seen`` says of it."""
    name = ident(carried.target.name)
    if carried.rule.stays:
        values = ", ".join(map(literal, carried.rule.stays))
        return f"{row}.{name} IN ({values}) AND {seen}.{name} = {literal(str(carried.rule.absent))}"
    by = ident(carried.lookup.by)
    return (
        f"{row}.{name} IS DISTINCT FROM {seen}.{name} AND EXISTS (SELECT FROM {STAYING} q WHERE {kept_value(route, carried, row)}"
        f" AND q.valor IS NOT DISTINCT FROM {row}.{name}::text AND q.buscado IS NOT DISTINCT FROM {seen}.{by}::text)"
    )


def kept_value(route: Route, carried: CarriedColumn, row: str) -> str:
    """Return the condition that makes q what is kept of that column of the Spanish row ``row``."""
    column = f"q.columna = {literal(carried.target.name)}"
    return f"q.tabla = {literal(route.pair.target)} AND q.clave = {spanish_clave(route, row)} AND {column}"


def due_value(route: Route, column: str, row: str, seen: str) -> str:
    """Return what the Spanish row ``row`` has to hold in that column beside the forward SELECT's row ``seen``."""
    carried, name = route.carried_as(column), ident(column)
    if carried is None or not may_stay(carried):
        return f"{seen}.{name}"
    return f"(CASE WHEN {stays(route, carried, row, seen)} THEN {row}.{name} ELSE {seen}.{name} END)"


def differs_from_due(route: Route, columns: Iterable[str], row: str, seen: str) -> str:
    """Return whether the Spanish row ``row`` differs in any byte of these columns from what it has to hold beside ``seen``."""
    listed = tuple(columns)
    mine = ", ".join(f"{row}.{ident(c)}" for c in listed)
    due = ", ".join(due_value(route, c, row, seen) for c in listed)
    return f"ROW({mine})::record *<> ROW({due})::record"
