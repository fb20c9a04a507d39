"""The drain: keys that the sync left behind are carried, the Spanish side's before the legacy side's, each by itself.

A key stays where it cannot be carried yet.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.bookkeeping import BOOKKEEPING
from ..core.rows.routes import Route, clave_sql, spanish_clave
from ..core.sqltext import idents, literal
from ..core.sync.back import back_name
from ..core.sync.freed import freed_name, unique_values
from ..core.sync.images import ALL_ROWS, DRAINING, both_types, every_row, image, left, pair_is, split_clave, twin_text
from ..core.sync.pending_rows import MOVED
from ..core.waits import CLASHES, ROWS
from ..core.words import units
from ..server.db import Error, execute, fetch_all, fetch_one, run_sql, transaction

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

LET_GO_LATER = (*CLASHES, "40001")  # by somebody who will let it go
NO_KEYS_FAULT = ("08", "25", "53", "57", "58", "XX")
PASSES = 5  # of one drain: services go on leaving keys meanwhile


@dataclass
class Drained:
    """What a drain did: keys carried, keys that somebody held, rows whose legacy version a Spanish one replaced."""

    carried: int = 0
    held: int = 0
    overridden: list[str] = field(default_factory=list)


def waiting_keys(conn: Connection) -> int:
    """Return how many keys wait."""
    row = fetch_one(conn, f"SELECT count(DISTINCT (tabla_origen, tabla_destino, clave)) FROM {BOOKKEEPING}.pendiente")
    return int(row[0]) if row else 0


def waiting_words(count: int) -> str:
    """Return in words that so many keys wait."""
    return f"{'espera' if count == 1 else 'esperan'} {units(count, 'clave')}"


def drain(conn: Connection, routes: Sequence[Route], run_id: str) -> Drained:
    """Carry every key that waits now, and those that this leaves: rows that follow another wait while their own key does.

    Raises a database error for whatever is no lock that somebody holds.
    """
    done = Drained()
    for _ in range(PASSES):
        before = done.carried
        _carry_once(conn, routes, run_id, done)
        if done.carried == before or not waiting_keys(conn):
            break
    return done


def _carry_once(conn: Connection, routes: Sequence[Route], run_id: str, done: Drained) -> None:
    last = _last(conn)
    if last is None:
        return
    with transaction(conn):
        for route in routes:
            _name_rows(conn, route, last)
    last = _last(conn) or last
    tables = {r.pair.target: r for r in reversed(routes)}
    carried = set[str]()
    for target, clave in _keys(conn, list(tables), last):
        act = partial(_back, route=tables[target], routes=routes, clave=clave, last=last, run_id=run_id, done=done)
        _one(done, act, conn, (target, clave))
        carried.add(target)
    pairs = {(r.pair.source, r.pair.target): r for r in routes}
    for source, target, clave in fetch_all(conn, _FORWARD, (last, [s for s, _ in pairs])):
        if (source, target) in pairs:
            _one(done, partial(_forth, route=pairs[source, target], clave=clave, last=last), conn, (source, clave))
            carried.add(target)
    for target in sorted(carried & {r.pair.target for r in routes if unique_values(r)}):
        _tried(conn, partial(fetch_one, query=f"SELECT {freed_name(tables[target])}(NULL)"))


def _last(conn: Connection) -> int | None:
    row = fetch_one(conn, f"SELECT max(id) FROM {BOOKKEEPING}.pendiente")
    return row[0] if row else None


def _name_rows(conn: Connection, route: Route, last: int) -> None:
    """Put every row's key in place of the pair's whole table, where a write could not say which rows it was."""
    gone = execute(
        conn,
        f"DELETE FROM {BOOKKEEPING}.pendiente p WHERE {pair_is(route, 'p')} AND p.clave = %s AND p.id <= %s",
        (ALL_ROWS, last),
    )
    if gone:
        run_sql(conn, left(route, every_row(route), literal("la tabla entera")))


_FORWARD = f"""SELECT tabla_origen, tabla_destino, clave FROM {BOOKKEEPING}.pendiente
WHERE id <= %s AND tabla_origen = ANY (%s) AND tabla_destino IS NOT NULL
GROUP BY tabla_origen, tabla_destino, clave ORDER BY min(id)"""


def _keys(conn: Connection, tables: list[str], last: int) -> list[tuple[str, str]]:
    waiting = f"{BOOKKEEPING}.pendiente WHERE id <= %s AND tabla_origen = ANY (%s) AND clave <> %s"
    query = f"SELECT tabla_origen, clave FROM {waiting} GROUP BY tabla_origen, clave ORDER BY min(id)"
    return [(r[0], r[1]) for r in fetch_all(conn, query, (last, tables, ALL_ROWS))]


def _one(done: Drained, act: Any, conn: Connection, key: tuple[str, str]) -> None:
    """Carry one key. What cannot be carried stays, says why, and holds up no other."""
    failed = _tried(conn, act)
    if failed is None:
        done.carried += 1
        return
    done.held += 1
    if failed.pgcode not in LET_GO_LATER:
        said = (failed.pgcode, str(failed.diag.message_primary or failed), *key)
        text = f"UPDATE {BOOKKEEPING}.pendiente p SET sqlstate = %s, motivo = %s WHERE p.tabla_origen = %s AND p.clave = %s"
        with transaction(conn):
            execute(conn, text, said)


def _tried(conn: Connection, act: Any) -> Error | None:
    """Act in a transaction of its own; return the error where somebody holds what it needs, or the key itself cannot be carried.

    What no key causes (a lost connection, no room, a server that takes no writes) is raised.
    """
    try:
        with transaction(conn, wait=ROWS):
            act(conn)
    except Error as error:
        if error.pgcode is None or error.pgcode[:2] in NO_KEYS_FAULT:
            raise
        return error
    return None


def _back(conn: Connection, route: Route, routes: Sequence[Route], clave: str, last: int, run_id: str, done: Drained) -> None:
    """Take one Spanish key back: what the row was before the oldest write that waits, beside what it is now."""
    table = route.target_table
    mine = f"{spanish_clave(route, 't')} = %s"
    keyed = split_clave(clave)
    names = idents(route.table.primary_key, "t.")
    types = {c.name: c.type for c in route.table.columns}
    found = ", ".join(f"%s::{types[n]}" for n in route.table.primary_key)
    fetch_one(conn, f"SELECT set_config({literal(DRAINING)}, 'si', true)")
    fetch_one(conn, f"SELECT 1 FROM {table} t WHERE ({names}) = ({found}) AND {mine} FOR NO KEY UPDATE", (*keyed, clave))
    # gone before the row is carried: what carries it forward again must not wait for this very key
    gone = f"DELETE FROM {BOOKKEEPING}.pendiente WHERE tabla_origen = %s AND clave = %s AND id <= %s"
    rows = fetch_all(conn, f"{gone} RETURNING id, fila::text, operacion", (route.pair.target, clave, last))
    rows = [row for row in rows if row[2] != MOVED]
    if not rows:
        return
    before = min(rows)[1]
    now = fetch_one(conn, f"SELECT 1 FROM {table} t WHERE ({names}) = ({found})", tuple(keyed))
    order = {(True, True): "UPDATE", (True, False): "DELETE", (False, True): "INSERT"}.get((before is not None, now is not None))
    if order is not None:
        _keep_overridden(conn, route, routes, clave, run_id, done)
        row = f"(SELECT t FROM {table} t WHERE ({names}) = ({found}))"
        old = f"CASE WHEN %s::text IS NULL THEN NULL::{table} ELSE jsonb_populate_record(NULL::{table}, %s::jsonb) END"
        fetch_one(conn, f"SELECT {back_name(route)}(%s, {old}, {row})", (order, before, before, *keyed))
        if before is not None and [str(json.loads(before)[n]) for n in route.table.primary_key] != keyed:
            _again(conn, [r for r in routes if r.pair.target == route.pair.target], clave)


def _again(conn: Connection, homes: Sequence[Route], clave: str) -> None:
    """Leave the legacy rows of a Spanish key that was another: what legacy wrote meanwhile waits under that one."""
    for home in homes:
        if (text := twin_text(home)) is not None:
            row = f"(SELECT * FROM (SELECT {image(home, 'l')} FROM {home.source_table} l) k WHERE {text} = %s) k"
            execute(conn, left(home, row, literal("otra clave")), (clave,))


def _keep_overridden(conn: Connection, route: Route, routes: Sequence[Route], clave: str, run_id: str, done: Drained) -> None:
    """Keep the legacy row where both sides wrote it while keys waited: a column that both changed takes the Spanish value."""
    for home in (r for r in routes if r.pair.target == route.pair.target):
        kept = execute(
            conn,
            f"INSERT INTO {BOOKKEEPING}.apartada (run_id, tabla, clave, fila) SELECT %s, %s, %s, to_jsonb(l.*)"
            f" FROM {home.source_table} l WHERE {clave_sql(home.key, 'l')} = %s AND EXISTS (SELECT FROM {BOOKKEEPING}.pendiente p"
            " WHERE p.tabla_origen = %s AND p.clave = %s AND p.motivo <> 'aislamiento')",
            (run_id, home.pair.source, clave, clave, home.pair.source, clave),
        )
        if kept:
            done.overridden.append(f"{home.pair.source} {clave}")


def _forth(conn: Connection, route: Route, clave: str, last: int) -> None:
    rows = fetch_all(
        conn,
        f"DELETE FROM {BOOKKEEPING}.pendiente WHERE tabla_origen = %s AND tabla_destino = %s AND clave = %s AND id <= %s"
        " RETURNING id, fila::text",
        (route.pair.source, route.pair.target, clave, last),
    )
    for text in dict.fromkeys(text for _, text in sorted(rows)):
        keys = [f"ARRAY[%s::{t}]" for t in both_types(route)[: len(route.key)]]
        twin = [f"ARRAY[(%s::jsonb ->> {n})::{c.type}]" for n, c in enumerate(route.match)]
        call = f"SELECT {route.function('ida')}({', '.join([*keys, *twin])}, true, false)"
        fetch_one(conn, call, (*split_clave(clave), *[text for _ in route.match]))
