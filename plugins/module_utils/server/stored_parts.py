"""Where a table's rows lie, as PostgreSQL stores them, and which blocks of it cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_PARTS = """
WITH RECURSIVE tree AS (
  SELECT c.oid, 0 AS depth FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s
  UNION
  SELECT i.inhrelid, t.depth + 1 FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
)
SELECT c.oid::bigint, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       pg_relation_size(c.oid) / current_setting('block_size')::bigint, pg_table_size(c.oid),
       CASE WHEN c.reltuples < 0 THEN pg_relation_size(c.oid) / 200.0 ELSE c.reltuples END::bigint
FROM (SELECT oid, min(depth) AS depth FROM tree GROUP BY oid) t
JOIN pg_class c ON c.oid = t.oid AND c.relkind = 'r' JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY t.depth, c.oid
"""


@dataclass(frozen=True)
class StoredPart:
    """A table with a file of its own: the legacy one, a partition or an heir; ``name`` is SQL.

    ``blocks`` and ``rows`` as the server knows, ``size`` with what is kept aside.
    """

    oid: int
    name: str
    blocks: int
    size: int
    rows: int

    def between(self, first: int, end: int) -> str:
        """Return FROM and WHERE of the rows l that lie in the blocks from ``first`` up to ``end``."""
        return f"FROM ONLY {self.name} l WHERE l.ctid >= '({first},0)' AND l.ctid < '({end},0)'"

    def at(self, place: str) -> str:
        """Return FROM and WHERE of the row l that lies at this ctid."""
        return f"FROM ONLY {self.name} l WHERE l.ctid = '{place}'"


def stored_parts(conn: Connection, schema: str, name: str) -> list[StoredPart]:
    """Return where a table's rows lie: itself first, then its partitions and heirs, however far down."""
    return [StoredPart(*row) for row in db.fetch_all(conn, _PARTS, (schema, name))]


def unreadable_blocks(first: int, end: int, failure: Callable[[int, int], str]) -> Iterator[tuple[int, str]]:
    """Yield each block that cannot be read, and why: what cannot be read as a whole is halved until one block is left.

    ``failure`` reads the blocks from one up to another and returns why that cannot be done, '' where it can.
    """
    if first >= end or not (why := failure(first, end)):
        return
    if end - first == 1:
        yield first, why
        return
    middle = (first + end) // 2
    yield from unreadable_blocks(first, middle, failure)
    yield from unreadable_blocks(middle, end, failure)
