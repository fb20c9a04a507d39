"""Reads the sequences behind the legacy ids that are carried into serial columns, and the ids themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue
from ..core.mapping.types import SpanishColumn, TableMapping
from ..core.sqltext import ident, qname
from ..core.survey.sequence_findings import HIGHEST, SequenceFacts
from ..core.survey.table_findings import ReadColumn, read_columns
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_SEQUENCE = """
SELECT c.oid, pg_get_userbyid(c.relowner), t.typname, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle,
       has_sequence_privilege(c.oid, 'SELECT'), has_sequence_privilege(c.oid, 'UPDATE'), current_user
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = s.seqtypid
WHERE quote_ident(n.nspname) || '.' || quote_ident(c.relname) = %s
"""
_TYPES = {"int2": "smallint", "int4": "integer", "int8": "bigint"}


def serial_columns(mapping: TableMapping, catalogue: Catalogue) -> list[tuple[ReadColumn, SpanishColumn]]:
    """Return each legacy column with a sequence that fills a serial one."""
    serials = {(t.name, c.name): c for t in mapping.tables for c in t.columns if c.serial}
    return [
        (read, serials[read.pair.target, read.rule.target])
        for read in read_columns(mapping, catalogue)
        if read.column.sequence and (read.pair.target, read.rule.target) in serials
    ]


def sequence_facts(conn: Connection, mapping: TableMapping, read: ReadColumn, target: SpanishColumn) -> SequenceFacts:
    """Read one sequence and the highest ids, those that the Spanish column holds and those beyond."""
    name = str(read.column.sequence)
    _, owner, kind, step, lowest, highest, cycles, legible, movable, role = db.fetch_all(conn, _SEQUENCE, (name,))[0]
    last, called = db.fetch_all(conn, f"SELECT last_value, is_called FROM {name}")[0] if legible else (None, False)
    room, column = HIGHEST[target.type], ident(read.column.name)
    ids = f"SELECT max({column})::bigint FROM {qname(mapping.schema, read.relation.name)} WHERE {column}"
    fitting = db.fetch_all(conn, f"{ids} <= {room}")[0][0]
    beyond = db.fetch_all(conn, f"{ids} > {room}")[0][0]
    return SequenceFacts(
        sequence=name,
        owner=owner,
        schema=mapping.schema,
        table=read.relation.name,
        column=read.column.name,
        type=_TYPES[kind],
        step=step,
        lowest=lowest,
        highest=highest,
        cycles=cycles,
        last=last,
        called=called,
        movable=movable,
        role=role,
        room=room,
        fitting=fitting,
        beyond=beyond,
    )
