"""Whoever waits behind a lock of the dump ends it: its table's writers wait with him."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..core.backup.snapshot import END_OURS, WAITING_BEHIND
from ..server import db
from ..server.connect import connect

WAITERS_EVERY = 0.2  # seconds: as long as that they wait at most, and what it takes to end us


@contextmanager
def waiters_watched(url: str, run_id: str, application: str) -> Iterator[list[str]]:
    """Look from a session of its own, all the while, whether somebody waits behind the sessions of that name; end these then.

    What is yielded says afterwards who it was.
    """
    seen: list[str] = []
    done = threading.Event()
    conn = connect(url, f"{run_id}-mira")

    def look() -> None:
        with suppress(db.Error):  # lost: pg_dump meets the same
            while not done.wait(WAITERS_EVERY):
                if waiting := db.fetch_all(conn, WAITING_BEHIND, {"name": application}):
                    pid, table, role, other = waiting[0]
                    seen.append(f"la sesión {pid} ({role}{', ' + other if other else ''}) espera por {table}")
                    db.fetch_all(conn, END_OURS, (application,))
                    return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
        conn.close()
