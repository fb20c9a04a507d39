"""Carries rows: installs the rendered views and functions, and runs batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import lease
from .core.copying import fix_end
from .core.errors import MigrationError
from .core.render import route_statements
from .core.routes import BOOKKEEPING, Route
from .core.sqltext import literal, qname
from .db import Error, compose, explained, fetch_all, fetch_one, run_sql, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

LOCK_TIMEOUT_MS = 200  # above it writers are hurt by deadlocks with our batches (docs/decisions.md)
TRIES = 40
CLASHES = ("55P03", "40P01", "40001")  # a lock not available, a deadlock, a serialization failure: try again


@dataclass
class Progress:
    """What a pair's copy has done so far; ``seconds`` is the time that this call spent on it."""

    route: Route
    expected: int
    read: int
    copied: int
    quarantined: int
    finished: bool
    seconds: float = 0.0
    read_now: int = 0


def install(conn: Connection, routes: Sequence[Route]) -> None:
    """Create every view and function in the caller's transaction; ``routes``: all of the mapping, since views build on views.

    The first view's comment carries the fingerprint of all texts: what is installed already is left alone.
    """
    if not routes:
        return
    statements = [statement for route in routes for statement in route_statements(route, routes)]
    stamp = str(fetch_all(conn, "SELECT md5(%s)", (";".join(statements),))[0][0])
    current = fetch_one(conn, "SELECT obj_description(to_regclass(%s), 'pg_class')", (routes[0].view,))
    if current is not None and current[0] == stamp:
        return
    uninstall(conn, routes)
    for statement in statements:
        run_sql(conn, statement)
    for route in routes:
        run_sql(conn, f"REVOKE ALL ON {route.view} FROM PUBLIC")
    run_sql(conn, f"COMMENT ON VIEW {routes[0].view} IS {literal(stamp)}")


def uninstall(conn: Connection, routes: Sequence[Route]) -> None:
    """Drop what install() made: a view on a legacy table would stand in the way of its owner's ALTER TABLE."""
    names = [r.function_name(verb) for r in routes for verb in ("copiar", "llevar")] + [r.removal_name for r in routes]
    for (signature,) in fetch_all(
        conn,
        "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = %s::regnamespace AND p.proname = ANY (%s)",
        (BOOKKEEPING, names),
    ):
        run_sql(conn, f"DROP FUNCTION {signature}")
    for route in reversed(routes):
        run_sql(conn, f"DROP VIEW IF EXISTS {route.view}")


def pending_routes(conn: Connection, routes: Sequence[Route]) -> list[Route]:
    """Return the routes whose copy has not come to its end."""
    done = {
        (source, target)
        for source, target in fetch_all(
            conn, f"SELECT tabla_origen, tabla_destino FROM {BOOKKEEPING}.progreso_copia WHERE terminada_at IS NOT NULL"
        )
    }
    return [r for r in routes if (r.pair.source, r.pair.target) not in done]


def copy_for(conn: Connection, route: Route, run_id: str, batch_rows: int, deadline: float) -> Progress:
    """Copy batches of one pair until it is finished or ``deadline`` (time.monotonic()) has passed."""
    with transaction(conn):
        lease.fence(conn, run_id)
        run_sql(conn, fix_end(route))
    started, before, size = time.monotonic(), _progress(conn, route), batch_rows
    progress = before
    while not progress.finished:
        _stop_if_asked(conn, run_id)
        _, size = run_batch(conn, route, run_id, (size, batch_rows), lambda rows: _copy_batch(conn, route, run_id, rows))
        progress = _progress(conn, route)
        if time.monotonic() >= deadline:
            break
    if progress.finished:
        with explained(f"ANALYZE de {route.pair.target}"):
            run_sql(conn, f"ANALYZE {qname(route.schema, route.pair.target)}")
    progress.seconds = time.monotonic() - started
    progress.read_now = progress.read - before.read
    return progress


def _copy_batch(conn: Connection, route: Route, run_id: str, rows: int) -> None:
    query = compose("SELECT leidas FROM {f}(%s, %s)", f=(BOOKKEEPING, route.function_name("copiar")))
    fetch_all(conn, query, (rows, run_id))


def run_batch(
    conn: Connection, route: Route, run_id: str, sizes: tuple[int, int], work: Callable[[int], None]
) -> tuple[int, int]:
    """Run ``work(rows)`` as one transaction that gives way to writers: with fewer rows after each clash.

    ``sizes``: rows to begin with and at most. Returns the rows that went through and those to try next.
    """
    size, full_size = sizes
    for attempt in range(TRIES):
        try:
            with transaction(conn, lock_timeout_ms=LOCK_TIMEOUT_MS):
                _lock_table(conn, route)
                lease.fence(conn, run_id)
                work(size)
            return size, min(full_size, size * 2)
        except Error as error:
            if error.pgcode not in CLASHES:
                raise
            size = max(1, size // 4)
            time.sleep(min(1.0, 0.05 * (attempt + 1)))
    raise MigrationError(
        f"{route.pair.source}: otras transacciones tienen sus filas bloqueadas desde hace {TRIES} intentos de "
        f"{LOCK_TIMEOUT_MS} ms. Lo copiado hasta aquí queda. Busque la transacción con: SELECT pid, usename, xact_start, "
        "query FROM pg_stat_activity ORDER BY xact_start; y repita la misma orden.",
        code="locked",
    )


def _stop_if_asked(conn: Connection, run_id: str) -> None:
    if lease.stop_requested(conn, run_id):
        raise MigrationError(
            "Parada pedida: la copia se detiene entre dos lotes. Lo copiado queda; la misma orden continúa desde aquí.",
            code="paused",
        )


def _lock_table(conn: Connection, route: Route) -> None:
    """Take the table's advisory lock for this transaction: two copies of one table never run at once."""
    name = f"migracion:{route.pair.source}:{route.pair.target}"
    got = fetch_all(conn, "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (name,))[0][0]
    if not got:
        raise MigrationError(
            f"{route.pair.source}: otra sesión la está copiando en este momento. No se cambió nada; mire quién es con: "
            "ansible-playbook estado.yml y el mismo -i.",
            code="locked",
        )


def _progress(conn: Connection, route: Route) -> Progress:
    row = fetch_all(
        conn,
        "SELECT filas_previstas, filas_leidas, filas_copiadas, filas_cuarentena, terminada_at IS NOT NULL"
        f" FROM {BOOKKEEPING}.progreso_copia WHERE (tabla_origen, tabla_destino, tramo) = (%s, %s, '')",
        (route.pair.source, route.pair.target),
    )[0]
    return Progress(route, *row)
