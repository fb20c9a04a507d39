"""What goes with the legacy tables, or stays behind for the Spanish ones: sequences, publications, partitions, the archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.contraction.moving import ARCHIVE, DrawnSequence, Publication
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.mapping.types import TableMapping
from ..core.sqltext import qname
from ..server.db import fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_DRAWN = """
SELECT quote_ident(sn.nspname) || '.' || quote_ident(s.relname), t.relname, a.attname, l.relname, la.attname, o.deptype = 'i',
  format('AS %%s INCREMENT %%s MINVALUE %%s MAXVALUE %%s START %%s CACHE %%s%%s', format_type(q.seqtypid, NULL), q.seqincrement,
    q.seqmin, q.seqmax, q.seqstart, q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END),
  ARRAY(SELECT DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
        FROM aclexplode(s.relacl) x WHERE x.privilege_type = 'USAGE' AND x.grantee <> s.relowner ORDER BY 1)
FROM pg_class t JOIN pg_namespace tn ON tn.oid = t.relnamespace JOIN pg_attrdef d ON d.adrelid = t.oid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.adnum
JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_sequence q ON q.seqrelid = s.oid
JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.refclassid = 'pg_class'::regclass
  AND o.deptype IN ('a', 'i')
JOIN pg_class l ON l.oid = o.refobjid JOIN pg_attribute la ON la.attrelid = l.oid AND la.attnum = o.refobjsubid
WHERE tn.nspname = %(schema)s AND t.relname = ANY (%(spanish)s) AND l.relnamespace = tn.oid AND l.relname = ANY (%(tables)s)
ORDER BY 1, 2"""
CHOOSING = 150000  # the first server whose publications choose rows and columns
_PUBLISHED = """
SELECT p.pubname, c.relname,
  coalesce((SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')' FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum = ANY ({columns})), ''),
  coalesce(' WHERE (' || {rows} || ')', '')
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = ANY (%s) ORDER BY 1, 2"""
_PARTITIONS = """
WITH RECURSIVE h (oid) AS (
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = ANY (%s)
  UNION SELECT i.inhrelid FROM h JOIN pg_inherits i ON i.inhparent = h.oid JOIN pg_class c ON c.oid = i.inhrelid
  WHERE c.relispartition
)
SELECT c.relname, n.nspname FROM h JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY c.oid"""


def legacy_names(mapping: TableMapping) -> list[str]:
    """Return the legacy tables that leave, each once, in the mapping's order."""
    return list(dict.fromkeys(pair.source for pair in mapping.pairs))


def spanish_places(mapping: TableMapping) -> list[str]:
    """Return the Spanish tables, qualified."""
    return [qname(mapping.schema, table.name) for table in mapping.tables]


def drawn_by_spanish(conn: Connection, mapping: TableMapping) -> list[DrawnSequence]:
    """Return the legacy tables' sequences from which Spanish serials draw."""
    names = {"schema": mapping.schema, "spanish": [t.name for t in mapping.tables], "tables": legacy_names(mapping)}
    return [DrawnSequence(*row) for row in fetch_all(conn, _DRAWN, names)]


def publications_of(conn: Connection, schema: str, tables: Sequence[str]) -> list[Publication]:
    """Return who publishes these tables by name; a publication of all tables, or of a schema, is not changed by the move."""
    chosen = {"columns": "NULL::int2[]", "rows": "NULL"}
    if conn.server_version >= CHOOSING:
        chosen = {"columns": "r.prattrs::int2[]", "rows": "pg_get_expr(r.prqual, c.oid)"}
    return [Publication(*row) for row in fetch_all(conn, _PUBLISHED.format(**chosen), (schema, list(tables)))]


def moving_tables(conn: Connection, schema: str, tables: Sequence[str]) -> list[str]:
    """Return the tables with their partitions, of this schema."""
    return [name for name, place in fetch_all(conn, _PARTITIONS, (schema, list(tables))) if place == schema]


def require_archive(conn: Connection, tables: Sequence[str]) -> bool:
    """Return whether the schema of the archive is still to be made.

    Raises MigrationError, code refused, where one of that name is open to others or holds a table of these names.
    """
    row = fetch_one(
        conn,
        "SELECT pg_has_role(n.nspowner, 'USAGE')"
        " AND NOT EXISTS (SELECT FROM aclexplode(n.nspacl) x WHERE x.grantee <> n.nspowner),"
        " ARRAY(SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = ANY (%s) ORDER BY 1)"
        " FROM pg_namespace n WHERE n.nspname = %s",
        (list(tables), ARCHIVE),
    )
    if row is None:
        return True
    closed, taken = row
    if not closed or taken:
        why = f"tiene ya {', '.join(taken)}" if taken else "es de otro dueño o lo alcanzan otros roles"
        raise MigrationError(
            f"el esquema {ARCHIVE} ya existe y {why}",
            left=NOTHING_CHANGED,
            move="Renómbrelo, o ciérrelo a todos menos a este rol, y repita la orden.",
            code="refused",
        )
    return False
