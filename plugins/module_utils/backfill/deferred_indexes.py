"""Secondary indexes of a large empty table: taken away before its load, owed in the ledger, built without locks afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from ..core.errors import MigrationError
from ..core.rows.routes import Route
from ..core.server.blockers import Blocker, in_the_way
from ..core.sqltext import qname
from ..core.waits import BUILD_INDEX, CLASHES, DDL, DROP_INDEX, NAME
from ..ledger import lease
from ..ledger.owed_indexes import TABLE, Owed, forget_owed, owed_indexes
from ..server import db
from ..server.attended import attended
from ..server.connect import connect
from ..server.lookout import LONGEST_WAIT, seen_by
from .watch import PATIENCE_SECONDS

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# As a Blocker: whose snapshot is that old; what another role's session does the role may not see, and the build then finds out.
OLDER = """
SELECT pid, coalesce(usename, ''), application_name, coalesce(state, ''),
       extract(epoch FROM clock_timestamp() - xact_start)::float8, datname, '', false
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
  AND backend_type = 'client backend' AND xact_start < clock_timestamp() - make_interval(secs => %s)
ORDER BY xact_start
"""
CREATE_INDEX = "CREATE INDEX "
# What a build sorts in memory, for its transaction: more than the server's own where that has much.
BUILD_MEMORY = """
SELECT set_config('maintenance_work_mem',
                  greatest(own.setting::bigint, least(262144, cache.setting::bigint * 8 / 16)) || 'kB', true)
FROM pg_settings own, pg_settings cache WHERE own.name = 'maintenance_work_mem' AND cache.name = 'effective_cache_size'
"""
# Those that neither a constraint nor the copy itself needs.
SECONDARY = """
SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass(%s) AND NOT (i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisreplident)
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
ORDER BY c.relname
"""


def defer(conn: Connection, route: Route, run_id: str) -> list[str]:
    """Take the secondary indexes of the pair's Spanish table away while that is empty; return what there is to say."""
    target = route.target_table
    if not _is_empty(conn, target) or not db.fetch_one(conn, SECONDARY, (target,)):
        return []

    def act(connection: Connection) -> int:
        lease.fence(connection, run_id)
        db.run_sql(connection, f"LOCK TABLE {target} IN ACCESS EXCLUSIVE MODE")
        if not _is_empty(connection, target):
            return 0
        found = db.fetch_all(connection, SECONDARY, (target,))
        for name, definition in found:
            db.execute(
                connection,
                f"INSERT INTO {TABLE} (tabla, indice, definicion, run_id) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (route.pair.target, name, definition, run_id),
            )
            db.run_sql(connection, f"DROP INDEX {qname(route.schema, name)}")
        return len(found)

    try:
        dropped = db.with_lock_retries(conn, act, DROP_INDEX, f"{route.pair.target} (ACCESS EXCLUSIVE)")
    except MigrationError as error:
        return [f"{route.pair.target}: se carga con sus índices, más despacio, porque no se dejan retirar. {error.what}."]
    return [f"{route.pair.target}: {dropped} índices secundarios se construyen después de la carga"] if dropped else []


def build(url: str, conn: Connection, owed: Owed, schema: str, run_id: str, watch: Callable[[], None]) -> str:
    """Build one owed index beside running transactions, settle the debt and say how long it took.

    ``watch`` is called every few seconds on the caller's own connection; what it raises ends the build. A kill leaves an
    INVALID index: the next build takes it away first. Raises MigrationError, code locked, when it waits for
    older transactions for longer than a slice.
    """
    started, name = time.monotonic(), qname(schema, owed.name)
    for last in range(BUILD_INDEX.tries):
        _drop_invalid(conn, name)
        if _is_valid(conn, name) is None:
            _let_older_ones_end(conn, owed, watch)
            try:
                _run_watched(url, run_id, owed.definition.replace(CREATE_INDEX, f"{CREATE_INDEX}CONCURRENTLY ", 1), watch)
            except db.Error as error:
                if error.pgcode not in CLASHES:
                    raise
                if last + 1 == BUILD_INDEX.tries:
                    raise _blocked(owed, in_the_way(seen_by(error))) from error
                continue
            except MigrationError as error:
                _drop_invalid(conn, name)
                if error.code != "locked":
                    raise
                raise _blocked(owed, error.what) from error
        break
    with db.transaction(conn):
        lease.fence(conn, run_id)
        forget_owed(conn, [owed])
    return f"{owed.table}: índice {owed.name} construido en {time.monotonic() - started:.0f} s"


def build_at_once(
    url: str, conn: Connection, owed: Sequence[Owed], schema: str, run_id: str, watch: Callable[[], None]
) -> list[str]:
    """Build owed indexes of tables that nobody uses yet, each on a session of its own, and say how long they took.

    A build and its debt are settled in one transaction: a kill leaves both. Writers of the Spanish table, of whom there should
    be none, wait. Raises MigrationError, code locked, where one of those holds it.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(connect(url, run_id))) for _ in owed]
        for index in owed:
            _drop_invalid(conn, qname(schema, index.name))
        works = [partial(_build_plain, s, index, schema, run_id) for s, index in zip(sessions, owed, strict=True)]
        pool = stack.enter_context(ThreadPoolExecutor(len(owed)))
        running = [pool.submit(work) for work in works]
        try:
            for session, one in zip(sessions, running, strict=True):
                attended(session, one.result, watch)
        except BaseException:
            for session in sessions:
                with suppress(db.Error):
                    session.cancel()
            raise
    seconds = time.monotonic() - started
    return [f"{index.table}: índice {index.name} construido en {seconds:.0f} s" for index in owed]


def _build_plain(session: Connection, owed: Owed, schema: str, run_id: str) -> None:
    def act(connection: Connection) -> None:
        lease.fence(connection, run_id)
        db.fetch_all(connection, BUILD_MEMORY)
        if _is_valid(connection, qname(schema, owed.name)) is None:
            db.run_sql(connection, owed.definition)
        forget_owed(connection, [owed])

    db.with_lock_retries(session, act, DDL, f"{owed.table} (SHARE)")


def restore(conn: Connection, schema: str, tables: Iterable[str]) -> None:
    """Put the owed indexes of empty tables back, inside the transaction that emptied them."""
    for owed in owed_indexes(conn, tables):
        db.run_sql(conn, f"DROP INDEX IF EXISTS {qname(schema, owed.name)}")
        db.run_sql(conn, owed.definition)
        forget_owed(conn, [owed])


def _is_empty(conn: Connection, target: str) -> bool:
    return db.fetch_one(conn, f"SELECT FROM {target} LIMIT 1") is None


def _is_valid(conn: Connection, name: str) -> bool | None:
    """None where there is no such index."""
    row = db.fetch_one(conn, "SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass(%s)", (name,))
    return bool(row[0]) if row else None


def _drop_invalid(conn: Connection, name: str) -> None:
    if _is_valid(conn, name) is False:
        drop = f"DROP INDEX IF EXISTS {name}"
        db.with_lock_retries(conn, lambda c: db.run_sql(c, drop), DROP_INDEX, f"{name} (ACCESS EXCLUSIVE)")


def _let_older_ones_end(conn: Connection, owed: Owed, watch: Callable[[], None]) -> None:
    """A build waits at its end for every older snapshot: one that has lasted already is waited for before, for a slice."""
    started = time.monotonic()
    while older := [Blocker(*row) for row in db.fetch_all(conn, OLDER, (LONGEST_WAIT,))]:
        if time.monotonic() - started >= LONGEST_WAIT:
            raise _blocked(owed, in_the_way(older))
        watch()
        time.sleep(1)


def _run_watched(url: str, run_id: str, statement: str, watch: Callable[[], None]) -> None:
    """Run a long statement on a session of its own while this one watches: a stop request or the window's end cancels it.

    The session carries the run's id: whoever takes a dead run over ends it.
    """
    with closing(connect(url, run_id)) as session:
        db.fetch_one(session, "SELECT set_config(%s, %s, false)", (NAME, str(BUILD_INDEX.timeout_ms)))
        attended(session, lambda: db.run_sql(session, statement), watch)


def _blocked(owed: Owed, why: str) -> MigrationError:
    return MigrationError(
        f"{owed.table}: el índice {owed.name} no se pudo construir, porque espera a transacciones más antiguas. "
        f"{why or 'Quien lo impedía no se dejó ver.'}",
        left="Las filas copiadas quedan, y los servicios no esperan por esto.",
        move="Repita la misma orden cuando termine.",
        code="locked",
        details={"again": PATIENCE_SECONDS},
    )
