"""One batch: a transaction that gives way to writers, and comes back with fewer rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.errors import MigrationError
from ..core.rows.routes import Route
from ..core.waits import CLASHES, ROWS
from ..ledger import lease
from ..server.db import Error, fetch_all, transaction
from .progress import COPIED_STAYS
from .watch import Watch

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


SERIALIZATION_FAILURE = "40001"


class BlockedError(MigrationError):
    """Other transactions hold the rows of the next batch for too long."""


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
