"""Reads what the live database holds: the catalogue that drift, rendering and the name check judge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core.catalogue import WHOLE_ROW, Catalogue, Grant, LegacyColumn, OrphanGrant, Policy, Relation
from ..core.mapping.types import TableMapping
from .db import fetch_all

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_RELATIONS = """
SELECT c.oid, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relrowsecurity, c.relforcerowsecurity,
       EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = ANY (%s) ORDER BY c.relname
"""
# a column's base: domains resolved, modifiers dropped, every enum alike
_COLUMNS = """
WITH RECURSIVE base AS (
  SELECT a.attrelid, a.attnum, a.atttypid AS typid FROM pg_attribute a
  WHERE a.attrelid = ANY (%(oids)s) AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT b.attrelid, b.attnum, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.typid WHERE t.typtype = 'd'
)
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod),
       CASE WHEN t.typtype = 'e' THEN 'enum' ELSE regexp_replace(format_type(t.oid, NULL), '^.*\\.', '') END,
       a.attnotnull, CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
       (SELECT quote_ident(sn.nspname) || '.' || quote_ident(s.relname)
        FROM pg_depend p JOIN pg_class s ON s.oid = CASE WHEN p.classid = 'pg_class'::regclass THEN p.objid ELSE p.refobjid END
        JOIN pg_namespace sn ON sn.oid = s.relnamespace
        WHERE s.relkind = 'S' AND (
          (p.classid = 'pg_class'::regclass AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype = 'i')
          OR (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass))
        LIMIT 1),
       quote_ident(ln.nspname) || '.' || quote_ident(l.collname), coalesce(l.collisdeterministic, true), a.attidentity <> ''
FROM base b JOIN pg_type t ON t.oid = b.typid AND t.typtype <> 'd'
JOIN pg_attribute a ON a.attrelid = b.attrelid AND a.attnum = b.attnum
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_collation l ON l.oid = a.attcollation AND l.collprovider <> 'd' LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
ORDER BY a.attrelid, a.attnum
"""
_KEYS = """
SELECT i.indrelid, i.indisprimary, array_agg(a.attname ORDER BY k.n)::text[]
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = ANY (%(oids)s) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND k.n <= i.indnkeyatts
GROUP BY i.indexrelid, i.indrelid, i.indisprimary ORDER BY 1, 2 DESC, 3
"""
# Who holds a grant by its OID: everybody by 0; one that no role has any more is nobody, and no role goes for everybody.
HOLDERS = (
    "(SELECT 0::oid AS oid, 'PUBLIC'::name AS rolname UNION ALL SELECT oid, rolname FROM pg_roles WHERE rolname <> 'PUBLIC')"
)
_GRANTS = f"""
SELECT c.oid, r.rolname, x.privilege_type, x.is_grantable, NULL
FROM pg_class c CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x
JOIN {HOLDERS} r ON r.oid = x.grantee WHERE c.oid = ANY (%(oids)s)
UNION ALL
SELECT a.attrelid, r.rolname, x.privilege_type, x.is_grantable, a.attname
FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
JOIN {HOLDERS} r ON r.oid = x.grantee WHERE a.attrelid = ANY (%(oids)s) AND NOT a.attisdropped
ORDER BY 1, 2, 5, 3
"""
# a whole row, or a system column such as tableoid, is no dependency: it is seen in the expression's tree alone
_POLICIES = f"""
SELECT p.polrelid, p.polname,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
       p.polpermissive,
       ARRAY(SELECT r.rolname FROM unnest(p.polroles) u(oid) JOIN {HOLDERS} r USING (oid) ORDER BY 1)::text[],
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
       ARRAY(SELECT DISTINCT a.attname FROM pg_depend d
             JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
             WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid = p.polrelid AND d.refobjsubid > 0 ORDER BY 1)::text[]
       || ARRAY(SELECT '{WHOLE_ROW}' WHERE concat(p.polqual, p.polwithcheck) ~ '[{{]VAR [^{{}}]*:varattno (0|-[0-9]+) '),
       ARRAY(SELECT DISTINCT CASE WHEN c.relnamespace = o.relnamespace THEN c.relname::text ELSE c.oid::regclass::text END
             FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid
             WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass
               AND (d.refobjid <> p.polrelid OR (d.refobjsubid = 0 AND d.deptype = 'n')) ORDER BY 1)::text[]
FROM pg_policy p JOIN pg_class o ON o.oid = p.polrelid WHERE p.polrelid = ANY (%(oids)s) ORDER BY 1, 2
"""
_DEFAULT_GRANTEES = f"""
SELECT DISTINCT r.rolname FROM pg_default_acl d
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL aclexplode(d.defaclacl) x JOIN {HOLDERS} r ON r.oid = x.grantee
WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
  AND (n.nspname IS NULL OR n.nspname = %s) AND d.defaclobjtype IN ('r', 'S')
ORDER BY 1
"""
# What names an OID that is no role's any more: on the tables, their columns and sequences, the schema, what will be made.
_ORPHANS = """
WITH tables AS (
  SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, c.relacl, c.relowner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %(schema)s AND c.relname = ANY (%(names)s)
), granted AS (
  SELECT t.name AS what, x.grantee, x.privilege_type FROM tables t, aclexplode(t.relacl) x
  UNION ALL
  SELECT t.name || '.' || quote_ident(a.attname), x.grantee, x.privilege_type
  FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND NOT a.attisdropped, aclexplode(a.attacl) x
  UNION ALL
  SELECT quote_ident(n.nspname) || '.' || quote_ident(s.relname), x.grantee, x.privilege_type
  FROM tables t JOIN pg_depend d ON d.refobjid = t.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = d.refclassid
  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace, aclexplode(s.relacl) x
  UNION ALL
  SELECT 'esquema ' || quote_ident(n.nspname), x.grantee, x.privilege_type
  FROM pg_namespace n, aclexplode(n.nspacl) x WHERE n.nspname = %(schema)s
  UNION ALL
  SELECT 'privilegios por omisión de ' || quote_ident(pg_get_userbyid(d.defaclrole)), x.grantee, x.privilege_type
  FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) x
  WHERE n.nspname IS NULL OR n.nspname = %(schema)s
  UNION ALL
  SELECT t.name || ', política ' || quote_ident(p.polname), r, 'la política'
  FROM tables t JOIN pg_policy p ON p.polrelid = t.oid, unnest(p.polroles) r
  UNION ALL
  SELECT t.name, t.relowner, 'propiedad' FROM tables t
)
SELECT what, grantee::bigint, array_agg(DISTINCT privilege_type ORDER BY privilege_type) FROM granted
WHERE grantee <> 0 AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = grantee) GROUP BY 1, 2 ORDER BY 1, 2
"""


def read_catalogue(conn: Connection, mapping: TableMapping) -> Catalogue:
    """Read every legacy table that the mapping names, as a twin or as a source, as the database has it now."""
    names = sorted({t.twin for t in mapping.tables} | {p.source for p in mapping.pairs})
    relations = fetch_all(conn, _RELATIONS, (mapping.schema, names))
    oids: dict[str, Any] = {"oids": [row[0] for row in relations]}
    columns = fetch_all(conn, _COLUMNS, oids)
    keys = fetch_all(conn, _KEYS, oids)
    grants = fetch_all(conn, _GRANTS, oids)
    policies = fetch_all(conn, _POLICIES, oids)
    role = fetch_all(conn, "SELECT current_user")[0][0]
    grantees = fetch_all(conn, _DEFAULT_GRANTEES, (mapping.schema,))
    return Catalogue(
        role=role,
        server_major=conn.info.server_version // 10_000,
        relations=tuple(
            Relation(
                name=name,
                kind=kind,
                owner=owner,
                row_security=security,
                force_row_security=force,
                columns=tuple(LegacyColumn(*row[1:]) for row in columns if row[0] == oid),
                primary_key=next((tuple(row[2]) for row in keys if row[0] == oid and row[1]), ()),
                unique=tuple(tuple(row[2]) for row in keys if row[0] == oid and not row[1]),
                grants=tuple(Grant(*row[1:]) for row in grants if row[0] == oid),
                policies=tuple(Policy(*map(_frozen, row[1:])) for row in policies if row[0] == oid and row[4]),
                heirs=heirs,
            )
            for oid, name, kind, owner, security, force, heirs in relations
        ),
        default_grantees=tuple(row[0] for row in grantees if row[0] != role),
    )


def orphan_grants(conn: Connection, schema: str, names: Iterable[str]) -> list[OrphanGrant]:
    """Return what these tables, their schema and new tables give to roles that no longer exist."""
    rows = fetch_all(conn, _ORPHANS, {"schema": schema, "names": list(names)})
    return [OrphanGrant(what, oid, tuple(rights)) for what, oid, rights in rows]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
