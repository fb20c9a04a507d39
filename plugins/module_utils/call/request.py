"""What a command is about, and the beginning of a phase: gates, lease, the row in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..core.errors import MigrationError
from ..core.mapping.file import load_mapping
from ..core.mapping.types import Mapping as TableMapping
from ..core.phase.command_line import Command
from ..core.phase.gates import APPLY, REVERT, VERIFY, Decision, Facts, Plan, decide, override_argument, standing
from ..core.phase.settings import check_values, parse_number, parse_overrides
from ..core.phase.summary import Ending, size
from ..core.phase.window import parse_window
from ..core.words import escape
from ..ledger import lease, runs
from ..server import db
from ..server.identity import describe, require_writable
from .runlog import RunLog

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Order:
    """What one call of the module is about."""

    params: Params
    plan: Plan
    ready: tuple[str, ...]  # the phase's subphases that have tables in the mapping
    missing: tuple[str, ...]  # those asked for that have none yet
    check: bool

    @property
    def run_id(self) -> str:
        """The run."""
        return str(self.params["run_id"])

    @property
    def command(self) -> Command:
        """How the operator called."""
        return Command.of(self.params["controller"].get("command", {}))

    @property
    def log(self) -> str:
        """Where the run's log lies, '' when none is written."""
        if self.check or not self.params["backup_dir"]:
            return ""
        return str(RunLog(self.params["backup_dir"], self.run_id).path)

    def ending(self, verdict: str, **more: Any) -> Ending:
        """The beginning of a summary."""
        part, services = ", ".join(self.plan.parts), bool(self.params["services_enabled"])
        phase, action = self.plan.phase, self.plan.action
        return Ending(phase, action, verdict, self.run_id, self.log, self.command, part, services, **more)


def order_of(params: Params, check: bool) -> Order:
    """Read mapping and subphase: which parts this command covers and which have no tables yet."""
    mapping = load_mapping(params["mapping"], params["mapping_path"])
    subphases = dict(mapping.subphases)
    own = subphases.get(params["phase"], ())
    asked = params["subphase"] if own else ""
    ready = parts_with_pairs(mapping, params["phase"])
    problems = check_values({"subfase": asked, "overrides": params["overrides"]}, own)
    if problems:
        raise MigrationError("; ".join(problems), code="refused")
    if own and (not ready or (asked and asked not in ready)):
        raise MigrationError(
            f"{params['phase']}: la subfase {asked or ' y '.join(own)} todavía no tiene tablas en el mapeo. No se cambió nada.",
            code="refused",
        )
    parts = (asked,) if asked else ready if own else ("",)
    missing = tuple(part for part in own if part not in ready and not asked)
    return Order(params, Plan(params["phase"], params["direction"], parts, subphases), ready, missing, check)


def parts_with_pairs(mapping: TableMapping, phase: str) -> tuple[str, ...]:
    """The subphases of a phase that have tables in the mapping."""
    filled = {pair.subphase for pair in mapping.pairs if pair.phase == phase}
    return tuple(part for part in dict(mapping.subphases).get(phase, ()) if part in filled)


def decision(conn: Connection, order: Order) -> Decision:
    """What the gates say now."""
    facts = Facts(
        now=datetime.now(UTC),
        runs=runs.recorded_runs(conn),
        window=parse_window(order.params["maintenance_window"]),
        stabilization_days=parse_number(order.params["stabilization_days"]),
        overrides=parse_overrides(order.params["overrides"]),
    )
    return decide(order.plan, facts)


def open_phase(conn: Connection, order: Order) -> list[str]:
    """Say which database this is, ask all gates, take the lease, begin the row."""
    lines = identity_lines(conn)
    require_writable(conn)  # a proof leaves its event
    if order.plan.action == VERIFY:
        if not runs.exists(conn):
            raise MigrationError(f"{order.plan.phase}: todavía no hay nada que verificar. Empiece por fase0.", code="refused")
        runs.check_identity(conn)
        return lines
    if order.check:
        return lines + check_lines(conn, order)
    with db.explained(f"{order.plan.phase}: abrir la fase"), db.transaction(conn):
        runs.lock(conn)
        if runs.exists(conn):
            runs.check_identity(conn)
        decided = decision(conn, order)
        if decided.refusals:
            raise MigrationError(refusal_text(order, decided), code="refused", details={"lines": lines})
        runs.ensure_schema(conn)
        try:
            lines += lease.acquire(conn, claim_of(order), dead_run(order))
        except MigrationError as refusal:
            raise MigrationError(str(refusal), code=refusal.code, details={**refusal.details, "lines": lines}) from None
        lines += record_overrides(conn, order, decided)
        if has_work(conn, order.plan):
            runs.begin(conn, order.run_id)
    return lines


def identity_lines(conn: Connection) -> list[str]:
    """Which database this is."""
    info = describe(conn)
    where = f"{info.database} en {info.host}:{info.port}"
    system = f", sistema {info.system}" if info.system else ""
    return [escape(f"Base de datos: {where} (PostgreSQL {info.version}{system}, {size(info.size)}), con el rol {info.role}")]


def claim_of(order: Order) -> lease.Claim:
    """Who asks for the lease."""
    who, plan = order.params["controller"], order.plan
    parts = [part for part in plan.parts if part]
    return lease.Claim(
        run_id=order.run_id,
        phase=plan.phase,
        action=plan.action,
        host=str(who.get("host", "?")),
        pid=int(who.get("pid", 0)),
        operator=str(who.get("operator", "?")),
        process=who.get("process", {}),
        detail={"subfases": parts, "subfase": order.params["subphase"]},
    )


def has_work(conn: Connection, plan: Plan) -> bool:
    """Whether the run gets its row at once: a completed phase only gets one when a module finds something to change."""
    recorded = runs.recorded_runs(conn)
    stands = standing(recorded, plan.phase)
    if plan.action == APPLY:
        return not set(plan.parts) <= stands
    unfinished = any(r.phase == plan.phase and r.action == APPLY and r.state in ("fallida", "pausada") for r in recorded)
    return plan.phase != "fase0" and (unfinished or bool(set(plan.parts) & stands))


def record_overrides(conn: Connection, order: Order, decided: Decision) -> list[str]:
    """Passing a gate leaves a trace."""
    lines = []
    for refusal, reason in decided.overridden:
        detail = {"puerta": refusal.gate, "motivo": reason, "decia": refusal.message}
        runs.event(conn, order.run_id, "puerta_saltada", order.plan.phase, detail)
        lines.append(f"Puerta {refusal.gate} saltada: {escape(reason)}. Decía: {refusal.message}")
    return lines


def refusal_text(order: Order, decided: Decision) -> str:
    """All gates that refuse, and the exact -e that passes those that may be passed."""
    plan = order.plan
    text = [f"{plan.phase} {plan.action}: no se puede ahora. No se cambió nada."]
    for refusal in decided.refusals:
        text.append(f"  [{refusal.gate}] {refusal.message}")
        if refusal.first:
            phase, tags, part = refusal.first
            more = ("-e", f"subfase={part}") if part else ()
            text.append(f"      {order.command.text(phase, tags, more=more, without=('subfase', 'overrides'))}")
    overrides = parse_overrides(order.params["overrides"])
    if argument := override_argument(decided.refusals, overrides):
        tags = "rollback" if plan.action == REVERT else ""
        call = order.command.text(plan.phase, tags, more=(argument,), without=("overrides",))
        closed = any(not refusal.overridable for refusal in decided.refusals)
        text.append(f"  {'Lo demás se pasaría así' if closed else 'Si aun así debe ser'}, con su motivo: {call}")
    return "\n".join(text)


def check_lines(conn: Connection, order: Order) -> list[str]:
    """A dry run says every refusal and goes on."""
    decided = decision(conn, order)
    lines = ["Simulación (--check): no se cambia nada."]
    lines += [f"  se negaría [{r.gate}] {r.message}" for r in decided.refusals]
    lines += [f"  puerta {refusal.gate} saltada: {escape(reason)}" for refusal, reason in decided.overridden]
    if any(refusal.not_yet_run for refusal in decided.refusals):
        lines.append("  Se supone que las fases anteriores ya se ejecutaron.")
    if (held := other_holder(conn, order)) is not None:
        lines.append(f"  se negaría [lease] {held.refusal()}")
    elif (found := lease.holder(conn)) is not None:
        lines.append(f"  Se tomaría el relevo de la ejecución interrumpida {found.run_id}.")
    return lines


def other_holder(conn: Connection, order: Order) -> lease.Holder | None:
    """Somebody else who runs now, and from whom the lease would not be taken."""
    held = lease.holder(conn)
    if held is None or held.run_id == order.run_id or lease.is_over(conn, held, dead_run(order)):
        return None
    return held


def dead_run(order: Order) -> str:
    """The run whose process the controller found dead."""
    return str(order.params["controller"].get("dead_run", ""))
