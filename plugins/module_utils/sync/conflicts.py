"""The errors that services saw because of the sync, as their sequences have counted them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.sqltext import qname
from ..core.sync.conflicts import CONFLICTS
from ..server.db import fetch_all, run_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_COUNTED = "SELECT sequencename::text, last_value FROM pg_sequences WHERE schemaname = %s AND sequencename ~ %s ORDER BY 1"


def conflicts_counted(conn: Connection) -> dict[str, int]:
    """Return by name of its sequence how many errors the writers of each table saw; tables without any are left out."""
    return {name: count for name, count in fetch_all(conn, _COUNTED, (BOOKKEEPING, f"^{CONFLICTS}_")) if count}


def forget_conflicts(conn: Connection) -> None:
    """Drop the sequences, where no pair's sync is left."""
    for name, _ in fetch_all(conn, _COUNTED, (BOOKKEEPING, f"^{CONFLICTS}_")):
        run_sql(conn, f"DROP SEQUENCE {qname(BOOKKEEPING, name)}")
