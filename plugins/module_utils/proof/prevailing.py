"""The sync was gone and is back: one side's word is taken for the rows that differ, what it overrides is kept in apartada."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.proof import prevailing
from ..core.proof.accounts import Account
from ..core.proof.comparison import DIFFERENT, PENDING
from ..core.proof.dependence import filling
from ..core.rows.routes import Route
from ..core.rows.set_aside import CARRIED
from ..core.words import number
from ..ledger import lease
from ..server.db import execute, fetch_one, transaction
from ..sync.modes import note_settled
from .repair import Mender, repair

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def legacy_prevails(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route], mending: Mender) -> None:
    """Make the Spanish rows what the legacy ones say."""
    tables = sorted({(r.schema, r.pair.target) for r in routes})
    fetch_one(conn, "SELECT set_config(%s, %s, false)", (CARRIED, json.dumps(tables)))
    keep_twins(conn, routes, all_routes, mending.watch.run_id)
    repair(conn, routes, all_routes, mending, lambda _: None)
    with transaction(conn):
        lease.fence(conn, mending.watch.run_id)
        note_settled(conn)


def keep_twins(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route], run_id: str) -> None:
    """Keep the Spanish rows that a repair will overwrite."""
    for route in routes:
        with transaction(conn):
            lease.fence(conn, run_id)
            execute(conn, prevailing.twins_kept_sql(route, filling(route.pair.target, all_routes)), (run_id,))


def spanish_prevails(
    conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route], run_id: str, *, deleted: bool = False
) -> None:
    """Leave the rows that differ for the drain: Spanish ones as if written now, then the legacy ones that only legacy has.

    ``deleted``: those were deleted on the Spanish side, and so they are left as deleted there.
    """
    with transaction(conn):
        lease.fence(conn, run_id)
        for route in routes:
            fill = filling(route.pair.target, all_routes)
            if route == fill[0]:
                execute(conn, prevailing.born_keys_sql(fill))
            execute(conn, prevailing.spanish_keys_sql(route, fill))
        only_legacy = prevailing.deleted_keys_sql if deleted else prevailing.legacy_keys_sql
        for route in routes:
            execute(conn, only_legacy(route, filling(route.pair.target, all_routes)))
        note_settled(conn)


def prevailing_lines(accounts: Sequence[Account], spanish: bool, check: bool) -> list[str]:
    """Return what differed, by pair, and what becomes of it."""
    lines = []
    for a in accounts:
        counted = a.count(DIFFERENT), a.count(*PENDING) - a.count(DIFFERENT), a.surplus
        if not any(counted):
            continue
        words = ("{} distintas", "{} que solo legacy tiene", "{} que solo está en español")
        said = ", ".join(w.format(number(rows)) for w, rows in zip(words, counted, strict=True) if rows)
        lines.append(f"  {a.route.pair.source} → {a.route.pair.target}: {said}")
    verb = "valdría" if check else "vale"
    if not lines:
        return ["Lo escrito mientras faltaba: los dos lados son iguales"]
    rule = (
        f"{verb} lo español: las distintas pasan a legacy (la fila legacy de antes queda en {BOOKKEEPING}.apartada), las que solo"
        " están en español nacen en legacy, y las que solo legacy tiene pasan a español"
        if spanish
        else f"{verb} lo legacy: las distintas y las que solo están en español quedan en {BOOKKEEPING}.apartada"
    )
    return [f"Lo escrito mientras faltaba; {rule}:", *lines]
