"""What fase0 counts and reads in the legacy tables for its page of findings: short statements, no lock that writers meet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue, Relation
from ..core.mapping.types import TableMapping
from ..core.rows.local_times import readings_sql
from ..core.sqltext import ident, qname
from ..core.survey.table_findings import (
    Counted,
    Heir,
    NaiveTime,
    Nullable,
    ReadColumn,
    Sorting,
    joined_columns,
)
from ..server import db
from ..server.stored_parts import stored_parts
from .row_reading import reading

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_EXAMPLES = 5
KEYS_AT_ONCE = 5_000_000  # above so many rows a share of the values is counted, each of them in all its rows
# One row for each column: its type's collation, so that texts are grouped by their bytes.
_COLLATIONS = """
SELECT c.relname, a.attname, quote_ident(n.nspname) || '.' || quote_ident(l.collname), l.collisdeterministic
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace s ON s.oid = c.relnamespace
JOIN pg_collation l ON l.oid = a.attcollation JOIN pg_namespace n ON n.oid = l.collnamespace
WHERE s.nspname = %s AND c.relname = ANY (%s) AND a.attnum > 0 AND NOT a.attisdropped
"""
_HEIRS = """
WITH RECURSIVE tree AS (
  SELECT c.relname AS legacy, c.oid AS parent, i.inhrelid AS heir
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_inherits i ON i.inhparent = c.oid
  WHERE n.nspname = %s AND c.relname = ANY (%s) AND c.relkind = 'r'
  UNION
  SELECT t.legacy, t.heir, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.heir
)
SELECT quote_ident(hn.nspname) || '.' || quote_ident(h.relname), quote_ident(pn.nspname) || '.' || quote_ident(p.relname),
       t.legacy
FROM tree t JOIN pg_class h ON h.oid = t.heir JOIN pg_namespace hn ON hn.oid = h.relnamespace
JOIN pg_class p ON p.oid = t.parent JOIN pg_namespace pn ON pn.oid = p.relnamespace ORDER BY 3, 1, 2
"""
_IDENTITY = """
SELECT c.relname || '.' || a.attname, CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = ANY (%s) AND a.attidentity <> '' AND NOT a.attisdropped ORDER BY 1
"""


def heirs_of(conn: Connection, mapping: TableMapping, names: list[str]) -> list[Heir]:
    """Return every table that inherits from a legacy one, however far down, and what it inherits from directly."""
    return [Heir(*row) for row in db.fetch_all(conn, _HEIRS, (mapping.schema, names))]


def counted_key(conn: Connection, mapping: TableMapping, relation: Relation, key: tuple[str, ...]) -> Counted:
    """Count the values of a unique key that stand more than once, reading the table and not its indexes."""
    return _count(conn, mapping.schema, relation, key, only=relation.kind == "r")


def repeated_in_heirs(conn: Connection, mapping: TableMapping, relation: Relation) -> Counted:
    """Count the primary keys that come more than once in a table and what inherits from it, not all in the table itself."""
    return _count(conn, mapping.schema, relation, relation.primary_key, only=False)


def _count(conn: Connection, schema: str, relation: Relation, key: tuple[str, ...], *, only: bool) -> Counted:
    """``only``: the table by itself, without its heirs; with them a value counts where a row of it lies elsewhere."""
    texts = {column for _, column, _, _ in db.fetch_all(conn, _COLLATIONS, (schema, [relation.name]))}
    columns = [f"l.{ident(c)}" for c in key]
    exact = [f'l.{ident(c)}::text COLLATE "C"' if c in texts else f"l.{ident(c)}" for c in key]
    shown = f"concat_ws('|', {', '.join(f'{c}::text' for c in columns)})"
    parts = stored_parts(conn, schema, relation.name)
    rows = parts[0].rows if only and relation.kind == "r" else sum(part.rows for part in parts)
    share = max(1, math.ceil(rows / KEYS_AT_ONCE))
    conditions = [f"{c} IS NOT NULL" for c in columns]
    if share > 1:
        conditions.append(f"mod(hashtext({' || chr(0x1f) || '.join(f'({e})::text' for e in exact)}), {share}) = 0")
    own = next((part.oid for part in parts if part.name == qname(schema, relation.name)), 0)
    elsewhere = "" if only or relation.kind == "p" else f" AND bool_or(l.tableoid <> {own}::oid)"
    query = f"""
WITH doubles AS MATERIALIZED (
  SELECT min({shown} COLLATE "C") AS shown, count(*) AS n, array_agg(DISTINCT l.tableoid) AS places
  FROM {"ONLY " if only else ""}{qname(schema, relation.name)} l WHERE {" AND ".join(conditions)}
  GROUP BY {", ".join(exact)} HAVING count(*) > 1{elsewhere}
)
SELECT count(*), coalesce(sum(n), 0)::bigint,
       ARRAY(SELECT shown FROM doubles ORDER BY shown COLLATE "C" LIMIT {_EXAMPLES}),
       ARRAY(SELECT DISTINCT unnest(places)::bigint FROM doubles)
FROM doubles"""
    with reading(conn, "seqscan"):  # what a damaged index says is not asked
        keys, found, examples, places = db.fetch_all(conn, query)[0]
    others = tuple(part.name for part in parts if part.oid in places and part.oid != own)
    return Counted(relation.name, key, keys, found, tuple(examples), share, others)


def nulls_of(conn: Connection, mapping: TableMapping, read: ReadColumn) -> Nullable:
    """Count the NULLs in a column by which rows are matched: a NOT NULL that was never validated says nothing of them."""
    table, column = read.relation.name, read.column.name
    count = f"SELECT count(*) FROM {qname(mapping.schema, table)} l WHERE l.{ident(column)} IS NULL"
    nulls = int(db.fetch_all(conn, count)[0][0])
    return Nullable(mapping.schema, table, column, f"{read.pair.target}.{read.rule.target}", not read.column.not_null, nulls)


def naive_time(conn: Connection, mapping: TableMapping, read: ReadColumn, zone: str) -> NaiveTime:
    """Return up to three of the column's values, read as UTC and by ``zone``'s clock."""
    shown = db.fetch_all(conn, readings_sql(mapping.schema, read.relation.name, read.column.name, zone))
    return NaiveTime(read, tuple((stands, utc, local) for stands, utc, local in shown))


def joined_sortings(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> list[tuple[Sorting, Sorting]]:
    """Return the collations of every two text columns whose values are compared."""
    rows = db.fetch_all(conn, _COLLATIONS, (mapping.schema, [r.name for r in catalogue.relations]))
    known = {(table, column): Sorting(f"{table}.{column}", collation, exact) for table, column, collation, exact in rows}
    pairs = dict.fromkeys(joined_columns(mapping, catalogue))
    return [(known[one], known[other]) for one, other in pairs if one in known and other in known]


def identity_columns(conn: Connection, mapping: TableMapping, names: list[str]) -> list[tuple[str, str]]:
    """Return the identity columns of the legacy tables and their kind."""
    return [(column, kind) for column, kind in db.fetch_all(conn, _IDENTITY, (mapping.schema, names))]
