"""Reads the legacy rows whole, values kept aside (TOAST) too, so that a damaged one is found before the night.

A statement reads some blocks and ends: no lock that a writer meets, and nothing that holds vacuum back for long. A block
range that cannot be read is halved until the rows are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.catalogue import Relation
from ..core.sqltext import ident
from ..core.survey.table_findings import Readable
from ..server import db
from ..server.stored_parts import StoredPart, stored_parts, unreadable_blocks

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

READ_WHOLE = 4 * 2**30  # bytes of a table up to which every row is read; above, evenly spread ranges of as much
BYTES_AT_ONCE = 64 * 2**20  # bytes that one statement reads, about
BROKEN_SHOWN = 20  # rows that are named of a table; then the search ends
# The ways to read a table; a scan that takes longer than the timeout would hold vacuum back, so it ends.
_SCANS = ("seqscan", "tidscan", "indexscan", "indexonlyscan", "bitmapscan")
_BOUND = "SET LOCAL statement_timeout = '120s'"
# Classes of SQLSTATE that a damaged row or file gives: internal and corrupted data, system errors, a value that is none.
UNREADABLE = ("XX", "58", "22")
# What may lie outside the row or be compressed; the function that reads it whole, for its type.
_VALUES = """
SELECT a.attname, t.typname = 'bytea', a.attcollation <> 0
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attlen = -1 AND a.attstorage <> 'p'
"""


@contextmanager
def reading(conn: Connection, scan: str) -> Iterator[None]:
    """A short transaction that writes nothing, in which tables are read by ``scan`` (seqscan, tidscan) where that can be."""
    with db.transaction(conn, read_only=True):
        db.run_sql(conn, *(f"SET LOCAL enable_{s} = {'on' if s == scan else 'off'}" for s in _SCANS), _BOUND)
        yield


@dataclass
class _Search:
    """Reads one part's blocks; ``key``: SQL of what a row is named by, ``whole``: of all its values."""

    conn: Connection
    part: StoredPart
    key: str
    whole: str
    read: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)

    def blocks(self, first: int, end: int) -> None:
        """Read the blocks from ``first`` up to ``end``, and by themselves the rows of those that cannot be read."""
        for block, why in unreadable_blocks(first, end, self._failure):
            try:
                rows = self._fetch(f"SELECT l.ctid::text, {self.key} {self.part.between(block, block + 1)}")
            except db.Error as error:
                reading_error(error)
                self.broken.append((f"bloque {block}", why))
                continue
            for place, key in rows:
                try:
                    self._fetch(f"SELECT {self.whole} {self.part.at(place)}")
                    self.read += 1
                except db.Error as error:
                    self.broken.append((key, reading_error(error)))

    def _failure(self, first: int, end: int) -> str:
        """Read and count; once enough is broken, no further."""
        if len(self.broken) >= BROKEN_SHOWN:
            return ""
        try:
            self.read += int(self._fetch(f"SELECT {self.whole} {self.part.between(first, end)}")[0][0])
        except db.Error as error:
            return reading_error(error)
        return ""

    def _fetch(self, query: str) -> list[db.Row]:
        with reading(self.conn, "tidscan"):
            return db.fetch_all(self.conn, query)


def readable_rows(conn: Connection, schema: str, relation: Relation) -> Readable:
    """Read a legacy table's rows whole; above READ_WHOLE bytes a sample of its blocks."""
    parts = stored_parts(conn, schema, relation.name)
    size = sum(part.size for part in parts)
    step = max(1, math.ceil(size / READ_WHOLE))
    key = " || '|' || ".join(f"l.{ident(c)}::text" for c in relation.primary_key) or "l.ctid::text"
    read, broken = 0, []
    for part in parts:
        search = _Search(conn, part, key, _all_values(conn, part))
        for first, end in _ranges(part, step):
            search.blocks(first, end)
        read += search.read
        broken += [(k if part is parts[0] else f"{part.name} {k}", why) for k, why in search.broken]
    more = len(broken) >= BROKEN_SHOWN
    return Readable(relation.name, read, sum(part.rows for part in parts), step == 1, tuple(broken[:BROKEN_SHOWN]), more)


def _ranges(part: StoredPart, step: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of blocks that hold BYTES_AT_ONCE bytes, one of ``step``; what is written later is not damaged yet."""
    if part.blocks:
        width = max(1, math.ceil(part.blocks * BYTES_AT_ONCE / max(part.size, 1)))
        width = min(width, max(1, math.ceil(part.blocks / step)))
        starts = range(0, part.blocks, width * step)
        yield from ((first, min(first + width, part.blocks)) for first in starts)


def _all_values(conn: Connection, part: StoredPart) -> str:
    """Return SQL that reads every value of the rows and counts them: a length would be known without reading."""
    reads = []
    for name, binary, collated in db.fetch_all(conn, _VALUES, (part.oid,)):
        column = f"l.{ident(name)}"
        text = f'{column}::text COLLATE "C"' if collated else f"{column}::text"
        reads.append(f"count(sha256({column}))" if binary else f"count(hashtext({text}))")
    return ", ".join(["count(*)", *reads])


def reading_error(error: db.Error) -> str:
    """Return what the server says where it cannot read what it has stored; raise every other error."""
    if (error.pgcode or "")[:2] not in UNREADABLE:
        raise error
    return f"SQLSTATE {error.pgcode}: {error.diag.message_primary or ''}".rstrip(": ")
