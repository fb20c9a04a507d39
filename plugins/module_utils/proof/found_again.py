"""Candidates that a second look by key does not find: gone, or there and not found by an index or by =."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..core.proof.comparison import still_there_sql
from ..core.rows.row_locks import as_rows
from ..server.db import Row, fetch_all, run_sql, transaction
from ..survey.repeats import BY_ROWS

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

NOT_FOUND = "la fila está, y por su clave no se encuentra: un índice dañado (REINDEX) o un NULL"


class Candidate(NamedTuple):
    """What the snapshot took for a difference: its state and kind of reason there, whether it retained a twin, its legacy key."""

    state: str
    kind: str | None
    retained: bool
    key: tuple[str, ...]


def still_there(conn: Connection, table: str, columns: Sequence[tuple[str, str]], keys: Sequence[tuple[str, ...]]) -> set[Row]:
    """Return those of the keys that the table still has, by its rows; ``columns``: names and types."""
    if not keys:
        return set()
    with transaction(conn, read_only=True):
        run_sql(conn, BY_ROWS)
        names, types = zip(*columns, strict=True)
        return set(fetch_all(conn, still_there_sql(table, names, as_rows(types, keys))))
