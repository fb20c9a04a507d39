"""How fast a copy goes, and how many rows the next transaction may hold. Pure."""

from __future__ import annotations

import math

BATCH_SECONDS = 2.0  # a transaction that lasted longer is followed by a smaller one
PARENT_SECONDS = 0.15  # the same where a foreign key's check holds rows of a parent whose services work, without our locks
MEMORY_SECONDS = 45.0  # a stretch of the copy this long ago counts for a third
FEWEST = 20  # rows: below it writers gain nothing any more


def next_rows(done: int, most: int, seconds: float, waiters: int, longest: float = BATCH_SECONDS) -> int:
    """Return how many rows to ask for after a batch of so many ``done`` in ``seconds``, which should be ``longest`` at most.

    Twice as many as went through, up to ``most``; fewer when it lasted too long or others ``waiters`` waited behind it.
    """
    if waiters:
        return max(min(FEWEST, most), done // 2)
    if seconds > longest:
        return max(1, int(done * longest / seconds))
    return max(1, min(most, done * 2))


def blended(before: float | None, rows: int, seconds: float) -> float | None:
    """Return the rows per second of late: the newest stretch weighs by how long it lasted."""
    if seconds <= 0:
        return before
    if before is None:
        return rows / seconds
    weight = 1 - math.exp(-seconds / MEMORY_SECONDS)
    return before + (rows / seconds - before) * weight
