"""The sequences behind copied serials: past the highest id after the copy, back where they were after a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.backfill.drawing import Drawn, reachable
from ..core.bookkeeping import BOOKKEEPING
from ..core.mapping.types import TableMapping
from ..core.rows.routes import Route
from ..core.sqltext import ident, qname
from ..ledger.events import record_event
from ..server.db import fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


AT_MOST = 100_000  # ids that stayed behind, one after the other, which a sequence steps over
_STATE = """
SELECT s.oid::regclass::text, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle, format_type(a.atttypid, NULL),
       has_sequence_privilege(s.oid, 'UPDATE'), current_user::text
FROM pg_attrdef d JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
JOIN pg_class s ON p.refclassid = 'pg_class'::regclass AND s.oid = p.refobjid AND s.relkind = 'S'
JOIN pg_sequence q ON q.seqrelid = s.oid JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = to_regclass(%s) AND a.attname = %s
"""


def advance_sequences(conn: Connection, mapping: TableMapping, routes: Sequence[Route], run_id: str, phase: str) -> list[str]:
    """Move each sequence behind a copied serial past the ids that were carried; returns what was moved, in words.

    The value before is kept as an event, so that the rollback can put it back when nobody has drawn since. What cannot be
    moved is named, with the statement.
    """
    moved = []
    for drawn in drawn_sequences(conn, mapping, routes):
        if not drawn.lags:
            continue
        if drawn.obstacle:
            moved.append(f"{drawn.sequence} no avanza de {drawn.last} a {drawn.passed}: {drawn.obstacle}")
            continue
        detail = {"secuencia": drawn.sequence, "antes": [drawn.last, drawn.called], "despues": [drawn.passed, True]}
        record_event(conn, run_id, "secuencia", phase, detail)  # first: a kill in between must not lose the value before
        # in one statement, so that what services draw meanwhile is not taken back
        held, behind = drawn.sequence.replace("%", "%%"), "<=" if drawn.step > 0 else ">="
        advance = f"SELECT setval(%s::regclass, %s, true) FROM {held} WHERE last_value {behind} %s"
        fetch_all(conn, advance, (drawn.sequence, drawn.passed, drawn.passed))
        moved.append(f"{drawn.sequence} avanzó de {drawn.last} a {drawn.passed}, tras el último id llevado")
    return moved


def lagging_sequences(conn: Connection, mapping: TableMapping, routes: Sequence[Route]) -> list[Drawn]:
    """Return each sequence behind a copied serial whose next ids are in use already."""
    return [drawn for drawn in drawn_sequences(conn, mapping, routes) if drawn.lags]


def drawn_sequences(conn: Connection, mapping: TableMapping, routes: Sequence[Route]) -> list[Drawn]:
    """Return every sequence that a serial of these routes' Spanish tables draws from, with the ids of the Spanish side.

    Those of rows that stayed behind move it no farther: they may not even fit. It steps over the ones next to it.
    """
    found = []
    for table in {r.table.name: r.table for r in routes}.values():
        name = qname(mapping.schema, table.name)
        for column in (c.name for c in table.columns if c.serial):
            state = fetch_one(conn, _STATE, (name, column))
            if state is None:
                continue
            sequence, step, low, high, cycles, kind, movable, role = state
            limit, far, inside, outside = reachable(step, (low, high), kind), "max", "<=", ">"
            if step < 0:
                far, inside, outside = "min", ">=", "<"
            used, beyond = fetch_all(
                conn,
                f"SELECT (SELECT {far}({ident(column)}) FROM {name} WHERE {ident(column)} {inside} {limit}),"
                f" (SELECT {far}({ident(column)}) FROM {name} WHERE {ident(column)} {outside} {limit})",
            )[0]
            last, called = fetch_all(conn, f"SELECT last_value, is_called FROM {sequence}")[0]
            drawn = Drawn(sequence, name, column, step, last, called, cycles, movable, role, used, beyond)
            found.append(replace(drawn, taken=_taken(conn, routes, drawn, limit)) if drawn.lags else drawn)
    return found


def _taken(conn: Connection, routes: Sequence[Route], drawn: Drawn, limit: int) -> frozenset[int]:
    """The legacy ids between the farthest one carried and ``limit``, the nearest first: no id is given that one side has."""
    taken: set[int] = set()
    first, last, order = (drawn.used, limit, "ASC") if drawn.step > 0 else (limit, drawn.used, "DESC")
    for route in routes:
        carried = route.carried_as(drawn.column) if route.target_table == drawn.table else None
        if carried is not None and not carried.spanish:
            name = ident(carried.source.name).replace("%", "%%")
            query = f"SELECT {name}::bigint FROM {route.source_table.replace('%', '%%')} WHERE {name} BETWEEN %s AND %s"
            taken |= {row[0] for row in fetch_all(conn, f"{query} ORDER BY 1 {order} LIMIT {AT_MOST}", (first, last))}
    return frozenset(taken)


def restore_sequences(conn: Connection, mapping: TableMapping, routes: Sequence[Route]) -> None:
    """Put back each sequence that these routes' copy moved and nobody has used since; no rollback undoes this."""
    ours = [drawn.sequence for drawn in drawn_sequences(conn, mapping, routes)]
    rows = fetch_all(
        conn,
        f"SELECT id, detalle FROM {BOOKKEEPING}.evento WHERE tipo = 'secuencia' AND detalle->>'devuelta' IS NULL"
        " AND detalle->>'secuencia' = ANY (%s) ORDER BY id DESC",
        (ours,),
    )
    for event_id, detail in rows:
        held, (before, called) = detail["secuencia"].replace("%", "%%"), detail["antes"]
        # in one statement, so that an id drawn meanwhile is never given again
        fetch_all(
            conn,
            f"SELECT setval(%s::regclass, %s, %s) FROM {held} WHERE (last_value, is_called) = (%s, %s)",
            (detail["secuencia"], before, called, *detail["despues"]),
        )
        fetch_all(
            conn,
            f"UPDATE {BOOKKEEPING}.evento SET detalle = detalle || '{{\"devuelta\": true}}' WHERE id = %s RETURNING id",
            (event_id,),
        )
