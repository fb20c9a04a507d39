"""The checksums of every row, as streams: written beside the dump, and compared with what a restored table says."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.backup.snapshot import copied_out
from ..server.streaming import copy_out

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

NAMED_ROWS = 5  # rows of each kind that a difference names
_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class RowSink:
    """Takes a stream of rows: counts and hashes them, and keeps them where a file is given."""

    def __init__(self, path: Path | None = None) -> None:
        self._hash = hashlib.sha256()
        self._file = gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) if path else None
        self.rows = 0

    def write(self, data: bytes) -> int:
        """Called by psycopg2 with whole lines."""
        self._hash.update(data)
        self.rows += data.count(b"\n")
        if self._file is not None:
            self._file.write(data)
        return len(data)

    def close(self) -> str:
        """End the file; the stream's hash."""
        if self._file is not None:
            self._file.close()
        return self._hash.hexdigest()


def stream(conn: Connection, query: str, path: Path | None = None) -> tuple[int, str]:
    """Run a query of rows' checksums; how many there were and the hash of them all."""
    sink = RowSink(path)
    try:
        copy_out(conn, copied_out(query), sink)
    finally:
        digest = sink.close()
    return sink.rows, digest


@dataclass
class RowDifference:
    """Rows of a restored table that are not the backup's, by key; of each kind the first few are named."""

    missing: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    count: int = 0

    def note(self, kind: list[str], key: bytes) -> None:
        """One more."""
        self.count += 1
        if len(kind) < NAMED_ROWS:
            kind.append(key.decode("utf-8", "backslashreplace"))


def rows_in(path: Path) -> Iterator[bytes]:
    """The lines of a file of checksums."""
    with gzip.open(path, "rb") as file:
        yield from file


def difference(kept: Iterator[bytes], found: Iterator[bytes]) -> RowDifference:
    """Merge two streams in the order in which both were written; memory stays flat."""
    said = RowDifference()
    one, other = next(kept, b""), next(found, b"")
    while one or other:
        if one == other:
            one, other = next(kept, b""), next(found, b"")
            continue
        ours, theirs = _parts(one), _parts(other)
        if one and other and ours[0] == theirs[0]:
            said.note(said.altered, ours[0])
            one, other = next(kept, b""), next(found, b"")
        elif other == b"" or (one and ours < theirs):
            said.note(said.missing, ours[0])
            one = next(kept, b"")
        else:
            said.note(said.extra, theirs[0])
            other = next(found, b"")
    return said


def _parts(line: bytes) -> tuple[bytes, bytes]:
    """Key and checksum as the server sorted them: without COPY's escapes."""
    key, _, digest = line.rstrip(b"\n").rpartition(b"\t")
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), key), digest
