"""What ran, and in which state. Who may run: lease.py.

Every function works inside the caller's transaction where there is one, else in one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import skipped_guard
from ..core.phase.history import LEGAL_FROM, Run
from ..server import db
from . import bookkeeping
from .events import jsonb_text

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def recorded_runs(conn: Connection) -> tuple[Run, ...]:
    """All runs in the order in which they ended, those under way last; none when the bookkeeping does not exist yet.

    A paused run goes on in its own row: what was undone meanwhile began later and ended before it.
    """
    if not bookkeeping.exists(conn):
        return ()
    rows = db.fetch_all(
        conn,
        "SELECT id, run_id, fase, accion, estado, operador, iniciada_at, terminada_at, detalle "
        "FROM migracion.fase_ejecucion ORDER BY coalesce(terminada_at, 'infinity'), id",
    )
    return tuple(Run(*row) for row in rows)


def begun_pairs(conn: Connection) -> set[tuple[str, str]]:
    """Legacy and Spanish table of each pair whose rows some run began to carry and none has taken back."""
    if not bookkeeping.exists(conn):
        return set()
    rows = db.fetch_all(conn, "SELECT DISTINCT tabla_origen, tabla_destino FROM migracion.progreso_copia")
    return {(source, target) for source, target in rows}


def run_of(conn: Connection, run_id: str) -> Run | None:
    """The row of that run."""
    return next((run for run in recorded_runs(conn) if run.run_id == run_id), None)


def begin_run(conn: Connection, run_id: str) -> Run:
    """Insert the row of the run that holds the lease; a paused one of the same work goes on in its own row.

    Raises MigrationError, code no_run, where that run does not hold the lease.
    """
    with db.joined(conn):
        if (run := run_of(conn, run_id)) is not None:
            return run
        db.execute(
            conn,
            "UPDATE migracion.fase_ejecucion f SET run_id = a.run_id, estado = 'en_curso', terminada_at = NULL, "
            "operador = a.operador, detalle = f.detalle || a.detalle || jsonb_build_object('continua', "
            "coalesce(f.detalle -> 'continua', '[]') || to_jsonb(f.run_id)) "
            "FROM migracion.arriendo a WHERE a.run_id = %s AND f.id = (SELECT max(id) FROM migracion.fase_ejecucion p "
            "WHERE p.estado = 'pausada' AND p.fase = a.fase AND p.accion = a.accion "
            "AND p.detalle -> 'subfases' IS NOT DISTINCT FROM a.detalle -> 'subfases')",
            (run_id,),
        )
        db.execute(
            conn,
            "INSERT INTO migracion.fase_ejecucion (run_id, fase, accion, estado, operador, detalle) "
            "SELECT run_id, fase, accion, 'en_curso', operador, detalle FROM migracion.arriendo WHERE run_id = %s "
            "ON CONFLICT (run_id) DO NOTHING",
            (run_id,),
        )
        if (run := run_of(conn, run_id)) is None:
            raise skipped_guard()
        return run


def set_state(conn: Connection, run_id: str, state: str, detail: Mapping[str, Any] | None = None) -> bool:
    """Move a run to another state; False when it has no row or the step is not a legal one."""
    ended = "NULL" if state == "en_curso" else "coalesce(terminada_at, now())"
    return bool(
        db.execute(
            conn,
            f"UPDATE migracion.fase_ejecucion SET estado = %s, terminada_at = {ended}, detalle = detalle || %s "
            "WHERE run_id = %s AND estado = ANY (%s)",
            (state, jsonb_text(conn, detail or {}), run_id, list(LEGAL_FROM[state])),
        )
    )


def mark_reverted(conn: Connection, phase: str, subphases: Sequence[str]) -> int:
    """After a way back: the phase's runs whose every subphase was undone are ``revertida``."""
    return db.execute(
        conn,
        "UPDATE migracion.fase_ejecucion SET estado = 'revertida', terminada_at = coalesce(terminada_at, now()) "
        "WHERE fase = %s AND accion = 'aplicar' AND estado = ANY (%s) "
        "AND coalesce(detalle -> 'subfases', '[]') <@ %s",
        (phase, list(LEGAL_FROM["revertida"]), jsonb_text(conn, list(subphases))),
    )
