"""Carries rows: installs the rendered views and functions, runs batches, and takes everything back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import lease, ledger
from .core.copying import fix_end, function_statements
from .core.errors import MigrationError
from .core.forward import BOOKKEEPING, Route
from .core.mapping import Mapping
from .core.proof import unexplained_sql
from .core.render import view_statement
from .core.sqltext import ident, literal, qname
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
    """Create or replace every pair's view and functions in the caller's transaction.

    The view's comment carries the text's fingerprint: what is installed already is left alone.
    """
    for route in routes:
        statements = (view_statement(route), *function_statements(route))
        stamp = str(fetch_all(conn, "SELECT md5(%s)", ("".join(statements),))[0][0])
        current = fetch_one(conn, "SELECT obj_description(to_regclass(%s), 'pg_class')", (route.view,))
        if current is not None and current[0] == stamp:
            continue
        run_sql(conn, f"DROP VIEW IF EXISTS {route.view}")
        for statement in statements:
            run_sql(conn, statement)
        run_sql(conn, f"REVOKE ALL ON {route.view} FROM PUBLIC")
        run_sql(conn, f"COMMENT ON VIEW {route.view} IS {literal(stamp)}")


def uninstall(conn: Connection, routes: Sequence[Route]) -> None:
    """Drop what install() made: a view on a legacy table would stand in the way of its owner's ALTER TABLE."""
    for route in routes:
        run_sql(conn, f"DROP VIEW IF EXISTS {route.view}")
        for verb in ("copiar", "llevar", "quitar"):
            for (signature,) in fetch_all(
                conn,
                "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = %s::regnamespace AND p.proname = %s",
                (BOOKKEEPING, route.function_name(verb)),
            ):
                run_sql(conn, f"DROP FUNCTION {signature}")


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


def advance_sequences(conn: Connection, mapping: Mapping, routes: Sequence[Route], run_id: str, phase: str) -> list[str]:
    """Move each sequence behind a copied serial past the highest id; returns what was moved, in words.

    The value before is kept as an event, so that the rollback can put it back when nobody has drawn since.
    """
    moved = []
    for lag in lagging_sequences(conn, mapping, routes):
        # in one statement, so that what services draw meanwhile is not taken back
        advance = f"SELECT setval(%s::regclass, %s, true) FROM {lag.sequence} WHERE last_value <= %s"
        fetch_all(conn, advance, (lag.sequence, lag.highest, lag.highest))
        detail = {"secuencia": lag.sequence, "antes": [lag.last, lag.called], "despues": [lag.highest, True]}
        ledger.event(conn, run_id, "secuencia", phase, detail)
        moved.append(f"{lag.sequence} avanzó de {lag.last} a {lag.highest}, el mayor id en uso")
    return moved


@dataclass(frozen=True)
class Lag:
    """A sequence whose next value is in use already."""

    sequence: str
    table: str
    column: str
    last: int
    called: bool
    highest: int


def lagging_sequences(conn: Connection, mapping: Mapping, routes: Sequence[Route]) -> list[Lag]:
    """Return each sequence behind a copied serial that is behind the ids of either side: a refused row keeps its id too."""
    found = []
    for sequence, table, column in _serials(conn, mapping, routes):
        ids = [f"SELECT max({ident(column)}) AS id FROM {qname(mapping.schema, table)}"]
        for route in (r for r in routes if r.pair.target == table):
            source = next((c.source.name for c in route.carried if c.target.name == column), None)
            if source is not None:
                ids.append(f"SELECT max({ident(source)}) FROM {qname(route.schema, route.pair.source)}")
        highest = fetch_all(conn, f"SELECT max(id)::bigint FROM ({' UNION ALL '.join(ids)}) i")[0][0]
        last, called = fetch_all(conn, f"SELECT last_value, is_called FROM {sequence}")[0]
        if highest is not None and (last if called else last - 1) < highest:
            found.append(Lag(sequence, table, column, last, called, highest))
    return found


def _serials(conn: Connection, mapping: Mapping, routes: Sequence[Route]) -> list[tuple[str, str, str]]:
    """Return (sequence as SQL, Spanish table, column) of every serial that the routes fill."""
    tables = {r.table.name: r.table for r in routes}
    found = []
    for name, table in tables.items():
        for column in (c.name for c in table.columns if c.serial):
            row = fetch_one(
                conn,
                "SELECT s.oid::regclass::text FROM pg_attrdef d"
                " JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid"
                " AND p.refclassid = 'pg_class'::regclass"
                " JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'"
                " JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
                " WHERE d.adrelid = to_regclass(%s) AND a.attname = %s",
                (qname(mapping.schema, name), column),
            )
            if row:
                found.append((row[0], name, column))
    return found


def restore_sequences(conn: Connection) -> None:
    """Put back each sequence that the copy moved and nobody has used since; no rollback undoes this."""
    rows = fetch_all(
        conn,
        f"SELECT id, detalle FROM {BOOKKEEPING}.evento WHERE tipo = 'secuencia' AND detalle->>'devuelta' IS NULL"
        " ORDER BY id DESC",
    )
    for event_id, detail in rows:
        sequence = detail["secuencia"]
        now = fetch_one(conn, f"SELECT last_value, is_called FROM {sequence}")
        if now is not None and list(now) == detail["despues"]:
            fetch_all(conn, "SELECT setval(%s::regclass, %s, %s)", (sequence, *detail["antes"]))
        fetch_all(
            conn,
            f"UPDATE {BOOKKEEPING}.evento SET detalle = detalle || '{{\"devuelta\": true}}' WHERE id = %s RETURNING id",
            (event_id,),
        )


def take_back(conn: Connection, mapping: Mapping, routes: Sequence[Route], run_id: str) -> dict[str, int]:
    """Empty the Spanish tables of these routes in the caller's transaction; returns rows emptied and set aside by table.

    What only a Spanish table holds (no legacy row gives that row) is kept in migracion.apartada first.
    """
    names = _with_referencing(conn, mapping, [r.pair.target for r in routes])
    run_sql(conn, f"LOCK TABLE {', '.join(qname(mapping.schema, n) for n in names)} IN ACCESS EXCLUSIVE MODE")
    outcome: dict[str, int] = {}
    for route in routes:
        outcome[f"{route.pair.target}: apartadas"] = _set_aside(conn, route, run_id)
        count = fetch_all(conn, f"SELECT count(*) FROM {qname(mapping.schema, route.pair.target)}")[0][0]
        outcome[f"{route.pair.target}: retiradas"] = count
    run_sql(conn, f"TRUNCATE {', '.join(qname(mapping.schema, n) for n in names)}")
    _forget(conn, routes)
    uninstall(conn, routes)
    return outcome


def _with_referencing(conn: Connection, mapping: Mapping, names: list[str]) -> list[str]:
    """Return the tables and those whose foreign keys point at them: TRUNCATE wants them all, and these must be empty."""
    others: list[str] = []
    for table in mapping.tables:
        if table.name not in names and any(k.table in (*names, *others) for k in table.foreign_keys):
            others.append(table.name)
    present = [n for n in others if fetch_one(conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (qname(mapping.schema, n),))]
    full = [n for n in present if fetch_one(conn, f"SELECT 1 FROM {qname(mapping.schema, n)} LIMIT 1")]
    if full:
        raise MigrationError(
            f"No se puede deshacer: {', '.join(full)} tiene filas que dependen de {', '.join(names)}. No se cambió nada. "
            "Deshaga antes esas tablas (sin -e subfase se deshace la fase entera).",
            code="unsafe",
        )
    return names + present


def _set_aside(conn: Connection, route: Route, run_id: str) -> int:
    rows = fetch_all(
        conn,
        compose("WITH g AS (INSERT INTO {apartada} (run_id, tabla, clave, fila) ", apartada=(BOOKKEEPING, "apartada"))
        + "SELECT %s, %s, clave, fila FROM ("
        + unexplained_sql(route).replace("%", "%%")
        + ") u RETURNING 1) SELECT count(*) FROM g",
        (run_id, route.pair.target),
    )
    return int(rows[0][0])


def _forget(conn: Connection, routes: Sequence[Route]) -> None:
    for route in routes:
        names: dict[str, Any] = {"origen": route.pair.source, "destino": route.pair.target}
        fetch_all(
            conn,
            f"WITH p AS (DELETE FROM {BOOKKEEPING}.progreso_copia WHERE tabla_origen = %(origen)s AND tabla_destino = %(destino)s"
            f"), f AS (DELETE FROM {BOOKKEEPING}.fusion WHERE tabla_origen = %(origen)s AND tabla_destino = %(destino)s"
            f"), c AS (UPDATE {BOOKKEEPING}.cuarentena SET estado = 'resuelta', resolucion = 'revertida',"
            "  resuelta_at = now() WHERE tabla_origen = %(origen)s AND estado <> 'resuelta')"
            " SELECT 1",
            names,
        )
