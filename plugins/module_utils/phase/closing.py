"""The end of a phase: the row's last state, the lease given back, the summary."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..call.request import Order, decision, other_holder
from ..core.errors import MigrationError
from ..core.phase.history import APPLY, REVERT, VERIFY, standing
from ..core.words import escape
from ..ledger import lease, runs
from ..ledger.events import Event, event, last_event, open_quarantine, pending, waived_quarantine
from ..server import db
from .failing import tell

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# One of these events proves that the checks of a phase really ran.
PROOFS = ("prueba", "verificacion_esquema", "aprobacion")
# And one of these, that its way back did; fase0 has nothing to undo.
REVERSALS = ("vaciado", "tablas_borradas")


def close_phase(conn: Connection, order: Order) -> list[str]:
    """Everything that was asked for holds: say so in the bookkeeping, and in words."""
    plan = order.plan
    if order.check:
        return _close_dry_run(conn, order)
    back = plan.action == REVERT
    proof = last_event(conn, REVERSALS if back else PROOFS, order.run_id)
    if proof is None and not (back and plan.phase == "fase0"):
        raise MigrationError(f"{plan.phase}: terminó sin la línea de su prueba, así que no vale por hecha.", code="no_proof")
    notes = []
    if plan.action != VERIFY:
        with db.explained(f"{plan.phase}: cerrar la fase"), db.transaction(conn):
            if not lease.heartbeat(conn, order.run_id):
                lease.fence(conn, order.run_id)
            ran = runs.set_state(conn, order.run_id, "completada")
            notes = _note_reversion(conn, order, ran) if plan.action == REVERT else []
            lease.release(conn, order.run_id)
        if not ran and not notes:
            notes = ["Ya estaba hecha: se comparó y no había nada que cambiar."]
    verdict = {APPLY: "COMPLETADA", REVERT: "DESHECHA", VERIFY: "VERIFICADA"}[plan.action]
    if order.missing and plan.action != REVERT:
        verdict = "INCOMPLETA"
        notes.append(
            f"La subfase {' y la '.join(order.missing)} todavía no tiene tablas en el mapeo: {plan.phase} no está "
            f"completa. La {' y la '.join(plan.parts)} sí."
        )
    return _finish(conn, order, verdict, notes, proof)


def _finish(conn: Connection, order: Order, verdict: str, notes: list[str], proof: Event | None) -> list[str]:
    stands = standing(runs.recorded_runs(conn), order.plan.phase)
    waiting = tuple(part for part in order.plan.all_parts(order.plan.phase) if part and part not in stands)
    ending = order.ending(
        verdict,
        waiting=waiting,
        ready=bool(set(waiting[:1]) & set(order.ready)),
        proof=proof.detail if proof and proof.kind == "prueba" else None,
        quarantine=open_quarantine(conn),
        waived=waived_quarantine(conn),
        pending=pending(conn),
        notes=tuple(notes),
        can_undo=order.plan.action == APPLY,
    )
    lines = [escape(line) for line in ending.lines(datetime.now(UTC))]
    if verdict == "INCOMPLETA":
        tell(order, lines)
        raise MigrationError(notes[-1], code="incomplete", details={"lines": lines})
    return lines


def _note_reversion(conn: Connection, order: Order, ran: bool) -> list[str]:
    plan = order.plan
    reverted = 0
    if plan.phase != "fase0":  # it only prepared: what it knows stays known
        reverted = runs.mark_reverted(conn, plan.phase, [part for part in plan.parts if part])
    event(conn, order.run_id, "reversion", plan.phase, {"subfases": list(plan.parts), "ejecuciones": reverted})
    return [] if reverted or ran else [f"No había nada que deshacer de {plan.phase}; la contabilidad (esquema migracion) queda."]


def _close_dry_run(conn: Connection, order: Order) -> list[str]:
    decided, held = decision(conn, order), other_holder(conn, order)
    notes = [f"se negaría [{r.gate}] {r.message}" for r in decided.refusals]
    if held is not None:
        notes.append(f"se negaría [lease] {held.refusal()}")
    if order.missing and order.plan.action == APPLY:
        notes.append(f"terminaría sin completar: la subfase {' y la '.join(order.missing)} no tiene tablas en el mapeo")
    holds = decided.holds_a_dry_run or held is not None or bool(order.missing and order.plan.action == APPLY)
    verdict = "SIMULACIÓN: se negaría" if holds else "SIMULACIÓN: se podría ejecutar"
    lines = [escape(line) for line in order.ending(verdict, notes=tuple(notes), dry=True).lines(datetime.now(UTC))]
    if holds:
        details = {"lines": lines, **({"holder": asdict(held)} if held else {})}
        raise MigrationError("La simulación encontró motivos para negarse.", code="dry_run", details=details)
    return lines
