"""The functions and views in schema migracion: made, replaced, taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.backfill.carrying import route_statements
from ..core.bookkeeping import BOOKKEEPING
from ..core.rows.reading import helper_statements
from ..core.rows.routes import Route
from ..core.sqltext import literal
from ..server.db import fetch_all, fetch_one, run_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def install_helpers(conn: Connection) -> None:
    """Create or replace the functions of schema migracion that tables and forward SELECTs call."""
    run_sql(conn, *helper_statements(conn.info.server_version // 10_000))


def install_routes(conn: Connection, routes: Sequence[Route]) -> None:
    """Create every view and function in the caller's transaction; ``routes``: all of the mapping, since views build on views.

    The first view's comment carries the fingerprint of all texts: what is installed already is left alone.
    """
    if not routes:
        return
    statements = [statement for route in routes for statement in route_statements(route, routes)]
    stamp = str(fetch_all(conn, "SELECT md5(%s)", (";".join(statements),))[0][0])
    current = fetch_one(conn, "SELECT obj_description(to_regclass(%s), 'pg_class')", (routes[0].view,))
    if current is not None and current[0] == stamp:
        return
    uninstall_routes(conn, routes)
    run_sql(conn, *statements)
    run_sql(conn, f"COMMENT ON VIEW {routes[0].view} IS {literal(stamp)}")


def uninstall_routes(conn: Connection, routes: Sequence[Route]) -> None:
    """Drop what install_routes() made: a view on a legacy table would stand in the way of its owner's ALTER TABLE."""
    names = [r.function_name(verb) for r in routes for verb in ("copiar", "llevar")] + [r.removal_name for r in routes]
    for (signature,) in fetch_all(
        conn,
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = %s AND p.proname = ANY (%s)",
        (BOOKKEEPING, names),
    ):
        run_sql(conn, f"DROP FUNCTION {signature}")
    if routes:
        run_sql(conn, f"DROP VIEW IF EXISTS {', '.join(route.view for route in reversed(routes))}")
