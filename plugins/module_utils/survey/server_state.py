"""What fase0 asks of the server and of the catalogue for its page of findings. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..core.mapping.types import TableMapping
from ..core.survey.server_findings import ForeignReference, Prepared, SortingVersion, Standbys
from ..ledger import bookkeeping
from ..server.clock import both_clocks
from ..server.db import Error, fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

UNTRANSLATABLE = "22P05"
_PREPARED = """
SELECT database, gid, owner, extract(epoch FROM clock_timestamp() - prepared)::float8 FROM pg_prepared_xacts
WHERE database = current_database() ORDER BY prepared LIMIT 100
"""
# Who may not see others' sessions sees of a standby only that it is there.
_STANDBYS = """
SELECT current_setting('synchronous_standby_names'),
       current_setting('synchronous_commit') IN ('on', 'remote_write', 'remote_apply'),
       (SELECT count(*) FROM pg_stat_replication),
       CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE')
            THEN (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) END,
       (SELECT source = 'command line' FROM pg_settings WHERE name = 'synchronous_standby_names')
"""
# Before 15 only a collation remembers the version of its library.
_SORTING_DATABASE = """
SELECT 'la base', datcollversion, pg_database_collation_actual_version(oid) FROM pg_database
WHERE datname = current_database() AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)
"""
_SORTING_COLUMNS = """
SELECT DISTINCT 'la colación ' || c.collname, c.collversion, pg_collation_actual_version(c.oid)
FROM pg_collation c JOIN pg_attribute a ON a.attcollation = c.oid AND NOT a.attisdropped
JOIN pg_class t ON t.oid = a.attrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = %s AND t.relname = ANY (%s) AND c.collversion <> pg_collation_actual_version(c.oid) ORDER BY 1
"""
_REFERENCES = """
WITH tables AS (SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = %(schema)s AND c.relname = ANY (%(names)s))
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), k.conname, t.name,
       'ON DELETE ' || CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT'
                                          WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END
FROM pg_constraint k JOIN tables t ON t.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid NOT IN (SELECT oid FROM tables) ORDER BY 1, 2
"""


def build_before(conn: Connection, run_id: str) -> str:
    """Return the sha256 of the runbook that ran last before this run, '' where none has said."""
    row = None
    if bookkeeping.exists(conn):
        row = fetch_one(
            conn,
            "SELECT detalle->'runbook'->>'sha256' FROM migracion.fase_ejecucion WHERE run_id <> %s"
            " AND detalle->'runbook' ? 'sha256' ORDER BY id DESC LIMIT 1",
            (run_id,),
        )
    return str(row[0]) if row else ""


def version(conn: Connection) -> tuple[str, int]:
    """Return the server's version as it says it, and its major number."""
    return str(fetch_all(conn, "SELECT current_setting('server_version')")[0][0]), conn.info.server_version // 10_000


def encoding(conn: Connection, texts: Callable[[], Mapping[str, str]]) -> tuple[str, list[str]]:
    """Return the name of the database's encoding, and which of the texts that it will hold have letters that it has not."""
    name, unfit = str(fetch_all(conn, "SELECT current_setting('server_encoding')")[0][0]), []
    for what, text in texts().items() if name not in ("UTF8", "SQL_ASCII") else ():
        try:
            fetch_all(conn, "SELECT length(%s)", (text,))
        except Error as error:
            if error.pgcode != UNTRANSLATABLE:
                raise
            unfit.append(what)
    return name, unfit


def clocks(conn: Connection) -> tuple[float, str, str]:
    """Return how many seconds the server's clock is ahead of this machine's, and both clocks as text."""
    server, here = both_clocks(conn)
    return (server - here).total_seconds(), f"{server:%Y-%m-%d %H:%M:%S} UTC", f"{here:%Y-%m-%d %H:%M:%S} UTC"


def prepared_transactions(conn: Connection) -> list[Prepared]:
    """Return this database's prepared transactions, the oldest first."""
    return [Prepared(*row) for row in fetch_all(conn, _PREPARED)]


def standbys(conn: Connection) -> Standbys:
    """Return which standbys a COMMIT waits for, and which are there."""
    return Standbys(*fetch_all(conn, _STANDBYS)[0])


def changed_sorting(conn: Connection, mapping: TableMapping, names: list[str]) -> list[SortingVersion]:
    """Return where text is sorted by another version of the library than when the indexes were built."""
    rows = fetch_all(conn, _SORTING_DATABASE) if conn.info.server_version >= 150000 else []
    rows += fetch_all(conn, _SORTING_COLUMNS, (mapping.schema, names))
    return [SortingVersion(what, recorded or "otra versión", actual or "otra") for what, recorded, actual in rows]


def foreign_references(conn: Connection, mapping: TableMapping) -> list[ForeignReference]:
    """Return the foreign keys of tables that are not ours on the Spanish tables."""
    names = {"schema": mapping.schema, "names": [t.name for t in mapping.tables]}
    return [ForeignReference(*row) for row in fetch_all(conn, _REFERENCES, names)]


def database_zone(conn: Connection) -> str:
    """Return the zone that sessions of this role have in this database when they set none."""
    row = fetch_one(conn, "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
    return str(row[0]) if row else "UTC"
