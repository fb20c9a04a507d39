"""Where the migration stands, and what is in quarantine: read only, at any time, from any machine."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from . import db, lease, ledger
from .core.phases import APPLY, PHASES, Plan, Run, completed_at, is_complete, standing
from .core.summary import accounting, number, quarantine_lines
from .core.text import escape
from .phase_job import Order, identity_lines

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

EXAMPLES = 3
ROW_SHOWN = 200  # characters of a row


def status(conn: Connection, order: Order) -> list[str]:
    """Phases, who runs now, the last proof, quarantine, the next command."""
    lines = identity_lines(conn)
    if not ledger.exists(conn):
        return [*lines, "Todavía no se ha ejecutado nada.", f"Siguiente: {order.command.text('fase0')}"]
    ledger.check_identity(conn)
    runs = ledger.runs(conn)
    plan = Plan(PHASES[0], APPLY, subphases=order.plan.subphases)
    lines += ["Fases:", *(f"  {phase}: {phase_state(plan, runs, phase)}" for phase in PHASES)]
    held = lease.holder(conn)
    lines.append(
        f"En marcha: {held.phase} {held.action}, {held.run_id}, {held.operator} en {held.host} (pid {held.pid}) desde "
        f"{held.since} UTC, última señal hace {held.silent:.0f} s"
        if held
        else "En marcha: nada"
    )
    if proof := ledger.last_event(conn, ("prueba",)):
        lines += ["Última prueba:", *accounting(proof[1])]
    lines += quarantine_lines(ledger.open_quarantine(conn)) or ["Cuarentena abierta: ninguna fila"]
    lines.append(f"Pendientes de propagar: {number(ledger.pending(conn))}")
    following = next((phase for phase in PHASES if not is_complete(plan, runs, phase)), "")
    if following in order.command.playbooks:
        lines.append(f"Siguiente: {order.command.text(following)}")
    elif following:
        lines.append(f"Siguiente: {following} (todavía no existe en este runbook)")
    return [escape(line) for line in lines]


def phase_state(plan: Plan, runs: tuple[Run, ...], phase: str) -> str:
    """One phase in words."""
    done = standing(runs, phase)
    last = next((run for run in reversed(runs) if run.phase == phase), None)
    if last is None:
        return "no ejecutada"
    when = day(last.ended or last.started)
    if is_complete(plan, runs, phase) and last.state == "completada":
        return f"completada el {day(completed_at(runs, phase) or last.started)}"
    said = f"{last.action}: {last.state.replace('_', ' ')} ({when}, {last.operator}, {last.run_id})"
    parts = [part for part in plan.all_parts(phase) if part in done and part]
    return f"{said}; hecha la subfase {', '.join(parts)}" if parts else said


def day(moment: datetime) -> str:
    """A moment in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def quarantine(conn: Connection, order: Order) -> list[str]:
    """Every reason with its number of rows and the first rows whole enough to be recognised."""
    entries = ledger.open_quarantine(conn)
    if not entries:
        return [*identity_lines(conn), "Cuarentena abierta: ninguna fila"]
    lines = [*identity_lines(conn), f"Cuarentena abierta: {number(sum(entry[2] for entry in entries))} filas"]
    for table, reason, count, _ in entries:
        lines.append(f"{number(count)} × {table}: {reason}")
        rows = db.fetch_all(
            conn,
            "SELECT clave, sqlstate, fila FROM migracion.cuarentena WHERE estado = 'abierta' AND tabla_origen = %s "
            "AND motivo = %s ORDER BY id LIMIT %s",
            (table, reason, EXAMPLES),
        )
        for key, sqlstate, row in rows:
            text = json.dumps(row, ensure_ascii=False)
            shown = text if len(text) <= ROW_SHOWN else text[:ROW_SHOWN] + "…"
            lines.append(f"    {key}{f' [{sqlstate}]' if sqlstate else ''}: {shown}")
    lines.append("Corrija la fila en la tabla de origen y repita la fase: la toma y cierra su entrada.")
    return [escape(line) for line in lines]
