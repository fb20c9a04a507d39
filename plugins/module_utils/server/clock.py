"""The server's clock: what is decided by time goes by it, since runners have clocks of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def server_time(conn: Connection) -> datetime:
    """What the server's clock says now, in UTC."""
    row = db.fetch_one(conn, "SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8")
    assert row is not None
    return datetime.fromtimestamp(row[0], UTC)


def both_clocks(conn: Connection) -> tuple[datetime, datetime]:
    """Return the server's clock and this machine's, in UTC; the time that the question took counts for neither."""
    before, there, after = datetime.now(UTC), server_time(conn), datetime.now(UTC)
    return there, min(max(there, before), after)
