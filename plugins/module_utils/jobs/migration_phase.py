"""What the module migration_phase does, by operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..call.request import Params, Request, other_holder, request_of
from ..core.errors import COMMITTED_STAYS, READ_ONLY_STEP, MigrationError, RepeatedError, skipped_guard
from ..core.phase.history import VERIFY
from ..phase.closing import close_phase
from ..phase.failing import PREFIX, fail_phase, tell
from ..phase.opening import open_phase
from ..server import db
from ..server.connect import connect

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


Operation = Callable[["Connection", Request], list[str]]


def run(params: Params, check: bool) -> dict[str, Any]:
    """The module's work, by operation. Raises MigrationError, code no_run, where no guard has begun a run."""
    if not params["run_id"]:
        raise skipped_guard()
    request, operation = request_of(params, check), _operation(params["operation"])
    reads = check or request.plan.action == VERIFY or params["operation"] in ("status", "quarantine", "set_aside")
    with db.explaining(left=READ_ONLY_STEP if reads else COMMITTED_STAYS), _connected(params, request) as conn:
        lines = operation(conn, request)
        asks = params["operation"] == "stop" or (check and params["operation"] == "open")
        held = other_holder(conn, request) if asks else None
        return {"changed": False, "lines": lines, **({"holder": asdict(held)} if held else {})}


def _operation(name: str) -> Operation:
    """What only reads is imported for those who ask for it: a module comes as a zip and is compiled each time it runs."""
    if name == "quarantine":
        from ..quarantine.listing import quarantine

        return quarantine
    if name == "set_aside":
        from ..quarantine.set_aside import set_aside

        return set_aside
    if name in ("status", "stop"):
        from ..phase.status import status
        from ..phase.stopping import stop

        return status if name == "status" else stop
    return {"open": open_phase, "close": close_phase, "fail": fail_phase}[name]


@contextmanager
def _connected(params: Params, request: Request) -> Iterator[Connection]:
    """A connection; a failure that cannot be written down because the server is gone is still the one that is told."""
    try:
        conn = connect(params["database_url"], request.run_id)
    except MigrationError as error:
        if params["operation"] != "fail":
            raise
        reason = str(request.failure.get("msg", "")).removeprefix(PREFIX)
        tell(request, [reason, str(error)])
        said = f"{reason}\nEl fallo no se pudo anotar, lo anotará la próxima ejecución: {error}"
        raise RepeatedError(said, code=error.code) from None
    try:
        yield conn
    finally:
        conn.close()
