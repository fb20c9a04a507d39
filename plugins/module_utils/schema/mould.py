"""The mould: what the mapping asks for, made in a schema of its own and rolled back, beside what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.bookkeeping import TOUCH
from ..core.catalogue import Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.rows.reading import touch_statement
from ..core.schema.ddl import table_statements
from ..core.schema.differences import COMMENTED, INDEX, INVALID, POLICY, WHOLE, Difference, differences
from ..core.schema.policies import made_by_hand
from ..ledger.owed_indexes import owed_indexes
from ..server import db
from .structure import MOULD, read_facts, without_schema

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


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
            found[table.name] = differing
    return found


def _is_theirs(catalogue: Catalogue, table: SpanishTable, difference: Difference) -> bool:
    """Whether people added what is theirs to add: a policy that could not be carried, a comment where none is asked."""
    by_hand = difference.kind == POLICY and made_by_hand(catalogue, table, difference.name, difference.actual)
    return by_hand or (difference.kind == COMMENTED and difference.wanted is None)


def _built_later(difference: Difference, owed: set[str]) -> bool:
    """Whether an index is absent, or half built, because the copy owes it: it will build it."""
    absent = difference.actual is None or difference.actual.endswith(INVALID)
    return difference.kind == INDEX and difference.name in owed and absent
