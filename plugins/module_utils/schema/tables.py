"""The Spanish tables: made in one transaction, verified against a mould."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.catalogue import Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.schema.ddl import index_name, own_sequence, table_statements
from ..core.schema.policies import made_by_hand
from ..core.sqltext import derived_name
from ..core.survey.drift import TABLE_KINDS
from ..ledger import bookkeeping
from ..ledger.owed_indexes import owed_indexes
from ..server.db import fetch_all, fetch_one, rolled_back, run_sql
from .routines import install_helpers
from .structure import INVALID, POLICY, Difference, differences, read_facts, table_oids, without_schema

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

MOULD = "migracion_molde"


def missing_tables(conn: Connection, mapping: TableMapping) -> list[SpanishTable]:
    """Return the Spanish tables that do not exist yet, in the order in which they are made."""
    there = table_oids(conn, mapping.schema, [t.name for t in mapping.tables])
    return [t for t in mapping.tables if t.name not in there]


def names_taken(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> list[str]:
    """Return a phrase for every other object that stands where a Spanish table, index or sequence has to be made."""
    wanted: dict[str, str] = {}
    for table in missing_tables(conn, mapping):
        wanted[table.name] = table.name
        names = [index_name(table, c) for c in table.indexes]
        names += [derived_name(table.name, "pkey"), *(derived_name(table.name, *u, "key") for u in table.unique)]
        sequence = own_sequence(mapping, catalogue, table)
        wanted |= dict.fromkeys([*names, *([sequence] if sequence else [])], table.name)
    taken = fetch_all(
        conn,
        "SELECT c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s)"
        " UNION ALL SELECT t.typname, 'tipo' FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
        " WHERE n.nspname = %s AND t.typname = ANY (%s) AND t.typrelid = 0 AND t.typelem = 0 ORDER BY 1",
        (mapping.schema, list(wanted), mapping.schema, list(wanted)),
    )
    return [
        f"{mapping.schema}.{name} ya existe y es {TABLE_KINDS.get(kind, kind)}; la tabla {wanted[name]} necesita ese nombre"
        for name, kind in taken
    ]


def make_tables(conn: Connection, mapping: TableMapping, catalogue: Catalogue, tables: Sequence[SpanishTable]) -> None:
    """Create the tables inside the caller's transaction: all of them with their privileges, or none."""
    for table in tables:
        run_sql(conn, *table_statements(mapping, catalogue, table, mapping.schema))


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


def announce_schema(conn: Connection) -> None:
    """Ask PostgREST to read the schema again: once, at the end of a schema step, sent when the transaction commits."""
    run_sql(conn, "NOTIFY pgrst, 'reload schema'")


def bookkeeping_exists(conn: Connection) -> bool:
    """Return whether schema migracion is there."""
    return fetch_one(conn, "SELECT 1 FROM pg_namespace WHERE nspname = %s", (BOOKKEEPING,)) is not None
