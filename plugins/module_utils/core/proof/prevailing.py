"""What was written while nobody carried it: the rows that differ, and what is left to do where one side is right. SQL text."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..mapping.column_types import SERIAL
from ..rows.routes import Route, spanish_clave
from ..sqltext import ident, literal, where_all
from ..sync.images import image, left, legacy_row, seen_row
from ..sync.pending_rows import MISSED
from .comparison import DIFFERENT, MISSING, REFUSED, UNMERGED, classified_sql
from .surplus import surplus_sql

REASON = literal(MISSED)


def twins_kept_sql(route: Route, fill: Sequence[Route]) -> str:
    """Return the INSERT that keeps, under the run of its parameter, the Spanish rows that differ from the pair's legacy rows."""
    target, clave = literal(route.pair.target), spanish_clave(route, "t")
    again = f"a.tabla = {target} AND a.clave = {clave} AND a.fila = to_jsonb(t.*)"
    new = f"NOT EXISTS (SELECT FROM {BOOKKEEPING}.apartada a WHERE {again})"
    kept = f"{target}, {clave}, to_jsonb(t.*)\n{_beside(route, fill, new)}"
    return f"INSERT INTO {BOOKKEEPING}.apartada (run_id, tabla, clave, fila)\nSELECT %s, {kept.replace('%', '%%')}"


def spanish_keys_sql(route: Route, fill: Sequence[Route]) -> str:
    """Return the INSERT that leaves the Spanish rows that differ: as if written now, from what the legacy row says on."""
    said = ", ".join(f"{literal(c)}, f.{ident(c)}" for c in route.columns)
    return _spanish_key(route, "'UPDATE'", f"to_jsonb(t.*) || jsonb_build_object({said})", _beside(route, fill))


def _beside(route: Route, fill: Sequence[Route], also: str = "true") -> str:
    """Return the FROM of legacy rows whose Spanish row (t) says something else than they do (f), where that holds too."""
    match = " AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in route.pair.match)
    rows = f"FROM ({classified_sql(route, fill)}) x JOIN {route.view} f ON {seen_row(route, 'f', 'x')}\n"
    different = f"(x.estado = {literal(DIFFERENT)} OR x.retenida)"
    return f"{rows}JOIN {route.target_table} t ON {match}{where_all(different, also, before=' ')}"


def deleted_keys_sql(route: Route, fill: Sequence[Route]) -> str:
    """Return the INSERT that leaves the keys of legacy rows that the Spanish side does not have: as if deleted there now.

    What the Spanish row was, the legacy row still says. A key of the Spanish side alone, which nothing says any more, is one that
    no row has: the legacy row is found by what it is matched by.
    """
    types = {c.name: c.type for c in route.table.columns}
    own = [name for name in route.table.primary_key if name not in route.columns]
    number = "(-row_number() OVER ())::text"
    unused = ["gen_random_uuid()" if types[n] == "uuid" else f"{number}::{SERIAL.get(types[n], types[n])}" for n in own]
    said = ", ".join(f"{literal(c)}, f.{ident(c)}" for c in (*own, *route.columns))
    view = f"(SELECT v.*{''.join(f', {u} AS {ident(n)}' for u, n in zip(unused, own, strict=True))} FROM {route.view} v) f"
    rows = f"FROM ({classified_sql(route, fill)}) x JOIN {view} ON {seen_row(route, 'f', 'x')}"
    gone = f"{rows} WHERE x.estado = {literal(MISSING)}"
    return _spanish_key(route, "'DELETE'", f"jsonb_build_object({said})", gone, spanish_clave(route, "f"))


def born_keys_sql(fill: Sequence[Route]) -> str:
    """Return the INSERT that leaves the Spanish rows that no legacy row explains, as if born now: also who was written since."""
    route = fill[0]
    twin = " AND ".join(f"t.{ident(m)} = s._t{n}" for n, m in enumerate(route.pair.match, 1))
    rows = f"FROM ({surplus_sql(fill, waiting=True)}) s JOIN {route.target_table} t ON {twin}"
    return _spanish_key(route, "'INSERT'", "NULL::jsonb", rows)


def _spanish_key(route: Route, order: str, before: str, rows: str, clave: str = "") -> str:
    return (
        f"INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo)\n"
        f"SELECT {literal(route.pair.target)}, NULL, {clave or spanish_clave(route, 't')}, {order}, {before}, {REASON}\n{rows}"
    )


def legacy_keys_sql(route: Route, fill: Sequence[Route]) -> str:
    """Return the INSERT that leaves the legacy rows that differ, or that the Spanish side does not have or account for."""
    states = ", ".join(map(literal, (DIFFERENT, MISSING, REFUSED, UNMERGED)))
    mine = legacy_row(route, "l", "x")
    rows = (
        f"(SELECT {image(route, 'l')} FROM ({classified_sql(route, fill)}) x JOIN {route.source_table} l ON {mine}"
        f" WHERE x.estado IN ({states}) OR x.retenida) k"
    )
    return left(route, rows, REASON).removesuffix(";")
