"""Which published tables take no UPDATE or DELETE: their replica identity does not say to subscribers which row it was.

PostgreSQL looks at it when a statement begins, so EXPLAIN finds out and touches no row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.sqltext import ident, qname
from ..core.survey.server_findings import Unidentified
from . import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

NO_IDENTITY, OTHER_COLUMNS = "55000", "42P10"
# A column that may be written, whether a primary key can be the replica identity, publications that name columns.
_PUBLISHED = """
SELECT c.relname, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                     AND a.attidentity <> 'a' AND a.attgenerated = '' ORDER BY a.attnum LIMIT 1),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate),
       ARRAY(SELECT p.pubname::text FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
             WHERE r.prrelid = c.oid AND to_jsonb(r)->>'prattrs' IS NOT NULL ORDER BY 1)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = ANY (%s)
  AND (n.nspname, c.relname) IN (SELECT schemaname, tablename FROM pg_publication_tables) ORDER BY 1
"""


def unidentified(conn: Connection, schema: str, names: Iterable[str]) -> list[Unidentified]:
    """Return the tables of these in which no row can be changed or deleted while they are published as they are."""
    found = []
    for table, column, keyed, listing in db.fetch_all(conn, _PUBLISHED, (schema, list(names))):
        name = qname(schema, table)
        for statement in (f"UPDATE {name} SET {ident(column)} = {ident(column)} WHERE false", f"DELETE FROM {name} WHERE false"):
            try:
                with db.rolled_back(conn):
                    db.run_sql(conn, f"EXPLAIN {statement}")
            except db.Error as error:
                if error.pgcode not in (NO_IDENTITY, OTHER_COLUMNS):
                    raise
                said = " ".join((error.diag.message_primary or "").split())
                found.append(Unidentified(table, said, _mend(name, keyed and error.pgcode == NO_IDENTITY, listing)))
                break
    return found


def _mend(name: str, by_key: bool, listing: list[str]) -> str:
    """The primary key, where it is there and says which row; every column, where a filter reads others; or published no more."""
    if by_key:
        return f"ALTER TABLE {name} REPLICA IDENTITY DEFAULT"
    if not listing:
        return f"ALTER TABLE {name} REPLICA IDENTITY FULL"
    return "; ".join(f"ALTER PUBLICATION {ident(publication)} DROP TABLE {name}" for publication in listing)
