"""What the operator reads of the sync: whether it is on and whole, what waits and since when, what it could not do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.mapping.types import SpanishTable
from ..core.rows.routes import Route
from ..core.rows.writers import WRITERS
from ..core.sync.conflicts import conflict_name
from ..core.words import duration, number, units
from ..server.db import fetch_all
from .conflicts import conflicts_counted
from .loading import loading_lines
from .modes import OFF, ON, ON_AGAIN, modes_here
from .pending import waiting_words
from .switching import standing_sync

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


PASSED_BY = (
    "Lo escrito desde entonces puede no haber pasado al otro lado, y los servicios no pueden volver a legacy hasta que la"
    " sincronización se reponga. Al reponerla vale lo que hay en legacy o, con -e manda=espanol, lo que hay en español; lo que se"
    " sobrescribe queda en migracion.apartada, y --check dice antes cuánto es."
)

KEPT = "Los servicios siguen: lo que escriben espera con su clave, y al reponerla se lleva."


def sync_lines(
    conn: Connection, all_routes: Sequence[Route], tables: Sequence[SpanishTable], drain: str, back: str
) -> tuple[list[str], str]:
    """Return the lines, and the command that comes before any phase, '' where none has to.

    ``drain``: the command that carries what waits; ``back``: the one that switches on, and puts back what is gone.
    """
    installed = modes_here(conn)
    if not installed:
        return ["Sincronización: no está instalada"], ""
    routes = [r for r in all_routes if (r.pair.source, r.pair.target) in installed]
    off = [f"{s} → {t}" for (s, t), mode in installed.items() if mode == OFF]
    on = sum(mode == ON for mode in installed.values())
    lines = [f"Sincronización: encendida en {units(on, 'par', 'pares')} de {number(len(all_routes))}"]
    states = [s for s in standing_sync(conn, routes, all_routes, tables) if s.lacking]
    gone, absent = [s for s in states if s.gone], [s for s in states if s.absent]
    if gone or absent:
        what = "disparadores o funciones" if gone else "funciones"
        lines[0] += f", pero en {number(len({s.route.view for s in (*gone, *absent)}))} faltan {what}"
    if off:
        lines += [f"  apagada: {', '.join(off)}; lo que se escribe espera", f"  Se enciende con: {back}"]
    lines += loading_lines(conn, all_routes)
    lines += [f"  {s.lacking}" for s in states]
    if gone or absent:
        lines += [f"  {PASSED_BY if gone else KEPT}", f"  Se repone con: {back}"]
    elif states:
        lines.append(f"  Se repone con: {'.yml y '.join(dict.fromkeys(s.route.pair.phase for s in states))}.yml con el mismo -i")
    names = [t.name for t in tables]
    lines += _waiting_lines(conn, "" if off else drain) + _conflict_lines(conn, routes) + _writer_lines(conn, names)
    return lines, back if off or gone or absent else ""


def standing_phrases(
    conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route], tables: Sequence[SpanishTable]
) -> list[str]:
    """Return in words what the sync of these routes lacks, or that it is off, and the command that puts it right."""
    states = standing_sync(conn, routes, all_routes, tables)
    found = [s for s in states if s.gone or s.absent]
    said = [f"sincronización de {s.lacking}" for s in found]
    if said:
        said[-1] += f". {PASSED_BY if any(s.gone for s in found) else KEPT} Se repone con: {ON_AGAIN}"
    return said


def off_lines(conn: Connection, routes: Sequence[Route]) -> list[str]:
    """Return a line where the sync of some of these routes is off: what is proved then stays as it is."""
    modes = modes_here(conn)
    off = [f"{r.pair.source} → {r.pair.target}" for r in routes if modes.get((r.pair.source, r.pair.target)) == OFF]
    if not off:
        return []
    return [f"Aviso: la sincronización está apagada ({', '.join(off)}): lo que se escribe espera. Se enciende con: {ON_AGAIN}"]


def _conflict_lines(conn: Connection, routes: Sequence[Route]) -> list[str]:
    """How many statements of services ended with an error because of the sync; what it cannot see is the database's own count."""
    counted = conflicts_counted(conn)
    sides = dict.fromkeys([(r.pair.source, "legacy") for r in routes] + [(r.pair.target, "español") for r in routes])
    said = [f"{table} ({side}): {number(n)}" for table, side in sides if (n := counted.get(conflict_name(table)))]
    if not said:
        return []
    deadlocks = fetch_all(conn, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0]
    return [
        f"Conflictos que vio un servicio por la sincronización (interbloqueo, 40001, espera agotada): {', '.join(said)}. Son de"
        " sus sentencias: lo que falla al confirmar, o fuera de sus disparadores, no se cuenta. Interbloqueos de toda la base:"
        f" {number(deadlocks)}"
    ]


def _writer_lines(conn: Connection, spanish: Sequence[str]) -> list[str]:
    """Who writes which table, and who writes a Spanish one though the services have not moved."""
    rows = fetch_all(
        conn,
        "SELECT tabla, rol, aplicacion, string_agg(DISTINCT host(cliente), ', '), sum(escrituras)::bigint,"
        f" extract(epoch FROM now() - max(ultima))::float8 FROM {WRITERS} GROUP BY 1, 2, 3 ORDER BY 1, 5 DESC, 2, 3",
    )
    said = [
        f"  {table}: {role}, {f'«{name}»' if name else 'sin nombre'}{f' desde {places}' if places else ''}:"
        f" {units(count, 'escritura')}, la última hace {duration(age)}"
        for table, role, name, places, count, age in rows
    ]
    late = "de cada sesión, las últimas 1.000 escrituras o el último minuto pueden no estar contadas aún"
    lines = [f"Quién escribe, por tabla, rol y aplicación ({late}):", *said]
    rogue = sorted({row[0] for row in rows if row[0] in spanish})
    if rogue:
        lines.append(f"  Aviso: alguien escribe ya en {', '.join(rogue)}, antes de que los servicios cambien a esas tablas.")
    return lines if rows else []


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
    lines += [f"  {waiting_words(r[2])} de {r[0]} desde hace {duration(r[3])}: {r[1]}" for r in rows]
    if drain:
        lines += [
            f"  Se llevan con: {drain}",
            f"  Cada minuto, en crontab (con la ruta de playbooks, el PATH de esta sesión y DATABASE_URL): * * * * * {drain}",
        ]
    return lines
