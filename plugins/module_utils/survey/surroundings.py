"""What stands around the legacy tables and does not move by itself: listed in fase0, so that nobody finds it at night."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue
from ..core.mapping.types import TableMapping
from ..core.sqltext import ident, qname
from ..core.survey.drift import LooseColumn
from ..core.words import number
from ..server.db import fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_TABLES = """SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = ANY (%(names)s)"""
_DEPENDENTS = f"""
SELECT 'clave foránea', conrelid::regclass::text || '.' || conname, confrelid::regclass::text
FROM pg_constraint WHERE contype = 'f' AND confrelid IN ({_TABLES}) AND conrelid NOT IN ({_TABLES})
UNION
SELECT CASE v.relkind WHEN 'm' THEN 'vista materializada' ELSE 'vista' END, v.oid::regclass::text
       || CASE WHEN v.relkind = 'v' AND NOT coalesce(v.reloptions::text, '') ~ 'security_invoker=(true|on|1)'
          THEN ' (lee con los derechos de su dueño)' ELSE '' END, ''
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_class v ON v.oid = r.ev_class
WHERE d.refobjid IN ({_TABLES}) AND v.relkind IN ('v', 'm') AND v.relnamespace <> coalesce(to_regnamespace('migracion'), 0)
UNION
SELECT 'disparador', tgrelid::regclass::text || '.' || tgname, ''
FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN ({_TABLES})
UNION
SELECT 'política', polrelid::regclass::text || '.' || polname, '' FROM pg_policy WHERE polrelid IN ({_TABLES})
UNION
SELECT 'publicación', p.pubname, r.prrelid::regclass::text
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid IN ({_TABLES})
UNION
SELECT 'event trigger', evtname || ' (' || evtevent || ')', '' FROM pg_event_trigger WHERE evtenabled <> 'D'
ORDER BY 1, 2, 3
"""
# Names of the schema that a function's text has with no schema before them; of a function, as it is called.
_UNQUALIFIED = f"""
SELECT p.oid::regprocedure::text, string_agg(DISTINCT t.tgrelid::regclass || '.' || t.tgname, ', '),
       string_agg(DISTINCT o.name, ', '), string_agg(DISTINCT t.tgrelid::regclass::text, ', ')
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
JOIN (SELECT c.relname AS name, '' AS call, c.relnamespace AS space FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      UNION SELECT f.proname, '\\s*\\(', f.pronamespace FROM pg_proc f) o
  ON o.space = to_regnamespace(quote_ident(%(schema)s)) AND o.name ~ '^[a-z0-9_]+$'
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgrelid IN ({_TABLES})
  AND p.pronamespace <> coalesce(to_regnamespace('migracion'), 0)
  AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s ~ '^search_path=')
  AND p.prosrc ~ ('(^|[^.[:alnum:]_"])"?' || o.name || '"?' || o.call || '($|[^.[:alnum:]_])')
GROUP BY 1 ORDER BY 1
"""
_ISOLATION = """
SELECT coalesce(r.rolname, 'la base ' || d.datname), s.setting
FROM pg_db_role_setting x LEFT JOIN pg_roles r ON r.oid = x.setrole LEFT JOIN pg_database d ON d.oid = x.setdatabase
CROSS JOIN LATERAL unnest(x.setconfig) s(setting)
WHERE s.setting ~ '^default_transaction_isolation=' AND s.setting !~ 'read committed'
  AND (x.setdatabase = 0 OR d.datname = current_database()) ORDER BY 1
"""


def dependents(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> list[tuple[str, str]]:
    """Return (kind, name) of everything that hangs on the legacy tables and has no copy on the Spanish ones."""
    names = [r.name for r in catalogue.relations]
    found = fetch_all(conn, _DEPENDENTS, {"schema": mapping.schema, "names": names})
    return [(kind, f"{name} → {other}" if other else name) for kind, name, other in found]


def unqualified_triggers(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> list[str]:
    """Return a phrase for every trigger's function on a legacy table that seems to find names by its caller's search_path.

    What a service writes on the Spanish side reaches legacy under a search_path of ours, where it would not find them.
    """
    names = [r.name for r in catalogue.relations]
    return [
        f"la función {function} ({triggers}) parece nombrar {found} sin su esquema, y no fija search_path: lo que se escriba en"
        f" español no llegaría a {tables} y esperaría en migracion.pendiente. Su dueño lo arregla con:"
        f" ALTER FUNCTION {function} SET search_path = {ident(mapping.schema)}, pg_temp;"
        for function, triggers, found, tables in fetch_all(conn, _UNQUALIFIED, {"schema": mapping.schema, "names": names})
    ]


def warnings(conn: Connection) -> list[str]:
    """Return settings of the database that the operator should know of; our own sessions set theirs."""
    said = [
        f"{who} tiene {setting}: lo escrito por encima de READ COMMITTED se repasa aparte cuando haya sincronización."
        for who, setting in fetch_all(conn, _ISOLATION)
    ]
    zone = fetch_all(conn, "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")[0][0]
    if zone not in ("UTC", "Etc/UTC", "GMT"):
        said.append(
            f"La zona horaria de la base es {zone}; las columnas en español guardan UTC: lo que lleva zona se convierte, y "
            "lo que no la lleva se lee como dice el mapeo (zona)."
        )
    return said


def filled_columns(conn: Connection, schema: str, loose: Iterable[LooseColumn]) -> list[str]:
    """Return a phrase for every legacy column that holds data which no pair carries, with the number of rows."""
    tables: dict[str, list[LooseColumn]] = {}
    for one in loose:
        tables.setdefault(one.table, []).append(one)
    phrases = []
    for table, columns in sorted(tables.items()):
        counts = ", ".join(f"count(l.{ident(c.column)}) FILTER (WHERE {c.nobodys})" for c in columns)
        row = fetch_one(conn, f"SELECT {counts} FROM {qname(schema, table)} l")
        for column, filled in zip(columns, row or (), strict=True):
            if filled:
                phrases.append(
                    f"{table}.{column.column} tiene datos ({number(filled)} {'fila' if filled == 1 else 'filas'}) y el mapeo ni "
                    f"la lleva (columns) ni la descarta (waived, con su motivo), en pairs, {table}"
                )
    return phrases


def legacy_disk_bytes(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> int:
    """Return the size on disk of the legacy tables with indexes and TOAST, in bytes."""
    names = [r.name for r in catalogue.relations if r.kind in ("r", "p")]
    row = fetch_one(
        conn,
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND c.relname = ANY (%s)",
        (mapping.schema, names),
    )
    return int(row[0]) if row else 0
