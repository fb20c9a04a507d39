"""A statement that waits for others longer than a slice lasts is ended, with the word what it waited for.

libpq returns from a statement only when the server does, and the server says nothing while a COMMIT waits for a standby or an
index build for an old transaction. So a thread notes how long each statement has been under way, looks from a second session
at the long ones, and cancels what waits: the caller gets an error that asks to be called again.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.errors import COMMITTED_STAYS, MigrationError
from ..core.server.blockers import SYNC_REPLICA, Blocker, waits_for
from .beside import ask, blockers_of, login_of, second_session

try:
    import psycopg2
except ImportError:  # said by connect(), in words
    if not TYPE_CHECKING:
        psycopg2 = None

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

LONGEST_WAIT = 15.0  # seconds that a statement may wait for others before it is ended
NEXT_LOOK = 1.0  # seconds
FIRST_LOOK = 3.0  # seconds under way after which it is looked at
WAITING_PATIENCE = 60  # seconds that waits may last one after the other before the run ends
STATE = """
SELECT coalesce(wait_event_type, ''), coalesce(wait_event, ''), current_setting('synchronous_standby_names')
FROM pg_stat_activity WHERE pid = %s
"""


@dataclass
class Flight:
    """What is under way on one session. ``ended``: why it was cancelled from here."""

    pid: int
    login: Mapping[str, Any]
    since: float | None = None
    looked: float = 0.0
    waiting_since: float | None = None
    blockers: list[Blocker] = field(default_factory=list)  # those seen last
    ended: MigrationError | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)  # who cancels must not meet the next statement


_flights: weakref.WeakKeyDictionary[Connection, Flight] = weakref.WeakKeyDictionary()
_thread: threading.Thread | None = None


def attend(conn: Connection, pid: int) -> None:
    """Look after this session from now on; ``pid``: its process on the server, which a pooler's greeting does not tell."""
    global _thread
    _flights[conn] = Flight(pid, login_of(conn))
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_look_for_ever, daemon=True)
        _thread.start()


@contextmanager
def under_way(conn: Connection) -> Iterator[None]:
    """Around each statement. Raises MigrationError where it was ended for its waiting: it may be called again.

    Who was seen in the way of a statement that failed for itself is kept with its error: seen_by().
    """
    flight = _flights.get(conn)
    if flight is None:
        yield
        return
    flight.looked, flight.waiting_since, flight.blockers = 0.0, None, []
    flight.since = time.monotonic()
    try:
        yield
    except psycopg2.Error as error:
        error.blockers = flight.blockers  # type: ignore[attr-defined]  # an exception has a dictionary
        _landed(flight, error)
        raise
    _landed(flight)


def seen_by(error: psycopg2.Error) -> list[Blocker]:
    """Who was in the way of the statement that failed."""
    return list(getattr(error, "blockers", ()))


def _landed(flight: Flight, error: Exception | None = None) -> None:
    with flight.turn:
        flight.since, ended, flight.ended = None, flight.ended, None
    if ended is not None:
        raise ended from error


def _look_for_ever() -> None:
    wake = threading.Event()  # never set
    while True:
        wake.wait(NEXT_LOOK)
        now = time.monotonic()
        for flight in list(_flights.values()):
            since = flight.since
            # a proof may take an hour: the longer it lasts, the less often somebody looks
            if since is not None and now - since >= FIRST_LOOK and now - flight.looked >= min(10.0, (now - since) / 5):
                with suppress(psycopg2.Error):  # no connection free, or lost: nobody can look
                    _look_at(flight, since)


def _look_at(flight: Flight, since: float) -> None:
    with closing(second_session(flight.login)) as second:
        states = ask(second, STATE, (flight.pid,))
        kind, event, standbys = states[0] if states else ("", "", "")
        waits = kind == "Lock" or event == SYNC_REPLICA
        flight.blockers = blockers_of(second, [flight.pid]) if kind == "Lock" else []
        now, before, flight.looked = time.monotonic(), flight.looked, time.monotonic()
        if not waits:
            flight.waiting_since = None
            return
        flight.waiting_since = flight.waiting_since or before or since
        if now - flight.waiting_since < LONGEST_WAIT:
            return
        with flight.turn:
            if flight.since == since:  # the very statement that was looked at
                flight.ended = _told(event, waits_for(event, flight.blockers, standbys), now - flight.waiting_since)
                ask(second, "SELECT pg_cancel_backend(%s)", (flight.pid,))


def _told(event: str, why: str, seconds: float) -> MigrationError:
    if event == SYNC_REPLICA:
        return MigrationError(
            f"Tras {seconds:.0f} s, {why}",
            left="Lo confirmado queda en este servidor; esa réplica puede no tenerlo.",
            move="La misma orden continúa cuando la réplica conteste.",
            code="paused",
            details={"again": WAITING_PATIENCE},
        )
    return MigrationError(
        f"Tras {seconds:.0f} s de espera se deja el bloqueo. {why or 'No se ve quién lo impide.'}",
        left=COMMITTED_STAYS,
        move="Repita la orden cuando termine.",
        code="locked",
        details={"again": WAITING_PATIENCE},
    )
