"""Finds the legacy rows that cannot be read (a damaged page of TOAST) by halving, and quarantines them without what is damaged.

Nothing is looked for before a statement has failed on one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import COMMITTED_STAYS, READ_ONLY_STEP, MigrationError
from ..core.mapping.types import Lookup
from ..core.rows.routes import Route
from ..core.rows.unreadable import enter_sql, entered_sql
from ..core.sqltext import ident
from ..core.words import number
from ..server.db import Error, Row, T, execute, fetch_all, run_sql
from ..server.stored_parts import StoredPart, stored_parts, unreadable_blocks

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# Of SQLSTATE: internal errors (corrupted data, a chunk of TOAST that is missing) and those of the system (a file not read).
DAMAGED = ("XX", "58")
TRIES = 3
UNREADABLE_SHOWN = 5
# jsonb refuses some of what json accepts
COLUMNS = """
SELECT attname, atttypid = 'pg_catalog.json'::regtype FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
"""


@dataclass(frozen=True)
class Unreadable:
    """A legacy row: its table's OID and its place there, what can be read of it as JSON, the other columns, the SQLSTATE."""

    table: int
    place: str
    row: str
    columns: tuple[str, ...]
    sqlstate: str


def is_damage(error: Error) -> bool:
    """Whether a statement failed on data that cannot be read."""
    return str(error.pgcode or "").startswith(DAMAGED)


def without_damage(work: Callable[[], T], put_aside: Callable[[], Sequence[str]]) -> T:
    """Return what ``work`` returns; where it fails on rows that cannot be read, put them aside and do it again.

    ``put_aside`` returns a phrase for what it put aside: where there is none, the failure stands.
    """
    for _ in range(TRIES):
        try:
            return work()
        except Error as error:
            if not is_damage(error) or not put_aside():
                raise
    return work()


def rehearsed_without_damage(conn: Connection, routes: Sequence[Route], work: Callable[[], T]) -> T:
    """The same inside a transaction that the caller rolls back."""

    def attempt() -> T:
        run_sql(conn, "SAVEPOINT intento")
        try:
            return work()
        except Error:
            run_sql(conn, "ROLLBACK TO SAVEPOINT intento")
            raise

    return without_damage(attempt, partial(put_unreadable_aside, conn, routes, rehearsed=True))


def put_unreadable_aside(conn: Connection, routes: Sequence[Route], *, rehearsed: bool = False, failed: bool = True) -> list[str]:
    """Quarantine what cannot be read of the tables that the routes read, in the open transaction; a phrase for each table.

    ``rehearsed``: it will be rolled back, and no sequence may keep a trace of it. Where nothing is found and a statement
    ``failed``, raises MigrationError, code damaged, for values that cannot be read where the routes look them up.
    """
    phrases = []
    for route in _read_by(routes):
        claves = [clave for found in list(find_unreadable(conn, route)) for clave in _enter(conn, route, found, rehearsed)]
        if claves:
            more = "" if len(claves) <= UNREADABLE_SHOWN else " …"
            said = f"{number(len(claves))} filas no se pueden leer (dañadas en el disco)"
            phrases.append(f"{route.pair.source}: {said}: {', '.join(sorted(claves)[:UNREADABLE_SHOWN])}{more}")
    if failed and not phrases and (lost := _lost_where_looked_up(conn, routes)):
        shown = "; ".join(lost[:UNREADABLE_SHOWN]) + (" …" if len(lost) > UNREADABLE_SHOWN else "")
        raise MigrationError(
            f"no se puede leer lo que se busca en otra tabla (dañado en el disco): {shown}",
            left=READ_ONLY_STEP if rehearsed else COMMITTED_STAYS,
            move="Escriba de nuevo esa columna en esa fila, aunque sea a NULL, y repita la orden.",
            code="damaged",
        )
    return phrases


def _lost_where_looked_up(conn: Connection, routes: Sequence[Route]) -> list[str]:
    """A phrase for each value that a route takes from a row of another legacy table, and that cannot be read there."""
    found = dict[str, None]()
    for route in routes:
        for carried in (c for c in route.carried if c.rule.lookup and not c.spanish):
            lookup = carried.lookup
            for part in stored_parts(conn, route.schema, lookup.table):
                for place in _damaged(conn, part):
                    if which := _lost_row(conn, part.at(place), lookup):
                        into = f"{route.pair.target}.{carried.target.name}"
                        found[f"{lookup.table}.{lookup.take} de la fila {which}, de donde sale {into}"] = None
    return list(found)


def _lost_row(conn: Connection, row: str, lookup: Lookup) -> str:
    """How the row is known whose value cannot be read; '' where it can."""
    if not _failure(conn, f"SELECT to_jsonb(l.{ident(lookup.take)}::text) {row}"):
        return ""
    keys: list[Row] = []
    lost = _failure(conn, f"SELECT l.{ident(lookup.column)}::text, l.ctid::text {row}", keys)
    return f"con {lookup.column} = {keys[0][0]}" if keys and not lost else f"de {row}"


def reopen_readable(conn: Connection, routes: Sequence[Route]) -> int:
    """Close the entries of rows that can be read again or are gone, in the open transaction; how many there were."""
    closed = 0
    for route in {r.pair.source: r for r in routes}.values():
        entries = fetch_all(conn, entered_sql(route))
        parts = {part.oid: part for part in _parts(conn, route)} if entries else {}
        for entry, table, place in entries:
            if table not in parts or not _read(conn, parts[table], place).columns:
                end = "estado = 'resuelta', resolucion = 'corregida', resuelta_at = now()"
                closed += execute(conn, f"UPDATE {BOOKKEEPING}.cuarentena SET {end} WHERE id = %s", (entry,))
    return closed


def find_unreadable(conn: Connection, route: Route) -> Iterator[Unreadable]:
    """Yield the rows of the route's legacy table that cannot be read and have no entry yet, in the open transaction."""
    known = {(table, place) for _, table, place in fetch_all(conn, entered_sql(route))}
    for part in _parts(conn, route):
        for place in _damaged(conn, part):
            if (part.oid, place) not in known and (found := _read(conn, part, place)).columns:
                yield found


def _read_by(routes: Sequence[Route]) -> list[Route]:
    """One route for each legacy table that these read: their own, their parents', those of winners."""
    read: dict[str, Route] = {}
    for route in routes:
        for one in (*(p for _, parents in route.parents for p in parents), *route.earlier, route):
            read.setdefault(one.pair.source, one)
    return list(read.values())


def _parts(conn: Connection, route: Route) -> list[StoredPart]:
    return stored_parts(conn, route.schema, route.pair.source)


def _damaged(conn: Connection, part: StoredPart) -> Iterator[str]:
    """Yield the places of the rows that cannot be read."""
    whole = "octet_length((l.*)::text)"

    def failure(first: int, end: int) -> str:
        return _failure(conn, f"SELECT sum({whole}) {part.between(first, end)}")

    for block, _ in unreadable_blocks(0, part.blocks, failure):
        for (place,) in fetch_all(conn, f"SELECT l.ctid::text {part.between(block, block + 1)}"):
            if _failure(conn, f"SELECT {whole} {part.at(place)}"):
                yield place


def _read(conn: Connection, part: StoredPart, place: str) -> Unreadable:
    """Read a row column by column; no column is unreadable where it is gone."""
    parts, lost, state = [], [], ""
    for column, is_json in fetch_all(conn, COLUMNS, (part.oid,)):
        value = f"l.{ident(column)}{'::text' if is_json else ''}"
        rows: list[Row] = []
        if failed := _failure(conn, f"SELECT to_jsonb({value})::text {part.at(place)}", rows):
            lost.append(column)
            state = state or failed
        elif rows:
            parts.append(f"{json.dumps(column, ensure_ascii=False)}: {'null' if rows[0][0] is None else rows[0][0]}")
    return Unreadable(part.oid, place, "{" + ", ".join(parts) + "}", tuple(lost), state)


def _enter(conn: Connection, route: Route, found: Unreadable, rehearsed: bool) -> list[str]:
    values = (found.table, found.place, found.row, ", ".join(found.columns), found.sqlstate)
    return [clave for (clave,) in fetch_all(conn, enter_sql(route, rehearsed), values)]


def _failure(conn: Connection, query: str, rows: list[Row] | None = None) -> str:
    """Return the SQLSTATE with which a query fails on damage, '' where it does not; ``rows``: where its rows go."""
    run_sql(conn, "SAVEPOINT lectura")
    try:
        found = fetch_all(conn, query)
    except Error as error:
        run_sql(conn, "ROLLBACK TO SAVEPOINT lectura")
        if not is_damage(error):
            raise
        return str(error.pgcode)
    run_sql(conn, "RELEASE SAVEPOINT lectura")
    if rows is not None:
        rows += found
    return ""
