"""Off and on without a table's lock: a pair's mode is a row that the triggers read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import COMMITTED_STAYS, MigrationError
from ..core.sync.images import MODES
from ..core.sync.modes import SWITCH_OFF
from ..core.words import number
from ..server.db import execute, fetch_all, fetch_one, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

OFF, ON = "no", "si"
ON_AGAIN = "ansible-playbook estado.yml --tags sincronizacion -e sincronizacion=si con el mismo -i"
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


def wait_for_older(conn: Connection) -> None:
    """Wait until every transaction that is open now in this database, prepared ones too, has ended.

    Raises MigrationError, code waiting, where one stays open.
    """
    open_now = {row[0] for row in fetch_all(conn, _OPEN)}
    until = time.monotonic() + OPEN_PATIENCE
    while left := open_now & {row[0] for row in fetch_all(conn, _OPEN)}:
        if time.monotonic() > until:
            raise MigrationError(
                f"{number(len(left))} transacciones que no vieron encendida la sincronización siguen abiertas",
                left=COMMITTED_STAYS,
                move="Cuando terminen, la misma orden toma lo que dejaron.",
                code="waiting",
            )
        time.sleep(0.1)


_OPEN = """
SELECT l.virtualtransaction FROM pg_locks l LEFT JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'virtualxid' AND l.pid IS DISTINCT FROM pg_backend_pid()
UNION SELECT x.gid FROM pg_prepared_xacts x WHERE x.database = current_database()"""


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
