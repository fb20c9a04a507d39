"""What the server's disk holds and what a copy adds to it. How large the disk is only the site can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.backfill.growth import GIGABYTE, Growth, ServerDisk, StillToCopy, WalKept, forecast, forecast_line
from ..core.bookkeeping import BOOKKEEPING
from ..core.phase.settings import Settings
from ..core.rows.routes import Route
from ..server.db import fetch_all, fetch_one

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

SIZES = """
SELECT coalesce(sum(pg_table_size(t.relid)), 0)::float8, coalesce(sum(greatest(c.reltuples, 0)), 0)::float8
FROM pg_partition_tree(to_regclass(%s)) t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf
"""
# A plain table is in no partition tree.
PLAIN = "SELECT pg_table_size(oid)::float8, greatest(reltuples, 0)::float8 FROM pg_class WHERE oid = to_regclass(%s)"
UNKNOWN_ROW = 200  # bytes: a row of a table that was never analysed
DATABASES = """
SELECT coalesce(sum(pg_database_size(oid)), 0)::float8 FROM pg_database
WHERE datallowconn AND (has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE'))
"""


def outlook(conn: Connection, routes: Sequence[Route], settings: Settings) -> tuple[str, ServerDisk]:
    """Return what copying the routes adds to the disk, in words and in figures."""
    disk, added = server_disk(conn, settings), growth(conn, routes)
    return forecast_line(added, disk.used, disk.total), replace(disk, added=added)


def server_disk(conn: Connection, settings: Settings) -> ServerDisk:
    """Return what is known of the disk now; nothing is measured where nobody said how large it is."""
    total = settings.database_disk_gb * GIGABYTE
    return ServerDisk(used_bytes(conn) if total else 0.0, total)


def used_bytes(conn: Connection) -> float:
    """Return what is known to lie on the server's disk: the databases that we may measure, and WAL where we may look."""
    databases = float(fetch_all(conn, DATABASES)[0][0])
    if fetch_one(conn, "SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE')") == (True,):
        return databases + float(fetch_all(conn, "SELECT coalesce(sum(size), 0)::float8 FROM pg_ls_waldir()")[0][0])
    return databases + _setting(conn, "max_wal_size")


def growth(conn: Connection, routes: Sequence[Route]) -> Growth:
    """Return what copying the routes adds: each legacy table once, less the share that is copied already."""
    loads, seen = [], set()
    for route in routes:
        size, rows = _size(conn, route.source_table)
        left = _left(conn, route)
        indexes = 1 + len(route.table.unique) + len(route.table.indexes)
        loads.append(StillToCopy(0 if route.pair.source in seen else size * left, rows * left, indexes))
        seen.add(route.pair.source)
    return forecast(loads, _wal_kept(conn))


def _size(conn: Connection, table: str) -> tuple[float, float]:
    found = fetch_one(conn, SIZES, (table,))
    size, rows = found if found and found[0] else fetch_one(conn, PLAIN, (table,)) or (0.0, 0.0)
    return size, rows or size / UNKNOWN_ROW


def _left(conn: Connection, route: Route) -> float:
    if fetch_one(conn, "SELECT to_regclass(%s)", (f"{BOOKKEEPING}.progreso_copia",)) == (None,):
        return 1.0
    row = fetch_one(
        conn,
        "SELECT CASE WHEN bool_and(terminada_at IS NOT NULL) OR sum(filas_previstas) = 0 THEN 0"
        " ELSE greatest(0, 1 - sum(filas_leidas)::float8 / sum(filas_previstas)) END"
        f" FROM {BOOKKEEPING}.progreso_copia WHERE (tabla_origen, tabla_destino) = (%s, %s) HAVING count(*) > 0",
        (route.pair.source, route.pair.target),
    )
    return float(row[0]) if row else 1.0


def _wal_kept(conn: Connection) -> WalKept:
    held = fetch_one(conn, "SELECT FROM pg_replication_slots WHERE wal_status IS DISTINCT FROM 'lost' LIMIT 1") is not None
    slots = _setting(conn, "max_slot_wal_keep_size") if held else 0
    if slots < 0:
        return WalKept(None)
    return WalKept(_setting(conn, "max_wal_size") + slots)


def _setting(conn: Connection, name: str) -> int:
    """A setting in megabytes, as bytes."""
    row = fetch_one(conn, "SELECT setting::bigint FROM pg_settings WHERE name = %s", (name,))
    return int(row[0]) * 2**20 if row else 0
