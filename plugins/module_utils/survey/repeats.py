"""Counts what unique indexes promise: one that let a value in twice (another C library, a damaged page) promises in vain."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue, Relation
from ..core.mapping.types import TableMapping
from ..core.sqltext import ident, idents, qname
from ..server.db import fetch_all, rolled_back, run_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# The index that is asked about would vouch for itself.
BY_ROWS = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off"


def counted(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with the unique keys of the pairs' legacy tables that hold a value twice, their heirs' rows too."""
    sources = {pair.source for pair in mapping.pairs}
    with rolled_back(conn):
        run_sql(conn, BY_ROWS)
        relations = tuple(
            replace(r, repeated=_repeated(conn, mapping.schema, r)) if r.name in sources and r.kind in ("r", "p") else r
            for r in catalogue.relations
        )
    return replace(catalogue, relations=relations)


def _repeated(conn: Connection, schema: str, relation: Relation) -> tuple[tuple[str, ...], ...]:
    found = []
    for key in (relation.primary_key, *relation.unique):
        there = " AND ".join(f"{ident(column)} IS NOT NULL" for column in key)
        repeats = f"SELECT FROM {qname(schema, relation.name)} WHERE {there} GROUP BY {idents(key)} HAVING count(*) > 1 LIMIT 1"
        if key and fetch_all(conn, repeats):
            found.append(key)
    return tuple(found)
