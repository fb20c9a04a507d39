"""How far a pair's copy has come: its rows in migracion.progreso_copia, and the line that says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.backfill.batching import fix_end, keeps_keys, split_end
from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import MigrationError
from ..core.rows.routes import Route
from ..core.sqltext import qname
from ..core.words import duration, number
from ..ledger import lease
from ..server.db import execute, explaining, fetch_all, fetch_one, run_sql, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

COPIED_STAYS = "Lo copiado hasta aquí queda."
SPLIT_ROWS = 10_000  # below it a second worker is not worth its session


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


def is_loaded(conn: Connection, route: Route) -> bool:
    """Return whether the pair's rows are put in without a lock, because its triggers keep keys meanwhile."""
    return fetch_one(conn, f"SELECT {keeps_keys(route)}") == (True,)


def pending_routes(conn: Connection, routes: Sequence[Route]) -> list[Route]:
    """Return the routes whose copy has not come to its end."""
    ended = (
        f"SELECT tabla_origen, tabla_destino FROM {BOOKKEEPING}.progreso_copia GROUP BY 1, 2"
        " HAVING bool_and(terminada_at IS NOT NULL)"
    )
    done = {(source, target) for source, target in fetch_all(conn, ended)}
    return [r for r in routes if (r.pair.source, r.pair.target) not in done]


def open_progress(conn: Connection, route: Route, run_id: str, workers: int = 1) -> list[Progress]:
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


def total_progress(parts: Sequence[Progress]) -> Progress:
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


def analyze_target(conn: Connection, route: Route) -> None:
    """Let the planner know what the Spanish table holds now."""
    with explaining(f"ANALYZE de {route.pair.target}", left=COPIED_STAYS):
        run_sql(conn, f"ANALYZE {qname(route.schema, route.pair.target)}")


def _progress(conn: Connection, route: Route) -> list[Progress]:
    rows = fetch_all(
        conn,
        "SELECT filas_previstas, filas_leidas, filas_copiadas, filas_cuarentena, terminada_at IS NOT NULL, ritmo, tramo"
        f" FROM {BOOKKEEPING}.progreso_copia WHERE (tabla_origen, tabla_destino) = (%s, %s) ORDER BY tramo",
        (route.pair.source, route.pair.target),
    )
    return [Progress(route, *row) for row in rows]


def progress_now(conn: Connection, progress: Progress) -> Progress:
    """Return the stretch as its last checkpoint left it. Raises MigrationError where that is gone."""
    for part in _progress(conn, progress.route):
        if part.part == progress.part:
            return part
    raise MigrationError(
        f"{progress.route.pair.source}: su fila de migracion.progreso_copia desapareció",
        left=COPIED_STAYS,
        move="Repita la orden.",
    )


def remember_rate(conn: Connection, progress: Progress) -> None:
    """Keep the rate beside the checkpoint: the next slice is another process."""
    execute(
        conn,
        f"UPDATE {BOOKKEEPING}.progreso_copia SET ritmo = %s WHERE (tabla_origen, tabla_destino, tramo) = (%s, %s, %s)",
        (progress.rate, *progress.where),
    )


def seconds_without_batch(conn: Connection, progress: Progress, run_id: str) -> float:
    """How long this run has not copied anything of the stretch, over all its slices."""
    row = fetch_one(
        conn,
        "SELECT greatest(extract(epoch FROM clock_timestamp() - greatest(p.actualizada_at, a.tomado_at)), 0)::float8"
        f" FROM {BOOKKEEPING}.progreso_copia p, {BOOKKEEPING}.arriendo a"
        " WHERE (p.tabla_origen, p.tabla_destino, p.tramo) = (%s, %s, %s) AND a.run_id = %s",
        (*progress.where, run_id),
    )
    return float(row[0]) if row else 0.0


def progress_lines(progress: Progress) -> Iterator[str]:
    """Return the live line (tables, rows, share, rate, time left), and below it what held the copy up."""
    pair = progress.route.pair
    share = 100 * progress.read / progress.expected if progress.expected else 100
    head = (
        f"{pair.source} → {pair.target}: {number(progress.read)} de {number(progress.expected)} filas ({min(share, 100):.0f} %)"
    )
    rate = progress.rate or 0.0
    if progress.finished:
        yield f"{head}, copiada; {number(progress.quarantined)} en cuarentena"
    elif rate < 1:
        yield f"{head}, detenida por ahora"
    else:
        yield f"{head}, {number(rate)} filas/s, faltan {duration(max((progress.expected - progress.read) / rate, 1))}"
    yield from (f"  {note}" for note in progress.notes)
