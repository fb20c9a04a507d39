"""Puts back what an interrupted or manual DDL took from a Spanish table, without touching a row or a column's type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.schema.ddl import access_statements
from ..core.schema.differences import CONSTRAINT, INDEX, Difference
from ..core.schema.mending import SAID_AGAIN, is_half_built, repair_statement
from ..core.sqltext import qname
from ..server.db import fetch_all, fetch_one, run_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_GRANTEES = """
WITH own AS (SELECT to_regclass(%(name)s)::oid AS oid UNION ALL SELECT objid FROM pg_depend
             WHERE classid = 'pg_class'::regclass AND refobjid = to_regclass(%(name)s) AND deptype = 'a')
SELECT DISTINCT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass::text,
       CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END
FROM own JOIN pg_class c USING (oid) LEFT JOIN pg_attribute a ON a.attrelid = c.oid
CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(a.attacl)) x
LEFT JOIN pg_roles r ON r.oid = x.grantee
WHERE c.relkind IN ('r', 'S') AND x.grantee <> c.relowner AND (x.grantee = 0 OR r.oid IS NOT NULL)
"""


def repair_structure(
    conn: Connection, mapping: TableMapping, catalogue: Catalogue, found: dict[str, list[Difference]]
) -> list[str]:
    """Repair in the caller's transaction what an interrupted or manual DDL left; returns what was done, in words.

    Anything that repairable() denies is left, and the comparison that follows names it.
    """
    done = []
    for table in mapping.tables:
        kinds = {d.kind for d in found.get(table.name, ())}
        if kinds & {*SAID_AGAIN}:
            _revoke_everything(conn, mapping, table)
            for again in access_statements(mapping, catalogue, table, mapping.schema):
                run_sql(conn, again)
            done.append(f"{table.name}: permisos, seguridad por fila y comentarios puestos de nuevo")
        invalid = [d for d in found.get(table.name, ()) if is_half_built(d)]
        for difference in invalid:  # first of all: one may have a constraint's name
            run_sql(conn, f"DROP INDEX {qname(mapping.schema, difference.name)}")
        for difference in sorted(found.get(table.name, ()), key=lambda d: d.kind != CONSTRAINT):
            statement = repair_statement(mapping, catalogue, table, difference)
            made = difference.kind == INDEX and _exists(conn, mapping, difference)  # a constraint brought it along
            if statement is not None and not made:
                run_sql(conn, statement)
            if statement is not None and (not made or difference in invalid):
                done.append(f"{table.name}: {difference.kind} {difference.name}, reparado")
    return done


def _revoke_everything(conn: Connection, mapping: TableMapping, table: SpanishTable) -> None:
    """From everybody who holds a grant on the table, a column of it or its own sequence, and whoever has it from them."""
    for kind, name, grantee in fetch_all(conn, _GRANTEES, {"name": qname(mapping.schema, table.name)}):
        run_sql(conn, f"REVOKE ALL ON {kind} {name} FROM {grantee} CASCADE")


def _exists(conn: Connection, mapping: TableMapping, difference: Difference) -> bool:
    return fetch_one(conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (qname(mapping.schema, difference.name),)) is not None
