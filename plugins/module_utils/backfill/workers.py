"""One session, or two at once on the two stretches of a large table's key."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.errors import MigrationError
from ..core.rows.set_aside import CARRIED
from ..server.connect import connect
from ..server.db import fetch_one
from .batches import copy_for
from .progress import Progress
from .watch import Watch

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def copy_parts(url: str, conn: Connection, parts: Sequence[Progress], watch: Watch, deadline: float) -> list[Progress]:
    """Copy the stretches of one pair until they are finished or ``deadline`` has passed; return how far they are."""
    left = [part for part in parts if not part.finished]
    if watch.settings.copy_workers > 1 and len(left) > 1:
        try:
            second = connect(url, watch.run_id)
        except MigrationError as error:
            left[0].note(f"un solo trabajador, porque la segunda conexión no se pudo abrir: {error.what}")
        else:
            with closing(second):
                carried = fetch_one(conn, "SELECT current_setting(%s)", (CARRIED,))
                fetch_one(second, "SELECT set_config(%s, %s, false)", (CARRIED, *(carried or ())))
                return _at_once(conn, second, parts, left, watch, deadline)
    return _in_turn(conn, parts, watch, deadline)


def _in_turn(conn: Connection, parts: Sequence[Progress], watch: Watch, deadline: float) -> list[Progress]:
    done, worked = [], False
    for part in parts:
        if part.finished:
            done.append(part)
        elif worked and time.monotonic() >= deadline:
            done.append(replace(part, rate=None))  # what it did beside another says nothing of what it will do
        else:
            done.append(copy_for(conn, part, watch, watch.settings.batch_rows, deadline))
            worked = True
    return done


def _at_once(
    conn: Connection,
    second: Connection,
    parts: Sequence[Progress],
    left: Sequence[Progress],
    watch: Watch,
    deadline: float,
) -> list[Progress]:
    """Both end by themselves: at the deadline, or by what each sees of stop request, window and server."""
    with ThreadPoolExecutor(1) as pool:
        its_watch, batch_rows = Watch(watch.run_id, watch.settings), watch.settings.batch_rows
        running = pool.submit(copy_for, second, left[1], its_watch, batch_rows, deadline)
        mine = copy_for(conn, left[0], watch, batch_rows, deadline)
        done = {part.part: part for part in (mine, running.result())}
    return [done.get(part.part, part) for part in parts]
