"""The bookkeeping in schema ``migracion``: what ran, in which state, and the events. Who may run: lease.py.

Every function works inside the caller's transaction where there is one, else in one of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.bookkeeping import COMMENT, CREATE, CREATE_SCHEMA, LOCK, SEAL, VERSION
from ..core.errors import MigrationError
from ..core.phase.gates import LEGAL_FROM, Run
from ..server import db
from ..server.identity import system_identifier

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

SKIPPED_GUARD = (
    "Esta orden se saltó la guardia (--skip-tags always o --start-at-task): no hay ninguna ejecución abierta. "
    "No se cambió nada. Llame al playbook entero."
)


class Event(NamedTuple):
    """A row of migracion.evento."""

    kind: str
    detail: dict[str, Any]
    moment: datetime


def exists(conn: Connection) -> bool:
    """Whether the bookkeeping is there."""
    row = db.fetch_one(conn, "SELECT to_regclass('migracion.fase_ejecucion') IS NOT NULL")
    return bool(row and row[0])


def lock(conn: Connection) -> None:
    """Until the end of the transaction, nobody else decides about lease and runs. Works before the schema exists."""
    db.fetch_one(conn, "SELECT pg_advisory_xact_lock(%s)", (LOCK,))


def ensure_schema(conn: Connection) -> None:
    """Create or complete the schema, closed to every role but its owner, and check that it belongs to this database."""
    if _is_current(conn):  # the usual case needs no lock: a long dry run must not hold it
        return
    with db.joined(conn):
        lock(conn)
        if _is_current(conn):
            return
        if not exists(conn) and not _require_a_place(conn):
            db.run_sql(conn, CREATE_SCHEMA)
        db.run_sql(conn, CREATE)
        db.execute(
            conn,
            "INSERT INTO migracion.identidad (sistema, base, esquema_oid, version) "
            "SELECT %s, current_database(), 'migracion'::regnamespace, %s ON CONFLICT (id) DO UPDATE SET version = %s",
            (system_identifier(conn), VERSION, VERSION),
        )
        seal(conn)


def _is_current(conn: Connection) -> bool:
    if not exists(conn):
        return False
    check_identity(conn)
    return db.fetch_one(conn, "SELECT version FROM migracion.identidad") == (VERSION,)


def _require_a_place(conn: Connection) -> bool:
    """Whether an empty schema was prepared for us; refuses where there can be none."""
    row = db.fetch_one(
        conn,
        "SELECT current_user, current_database(), has_database_privilege(current_database(), 'CREATE'), "
        "n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'CREATE'), false), "
        "EXISTS (SELECT FROM pg_class WHERE relnamespace = n.oid) "
        "FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'migracion'",
    )
    assert row is not None
    role, database, may_create, present, may_use, filled = row
    if filled:
        raise MigrationError(
            'Ya existe un esquema "migracion" que no es de este runbook. No se cambió nada: renómbrelo y repita.'
        )
    if not (may_use if present else may_create):
        object_name = "el esquema migracion" if present else f'la base "{database}"'
        grant = "SCHEMA migracion" if present else f'DATABASE "{database}"'
        raise MigrationError(
            f'El rol "{role}" no puede crear nada en {object_name} (falta CREATE). No se cambió nada. '
            f'Pida al dueño: GRANT CREATE ON {grant} TO "{role}"; y repita.'
        )
    return bool(present)


def check_identity(conn: Connection) -> None:
    """Refuse a ledger that came here with a dump: it tells the story of another database."""
    if db.fetch_one(conn, "SELECT to_regclass('migracion.identidad')") == (None,):
        return
    row = db.fetch_one(
        conn,
        "SELECT sistema, base, esquema_oid, current_database(), 'migracion'::regnamespace::oid, creada_at "
        "FROM migracion.identidad",
    )
    if row is None:
        return
    system, database, oid, here, oid_here, since = row
    system_here = system_identifier(conn)
    same_system = system == system_here or not (system and system_here)
    if same_system and database == here and (oid == oid_here or (system and system_here)):
        return
    raise MigrationError(
        f'La contabilidad (esquema migracion) es de otra base: nació el {since:%Y-%m-%d} en "{database}" '
        f'(sistema {system or "?"}), y esta es "{here}" (sistema {system_here or "?"}). Lo que dice no vale aquí, y no '
        "se cambió nada. Si es una copia de pruebas: DROP SCHEMA migracion CASCADE (y las tablas en español). Si "
        "es la misma base tras una actualización o un cambio de nombre: DELETE FROM migracion.identidad; y repita.",
        code="identity",
    )


def seal(conn: Connection) -> None:
    """Close all that is in ``migracion`` to everybody but its owner. Call after any DDL in it."""
    with db.joined(conn):
        db.run_sql(conn, SEAL)
        owner = db.fetch_one(conn, "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'migracion'")
        if owner and owner[0]:
            db.run_sql(conn, COMMENT)


# --- runs


def recorded_runs(conn: Connection) -> tuple[Run, ...]:
    """All runs, oldest first; none when the bookkeeping does not exist yet."""
    if not exists(conn):
        return ()
    rows = db.fetch_all(
        conn,
        "SELECT id, run_id, fase, accion, estado, operador, iniciada_at, terminada_at, detalle "
        "FROM migracion.fase_ejecucion ORDER BY iniciada_at, id",
    )
    return tuple(Run(*row) for row in rows)


def run_of(conn: Connection, run_id: str) -> Run | None:
    """The row of that run."""
    return next((run for run in recorded_runs(conn) if run.run_id == run_id), None)


def begin(conn: Connection, run_id: str) -> Run:
    """Insert the row of the run that holds the lease; a paused one of the same work goes on in its own row."""
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
            raise MigrationError(SKIPPED_GUARD, code="no_run")
        return run


def set_state(conn: Connection, run_id: str, state: str, detail: Mapping[str, Any] | None = None) -> bool:
    """Move a run to another state; False when it has no row or the step is not a legal one."""
    ended = "NULL" if state == "en_curso" else "coalesce(terminada_at, now())"
    return bool(
        db.execute(
            conn,
            f"UPDATE migracion.fase_ejecucion SET estado = %s, terminada_at = {ended}, detalle = detalle || %s "
            "WHERE run_id = %s AND estado = ANY (%s)",
            (state, to_json(detail or {}), run_id, list(LEGAL_FROM[state])),
        )
    )


def mark_reverted(conn: Connection, phase: str, subphases: Sequence[str]) -> int:
    """After a way back: the phase's runs whose every subphase was undone are ``revertida``."""
    return db.execute(
        conn,
        "UPDATE migracion.fase_ejecucion SET estado = 'revertida', terminada_at = coalesce(terminada_at, now()) "
        "WHERE fase = %s AND accion = 'aplicar' AND estado = ANY (%s) "
        "AND coalesce(detalle -> 'subfases', '[]') <@ %s",
        (phase, list(LEGAL_FROM["revertida"]), to_json(list(subphases))),
    )


# --- events and counts


def event(conn: Connection, run_id: str, kind: str, phase: str, detail: Mapping[str, Any] | None = None) -> None:
    """Write one event. Needs no open run, only the bookkeeping."""
    db.execute(
        conn,
        "INSERT INTO migracion.evento (tipo, fase, detalle, run_id) VALUES (%s, %s, %s, %s)",
        (kind, phase, to_json(detail or {}), run_id),
    )


def last_event(conn: Connection, kinds: Sequence[str], run_id: str = "") -> Event | None:
    """The newest event of these types, of one run or of any."""
    if not exists(conn):
        return None
    row = db.fetch_one(
        conn,
        "SELECT tipo, detalle, momento FROM migracion.evento WHERE tipo = ANY (%s) AND (%s = '' OR run_id = %s)"
        " ORDER BY id DESC LIMIT 1",
        (list(kinds), run_id, run_id),
    )
    return Event(*row) if row else None


def open_quarantine(conn: Connection, tables: Sequence[str] | None = None) -> list[tuple[str, str, int, list[str]]]:
    """Table, reason, how many rows, three keys as examples; most frequent first."""
    if not exists(conn):
        return []
    return [
        (row[0], row[1], row[2], row[3])
        for row in db.fetch_all(
            conn,
            "SELECT tabla_origen, motivo, count(*), (array_agg(clave ORDER BY id))[1:3] FROM migracion.cuarentena "
            "WHERE estado = 'abierta' AND (%s::text[] IS NULL OR tabla_origen = ANY (%s)) "
            "GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
            (list(tables) if tables is not None else None, list(tables or [])),
        )
    ]


def waived_quarantine(conn: Connection) -> list[tuple[str, str, str, int]]:
    """Table, pattern, reason and how many rows of the entries that are waived; most frequent first."""
    if not _is_current(conn):
        return []
    return [
        (row[0], row[1], row[2], row[3])
        for row in db.fetch_all(
            conn,
            "SELECT tabla_origen, coalesce(dispensa ->> 'patron', '?'), coalesce(dispensa ->> 'motivo', '?'), count(*) "
            "FROM migracion.cuarentena WHERE estado = 'dispensada' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2",
        )
    ]


def pending(conn: Connection) -> int:
    """How many propagations wait."""
    row = db.fetch_one(conn, "SELECT count(*) FROM migracion.pendiente") if exists(conn) else None
    return int(row[0]) if row else 0


def to_json(value: Any) -> str:
    """JSON text for a jsonb parameter; NUL, which jsonb refuses, is written out."""
    return json.dumps(value, ensure_ascii=False, default=str).replace("\\u0000", "\\\\u0000")
