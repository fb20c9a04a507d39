"""Legacy rows that cannot be read, as their open entries in quarantine say: the forward SELECTs leave them out.

Such an entry names the table and the place (``tabla``, ``lugar``) where the row lies. A row that is written anew lies elsewhere,
and is judged like any other; where a new row took the place, its clave is another.
"""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING
from ..sqltext import all_of, literal
from .repeated_keys import repeated_join, row_clave
from .routes import Route

DAMAGED_ROW = "no se puede leer: dañado en el disco"  # the reason ends so


def readable(route: Route, alias: str) -> str:
    """Return the condition that keeps the legacy row ``alias`` of base_sql in: nothing is read of a row for which it fails."""
    entries = _entries(route)
    place = f"({alias}.tableoid, {alias}.ctid, {row_clave(route, alias)})"
    return f"(NOT EXISTS (SELECT FROM {entries}) OR {place} NOT IN (SELECT c.tabla, c.lugar, c.clave FROM {entries}))"


def unreadable_sql(route: Route) -> str:
    """Return a SELECT of motivo and clave of the pair's legacy rows that are left out."""
    rows = f"{route.source_table} l{repeated_join(route, 'l')}"
    there = all_of("l.tableoid = c.tabla", "l.ctid = c.lugar", f"c.clave = {row_clave(route, 'l')}", route.where("l"))
    return f"SELECT c.motivo, c.clave FROM {rows}, {_entries(route)} AND {there}"


def enter_sql(route: Route, rehearsed: bool) -> str:
    """Return the INSERT of one row's entry; it returns clave. ``rehearsed``: with an id that no sequence gives.

    Parameters: tabla and lugar of the row, what could be read of it as JSON, the names of the other columns, SQLSTATE.
    """
    name, own = ("id, ", f"(SELECT least(min(id), 0) - 1 FROM {BOOKKEEPING}.cuarentena), ") if rehearsed else ("", "")
    source, clave = literal(route.pair.source).replace("%", "%%"), row_clave(route, "l").replace("%", "%%")
    rows = f"{route.source_table} l{repeated_join(route, 'l')}".replace("%", "%%")
    return f"""INSERT INTO {BOOKKEEPING}.cuarentena
  ({name}tabla_origen, clave, fila, sqlstate, columna, motivo, origen, tabla, lugar)
SELECT {own}{source}, {clave}, p.fila::jsonb, p.estado, p.columnas, p.columnas || {literal(" " + DAMAGED_ROW)}, 'copia',
  l.tableoid, l.ctid
FROM (SELECT %s::oid, %s::tid, %s, %s, %s) p(tabla, lugar, fila, columnas, estado), {rows}
WHERE l.tableoid = p.tabla AND l.ctid = p.lugar
ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate,
  columna = excluded.columna, motivo = excluded.motivo, tabla = excluded.tabla, lugar = excluded.lugar
RETURNING clave"""


def entered_sql(route: Route) -> str:
    """Return a SELECT of id, tabla and lugar of the open entries of the legacy table's unreadable rows."""
    return f"SELECT c.id, c.tabla, c.lugar::text FROM {_entries(route)}"


def _entries(route: Route) -> str:
    source = literal(route.pair.source)
    return f"{BOOKKEEPING}.cuarentena c WHERE c.tabla_origen = {source} AND c.estado <> 'resuelta' AND c.lugar IS NOT NULL"
