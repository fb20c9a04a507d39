"""Carries rows: batch after batch of one stretch, each a transaction that gives way to writers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..core.backfill.batching import BATCH_BYTES
from ..core.backfill.pace import blended, next_rows
from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import MigrationError
from ..core.rows.routes import Route
from ..core.waits import CLASHES, ROWS
from ..ledger import lease
from ..server.db import Error, compose, fetch_all, transaction
from .progress import COPIED_STAYS, Progress, progress_now, remember_rate, seconds_without_batch
from .watch import Watch, waiters

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

SERIALIZATION_FAILURE = "40001"


class BlockedError(MigrationError):
    """Other transactions hold the rows of the next batch for too long."""


def copy_for(conn: Connection, progress: Progress, watch: Watch, batch_rows: int, deadline: float) -> Progress:
    """Go on from ``progress`` until its stretch is finished or ``deadline`` (time.monotonic()) has passed."""
    route, started, before, size = progress.route, time.monotonic(), progress.read, batch_rows
    progress = replace(progress, notes=[*progress.notes])
    while not progress.finished:
        verdict = watch.before_batch(conn)
        if verdict.wait:
            progress.note(f"la copia espera: {verdict.wait}")
            watch.wait(verdict.wait, seconds_without_batch(conn, progress, watch.run_id), deadline)
        else:
            batch = Batch(conn, progress, watch.run_id)
            try:
                wanted, _ = run_batch(conn, route, watch, (size, batch_rows), batch.copy, deadline, progress.part)
            except BlockedError:
                if progress.read == before:
                    raise
                progress.note("otras transacciones tienen bloqueadas las filas que siguen")
                break
            size = next_rows(batch.read if batch.cut else wanted, batch_rows, batch.seconds, batch.waiters)
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


def run_batch(
    conn: Connection,
    route: Route,
    watch: Watch,
    sizes: tuple[int, int],
    work: Callable[[int], None],
    deadline: float = math.inf,
    part: str = "",
) -> tuple[int, int]:
    """Run ``work(rows)`` as one transaction that gives way to writers: with fewer rows after each clash.

    ``sizes``: rows to begin with and at most. Returns the rows that went through and those to try next. A clash after
    ``deadline`` is the last one: a slice has to end, also where nobody lets it pass. Raises BlockedError, code locked, then.
    """
    size, full_size = sizes
    for attempt in range(ROWS.tries):
        if attempt:
            watch.require_time(conn)
        try:
            with transaction(conn, wait=ROWS):
                _lock_table(conn, route, part)
                lease.fence(conn, watch.run_id)
                work(size)
            return size, min(full_size, size * 2)
        except Error as error:
            if error.pgcode not in (*CLASHES, SERIALIZATION_FAILURE):
                raise
            size = max(1, size // 4)
            if time.monotonic() >= deadline:
                break
            time.sleep(min(1.0, 0.05 * (attempt + 1)))
    raise BlockedError(
        f"{route.pair.source}: otras transacciones tienen sus filas bloqueadas desde hace {attempt + 1} intentos de "
        f"{ROWS.timeout_ms} ms",
        left=COPIED_STAYS,
        move="Busque la transacción con: SELECT pid, usename, xact_start, query FROM pg_stat_activity ORDER BY xact_start; y "
        "repita la misma orden.",
        code="locked",
    )


def _lock_table(conn: Connection, route: Route, part: str) -> None:
    """Take the stretch's advisory lock for this transaction: it is never copied twice at once."""
    name = f"migracion:{route.pair.source}:{route.pair.target}{part and ':' + part}"
    got = fetch_all(conn, "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (name,))[0][0]
    if not got:
        raise MigrationError(
            f"{route.pair.source}: otra sesión la está copiando en este momento",
            left=COPIED_STAYS,
            move="Mire quién es con: ansible-playbook estado.yml y el mismo -i; cuando termine, repita la misma orden.",
            code="locked",
        )
