"""Which server and database this is, and whether it may be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import NOTHING_CHANGED, MigrationError
from . import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True)
class DatabaseInfo:
    """Which database this is, for the first lines of every run."""

    host: str
    port: int
    database: str
    role: str
    system: str
    version: str
    size: int


def describe_database(conn: Connection) -> DatabaseInfo:
    """Which database this is."""
    row = db.fetch_one(
        conn,
        "SELECT current_database(), current_user, current_setting('server_version'), pg_database_size(current_database())",
    )
    assert row is not None
    info = conn.info
    return DatabaseInfo(info.host, info.port, row[0], row[1], system_identifier(conn), row[2].split()[0], row[3])


def system_identifier(conn: Connection) -> str:
    """The cluster's identifier, '' where the role may not ask."""
    allowed = db.fetch_one(conn, "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')")
    if not allowed or not allowed[0]:
        return ""
    row = db.fetch_one(conn, "SELECT system_identifier FROM pg_catalog.pg_control_system()")
    return str(row[0]) if row else ""


def require_writable(conn: Connection) -> None:
    """Refuse a standby and the read-only mode: nothing here overrides it."""
    row = db.fetch_one(conn, "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool")
    if row and row[0]:
        raise MigrationError(
            "Este servidor es una réplica en espera (solo lectura)",
            left=NOTHING_CHANGED,
            move="Use la dirección del primario.",
            code="read_only",
        )
    if row and row[1]:
        raise MigrationError(
            "La base está en modo de solo lectura (default_transaction_read_only = on), y nada fuerza ese modo",
            left=NOTHING_CHANGED,
            move="En Supabase lo pone el disco al 95 %: libere espacio o amplíelo, espere a que el modo se quite y repita.",
            code="read_only",
        )
