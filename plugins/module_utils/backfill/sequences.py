"""The sequences behind copied serials: past the highest id after the copy, back where they were after a rollback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.mapping.types import TableMapping
from ..core.rows.routes import Route
from ..core.sqltext import ident, qname
from ..ledger.events import record_event
from ..server.db import fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def advance_sequences(conn: Connection, mapping: TableMapping, routes: Sequence[Route], run_id: str, phase: str) -> list[str]:
    """Move each sequence behind a copied serial past the highest id; returns what was moved, in words.

    The value before is kept as an event, so that the rollback can put it back when nobody has drawn since.
    """
    moved = []
    for lag in lagging_sequences(conn, mapping, routes):
        detail = {"secuencia": lag.sequence, "antes": [lag.last, lag.called], "despues": [lag.highest, True]}
        record_event(conn, run_id, "secuencia", phase, detail)  # first: a kill in between must not lose the value before
        # in one statement, so that what services draw meanwhile is not taken back
        held = lag.sequence.replace("%", "%%")
        advance = f"SELECT setval(%s::regclass, %s, true) FROM {held} WHERE last_value <= %s"
        fetch_all(conn, advance, (lag.sequence, lag.highest, lag.highest))
        moved.append(f"{lag.sequence} avanzó de {lag.last} a {lag.highest}, el mayor id en uso")
    return moved


@dataclass(frozen=True)
class Lag:
    """A sequence whose next value is in use already."""

    sequence: str
    table: str
    column: str
    last: int
    called: bool
    highest: int


def lagging_sequences(conn: Connection, mapping: TableMapping, routes: Sequence[Route]) -> list[Lag]:
    """Return each sequence behind a copied serial that is behind the ids of either side: a refused row keeps its id too."""
    found = []
    for sequence, table, column in _serials(conn, mapping, routes):
        ids = [f"SELECT max({ident(column)}) AS id FROM {qname(mapping.schema, table)}"]
        for route in (r for r in routes if r.pair.target == table):
            carried = route.carried_as(column)
            if carried is not None:
                ids.append(f"SELECT max({ident(carried.source.name)}) FROM {route.source_table}")
        highest = fetch_all(conn, f"SELECT max(id)::bigint FROM ({' UNION ALL '.join(ids)}) i")[0][0]
        last, called = fetch_all(conn, f"SELECT last_value, is_called FROM {sequence}")[0]
        if highest is not None and (last if called else last - 1) < highest:
            found.append(Lag(sequence, table, column, last, called, highest))
    return found


def _serials(conn: Connection, mapping: TableMapping, routes: Sequence[Route]) -> list[tuple[str, str, str]]:
    """Return (sequence as SQL, Spanish table, column) of every serial that the routes fill."""
    tables = {r.table.name: r.table for r in routes}
    found = []
    for name, table in tables.items():
        for column in (c.name for c in table.columns if c.serial):
            row = fetch_one(
                conn,
                "SELECT s.oid::regclass::text FROM pg_attrdef d"
                " JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid"
                " AND p.refclassid = 'pg_class'::regclass"
                " JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'"
                " JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
                " WHERE d.adrelid = to_regclass(%s) AND a.attname = %s",
                (qname(mapping.schema, name), column),
            )
            if row:
                found.append((row[0], name, column))
    return found


def restore_sequences(conn: Connection, mapping: TableMapping, routes: Sequence[Route]) -> None:
    """Put back each sequence that these routes' copy moved and nobody has used since; no rollback undoes this."""
    ours = [sequence for sequence, _, _ in _serials(conn, mapping, routes)]
    rows = fetch_all(
        conn,
        f"SELECT id, detalle FROM {BOOKKEEPING}.evento WHERE tipo = 'secuencia' AND detalle->>'devuelta' IS NULL"
        " AND detalle->>'secuencia' = ANY (%s) ORDER BY id DESC",
        (ours,),
    )
    for event_id, detail in rows:
        sequence = detail["secuencia"]
        now = fetch_one(conn, f"SELECT last_value, is_called FROM {sequence}")
        if now is not None and list(now) == detail["despues"]:
            fetch_all(conn, "SELECT setval(%s::regclass, %s, %s)", (sequence, *detail["antes"]))
        fetch_all(
            conn,
            f"UPDATE {BOOKKEEPING}.evento SET detalle = detalle || '{{\"devuelta\": true}}' WHERE id = %s RETURNING id",
            (event_id,),
        )
