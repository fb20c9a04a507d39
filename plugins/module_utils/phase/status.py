"""Where the migration stands: at any time, from any machine."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..call.context import live_catalogue
from ..call.request import Request, identity_lines
from ..core.errors import READ_ONLY_STEP, MigrationError
from ..core.phase.history import APPLY, PHASES, Plan, Run, completed_at, is_complete, standing_parts
from ..core.phase.summary import accounting, quarantine_lines, waived_lines
from ..core.rows.routes import routes_of
from ..core.services.steps import step_lines
from ..core.words import escape, number
from ..ledger import bookkeeping, lease, runs
from ..ledger.events import last_event, open_quarantine, pending_propagations, waived_quarantine
from ..ledger.service_steps import service_steps
from ..schema.access import access_problems
from ..schema.second_sources import merged_notices
from ..schema.tables import missing_tables
from ..server import db
from ..sync.reporting import sync_lines
from .changes import change_lines

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def status(conn: Connection, request: Request) -> list[str]:
    """Phases, who runs now, the last proof, quarantine, the next command."""
    lines = identity_lines(conn)
    if not bookkeeping.exists(conn):
        return [*lines, "Todavía no se ha ejecutado nada.", f"Siguiente: {request.command.text('fase0')}"]
    bookkeeping.check_identity(conn)
    recorded = runs.recorded_runs(conn)
    plan = Plan(PHASES[0], APPLY, subphases=request.plan.subphases)
    lines += ["Fases:", *(f"  {phase}: {phase_state(plan, recorded, phase)}" for phase in PHASES)]
    held = lease.holder(conn)
    lines.append(f"En marcha: {held.in_words}" if held else "En marcha: nada")
    if proof := last_event(conn, ("prueba",)):
        lines += [f"Última prueba, el {day(proof.moment)}:", *accounting(proof.detail)]
    lines += quarantine_lines(open_quarantine(conn), request.command) or ["Cuarentena abierta: ninguna fila"]
    lines += waived_lines(waived_quarantine(conn))
    lines.append(f"Pendientes de propagar: {number(pending_propagations(conn))}")
    synced, back = _sync_lines(conn, request)
    changed, approve = change_lines(conn, request, live_catalogue(conn, request.mapping))
    lines += [f"Servicio {line}" for line in step_lines(service_steps(conn))]
    lines += [*synced, *_access_lines(conn, request), *changed]
    following = next((phase for phase in PHASES if not is_complete(plan, recorded, phase)), "")
    if before := approve or back:
        lines.append(f"Siguiente: {before}")
    elif following in request.command.playbooks:
        lines.append(f"Siguiente: {request.command.text(following)}")
    elif following:
        lines.append(f"Siguiente: {following} (todavía no existe en este runbook)")
    return [escape(line) for line in lines]


def _sync_lines(conn: Connection, request: Request) -> tuple[list[str], str]:
    """Of a mapping whose legacy tables are there: without them nothing can be said of its triggers."""
    catalogue = live_catalogue(conn, request.mapping)
    if any(catalogue.relation(pair.source) is None for pair in request.mapping.pairs):
        return [], ""
    drain, on = request.command.text("estado", "drenar"), request.command.text("estado", "sincronizacion")
    try:
        return sync_lines(
            conn, routes_of(request.mapping, catalogue), request.mapping.tables, drain, f"{on} -e sincronizacion=si"
        )
    except MigrationError as drifted:
        return [f"Sincronización: no se puede comparar con el mapeo: {drifted}"], ""


def _access_lines(conn: Connection, request: Request) -> list[str]:
    """What a role may do or see on a Spanish table and not on its legacy twin, or the other way round, now."""
    mapping = request.mapping
    if missing_tables(conn, mapping):
        return []
    try:
        catalogue = live_catalogue(conn, mapping)
        problems = access_problems(conn, mapping, catalogue)
        notices = merged_notices(conn, mapping, catalogue)
    except db.Error as error:
        return [f"Permisos y políticas: no se pudieron comparar: {db.explain_error(error, left=READ_ONLY_STEP)}"]
    if not problems:
        return ["Permisos y políticas: los mismos que en las tablas legacy", *(f"  {notice}" for notice in notices)]
    again, approve = request.command.text("fase1"), request.command.text("fase0")
    lines = ["Permisos y políticas que no son los de las tablas legacy:", *(f"  {problem}" for problem in problems)]
    lines += [f"  {notice}" for notice in notices]
    return [*lines, f"  Se reponen con: {again}; si los de legacy cambiaron a propósito, antes: {approve}"]


def phase_state(plan: Plan, recorded: tuple[Run, ...], phase: str) -> str:
    """One phase in words."""
    done = standing_parts(recorded, phase)
    last = next((run for run in reversed(recorded) if run.phase == phase), None)
    if last is None:
        return "no ejecutada"
    state = "en curso" if last.state == "en_curso" else last.state
    said = f"{last.action}: {state} ({day(last.ended or last.started)}, {last.operator}, {last.run_id})"
    if is_complete(plan, recorded, phase):
        stands = f"completada el {day(completed_at(recorded, phase) or last.started)}"
        return stands if last.state == "completada" else f"{stands}; después, {said}: lo completado sigue en pie"
    parts = [part for part in plan.all_parts(phase) if part in done and part]
    return f"{said}; hecha la subfase {', '.join(parts)}" if parts else said


def day(moment: datetime) -> str:
    """A moment in UTC."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
