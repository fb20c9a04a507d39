"""The request to stop: at any time, from any machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..call.request import Request, dead_run, identity_lines
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.phase.history import REVERT
from ..core.words import escape
from ..ledger import bookkeeping, lease
from ..ledger.events import record_event
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def stop(conn: Connection, request: Request) -> list[str]:
    """Ask the run that has the lease to stop at its next batch. It becomes ``pausada``; the same command goes on.

    Raises MigrationError, code refused, for a way back.
    """
    where = request.command.text("estado")
    lines = identity_lines(conn)
    if bookkeeping.exists(conn):
        bookkeeping.check_identity(conn)
    held = lease.holder(conn)
    if held is None:
        return [*lines, "No hay ninguna fase en marcha: nada que parar."]
    if lease.is_over(conn, held, dead_run(request)):
        return [*lines, escape(f"{held.in_words}: esa ejecución ya no vive. La misma orden toma el relevo.")]
    if held.action == REVERT:
        raise MigrationError(
            f"{held.in_words}: una vuelta atrás no se detiene a medias, es una sola transacción",
            left=NOTHING_CHANGED,
            move=f"Espere a que termine; se ve con: {where}",
            code="refused",
        )
    if request.check:
        return [*lines, escape(f"Se pediría parar a {held.in_words}.")]
    with db.explaining("pedir la parada", left=NOTHING_CHANGED), db.transaction(conn):
        if not lease.request_stop(conn, held.run_id):
            return [*lines, escape(f"{held.run_id} acaba de terminar: nada que parar.")]
        record_event(conn, held.run_id, "parada_pedida", held.phase, {"por": request.controller.get("operator", "?")})
    return [*lines, escape(f"Parada pedida a {held.in_words}: se detiene entre dos lotes y queda pausada. Se ve con: {where}")]
