"""The mould: what the mapping asks for, made in a schema of its own and rolled back, beside what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.schema.ddl import table_statements
from ..core.schema.policies import made_by_hand
from ..ledger import bookkeeping
from ..ledger.owed_indexes import owed_indexes
from ..server.db import rolled_back, run_sql
from .routines import install_helpers
from .structure import INVALID, MOULD, POLICY, Difference, differences, read_facts, without_schema

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def check_structure(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> dict[str, list[Difference]]:
    """Return what differs, by table, from what the mapping asks; an absent table is a difference itself.

    The mould is the same DDL run in a schema of its own and always rolled back by the caller's transaction, so
    PostgreSQL's own normal form is compared and not a guess of it.
    """
    run_sql(conn, f"CREATE SCHEMA {MOULD}")
    for table in mapping.tables:
        run_sql(conn, *table_statements(mapping, catalogue, table, MOULD))
    names = [t.name for t in mapping.tables]
    # the mould's foreign keys and names speak of the mould: both schemas read as '·'
    moulds, reals = read_facts(conn, MOULD, names), read_facts(conn, mapping.schema, names)
    built_later = {o.name for o in owed_indexes(conn, names)}
    found: dict[str, list[Difference]] = {}
    for table in mapping.tables:
        if table.name not in reals:
            found[table.name] = [Difference("tabla", table.name, "existe", None)]
            continue
        expected = {fact: without_schema(text, mapping.schema) for fact, text in moulds[table.name].items()}
        differing = differences(expected, reals[table.name])
        theirs = [d for d in differing if _is_theirs(catalogue, table, d)]
        if differing := [d for d in differing if d not in theirs and not _built_later(d, built_later)]:
            found[table.name] = differing
    return found


def structure_of_existing(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> dict[str, list[Difference]]:
    """Return check_structure() in a transaction of its own, with everything that the mould needs, rolled back."""
    with rolled_back(conn):
        bookkeeping.ensure_schema(conn)
        install_helpers(conn)
        return check_structure(conn, mapping, catalogue)


def _is_theirs(catalogue: Catalogue, table: SpanishTable, difference: Difference) -> bool:
    """Whether people added what is theirs to add: a policy that could not be carried, a comment where none is asked."""
    by_hand = difference.kind == POLICY and made_by_hand(catalogue, table, difference.name, difference.actual)
    return by_hand or (difference.kind == "comentario" and difference.wanted is None)


def _built_later(difference: Difference, owed: set[str]) -> bool:
    """Whether an index is absent, or half built, because the copy owes it: it will build it."""
    absent = difference.actual is None or difference.actual.endswith(INVALID)
    return difference.kind == "índice" and difference.name in owed and absent
