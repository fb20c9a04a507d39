"""Makes equal what the proof names: surplus rows leave (children first), then rows are carried (parents first)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from . import lease
from .copier import BATCH_BYTES, run_batch
from .core import proof
from .core.proof import PENDING
from .core.routes import BOOKKEEPING, Route
from .core.row_bytes import legacy_bytes, spanish_bytes
from .core.sqltext import ident
from .db import compose, fetch_all, run_sql, transaction
from .prover import Account, prove
from .throttle import Watch

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

ROUNDS = 5
KEYS = 20_000  # held in memory at once


def repair(
    conn: Connection,
    routes: Sequence[Route],
    every_route: Sequence[Route],
    watch: Watch,
    batch_rows: int,
    accounts: list[Account],
) -> list[Account]:
    """Repair what the proof ``accounts`` names and prove again, until it is clean or the rounds are used up."""
    for _ in range(ROUNDS):
        wrong = [a for a in accounts if not a.clean]
        if not wrong:
            break
        for found in reversed(wrong):
            if found.surplus:
                _remove_surplus(conn, found.route, every_route, watch, batch_rows)
        for found in wrong:
            if found.count(*PENDING):
                _carry(conn, found.route, watch, batch_rows)
            if found.stale_entries:
                _close_stale_entries(conn, found.route, every_route, watch.run_id)
        accounts = prove(conn, routes, every_route)
    return accounts


def _remove_surplus(conn: Connection, route: Route, every_route: Sequence[Route], watch: Watch, batch_rows: int) -> None:
    fill = [r for r in every_route if r.pair.target == route.pair.target]
    columns = [(c.name, c.type) for c in route.match]
    size = spanish_bytes(route, "t")
    for rows in _portions(conn, proof.surplus_sql(fill)):
        for keys in _within_bytes(conn, route.target_table, columns, size, [row[1:] for row in rows]):
            _call(conn, route, route.removal_name, [c.type for c in route.match], keys, watch, batch_rows)


def _carry(conn: Connection, route: Route, watch: Watch, batch_rows: int) -> None:
    columns = [(c.name, c.type) for c in route.key]
    size = legacy_bytes(route, "t")
    for rows in _portions(conn, proof.repair_sql(route)):
        for keys in _within_bytes(conn, route.source_table, columns, size, rows):
            _call(conn, route, route.function_name("llevar"), [c.type for c in route.key], keys, watch, batch_rows)


def _within_bytes(
    conn: Connection, table: str, columns: Sequence[tuple[str, str]], size: str, keys: Sequence[tuple[Any, ...]]
) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Cut keys into pieces whose rows in ``table`` hold BATCH_BYTES at most; a larger row stands alone."""
    arrays = ", ".join(f"%s::{kind}[]" for _, kind in columns)
    names = [f"k{n}" for n in range(len(columns))]
    joined = " AND ".join(f"t.{ident(column)} = k.{name}" for (column, _), name in zip(columns, names, strict=True))
    rest = f" WITH ORDINALITY AS k({', '.join(names)}, n) LEFT JOIN {table} t ON {joined} ORDER BY k.n"
    query = f"SELECT coalesce({size}, 0) FROM unnest(".replace("%", "%%") + f"{arrays})" + rest.replace("%", "%%")
    begin, held = 0, 0
    for position, (more,) in enumerate(fetch_all(conn, query, _texts(keys))):
        if held and held + more > BATCH_BYTES:
            yield keys[begin:position]
            begin, held = position, 0
        held += more
    yield keys[begin:]


def _texts(keys: Sequence[tuple[Any, ...]]) -> list[list[str]]:
    """Columns of keys, each as an array of texts."""
    return [[str(value) for value in column] for column in zip(*keys, strict=True)]


def _portions(conn: Connection, query: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a query in portions; the whole result stands on the server before the first repair."""
    with transaction(conn, read_only=True):
        run_sql(conn, f"DECLARE migracion_reparar NO SCROLL CURSOR WITH HOLD FOR {query}")
    try:
        while rows := fetch_all(conn, f"FETCH {KEYS} FROM migracion_reparar"):
            yield rows
    finally:
        if not conn.closed:
            run_sql(conn, "CLOSE migracion_reparar")


def _call(
    conn: Connection, route: Route, name: str, types: Sequence[str], keys: Sequence[tuple[Any, ...]], watch: Watch, rows: int
) -> None:
    """Call a pair's function for all keys, in transactions of at most ``rows`` that give way to writers."""
    function = compose("{f}", f=(BOOKKEEPING, name))
    query = f"SELECT * FROM {function}({', '.join(f'%s::{cast}[]' for cast in types)}, %s)"
    done, size = 0, rows
    while done < len(keys):
        watch.hold(conn)
        work = partial(_execute, conn, query, keys[done:], watch.run_id)
        used, size = run_batch(conn, route, watch, (size, rows), work)
        done += used


def _execute(conn: Connection, query: str, keys: Sequence[tuple[Any, ...]], run_id: str, rows: int) -> None:
    fetch_all(conn, query, (*_texts(keys[:rows]), run_id))


def _close_stale_entries(conn: Connection, route: Route, every_route: Sequence[Route], run_id: str) -> None:
    same_source = [r for r in every_route if r.pair.source == route.pair.source]
    with transaction(conn):
        lease.fence(conn, run_id)
        run_sql(
            conn,
            f"UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resolucion = 'corregida',"
            f" resuelta_at = now() FROM ({proof.stale_entries_sql(same_source)}) s"
            f" WHERE c.tabla_origen = s.tabla_origen AND c.clave = s.clave AND c.estado <> 'resuelta'",
        )
        run_sql(
            conn,
            f"DELETE FROM {BOOKKEEPING}.fusion m USING ({proof.stale_merges_sql(route)}) s"
            f" WHERE m.clave = s.clave AND (m.tabla_origen, m.tabla_destino) = (s.tabla_origen, s.tabla_destino)",
        )
