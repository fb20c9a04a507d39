"""The queries that describe a database in one snapshot: every table, its rows' checksums, what a restore needs. Pure."""

from __future__ import annotations

from ..sqltext import ident, qname

ROW_ALIAS = "migracion_fila"
SHOWN_KEY = 200  # characters of a row that stands for its key where a table has none

_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_MEMBER = "EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"

# Schema, name, key, constraints and indexes, whether all rows are seen, size. What holds an expression has no text here:
# PostgreSQL writes one otherwise once it has been restored.
EVERY_TABLE = f"""
SELECT n.nspname, c.relname, c.oid,
  coalesce((SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(attnum, place)
    JOIN pg_attribute a ON a.attnum = k.attnum WHERE a.attrelid = c.oid AND i.indrelid = c.oid AND i.indisprimary), '{{}}'),
  coalesce((SELECT json_agg(json_build_array(x.conname,
    CASE WHEN x.contype IN ('p', 'u', 'f') THEN pg_get_constraintdef(x.oid) ELSE '' END) ORDER BY x.conname) FROM pg_constraint x
    WHERE x.conrelid = c.oid AND x.convalidated AND x.contype NOT IN ('n', 't')), '[]'),
  coalesce((SELECT json_agg(json_build_array(r.relname,
    CASE WHEN i.indexprs IS NULL AND i.indpred IS NULL THEN pg_get_indexdef(r.oid) ELSE '' END) ORDER BY r.relname)
    FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisvalid), '[]'),
  has_table_privilege(c.oid, 'SELECT'), row_security_active(c.oid), pg_table_size(c.oid)::float8
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {_OURS} AND NOT {_MEMBER} ORDER BY 1, 2
"""
EVERY_SEQUENCE = f"""
SELECT n.nspname, c.relname, CASE WHEN c.relkind = 'S' THEN coalesce(pg_sequence_last_value(c.oid), s.seqstart) END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
WHERE {_OURS} AND NOT {_MEMBER} AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT') END
ORDER BY 1, 2
"""
# Of an extension's functions those that something else of the database calls: without them a table would not come.
EVERY_EXTENSION = """
SELECT e.extname, n.nspname, coalesce((
  SELECT array_agg(format('CREATE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plpgsql %s AS %L', pn.nspname, p.proname,
    pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid),
    CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END,
    CASE WHEN p.proretset OR p.prorettype = 'void'::regtype THEN 'BEGIN RETURN; END' ELSE 'BEGIN RETURN NULL; END' END)
    ORDER BY p.oid)
  FROM pg_depend m JOIN pg_proc p ON p.oid = m.objid JOIN pg_namespace pn ON pn.oid = p.pronamespace
  WHERE m.classid = 'pg_proc'::regclass AND m.refclassid = 'pg_extension'::regclass AND m.refobjid = e.oid AND m.deptype = 'e'
  AND p.prokind = 'f' AND EXISTS (SELECT FROM pg_depend u WHERE u.refclassid = 'pg_proc'::regclass AND u.refobjid = p.oid
    AND u.deptype = 'n')), '{}')
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql' ORDER BY 1
"""
# The tables that the given ones reference, and so on: without their rows no foreign key would hold after a restore.
REFERENCED = """
WITH RECURSIVE wanted(oid) AS (
  SELECT oid FROM unnest(%s::oid[]) oid
  UNION SELECT x.confrelid FROM pg_constraint x JOIN wanted w ON x.conrelid = w.oid WHERE x.contype = 'f'
), leaves(oid) AS (SELECT oid FROM wanted UNION SELECT i.inhrelid FROM pg_inherits i JOIN leaves l ON i.inhparent = l.oid)
SELECT oid FROM leaves
"""
ROLE_NAMES = "SELECT rolname::text, rolsuper FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"
SCHEMA_NAMES = f"SELECT n.nspname::text FROM pg_namespace n WHERE {_OURS} ORDER BY 1"
ROLE_SETTINGS = """
SELECT coalesce(r.rolname, ''), coalesce(d.datname, ''), unnest(s.setconfig) FROM pg_db_role_setting s
LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE d.datname IS NULL OR d.datname = current_database() ORDER BY 1, 2, 3
"""
SOURCE_DATABASE = """
SELECT current_database(), pg_encoding_to_char(encoding), datcollate, datctype, current_setting('server_version_num')::int,
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text,
  to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
FROM pg_database WHERE datname = current_database()
"""
EVERY_LARGE_OBJECT = 'SELECT oid::text, md5(lo_get(oid)) FROM pg_largeobject_metadata ORDER BY oid::text COLLATE "C"'
# Whoever waits for a lock behind one of ours, with the relation: %s the name of our sessions.
WAITING_BEHIND = """
SELECT w.pid, coalesce(w.relation::regclass::text, '?'), coalesce(a.usename, ''), coalesce(a.application_name, '')
FROM pg_locks w LEFT JOIN pg_stat_activity a ON a.pid = w.pid
WHERE NOT w.granted AND w.locktype = 'relation' AND coalesce(a.application_name, '') <> %(name)s AND EXISTS (
  SELECT FROM unnest(pg_blocking_pids(w.pid)) b JOIN pg_stat_activity o ON o.pid = b WHERE o.application_name = %(name)s)
"""
END_OURS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"
FREE_CONNECTIONS = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
  - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')
"""


def row_checksums(schema: str, table: str, key: tuple[str, ...]) -> str:
    """Return the query of a table's rows as key and checksum, in an order that no collation changes."""
    parts = [rf"replace(replace({ROW_ALIAS}.{ident(name)}::text, '\', '\\'), '|', '\|')" for name in key]
    shown = " || '|' || ".join(parts) if parts else f"left({ROW_ALIAS}::text, {SHOWN_KEY})"
    rows = f"SELECT {shown} AS clave, md5({ROW_ALIAS}::text) AS suma FROM ONLY {qname(schema, table)} AS {ROW_ALIAS}"
    return f'SELECT clave, suma FROM ({rows}) filas ORDER BY clave COLLATE "C", suma COLLATE "C"'


def copied_out(query: str) -> str:
    """Return the statement that streams a query's rows."""
    return f"COPY ({query}) TO STDOUT"


def exact_pattern(schema: str, table: str) -> str:
    """Return pg_dump's pattern for exactly that table."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in (schema, table))
