"""The end of a phase: the row's last state, the lease given back, the summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..call.request import Request, decision, other_holder
from ..core.contraction.moving import UNDONE
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.phase.history import APPLY, REVERT, TAGS, VERIFY, standing_parts
from ..core.phase.summary import WOULD_RUN, backup_line
from ..core.services.steps import step_lines
from ..core.words import escape
from ..ledger import lease, runs
from ..ledger.events import Event, last_event, open_quarantine, pending_propagations, record_event, waived_quarantine
from ..ledger.service_steps import service_steps
from ..server import db
from .failing import tell

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# The event that proves that the checks of a phase really ran; of the others, 'prueba'.
PROOFS = {"fase0": "aprobacion", "fase1": "verificacion_esquema", "fase4": "codigo"}
# And the one that proves that its way back did; of the others, 'vaciado'. fase0 has nothing to undo.
REVERSALS = {"fase1": "tablas_borradas", "fase4": "codigo_devuelto", "fase5": UNDONE}


def close_phase(conn: Connection, request: Request) -> list[str]:
    """Everything that was asked for holds: say so in the bookkeeping, and in words.

    Raises MigrationError: code no_proof where no proof was left, incomplete where a subphase has no tables yet.
    """
    plan = request.plan
    if request.check:
        return _close_dry_run(conn, request)
    back = plan.action == REVERT
    wanted = REVERSALS.get(plan.phase, "vaciado") if back else PROOFS.get(plan.phase, "prueba")
    proof = last_event(conn, (wanted,), request.run_id)
    if proof is None and not (back and plan.phase == "fase0"):
        raise _without_proof(request)
    notes = []
    if plan.action != VERIFY:
        with db.explaining("cerrar la fase", left="Lo hecho queda, sin cerrar."), db.transaction(conn):
            # Cut off in its wait for a standby it would stand here all the same, and a second call would find no lease. Where
            # a standby that lacks it takes over, the run counts as interrupted there, and the same command closes it.
            db.run_sql(conn, "SET LOCAL synchronous_commit = local")
            if not lease.heartbeat(conn, request.run_id):
                lease.fence(conn, request.run_id)
            ran = runs.set_state(conn, request.run_id, "completada")
            notes = _note_reversion(conn, request, ran) if plan.action == REVERT else []
            lease.release(conn, request.run_id)
        if not ran and not notes:
            notes = ["Ya estaba hecha: se comparó y no había nada que cambiar."]
    verdict = {APPLY: "COMPLETADA", REVERT: "DESHECHA", VERIFY: "VERIFICADA"}[plan.action]
    if request.missing and plan.action != REVERT:
        verdict, unfinished = "INCOMPLETA", _incomplete(request)
        notes.append(f"{unfinished.what}. {unfinished.left}")
    return _finish(conn, request, verdict, notes, proof)


def _finish(conn: Connection, request: Request, verdict: str, notes: list[str], proof: Event | None) -> list[str]:
    stands = standing_parts(runs.recorded_runs(conn), request.plan.phase)
    waiting = tuple(part for part in request.plan.all_parts(request.plan.phase) if part and part not in stands)
    if (backup := last_event(conn, ("respaldo",), request.run_id)) is not None:
        notes = [*notes, backup_line(backup.detail, request.command)]
    ending = request.ending(
        verdict,
        waiting=waiting,
        ready=bool(set(waiting[:1]) & set(request.ready)),
        proof=proof.detail if proof and proof.kind == "prueba" else None,
        quarantine=open_quarantine(conn),
        waived=waived_quarantine(conn),
        pending=pending_propagations(conn),
        notes=tuple(notes),
        can_undo=request.plan.action == APPLY,
        services_said=tuple(step_lines(service_steps(conn, request.run_id))),
    )
    lines = [escape(line) for line in ending.lines(datetime.now(UTC))]
    if verdict == "INCOMPLETA":
        tell(request, lines)
        raise _incomplete(request, lines)
    return lines


def _incomplete(request: Request, lines: Sequence[str] = ()) -> MigrationError:
    phase, missing = request.plan.phase, " y la ".join(request.missing)
    return MigrationError(
        f"La subfase {missing} todavía no tiene tablas en el mapeo: {phase} no está completa",
        left=f"La {' y la '.join(request.plan.parts)} sí.",
        move=f"Ponga en el mapeo las tablas de la {missing} y apruébelo: {request.command.text('fase0')}",
        code="incomplete",
        details={"lines": list(lines)},
    )


def _without_proof(request: Request) -> MigrationError:
    return MigrationError(
        "terminó sin la línea de su prueba, así que no vale por hecha",
        left="Lo hecho queda, sin cerrar.",
        move=f"Repita la orden entera: {request.command.text(request.plan.phase, TAGS[request.plan.action])}",
        code="no_proof",
    )


def _note_reversion(conn: Connection, request: Request, ran: bool) -> list[str]:
    plan = request.plan
    reverted = 0
    if plan.phase != "fase0":  # it only prepared: what it knows stays known
        reverted = runs.mark_reverted(conn, plan.phase, [part for part in plan.parts if part])
    record_event(conn, request.run_id, "reversion", plan.phase, {"subfases": list(plan.parts), "ejecuciones": reverted})
    return [] if reverted or ran else [f"No había nada que deshacer de {plan.phase}; la contabilidad (esquema migracion) queda."]


def _close_dry_run(conn: Connection, request: Request) -> list[str]:
    decided, held = decision(conn, request), other_holder(conn, request)
    notes = [f"se negaría {refusal}" for refusal in decided.refusals]
    if held is not None:
        notes.append(f"se negaría [lease] {held.refusal()}")
    if request.missing and request.plan.action == APPLY:
        notes.append(f"terminaría sin completar: la subfase {' y la '.join(request.missing)} no tiene tablas en el mapeo")
    holds = decided.holds_a_dry_run or held is not None or bool(request.missing and request.plan.action == APPLY)
    verdict = "SIMULACIÓN: se negaría" if holds else WOULD_RUN
    lines = [escape(line) for line in request.ending(verdict, notes=tuple(notes), dry=True).lines(datetime.now(UTC))]
    if holds:
        details = {"lines": lines, **({"holder": asdict(held)} if held else {})}
        again = request.command.text(request.plan.phase, TAGS[request.plan.action], more=("--check",))
        raise MigrationError(
            "La simulación encontró motivos para negarse",
            left=NOTHING_CHANGED,
            move=f"Resuelva los que dice el resumen y repita: {again}",
            code="dry_run",
            details=details,
        )
    return lines
