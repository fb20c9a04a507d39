"""What the ledger remembers of each repository, and who writes to the legacy tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..core.rewrite.quiet import LegacyWrite
from ..core.rows.writers import WRITERS
from ..ledger import bookkeeping
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

BEGUN, DONE, TAKEN_BACK = "codigo_empezado", "codigo_reescrito", "codigo_devuelto_repositorio"
PROVED, REVERTED = "codigo", "codigo_devuelto"


def repository_state(conn: Connection, path: str) -> tuple[str, Mapping[str, Any]]:
    """Return the last event of a repository and its detail; '' where there is none, or it was taken back."""
    if not bookkeeping.exists(conn):
        return "", {}
    row = db.fetch_one(
        conn,
        "SELECT tipo, detalle FROM migracion.evento WHERE tipo = ANY (%s) AND detalle ->> 'repositorio' = %s"
        " ORDER BY id DESC LIMIT 1",
        ([BEGUN, DONE, TAKEN_BACK], path),
    )
    return (row[0], row[1]) if row and row[0] != TAKEN_BACK else ("", {})


def repositories_begun(conn: Connection) -> list[str]:
    """Return the repositories of which something is to be taken back, also those that the settings name no more."""
    if not bookkeeping.exists(conn):
        return []
    rows = db.fetch_all(
        conn,
        "SELECT ruta FROM (SELECT DISTINCT ON (detalle ->> 'repositorio') detalle ->> 'repositorio' AS ruta, tipo"
        " FROM migracion.evento WHERE tipo = ANY (%s) ORDER BY detalle ->> 'repositorio', id DESC) e WHERE tipo <> %s ORDER BY 1",
        ([BEGUN, DONE, TAKEN_BACK], TAKEN_BACK),
    )
    return [row[0] for row in rows]


def legacy_writes(conn: Connection, tables: Collection[str]) -> tuple[LegacyWrite, ...]:
    """Return the last write of each role and application to each legacy table, as far as it is counted yet."""
    if not bookkeeping.exists(conn):
        return ()
    rows = db.fetch_all(
        conn,
        f"SELECT tabla, rol, aplicacion, max(ultima) FROM {WRITERS} WHERE tabla = ANY (%s) GROUP BY 1, 2, 3",
        (sorted(tables),),
    )
    return tuple(LegacyWrite(*row) for row in rows)
