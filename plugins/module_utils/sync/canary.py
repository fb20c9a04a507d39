"""Whether what services write on the Spanish side comes back to legacy: tried with marked rows, and rolled back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.rows.routes import Route, spanish_columns
from ..core.sqltext import ident, qname
from ..core.sync.canary import Canary, canary_for
from ..core.waits import LOOK
from ..server.db import execute, fetch_all, fetch_one, run_sql, transaction
from .modes import modes_here

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from ..core.catalogue import Catalogue


class _TriedError(Exception):
    """All went well: the transaction is rolled back by it."""


def try_way_back(conn: Connection, mapping: TableMapping, catalogue: Catalogue, routes: Sequence[Route]) -> list[str]:
    """Write a marked row into each Spanish table, change its legacy twin, delete it again; nothing stays but sequence values.

    Returns the tables. Raises MigrationError, code no_way_back, where a row does not arrive, come back or go.
    """
    _require_whole(conn, routes)
    mark = f"can{secrets.token_hex(4)}9"
    done: list[tuple[Canary, list[Route]]] = []
    rows: dict[str, Mapping[str, str]] = {}
    with _rolled_back(conn):
        for table in _parents_first(mapping.tables):
            own = [route for route in routes if route.pair.target == table.name]
            canary = canary_for(table, spanish_columns(mapping, catalogue, table), own, rows, mark)
            rows[table.name] = _written(conn, mapping.schema, canary)
            _require_twin(conn, canary, own, rows[table.name])
            done.append((canary, own))
        run_sql(conn, "SET CONSTRAINTS ALL IMMEDIATE")
        for canary, own in reversed(done):
            _require_gone(conn, mapping.schema, canary, own, rows[canary.table.name])
        run_sql(conn, "SET CONSTRAINTS ALL IMMEDIATE")
    return [canary.table.name for canary, _ in done]


def _require_whole(conn: Connection, routes: Sequence[Route]) -> None:
    """Every pair has its sync, not those of this phase alone."""
    installed = modes_here(conn)
    without = [r.pair for r in routes if (r.pair.source, r.pair.target) not in installed]
    if without:
        raise MigrationError(
            f"la sincronización no está en {', '.join(f'{pair.source} → {pair.target}' for pair in without)}",
            left=NOTHING_CHANGED,
            move="Repita la fase que copia esas tablas: la instala.",
            code="no_way_back",
        )


@contextmanager
def _rolled_back(conn: Connection) -> Iterator[None]:
    try:
        with transaction(conn, wait=LOOK):
            yield
            raise _TriedError
    except _TriedError:
        pass


def _parents_first(tables: Sequence[SpanishTable]) -> list[SpanishTable]:
    left, found = list(tables), list[SpanishTable]()
    while left:
        names = {table.name for table in left}
        ready = [t for t in left if not ({key.table for key in t.foreign_keys} & (names - {t.name}))] or left[:1]
        found += ready
        left = [table for table in left if table not in ready]
    return found


def _written(conn: Connection, schema: str, canary: Canary) -> dict[str, str]:
    names = ", ".join(map(ident, canary.values))
    marks = ", ".join(["%s"] * len(canary.values))
    written = f"INSERT INTO {qname(schema, canary.table.name)} AS t ({names}) VALUES ({marks}) RETURNING row_to_json(t.*)"
    row = fetch_one(conn, written, tuple(canary.values.values()))
    assert row is not None
    return {name: value for name, value in row[0].items() if value is not None}


def _require_twin(conn: Connection, canary: Canary, routes: Sequence[Route], row: Mapping[str, str]) -> None:
    """Its legacy row is there, and a change of that comes back."""
    for route in routes:
        keys = ", ".join(f"_k{n}::text" for n in range(1, len(route.legacy.primary_key) + 1))
        found = fetch_one(conn, f"SELECT {keys} FROM {route.view} WHERE {_same(route.pair.match)}", _key(route.pair.match, row))
        if found is None:
            continue
        if canary.changed:
            _require_back(conn, canary, route, row, tuple(found))
        return
    raise _no_way_back(conn, f"la fila de prueba de {canary.table.name} no llegó a {routes[0].pair.source}")


def _require_back(conn: Connection, canary: Canary, route: Route, row: Mapping[str, str], keys: tuple[str, ...]) -> None:
    carried = route.carried_as(canary.changed)
    assert carried is not None
    where = " AND ".join(f"{ident(name)} = %s" for name in route.legacy.primary_key)
    other = canary.values[canary.changed][::-1]
    changed = f"UPDATE {route.source_table} AS l SET {ident(carried.source.name)} = %s WHERE {where}"
    execute(conn, changed, (other, *keys))
    asked = f"SELECT {ident(canary.changed)} FROM {route.target_table} WHERE {_same(canary.table.primary_key)}"
    found = fetch_one(conn, asked, _key(canary.table.primary_key, row))
    if found is None or found[0] != other:
        raise _no_way_back(conn, f"lo que se cambió en {route.pair.source} no volvió a {canary.table.name}")


def _require_gone(conn: Connection, schema: str, canary: Canary, routes: Sequence[Route], row: Mapping[str, str]) -> None:
    removed = f"DELETE FROM {qname(schema, canary.table.name)} WHERE {_same(canary.table.primary_key)}"
    execute(conn, removed, _key(canary.table.primary_key, row))
    for route in routes:
        if fetch_all(conn, f"SELECT 1 FROM {route.view} WHERE {_same(route.pair.match)}", _key(route.pair.match, row)):
            raise _no_way_back(conn, f"la fila de prueba borrada de {canary.table.name} sigue en {route.pair.source}")


def _same(columns: Sequence[str]) -> str:
    return " AND ".join(f"{ident(name)} = %s" for name in columns)


def _key(columns: Sequence[str], row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in columns)


def _no_way_back(conn: Connection, what: str) -> MigrationError:
    """With what the sync itself noted of it in this transaction."""
    noted = fetch_one(
        conn,
        f"SELECT motivo FROM (SELECT motivo, detectada_at AS cuando FROM {BOOKKEEPING}.cuarentena UNION ALL"
        f" SELECT coalesce(sqlstate || ' ', '') || motivo, momento FROM {BOOKKEEPING}.pendiente) n"
        " WHERE cuando = now() ORDER BY 1 LIMIT 1",
    )
    why = f" ({noted[0]})" if noted else ""
    return MigrationError(
        f"la vuelta atrás no está probada: {what}{why}",
        left=NOTHING_CHANGED,
        move="Ningún servicio cambia hasta que la sincronización la lleve.",
        code="no_way_back",
    )
