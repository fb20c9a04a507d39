"""The functions and views in schema migracion: made, replaced, taken away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..call.applied import remember_applied
from ..call.approval import sha256
from ..call.context import Context
from ..core.backfill.carrying import route_statements
from ..core.bookkeeping import BOOKKEEPING, TOUCH
from ..core.rows.reading import helper_statements
from ..core.rows.routes import Route
from ..core.sqltext import literal, qname
from ..ledger.bookkeeping import seal
from ..server.db import fetch_all, fetch_one, run_sql, transaction
from .stamps import Made, bodies, judged, names_made, stamp_of

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def install_helpers(conn: Connection) -> None:
    """Create or replace the functions of schema migracion that tables and forward SELECTs call, where they are not as asked.

    One's comment carries the fingerprint of the text that made them and of what the catalogue says of them since. Who
    replaces what is as it should be waits for whoever else does.
    """
    if _helpers_installed(conn):
        return
    statements = _helpers(conn)
    run_sql(conn, *statements)
    stamp = _stamp(conn, statements)
    run_sql(conn, f"COMMENT ON FUNCTION {TOUCH}() IS {literal(stamp[0])}")


def _helpers(conn: Connection) -> tuple[str, ...]:
    return helper_statements(conn.info.server_version // 10_000)


def _helpers_installed(conn: Connection) -> bool:
    return _stamp(conn, _helpers(conn)) == fetch_one(conn, _STAMPED)


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


def install_approved(context: Context) -> None:
    """Begin the run and install what fase0 approved."""
    context.begin()
    install_under_lease(context)


def install_under_lease(context: Context) -> None:
    """Install what fase0 approved in one transaction, and note from which mapping it came."""
    with transaction(context.conn):
        install_helpers(context.conn)
        install_routes(context.conn, context.all_routes)
        remember_applied(context)
        seal(context.conn)


def install_routes(conn: Connection, routes: Sequence[Route]) -> None:
    """Create every view and function in the caller's transaction; ``routes``: all of the mapping, since views build on views.

    Each view's comment carries the fingerprint of its pair's texts: what is installed already is left alone.
    """
    if _routes_installed(conn, routes, routes):
        return
    uninstall_routes(conn)
    made = [(route, route_statements(route, routes)) for route in routes]
    for _, statements in made:
        run_sql(conn, *statements)
    found = bodies(conn)
    for route, statements in made:
        stamp = stamp_of(_fingerprint(statements), names_made(statements), found)
        run_sql(conn, f"COMMENT ON VIEW {route.view} IS {literal(stamp)}")


def routines_installed(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route]) -> bool:
    """Whether the helper functions, and these routes' views and functions, are those that a run would install now."""
    return _helpers_installed(conn) and _routes_installed(conn, routes, all_routes)


def _routes_installed(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route]) -> bool:
    views, found = views_of_ours(conn), bodies(conn)
    standing = [standing_routines(route, all_routes, views, found) for route in routes]
    # all or some: a pair that left the mapping left its view behind
    return all(made.whole for made in standing) and (len(routes) < len(all_routes) or len(views) == len(routes))


def standing_routines(route: Route, all_routes: Sequence[Route], views: Mapping[str, str], found: Mapping[str, str]) -> Made:
    """Return what there is of a pair's view and functions; ``views``: comments by qualified name, ``found``: bodies()."""
    if route.view not in views:
        return Made(False, absent=(route.view.partition(".")[2],))
    return judged(views[route.view], _fingerprint(route_statements(route, all_routes)), found)


def views_of_ours(conn: Connection) -> dict[str, str]:
    """Return the comment of each view of the schema, by its qualified name."""
    return {
        qname(BOOKKEEPING, name): stamp
        for name, stamp in fetch_all(
            conn,
            "SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), '')"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relkind = 'v'",
            (BOOKKEEPING,),
        )
    }


def _fingerprint(statements: Sequence[str]) -> str:
    return sha256(";".join(statements))


def uninstall_routes(conn: Connection) -> None:
    """Drop what install_routes() made, whatever mapping it was: a view on a legacy table stands in the way of ALTER TABLE."""
    for (signature,) in fetch_all(
        conn,
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = %s AND p.proname ~ '^(copiar|cargar|llevar|quitar)_'",
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
