"""Where the legacy tables are, as the ledger has it: in place, in the schema legado, or on their way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.contraction.moving import MOVED_AWAY, RETURNED, UNDONE, Archived, archived_of
from ..server import db
from . import bookkeeping
from .events import last_event

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def last_move(conn: Connection) -> tuple[str, Archived | None]:
    """Return the last step (MOVED_AWAY, RETURNED, UNDONE, '' for none) and, unless all is undone, what the move did.

    RETURNED: the tables are back, and what changed on the Spanish side is still to be carried, or keys to be swapped.
    """
    if not bookkeeping.exists(conn):
        return "", None
    last = last_event(conn, (MOVED_AWAY, RETURNED, UNDONE))
    if last is None or last.kind == UNDONE:
        return last.kind if last else "", None
    row = db.fetch_one(conn, "SELECT detalle FROM migracion.evento WHERE tipo = %s ORDER BY id DESC LIMIT 1", (MOVED_AWAY,))
    assert row is not None
    return last.kind, archived_of(row[0])
