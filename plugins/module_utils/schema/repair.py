"""Puts back what an interrupted or manual DDL took from a Spanish table, without touching a row or a column's type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.schema.ddl import access_statements, column_default, constraints
from ..core.schema.policies import policy_statements
from ..core.sqltext import ident, qname
from ..server.db import fetch_all, fetch_one, run_sql
from .structure import DEFAULT, GRANT, INVALID, NOT_NULL, NOT_VALIDATED, POLICY, SECURITY, Difference

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# said again for the whole table
_SAID_AGAIN = (GRANT, SECURITY, "comentario")
_GRANTEES = """
WITH own AS (SELECT to_regclass(%(name)s)::oid AS oid UNION ALL SELECT objid FROM pg_depend
             WHERE classid = 'pg_class'::regclass AND refobjid = to_regclass(%(name)s) AND deptype = 'a')
SELECT DISTINCT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass::text,
       CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END
FROM own JOIN pg_class c USING (oid) LEFT JOIN pg_attribute a ON a.attrelid = c.oid
CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, '{}') || coalesce(a.attacl, '{}')) x
WHERE c.relkind IN ('r', 'S') AND x.grantee <> c.relowner
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
        if kinds & {*_SAID_AGAIN}:
            _revoke_everything(conn, mapping, table)
            for again in access_statements(mapping, catalogue, table, mapping.schema):
                run_sql(conn, again)
            done.append(f"{table.name}: permisos, seguridad por fila y comentarios puestos de nuevo")
        invalid = [d for d in found.get(table.name, ()) if _is_invalid(d)]
        for difference in invalid:  # first of all: one may have a constraint's name
            run_sql(conn, f"DROP INDEX {qname(mapping.schema, difference.name)}")
        for difference in sorted(found.get(table.name, ()), key=lambda d: d.kind != "restricción"):
            statement = _repair(mapping, catalogue, table, difference)
            made = difference.kind == "índice" and _exists(conn, mapping, difference)  # a constraint brought it along
            if statement is not None and not made:
                run_sql(conn, statement)
            if statement is not None and (not made or difference in invalid):
                done.append(f"{table.name}: {difference.kind} {difference.name}, reparado")
    return done


def repairable(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, difference: Difference) -> bool:
    """Whether it can be put right without touching a row or a column's type."""
    return difference.kind in _SAID_AGAIN or _repair(mapping, catalogue, table, difference) is not None


def _repair(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, difference: Difference) -> str | None:
    wanted = (difference.wanted or "").replace("·.", f"{ident(mapping.schema)}.")
    actual, name = difference.actual or "", ident(difference.name)
    target = qname(mapping.schema, table.name)
    if _is_invalid(difference):
        return wanted
    if difference.kind == "restricción" and actual == f"{difference.wanted} NOT VALID{NOT_VALIDATED}":
        return f"ALTER TABLE {target} VALIDATE CONSTRAINT {name}"
    if difference.kind == DEFAULT and difference.wanted:
        column = next(c for c in table.columns if c.name == difference.name)
        default = column_default(mapping, catalogue, table, column, mapping.schema)
        return f"ALTER TABLE {target} ALTER COLUMN {name} SET DEFAULT {default}"
    if difference.kind == "columna" and difference.wanted == f"{actual}{NOT_NULL}":
        return f"ALTER TABLE {target} ALTER COLUMN {name} SET NOT NULL"
    if difference.kind == "disparador" and wanted and actual[:-1] == (difference.wanted or "")[:-1]:
        return f"ALTER TABLE {target} ENABLE TRIGGER {name}"
    if difference.kind == POLICY and difference.wanted:
        made = policy_statements(catalogue, table, target)[difference.name]
        return f"DROP POLICY IF EXISTS {name} ON {target}; {made}"
    if difference.actual is not None:
        return None
    definition = constraints(mapping, catalogue, table, mapping.schema).get(difference.name)
    return {
        "restricción": f"ALTER TABLE {target} ADD CONSTRAINT {name} {definition}",
        "índice": wanted,
        "disparador": wanted[:-2],  # behind the statement stands a blank and whether it is enabled
    }.get(difference.kind)


def _revoke_everything(conn: Connection, mapping: TableMapping, table: SpanishTable) -> None:
    """From everybody who holds a grant on the table, a column of it or its own sequence, and whoever has it from them."""
    for kind, name, grantee in fetch_all(conn, _GRANTEES, {"name": qname(mapping.schema, table.name)}):
        run_sql(conn, f"REVOKE ALL ON {kind} {name} FROM {grantee} CASCADE")


def _is_invalid(difference: Difference) -> bool:
    """Whether it is an index half built, asked for or a leftover."""
    return difference.kind == "índice" and (difference.actual or "").endswith(INVALID)


def _exists(conn: Connection, mapping: TableMapping, difference: Difference) -> bool:
    return fetch_one(conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (qname(mapping.schema, difference.name),)) is not None
