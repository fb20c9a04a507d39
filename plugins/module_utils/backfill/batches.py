"""Carries rows: batch after batch of one stretch, each a transaction that gives way to writers."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..core.backfill.batching import BATCH_BYTES
from ..core.backfill.pace import BATCH_SECONDS, PARENT_SECONDS, blended, next_rows
from ..core.bookkeeping import BOOKKEEPING
from ..quarantine.unreadable import without_damage
from ..server.db import compose, fetch_all
from .damage import put_aside
from .giving_way import BlockedError, run_batch
from .progress import Progress, is_loaded, progress_now, remember_rate, seconds_without_batch
from .watch import Watch, waiters

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def copy_for(conn: Connection, progress: Progress, watch: Watch, batch_rows: int, deadline: float) -> Progress:
    """Go on from ``progress`` until its stretch is finished or ``deadline`` (time.monotonic()) has passed."""
    route, started, before, size = progress.route, time.monotonic(), progress.read, batch_rows
    progress = replace(progress, notes=[*progress.notes])
    longest = PARENT_SECONDS if route.table.foreign_keys and is_loaded(conn, route) else BATCH_SECONDS
    while not progress.finished:
        verdict = watch.before_batch(conn)
        if verdict.wait:
            progress.note(f"la copia espera: {verdict.wait}")
            watch.wait(verdict.wait, seconds_without_batch(conn, progress, watch.run_id), deadline)
        else:
            batch = Batch(conn, progress, watch.run_id)
            try:
                attempt = partial(run_batch, conn, route, watch, (size, batch_rows), batch.copy, deadline, progress.part)
                wanted, _ = without_damage(attempt, partial(put_aside, conn, watch.run_id, [route], progress.note))
            except BlockedError as error:
                if progress.read == before:
                    raise
                progress.note(f"otras transacciones tienen bloqueadas las filas que siguen: {error.what}")
                break
            size = next_rows(batch.read if batch.cut else wanted, batch_rows, batch.seconds, batch.waiters, longest)
            progress = replace(progress_now(conn, progress), rate=progress.rate, notes=progress.notes)
            if batch.waiters:
                progress.note(f"otras sesiones esperaban detrás de un lote: el siguiente lleva {size} filas")
            if verdict.slow:
                progress.note(f"la copia va a medio ritmo: {verdict.slow}")
                time.sleep(max(0.0, min(batch.seconds, deadline - time.monotonic())))
        if time.monotonic() >= deadline:
            break
    progress.rate = blended(progress.rate, progress.read - before, time.monotonic() - started)
    remember_rate(conn, progress)
    return progress


@dataclass
class Batch:
    """The transaction that went through last: rows read, whether their bytes cut it short, how long it lasted, who waited."""

    conn: Connection
    progress: Progress
    run_id: str
    read: int = 0
    cut: bool = False
    seconds: float = 0.0
    waiters: int = 0

    def copy(self, rows: int) -> None:
        """Copy the next ``rows`` at most, in the caller's transaction."""
        started = time.monotonic()
        name = self.progress.route.function_name("copiar")
        query = compose("SELECT leidas, cortada FROM {f}(%s, %s, %s, %s)", f=(BOOKKEEPING, name))
        self.read, self.cut = fetch_all(self.conn, query, (self.progress.part, rows, BATCH_BYTES, self.run_id))[0]
        self.waiters = waiters(self.conn)
        self.seconds = time.monotonic() - started
