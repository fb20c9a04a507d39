"""One batch: a transaction that gives way to writers, and comes back with fewer rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..core.backfill.carrying import MANY_ROWS, MANY_SHARE, TABLE_AT_FAULT
from ..core.errors import MigrationError
from ..core.rows.routes import Route
from ..core.server.blockers import Blocker, in_the_way
from ..core.waits import CLASHES, ROWS
from ..core.words import number
from ..ledger import lease
from ..server.beside import watched
from ..server.db import Error, fetch_all, transaction
from ..server.lookout import LONGEST_WAIT, WAITING_PATIENCE
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
    ``deadline``, or when they have lasted for LONGEST_WAIT, is the last one: a slice has to end. Raises BlockedError,
    code locked, then.
    """
    size, full_size = sizes
    started, seen = time.monotonic(), list[Blocker]()
    with ExitStack() as beside:
        for attempt in range(ROWS.tries):
            if attempt:
                watch.require_time(conn)
            if attempt == 1:  # one clash is nothing yet; who is in the way at the second one is named
                seen = beside.enter_context(watched(conn))
            try:
                with transaction(conn, wait=ROWS):
                    _lock_table(conn, route, part)
                    lease.fence(conn, watch.run_id)
                    work(size)
                return size, min(full_size, size * 2)
            except Error as error:
                if error.pgcode == TABLE_AT_FAULT:
                    raise _table_at_fault(route, error) from error
                if error.pgcode not in (*CLASHES, SERIALIZATION_FAILURE):
                    raise
                size = max(1, size // 4)
            if attempt and time.monotonic() >= min(deadline, started + LONGEST_WAIT):
                break
            time.sleep(min(1.0, 0.05 * (attempt + 1)))
    raise BlockedError(
        f"{route.pair.source}: otras transacciones tienen sus filas bloqueadas desde hace {attempt + 1} intentos de "
        f"{ROWS.timeout_ms} ms. {in_the_way(seen) or 'Quien lo impedía no se dejó ver.'}",
        left=COPIED_STAYS,
        move="Repita la misma orden cuando termine.",
        code="locked",
        details={} if deadline == math.inf else {"again": WAITING_PATIENCE},
    )


def _table_at_fault(route: Route, error: Error) -> MigrationError:
    refused, reason, target = error.diag.message_detail, error.diag.message_primary, route.pair.target
    return MigrationError(
        f"{route.pair.source} → {target}: PostgreSQL rechaza {refused} filas por un mismo motivo, más de {MANY_ROWS} y del "
        f"{number(100 * MANY_SHARE)} %: {reason}. La culpa no es de las filas",
        left=COPIED_STAYS,
        move=f"Si {target} ya no es como la hizo fase1, lo dice: ansible-playbook fase1.yml --tags verify con el mismo -i. Si lo "
        "es, fase0 cuenta de nuevo lo que se repite en las tablas legacy: ansible-playbook fase0.yml con el mismo -i. Después, "
        "repita la misma orden.",
        code="table",
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
