"""Gives the open entries in quarantine the state that ``waived_quarantine`` asks for: ``dispensada`` or ``abierta`` again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.bookkeeping import BOOKKEEPING
from ..core.proof.comparison import refused_sql, stale_entries_sql
from ..core.quarantine.waivers import Waiver, like
from ..core.rows.routes import Route
from ..core.sqltext import literal
from ..core.words import number
from ..ledger import lease
from ..ledger.events import jsonb_text, record_event, waived_entries
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# The first pattern that names an entry gives its reason. Entries that no row explains any more are closed elsewhere.
_SETTLE = f"""
WITH waiver AS (
  SELECT * FROM jsonb_to_recordset(%(waivers)s) AS w(puesto int, tabla text, clave text, patron text, motivo text)
), wanted AS (
  SELECT c.id, w.patron, w.motivo, CASE WHEN w.patron IS NULL THEN 'abierta' ELSE 'dispensada' END AS estado
  FROM {BOOKKEEPING}.cuarentena c LEFT JOIN LATERAL (
    SELECT w.patron, w.motivo FROM waiver w WHERE c.tabla_origen LIKE w.tabla AND c.clave LIKE w.clave ORDER BY w.puesto LIMIT 1
  ) w ON true
  WHERE c.estado <> 'resuelta' AND c.tabla_origen = ANY (%(sources)s)
), settled AS (
  UPDATE {BOOKKEEPING}.cuarentena c SET estado = w.estado, dispensa = CASE WHEN w.patron IS NOT NULL THEN jsonb_build_object(
    'patron', w.patron, 'motivo', w.motivo, 'momento', now(), 'run_id', %(run_id)s::text,
    'por', coalesce((SELECT a.operador FROM {BOOKKEEPING}.arriendo a WHERE a.run_id = %(run_id)s), '?')) END
  FROM wanted w WHERE c.id = w.id AND (c.estado, c.dispensa ->> 'patron', c.dispensa ->> 'motivo')
    IS DISTINCT FROM (w.estado, w.patron, w.motivo)
  RETURNING c.tabla_origen, w.patron, w.motivo, c.dispensa ->> 'por' AS por
)
SELECT tabla_origen, patron, motivo, por, count(*) FROM settled GROUP BY 1, 2, 3, 4 ORDER BY 1, 2
"""


def apply(conn: Connection, waivers: Sequence[Waiver], routes: Sequence[Route], run_id: str, phase: str) -> list[str]:
    """Settle the entries of these routes' legacy tables; one event for each pattern and table that changed something."""
    with db.transaction(conn):
        lease.fence(conn, run_id)
        settled = _settle(conn, waivers, routes, run_id)
        for table, pattern, reason, operator, rows in settled:
            detail = {"tabla": table, "filas": rows}
            if pattern is not None:
                detail |= {"patron": pattern, "motivo": reason, "por": operator}
            record_event(conn, run_id, "dispensa_retirada" if pattern is None else "dispensa", phase, detail)
    return _lines(settled, "dispensadas", "vuelven") + _idle(conn, waivers, routes)


def rehearse(conn: Connection, waivers: Sequence[Waiver], routes: Sequence[Route], all_routes: Sequence[Route]) -> list[str]:
    """What apply() would say after a run, inside a transaction that the caller rolls back: refused rows get their entries."""
    for source in dict.fromkeys(r.pair.source for r in routes):
        same = [r for r in all_routes if r.pair.source == source]
        closed = f"UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta' FROM ({stale_entries_sql(same)}) s"
        db.run_sql(conn, f"{closed} WHERE (c.tabla_origen, c.clave) = (s.tabla_origen, s.clave) AND c.estado <> 'resuelta'")
        for route in same:  # ids of our own: a sequence would keep what is rolled back
            db.run_sql(
                conn,
                f"INSERT INTO {BOOKKEEPING}.cuarentena (id, tabla_origen, clave, fila, motivo, origen)"
                f" SELECT (SELECT least(min(id), 0) FROM {BOOKKEEPING}.cuarentena) - row_number() OVER (),"
                f" {literal(source)}, clave, '{{}}', motivo, 'copia' FROM ({refused_sql(route)}) r"
                " ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO NOTHING",
            )
    settled = _settle(conn, waivers, routes, "")
    return _lines(settled, "se dispensarían", "volverían") + _idle(conn, waivers, routes)


def _settle(conn: Connection, waivers: Sequence[Waiver], routes: Sequence[Route], run_id: str) -> list[tuple[Any, ...]]:
    """Change what differs; (table, pattern or None where it was opened, reason, operator, rows) of what changed."""
    patterns = [
        {"puesto": n, "tabla": like(w.table), "clave": like(w.key), "patron": w.pattern, "motivo": w.reason}
        for n, w in enumerate(waivers)
    ]
    sources = [r.pair.source for r in routes]
    return db.fetch_all(conn, _SETTLE, {"waivers": jsonb_text(conn, patterns), "sources": sources, "run_id": run_id})


def _lines(settled: Sequence[tuple[Any, ...]], waived: str, opened: str) -> list[str]:
    return [
        f"Cuarentena: {number(rows)} filas de {table} {opened} a estar abiertas: ya no las nombra waived_quarantine"
        if pattern is None
        else f"Cuarentena: {number(rows)} filas de {table} {waived} por {pattern}: {reason}"
        for table, pattern, reason, _, rows in settled
    ]


def _idle(conn: Connection, waivers: Sequence[Waiver], routes: Sequence[Route]) -> list[str]:
    """One line for each pattern of these tables by which no entry is waived now."""
    used = {pattern for _, pattern, _, _ in waived_entries(conn)}
    sources = {r.pair.source for r in routes}
    return [
        f"waived_quarantine: {w.pattern} no dispensa ninguna fila"
        for w in waivers
        if w.pattern not in used and any(w.concerns(source) for source in sources)
    ]
