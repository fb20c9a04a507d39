"""What the bookkeeping remembers beside the runs: events, quarantine, propagations that wait."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import COMMITTED_STAYS, NOTHING_CHANGED
from ..core.rows.refusals import reason_kind
from ..server import db
from . import bookkeeping

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


TAKEN_IN = "puesta_al_dia"  # before a run's first batch: what it did with the tables that its rows are looked up in
FEW_VALUES = 5
# The open entries; ``razon``: the reason with the row's own value where a kind of reason has few of them, else without, so
# that there are no more of them than FEW_VALUES times the kinds that a mapping has.
OPEN_BY_REASON = f"""SELECT c.*, k.clase, k.varias, CASE WHEN k.varias THEN k.clase ELSE c.motivo END AS razon
FROM migracion.cuarentena c JOIN (
  SELECT tabla_origen, {reason_kind("motivo")} AS clase, count(DISTINCT motivo) > {FEW_VALUES} AS varias
  FROM migracion.cuarentena WHERE estado = 'abierta' GROUP BY 1, 2
) k ON k.tabla_origen = c.tabla_origen AND k.clase = {reason_kind("c.motivo")} WHERE c.estado = 'abierta'"""
CHANGING = "en_cambio"  # before a repair changes rows: the pairs that hang on them, to be proved again after it
COPY_BEGUN = "inicio_copia"  # before a run's first batch, with what that found


class Event(NamedTuple):
    """A row of migracion.evento."""

    kind: str
    detail: dict[str, Any]
    moment: datetime


def record_event(conn: Connection, run_id: str, kind: str, phase: str, detail: Mapping[str, Any] | None = None) -> None:
    """Write one event. Needs no open run, only the bookkeeping."""
    db.execute(
        conn,
        "INSERT INTO migracion.evento (tipo, fase, detalle, run_id) VALUES (%s, %s, %s, %s)",
        (kind, phase, jsonb_text(conn, detail or {}), run_id),
    )


def last_event(conn: Connection, kinds: Sequence[str], run_id: str = "") -> Event | None:
    """The newest event of these types, of one run or of any."""
    if not bookkeeping.exists(conn):
        return None
    row = db.fetch_one(
        conn,
        "SELECT tipo, detalle, momento FROM migracion.evento WHERE tipo = ANY (%s) AND (%s = '' OR run_id = %s)"
        " ORDER BY id DESC LIMIT 1",
        (list(kinds), run_id, run_id),
    )
    return Event(*row) if row else None


def events_of(conn: Connection, kind: str, run_id: str) -> list[Event]:
    """The run's events of that type, oldest first."""
    rows = db.fetch_all(
        conn, "SELECT tipo, detalle, momento FROM migracion.evento WHERE tipo = %s AND run_id = %s ORDER BY id", (kind, run_id)
    )
    return [Event(*row) for row in rows]


def expired_proofs(conn: Connection) -> set[tuple[str, str]]:
    """Legacy and Spanish table of each pair of which a run last found that its proof no longer held, or did not ask.

    A run that changes what a pair hangs on, and ends before it has proved that pair again, leaves it to the next one.
    """
    if not bookkeeping.exists(conn):
        return set()
    rows = db.fetch_all(
        conn,
        "SELECT origen, destino FROM (SELECT DISTINCT ON (origen, destino) origen, destino, caducada FROM ("
        "SELECT id, p ->> 0 AS origen, p ->> 1 AS destino, true AS caducada FROM migracion.evento,"
        " jsonb_array_elements(detalle -> 'caducadas') p WHERE tipo IN ('dependientes', %s) UNION ALL "
        "SELECT id, p ->> 0, p ->> 1, false FROM migracion.evento,"
        " jsonb_array_elements(detalle -> 'vigentes') p WHERE tipo = 'dependientes' UNION ALL "
        "SELECT id, t ->> 'origen', t ->> 'destino', false FROM migracion.evento, jsonb_array_elements(detalle -> 'tablas') t"
        " WHERE tipo = 'prueba' AND t @> '{\"pendientes\": 0, \"sin_origen\": 0}'"
        ") said ORDER BY origen, destino, id DESC) last WHERE caducada",
        (CHANGING,),
    )
    return {(source, target) for source, target in rows}


def left_so_far(conn: Connection, run_id: str) -> str:
    """What a refusal of this run has to say was left: from the beginning of a copy on, batches may have been committed."""
    return NOTHING_CHANGED if last_event(conn, (COPY_BEGUN, TAKEN_IN), run_id) is None else COMMITTED_STAYS


def open_quarantine(conn: Connection, tables: Sequence[str] | None = None) -> list[tuple[str, str, int, list[str]]]:
    """Table, reason, how many rows, three keys as examples; most frequent first. As few reasons as OPEN_BY_REASON has."""
    if not bookkeeping.exists(conn):
        return []
    return [
        (row[0], row[1], row[2], row[3])
        for row in db.fetch_all(
            conn,
            f"SELECT tabla_origen, razon, count(*), (array_agg(clave ORDER BY id))[1:3] FROM ({OPEN_BY_REASON}) c "
            "WHERE %(all)s OR tabla_origen = ANY (%(tables)s) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
            {"all": tables is None, "tables": list(tables or [])},
        )
    ]


def waived_quarantine(conn: Connection) -> list[tuple[str, str, str, int]]:
    """Table, pattern, reason and how many rows of the entries that are waived; most frequent first."""
    return waived_entries(conn) if bookkeeping.is_current(conn) else []


def waived_entries(conn: Connection) -> list[tuple[str, str, str, int]]:
    """The same where the bookkeeping is there, if only for a dry run."""
    return [
        (row[0], row[1], row[2], row[3])
        for row in db.fetch_all(
            conn,
            "SELECT tabla_origen, coalesce(dispensa ->> 'patron', '?'), coalesce(dispensa ->> 'motivo', '?'), count(*) "
            "FROM migracion.cuarentena WHERE estado = 'dispensada' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2",
        )
    ]


def pending_propagations(conn: Connection) -> int:
    """How many propagations wait."""
    row = db.fetch_one(conn, "SELECT count(*) FROM migracion.pendiente") if bookkeeping.exists(conn) else None
    return int(row[0]) if row else 0


def jsonb_text(conn: Connection, value: Any) -> str:
    """JSON text for a jsonb parameter; NUL and letters that the database's encoding has not, which jsonb refuses, written out."""
    text = json.dumps(value, ensure_ascii=False, default=str).replace("\\u0000", "\\\\u0000")
    return db.storable(conn, text, "\\\\u{:04x}")
