"""A second session beside one of ours, that sees what ours waits for: who waits cannot look."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ..core.server.blockers import Blocker
from . import lifeline

try:
    import psycopg2
except ImportError:  # said by connect(), in words
    if not TYPE_CHECKING:
        psycopg2 = None

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

RUN_NAME = "application_name"
EVERY = 0.02  # seconds between two looks at a wait of some hundred milliseconds
CONNECT_SECONDS = "5"
# Behind a session that waits itself stands another: so up to the third. A prepared transaction has no pid: its locks have.
BLOCKERS = """
WITH RECURSIVE held AS (
  SELECT w.pid AS waiter, h.virtualtransaction FROM pg_locks w JOIN pg_locks h ON h.granted AND h.pid IS NULL
  AND (h.locktype, h.database, h.relation, h.page, h.tuple, h.virtualxid, h.transactionid, h.classid, h.objid, h.objsubid)
  IS NOT DISTINCT FROM
  (w.locktype, w.database, w.relation, w.page, w.tuple, w.virtualxid, w.transactionid, w.classid, w.objid, w.objsubid)
  WHERE NOT w.granted
), behind AS (
  SELECT b.pid, 1 AS depth FROM unnest(%(pids)s) ours(pid), unnest(pg_blocking_pids(ours.pid)) b(pid) WHERE b.pid > 0
  UNION SELECT b.pid, behind.depth + 1 FROM behind, unnest(pg_blocking_pids(behind.pid)) b(pid)
  WHERE b.pid > 0 AND behind.depth < 3
)
SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),
       coalesce(CASE WHEN a.usename IS NULL THEN a.backend_type ELSE a.state END, ''),
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8, coalesce(a.datname, ''), '',
       cardinality(pg_blocking_pids(a.pid)) > 0
FROM pg_stat_activity a WHERE a.pid IN (SELECT pid FROM behind) AND a.pid <> ALL (%(pids)s)
UNION ALL
SELECT 0, p.owner::text, '', '', extract(epoch FROM clock_timestamp() - p.prepared)::float8, p.database::text, p.gid, false
FROM pg_prepared_xacts p JOIN pg_locks own ON own.pid IS NULL AND own.transactionid = p.transaction
JOIN held USING (virtualtransaction)
WHERE held.waiter = ANY (%(pids)s) OR held.waiter IN (SELECT pid FROM behind)
"""


_environment = threading.Lock()


@contextmanager
def without_libpq_environment() -> Iterator[None]:
    """PGOPTIONS, PGAPPNAME, PGPASSWORD… of the operator say nothing here: the URL alone does."""
    with _environment:  # one thread after the other
        taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
        try:
            yield
        finally:
            os.environ.update(taken)


def login_of(conn: Connection) -> dict[str, Any]:
    """How ``conn`` logged in, for second_session(); to be asked in the thread that uses ``conn``."""
    name = conn.info.parameter_status("application_name") or ""
    return {**conn.info.dsn_parameters, "password": conn.info.password, "connect_timeout": CONNECT_SECONDS, RUN_NAME: name}


def second_session(login: Mapping[str, Any]) -> Connection:
    """Log in once more. It carries the run's name too: who ends the run ends it."""
    params = {name: value for name, value in login.items() if value not in (None, "")}
    with without_libpq_environment():
        second: Connection = psycopg2.connect(**params)
    lifeline.hold(second)
    second.autocommit = True
    own = "SELECT set_config('search_path', 'pg_catalog', false), set_config('application_name', %s, false)"
    ask(second, own, (login[RUN_NAME],))
    return second


def ask(conn: Connection, query: str, params: Sequence[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Run a query on a session that looks on."""
    with conn.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()


def blockers_of(conn: Connection, pids: Sequence[int]) -> list[Blocker]:
    """Who keeps these sessions waiting now, seen from another one."""
    rows = ask(conn, BLOCKERS, {"pids": list(pids)})
    return [Blocker(*row) for row in rows]


@contextmanager
def watched(conn: Connection) -> Iterator[list[Blocker]]:
    """Look, from a second session and as long as the block lasts, at whom ``conn`` waits for; the last ones seen.

    Where no second session is to be had, nobody is seen: what waits does not fail for that.
    """
    seen: list[Blocker] = []
    done, login, ((pid,),) = threading.Event(), login_of(conn), ask(conn, "SELECT pg_backend_pid()")

    def look() -> None:
        with suppress(psycopg2.Error), closing(second_session(login)) as second:
            while not done.is_set():
                if found := blockers_of(second, [pid]):
                    seen[:] = found
                done.wait(EVERY)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
