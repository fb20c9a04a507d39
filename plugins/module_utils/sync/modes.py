"""Off and on without a table's lock: a pair's mode is a row that the triggers read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import COMMITTED_STAYS, MigrationError
from ..core.server.blockers import Blocker, in_the_way
from ..core.sync.images import MODES
from ..core.sync.keeping import KEYS
from ..core.sync.modes import SWITCH_OFF
from ..core.words import number
from ..server.db import execute, fetch_all, fetch_one, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

OFF, ON = "no", "si"
ON_AGAIN = "ansible-playbook estado.yml --tags sincronizacion -e sincronizacion=si con el mismo -i"
ROWS_STEP, WAIT_STEP, LOG_STEP = "filas", "espera", "registro"  # of a load
OPEN_PATIENCE = 60.0  # seconds that switching on waits for transactions that saw the sync off


def modes_here(conn: Connection) -> dict[tuple[str, str], str]:
    """Return the mode of every pair whose sync is installed."""
    if fetch_one(conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (MODES,)) is None:
        return {}
    return {(s, t): m for s, t, m in fetch_all(conn, f"SELECT tabla_origen, tabla_destino, modo FROM {MODES} ORDER BY 1, 2")}


def switch_off(conn: Connection) -> int:
    """Switch every pair off that is on: its triggers leave keys and nothing else. Returns how many were."""
    with transaction(conn):
        return execute(conn, SWITCH_OFF)


def switch_on(conn: Connection) -> int:
    """Switch every pair on that was switched off, and wait for the transactions that may have seen it off.

    Raises MigrationError, code waiting, where one stays open: what it left is drained by the same command afterwards.
    """
    with transaction(conn):
        switched = execute(conn, f"UPDATE {MODES} m SET modo = 'si', desde = now() WHERE modo = 'no'")
    if switched:
        wait_for_older(conn)
    return switched


def loading_pairs(conn: Connection) -> dict[tuple[str, str], str]:
    """Return which step of its load every pair is in that is being loaded: ROWS_STEP, WAIT_STEP or LOG_STEP."""
    if not modes_here(conn):
        return {}
    rows = fetch_all(conn, f"SELECT tabla_origen, tabla_destino, carga FROM {MODES} WHERE carga IS NOT NULL ORDER BY 1, 2")
    return {(s, t): step for s, t, step in rows}


def switch_loaded_on(conn: Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """In the caller's transaction: these pairs' rows are there, so their triggers carry what is written from here on."""
    pair_keeps = "(tabla_origen, tabla_destino) = (%s, %s) AND modo = %s"
    text = f"UPDATE {MODES} m SET modo = 'si', carga = %s, desde = now() WHERE {pair_keeps}"
    for pair in pairs:
        execute(conn, text, (WAIT_STEP, *pair, KEYS))


def note_step(conn: Connection, pairs: Sequence[tuple[str, str]], step: str | None) -> None:
    """Keep that these pairs' load has come to that step; None: to its end."""
    for pair in pairs:
        execute(conn, f"UPDATE {MODES} m SET carga = %s WHERE (tabla_origen, tabla_destino) = (%s, %s)", (step, *pair))


def passed_by(conn: Connection) -> set[tuple[str, str]]:
    """Return the pairs whose triggers were gone, where what was written meanwhile is not settled yet."""
    if not modes_here(conn):
        return set()
    return set(fetch_all(conn, f"SELECT tabla_origen, tabla_destino FROM {MODES} WHERE faltaba"))


def note_passed_by(conn: Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """Before their triggers are put back: keep on record that they were gone; every pair leaves keys until that is settled."""
    with transaction(conn):
        for pair in pairs:
            execute(conn, f"UPDATE {MODES} m SET faltaba = true WHERE (tabla_origen, tabla_destino) = (%s, %s)", pair)
        execute(conn, SWITCH_OFF)


def note_settled(conn: Connection) -> None:
    """In the transaction that leaves nothing more to settle."""
    execute(conn, f"UPDATE {MODES} m SET faltaba = false WHERE m.faltaba")


def wait_for_older(conn: Connection, look: Callable[[], None] = lambda: None) -> None:
    """Wait until every transaction that is open now in this database has ended, those that are prepared meanwhile too.

    ``look`` is called while it waits; what it raises ends the wait. Raises MigrationError, code waiting, naming who is still
    open after OPEN_PATIENCE seconds.
    """
    until = time.monotonic() + OPEN_PATIENCE
    # in this order: who is prepared meanwhile is among the first no more, and among the second by then
    for query in (_OPEN, _PREPARED):
        open_now = {row[0] for row in fetch_all(conn, query)}
        while open_now := open_now & {row[0] for row in fetch_all(conn, query)}:
            if time.monotonic() > until:
                seen = [Blocker(*row[1:]) for row in fetch_all(conn, query) if row[0] in open_now]
                raise MigrationError(
                    f"{number(len(open_now))} transacciones que no vieron encendida la sincronización siguen abiertas."
                    f" {in_the_way(seen)}",
                    left=COMMITTED_STAYS,
                    move="Cuando terminen, la misma orden toma lo que dejaron.",
                    code="waiting",
                )
            look()
            time.sleep(0.1)


# A transaction, then as a Blocker: sessions of this database that some role has, but for our own.
_OPEN = """
SELECT l.virtualtransaction, a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8, coalesce(a.datname, ''), '', false
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid()
  AND a.datname = current_database() AND a.usename IS NOT NULL"""
_PREPARED = """
SELECT p.gid, 0, p.owner::text, '', '', extract(epoch FROM clock_timestamp() - p.prepared)::float8, p.database::text, p.gid,
       false
FROM pg_prepared_xacts p WHERE p.database = current_database()"""


def require_on(conn: Connection, code: str = "refused") -> None:
    """Raise MigrationError while the sync is off by command, with the one that switches it on. A run pauses."""
    off = [f"{s} → {t}" for (s, t), mode in modes_here(conn).items() if mode == OFF]
    if off:
        raise MigrationError(
            f"la sincronización está apagada ({', '.join(off)}): lo que los servicios escriben espera en {BOOKKEEPING}.pendiente",
            left="Este paso no cambió nada.",
            move=f"Enciéndala antes: {ON_AGAIN}",
            code=code,
        )
