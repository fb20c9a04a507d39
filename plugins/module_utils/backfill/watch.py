"""What is looked at between two batches: who asked to stop, the window's end, read-only mode, others who suffer.

A way back has no watch: nothing but the lease and the safety of the data holds it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.backfill.load import ServerLoad, Slot, Standby, Transaction, Verdict
from ..core.errors import MigrationError
from ..core.phase.gates import Facts, closed_gate, override_argument
from ..core.phase.settings import Settings
from ..core.phase.window import Window, position
from ..core.server.sqlstate import SENTENCES
from ..ledger import lease
from ..server import db
from ..server.attended import attended
from ..server.clock import server_time
from ..server.connect import connect

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from ..server.db import T

LOOK_SECONDS = 1.0  # between two looks at everybody else
SIGN_SECONDS = 10.0  # between two signs of life
RESERVE_SECONDS = 30.0  # before the window's end: the last batch and the summary fit in
PATIENCE_SECONDS = 600.0  # without a single batch: a standby that is down would hold the run for ever
READ_ONLY = "25006"
STAYS, CONTINUES = "Lo copiado queda;", "la misma orden continúa desde aquí"
BETWEEN_BATCHES = "la copia se detiene entre dos lotes"
HALF_WAY = "la comparación se interrumpe a medias, y la próxima empieza desde el principio"
# What stands behind the batch that this transaction is about to commit.
WAITERS = """
SELECT count(*) FROM (SELECT DISTINCT pid FROM pg_locks WHERE NOT granted) w
WHERE pg_backend_pid() = ANY (pg_blocking_pids(w.pid))
"""

STANDBYS = """
SELECT coalesce(nullif(application_name, ''), 'pid ' || pid), extract(epoch FROM replay_lag)::float8,
       pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn))::bigint
FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'
"""
SLOTS = """
SELECT slot_name, active, coalesce(wal_status, ''), safe_wal_size,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint
FROM pg_replication_slots WHERE restart_lsn IS NOT NULL
"""
OLDEST_TRANSACTION = """
SELECT pid, coalesce(usename, '?'), application_name, extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname = current_database() AND xact_start IS NOT NULL
  AND application_name NOT LIKE 'migracion:%'
ORDER BY xact_start LIMIT 1
"""


def read_load(conn: Connection) -> ServerLoad:
    """Look at standbys, slots and old transactions; what the role may not see is not there."""
    limit = db.fetch_one(conn, "SELECT setting::bigint * 1048576 FROM pg_settings WHERE name = 'max_slot_wal_keep_size'")
    oldest = db.fetch_one(conn, OLDEST_TRANSACTION)
    return ServerLoad(
        tuple(Standby(*row) for row in db.fetch_all(conn, STANDBYS)),
        tuple(Slot(*row) for row in db.fetch_all(conn, SLOTS)),
        int(limit[0]) if limit and limit[0] >= 0 else None,
        Transaction(*oldest) if oldest else None,
    )


def verdict_on(load: ServerLoad, settings: Settings) -> Verdict:
    """Return what the load asks of the next batch."""
    closed = closed_gate("replication_lag", Facts(settings, load=load))
    return Verdict(closed.message if closed else "", load.drag())


@dataclass
class Watch:
    """The looks of one module call."""

    run_id: str
    settings: Settings = field(default_factory=Settings)
    unattended: str = field(default="", init=False)
    _looked: float = field(default=float("-inf"), init=False)
    _signed: float = field(default_factory=time.monotonic, init=False)  # the call began with a sign
    _verdict: Verdict = field(default_factory=Verdict, init=False)

    @property
    def window(self) -> Window | None:
        """None where there is none, or where it was passed by name."""
        return None if "window" in self.settings.overrides else self.settings.maintenance_window

    def before_batch(self, conn: Connection) -> Verdict:
        """Raise ``paused`` where the run ends here; return what slows or holds the next batch."""
        self._require_writable(conn)
        self.require_time(conn)
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked, self._verdict = now, verdict_on(read_load(conn), self.settings)
        return self._verdict

    def require_time(self, conn: Connection, stops: str = BETWEEN_BATCHES, left: str = STAYS) -> None:
        """Raise ``paused`` when somebody asked to stop or the window closes; give a sign of life now and then.

        ``stops``: what stops, and where, in words; ``left``: what is there then.
        """
        if lease.stop_requested(conn, self.run_id):
            raise paused(f"Parada pedida: {stops}", left=left)
        if self.window is not None:
            where = position(self.window, server_time(conn))
            if not where.inside or where.seconds <= RESERVE_SECONDS:
                raise paused(
                    f"La ventana de mantenimiento {self.window} se cierra (allí son las {where.local:%H:%M:%S}): {stops}",
                    " cuando se abra de nuevo",
                    left,
                )
        if time.monotonic() - self._signed >= SIGN_SECONDS:
            self._signed = time.monotonic()
            lease.heartbeat(conn, self.run_id)

    def look(self, conn: Connection) -> None:
        """Between steps of some milliseconds: as require_time(), once in LOOK_SECONDS."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            self.require_time(conn)

    def hold(self, conn: Connection) -> str:
        """Wait until a batch may run, at most PATIENCE_SECONDS; for steps that are not cut into slices."""
        started = time.monotonic()
        while (verdict := self.before_batch(conn)).wait:
            self.wait(verdict.wait, time.monotonic() - started)
        return verdict.slow

    def wait(self, why: str, waited: float, deadline: float = math.inf) -> None:
        """Sleep until the next look or ``deadline``; raise ``paused`` after ``waited`` seconds that nobody's patience lasts."""
        if waited > PATIENCE_SECONDS:
            raise out_of_patience(why, self.settings)
        time.sleep(max(0.0, min(LOOK_SECONDS, deadline - time.monotonic())))

    def _require_writable(self, conn: Connection) -> None:
        row = db.fetch_one(conn, "SELECT current_setting('transaction_read_only')::bool")
        if row and row[0]:
            raise read_only()

    def long(self, conn: Connection, url: str, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, which reads whole tables on ``conn``; cancel it where the run ends here.

        Looked at on a second session, opened only where it lasts; without one (``unattended`` says why) until the end nothing
        can be seen.
        """
        session: list[Connection] = []
        with ExitStack() as stack:

            def look() -> None:
                if not session and not self.unattended:
                    try:
                        session.append(stack.enter_context(closing(connect(url, self.run_id))))
                    except MigrationError as error:
                        self.unattended = error.what
                for second in session:
                    self.require_time(second, HALF_WAY, "Lo ya confirmado queda;")

            return attended(conn, work, look)


def paused(why: str, when: str = "", left: str = STAYS) -> MigrationError:
    """The end of a run between two batches: non-zero, and nothing is wrong."""
    return MigrationError(why, left=left, move=f"{CONTINUES}{when}.", code="paused")


def out_of_patience(why: str, settings: Settings) -> MigrationError:
    """The end of a run that others have held for too long."""
    return MigrationError(
        f"La copia lleva {PATIENCE_SECONDS / 60:.0f} min sin poder seguir: {why}",
        left=STAYS,
        move=f"{CONTINUES}. Para no esperar por eso: {override_argument(['replication_lag'], settings.overrides)}",
        code="paused",
    )


def read_only() -> MigrationError:
    """The server went into read-only mode: nothing overrides that."""
    sentence, move = SENTENCES[READ_ONLY]
    return paused(
        f"La copia se detiene en su último lote confirmado: {sentence}. SQLSTATE {READ_ONLY}",
        f" cuando la base acepte escrituras. {move.removesuffix('.')}",
    )


@contextmanager
def with_lines(lines: list[str]) -> Iterator[None]:
    """An error takes along what there was to say; read-only mode is told as the pause that it is."""
    try:
        yield
    except MigrationError as error:
        error.details.setdefault("lines", lines)
        raise
    except db.Error as error:
        if error.pgcode != READ_ONLY:
            raise
        pause = read_only()
        pause.details["lines"] = lines
        raise pause from error


def waiters(conn: Connection) -> int:
    """How many sessions wait for the transaction that is open here."""
    row = db.fetch_one(conn, WAITERS)
    return int(row[0]) if row else 0
