"""Counts what became of each legacy row, and names what is not as it should be. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..backfill.sequences import lagging_sequences
from ..core.bookkeeping import BOOKKEEPING
from ..core.mapping.types import TableMapping
from ..core.proof import comparison, surplus
from ..core.proof.accounts import Account, Group, named_difference
from ..core.proof.comparison import EQUAL, MERGED, PENDING, QUARANTINED, REFUSED, SURPLUS
from ..core.proof.dependence import filling
from ..core.rows.repeated_keys import keys_repeat
from ..core.rows.routes import Route
from ..core.sqltext import literal
from ..ledger.owed_indexes import owed_indexes
from ..quarantine.unreadable import put_unreadable_aside, rehearsed_without_damage
from ..server.db import fetch_all, rolled_back, run_sql
from ..survey.repeats import BY_ROWS

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

EXAMPLES = 5
# What joins a million rows with a million would otherwise be cut into dozens of temporary files. A small server says by
# its effective_cache_size how little it has.
MEMORY = """
SELECT set_config('work_mem', least(65536, setting::bigint * 8 / 16) || 'kB', true) FROM pg_settings
WHERE name = 'effective_cache_size'
  AND least(65536, setting::bigint * 8 / 16) > (SELECT setting::bigint FROM pg_settings WHERE name = 'work_mem')
"""


def take_account(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route]) -> list[Account]:
    """Compare ``routes`` in the caller's transaction. Pairs that share a table with them are read too, not reported."""
    fetch_all(conn, MEMORY)
    sources, targets = ({getattr(r.pair, side) for r in routes} for side in ("source", "target"))
    related = [r for r in all_routes if r.pair.source in sources or r.pair.target in targets]
    accounts = [_states(conn, r, filling(r.pair.target, all_routes)) for r in related]
    for target in targets:
        given = [a for a in accounts if a.route.pair.target == target]
        rows = fetch_all(conn, f"SELECT count(*) FROM {given[0].route.target_table}")[0][0]
        first = next(a for a in given if a.route in routes)
        first.waiting = _waiting(conn, filling(target, all_routes))
        first.surplus = rows - sum(a.spanish_rows for a in given)
    for source in sources:
        taken = [a for a in accounts if a.route.pair.source == source]
        first = next(a for a in taken if a.route in routes)
        entered = sum(a.entries for a in taken)
        first.stale_entries = max(0, _open_entries(conn, source) - entered)
    reported = [a for a in accounts if a.route in routes]
    for found in reported:
        found.stale_merges = _stale_merges(conn, found)
        found.uncompared = _uncompared(conn, found.route)
    return reported


def forecast_account(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route]) -> list[Account]:
    """Take the account in a transaction that the caller rolls back: rows that cannot be read are put aside in it first.

    They are looked for in any case: what a run reads to carry it, a forecast does not read to count it.
    """
    put_unreadable_aside(conn, routes, rehearsed=True, failed=False)
    return rehearsed_without_damage(conn, routes, partial(take_account, conn, routes, all_routes))


def _states(conn: Connection, route: Route, fill: Sequence[Route]) -> Account:
    found = Account(route)
    for state, kind, rows, entered, retained, first in fetch_all(conn, comparison.accounting_sql(route, fill)):
        found.add(state, kind, Group(rows, *first))
        found.retained += retained
        if state in (QUARANTINED, REFUSED):
            found.entries += entered
    found.add(EQUAL, None, Group(fetch_all(conn, comparison.rows_sql(route))[0][0] - found.legacy_rows, ""))
    return found


def _open_entries(conn: Connection, table: str) -> int:
    query = f"SELECT count(*) FROM {BOOKKEEPING}.cuarentena WHERE tabla_origen = %s AND estado <> 'resuelta'"
    return int(fetch_all(conn, query, (table,))[0][0])


def _waiting(conn: Connection, fill: Sequence[Route]) -> tuple[int, int]:
    """Rows of a Spanish table that are in quarantine on that side, and those that wait to go back; looked for if any may be."""
    target = fill[0].pair.target
    waiting = f"SELECT 1 FROM {BOOKKEEPING}.pendiente WHERE tabla_origen = %s LIMIT 1"
    if not _open_entries(conn, target) and not fetch_all(conn, waiting, (target,)):
        return 0, 0
    ((entered, waits),) = fetch_all(conn, comparison.entered_here_sql(fill))
    return int(entered), int(waits)


def _stale_merges(conn: Connection, found: Account) -> int:
    """Recorded merges that are none any more; looked for only where the numbers differ."""
    query = f"SELECT count(*) FROM {BOOKKEEPING}.fusion WHERE tabla_origen = %s AND tabla_destino = %s"
    if fetch_all(conn, query, (found.route.pair.source, found.route.pair.target))[0][0] == found.count(MERGED):
        return 0
    return int(fetch_all(conn, f"SELECT count(*) FROM ({comparison.stale_merges_sql(found.route)}) s")[0][0])


def _uncompared(conn: Connection, route: Route) -> tuple[str, ...]:
    """The catalogue is asked, not the mapping: what somebody else added to the table is compared with nothing either."""
    columns = fetch_all(
        conn,
        "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
        " AND attname <> ALL (%s) ORDER BY attnum",
        (route.target_table, list(route.columns)),
    )
    return tuple(name for (name,) in columns)


def named_differences(conn: Connection, found: Account, all_routes: Sequence[Route]) -> list[dict[str, Any]]:
    """Return the first differences of each kind: estado, clave, motivo and [column, expected, found] where values differ."""
    fill = filling(found.route.pair.target, all_routes)
    rows = fetch_all(conn, comparison.examples_sql(found.route, fill, EXAMPLES)) if found.count(*PENDING) else []
    examples = [named_difference(*row) for row in rows]
    if found.surplus:
        rows = fetch_all(
            conn,
            f"SELECT clave, {surplus.held_by(f'{literal(fill[0].target_table)}::regclass', 'sitio')}"
            f' FROM (SELECT * FROM ({surplus.surplus_sql(fill)}) s ORDER BY clave COLLATE "C" LIMIT {EXAMPLES}) s'
            ' ORDER BY clave COLLATE "C"',
        )
        examples += [named_difference(SURPLUS, reason, clave, None) for clave, reason in rows]
    return examples


def repeated_keys(conn: Connection, routes: Sequence[Route]) -> list[str]:
    """Return a phrase for keys that several rows of a legacy table have though its index forbids it, and fase0 did not know."""
    phrases = []
    with rolled_back(conn):
        run_sql(conn, BY_ROWS)
        for route in {r.pair.source: r for r in routes if r.in_one_file and not keys_repeat(r)}.values():
            rows = fetch_all(conn, comparison.repeated_keys_sql(route, EXAMPLES))
            phrases += [f"{route.pair.source}: la clave {clave} la tienen {count} filas" for clave, count in rows]
    return phrases


def lagging_objects(conn: Connection, mapping: TableMapping, routes: Sequence[Route]) -> list[str]:
    """Return a phrase for every index that the copy still owes and sequence behind its column."""
    return [f"{o.table}: falta construir el índice {o.name}" for o in owed_indexes(conn, (r.pair.target for r in routes))] + [
        f"la secuencia {lag.sequence} va por {lag.last} y los ids de {lag.table}.{lag.column} llegan a {lag.used}"
        f"{': ' if lag.obstacle else ''}{lag.obstacle}"
        for lag in lagging_sequences(conn, mapping, routes)
    ]
