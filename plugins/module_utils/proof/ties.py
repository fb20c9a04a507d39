"""A proof holds as far as what it looks things up in: that is taken in first, and whoever hangs on a change is proved again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from ..call.context import Context
from ..core.phase.history import standing_parts
from ..core.proof.accounts import Account
from ..core.proof.dependence import foundations, pairs_hanging_on
from ..core.proof.findings import catching_up_lines
from ..core.rows.routes import Route
from ..ledger import runs
from ..ledger.events import TAKEN_IN, events_of, expired_proofs, record_event
from .prove import prove
from .repair import Mender, repair

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

PROVED_AGAIN = "dependientes"  # of completed pairs that hang on what a run changed: which hold and which do not


def bases(context: Context) -> list[Route]:
    """The completed pairs of other runs on which this run's rows hang."""
    return completed(context.conn, foundations(context.routes, context.all_routes))


def hanging(context: Context, tables: Collection[str], proved: Sequence[Route]) -> list[Route]:
    """The completed pairs that hang on the Spanish tables, and those whose proof no longer held, without ``proved``."""
    expired = expired_proofs(context.conn)
    found = {route.view for route in pairs_hanging_on(tables, context.all_routes)} - {route.view for route in proved}
    asked = [r for r in context.all_routes if r.view in found or (r not in proved and (r.pair.source, r.pair.target) in expired)]
    return completed(context.conn, asked)


def completed(conn: Connection, routes: Iterable[Route]) -> list[Route]:
    """Those of the routes whose part of its phase is done."""
    recorded = runs.recorded_runs(conn)
    return [r for r in routes if r.pair.subphase in standing_parts(recorded, r.pair.phase)]


def take_in(context: Context, mending: Mender) -> list[str]:
    """Repair what this run's rows are looked up in, once in a run and before its first batch; return what there is to say."""
    conn, routes = context.conn, bases(context)
    if not routes or events_of(conn, TAKEN_IN, context.run_id):
        return []
    lines: list[str] = []

    def begin(accounts: Sequence[Account]) -> None:
        lines.extend(catching_up_lines(accounts))

    repair(conn, routes, context.all_routes, mending, begin)
    record_taken_in(context, mending, lines)
    return lines


def record_taken_in(context: Context, mending: Mender, lines: Sequence[str]) -> None:
    """Keep it for the summary, and for whoever proves again what hangs on it."""
    detail = {"tablas": sorted(mending.touched), "lineas": list(lines)}
    record_event(context.conn, context.run_id, TAKEN_IN, context.phase, detail)


def taken_in(context: Context) -> tuple[set[str], list[str]]:
    """The Spanish tables that this run changed so, and what it said of it."""
    events = [event.detail for event in events_of(context.conn, TAKEN_IN, context.run_id)]
    return {t for detail in events for t in detail["tablas"]}, [line for detail in events for line in detail["lineas"]]


def prove_again(context: Context, tables: Collection[str], proved: Sequence[Route], mending: Mender) -> list[Account]:
    """Prove, without repair, every completed pair that hangs on the changed tables; return those that no longer hold."""
    routes = hanging(context, tables, proved)
    if not routes:
        return []
    accounts = prove(context.conn, routes, context.all_routes, mending.only_looking())
    lost = [account for account in accounts if not account.clean]
    detail = {
        "vigentes": [[a.route.pair.source, a.route.pair.target] for a in accounts if a.clean],
        "caducadas": [[a.route.pair.source, a.route.pair.target] for a in lost],
    }
    record_event(context.conn, context.run_id, PROVED_AGAIN, context.phase, detail)
    return lost
