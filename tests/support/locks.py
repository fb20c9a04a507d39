"""Two sessions and the lock between them: what the server says of who waits for whom, never how long something took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from .databases import Database

SECONDS = 60  # until a session is given up that neither waits nor ends


@contextmanager
def held_up(database: Database, write: str, step: str) -> Iterator[None]:
    """``write`` stands uncommitted, then ``step`` runs beside it: inside the block the step waits for the writer.

    At the end of the block the writer commits and the step comes to its end.
    """
    with (
        closing(psycopg2.connect(database.url)) as writer,
        closing(psycopg2.connect(database.url)) as stepper,
        ThreadPoolExecutor(1) as pool,
    ):
        writer.cursor().execute(write)
        stepping = pool.submit(_run, stepper, step)
        try:
            _require_waiting(database, stepper.info.backend_pid, writer.info.backend_pid, stepping)
            yield
            writer.commit()
        finally:
            writer.rollback()
            stepping.result(SECONDS)


def _run(session: Any, step: str) -> None:
    session.cursor().execute(step)
    session.commit()


def _require_waiting(database: Database, pid: int, blocker: int, stepping: Future[None]) -> None:
    until_blocked(database, pid, blocker, stepping)
    kinds = database.query("SELECT DISTINCT locktype FROM pg_locks WHERE pid = %s AND NOT granted", (pid,))
    assert kinds <= [("transactionid",), ("tuple",)], kinds


def until_blocked(database: Database, pid: int, blocker: int, stepping: Future[None]) -> None:
    """Return when the session ``pid`` waits for the session ``blocker``; ``stepping``: its statement, still running."""
    until = time.monotonic() + SECONDS
    while blocker not in database.value("SELECT pg_blocking_pids(%s)", (pid,)):
        if stepping.done():
            stepping.result()
            raise AssertionError("the step came to its end beside the writer: it waited for nobody")
        assert time.monotonic() < until, "the step neither waits for the writer nor ends"
        time.sleep(0.01)
