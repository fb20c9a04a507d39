"""The end of a load: the pairs that kept keys are switched on, who did not see that ends, and the log is taken in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..call.context import Context
from ..core.bookkeeping import BOOKKEEPING
from ..core.rows.routes import Route
from ..core.sync.images import MODES
from ..core.sync.keeping import KEYS
from ..core.words import duration, number, size
from ..ledger import lease
from ..server.db import execute, fetch_one, transaction
from .modes import LOG_STEP, ROWS_STEP, WAIT_STEP, loading_pairs, note_step, switch_loaded_on, wait_for_older
from .pending import Drained, drain, forget_waiting

KEYS_PER_SECOND = 300  # of a drain, one transaction each
STEPS = {
    ROWS_STEP: "sus filas; lo que se escribe guarda su clave",
    WAIT_STEP: "encendida; espera a quien no lo vio",
    LOG_STEP: "encendida; lleva lo guardado",
}

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def loading_routes(conn: Connection, routes: Sequence[Route]) -> list[Route]:
    """Return those of the routes whose tables are being loaded, in whichever step."""
    pairs = loading_pairs(conn)
    return [r for r in routes if r.names in pairs]


def log_taken_in(context: Context, routes: Sequence[Route], look: Callable[[], None], go_on: Callable[[], bool]) -> Drained:
    """Switch the pairs on whose rows are all there, wait for who did not see it, and carry what was left meanwhile.

    ``look`` is called while it waits, ``go_on`` asked before each key; the next call goes on where this one ended. Raises
    MigrationError, code waiting, where a transaction stays open.
    """
    conn, pairs = context.conn, [r.names for r in routes]
    with transaction(conn):
        lease.fence(conn, context.run_id)
        switch_loaded_on(conn, pairs)
    if any(step == WAIT_STEP for pair, step in loading_pairs(conn).items() if pair in pairs):
        wait_for_older(conn, look)
        with transaction(conn):
            lease.fence(conn, context.run_id)
            note_step(conn, pairs, LOG_STEP)
    done = drain(conn, routes, context.run_id, go_on)
    if not done.cut:
        with transaction(conn):
            lease.fence(conn, context.run_id)
            note_step(conn, pairs, None)
    return done


def log_size(conn: Connection, routes: Sequence[Route]) -> tuple[int, int]:
    """Return how many entries the log of these pairs has, and how many bytes the whole log takes."""
    row = fetch_one(
        conn,
        f"SELECT count(*), pg_total_relation_size('{BOOKKEEPING}.pendiente') FROM {BOOKKEEPING}.pendiente p"
        " WHERE p.tabla_origen = ANY (%s) AND p.tabla_destino = ANY (%s) OR p.tabla_origen = ANY (%s)",
        ([r.pair.source for r in routes], [r.pair.target for r in routes], [r.pair.target for r in routes]),
    )
    return (int(row[0]), int(row[1])) if row else (0, 0)


def begin_keeping(conn: Connection, routes: Sequence[Route]) -> None:
    """In the transaction that has emptied these pairs' tables: they keep keys from the start, and what waited is forgotten."""
    text = f"UPDATE {MODES} m SET modo = %s, carga = %s, desde = now() WHERE (tabla_origen, tabla_destino) = (%s, %s)"
    for route in routes:
        execute(conn, text, (KEYS, ROWS_STEP, *route.names))
        forget_waiting(conn, route)


def loading_lines(conn: Connection, routes: Sequence[Route]) -> list[str]:
    """Return a line for each load that has begun: its step, the log and what taking it in will last, the phase that goes on."""
    lines = []
    for route in loading_routes(conn, routes):
        entries, size_of_log = log_size(conn, [route])
        step = loading_pairs(conn)[route.names]
        lines.append(
            f"  {route.pair.target} se carga ({STEPS[step]}); desde entonces {number(entries)} entradas en el registro, que ocupa"
            f" {size(size_of_log)}: llevarlas dura unos {duration(entries / KEYS_PER_SECOND)}. La continúa {route.pair.phase}"
        )
    return lines


def taken_in_line(routes: Sequence[Route], done: Drained, left: int) -> str:
    """Return what a drain did, in words; ``left``: entries that still wait."""
    names = ", ".join(r.pair.target for r in routes)
    gone = f", {number(done.removed)} filas borradas por los servicios" if done.removed else ""
    more = f"; quedan {number(left)}" if left else ""
    return f"{names}: {number(done.carried)} claves escritas durante la carga, llevadas{gone}{more}"
