"""The end of a run that failed: written down, the lease given back, told with what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..call.request import Request
from ..core.errors import COMMITTED_STAYS, MigrationError, RepeatedError
from ..core.phase.history import APPLY, VERIFY
from ..core.services.steps import step_lines
from ..core.words import escape
from ..ledger import bookkeeping, lease, runs
from ..ledger.events import last_event, open_quarantine, waived_quarantine
from ..ledger.service_steps import service_steps
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# The ledger cannot be written, or is not this database's.
NO_LEDGER = ("identity", "read_only")


# Raised before the run had begun.
NOT_BEGUN = ("refused", "lease", "no_run", *NO_LEDGER)


# The summary was printed and the ledger is right: only the exit code is left to tell.
ALREADY_TOLD = ("incomplete", "dry_run")


# What ansible-core puts before a module's own words.
PREFIX = "Task failed: Module failed: "


def fail_phase(conn: Connection, request: Request) -> list[str]:
    """Write down that the run failed, give the lease back, say what to do; and fail, or the exit code would be 0.

    Raises MigrationError with the code of the failure, always.
    """
    failure = request.failure
    code, reason = str(failure.get("code", "")), str(failure.get("msg", "")).removeprefix(PREFIX) or "falló una tarea"
    if code in ALREADY_TOLD:
        raise RepeatedError(reason, code=code)
    begun, notes = _record_failure(conn, request, code, reason)
    verdict = "PAUSADA" if code == "paused" else "NO EMPEZÓ" if code in NOT_BEGUN and not begun else "FALLIDA"
    proof = last_event(conn, ("prueba",), request.run_id)
    ending = request.ending(
        verdict,
        proof=proof.detail if proof else None,
        quarantine=open_quarantine(conn) if begun else (),
        waived=waived_quarantine(conn) if begun else (),
        notes=(*escape_lines(reason), *notes),
        can_undo=begun and request.plan.action == APPLY,
        services_said=tuple(step_lines(service_steps(conn, request.run_id))),
        repeat=not request.check,
        dry=request.check,
    )
    lines = [escape(line) for line in ending.lines(datetime.now(UTC))]
    tell(request, lines)
    raise RepeatedError(f"{escape_lines(reason)[0]} (El resumen está arriba.)", code=code or "error", details={"lines": lines})


def _record_failure(conn: Connection, request: Request, code: str, reason: str) -> tuple[bool, list[str]]:
    """Whether the run had begun, and what there is to say about it."""
    if request.check or request.plan.action == VERIFY:
        return False, []
    if code in NO_LEDGER or not bookkeeping.exists(conn):
        return False, []
    state = "pausada" if code == "paused" else "fallida"
    try:
        with db.explaining(left=COMMITTED_STAYS), db.transaction(conn):
            db.run_sql(conn, "SET LOCAL synchronous_commit = local")  # what failed may be the standby
            begun = runs.set_state(conn, request.run_id, state, {"motivo": reason})
            lease.release(conn, request.run_id)
    except MigrationError as error:
        return True, [f"El fallo no se pudo anotar ({error.what}); lo anotará la próxima ejecución."]
    idle = not begun and code not in NOT_BEGUN and runs.run_of(conn, request.run_id) is None
    return begun, ["No llegó a cambiar nada."] if idle else []


def escape_lines(text: str) -> list[str]:
    """Each line by itself: a line end is the only control character that stays."""
    return [escape(line) for line in text.splitlines()]


def tell(request: Request, lines: list[str]) -> None:
    """Into the log too, where the error alone would be written. A log that cannot be written hides no other failure."""
    request.run_log.write(lines)
