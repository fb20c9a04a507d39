"""The functions and views in schema migracion: made, replaced, taken away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.backfill.carrying import route_statements
from ..core.bookkeeping import BOOKKEEPING, TOUCH
from ..core.rows.reading import helper_statements
from ..core.rows.routes import Route
from ..core.sqltext import literal, qname
from ..server.db import fetch_all, fetch_one, run_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def install_helpers(conn: Connection) -> None:
    """Create or replace the functions of schema migracion that tables and forward SELECTs call, where they are not as asked.

    One's comment carries the fingerprint of the text that made them and of what the catalogue says of them since. Who
    replaces what is as it should be waits for whoever else does.
    """
    statements = helper_statements(conn.info.server_version // 10_000)
    if _stamp(conn, statements) == fetch_one(conn, _STAMPED):
        return
    run_sql(conn, *statements)
    stamp = _stamp(conn, statements)
    run_sql(conn, f"COMMENT ON FUNCTION {TOUCH}() IS {literal(stamp[0])}")


_STAMPED = f"SELECT obj_description(to_regprocedure('{TOUCH}()'), 'pg_proc')"


def _stamp(conn: Connection, statements: Sequence[str]) -> tuple[str]:
    names = [
        name for statement in statements for name in re.findall(rf"CREATE OR REPLACE FUNCTION {BOOKKEEPING}\.(\w+)", statement)
    ]
    row = fetch_one(
        conn,
        "SELECT md5(%s) || md5(coalesce(string_agg(pg_get_functiondef(p.oid), '' ORDER BY p.oid::regprocedure::text), ''))"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %s AND p.proname = ANY (%s)",
        (";".join(statements), BOOKKEEPING, names),
    )
    return (str(row[0]) if row else "",)


def install_routes(conn: Connection, routes: Sequence[Route]) -> None:
    """Create every view and function in the caller's transaction; ``routes``: all of the mapping, since views build on views.

    The first view's comment carries the fingerprint of all texts: what is installed already is left alone.
    """
    if not routes or routes_installed(conn, routes):
        return
    statements, stamp = _stamped(conn, routes)
    uninstall_routes(conn)
    run_sql(conn, *statements)
    run_sql(conn, f"COMMENT ON VIEW {routes[0].view} IS {literal(stamp)}")


def routes_installed(conn: Connection, routes: Sequence[Route]) -> bool:
    """Whether views and functions are those of these routes, by the fingerprint that install_routes() left."""
    current = fetch_one(conn, "SELECT obj_description(to_regclass(%s), 'pg_class')", (routes[0].view,))
    return current is not None and current[0] == _stamped(conn, routes)[1]


def _stamped(conn: Connection, routes: Sequence[Route]) -> tuple[list[str], str]:
    statements = [statement for route in routes for statement in route_statements(route, routes)]
    return statements, str(fetch_all(conn, "SELECT md5(%s)", (";".join(statements),))[0][0])


def uninstall_routes(conn: Connection) -> None:
    """Drop what install_routes() made, whatever mapping it was: a view on a legacy table stands in the way of ALTER TABLE."""
    for (signature,) in fetch_all(
        conn,
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = %s AND p.proname ~ '^(copiar|llevar|quitar)_'",
        (BOOKKEEPING,),
    ):
        run_sql(conn, f"DROP FUNCTION {signature}")
    views = fetch_all(
        conn,
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relkind = 'v' ORDER BY 1",
        (BOOKKEEPING,),
    )
    if views:
        run_sql(conn, f"DROP VIEW {', '.join(qname(BOOKKEEPING, name) for (name,) in views)}")
