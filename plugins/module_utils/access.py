"""Who may do what: no role may do more, or less, on a Spanish table than on its legacy twin (traps 29 to 31)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.catalogue import Catalogue
from .core.mapping import Mapping, SpanishTable
from .core.policies import renames
from .core.sqltext import qname
from .db import fetch_all

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# every role that could come through the API or holds a grant; owners and superusers are not asked
_ROLES = """
SELECT r.rolname FROM pg_roles r
WHERE NOT r.rolsuper AND r.oid <> ALL (SELECT relowner FROM pg_class WHERE oid IN (to_regclass(%(old)s), to_regclass(%(new)s)))
  AND r.rolname !~ '^pg_' AND (r.rolname IN ('anon', 'authenticated', 'service_role') OR r.oid IN (
    SELECT x.grantee FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
    WHERE c.oid IN (to_regclass(%(old)s), to_regclass(%(new)s))
    UNION SELECT x.grantee FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
    WHERE a.attrelid IN (to_regclass(%(old)s), to_regclass(%(new)s))))
"""
_TABLE = f"""
SELECT r.rolname, p.privilege, has_table_privilege(r.rolname, to_regclass(%(old)s), p.privilege) AS before,
       has_table_privilege(r.rolname, to_regclass(%(new)s), p.privilege) AS after
FROM ({_ROLES}) r
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p(privilege)
"""
_COLUMN = f"""
SELECT r.rolname, p.privilege || ' (' || c.new_name || ')',
       has_column_privilege(r.rolname, to_regclass(%(old)s), c.old_name, p.privilege),
       has_column_privilege(r.rolname, to_regclass(%(new)s), c.new_name, p.privilege)
FROM ({_ROLES}) r CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p(privilege)
CROSS JOIN unnest(%(old_columns)s::text[], %(new_columns)s::text[]) c(old_name, new_name)
"""
_SECURITY = """
SELECT (SELECT (relrowsecurity, relforcerowsecurity) FROM pg_class WHERE oid = to_regclass(%(old)s))
     = (SELECT (relrowsecurity, relforcerowsecurity) FROM pg_class WHERE oid = to_regclass(%(new)s))
"""
_EXPOSED = """
SELECT r.rolname || ' tiene USAGE en el esquema migracion' FROM pg_roles r
WHERE r.rolname IN ('anon', 'authenticated', 'service_role') AND has_schema_privilege(r.oid, 'migracion', 'USAGE')
UNION ALL
SELECT r.rolname || ' puede ejecutar ' || p.oid::regprocedure FROM pg_proc p CROSS JOIN pg_roles r
WHERE p.pronamespace = 'migracion'::regnamespace AND r.rolname IN ('anon', 'authenticated', 'service_role')
  AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
UNION ALL
SELECT r.rolname || ' llega a migracion.' || c.relname FROM pg_class c CROSS JOIN pg_roles r
WHERE c.relnamespace = 'migracion'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND r.rolname IN ('anon', 'authenticated', 'service_role') AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
ORDER BY 1
"""


def access_problems(conn: Connection, mapping: Mapping, catalogue: Catalogue) -> list[str]:
    """Return a phrase for each right that differs between a Spanish table and its twin, and for each exposure of migracion."""
    problems = [row[0] for row in fetch_all(conn, _EXPOSED)]
    for table in mapping.tables:
        problems += _table_problems(conn, mapping, catalogue, table)
    return problems


def _table_problems(conn: Connection, mapping: Mapping, catalogue: Catalogue, table: SpanishTable) -> list[str]:
    twin = catalogue.relation(table.twin)
    if twin is None:
        return []
    columns = renames(mapping, table, twin)
    names = {
        "old": qname(mapping.schema, twin.name),
        "new": qname(mapping.schema, table.name),
        "old_columns": list(columns),
        "new_columns": list(columns.values()),
    }
    problems = [
        f"{role} {'puede' if after else 'no puede'} {privilege} en {table.name} y {'no ' if after else 'sí '}en {twin.name}"
        for query in (_TABLE, _COLUMN)
        for role, privilege, before, after in fetch_all(conn, query, names)
        if before != after
    ]
    if not fetch_all(conn, _SECURITY, names)[0][0]:
        problems.append(f"{table.name} no tiene la seguridad por fila de {twin.name}")
    return problems
