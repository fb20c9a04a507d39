"""The Spanish tables: which are missing, whose names are taken, and how they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.catalogue import TABLE_KINDS, Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.schema.ddl import index_name, own_sequence, table_statements
from ..core.sqltext import derived_name
from ..server.db import fetch_all, run_sql
from .structure import table_oids

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


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


def announce_schema(conn: Connection) -> None:
    """Ask PostgREST to read the schema again: once, at the end of a schema step, sent when the transaction commits."""
    run_sql(conn, "NOTIFY pgrst, 'reload schema'")
