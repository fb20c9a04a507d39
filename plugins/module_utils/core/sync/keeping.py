"""While a leaf is loaded its pair keeps keys: no trigger locks, reads or writes a row, the log says what to look at afterwards.

Where rows are found through another one (looked up in it, or named by a foreign key), the value that leads to them is left,
before and after the write: which rows those are is asked when the log is drained, since a writer may not see them all.
"""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING
from ..rows.routes import Route
from ..rows.values import TEXT_TYPES
from ..sqltext import ident, literal, where_all
from .images import ALL_ROWS, MODES, image, left, pair_is

KEYS = "claves"  # the mode
# The setting of a transaction that has left keys so: it goes on to its end, or it would take locks in its middle.
KEEPING = "migracion.claves"
FOLLOWED = "SIGUE"  # the operation of a value left behind; its key is ALL_ROWS and the legacy column


def _mark(route: Route) -> str:
    return literal(f"|{route.pair.source}>{route.pair.target}|")


def kept_before(route: Route) -> str:
    """Return whether this transaction has left keys of the pair while it was loaded."""
    return f"strpos(coalesce(current_setting({literal(KEEPING)}, true), ''), {_mark(route)}) > 0"


def goes_on_keeping(route: Route) -> str:
    """Return the statement that keeps the transaction at that."""
    kept = f"coalesce(current_setting({literal(KEEPING)}, true), '')"
    return f"PERFORM set_config({literal(KEEPING)}, {kept} || {_mark(route)}, true) WHERE NOT {kept_before(route)};"


def value_left(child: Route, column: str, values: str, reason: str) -> str:
    """Return the statement that leaves an array of values of the child's legacy ``column``; the last two as SQL."""
    return (
        f"INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo)\n"
        f"    VALUES ({literal(child.pair.source)}, {literal(child.pair.target)}, {literal(ALL_ROWS + column)},"
        f" {literal(FOLLOWED)}, to_jsonb({values}), {reason});"
    )


def keeps_now(route: Route) -> str:
    """Return whether the pair keeps keys, for this transaction at least."""
    return f"(EXISTS (SELECT FROM {MODES} s WHERE {pair_is(route, 's')} AND s.modo = {literal(KEYS)}) OR {kept_before(route)})"


def rows_of_values(route: Route, column: str) -> str:
    """Return the statement that puts the keys of every row with one of the values left in their place; parameter: the last id."""
    kind = next(("text" if c.base in TEXT_TYPES else c.type) for c in route.legacy.columns if c.name == column)
    values = f"SELECT v.valor::{kind} FROM idas d, jsonb_array_elements_text(d.fila) v(valor)"
    chosen = where_all(route.where("l"), f"l.{ident(column)} = ANY (ARRAY({values}))", before=" ")
    rows = f"(SELECT {image(route, 'l')} FROM {route.source_table} l{chosen}) k"
    return (
        f"WITH idas AS (DELETE FROM {BOOKKEEPING}.pendiente p WHERE {pair_is(route, 'p')}"
        f" AND p.clave = {literal(ALL_ROWS + column)} AND p.operacion = {literal(FOLLOWED)} AND p.id <= %s RETURNING p.fila)\n"
        f"{left(route, rows, literal('carga')).rstrip(';')}"
    )
