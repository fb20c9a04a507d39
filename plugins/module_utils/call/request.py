"""What one call of a phase is about: what was asked for, what the gates say of it, which database, who else runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.errors import NOTHING_CHANGED, STEP_CHANGED_NOTHING, MigrationError
from ..core.mapping.file import load_mapping
from ..core.mapping.types import TableMapping
from ..core.phase.command_line import Command
from ..core.phase.gates import Decision, Facts, decide
from ..core.phase.history import Plan
from ..core.phase.settings import Settings, settings_of, unknown_subphase
from ..core.phase.summary import Ending
from ..core.words import escape, size
from ..ledger import lease, runs
from ..server.clock import both_clocks
from ..server.identity import describe_database
from .applied import phases_begun
from .runlog import RunLog

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What one call of the module is about."""

    run_id: str
    plan: Plan
    ready: tuple[str, ...]  # the phase's subphases that have tables in the mapping
    missing: tuple[str, ...]  # those asked for that have none yet
    check: bool
    mapping: TableMapping
    settings: Settings
    subphase: str  # as the operator gave it
    backup_dir: str
    controller: Mapping[str, Any]  # who calls, and how
    failure: Mapping[str, Any]  # what failed: msg and code

    @property
    def command(self) -> Command:
        """How the operator called."""
        return Command.of(self.controller.get("command", {}))

    @property
    def log(self) -> str:
        """Where the run's log lies, '' when none is written or none can be."""
        return str(self.run_log.path) if self.run_log.backup_dir and not self.run_log.problem() else ""

    @property
    def run_log(self) -> RunLog:
        """The run's log; a dry run writes none."""
        return RunLog("" if self.check else self.backup_dir, self.run_id)

    def ending(self, verdict: str, **more: Any) -> Ending:
        """The beginning of a summary."""
        part, services = ", ".join(self.plan.parts), self.settings.services_enabled
        phase, action = self.plan.phase, self.plan.action
        return Ending(phase, action, verdict, self.run_id, self.log, self.command, part, services, **more)


def request_of(params: Params, check: bool) -> Request:
    """Read mapping, settings and subphase: which parts this command covers and which have no tables yet.

    Raises MigrationError, code refused, for a value that cannot be and for a subphase without tables.
    """
    settings = settings_of(params)
    mapping = load_mapping(params["mapping"], params["mapping_path"])
    subphases = dict(mapping.subphases)
    own = subphases.get(params["phase"], ())
    asked = params["subphase"] if own else ""
    ready = parts_with_pairs(mapping, params["phase"])
    left = STEP_CHANGED_NOTHING if params["operation"] in ("close", "fail") else NOTHING_CHANGED
    if wrong := unknown_subphase(asked, own):
        raise MigrationError(wrong, left=left, move="Corríjala y repita la orden.", code="refused")
    if own and (not ready or (asked and asked not in ready)):
        approve = Command.of(params["controller"].get("command", {})).text("fase0")
        raise MigrationError(
            f"la subfase {asked or ' y '.join(own)} todavía no tiene tablas en el mapeo",
            left=left,
            move=f"Ponga sus tablas en el mapeo y apruébelo: {approve}",
            code="refused",
        )
    parts = (asked,) if asked else ready if own else ("",)
    missing = tuple(part for part in own if part not in ready and not asked)
    return Request(
        run_id=params["run_id"],
        plan=Plan(params["phase"], params["direction"], parts, subphases),
        ready=ready,
        missing=missing,
        check=check,
        mapping=mapping,
        settings=settings,
        subphase=params["subphase"],
        backup_dir=params["backup_dir"],
        controller=params["controller"],
        failure=params["failure"],
    )


def parts_with_pairs(mapping: TableMapping, phase: str) -> tuple[str, ...]:
    """The subphases of a phase that have tables in the mapping."""
    filled = {pair.subphase for pair in mapping.pairs if pair.phase == phase}
    return tuple(part for part in dict(mapping.subphases).get(phase, ()) if part in filled)


def decision(conn: Connection, request: Request) -> Decision:
    """What the gates say now."""
    now, runner = both_clocks(conn)
    begun = phases_begun(conn, request.mapping, runs.begun_pairs(conn))
    return decide(Facts(request.settings, now, runner, request.plan, runs.recorded_runs(conn), begun))


def identity_lines(conn: Connection) -> list[str]:
    """Which database this is."""
    info = describe_database(conn)
    where = f"{info.database} en {info.host}:{info.port}"
    system = f", sistema {info.system}" if info.system else ""
    return [escape(f"Base de datos: {where} (PostgreSQL {info.version}{system}, {size(info.size)}), con el rol {info.role}")]


def other_holder(conn: Connection, request: Request) -> lease.Holder | None:
    """Somebody else who runs now, and from whom the lease would not be taken."""
    held = lease.holder(conn)
    if held is None or held.run_id == request.run_id or lease.is_over(conn, held, dead_run(request)):
        return None
    return held


def dead_run(request: Request) -> str:
    """The run whose process the controller found dead."""
    return str(request.controller.get("dead_run", ""))
