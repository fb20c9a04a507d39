"""What the operator reads of the sync: whether it is on and whole, what waits and since when, what it could not do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.mapping.types import SpanishTable
from ..core.rows.routes import Route
from ..core.words import duration, number
from ..server.db import fetch_all
from .modes import OFF, modes_here
from .switching import standing_sync

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def sync_lines(conn: Connection, all_routes: Sequence[Route], tables: Sequence[SpanishTable], drain: str) -> list[str]:
    """Return the lines; ``drain``: the command that carries what waits."""
    installed = modes_here(conn)
    if not installed:
        return ["Sincronización: no está instalada"]
    routes = [r for r in all_routes if (r.pair.source, r.pair.target) in installed]
    off = [f"{s} → {t}" for (s, t), mode in installed.items() if mode == OFF]
    lines = [f"Sincronización: encendida en {number(len(installed) - len(off))} pares de {number(len(all_routes))}"]
    if off:
        lines.append(f"  apagada: {', '.join(off)}; lo que se escribe espera")
    for state in standing_sync(conn, routes, all_routes, tables):
        gone = [f"{t.name} en {t.table}" for t in (*state.missing, *state.disabled)]
        if gone or not state.functions:
            what = f"faltan o están desactivados {', '.join(gone)}" if gone else "sus funciones no son las aprobadas"
            pair = f"{state.route.pair.source} → {state.route.pair.target}"
            lines.append(f"  {pair}: {what}; lo escrito desde entonces puede no haber pasado: {state.route.pair.phase} lo repone")
    return lines + _waiting_lines(conn, drain)


def _waiting_lines(conn: Connection, drain: str) -> list[str]:
    rows = fetch_all(
        conn,
        "SELECT tabla_origen, CASE WHEN sqlstate IS NULL THEN motivo ELSE 'no se pudo (' || sqlstate || ')' END,"
        " count(DISTINCT clave), extract(epoch FROM now() - min(momento))::float8, bool_or(sqlstate IS NOT NULL)"
        f" FROM {BOOKKEEPING}.pendiente GROUP BY 1, 2 ORDER BY 1, 2",
    )
    if not rows:
        return []
    lines = ["  degradada: hay claves que no se pudieron llevar"] if any(r[4] for r in rows) else []
    lines += [f"  esperan {number(r[2])} claves de {r[0]} desde hace {duration(r[3])}: {r[1]}" for r in rows]
    return [*lines, f"  Se llevan con: {drain}", f"  Cada minuto, en crontab: * * * * * cd playbooks && {drain}"]
