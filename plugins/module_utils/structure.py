"""What a table is, read from the catalogue so that two tables can be compared fact by fact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .core.sqltext import ident
from .db import fetch_all

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

POLICY, SECURITY, GRANT = ACCESS = ("política", "seguridad por fila", "permiso")
DEFAULT = "valor por defecto"
NOT_VALIDATED, INVALID, NOT_NULL = " (sin validar)", " (INVALID)", " NOT NULL"
# each query yields (kind, name, definition) of one table; definitions are PostgreSQL's own normal form
_FACTS = f"""
SELECT 'columna', a.attname, format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN '{NOT_NULL}' ELSE '' END
FROM pg_attribute a WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT '{DEFAULT}', a.attname, pg_get_expr(d.adbin, d.adrelid)
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = %(oid)s
UNION ALL
SELECT 'restricción', conname, pg_get_constraintdef(oid) || CASE WHEN convalidated THEN '' ELSE '{NOT_VALIDATED}' END
FROM pg_constraint WHERE conrelid = %(oid)s AND contype <> 'n'
UNION ALL
SELECT 'índice', c.relname, pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid AND i.indisready THEN '' ELSE '{INVALID}' END
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %(oid)s
UNION ALL
SELECT 'disparador', tgname, pg_get_triggerdef(oid) || ' ' || tgenabled::text
FROM pg_trigger WHERE tgrelid = %(oid)s AND NOT tgisinternal
UNION ALL
SELECT 'comentario', coalesce(a.attname, 'tabla'), d.description
FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE d.classoid = 'pg_class'::regclass AND d.objoid = %(oid)s
UNION ALL
SELECT '{SECURITY}', 'tabla',
       concat_ws(', ', CASE WHEN relrowsecurity THEN 'activa' END, CASE WHEN relforcerowsecurity THEN 'forzada' END)
FROM pg_class WHERE oid = %(oid)s
UNION ALL
SELECT '{GRANT}', coalesce(r.rolname, 'PUBLIC') || ' ' || x.privilege_type,
       CASE WHEN x.is_grantable THEN 'con GRANT OPTION' ELSE 'sí' END
FROM pg_class c CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x
LEFT JOIN pg_roles r ON r.oid = x.grantee WHERE c.oid = %(oid)s AND x.grantee <> c.relowner
UNION ALL
SELECT '{GRANT}', coalesce(r.rolname, 'PUBLIC') || ' ' || x.privilege_type || ' (' || a.attname || ')',
       CASE WHEN x.is_grantable THEN 'con GRANT OPTION' ELSE 'sí' END
FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
WHERE a.attrelid = %(oid)s AND NOT a.attisdropped
UNION ALL
SELECT '{GRANT}', coalesce(r.rolname, 'PUBLIC') || ' ' || x.privilege_type || ' (' || s.relname || ')',
       CASE WHEN x.is_grantable THEN 'con GRANT OPTION' ELSE 'sí' END
FROM pg_class s JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.refobjid = %(oid)s
CROSS JOIN LATERAL aclexplode(s.relacl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
WHERE s.relkind = 'S' AND o.deptype = 'a' AND x.grantee <> s.relowner
UNION ALL
SELECT '{POLICY}', polname, concat_ws(' ',
       CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END
       || CASE WHEN polpermissive THEN ', permisiva' ELSE ', restrictiva' END || ', para '
       || array_to_string(ARRAY(SELECT coalesce(r.rolname, 'PUBLIC') FROM unnest(polroles) u(oid)
                                LEFT JOIN pg_roles r ON r.oid = u.oid ORDER BY 1), ', '),
       'USING ' || pg_get_expr(polqual, polrelid), 'WITH CHECK ' || pg_get_expr(polwithcheck, polrelid))
FROM pg_policy WHERE polrelid = %(oid)s
UNION ALL
SELECT 'dueño', 'tabla', pg_get_userbyid(relowner) FROM pg_class WHERE oid = %(oid)s
"""

Fact = tuple[str, str]


def table_oid(conn: Connection, schema: str, name: str) -> int | None:
    """Return the oid of the ordinary table of that name, or None."""
    rows = fetch_all(
        conn,
        "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'r'",
        (schema, name),
    )
    return rows[0][0] if rows else None


def read_facts(conn: Connection, oid: int, schema: str) -> dict[Fact, str]:
    """Return (kind, name) → definition of a table; the schema's name is written as '·' so that two schemas compare."""
    return {
        (kind, name): without_schema(definition or "", schema) for kind, name, definition in fetch_all(conn, _FACTS, {"oid": oid})
    }


def without_schema(definition: str, schema: str) -> str:
    """Return the text with '·' for the schema, in names and in literals that hold names."""
    quoted = f"{ident(schema)}."
    return definition.replace(quoted, "·.").replace(quoted.replace("'", "''"), "·.")


@dataclass(frozen=True)
class Difference:
    """One fact of a table that is not as asked; ``wanted`` or ``actual`` is None where it is absent."""

    kind: str
    name: str
    wanted: str | None
    actual: str | None

    @property
    def phrase(self) -> str:
        """The difference in words."""
        if self.actual is None:
            return f"falta {self.kind} {self.name}: {self.wanted}"
        if self.wanted is None:
            return f"sobra {self.kind} {self.name}: {self.actual}"
        return f"{self.kind} {self.name}: hay {self.actual!r}, se pidió {self.wanted!r}"


def differences(expected: dict[Fact, str], found: dict[Fact, str]) -> list[Difference]:
    """Return every fact that is missing, different or not asked for."""
    return [
        Difference(kind, name, expected.get((kind, name)), found.get((kind, name)))
        for kind, name in sorted(expected.keys() | found.keys())
        if expected.get((kind, name)) != found.get((kind, name))
    ]
