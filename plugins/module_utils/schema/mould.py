"""The mould: what the mapping asks for, made in a schema of its own and rolled back, beside what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.bookkeeping import TOUCH
from ..core.catalogue import Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.rows.reading import touch_statement
from ..core.schema.ddl import table_statements
from ..core.schema.differences import (
    COLUMN,
    COMMENTED,
    DEFAULT,
    FAILING,
    INDEX,
    INVALID,
    POLICY,
    UNIDENTIFIED,
    WHOLE,
    Difference,
    differences,
)
from ..core.schema.policies import made_by_hand
from ..core.sqltext import ident, qname
from ..ledger.owed_indexes import owed_indexes
from ..server import db
from ..server.published import unidentified
from .structure import MOULD, read_facts, without_schema

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

TRIED = "pg_temp.migracion_valor"
WRITES = "25006"  # read_only_sql_transaction
OUTAGE = ("", "08", "53", "55", "57")  # classes of SQLSTATE that say nothing of what was evaluated
_COLUMN = """
SELECT format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull
FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = to_regclass(%s) AND a.attname = %s AND a.attgenerated = ''
"""


def structure_of_existing(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> dict[str, list[Difference]]:
    """Return what differs, by table, from what the mapping asks; an absent table is a difference itself.

    The mould is the same DDL run in a schema of this session's own and always rolled back, so PostgreSQL's own normal
    form is compared and not a guess of it. It locks nothing that others use or make. Outside any transaction.
    """
    place = db.own_schema(conn, MOULD)
    touch = f"{place}.{TOUCH.rpartition('.')[2]}"
    names = [t.name for t in mapping.tables]
    with db.rolled_back(conn):
        made = [s for table in mapping.tables for s in table_statements(mapping, catalogue, table, place)]
        db.run_sql(conn, f"CREATE SCHEMA {place}", *(s.replace(TOUCH, touch) for s in (touch_statement(), *made)))
        # the mould's foreign keys and names speak of the mould: both schemas read as '·'
        moulds, reals = read_facts(conn, place, names), read_facts(conn, mapping.schema, names)
        built_later = {o.name for o in owed_indexes(conn, names)}
    found: dict[str, list[Difference]] = {}
    for table in mapping.tables:
        if table.name not in reals:
            found[table.name] = [Difference(WHOLE, table.name, "existe", None)]
            continue
        own = "·." + touch.partition(".")[2]
        expected = {fact: without_schema(text, mapping.schema).replace(own, TOUCH) for fact, text in moulds[table.name].items()}
        differing = differences(expected, reals[table.name])
        theirs = [d for d in differing if _is_theirs(catalogue, table, d)]
        if differing := [d for d in differing if d not in theirs and not _built_later(d, built_later)]:
            found[table.name] = _with_failures(conn, qname(mapping.schema, table.name), differing)
    for one in unidentified(conn, mapping.schema, reals):
        found.setdefault(one.table, []).append(Difference(UNIDENTIFIED, one.mend, None, one.said))
    return found


def _with_failures(conn: Connection, table: str, differing: list[Difference]) -> list[Difference]:
    """Say of each added column's default that fails what the server says: it would of every row."""
    added = {d.name for d in differing if d.kind == COLUMN and d.wanted is None}
    filling = {d: _failure(conn, table, d.name) for d in differing if d.kind == DEFAULT and d.name in added}
    return [replace(d, actual=f"{d.actual}{FAILING}{said})") if (said := filling.get(d)) else d for d in differing]


def _failure(conn: Connection, table: str, column: str) -> str:
    """Evaluate a column's default for a row of a temporary table; '' where it works, or would write, as a sequence does."""
    for kind, default, required in db.fetch_all(conn, _COLUMN, (table, column)):
        definition = f"{ident(column)} {kind} DEFAULT {default}{' NOT NULL' if required else ''}"
        try:
            with db.rolled_back(conn):
                db.run_sql(conn, f"CREATE TEMPORARY TABLE {TRIED} ({definition})", "SET TRANSACTION READ ONLY")
                db.run_sql(conn, f"INSERT INTO {TRIED} DEFAULT VALUES")
        except db.Error as error:
            if (error.pgcode or "")[:2] in OUTAGE:
                raise
            return "" if error.pgcode == WRITES else " ".join((error.diag.message_primary or str(error.pgcode)).split())
    return ""


def _is_theirs(catalogue: Catalogue, table: SpanishTable, difference: Difference) -> bool:
    """Whether people added what is theirs to add: a policy that could not be carried, a comment where none is asked."""
    by_hand = difference.kind == POLICY and made_by_hand(catalogue, table, difference.name, difference.actual)
    return by_hand or (difference.kind == COMMENTED and difference.wanted is None)


def _built_later(difference: Difference, owed: set[str]) -> bool:
    """Whether an index is absent, or half built, because the copy owes it: it will build it."""
    absent = difference.actual is None or difference.actual.endswith(INVALID)
    return difference.kind == INDEX and difference.name in owed and absent
