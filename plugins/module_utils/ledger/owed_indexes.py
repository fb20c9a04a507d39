"""The indexes that a load took away and owes: written down until they are built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

TABLE = f"{BOOKKEEPING}.indice_pendiente"


@dataclass(frozen=True)
class Owed:
    """An index that has to be there before its phase ends. ``definition``: as pg_get_indexdef() wrote it."""

    table: str
    name: str
    definition: str


def owed_indexes(conn: Connection, tables: Iterable[str] | None = None) -> list[Owed]:
    """Return the owed indexes, of all tables or of some."""
    if db.fetch_one(conn, "SELECT to_regclass(%s)", (TABLE,)) == (None,):
        return []
    rows = db.fetch_all(conn, f"SELECT tabla, indice, definicion FROM {TABLE} ORDER BY momento, tabla, indice")
    wanted = None if tables is None else set(tables)
    return [Owed(*row) for row in rows if wanted is None or row[0] in wanted]


def forget_owed(conn: Connection, paid: Iterable[Owed]) -> None:
    """Strike debts."""
    for owed in paid:
        db.execute(conn, f"DELETE FROM {TABLE} WHERE tabla = %s AND indice = %s", (owed.table, owed.name))
