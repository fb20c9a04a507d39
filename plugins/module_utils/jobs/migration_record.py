"""What the module migration_record does: write into the ledger what was done where no database is reached."""

from __future__ import annotations

from typing import Any

from ..call.context import opened
from ..core.errors import STEP_CHANGED_NOTHING
from ..core.services.steps import BACK, STEP, last_steps
from ..ledger.events import record_event
from ..ledger.service_steps import service_steps
from ..server import db
from ..sync.modes import require_on


def record_step(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Write one step of a service, before or after it. The run has its row from the first one on.

    Raises MigrationError: code lease_lost or no_run where this run may not change anything, paused after a stop request.
    """
    with db.explaining(left=STEP_CHANGED_NOTHING), opened(params, check) as context:
        if params["needs_sync"]:
            require_on(context.conn)
        last = last_steps(service_steps(context.conn)).get((params["maquina"], params["servicio"]), {"estado": BACK})
        if check or params["estado"] == last["estado"] == BACK:
            return {"lines": []}
        context.begin()
        detail = {name: params[name] for name in ("maquina", "servicio", "estado", "valor") if params[name]}
        record_event(context.conn, context.run_id, STEP, context.phase, {**detail, **params["detalle"]})
        return {"lines": []}
