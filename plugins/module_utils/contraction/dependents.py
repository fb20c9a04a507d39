"""What hangs on the legacy tables, asked of the catalogue each time: anybody may have built something since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.contraction.neighbours import Dependent, NeighbourKey
from ..core.contraction.sql_words import named_tables
from ..server.db import fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# Their tables with partitions, and what belongs to these: types, sequences. What hangs on any of it is asked of pg_depend.
_OURS = """
WITH RECURSIVE tablas (oid, raiz) AS (
  SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = %(schema)s AND c.relname = ANY (%(tables)s)
  UNION SELECT h.oid, t.raiz FROM tablas t JOIN pg_inherits i ON i.inhparent = t.oid JOIN pg_class h ON h.oid = i.inhrelid
  WHERE h.relispartition
), suyo (classid, objid, raiz) AS (
  SELECT 'pg_class'::regclass, oid, raiz FROM tablas
  UNION SELECT 'pg_type'::regclass, y.oid, t.raiz FROM tablas t JOIN pg_type y ON y.typrelid = t.oid
  UNION SELECT 'pg_type'::regclass, y.typarray, t.raiz FROM tablas t JOIN pg_type y ON y.typrelid = t.oid WHERE y.typarray <> 0
  UNION SELECT 'pg_class'::regclass, d.objid, t.raiz FROM tablas t JOIN pg_depend d ON d.refobjid = t.oid
    AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass AND d.deptype = 'i'
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
), cuelga (classid, objid, raiz) AS (
  SELECT d.classid, d.objid, s.raiz FROM suyo s JOIN pg_depend d ON d.refclassid = s.classid AND d.refobjid = s.objid
  WHERE d.deptype IN ('n', 'a')
), dueno (classid, objid, raiz) AS (
  -- una vista es su regla; lo que es de una tabla nuestra se va con ella
  SELECT CASE WHEN r.rulename = '_RETURN' THEN 'pg_class'::regclass ELSE 'pg_rewrite'::regclass END,
         CASE WHEN r.rulename = '_RETURN' THEN r.ev_class ELSE r.oid END, c.raiz
  FROM cuelga c JOIN pg_rewrite r ON c.classid = 'pg_rewrite'::regclass AND r.oid = c.objid
  WHERE r.ev_class NOT IN (SELECT oid FROM tablas)
  UNION SELECT c.classid, c.objid, c.raiz FROM cuelga c JOIN pg_constraint k ON c.classid = 'pg_constraint'::regclass
    AND k.oid = c.objid WHERE k.conrelid <> 0 AND k.conrelid NOT IN (SELECT oid FROM tablas) AND k.conparentid = 0
  UNION SELECT c.classid, c.objid, c.raiz FROM cuelga c JOIN pg_attrdef a ON c.classid = 'pg_attrdef'::regclass
    AND a.oid = c.objid WHERE a.adrelid NOT IN (SELECT oid FROM tablas)
    AND a.adrelid <> ALL (SELECT to_regclass(x) FROM unnest(%(spanish)s::text[]) x WHERE to_regclass(x) IS NOT NULL)
  UNION SELECT c.classid, c.objid, c.raiz FROM cuelga c JOIN pg_policy p ON c.classid = 'pg_policy'::regclass
    AND p.oid = c.objid WHERE p.polrelid NOT IN (SELECT oid FROM tablas)
  UNION SELECT c.classid, c.objid, c.raiz FROM cuelga c WHERE c.classid = 'pg_proc'::regclass
  UNION SELECT c.classid, c.objid, c.raiz FROM cuelga c JOIN pg_class h ON c.classid = 'pg_class'::regclass AND h.oid = c.objid
    WHERE h.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND h.oid NOT IN (SELECT oid FROM tablas)
)"""
# pg_identify_object() names no schema's object of the bookkeeping but by its identity.
_DEPENDENTS = f"""{_OURS}
SELECT i.type || ' ' || i.identity, array_agg(DISTINCT d.raiz::text ORDER BY d.raiz::text),
  max(CASE d.classid
    WHEN 'pg_proc'::regclass THEN CASE (SELECT prokind FROM pg_proc WHERE oid = d.objid) WHEN 'a' THEN ''
      ELSE pg_get_functiondef(d.objid) END
    WHEN 'pg_rewrite'::regclass THEN pg_get_ruledef(d.objid)
    WHEN 'pg_class'::regclass THEN CASE WHEN (SELECT relkind FROM pg_class WHERE oid = d.objid) IN ('v', 'm')
      THEN concat('CREATE OR REPLACE ', i.type, ' ', i.identity, (SELECT ' WITH (' || array_to_string(v.reloptions, ', ') || ')'
        FROM pg_class v WHERE v.oid = d.objid AND v.reloptions IS NOT NULL), ' AS ', pg_get_viewdef(d.objid)) ELSE '' END
    WHEN 'pg_constraint'::regclass THEN (SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', k.conrelid::regclass,
      k.conname, pg_get_constraintdef(k.oid)) FROM pg_constraint k WHERE k.oid = d.objid)
    WHEN 'pg_policy'::regclass THEN (SELECT format('ALTER POLICY %%I ON %%s', p.polname, p.polrelid::regclass)
      || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
      || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')
      FROM pg_policy p WHERE p.oid = d.objid)
    WHEN 'pg_attrdef'::regclass THEN (SELECT format('ALTER TABLE %%s ALTER COLUMN %%I SET DEFAULT %%s', a.adrelid::regclass,
      t.attname, pg_get_expr(a.adbin, a.adrelid)) FROM pg_attrdef a JOIN pg_attribute t ON t.attrelid = a.adrelid
      AND t.attnum = a.adnum WHERE a.oid = d.objid)
    ELSE '' END)
FROM (SELECT DISTINCT classid, objid, raiz FROM dueno) d
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
WHERE i.identity !~ '(^| on | for ){BOOKKEEPING}\\.' GROUP BY 1 ORDER BY 1"""
_KEYS = """
SELECT hn.nspname, h.relname, k.conname, p.relname,
  ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o) JOIN pg_attribute a ON a.attrelid = k.conrelid
        AND a.attnum = u.n ORDER BY u.o),
  ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o) JOIN pg_attribute a ON a.attrelid = k.confrelid
        AND a.attnum = u.n ORDER BY u.o), pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class h ON h.oid = k.conrelid JOIN pg_namespace hn ON hn.oid = h.relnamespace
JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND pn.nspname = %s AND p.relname = ANY (%s)
  AND NOT (hn.nspname = %s AND h.relname = ANY (%s)) ORDER BY 1, 2, 3"""
# Bodies that the server reads only when they run: what extensions and the server itself bring, and our own, is none of it.
_BODIES = """
SELECT 'function ' || i.identity, p.prosrc, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) i
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', %s) AND l.lanname NOT IN ('c', 'internal') AND p.prokind <> 'a'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1"""
# Arguments of a trigger are text too; a webhook's call leaves with its table, and fires for no Spanish row.
_TRIGGERS = """
SELECT 'trigger ' || i.identity, n.nspname = %s AND c.relname = ANY (%s), encode(t.tgargs, 'escape'),
  f.prosrc ~* '\\mnet\\.http_|\\mhttp_request\\M|\\mhttp_post\\M' OR fn.nspname = 'supabase_functions', c.relname::text,
  pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_namespace fn ON fn.oid = f.pronamespace
CROSS JOIN LATERAL pg_identify_object('pg_trigger'::regclass, t.oid, 0) i
WHERE NOT t.tgisinternal AND fn.nspname <> %s ORDER BY 1"""


def hanging_objects(conn: Connection, schema: str, tables: Sequence[str], spanish: Sequence[str]) -> list[Dependent]:
    """Return every object of others that PostgreSQL itself knows to hang on these tables, foreign keys among them.

    ``spanish``: qualified, whose defaults draw from legacy sequences until these change their owner.
    """
    names = {"schema": schema, "tables": list(tables), "spanish": list(spanish)}
    return [Dependent(name, tuple(on), text or "") for name, on, text in fetch_all(conn, _DEPENDENTS, names)]


def neighbour_keys(conn: Connection, schema: str, tables: Sequence[str]) -> list[NeighbourKey]:
    """Return every foreign key of a table that is none of these and points at one of them."""
    found = []
    rows = fetch_all(conn, _KEYS, (schema, list(tables), schema, list(tables)))
    for place, table, name, on, columns, references, definition in rows:
        behind = definition.partition(" REFERENCES ")[2]
        rest = behind[behind.index(")") + 1 :].removesuffix(" NOT VALID")
        found.append(NeighbourKey(place, table, name, on, tuple(columns), tuple(references), definition, rest))
    return found


def naming_by_text(conn: Connection, schema: str, tables: Sequence[str]) -> list[Dependent]:
    """Return functions, scheduled commands and triggers' arguments whose text names one of the tables, and their webhooks."""
    found = []
    for name, body, definition in fetch_all(conn, _BODIES, (BOOKKEEPING,)):
        if on := named_tables(body or "", schema, tables):
            found.append(Dependent(name, on, definition))
    for name, own, arguments, calls_out, table, definition in fetch_all(conn, _TRIGGERS, (schema, list(tables), BOOKKEEPING)):
        if own and calls_out:
            found.append(Dependent(name, (table,), definition))
        elif not own and (on := named_tables(arguments, schema, tables)):
            found.append(Dependent(name, on, definition))
    return found + _scheduled(conn, schema, tables)


def _scheduled(conn: Connection, schema: str, tables: Sequence[str]) -> list[Dependent]:
    if fetch_one(conn, "SELECT 1 WHERE to_regclass('cron.job') IS NOT NULL") is None:
        return []
    rows = fetch_all(conn, "SELECT jobid::text, command FROM cron.job ORDER BY jobid")
    named = ((number, command, named_tables(command, schema, tables)) for number, command in rows)
    return [Dependent(f"cron job {number}", on, command) for number, command, on in named if on]
