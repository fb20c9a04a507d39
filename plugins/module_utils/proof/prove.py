"""The proof: every pair compared in one snapshot, and what looks like a difference there looked at again under a lock.

Beside writers a snapshot alone is not enough: what is carried a moment after a legacy write is no difference. So each
candidate is judged anew with its legacy row, that row's parents and its Spanish row locked, in small transactions that
give way to writers. Only what still differs then is a difference, and the accounting counts the row as it was found then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..backfill.watch import Watch
from ..core.proof import comparison, surplus
from ..core.proof.accounts import Account, Group, named_difference
from ..core.proof.comparison import DIFFERENT, EQUAL, PENDING, SURPLUS
from ..core.proof.dependence import filling
from ..core.rows.routes import Route
from ..core.rows.row_bytes import legacy_row_bytes, spanish_row_bytes
from ..core.rows.row_locks import as_rows, legacy_locks, twin_lock
from ..core.sqltext import derived_name, ident
from ..core.waits import LOOK
from ..server.db import Row, fetch_all, run_sql, transaction, with_lock_retries
from .accounting import EXAMPLES, take_account
from .found_again import NOT_FOUND, Candidate, still_there
from .second_opinion import BY_KEY, SecondOpinion

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from ..server.db import T

    Key = tuple[str, ...]
    Work = Callable[[Sequence[Key]], list[Row]]

PORTION = 20_000  # keys held in memory at once
AT_ONCE = 1_000  # looked at in one transaction


@dataclass(frozen=True)
class Side:
    """Where keys belong: a legacy table by its primary key, or a Spanish one by its match columns.

    ``weight``: SQL for the bytes of a row t; ``function``: what makes these rows right, in schema migracion.
    """

    route: Route
    table: str
    columns: tuple[tuple[str, str], ...]
    weight: str
    function: str

    @property
    def types(self) -> list[str]:
        """The columns' types."""
        return [kind for _, kind in self.columns]


def legacy_side(route: Route) -> Side:
    """The pair's legacy rows."""
    columns = tuple((c.name, c.type) for c in route.key)
    return Side(route, route.source_table, columns, legacy_row_bytes(route, "t"), route.function_name("llevar"))


def spanish_side(route: Route) -> Side:
    """The rows of the pair's Spanish table."""
    columns = tuple((c.name, c.type) for c in route.match)
    return Side(route, route.target_table, columns, spanish_row_bytes(route, "t"), route.removal_name)


@dataclass
class Looker:
    """How a proof handles candidates: it looks, no more; a repair makes them right first. ``opinion`` judges each snapshot."""

    opinion: SecondOpinion | None = field(default=None, kw_only=True)

    def long(self, conn: Connection, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, which reads whole tables on ``conn``."""
        return work()

    def batches(self, conn: Connection, side: Side, keys: Sequence[Key], work: Work) -> Iterator[list[Row]]:
        """Yield what ``work`` returns for some keys after the others, each in a transaction of its own."""

        def look(some: Sequence[Key]) -> list[Row]:
            return with_lock_retries(conn, lambda _: work(some), LOOK, f"filas de {side.table} (FOR SHARE)")

        for begin in range(0, len(keys), AT_ONCE):
            yield look(keys[begin : begin + AT_ONCE])

    def mend(self, conn: Connection, side: Side, keys: Sequence[Key]) -> None:
        """Make these rows right, in the open transaction."""

    def close_entries(self, conn: Connection, same_source: Sequence[Route]) -> None:
        """Close the entries that no row explains, in the open transaction."""

    def forget_merges(self, conn: Connection, route: Route) -> None:
        """Forget the merges that are none any more, in the open transaction."""


@dataclass
class Attended(Looker):
    """A look under the eyes of the run's watch, on a second session of that address."""

    watch: Watch
    url: str = field(repr=False)

    def long(self, conn: Connection, work: Callable[[], T]) -> T:
        """Ended where the run ends."""
        return self.watch.long(conn, self.url, work)


def prove(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route], looker: Looker | None = None) -> list[Account]:
    """Compare every pair; differences come with their column and both values."""
    looker = looker or Looker()
    with snapshot(conn, routes, all_routes, looker) as accounts:
        look_again(conn, accounts, all_routes, looker)
    return accounts


@contextmanager
def snapshot(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route], handler: Looker) -> Iterator[list[Account]]:
    """Compare in one snapshot. The keys of all candidates stand on the server until the caller is done with them."""

    def compare() -> list[Account]:
        with transaction(conn, isolation="REPEATABLE READ", read_only=True):
            accounts = take_account(conn, routes, all_routes)
            if handler.opinion is not None:
                handler.opinion.take(conn, accounts)
            for found in accounts:
                fill = filling(found.route.pair.target, all_routes)
                if found.count(*PENDING) or found.refused_by_server:
                    _declare(conn, _rows_of(found), comparison.candidates_sql(found.route, fill))
                if found.surplus:
                    _declare(conn, _surplus_of(found), surplus.surplus_candidates_sql(fill))
            return accounts  # the COMMIT runs what was declared

    accounts = handler.long(conn, compare)
    try:
        yield accounts
    finally:
        if not conn.closed:
            run_sql(conn, "CLOSE ALL")


def look_again(conn: Connection, accounts: Sequence[Account], all_routes: Sequence[Route], handler: Looker) -> None:
    """Judge every candidate anew: surplus rows first (children before parents), then legacy rows (parents first).

    A Spanish row that was surplus and is none any more is compared with the legacy row that came back for it.
    """
    wrong = [found for found in accounts if not found.clean or found.refused_by_server]
    back: dict[str, Back] = {}
    for found in reversed(wrong):
        found.examples = []
        if found.surplus:
            found.surplus = 0
            for keys in _portions(conn, _surplus_of(found)):
                for route, given in _look_at_surplus(conn, found, keys, all_routes, handler):
                    back.setdefault(route.view, Back(found, route)).keys.update(dict.fromkeys(given))
    for found in wrong:
        if found.count(*PENDING) or found.refused_by_server:
            _look_at_candidates(conn, found, back.get(found.route.view), all_routes, handler)
        if found.stale_entries:
            same_source = [r for r in all_routes if r.pair.source == found.route.pair.source]
            stale = f"{comparison.stale_entries_sql(same_source)} FOR SHARE OF c"
            found.stale_entries = _still(conn, stale, handler, partial(handler.close_entries, same_source=same_source))
        if found.stale_merges:
            stale = f"{comparison.stale_merges_sql(found.route)} FOR SHARE OF m"
            found.stale_merges = _still(conn, stale, handler, partial(handler.forget_merges, route=found.route))
    reported = {a.route.view: a for a in accounts}
    for view, came in back.items():
        _look_at_rows(conn, reported.get(view, came.found), came.route, list(came.keys), all_routes, handler)


@dataclass
class Back:
    """Legacy rows that came back for a Spanish one. ``found``: where that was surplus."""

    found: Account
    route: Route
    keys: dict[Key, None] = field(default_factory=dict)


def _look_at_candidates(
    conn: Connection, found: Account, back: Back | None, all_routes: Sequence[Route], handler: Looker
) -> None:
    """Those that came back among them are counted here."""
    middle = 4 + len(found.route.key)
    for rows in _portions(conn, _rows_of(found)):
        for state, kind, _, retained, *key in rows:
            found.take(state, kind)
            found.retained -= retained
            if back is not None:
                back.keys.pop(tuple(key[: middle - 4]), None)
        twins = [row[middle:] for row in rows if row[0] == DIFFERENT or row[3]]
        candidates = {row[2]: Candidate(row[0], row[1], row[3], row[4:middle]) for row in rows}
        keys = list(dict.fromkeys(candidate.key for candidate in candidates.values()))
        _look_at_rows(conn, found, found.route, keys, all_routes, handler, twins, candidates)


def _look_at_rows(
    conn: Connection,
    found: Account,
    route: Route,
    keys: Sequence[Key],
    all_routes: Sequence[Route],
    handler: Looker,
    twins: Sequence[Key] = (),
    candidates: dict[str, Candidate] | None = None,
) -> None:
    """``twins``: the Spanish rows of some; a legacy row that was deleted meanwhile must not leave its own unseen.

    ``candidates``: by clave, the rows to be judged, where others may have their key too and have been counted already.
    """
    side, left, fill = legacy_side(route), dict(candidates or {}), filling(route.pair.target, all_routes)

    def work(some: Sequence[Key]) -> list[Row]:
        handler.mend(conn, side, some)
        rows = as_rows(side.types, some)
        locks = (*legacy_locks(route, rows), twin_lock(route, rows))
        return _locked(conn, locks, comparison.second_look_sql(route, fill, rows, EXAMPLES))

    for judged in handler.batches(conn, side, keys, work):
        _judge(found, route, judged, left if candidates is not None else None)
    keys_left = [candidate.key for candidate in left.values()]
    if there := still_there(conn, side.table, side.columns, keys_left):  # come back meanwhile, or not found
        for judged in handler.batches(conn, side, list(there), work):
            _judge(found, route, judged, left)
        for clave, lost in left.items():
            if lost.key in there:
                found.add(lost.state, lost.kind, Group(1, clave, NOT_FOUND))
                found.retained += lost.retained
                _keep(found, lost.state, NOT_FOUND, clave, None)
    if left and twins:
        for other, given in _look_at_surplus(conn, found, twins, all_routes, handler):
            _look_at_rows(conn, found, other, given, all_routes, handler)


def _judge(found: Account, route: Route, judged: Sequence[Row], left: dict[str, Candidate] | None) -> None:
    """Count judged rows; ``left``: the candidates not judged yet, where no other row counts."""
    for state, kind, reason, clave, retained, differing in judged:
        if left is not None and left.pop(clave, None) is None:
            continue
        if state != EQUAL or route is found.route:  # another pair's equal rows are its own account's
            found.add(state, kind, Group(1, clave, reason or ""))
            found.retained += retained
        if state in PENDING:
            _keep(found, state, reason, clave, differing)


def _look_at_surplus(
    conn: Connection, found: Account, keys: Sequence[Key], all_routes: Sequence[Route], handler: Looker
) -> Iterator[tuple[Route, list[Key]]]:
    """Count those that are surplus still; yield the legacy keys that give others after all, to be compared with them."""
    side, fill = spanish_side(found.route), filling(found.route.pair.target, all_routes)
    left = dict.fromkeys(map(tuple, keys))

    def work(some: Sequence[Key]) -> list[Row]:
        handler.mend(conn, side, some)
        run_sql(conn, BY_KEY)
        # a row that was not there to be locked may come back before it is judged, and then it is somebody's work in progress
        there = fetch_all(conn, surplus.surplus_lock_sql(fill, as_rows(side.types, some)))
        for key in there:
            left.pop(key, None)
        return fetch_all(conn, surplus.surplus_judged_sql(fill, as_rows(side.types, there), EXAMPLES))

    for rows in handler.batches(conn, side, keys, work):
        for clave, reason, *_ in rows:
            if clave is not None:
                found.surplus += 1
                _keep(found, SURPLUS, reason, clave, None)
        if given := [row[2:] for row in rows if row[0] is None]:
            for route in fill:
                if legacy := fetch_all(conn, surplus.giving_sql(route, fill, as_rows(side.types, given))):
                    yield route, [tuple(key) for key in legacy]
    # by = nobody finds NULL again
    for lost in still_there(conn, side.table, side.columns, [key for key in left if None in key]):
        found.surplus += 1
        _keep(found, SURPLUS, NOT_FOUND, "|".join(value or "NULL" for value in lost), None)


def _still(conn: Connection, query: str, handler: Looker, mend: Callable[[Connection], None]) -> int:
    """Return how many rows a query that locks them finds once more."""

    def work(connection: Connection) -> int:
        mend(connection)
        run_sql(connection, query)
        return len(fetch_all(connection, query))

    return handler.long(conn, lambda: with_lock_retries(conn, work, LOOK, "entradas de migracion (FOR SHARE)"))


def _locked(conn: Connection, locks: Sequence[str], query: str) -> list[Row]:
    """Take the locks, then read: a statement of its own sees what those who were waited for have committed."""
    run_sql(conn, BY_KEY)
    for lock in locks:
        run_sql(conn, f"SELECT {lock}")
    return fetch_all(conn, query)


def _keep(found: Account, state: str, reason: str | None, clave: str, columns: list[object] | None) -> None:
    """Keep the first differences of each kind as examples."""
    same = [e for e in found.examples if e["estado"] == state]
    if len(same) == EXAMPLES and clave >= same[-1]["clave"]:
        return
    same = sorted([*same, named_difference(state, reason, clave, columns)], key=lambda e: str(e["clave"]))[:EXAMPLES]
    found.examples = sorted([*(e for e in found.examples if e["estado"] != state), *same], key=_order)


def _order(named: dict[str, object]) -> tuple[bool, str, str]:
    return named["estado"] == SURPLUS, str(named["estado"]), str(named["clave"])


def _rows_of(found: Account) -> str:
    return ident(derived_name("filas", found.route.pair.source, found.route.pair.target))


def _surplus_of(found: Account) -> str:
    return ident(derived_name("sobras", found.route.pair.target))


def _declare(conn: Connection, cursor: str, query: str) -> None:
    run_sql(conn, f"DECLARE {cursor} NO SCROLL CURSOR WITH HOLD FOR {query}")


def _portions(conn: Connection, cursor: str) -> Iterator[list[Row]]:
    while rows := fetch_all(conn, f"FETCH {PORTION} FROM {cursor}"):
        yield rows
