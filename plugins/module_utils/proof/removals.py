"""What a run would take out of the Spanish tables, counted before it does, and the gate that asks about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ..call.context import Context
from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import MigrationError
from ..core.phase.gates import Facts, passed_gate, way_past
from ..core.proof.accounts import Account
from ..core.proof.comparison import DIFFERENT, MISSING
from ..core.proof.dependence import filling
from ..core.proof.removals import Removals, displaced_count_sql, held_sql, leaving_sql
from ..core.rows.routes import Route
from ..ledger.events import last_event, left_so_far, record_event
from ..server.db import fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

PASSED = "puerta_saltada"


def require_few_removals(context: Context, targets: Sequence[str]) -> list[str]:
    """Ask the gate about the rows of these Spanish tables that no legacy row explains; return what there is to say.

    Raises MigrationError, code refused, where it stays closed; what the run has taken out so far counts too.
    """
    removals = foreseen(context, dict.fromkeys(targets))
    settings = context.settings
    closed, reason = passed_gate("removal", Facts(settings, removals=removals))
    if closed is None:
        return []
    if not reason:
        raise MigrationError(
            f"{closed.gate}: {closed.message.removesuffix('.')}",
            left=left_so_far(context.conn, context.run_id),
            move=way_past(closed.gate, settings.overrides),
            code="refused",
        )
    if context.check:
        return [f"puerta {closed.gate} saltada: {reason}"]
    detail = {"puerta": closed.gate, "motivo": reason, "decia": closed.message}
    if last_event(context.conn, (PASSED,), context.run_id) is None:
        record_event(context.conn, context.run_id, PASSED, context.phase, detail)
    return [f"Puerta {closed.gate} saltada: {reason}. Decía: {closed.message}"]


def asking(context: Context, said: list[str]) -> Callable[[Sequence[Account]], None]:
    """Return what asks the gate about the surplus rows of a snapshot; what there is to say is added to ``said``, once."""

    def ask(accounts: Sequence[Account]) -> None:
        changing = {a.route.pair.target for a in accounts if a.count(MISSING, DIFFERENT)}
        targets = [
            t for a in accounts if a.surplus or (a.retained and a.route.pair.target in changing) for t in (a.route.pair.target,)
        ]
        said.extend(line for line in require_few_removals(context, targets) if line not in said)

    return ask


def foreseen(context: Context, targets: Iterable[str]) -> Removals:
    """Count what leaves of these tables, and of those that hang on them; a table that is empty costs nothing."""
    conn, leaving = context.conn, Counter[str]()
    queries = [leaving_sql(filling(target, context.all_routes)) for target in targets if _has_rows(context, target)]
    if queries:
        union = "\nUNION ".join(f"({query})" for query in queries)
        leaving.update(
            dict(fetch_all(conn, f"SELECT c.relname, count(*) FROM ({union}) s JOIN pg_class c ON c.oid = s.tabla GROUP BY 1"))
        )
    gone = Counter(_taken_out(conn, context.run_id))
    rows = {t: fetch_all(conn, f"SELECT count(*) FROM {_table(context, t)}")[0][0] for t in leaving if leaving[t] + gone[t] > 100}
    return Removals({t: (leaving[t] + gone[t], rows[t] + gone[t]) for t in rows})


def foresee_removals(conn: Connection, accounts: Sequence[Account], all_routes: Sequence[Route]) -> None:
    """Say of each account how many rows that are due to no legacy row something holds, and how many twins have to make way."""
    for target in dict.fromkeys(a.route.pair.target for a in accounts):
        fill, given = filling(target, all_routes), [a for a in accounts if a.route.pair.target == target]
        for found in (a for a in given if a.surplus):
            row = fetch_one(conn, held_sql(fill))
            found.held = (int(row[0]), list(row[1] or ())) if row else (0, [])
        if any(a.count(MISSING, DIFFERENT) for a in given) and (kept := [a for a in given if a.retained]):
            kept[0].displaced = int(fetch_all(conn, displaced_count_sql(fill))[0][0])


def _taken_out(conn: Connection, run_id: str) -> dict[str, int]:
    return dict(fetch_all(conn, f"SELECT tabla, count(*) FROM {BOOKKEEPING}.apartada WHERE run_id = %s GROUP BY 1", (run_id,)))


def _table(context: Context, target: str) -> str:
    return next(r.target_table for r in context.all_routes if r.pair.target == target)


def _has_rows(context: Context, target: str) -> bool:
    return fetch_one(context.conn, f"SELECT 1 FROM {_table(context, target)} LIMIT 1") is not None
