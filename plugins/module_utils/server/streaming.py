"""Rows that go from the server into a file without passing through memory as rows; and how its own tools log in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .beside import login_of
from .lookout import under_way

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

CHUNK = 2**16
# What libpq 14 knows: psycopg2's own is newer, and names parameters of which an older program would end with an error.
UNDERSTOOD = frozenset(
    [
        "host",
        "hostaddr",
        "port",
        "user",
        "dbname",
        "passfile",
        "application_name",
        "connect_timeout",
        "options",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "channel_binding",
        "gssencmode",
        "target_session_attrs",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
    ]  # a list of words
)


class Sink(Protocol):
    """What takes the bytes."""

    def write(self, data: bytes, /) -> object:
        """Take some."""


def copy_out(conn: Connection, statement: str, sink: Sink) -> None:
    """Run COPY … TO STDOUT into ``sink``."""
    with conn.cursor() as cursor, under_way(conn):
        cursor.copy_expert(statement, sink, CHUNK)


def conninfo_of(conn: Connection, application: str, passfile: str) -> tuple[str, str]:
    """Return how PostgreSQL's own tools reach the same database, and the line of ``passfile``: the password is in that alone."""
    login = login_of(conn)
    password = str(login.pop("password") or "")
    wanted = {**login, "application_name": application, "passfile": passfile}
    quoted = {
        name: str(value).replace("\\", r"\\").replace("'", r"\'")
        for name, value in wanted.items()
        if name in UNDERSTOOD and value not in (None, "")
    }
    line = "*:*:*:*:" + password.replace("\\", r"\\").replace(":", r"\:")
    return " ".join(f"{name}='{value}'" for name, value in quoted.items()), line
