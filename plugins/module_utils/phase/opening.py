"""The beginning of a phase: which database, what the gates say, the lease, the row in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..call.request import Request, dead_run, decision, identity_lines, other_holder
from ..core.errors import NOTHING_CHANGED, READ_ONLY_STEP, MigrationError
from ..core.phase.gates import GATES, Decision, override_argument
from ..core.phase.history import APPLY, TAGS, VERIFY, Plan, standing_parts
from ..core.words import escape
from ..ledger import bookkeeping, lease, runs
from ..ledger.events import record_event
from ..ledger.place import RUN_PLACE, moved, place_now
from ..server import db
from ..server.identity import require_writable

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def open_phase(conn: Connection, request: Request) -> list[str]:
    """Say which database this is, ask all gates, take the lease, begin the row.

    Raises MigrationError: code refused where a gate stays closed, lease where another run lives.
    """
    lines = identity_lines(conn)
    require_writable(conn)  # a proof leaves its event
    if bookkeeping.exists(conn):
        bookkeeping.check_identity(conn)
        lines += moved(conn, forward=request.plan.action == APPLY)
    if request.plan.action == VERIFY:
        if not bookkeeping.exists(conn):
            move = f"Empiece por fase0: {request.command.text('fase0')}"
            raise MigrationError("todavía no hay nada que verificar", left=READ_ONLY_STEP, move=move, code="refused")
        return lines
    if request.check:
        if not bookkeeping.exists(conn):
            bookkeeping.require_a_place(conn)
        return lines + check_lines(conn, request)
    with db.explaining("abrir la fase", left=NOTHING_CHANGED), db.transaction(conn):
        bookkeeping.lock(conn)
        if bookkeeping.exists(conn):
            bookkeeping.check_identity(conn)
        decided = decision(conn, request)
        if decided.refusals:
            raise refusal_of(request, decided, lines)
        bookkeeping.ensure_schema(conn)
        try:
            lines += lease.acquire(conn, claim_of(request, place_now(conn)), dead_run(request))
        except MigrationError as refusal:
            refusal.details["lines"] = lines
            raise
        lines += record_overrides(conn, request, decided)
        if has_work(conn, request.plan):
            runs.begin_run(conn, request.run_id)
    return lines


def claim_of(request: Request, place: Mapping[str, Any]) -> lease.Claim:
    """Who asks for the lease, and where."""
    who, plan = request.controller, request.plan
    parts = [part for part in plan.parts if part]
    return lease.Claim(
        run_id=request.run_id,
        phase=plan.phase,
        action=plan.action,
        host=str(who.get("host", "?")),
        pid=int(who.get("pid", 0)),
        operator=str(who.get("operator", "?")),
        process=who.get("process", {}),
        detail={"subfases": parts, "subfase": request.subphase, "runbook": who.get("runbook", {}), RUN_PLACE: place},
    )


def has_work(conn: Connection, plan: Plan) -> bool:
    """Whether the run gets its row at once: a completed phase only gets one when a module finds something to change."""
    recorded = runs.recorded_runs(conn)
    stands = standing_parts(recorded, plan.phase)
    if plan.action == APPLY:
        return not set(plan.parts) <= stands
    unfinished = any(r.phase == plan.phase and r.action == APPLY and r.state in ("fallida", "pausada") for r in recorded)
    return plan.phase != "fase0" and (unfinished or bool(set(plan.parts) & stands))


def record_overrides(conn: Connection, request: Request, decided: Decision) -> list[str]:
    """Passing a gate leaves a trace."""
    lines = []
    for refusal, reason in decided.overridden:
        detail = {"puerta": refusal.gate, "motivo": reason, "decia": refusal.message}
        record_event(conn, request.run_id, "puerta_saltada", request.plan.phase, detail)
        lines.append(f"Puerta {refusal.gate} saltada: {escape(reason)}. Decía: {refusal.message}")
    return lines


def refusal_of(request: Request, decided: Decision, lines: list[str]) -> MigrationError:
    """All gates that refuse, and the exact -e that passes those that may be passed."""
    plan = request.plan
    text = [""]
    for refusal in decided.refusals:
        text.append(f"  {refusal}")
        if refusal.first:
            phase, tags, part = refusal.first
            more = ("-e", f"subfase={part}") if part else ()
            text.append(f"      {request.command.text(phase, tags, more=more, without=('subfase',))}")
    # what this -e opened in another way is asked for by name too: no command repeats it
    opened = {gate.name: "" for gate in GATES if gate.setting in request.command.dropped}
    if argument := override_argument([refusal.gate for refusal in decided.refusals], {**request.settings.overrides, **opened}):
        call = request.command.text(plan.phase, TAGS[plan.action], more=(argument,))
        closed = any(not refusal.overridable for refusal in decided.refusals)
        text.append(f"  {'Lo demás se pasaría así' if closed else 'Si aun así debe ser'}, con su motivo: {call}")
    what, move = f"no se puede {plan.action} ahora", "\n".join(text)
    return MigrationError(what, left=NOTHING_CHANGED, move=move, code="refused", details={"lines": lines})


def check_lines(conn: Connection, request: Request) -> list[str]:
    """A dry run says every refusal and goes on."""
    decided = decision(conn, request)
    lines = ["Simulación (--check): no se cambia nada."]
    lines += [f"  se negaría {refusal}" for refusal in decided.refusals]
    lines += [f"  puerta {refusal.gate} saltada: {escape(reason)}" for refusal, reason in decided.overridden]
    if any(refusal.not_yet_run for refusal in decided.refusals):
        lines.append("  Se supone que las fases anteriores ya se ejecutaron.")
    if (held := other_holder(conn, request)) is not None:
        lines.append(f"  se negaría [lease] {held.refusal()}")
    elif (found := lease.holder(conn)) is not None:
        lines.append(f"  Se tomaría el relevo de la ejecución interrumpida {found.run_id}.")
    return lines
