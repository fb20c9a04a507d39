"""Carries rows: installs the rendered views and functions, and runs batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..core.backfill.batching import fix_end, split_end
from ..core.backfill.pace import blended, next_rows
from ..core.errors import MigrationError
from ..core.render import route_statements
from ..core.rows.routes import BOOKKEEPING, Route
from ..core.sqltext import literal, qname
from ..ledger import lease
from ..server.db import Error, compose, execute, explained, fetch_all, fetch_one, run_sql, transaction
from .watch import Watch, waiters

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

LOCK_TIMEOUT_MS = 200  # above it writers are hurt by deadlocks with our batches (docs/decisions.md)
BATCH_BYTES = 8 * 2**20  # of the legacy rows of one transaction: what it writes, remembers and lasts is bounded by it
SPLIT_ROWS = 10_000  # below it a second worker is not worth its session
TRIES = 40
CLASHES = ("55P03", "40P01", "40001")  # a lock not available, a deadlock, a serialization failure: try again


class BlockedError(MigrationError):
    """Other transactions hold the rows of the next batch for too long."""


@dataclass
class Progress:
    """What a pair's copy has done so far, or one of its two stretches of the key (``part``).

    ``rate``: rows per second of late; ``notes``: what held this call up.
    """

    route: Route
    expected: int
    read: int
    copied: int
    quarantined: int
    finished: bool
    rate: float | None = None
    part: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def where(self) -> tuple[str, str, str]:
        """The key of its row in migracion.progreso_copia."""
        return (self.route.pair.source, self.route.pair.target, self.part)

    def note(self, sentence: str) -> None:
        """Keep a sentence once, however often it holds."""
        if sentence not in self.notes:
            self.notes.append(sentence)


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
    run_sql(conn, *statements)
    run_sql(conn, f"REVOKE ALL ON {', '.join(route.view for route in routes)} FROM PUBLIC")
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
    if routes:
        run_sql(conn, f"DROP VIEW IF EXISTS {', '.join(route.view for route in reversed(routes))}")


def pending_routes(conn: Connection, routes: Sequence[Route]) -> list[Route]:
    """Return the routes whose copy has not come to its end."""
    ended = (
        f"SELECT tabla_origen, tabla_destino FROM {BOOKKEEPING}.progreso_copia GROUP BY 1, 2"
        " HAVING bool_and(terminada_at IS NOT NULL)"
    )
    done = {(source, target) for source, target in fetch_all(conn, ended)}
    return [r for r in routes if (r.pair.source, r.pair.target) not in done]


def begin(conn: Connection, route: Route, run_id: str, workers: int = 1) -> list[Progress]:
    """Fix the end of a pair's copy at the keys of this moment, once; return how far its stretches have come."""
    parts = _progress(conn, route)
    if not parts:
        with transaction(conn):
            lease.fence(conn, run_id)
            run_sql(conn, fix_end(route))
            if workers > 1 and _progress(conn, route)[0].expected > SPLIT_ROWS:
                run_sql(conn, split_end(route))
            parts = _progress(conn, route)
    return parts


def total(parts: Sequence[Progress]) -> Progress:
    """Return the progress of all stretches of one pair together."""
    rates = [part.rate for part in parts if part.rate and not part.finished]
    return Progress(
        parts[0].route,
        sum(part.expected for part in parts),
        sum(part.read for part in parts),
        sum(part.copied for part in parts),
        sum(part.quarantined for part in parts),
        all(part.finished for part in parts),
        sum(rates) or None,
        notes=list(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def finish(conn: Connection, route: Route) -> None:
    """Let the planner know what the Spanish table holds now."""
    with explained(f"ANALYZE de {route.pair.target}"):
        run_sql(conn, f"ANALYZE {qname(route.schema, route.pair.target)}")


def copy_for(conn: Connection, progress: Progress, watch: Watch, batch_rows: int, deadline: float) -> Progress:
    """Go on from ``progress`` until its stretch is finished or ``deadline`` (time.monotonic()) has passed."""
    route, started, before, size = progress.route, time.monotonic(), progress.read, batch_rows
    progress = replace(progress, notes=[*progress.notes])
    while not progress.finished:
        verdict = watch.before_batch(conn)
        if verdict.wait:
            progress.note(f"la copia espera: {verdict.wait}")
            watch.wait(verdict.wait, _seconds_without_batch(conn, progress, watch.run_id), deadline)
        else:
            batch = Batch(conn, progress, watch.run_id)
            try:
                wanted, _ = run_batch(conn, route, watch, (size, batch_rows), batch.copy, deadline, progress.part)
            except BlockedError:
                if progress.read == before:
                    raise
                progress.note("otras transacciones tienen bloqueadas las filas que siguen")
                break
            size = next_rows(batch.read if batch.cut else wanted, batch_rows, batch.seconds, batch.waiters)
            progress = replace(_now(conn, progress), rate=progress.rate, notes=progress.notes)
            if batch.waiters:
                progress.note(f"otras sesiones esperaban detrás de un lote: el siguiente lleva {size} filas")
            if verdict.slow:
                progress.note(f"la copia va a medio ritmo: {verdict.slow}")
                time.sleep(max(0.0, min(batch.seconds, deadline - time.monotonic())))
        if time.monotonic() >= deadline:
            break
    progress.rate = blended(progress.rate, progress.read - before, time.monotonic() - started)
    _remember_rate(conn, progress)
    return progress


@dataclass
class Batch:
    """The transaction that went through last: rows read, whether their bytes cut it short, how long it lasted, who waited."""

    conn: Connection
    progress: Progress
    run_id: str
    read: int = 0
    cut: bool = False
    seconds: float = 0.0
    waiters: int = 0

    def copy(self, rows: int) -> None:
        """Copy the next ``rows`` at most, in the caller's transaction."""
        started = time.monotonic()
        name = self.progress.route.function_name("copiar")
        query = compose("SELECT leidas, cortada FROM {f}(%s, %s, %s, %s)", f=(BOOKKEEPING, name))
        self.read, self.cut = fetch_all(self.conn, query, (self.progress.part, rows, BATCH_BYTES, self.run_id))[0]
        self.waiters = waiters(self.conn)
        self.seconds = time.monotonic() - started


def run_batch(
    conn: Connection,
    route: Route,
    watch: Watch,
    sizes: tuple[int, int],
    work: Callable[[int], None],
    deadline: float = math.inf,
    part: str = "",
) -> tuple[int, int]:
    """Run ``work(rows)`` as one transaction that gives way to writers: with fewer rows after each clash.

    ``sizes``: rows to begin with and at most. Returns the rows that went through and those to try next. A clash after
    ``deadline`` is the last one: a slice has to end, also where nobody lets it pass.
    """
    size, full_size = sizes
    for attempt in range(TRIES):
        if attempt:
            watch.require_time(conn)
        try:
            with transaction(conn, lock_timeout_ms=LOCK_TIMEOUT_MS):
                _lock_table(conn, route, part)
                lease.fence(conn, watch.run_id)
                work(size)
            return size, min(full_size, size * 2)
        except Error as error:
            if error.pgcode not in CLASHES:
                raise
            size = max(1, size // 4)
            if time.monotonic() >= deadline:
                break
            time.sleep(min(1.0, 0.05 * (attempt + 1)))
    raise BlockedError(
        f"{route.pair.source}: otras transacciones tienen sus filas bloqueadas desde hace {attempt + 1} intentos de "
        f"{LOCK_TIMEOUT_MS} ms. Lo copiado hasta aquí queda. Busque la transacción con: SELECT pid, usename, xact_start, "
        "query FROM pg_stat_activity ORDER BY xact_start; y repita la misma orden.",
        code="locked",
    )


def _lock_table(conn: Connection, route: Route, part: str) -> None:
    """Take the stretch's advisory lock for this transaction: it is never copied twice at once."""
    name = f"migracion:{route.pair.source}:{route.pair.target}{part and ':' + part}"
    got = fetch_all(conn, "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (name,))[0][0]
    if not got:
        raise MigrationError(
            f"{route.pair.source}: otra sesión la está copiando en este momento. No se cambió nada; mire quién es con: "
            "ansible-playbook estado.yml y el mismo -i.",
            code="locked",
        )


def _progress(conn: Connection, route: Route) -> list[Progress]:
    rows = fetch_all(
        conn,
        "SELECT filas_previstas, filas_leidas, filas_copiadas, filas_cuarentena, terminada_at IS NOT NULL, ritmo, tramo"
        f" FROM {BOOKKEEPING}.progreso_copia WHERE (tabla_origen, tabla_destino) = (%s, %s) ORDER BY tramo",
        (route.pair.source, route.pair.target),
    )
    return [Progress(route, *row) for row in rows]


def _now(conn: Connection, progress: Progress) -> Progress:
    for part in _progress(conn, progress.route):
        if part.part == progress.part:
            return part
    raise MigrationError(f"{progress.route.pair.source}: su fila de migracion.progreso_copia desapareció; repita la orden.")


def _remember_rate(conn: Connection, progress: Progress) -> None:
    """Keep the rate beside the checkpoint: the next slice is another process."""
    execute(
        conn,
        f"UPDATE {BOOKKEEPING}.progreso_copia SET ritmo = %s WHERE (tabla_origen, tabla_destino, tramo) = (%s, %s, %s)",
        (progress.rate, *progress.where),
    )


def _seconds_without_batch(conn: Connection, progress: Progress, run_id: str) -> float:
    """How long this run has not copied anything of the stretch, over all its slices."""
    row = fetch_one(
        conn,
        "SELECT extract(epoch FROM clock_timestamp() - greatest(p.actualizada_at, a.tomado_at))::float8"
        f" FROM {BOOKKEEPING}.progreso_copia p, {BOOKKEEPING}.arriendo a"
        " WHERE (p.tabla_origen, p.tabla_destino, p.tramo) = (%s, %s, %s) AND a.run_id = %s",
        (*progress.where, run_id),
    )
    return float(row[0]) if row else 0.0
