"""The end of a phase: the row's last state, the lease given back, the summary; and where the migration stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..call.request import Order, Params, decision, open_phase, order_of, other_holder
from ..call.runlog import RunLog
from ..core.errors import MigrationError
from ..core.phase.gates import APPLY, REVERT, VERIFY, standing
from ..core.words import escape
from ..ledger import lease, runs
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# One of these events proves that the checks of a phase really ran.
PROOFS = ("prueba", "verificacion_esquema", "aprobacion")
# And one of these, that its way back did; fase0 has nothing to undo.
REVERSALS = ("vaciado", "tablas_borradas")
# The ledger cannot be written, or is not this database's.
NO_LEDGER = ("identity", "read_only")
# Raised before the run had begun.
NOT_BEGUN = ("refused", "lease", "no_run", *NO_LEDGER)
# The summary was printed and the ledger is right: only the exit code is left to tell.
ALREADY_TOLD = ("incomplete", "dry_run")

# What ansible-core puts before a module's own words.
PREFIX = "Task failed: Module failed: "

Operation = Callable[["Connection", Order], list[str]]


def run(params: Params, check: bool) -> dict[str, Any]:
    """The module's work, by operation."""
    if not params["run_id"]:
        raise MigrationError(runs.SKIPPED_GUARD, code="no_run")
    order, operation = order_of(params, check), _operation(params["operation"])
    with _connected(order) as conn:
        lines = operation(conn, order)
        asks = params["operation"] == "stop" or (check and params["operation"] == "open")
        held = other_holder(conn, order) if asks else None
        return {"changed": False, "lines": lines, **({"holder": asdict(held)} if held else {})}


def _operation(name: str) -> Operation:
    """What only reads is imported for those who ask for it: a module comes as a zip and is compiled each time it runs."""
    if name == "quarantine":
        from ..quarantine.listing import quarantine

        return quarantine
    if name in ("status", "stop"):
        from .status import status, stop

        return status if name == "status" else stop
    return {"open": open_phase, "close": close_phase, "fail": fail_phase}[name]


@contextmanager
def _connected(order: Order) -> Iterator[Connection]:
    """A connection; a failure that cannot be written down because the server is gone is still the one that is told."""
    try:
        conn = db.connect(order.params["database_url"], order.run_id)
    except MigrationError as error:
        if order.params["operation"] != "fail":
            raise
        reason = str(order.params["failure"].get("msg", "")).removeprefix(PREFIX)
        tell(order, [reason, str(error)])
        raise MigrationError(
            f"{reason}\nEl fallo no se pudo anotar, lo anotará la próxima ejecución: {error}", code=error.code
        ) from None
    try:
        yield conn
    finally:
        conn.close()


def close_phase(conn: Connection, order: Order) -> list[str]:
    """Everything that was asked for holds: say so in the runs, and in words."""
    plan = order.plan
    if order.check:
        return _close_dry_run(conn, order)
    back = plan.action == REVERT
    proof = runs.last_event(conn, REVERSALS if back else PROOFS, order.run_id)
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


def _finish(conn: Connection, order: Order, verdict: str, notes: list[str], proof: runs.Event | None) -> list[str]:
    stands = standing(runs.recorded_runs(conn), order.plan.phase)
    waiting = tuple(part for part in order.plan.all_parts(order.plan.phase) if part and part not in stands)
    ending = order.ending(
        verdict,
        waiting=waiting,
        ready=bool(set(waiting[:1]) & set(order.ready)),
        proof=proof.detail if proof and proof.kind == "prueba" else None,
        quarantine=runs.open_quarantine(conn),
        waived=runs.waived_quarantine(conn),
        pending=runs.pending(conn),
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
    runs.event(conn, order.run_id, "reversion", plan.phase, {"subfases": list(plan.parts), "ejecuciones": reverted})
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


def fail_phase(conn: Connection, order: Order) -> list[str]:
    """Write down that the run failed, give the lease back, say what to do; and fail, or the exit code would be 0."""
    failure = order.params["failure"]
    code, reason = str(failure.get("code", "")), str(failure.get("msg", "")).removeprefix(PREFIX) or "falló una tarea"
    if code in ALREADY_TOLD:
        raise MigrationError(reason, code=code)
    begun, notes = _record_failure(conn, order, code, reason)
    verdict = "PAUSADA" if code == "paused" else "NO EMPEZÓ" if code in NOT_BEGUN and not begun else "FALLIDA"
    proof = runs.last_event(conn, ("prueba",), order.run_id)
    ending = order.ending(
        verdict,
        proof=proof.detail if proof else None,
        quarantine=runs.open_quarantine(conn) if begun else (),
        waived=runs.waived_quarantine(conn) if begun else (),
        notes=(*escape_lines(reason), *notes),
        can_undo=begun and order.plan.action == APPLY,
        repeat=not order.check,
        dry=order.check,
    )
    lines = [escape(line) for line in ending.lines(datetime.now(UTC))]
    tell(order, lines)
    raise MigrationError(f"{escape_lines(reason)[0]} (El resumen está arriba.)", code=code or "error", details={"lines": lines})


def _record_failure(conn: Connection, order: Order, code: str, reason: str) -> tuple[bool, list[str]]:
    """Whether the run had begun, and what there is to say about it."""
    if order.check or order.plan.action == VERIFY:
        return False, []
    if code in NO_LEDGER or not runs.exists(conn):
        return False, []
    state = "pausada" if code == "paused" else "fallida"
    try:
        with db.explained(), db.transaction(conn):
            begun = runs.set_state(conn, order.run_id, state, {"motivo": reason})
            lease.release(conn, order.run_id)
    except MigrationError as error:
        return True, [f"El fallo no se pudo anotar ({error}); lo anotará la próxima ejecución."]
    return begun, [] if begun or code in NOT_BEGUN else ["No llegó a cambiar nada."]


def escape_lines(text: str) -> list[str]:
    """Each line by itself: a line end is the only control character that stays."""
    return [escape(line) for line in text.splitlines()]


def tell(order: Order, lines: list[str]) -> None:
    """Into the log too, where the error alone would be written. A log that cannot be written hides no other failure."""
    with suppress(MigrationError):
        RunLog("" if order.check else order.params["backup_dir"], order.run_id).write(lines)
