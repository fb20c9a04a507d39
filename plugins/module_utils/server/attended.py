"""A long statement that somebody attends: it is cancelled where what they see meanwhile says so."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING

from .db import Error
from .lifeline import hang_up

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from .db import T

ATTEND_SECONDS = 2.0
CANCEL_SECONDS = 10.0  # after which a session that does not let itself be cancelled is hung up


def attended(conn: Connection, work: Callable[[], T], look: Callable[[], None]) -> T:
    """Return what ``work`` returns; meanwhile call ``look`` every ATTEND_SECONDS, and cancel what runs on ``conn`` if it raises.

    Nobody but ``work`` uses ``conn`` until then, ``look`` another session; ``work`` rolls back what it has begun. Raises what
    ``work`` raises, or else what ``look`` raised.
    """
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        try:
            while wait([running], timeout=ATTEND_SECONDS).not_done:
                look()
        except BaseException:
            with suppress(Error):
                conn.cancel()
            if wait([running], timeout=CANCEL_SECONDS).not_done:
                hang_up(conn)
            raise
        return running.result()
