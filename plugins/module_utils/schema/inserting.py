"""Who may insert: judged by all that an INSERT needs, and tried where this role may be another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..core.catalogue import Catalogue
from ..core.mapping.types import SpanishTable, TableMapping
from ..core.schema.ddl import drawing_grant, grant_drawing, role_sql
from ..core.sqltext import ident
from ..core.waits import CLASHES, TRIAL
from ..ledger.events import record_event
from ..server import db
from ..server.live_catalogue import HOLDERS

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

OPENED, CLOSED = "secuencias_abiertas", "secuencias_cerradas"
DENIED = "42501"
BY_A_POLICY = "ExecWithCheckOptions"  # the row is refused, not the right
# What defaults, generated columns, checks and index expressions call with the rights of whoever inserts. A tree names every
# function, the server's own too; a sequence is a dependency.
_NEEDS = """
needs (relid, sequence, function) AS (
  SELECT d.adrelid, s.oid, NULL::oid
  FROM pg_attrdef d JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
  JOIN pg_class s ON p.refclassid = 'pg_class'::regclass AND s.oid = p.refobjid AND s.relkind = 'S'
  WHERE d.adrelid IN (to_regclass(%(old)s), to_regclass(%(new)s))
  UNION
  SELECT relid, NULL, called[1]::oid FROM (
    SELECT adrelid, adbin::text FROM pg_attrdef
    UNION ALL SELECT conrelid, conbin::text FROM pg_constraint WHERE contype = 'c'
    UNION ALL SELECT indrelid, concat(indexprs, indpred) FROM pg_index
  ) t (relid, tree) CROSS JOIN LATERAL regexp_matches(tree, ':(?:op)?funcid ([0-9]+)', 'g') called
  WHERE relid IN (to_regclass(%(old)s), to_regclass(%(new)s))
)"""
_MAY = """CASE WHEN {0}.sequence IS NOT NULL THEN has_sequence_privilege(r.rolname, {0}.sequence, 'USAGE, UPDATE')
  ELSE has_function_privilege(r.rolname, {0}.function, 'EXECUTE') END"""
# who may insert into the twin with all its defaults, and what he lacks here
_LACKING = f"""
WITH {_NEEDS}
SELECT r.rolname, n.sequence IS NOT NULL, coalesce(n.sequence::regclass::text, n.function::regprocedure::text)
FROM ({{roles}}) r LEFT JOIN needs n ON n.relid = to_regclass(%(new)s) AND NOT {_MAY.format("n")}
WHERE has_any_column_privilege(r.rolname, to_regclass(%(old)s), 'INSERT')
  AND NOT EXISTS (SELECT FROM needs o WHERE o.relid = to_regclass(%(old)s) AND NOT {_MAY.format("o")})
ORDER BY 1, 2, 3
"""
_BECOMES = """
SELECT has_any_column_privilege(rolname, to_regclass(%(new)s), 'INSERT')
   AND (%(serial)s IS NULL OR has_column_privilege(rolname, to_regclass(%(new)s), %(serial)s, 'INSERT'))
FROM pg_roles WHERE rolname = %(role)s AND pg_has_role(current_user, oid, %(how)s)
"""
_UNDRAWN = f"""
SELECT r.rolname FROM unnest(%s::text[]) w(name) JOIN {HOLDERS} r ON r.rolname = w.name
WHERE NOT EXISTS (SELECT FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x
                  WHERE c.oid = to_regclass(%s) AND x.grantee = r.oid AND x.privilege_type = 'USAGE')
ORDER BY 1
"""


def insert_problems(conn: Connection, roles: str, table: SpanishTable, names: dict[str, Any]) -> list[str]:
    """Return a phrase for each role that may insert into the twin (``old``) and not into the Spanish table (``new``).

    ``roles``: the query of who is asked, which takes ``names``. Draws no id, and leaves no row.
    """
    problems, able = [], []
    for role, sequence, lacking in db.fetch_all(conn, _LACKING.replace("{roles}", roles), names):
        if lacking is None:
            able.append(role)
            continue
        right = f"USAGE ON SEQUENCE {lacking}" if sequence else f"EXECUTE ON FUNCTION {lacking}"
        named = role_sql("PUBLIC" if role == "public" else role)
        problems.append(f"{role} no puede insertar en {table.name} y sí en {table.twin}; pida: GRANT {right} TO {named};")
    return problems + [phrase for role in able if (phrase := _tried(conn, role, table, names))]


def _tried(conn: Connection, role: str, table: SpanishTable, names: dict[str, Any]) -> str:
    """Insert as that role and undo it. An id that is given as NULL is not drawn, and the row never gets in."""
    serial = next((c.name for c in table.columns if c.serial), None)
    how = "SET" if conn.info.server_version >= 160000 else "MEMBER"
    row = db.fetch_one(conn, _BECOMES, {**names, "serial": serial, "role": role, "how": how})
    if row is None or not row[0]:
        return ""
    values = f"({ident(serial)}) VALUES (NULL)" if serial else "DEFAULT VALUES"
    try:
        with db.rolled_back(conn, wait=TRIAL):
            db.run_sql(conn, f"SET LOCAL row_security = on; SET LOCAL ROLE {ident(role)}; INSERT INTO {names['new']} {values}")
    except db.Error as error:
        if error.pgcode == DENIED and error.diag.source_function != BY_A_POLICY:
            return f"{role} no puede insertar en {table.name} y sí en {table.twin} ({error.diag.message_primary})"
        if error.pgcode not in CLASHES and (error.pgcode or "")[:2] not in ("22", "23", "42", "P0"):
            raise
    return ""


def undrawn(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> list[tuple[str, list[str]]]:
    """Return each identity column's sequence that a Spanish table draws from, with those who insert and may not draw from it."""
    found = []
    for table in mapping.tables:
        if catalogue.relation(table.twin) is None:
            continue
        sequence, writers = drawing_grant(mapping, catalogue, table)
        roles = [row[0] for row in db.fetch_all(conn, _UNDRAWN, (list(writers), sequence))] if writers else []
        if roles:
            found.append((sequence, roles))
    return found


def open_sequences(conn: Connection, lacking: Iterable[tuple[str, list[str]]], run_id: str, phase: str) -> list[str]:
    """Let them draw, in the caller's transaction; kept as an event for the way back. Returns what was done."""
    said = []
    for sequence, roles in lacking:
        db.run_sql(conn, grant_drawing(sequence, roles))
        record_event(conn, run_id, OPENED, phase, {"secuencia": sequence, "roles": roles})
        said.append(f"{sequence}: USAGE para {', '.join(roles)}, que insertan en la tabla legacy sin él")
    return said


def close_sequences(conn: Connection, run_id: str, phase: str) -> None:
    """Take back in the caller's transaction what open_sequences() gave since this was last called."""
    rows = db.fetch_all(
        conn,
        "SELECT e.detalle->>'secuencia', r.rolname FROM migracion.evento e"
        " CROSS JOIN LATERAL jsonb_array_elements_text(e.detalle->'roles') w(name)"
        f" JOIN {HOLDERS} r ON r.rolname = w.name WHERE e.tipo = %s AND to_regclass(e.detalle->>'secuencia') IS NOT NULL"
        " AND e.id > coalesce((SELECT max(id) FROM migracion.evento WHERE tipo = %s), 0)",
        (OPENED, CLOSED),
    )
    for sequence, role in rows:
        db.run_sql(conn, f"REVOKE USAGE ON SEQUENCE {sequence} FROM {role_sql(role)}")
    if rows:
        record_event(conn, run_id, CLOSED, phase)
