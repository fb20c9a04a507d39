"""Puts rows that cannot be read aside under the run's lease, wherever a run meets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..core.rows.routes import Route
from ..ledger import lease
from ..quarantine.unreadable import put_unreadable_aside
from ..server.db import transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def put_aside(conn: Connection, run_id: str, routes: Sequence[Route], tell: Callable[[str], None]) -> list[str]:
    """Quarantine what cannot be read of the tables that the routes read; a phrase for each, which ``tell`` gets as a line."""
    with transaction(conn):
        lease.fence(conn, run_id)
        phrases = put_unreadable_aside(conn, routes)
    for phrase in phrases:
        tell(f"{phrase}; quedan en cuarentena sin ese valor")
    return phrases
