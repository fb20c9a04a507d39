"""Who may do what: no role may do more, or less, on a Spanish table than on its legacy twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.catalogue import NOBODYS, Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.schema.ddl import own_sequence
from ..core.schema.differences import POLICY, Difference, Fact, differences
from ..core.schema.policies import made_by_hand, policy_statements, renames
from ..core.sqltext import qname
from ..server.db import fetch_all, own_schema, rolled_back, run_sql
from ..server.live_catalogue import HOLDERS, orphan_grants
from .inserting import insert_problems
from .structure import MOULD, read_facts, table_oids, without_schema

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# everybody, every role that could come through the API, every holder of a grant; owners and superusers are not asked
ROLES = """
SELECT 'public'::name AS rolname UNION ALL
SELECT r.rolname FROM pg_roles r
WHERE NOT r.rolsuper AND r.oid <> ALL (SELECT relowner FROM pg_class WHERE oid IN (to_regclass(%(old)s), to_regclass(%(new)s)))
  AND r.rolname !~ '^pg_' AND (r.rolname IN ('anon', 'authenticated', 'service_role') OR r.oid IN (
    SELECT x.grantee FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
    WHERE c.oid IN (to_regclass(%(old)s), to_regclass(%(new)s), to_regclass(%(sequence)s))
    UNION SELECT x.grantee FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
    WHERE a.attrelid IN (to_regclass(%(old)s), to_regclass(%(new)s))))
"""
_TABLE = f"""
SELECT r.rolname, p.privilege, has_table_privilege(r.rolname, to_regclass(%(old)s), p.privilege) AS before,
       has_table_privilege(r.rolname, to_regclass(%(new)s), p.privilege) AS after
FROM ({ROLES}) r CROSS JOIN unnest(%(privileges)s) p(privilege)
"""
_COLUMN = f"""
SELECT r.rolname, p.privilege || ' (' || c.new_name || ')',
       has_column_privilege(r.rolname, to_regclass(%(old)s), c.old_name, p.privilege),
       has_column_privilege(r.rolname, to_regclass(%(new)s), c.new_name, p.privilege)
FROM ({ROLES}) r CROSS JOIN unnest(%(column_privileges)s) p(privilege)
CROSS JOIN unnest(%(old_columns)s::text[], %(new_columns)s::text[]) c(old_name, new_name)
"""
# who may insert draws ids, and nobody sets the sequence
_SEQUENCE = f"""
SELECT r.rolname, p.privilege, p.privilege = 'USAGE' AND has_any_column_privilege(r.rolname, to_regclass(%(old)s), 'INSERT'),
       has_sequence_privilege(r.rolname, to_regclass(%(sequence)s), p.privilege)
FROM ({ROLES}) r CROSS JOIN unnest(ARRAY['USAGE', 'UPDATE']) p(privilege)
"""
_SECURITY = """
SELECT (SELECT (relrowsecurity, relforcerowsecurity) FROM pg_class WHERE oid = to_regclass(%(old)s))
     = (SELECT (relrowsecurity, relforcerowsecurity) FROM pg_class WHERE oid = to_regclass(%(new)s))
"""
_EXPOSED = f"""
SELECT r.rolname || ' tiene ' || x.privilege_type || ' en ' || o.name
FROM (
  SELECT 'el esquema ' || nspname, nspowner, nspacl FROM pg_namespace WHERE nspname = '{BOOKKEEPING}'
  UNION ALL
  SELECT p.oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner))
  FROM pg_proc p WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = '{BOOKKEEPING}')
  UNION ALL
  SELECT c.oid::regclass::text, relowner, relacl FROM pg_class c
  WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '{BOOKKEEPING}')
  UNION ALL
  SELECT c.oid::regclass || '.' || attname, relowner, attacl FROM pg_class c JOIN pg_attribute ON attrelid = c.oid
  WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '{BOOKKEEPING}')
) o (name, owner, acl)
CROSS JOIN LATERAL aclexplode(o.acl) x JOIN {HOLDERS} r ON r.oid = x.grantee
WHERE x.grantee <> o.owner AND r.rolname <> current_user ORDER BY 1
"""
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_COLUMN_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "REFERENCES")


def exposures(conn: Connection) -> list[str]:
    """Return a phrase for each grant that lets somebody but its owner and this role into schema migracion."""
    return [row[0] for row in fetch_all(conn, _EXPOSED)]


def nobodys_rights(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> list[str]:
    """Return a sentence for each right of a role that no longer exists: it is nobody's, so it is carried to nobody."""
    names = [*(t.name for t in mapping.tables), *(r.name for r in catalogue.relations)]
    return [f"{o.phrase}: {NOBODYS}" for o in orphan_grants(conn, mapping.schema, names)]


def access_problems(
    conn: Connection, mapping: TableMapping, catalogue: Catalogue, tables: Sequence[SpanishTable] | None = None
) -> list[str]:
    """Return a phrase for each thing that some role may do or see on one side only, and for each exposure of migracion.

    ``catalogue`` holds the twins as they are and their policies as translated. ``tables``: these alone, without migracion.
    """
    problems = exposures(conn) if tables is None else []
    policies = _policy_differences(conn, mapping, catalogue)
    for table in mapping.tables if tables is None else tables:
        problems += _table_problems(conn, mapping, catalogue, table)
        problems += [f"{table.name}: {d.phrase}" for d in policies.get(table.name, ())]
    return problems


def _table_problems(conn: Connection, mapping: TableMapping, catalogue: Catalogue, table: SpanishTable) -> list[str]:
    twin = catalogue.relation(table.twin)
    if twin is None:
        return []
    columns = renames(mapping, table, twin)
    known = [*_PRIVILEGES, *(["MAINTAIN"] if conn.info.server_version >= 170000 else [])]
    sequence = own_sequence(mapping, catalogue, table)
    names = {
        "old": qname(mapping.schema, twin.name),
        "new": qname(mapping.schema, table.name),
        "old_columns": list(columns),
        "new_columns": list(columns.values()),
        "sequence": qname(mapping.schema, sequence) if sequence else None,
        "privileges": _with_grant_option(known),
        "column_privileges": _with_grant_option(_COLUMN_PRIVILEGES),
    }
    asked = [(_TABLE, table.name), (_COLUMN, table.name), *([(_SEQUENCE, sequence)] if sequence else [])]
    problems = [
        f"{role} {'puede' if after else 'no puede'} {privilege} en {where} y {'no ' if after else 'sí '}en {twin.name}"
        for query, where in asked
        for role, privilege, before, after in fetch_all(conn, query, names)
        if before != after
    ]
    problems += insert_problems(conn, ROLES, table, names)
    if not fetch_all(conn, _SECURITY, names)[0][0]:
        problems.append(f"{table.name} no tiene la seguridad por fila de {twin.name}")
    return problems


def _with_grant_option(privileges: Sequence[str]) -> list[str]:
    return [privilege + option for privilege in privileges for option in ("", " WITH GRANT OPTION")]


def _policy_differences(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> dict[str, list[Difference]]:
    """Return which policies of each Spanish table are not its twin's: compared on empty copies of them, always rolled back."""
    there = table_oids(conn, mapping.schema, [t.name for t in mapping.tables if catalogue.relation(t.twin) is not None])
    tables = [t for t in mapping.tables if t.name in there]
    place = own_schema(conn, MOULD)
    with rolled_back(conn):
        run_sql(conn, f"CREATE SCHEMA {place}")
        for table in tables:
            mould = qname(place, table.name)
            statements = policy_statements(catalogue, table, mould).values()
            run_sql(conn, f"CREATE TABLE {mould} (LIKE {qname(mapping.schema, table.name)})", *statements)
        wanted, found = read_facts(conn, place, there), read_facts(conn, mapping.schema, there)
    return {t.name: _added_or_lost(mapping, catalogue, t, wanted[t.name], found[t.name]) for t in tables}


def _added_or_lost(
    mapping: TableMapping, catalogue: Catalogue, table: SpanishTable, wanted: dict[Fact, str], found: dict[Fact, str]
) -> list[Difference]:
    differing = differences(_policies(wanted, mapping.schema), _policies(found, mapping.schema))
    return [d for d in differing if not made_by_hand(catalogue, table, d.name, d.actual)]


def _policies(facts: dict[Fact, str], schema: str) -> dict[Fact, str]:
    return {fact: without_schema(definition, schema) for fact, definition in facts.items() if fact[0] == POLICY}
