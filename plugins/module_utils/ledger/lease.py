"""Who may run now: one lease for the whole database. A second run is refused; a dead one is taken over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..core.errors import NOTHING_CHANGED, STEP_CHANGED_NOTHING, MigrationError, skipped_guard
from ..core.phase.history import Run
from ..core.words import escape
from ..server import db
from . import bookkeeping, runs
from .events import jsonb_text, record_event

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

SILENT_AFTER = 60  # seconds without a sign


@dataclass(frozen=True)
class Claim:
    """Who asks. ``process``: what the controller knows about its own process, to find out later whether it lives."""

    run_id: str
    phase: str
    action: str
    host: str
    pid: int
    operator: str
    process: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Holder:
    """Who has it."""

    run_id: str
    phase: str
    action: str
    host: str
    pid: int
    operator: str
    since: str
    silent: float | None  # seconds; None where the server's clock was set back behind the last sign
    process: dict[str, Any]
    stopping: float | None = None  # seconds since somebody asked it to stop

    @property
    def last_sign(self) -> str:
        """How long ago it gave one."""
        if self.silent is None:
            return "última señal posterior a la hora del servidor, cuyo reloj se atrasó"
        return f"última señal hace {self.silent:.0f} s"

    @property
    def in_words(self) -> str:
        """What runs, who runs it where and since when, and how long it has been silent."""
        stop = "" if self.stopping is None else f"; se le pidió parar hace {max(0, self.stopping):.0f} s"
        return (
            f"{self.phase} {self.action}, {self.run_id}, {self.operator} en {self.host} (pid {self.pid}) desde "
            f"{self.since} UTC, {self.last_sign}{stop}"
        )

    def refusal(self) -> MigrationError:
        """Who, where and since when; with what the controller needs to see whether that process lives."""
        return MigrationError(
            f"Otra ejecución está en marcha: {escape(self.operator)} en {escape(self.host)} (pid {self.pid}) desde "
            f"{self.since} UTC, {self.phase} {self.action}, {self.run_id}; {self.last_sign}",
            left=NOTHING_CHANGED,
            move="Espere a que termine.",
            code="lease",
            details={"holder": asdict(self)},
        )


def holder(conn: Connection) -> Holder | None:
    """Who has the lease now."""
    if not bookkeeping.exists(conn):
        return None
    row = db.fetch_one(
        conn,
        "SELECT run_id, fase, accion, servidor, pid, operador, to_char(tomado_at, 'YYYY-MM-DD HH24:MI:SS'), "
        "CASE WHEN ultima_senal <= clock_timestamp() THEN extract(epoch FROM clock_timestamp() - ultima_senal)::float8 END, "
        "proceso, extract(epoch FROM clock_timestamp() - parar_solicitado_at)::float8 FROM migracion.arriendo",
    )
    return Holder(*row) if row else None


def acquire(conn: Connection, claim: Claim, dead_run: str = "") -> list[str]:
    """Take the lease inside the caller's transaction; return what there is to say.

    ``dead_run``: the run whose process the controller found dead. Raises MigrationError, code lease, where another run lives.
    """
    bookkeeping.lock(conn)
    said = []
    found = holder(conn)
    if found is not None and found.run_id != claim.run_id:
        if not is_over(conn, found, dead_run):
            raise found.refusal()
        said += _take_over(conn, found, claim.run_id, found.run_id == dead_run)
    _bury_rows_without_lease(conn, claim.run_id)
    db.execute(
        conn,
        "INSERT INTO migracion.arriendo (run_id, servidor, pid, operador, fase, accion, proceso, detalle) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET ultima_senal = now()",
        (
            claim.run_id,
            db.storable(conn, claim.host),
            claim.pid,
            db.storable(conn, claim.operator),
            claim.phase,
            claim.action,
            jsonb_text(conn, claim.process),
            jsonb_text(conn, claim.detail),
        ),
    )
    return said


def is_over(conn: Connection, found: Holder, dead_run: str = "") -> bool:
    """Whether the holder's run can be taken over: its process is dead, or it is silent and no session of it does anything.

    Where the clock cannot tell how long it has been silent, the sessions alone decide.
    """
    silent = found.silent is None or found.silent > SILENT_AFTER
    return found.run_id == dead_run or (silent and not _backends(conn, found.run_id, working=True))


def _take_over(conn: Connection, found: Holder, run_id: str, dead: bool) -> list[str]:
    ended = end_backends(conn, found.run_id)
    why = "su proceso ya no existe" if dead else "no da señales y no le quedan sesiones que trabajen"
    if not dead and found.silent is not None:
        why = f"no da señales desde hace {found.silent:.0f} s"
    runs.set_state(conn, found.run_id, "fallida", {"motivo": f"interrumpida: {why}", "tomada_por": run_id})
    # DELETE, not UPDATE: it waits for transactions of the old run that hold the row (fence).
    db.execute(conn, "DELETE FROM migracion.arriendo WHERE run_id = %s", (found.run_id,))
    record_event(conn, run_id, "arriendo_tomado", found.phase, {"de": found.run_id, "porque": why, "sesiones": ended})
    tail = f" Se cerraron {ended} sesiones suyas en el servidor." if ended else ""
    return [
        f"Se toma el relevo de la ejecución interrumpida {found.run_id} ({escape(found.operator)} en "
        f"{escape(found.host)}): {why}.{tail}"
    ]


def _bury_rows_without_lease(conn: Connection, run_id: str) -> None:
    orphans = "SELECT run_id FROM migracion.fase_ejecucion WHERE estado = 'en_curso' AND run_id <> %s"
    for (orphan,) in db.fetch_all(conn, orphans, (run_id,)):
        runs.set_state(conn, orphan, "fallida", {"motivo": "interrumpida: perdió el arriendo", "tomada_por": run_id})


def _backends(conn: Connection, run_id: str, *, working: bool = False) -> list[int]:
    """The sessions of a run. ``working``: without those that have sat there, outside any transaction, as long as silence takes:
    the machine behind them is frozen. What the role may not see of a session is taken for work."""
    db.fetch_one(conn, "SELECT pg_stat_clear_snapshot()")
    query = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid() AND NOT (%s AND "
        "coalesce(state = 'idle' AND state_change < clock_timestamp() - make_interval(secs => %s), false))"
    )
    return [int(row[0]) for row in db.fetch_all(conn, query, (f"migracion:{run_id}"[:63], working, SILENT_AFTER))]


def end_backends(conn: Connection, run_id: str, seconds: float = 10) -> int:
    """Terminate the sessions of a run and wait until they are gone; return how many there were.

    Raises MigrationError, code lease, where they are still there after ``seconds``.
    """
    first = _backends(conn, run_id)
    deadline = time.monotonic() + seconds
    while left := _backends(conn, run_id):
        db.fetch_all(conn, "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", (left,))
        if time.monotonic() > deadline:
            raise MigrationError(
                f"La ejecución interrumpida {run_id} aún tiene sesiones en el servidor (pid {left}) que no se dejan cerrar",
                left=NOTHING_CHANGED,
                move="Repita dentro de un momento.",
                code="lease",
            )
        time.sleep(0.1)
    return len(first)


def release(conn: Connection, run_id: str) -> bool:
    """Give the lease back."""
    return bool(db.execute(conn, "DELETE FROM migracion.arriendo WHERE run_id = %s", (run_id,)))


def heartbeat(conn: Connection, run_id: str) -> bool:
    """A sign of life; False when the lease is not ours (any more)."""
    if not run_id or not bookkeeping.exists(conn):
        return False
    return bool(db.execute(conn, "UPDATE migracion.arriendo SET ultima_senal = now() WHERE run_id = %s", (run_id,)))


def require_run(conn: Connection, run_id: str, phase: str) -> Run:
    """Every module that changes something calls this first: the lease is ours, the run has its row.

    Raises MigrationError, code lease_lost or no_run, where it is not so.
    """
    with db.joined(conn):
        if not heartbeat(conn, run_id):
            raise _lost(conn, run_id)
        run = runs.begin_run(conn, run_id)
    if run.phase != phase or run.state != "en_curso":
        raise MigrationError(
            f"La ejecución {run_id} es de {run.phase} y está {run.state}: no puede cambiar nada en {phase}",
            left=STEP_CHANGED_NOTHING,
            move="Llame al playbook entero, que abre otra ejecución.",
            code="no_run",
        )
    return run


def fence(conn: Connection, run_id: str) -> None:
    """Inside a transaction that writes: nobody takes the lease over before it ends.

    Raises MigrationError, code lease_lost, where somebody has taken it already.
    """
    if db.fetch_one(conn, "SELECT FROM migracion.arriendo WHERE run_id = %s FOR KEY SHARE", (run_id,)) is None:
        raise _lost(conn, run_id)


def _lost(conn: Connection, run_id: str) -> MigrationError:
    found = holder(conn) if run_id else None
    if found is None and (not run_id or runs.run_of(conn, run_id) is None):
        return skipped_guard()
    now = "ahora no lo tiene nadie"
    if found is not None:
        now = f"ahora lo tiene {found.run_id} ({escape(found.operator)} en {escape(found.host)})"
    return MigrationError(
        f"Esta ejecución ({run_id}) perdió el arriendo: {now}",
        left="Se detiene sin cambiar nada más; lo ya confirmado queda.",
        move="Mire qué pasó con ansible-playbook estado.yml y el mismo -i; después, la misma orden continúa.",
        code="lease_lost",
    )


def request_stop(conn: Connection, run_id: str) -> bool:
    """Ask that run to stop between two batches; False when it has ended meanwhile."""
    asked = "UPDATE migracion.arriendo SET parar_solicitado_at = coalesce(parar_solicitado_at, now()) WHERE run_id = %s"
    return bool(db.execute(conn, asked, (run_id,)))


def stop_requested(conn: Connection, run_id: str) -> bool:
    """Whether somebody asked this run to stop."""
    row = db.fetch_one(conn, "SELECT parar_solicitado_at IS NOT NULL FROM migracion.arriendo WHERE run_id = %s", (run_id,))
    return bool(row and row[0])
