"""The way back of fase1: the tables that it made are dropped while they are empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.mapping.types import TableMapping
from ..core.sqltext import qname
from ..ledger import bookkeeping
from ..server.db import Error, fetch_all, fetch_one, run_sql
from .tables import missing_tables

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

DEPENDENTS = "2BP01"  # dependent objects still exist


def made_by_us(conn: Connection, mapping: TableMapping) -> list[str]:
    """Return the existing tables that fase1 made and has not dropped since, children first."""
    if not bookkeeping.exists(conn):
        return []
    made: set[str] = set()
    for kind, detail in fetch_all(
        conn,
        "SELECT tipo, detalle FROM migracion.evento WHERE tipo IN ('tablas_creadas', 'tablas_borradas') ORDER BY id",
    ):
        made = made | set(detail["tablas"]) if kind == "tablas_creadas" else made - set(detail["tablas"])
    missing = {t.name for t in missing_tables(conn, mapping)}
    return [t.name for t in reversed(mapping.tables) if t.name in made - missing]


def require_empty(conn: Connection, mapping: TableMapping, names: Sequence[str]) -> None:
    """Lock the tables against everybody and refuse when one of them holds rows."""
    listed = ", ".join(qname(mapping.schema, name) for name in names)
    run_sql(conn, f"LOCK TABLE {listed} IN ACCESS EXCLUSIVE MODE")
    full = [n for n in names if fetch_one(conn, _any_row(mapping.schema, n)) is not None]
    if full:
        last = mapping.last_phase(full) or "fase2"
        raise MigrationError(
            f"{', '.join(full)} ya tiene filas; deshacer fase1 las borraría",
            left=NOTHING_CHANGED,
            move=f"Deshaga antes la copia: ansible-playbook {last}.yml --tags rollback con el mismo -i.",
            code="unsafe",
        )


def _any_row(schema: str, name: str) -> str:
    return f"SELECT 1 FROM {qname(schema, name)} LIMIT 1"


def drop_tables(conn: Connection, mapping: TableMapping, names: Sequence[str]) -> None:
    """Drop the tables in the caller's transaction, never CASCADE.

    Raises MigrationError, code unsafe, where they hold rows or others have built on them.
    """
    require_empty(conn, mapping, names)
    try:
        run_sql(conn, f"DROP TABLE {', '.join(qname(mapping.schema, name) for name in names)}")
    except Error as error:
        if error.pgcode != DEPENDENTS:
            raise
        users = "; ".join((error.diag.message_detail or "").splitlines())
        raise MigrationError(
            f"hay objetos que usan estas tablas, y nada se borra en cascada ({users})",
            left=NOTHING_CHANGED,
            move="Quite esos objetos, guardando su definición, y repita fase1.yml --tags rollback con el mismo -i.",
            code="unsafe",
        ) from error
