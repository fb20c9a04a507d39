"""What a table is, read from the catalogue so that two tables can be compared fact by fact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING, SYNC_TRIGGERS
from ..core.schema.differences import (
    CHILD,
    COLUMN,
    COMMENTED,
    COMPUTING,
    CONSTRAINT,
    DEFAULT,
    DOMAIN,
    GENERATED,
    GRANT,
    IDENTITY,
    INDEX,
    INVALID,
    NOT_NULL,
    NOT_VALIDATED,
    OWNER,
    PARENT,
    PERSISTENCE,
    POLICY,
    RULE,
    SECURITY,
    STATISTICS,
    SWITCHED_OFF,
    TRIGGER,
    Fact,
)
from ..core.sqltext import ident
from ..server.db import fetch_all
from ..server.live_catalogue import HOLDERS

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

LEGACY_SHAPE = "estructura_legacy"  # the event that keeps what fase0 saw of the legacy tables
MOULD = "migracion_molde"  # the schema in which what the mapping asks for is made, and rolled back
# each query yields (table, kind, name, definition); definitions are PostgreSQL's own normal form
_FACTS = f"""
SELECT a.attrelid, '{COLUMN}', a.attname, format_type(a.atttypid, a.atttypmod)
       || CASE WHEN t.typtype = 'd' THEN '{DOMAIN}' ELSE '' END
       || CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END
       || CASE a.attidentity WHEN 'a' THEN '{IDENTITY}ALWAYS' WHEN 'd' THEN '{IDENTITY}BY DEFAULT' ELSE '' END
       || CASE a.attgenerated WHEN '' THEN '' ELSE '{GENERATED}' END
       || CASE WHEN a.attnotnull THEN '{NOT_NULL}' ELSE '' END
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = ANY (%(oids)s) AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT d.adrelid, '{DEFAULT}', a.attname, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = ANY (%(oids)s)
UNION ALL
SELECT conrelid, '{CONSTRAINT}', conname, pg_get_constraintdef(oid) || CASE WHEN convalidated THEN '' ELSE '{NOT_VALIDATED}' END
       || coalesce((SELECT '{SWITCHED_OFF}' || string_agg(DISTINCT tgrelid::regclass::text, ' y ') || ')'
                    FROM pg_trigger WHERE tgconstraint = k.oid AND tgenabled IN ('D', 'R')), '')
FROM pg_constraint k WHERE conrelid = ANY (%(oids)s) AND (contype <> 'n' OR NOT convalidated)
UNION ALL
SELECT i.indrelid, '{INDEX}', c.relname, pg_get_indexdef(i.indexrelid)
       || CASE WHEN i.indexprs IS NOT NULL OR i.indpred::text ~ '{{(COERCEVIAIO|FUNCEXPR) ' THEN '{COMPUTING}' ELSE '' END
       || CASE WHEN i.indisvalid AND i.indisready THEN '' ELSE '{INVALID}' END
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY (%(oids)s)
UNION ALL
SELECT stxrelid, '{STATISTICS}', stxname, pg_get_statisticsobjdef(oid)
       || CASE WHEN stxexprs IS NULL THEN '' ELSE '{COMPUTING}' END
FROM pg_statistic_ext WHERE stxrelid = ANY (%(oids)s)
UNION ALL
SELECT ev_class, '{RULE}', rulename, pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = ANY (%(oids)s)
UNION ALL
SELECT inhrelid, '{PARENT}', inhparent::regclass::text,
       CASE WHEN relispartition THEN 'sus filas son también suyas, como partición' ELSE 'sus filas son también suyas' END
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhrelid = ANY (%(oids)s)
UNION ALL
SELECT inhparent, '{CHILD}', inhrelid::regclass::text, 'sus filas son también de esta tabla'
FROM pg_inherits WHERE inhparent = ANY (%(oids)s)
UNION ALL
SELECT oid, '{PERSISTENCE}', 'tabla', CASE relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE 'LOGGED' END
FROM pg_class WHERE oid = ANY (%(oids)s)
UNION ALL
SELECT tgrelid, '{TRIGGER}', tgname, pg_get_triggerdef(oid) || ' ' || tgenabled::text
FROM pg_trigger WHERE tgrelid = ANY (%(oids)s) AND NOT tgisinternal AND NOT (tgname ~ '{SYNC_TRIGGERS}'
  AND tgfoid IN (SELECT oid FROM pg_proc WHERE pronamespace = to_regnamespace('{BOOKKEEPING}')))
UNION ALL
SELECT d.objoid, '{COMMENTED}', coalesce(a.attname, 'tabla'), d.description
FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE d.classoid = 'pg_class'::regclass AND d.objoid = ANY (%(oids)s)
UNION ALL
SELECT oid, '{SECURITY}', 'tabla',
       concat_ws(', ', CASE WHEN relrowsecurity THEN 'activa' END, CASE WHEN relforcerowsecurity THEN 'forzada' END)
FROM pg_class WHERE oid = ANY (%(oids)s)
UNION ALL
SELECT c.oid, '{GRANT}', r.rolname || ' ' || x.privilege_type,
       CASE WHEN x.is_grantable THEN 'con GRANT OPTION' ELSE 'sí' END
FROM pg_class c CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x
JOIN {HOLDERS} r ON r.oid = x.grantee WHERE c.oid = ANY (%(oids)s) AND x.grantee <> c.relowner
UNION ALL
SELECT a.attrelid, '{GRANT}', r.rolname || ' ' || x.privilege_type || ' (' || a.attname || ')',
       CASE WHEN x.is_grantable THEN 'con GRANT OPTION' ELSE 'sí' END
FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x JOIN {HOLDERS} r ON r.oid = x.grantee
WHERE a.attrelid = ANY (%(oids)s) AND NOT a.attisdropped
UNION ALL
SELECT o.refobjid, '{GRANT}', r.rolname || ' ' || x.privilege_type || ' (' || s.relname || ')',
       CASE WHEN x.is_grantable THEN 'con GRANT OPTION' ELSE 'sí' END
FROM pg_class s JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.refobjid = ANY (%(oids)s)
CROSS JOIN LATERAL aclexplode(s.relacl) x JOIN {HOLDERS} r ON r.oid = x.grantee
WHERE s.relkind = 'S' AND o.deptype = 'a' AND x.grantee <> s.relowner
UNION ALL
SELECT polrelid, '{POLICY}', polname, concat_ws(' ',
       CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END
       || CASE WHEN polpermissive THEN ', permisiva' ELSE ', restrictiva' END || ', para '
       || array_to_string(ARRAY(SELECT r.rolname FROM unnest(polroles) u(oid) JOIN {HOLDERS} r USING (oid) ORDER BY 1), ', '),
       'USING ' || pg_get_expr(polqual, polrelid), 'WITH CHECK ' || pg_get_expr(polwithcheck, polrelid))
FROM pg_policy WHERE polrelid = ANY (%(oids)s)
UNION ALL
SELECT oid, '{OWNER}', 'tabla', pg_get_userbyid(relowner) FROM pg_class WHERE oid = ANY (%(oids)s)
"""


def table_oids(conn: Connection, schema: str, names: Iterable[str]) -> dict[str, int]:
    """Return name → oid of those that are ordinary tables of the schema."""
    rows = fetch_all(
        conn,
        "SELECT c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s) AND c.relkind = 'r'",
        (schema, list(names)),
    )
    return dict(rows)


def read_facts(conn: Connection, schema: str, names: Iterable[str]) -> dict[str, dict[Fact, str]]:
    """Return for each table that is there (kind, name) → definition.

    The schema's name is written as '·' so that two schemas compare.
    """
    oids = table_oids(conn, schema, names)
    found: dict[int, dict[Fact, str]] = {oid: {} for oid in oids.values()}
    for oid, kind, name, definition in fetch_all(conn, _FACTS, {"oids": list(found)}):
        found[oid][kind, name] = without_schema(definition or "", schema)
    return {name: found[oid] for name, oid in oids.items()}


def without_schema(definition: str, schema: str) -> str:
    """Return the text with '·' for the schema, in names and in literals that hold names."""
    quoted = f"{ident(schema)}."
    return definition.replace(quoted, "·.").replace(quoted.replace("'", "''"), "·.")
