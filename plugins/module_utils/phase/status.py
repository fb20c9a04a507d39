"""Where the migration stands, and the request to stop: at any time, from any machine."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..call.context import live_catalogue
from ..call.request import Order, dead_run, identity_lines
from ..core.errors import MigrationError
from ..core.mapping.file import load_mapping
from ..core.phase.gates import APPLY, PHASES, REVERT, Plan, Run, completed_at, is_complete, standing
from ..core.phase.summary import accounting, number, quarantine_lines, waived_lines
from ..core.words import escape
from ..ledger import lease, runs
from ..schema.access import access_problems
from ..schema.second_sources import merged_notices
from ..schema.tables import missing_tables
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def status(conn: Connection, order: Order) -> list[str]:
    """Phases, who runs now, the last proof, quarantine, the next command."""
    lines = identity_lines(conn)
    if not runs.exists(conn):
        return [*lines, "Todavía no se ha ejecutado nada.", f"Siguiente: {order.command.text('fase0')}"]
    runs.check_identity(conn)
    recorded = runs.recorded_runs(conn)
    plan = Plan(PHASES[0], APPLY, subphases=order.plan.subphases)
    lines += ["Fases:", *(f"  {phase}: {phase_state(plan, recorded, phase)}" for phase in PHASES)]
    held = lease.holder(conn)
    lines.append(f"En marcha: {_running(held)}" if held else "En marcha: nada")
    if proof := runs.last_event(conn, ("prueba",)):
        lines += [f"Última prueba, el {day(proof.moment)}:", *accounting(proof.detail)]
    lines += quarantine_lines(runs.open_quarantine(conn)) or ["Cuarentena abierta: ninguna fila"]
    lines += waived_lines(runs.waived_quarantine(conn))
    lines.append(f"Pendientes de propagar: {number(runs.pending(conn))}")
    lines += _access_lines(conn, order)
    following = next((phase for phase in PHASES if not is_complete(plan, recorded, phase)), "")
    if following in order.command.playbooks:
        lines.append(f"Siguiente: {order.command.text(following)}")
    elif following:
        lines.append(f"Siguiente: {following} (todavía no existe en este runbook)")
    return [escape(line) for line in lines]


def _running(held: lease.Holder) -> str:
    stop = "" if held.stopping is None else f"; se le pidió parar hace {held.stopping:.0f} s"
    return (
        f"{held.phase} {held.action}, {held.run_id}, {held.operator} en {held.host} (pid {held.pid}) desde "
        f"{held.since} UTC, última señal hace {held.silent:.0f} s{stop}"
    )


def _access_lines(conn: Connection, order: Order) -> list[str]:
    """What a role may do or see on a Spanish table and not on its legacy twin, or the other way round, now."""
    mapping = load_mapping(order.params["mapping"], order.params["mapping_path"])
    if missing_tables(conn, mapping):
        return []
    try:
        catalogue = live_catalogue(conn, mapping)
        problems = access_problems(conn, mapping, catalogue)
        notices = merged_notices(conn, mapping, catalogue)
    except db.Error as error:
        return [f"Permisos y políticas: no se pudieron comparar. {db.explain_error(error)}"]
    if not problems:
        return ["Permisos y políticas: los mismos que en las tablas legacy", *(f"  {notice}" for notice in notices)]
    again, approve = order.command.text("fase1"), order.command.text("fase0")
    lines = ["Permisos y políticas que no son los de las tablas legacy:", *(f"  {problem}" for problem in problems)]
    lines += [f"  {notice}" for notice in notices]
    return [*lines, f"  Se reponen con: {again}; si los de legacy cambiaron a propósito, antes: {approve}"]


def stop(conn: Connection, order: Order) -> list[str]:
    """Ask the run that has the lease to stop at its next batch. It becomes ``pausada``; the same command goes on."""
    lines = identity_lines(conn)
    if runs.exists(conn):
        runs.check_identity(conn)
    held = lease.holder(conn)
    if held is None:
        return [*lines, "No hay ninguna fase en marcha: nada que parar."]
    if lease.is_over(conn, held, dead_run(order)):
        return [*lines, escape(f"{_running(held)}: esa ejecución ya no vive. La misma orden toma el relevo.")]
    if held.action == REVERT:
        raise MigrationError(
            f"{_running(held)}: una vuelta atrás no se detiene a medias, es una sola transacción. No se cambió nada.",
            code="refused",
        )
    if order.check:
        return [*lines, escape(f"Se pediría parar a {_running(held)}.")]
    with db.explained("pedir la parada"), db.transaction(conn):
        if not lease.request_stop(conn, held.run_id):
            return [*lines, escape(f"{held.run_id} acaba de terminar: nada que parar.")]
        runs.event(conn, held.run_id, "parada_pedida", held.phase, {"por": order.params["controller"].get("operator", "?")})
    where = order.command.text("estado")
    return [*lines, escape(f"Parada pedida a {_running(held)}: se detiene entre dos lotes y queda pausada. Se ve con: {where}")]


def phase_state(plan: Plan, recorded: tuple[Run, ...], phase: str) -> str:
    """One phase in words."""
    done = standing(recorded, phase)
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
