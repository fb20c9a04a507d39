"""The drain: keys that the sync left behind are carried, the Spanish side's before the legacy side's.

Each by itself, but for rows that exchanged a unique value.

A key stays where it cannot be carried yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.rows.routes import Route
from ..core.sqltext import ident, literal
from ..core.sync.freed import freed_name, unique_values
from ..core.sync.images import ALL_ROWS, MODES, both_types, every_row, left, pair_is, split_clave
from ..core.sync.keeping import FOLLOWED, KEYS, rows_of_values
from ..core.waits import CLASHES, ROWS
from ..core.words import units
from ..server.db import Error, execute, fetch_all, fetch_one, run_sql, transaction
from .carrying_back import ClashError, Debt
from .modes import ROWS_STEP, loading_pairs

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

LET_GO_LATER = (*CLASHES, "40001")  # by somebody who will let it go
NO_KEYS_FAULT = ("08", "25", "53", "57", "58", "XX")
PASSES = 5  # of one drain: services go on leaving keys meanwhile


@dataclass
class Drained:
    """What a drain did: keys carried, keys that somebody held, Spanish rows that left with a legacy row, rows whose legacy
    version a Spanish one replaced; whether its time was over before it had seen every key."""

    carried: int = 0
    held: int = 0
    removed: int = 0
    cut: bool = False
    overridden: list[str] = field(default_factory=list)


def waiting_keys(conn: Connection) -> int:
    """Return how many keys wait for a drain: not those of pairs that keep them while they are loaded."""
    row = fetch_one(
        conn,
        f"SELECT count(DISTINCT (p.tabla_origen, p.tabla_destino, p.clave)) FROM {BOOKKEEPING}.pendiente p"
        f" WHERE NOT EXISTS (SELECT FROM {MODES} m WHERE m.modo = %s AND (p.tabla_origen = m.tabla_destino"
        " OR p.tabla_origen = m.tabla_origen AND p.tabla_destino = m.tabla_destino))",
        (KEYS,),
    )
    return int(row[0]) if row else 0


def waiting_words(count: int) -> str:
    """Return in words that so many keys wait."""
    return f"{'espera' if count == 1 else 'esperan'} {units(count, 'clave')}"


def forget_waiting(conn: Connection, route: Route) -> None:
    """In the caller's transaction: no key of the pair's two tables waits any more."""
    execute(conn, f"DELETE FROM {BOOKKEEPING}.pendiente WHERE tabla_origen = %s AND tabla_destino = %s", route.names)
    execute(conn, f"DELETE FROM {BOOKKEEPING}.pendiente WHERE tabla_origen = %s", (route.pair.target,))


def drain(conn: Connection, routes: Sequence[Route], run_id: str, go_on: Callable[[], bool] = lambda: True) -> Drained:
    """Carry every key that waits now, and those that this leaves: rows that follow another wait while their own key does.

    Pairs that keep keys while they are loaded are left alone. ``go_on`` is asked before each legacy key. Raises a database
    error for whatever is no lock that somebody holds.
    """
    done, loading = Drained(), loading_pairs(conn)
    routes = [r for r in routes if loading.get(r.names) != ROWS_STEP]
    for _ in range(PASSES):
        before = done.carried
        _carry_once(conn, routes, run_id, done, go_on)
        if done.cut or done.carried == before or not waiting_keys(conn):
            break
    return done


def _carry_once(conn: Connection, routes: Sequence[Route], run_id: str, done: Drained, go_on: Callable[[], bool]) -> None:
    last = _last(conn)
    if last is None:
        return
    with transaction(conn):
        for route in routes:
            _name_rows(conn, route, last)
    last = _last(conn) or last
    debts = {r.pair.target: Debt(tuple(x for x in routes if x.pair.target == r.pair.target), last, run_id) for r in routes}
    carried = _carry_back(conn, debts, _keys(conn, list(debts), last), done)
    pairs = {(r.pair.source, r.pair.target): r for r in routes}
    for source, target, clave in fetch_all(conn, _FORWARD, (last, [s for s, _ in pairs])):
        if not go_on():
            done.cut = True
            return
        if (source, target) in pairs:
            act = partial(_forth, route=pairs[source, target], clave=clave, last=last, done=done)
            _settle(conn, done, (source, [clave]), _tried(conn, act))
            carried.add(target)
    for target in sorted(carried & {r.pair.target for r in routes if unique_values(r)}):
        _tried(conn, partial(fetch_one, query=f"SELECT {freed_name(debts[target].route)}(NULL)"))


def _carry_back(conn: Connection, debts: Mapping[str, Debt], keys: Sequence[tuple[str, str]], done: Drained) -> set[str]:
    """Carry the Spanish keys one by one; then, together, those whose unique value another legacy row has. Returns the tables."""
    clashed: dict[str, list[str]] = {}
    for target, clave in keys:
        found: list[str] = []
        failed = _tried(conn, partial(debts[target].back, clave=clave, overridden=found))
        if isinstance(failed, ClashError):
            clashed.setdefault(target, []).append(clave)
        else:
            _settle(conn, done, (target, [clave]), failed, found)
    for target, claves in clashed.items():
        alone: list[str] = []
        while claves:
            found = []
            failed = _tried(conn, partial(debts[target].back_together, claves=claves, overridden=found))
            if not isinstance(failed, ClashError):
                _settle(conn, done, (target, claves), failed, found)
                break
            alone += failed.keys
            claves = [clave for clave in claves if clave not in failed.keys]
        for clave in alone:
            found = []
            act = partial(debts[target].back, clave=clave, overridden=found, last_try=True)
            _settle(conn, done, (target, [clave]), _tried(conn, act), found)
    return {target for target, _ in keys}


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
    followed = f"{pair_is(route, 'p')} AND p.operacion = %s AND p.id <= %s"
    values = f"SELECT DISTINCT p.clave FROM {BOOKKEEPING}.pendiente p WHERE {followed}"
    for (clave,) in fetch_all(conn, values, (FOLLOWED, last)):
        execute(conn, rows_of_values(route, clave.removeprefix(ALL_ROWS)), (last,))


_FORWARD = f"""SELECT tabla_origen, tabla_destino, clave FROM {BOOKKEEPING}.pendiente
WHERE id <= %s AND tabla_origen = ANY (%s) AND tabla_destino IS NOT NULL
GROUP BY tabla_origen, tabla_destino, clave ORDER BY min(id)"""


def _keys(conn: Connection, tables: list[str], last: int) -> list[tuple[str, str]]:
    waiting = f"{BOOKKEEPING}.pendiente WHERE id <= %s AND tabla_origen = ANY (%s) AND clave <> %s"
    query = f"SELECT tabla_origen, clave FROM {waiting} GROUP BY tabla_origen, clave ORDER BY min(id)"
    return [(r[0], r[1]) for r in fetch_all(conn, query, (last, tables, ALL_ROWS))]


def _settle(
    conn: Connection,
    done: Drained,
    keys: tuple[str, Sequence[str]],
    failed: Error | ClashError | None,
    overridden: Sequence[str] = (),
) -> None:
    """Count a table's keys. What cannot be carried stays, says why, and holds up no other."""
    table, claves = keys
    if failed is None:
        done.carried += len(claves)
        done.overridden += overridden
        return
    done.held += len(claves)
    if isinstance(failed, Error) and failed.pgcode not in LET_GO_LATER:
        said = (failed.pgcode, str(failed.diag.message_primary or failed), table, list(claves))
        text = f"UPDATE {BOOKKEEPING}.pendiente p SET sqlstate = %s, motivo = %s WHERE p.tabla_origen = %s AND p.clave = ANY (%s)"
        with transaction(conn):
            execute(conn, text, said)


def _tried(conn: Connection, act: Callable[[Connection], object]) -> Error | ClashError | None:
    """Act in a transaction of its own; return the error where somebody holds what it needs, or the key itself cannot be carried.

    What no key causes (a lost connection, no room, a server that takes no writes) is raised.
    """
    try:
        with transaction(conn, wait=ROWS):
            act(conn)
    except ClashError as clash:
        return clash
    except Error as error:
        if error.pgcode is None or error.pgcode[:2] in NO_KEYS_FAULT:
            raise
        return error
    return None


def _forth(conn: Connection, route: Route, clave: str, last: int, done: Drained) -> None:
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
        there = _twins_there(conn, route, text)
        fetch_one(conn, call, (*split_clave(clave), *[text for _ in route.match]))
        done.removed += there - _twins_there(conn, route, text) if there else 0


def _twins_there(conn: Connection, route: Route, text: str) -> int:
    twin = " AND ".join(f"t.{ident(c.name)} = (%s::jsonb ->> {n})::{c.type}" for n, c in enumerate(route.match))
    rows = fetch_all(conn, f"SELECT count(*) FROM {route.target_table} t WHERE {twin}", [text] * len(route.match))
    return int(rows[0][0])
