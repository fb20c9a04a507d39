"""Makes equal what the proof names: surplus rows leave (children first), then rows are carried (parents first)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..backfill.giving_way import run_batch
from ..core.backfill.batching import BATCH_BYTES
from ..core.backfill.carrying import TABLE_AT_FAULT
from ..core.bookkeeping import BOOKKEEPING
from ..core.proof import comparison
from ..core.proof.accounts import Account
from ..core.proof.dependence import pairs_hanging_on
from ..core.rows.routes import Route
from ..core.sqltext import ident
from ..core.waits import CLASHES, LOOK
from ..ledger import lease
from ..ledger.events import CHANGING, record_event
from ..server.db import Error, Row, compose, fetch_all, rolled_back, run_sql
from .prove import AT_ONCE, Attended, Side, legacy_side, look_again, snapshot

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

    from .prove import Key, Work

ROUNDS = 5


def repair(
    conn: Connection,
    routes: Sequence[Route],
    all_routes: Sequence[Route],
    mending: Mender,
    begin: Callable[[list[Account]], None],
) -> list[Account]:
    """Prove, repair what the proof names and prove again, until it is clean or the rounds are used up.

    ``begin`` is called before the first change. Beside writers no snapshot after the first is clean: what a later one names
    was written since, and counts as repaired once it was carried and found equal under its lock. What PostgreSQL itself refused
    is tried again each time; where that changes, another round takes in or puts aside what hangs on those rows.
    """
    for turn in range(ROUNDS):
        with snapshot(conn, routes, all_routes, mending) as accounts:
            refused = [a.refused_by_server for a in accounts]
            if all(a.clean for a in accounts) and (turn or not mending.would_go_in(conn, accounts)):
                break
            if mending.allow is not None:
                mending.allow(accounts)
            if turn == 0:
                begin(accounts)
            mending.announce(conn, accounts, all_routes)
            look_again(conn, accounts, all_routes, mending)
        if turn and all(a.clean for a in accounts) and refused == [a.refused_by_server for a in accounts]:
            break
    return accounts


@dataclass
class Mender(Attended):
    """Carries or removes candidates under the run's lease, then looks at them in the same transaction.

    ``touched``: the Spanish tables of which rows were carried or removed.
    """

    batch_rows: int
    allow: Callable[[Sequence[Account]], None] | None = None  # asked of every snapshot, before what it names is changed
    touched: set[str] = field(default_factory=set, init=False)
    announced: set[str] = field(default_factory=set, init=False)

    def announce(self, conn: Connection, accounts: Sequence[Account], all_routes: Sequence[Route]) -> None:
        """Note which other pairs hang on what is about to change: this run may end before it has proved them again."""
        tables = {a.route.pair.target for a in accounts if not a.clean or a.refused_by_server} - self.announced
        own = {a.route.view for a in accounts}
        if pairs := [r for r in pairs_hanging_on(tables, all_routes) if r.view not in own]:
            detail = {"caducadas": [[r.pair.source, r.pair.target] for r in pairs]}
            record_event(conn, self.watch.run_id, CHANGING, pairs[0].pair.phase, detail)
        self.announced |= tables

    def only_looking(self) -> Attended:
        """The same without hands."""
        return Attended(self.watch, self.url)

    def batches(self, conn: Connection, side: Side, keys: Sequence[Key], work: Work) -> Iterator[list[Row]]:
        """In transactions of at most ``batch_rows`` and BATCH_BYTES that give way to writers."""
        for piece in _within_bytes(conn, side, keys):
            done, size = 0, self.batch_rows
            while done < len(piece):
                self.watch.hold(conn)
                found: list[Row] = []
                attempt = partial(_some, found, work, piece[done:])
                used, size = run_batch(conn, side.route, self.watch, (size, self.batch_rows), attempt)
                done += used
                yield found

    def mend(self, conn: Connection, side: Side, keys: Sequence[Key]) -> None:
        """Carry legacy rows; keep Spanish ones in migracion.apartada and remove them."""
        self.touched.add(side.route.pair.target)
        self._call(conn, side, keys)

    def _call(self, conn: Connection, side: Side, keys: Sequence[Key]) -> None:
        """Call what makes the side's rows right."""
        function = compose("{f}", f=(BOOKKEEPING, side.function))
        fetch_all(conn, f"SELECT * FROM {function}({_arrays(side)}, %s)", (*_columns(keys), self.watch.run_id))

    def would_go_in(self, conn: Connection, accounts: Sequence[Account]) -> bool:
        """Whether PostgreSQL would refuse fewer of the rows that it alone refused: tried and rolled back, no run begins."""
        for found in accounts:
            keys = fetch_all(conn, comparison.refused_by_server_sql(found.route)) if found.refused_by_server else []
            if any(self._tried(conn, legacy_side(found.route), keys[n : n + AT_ONCE]) for n in range(0, len(keys), AT_ONCE)):
                return True
        return False

    def _tried(self, conn: Connection, side: Side, keys: Sequence[Key]) -> bool:
        refused = comparison.refused_by_server_sql(side.route)
        try:
            with rolled_back(conn, wait=LOOK):
                before = len(fetch_all(conn, refused))
                self._call(conn, side, keys)
                return len(fetch_all(conn, refused)) < before
        except Error as error:
            if error.pgcode in (*CLASHES, TABLE_AT_FAULT):  # the run that begins tells who writes them, or what is wrong
                return True
            raise

    def close_entries(self, conn: Connection, same_source: Sequence[Route]) -> None:
        """As corrected."""
        lease.fence(conn, self.watch.run_id)
        run_sql(
            conn,
            f"UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resolucion = 'corregida',"
            f" resuelta_at = now() FROM ({comparison.stale_entries_sql(same_source)}) s"
            f" WHERE c.tabla_origen = s.tabla_origen AND c.clave = s.clave AND c.estado <> 'resuelta'",
        )

    def forget_merges(self, conn: Connection, route: Route) -> None:
        """Under the lease."""
        lease.fence(conn, self.watch.run_id)
        run_sql(
            conn,
            f"DELETE FROM {BOOKKEEPING}.fusion m USING ({comparison.stale_merges_sql(route)}) s"
            f" WHERE m.clave = s.clave AND (m.tabla_origen, m.tabla_destino) = (s.tabla_origen, s.tabla_destino)",
        )


def _some(found: list[Row], work: Work, keys: Sequence[Key], rows: int) -> None:
    found[:] = work(keys[:rows])


def _within_bytes(conn: Connection, side: Side, keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Cut keys into pieces whose rows hold BATCH_BYTES at most; a larger row stands alone."""
    if not keys:  # beside writers, those of rows that came back may have been looked at already
        return
    names = [f"k{n}" for n in range(len(side.columns))]
    joined = " AND ".join(f"t.{ident(column)} = k.{name}" for (column, _), name in zip(side.columns, names, strict=True))
    rest = f" WITH ORDINALITY AS k({', '.join(names)}, n) LEFT JOIN {side.table} t ON {joined} ORDER BY k.n"
    query = f"SELECT coalesce({side.weight}, 0) FROM unnest(".replace("%", "%%") + f"{_arrays(side)})" + rest.replace("%", "%%")
    begin, held = 0, 0
    for position, (more,) in enumerate(fetch_all(conn, query, _columns(keys))):
        if held and held + more > BATCH_BYTES:
            yield keys[begin:position]
            begin, held = position, 0
        held += more
    yield keys[begin:]


def _arrays(side: Side) -> str:
    """Return the placeholders of a key's arrays, each cast to its column's type, which may have any name."""
    return ", ".join("%s::" + kind.replace("%", "%%") + "[]" for kind in side.types)


def _columns(keys: Sequence[Key]) -> list[list[str]]:
    """Columns of keys, each as an array of texts."""
    return [list(column) for column in zip(*keys, strict=True)]
