"""The only place that connects: one login, the session's settings set and read back, no transaction pooler."""

from __future__ import annotations

import json
import os
import random
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.errors import MigrationError
from ..core.server.address import Address, address_from, explain_login, parameters, refused, transaction_pooler, unreadable
from ..core.server.session import wanted_settings, wrong_settings
from ..core.server.sqlstate import explain
from ..core.sqltext import ident, literal
from . import lifeline
from .probe import reach

try:
    import psycopg2
    import psycopg2.errors
    import psycopg2.extensions

    Error = psycopg2.Error  # for except clauses elsewhere: nobody else imports psycopg2
except ImportError:  # said by connect(), in words
    if not TYPE_CHECKING:
        psycopg2 = None
        Error = Exception

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.sql import Composable

    Query = str | Composable
    Params = Sequence[Any] | dict[str, Any] | None

Row = tuple[Any, ...]
T = TypeVar("T")


class Text:
    """A parameter as a literal that means the same under both settings of standard_conforming_strings.

    psycopg2 decides at the login how it quotes, and would halve backslashes once our SET has changed the setting.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.encoding = "utf-8"

    def prepare(self, conn: Connection) -> None:
        """Called by psycopg2 with the connection that the statement is for."""
        self.encoding = psycopg2.extensions.encodings[conn.encoding]

    def getquoted(self) -> bytes:
        """What psycopg2 puts into the statement."""
        if "\0" in self.text:
            raise ValueError("a text for PostgreSQL cannot hold the character 0")
        return f" {literal(self.text)}".encode(self.encoding)


if psycopg2 is not None:
    psycopg2.extensions.register_adapter(str, Text)
OLDEST = 140000
SETTINGS_TABLE = "FROM pg_catalog.jsonb_each_text(%s)"


def connect(url: str, run_id: str) -> Connection:
    """Log in exactly once and return an autocommit session with our settings. Whatever fails says which step it was."""
    if psycopg2 is None:
        raise refused("Falta psycopg2 en el Python que ejecuta los módulos: instálelo con make setup.")
    with _without_libpq_environment():
        address, params = _prepare(url)
        conn = _log_in(address, params)
        try:
            conn.autocommit = True
            lifeline.hold(conn)
            _require_version(conn)
            _refuse_transaction_pooler(conn, address, params)
            _settle(conn, run_id)
        except psycopg2.Error as error:
            conn.close()
            raise refused(str(explain_error(error, "Preparar la sesión"))) from error
        except BaseException:
            conn.close()
            raise
    return conn


def _prepare(url: str) -> tuple[Address, dict[str, Any]]:
    if not url.strip():
        raise unreadable("")
    try:
        parsed = psycopg2.extensions.parse_dsn(url)
    except (psycopg2.Error, UnicodeError):
        raise unreadable(url) from None
    address = address_from(parsed)
    reached = reach(address)
    return address, parameters(address, reached.hostaddr, reached.offers_tls)


def _log_in(address: Address, params: dict[str, Any]) -> Connection:
    try:
        conn: Connection = psycopg2.connect(**params)
    except (psycopg2.Error, UnicodeError) as error:
        raise explain_login(address, str(error), params.get("sslmode") != "disable") from None
    return conn


@contextmanager
def _without_libpq_environment() -> Iterator[None]:
    """PGOPTIONS, PGAPPNAME, PGPASSWORD… of the operator say nothing here: the URL alone does."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(taken)


def _require_version(conn: Connection) -> None:
    if (version := conn.info.server_version) < OLDEST:
        raise refused(f"El servidor es PostgreSQL {version // 10000}; este runbook necesita la versión 14 o una posterior.")


def _settle(conn: Connection, run_id: str) -> None:
    """SET after the login (poolers refuse startup parameters) and read back."""
    wanted = wanted_settings(run_id, conn.info.server_version)
    conn.set_client_encoding("UTF8")
    # Not yet our search_path: everything qualified, and no unnest of two arrays, which cannot be.
    fetch_all(conn, f"SELECT pg_catalog.set_config(key, value, false) {SETTINGS_TABLE}", (json.dumps(wanted),))
    with suppress(psycopg2.Error):  # not every platform of the server can: a backend without a client ends in a second
        fetch_all(conn, "SELECT pg_catalog.set_config('client_connection_check_interval', '1s', false)")
    read = fetch_all(conn, f"SELECT key, pg_catalog.current_setting(key) {SETTINGS_TABLE}", (json.dumps(wanted),))
    wrong = wrong_settings(wanted, dict(read))
    if wrong:
        raise refused(
            f"La sesión no conserva sus ajustes ({'; '.join(wrong)}). Use una conexión directa o un pooler en modo sesión."
        )


def _refuse_transaction_pooler(conn: Connection, address: Address, params: dict[str, Any]) -> None:
    """By behaviour: in transaction mode our backend serves somebody else while we are connected."""
    mine = _backend_pid(conn)
    if conn.info.backend_pid == mine:
        return
    for _ in range(3):
        try:
            other = _pid_of_a_second_transaction(params, seconds=5)
        except psycopg2.Error:
            other = mine  # not even a transaction of several statements: statement mode
        if other == mine or _backend_pid(conn) != mine:
            break
    else:
        return
    raise transaction_pooler(address)


def _backend_pid(conn: Connection) -> int:
    row = fetch_one(conn, "SELECT pg_catalog.pg_backend_pid()")
    return int(row[0]) if row else 0


def _pid_of_a_second_transaction(params: dict[str, Any], seconds: float) -> int:
    """0 when the pool had nobody free for us in that time. Asynchronous, because a full pool makes clients wait."""
    deadline = time.monotonic() + seconds
    second = psycopg2.connect(**params, async_=True)
    try:
        if not _ready(second, deadline):
            return 0
        cursor = second.cursor()
        cursor.execute("BEGIN; SELECT pg_catalog.pg_backend_pid()")
        return int(cursor.fetchone()[0]) if _ready(second, deadline) else 0
    finally:
        second.close()


def _ready(conn: Connection, deadline: float) -> bool:
    while (state := conn.poll()) != psycopg2.extensions.POLL_OK:
        left = max(0.0, deadline - time.monotonic())
        read, write = ([conn], []) if state == psycopg2.extensions.POLL_READ else ([], [conn])
        if not any(select.select(read, write, [], left)):
            return False
    return True


def execute(conn: Connection, query: Query, params: Params = None) -> int:
    """Run one statement and return its row count. Without parameters ``%`` is literal."""
    with conn.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.rowcount


def fetch_all(conn: Connection, query: Query, params: Params = None) -> list[Row]:
    """Run a query and return all rows."""
    with conn.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()


def fetch_one(conn: Connection, query: Query, params: Params = None) -> Row | None:
    """Run a query and return its first row, or None."""
    with conn.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchone()


def run_sql(conn: Connection, *texts: str) -> None:
    """Run rendered text, one or many statements, as it is written and in one message: no parameters, so ``%`` is literal."""
    text = ";\n".join(texts)
    if text.strip():
        with conn.cursor() as cursor:
            cursor.execute(text)


def compose(template: str, **names: str | tuple[str, ...]) -> str:
    """Put quoted identifiers into a statement that is run WITH parameters.

    ``%`` in a name is doubled: psycopg2.sql.Identifier does not, and a column called "100%" would break the statement.
    A tuple becomes a dotted name. Run the result with parameters only, never through run_sql.
    """
    parts = {key: ".".join(map(ident, (value,) if isinstance(value, str) else value)) for key, value in names.items()}
    return template.format(**{key: value.replace("%", "%%") for key, value in parts.items()})


@contextmanager
def transaction(
    conn: Connection, *, isolation: str = "READ COMMITTED", read_only: bool = False, lock_timeout_ms: int | None = None
) -> Iterator[None]:
    """One transaction: committed at the end, rolled back when anything is raised. Not nestable."""
    if in_transaction(conn):
        raise RuntimeError("transaction() inside a transaction")
    _begin(conn, f"{isolation}{' READ ONLY' if read_only else ''}", lock_timeout_ms)
    try:
        yield
    except BaseException:
        _roll_back(conn)
        raise
    run_sql(conn, "COMMIT")


@contextmanager
def joined(conn: Connection) -> Iterator[None]:
    """The caller's transaction where there is one, else one of its own."""
    if in_transaction(conn):
        yield
    else:
        with transaction(conn):
            yield


@contextmanager
def rolled_back(conn: Connection, *, lock_timeout_ms: int | None = None) -> Iterator[None]:
    """A transaction whose work is always undone: what a dry run may try."""
    _begin(conn, "READ COMMITTED", lock_timeout_ms)
    try:
        yield
    finally:
        _roll_back(conn)


def _begin(conn: Connection, mode: str, lock_timeout_ms: int | None) -> None:
    local = "" if lock_timeout_ms is None else f"; SET LOCAL lock_timeout = {int(lock_timeout_ms)}"
    run_sql(conn, f"BEGIN ISOLATION LEVEL {mode}{local}")


def _roll_back(conn: Connection) -> None:
    """By statement: conn.rollback() does nothing on an autocommit connection."""
    try:
        run_sql(conn, "ROLLBACK")
    except psycopg2.Error:
        conn.close()  # lost; the server undoes it by itself, and what led here is what is told


def in_transaction(conn: Connection) -> bool:
    """Whether a transaction is open on this connection."""
    return bool(conn.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE)


def with_lock_retries(conn: Connection, action: Callable[[Connection], T], lock_timeout_ms: int = 50, tries: int = 10) -> T:
    """Run ``action`` in a transaction that gives way at once when a lock is taken, and try again later.

    A statement that waits for a table's lock stops everybody who comes after it: so it waits 50 ms, not for ever.
    """
    for attempt in range(tries):
        try:
            with transaction(conn, lock_timeout_ms=lock_timeout_ms):
                return action(conn)
        except (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected) as error:
            last = error
            time.sleep(min(2.0, 0.05 * 2**attempt) * random.uniform(0.5, 1.5))
    raise MigrationError(
        f"No se obtuvo el bloqueo en {tries} intentos de {lock_timeout_ms} ms ({_primary(last)}). "
        f"{oldest_transaction(conn)} Este paso no cambió nada: repita la orden cuando esa transacción termine.",
        code="locked",
    )


def oldest_transaction(conn: Connection) -> str:
    """Who keeps everybody waiting, most likely: the transaction open for longest, as a sentence."""
    row = fetch_one(
        conn,
        "SELECT pid, usename, application_name, extract(epoch FROM clock_timestamp() - xact_start)::int FROM pg_stat_activity"
        " WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database() ORDER BY xact_start LIMIT 1",
    )
    if row is None:
        return "Ahora no se ve ninguna otra transacción abierta."
    return f"La transacción abierta más antigua es del pid {row[0]} ({row[1]}, «{row[2]}»), desde hace {row[3]} s."


def _primary(error: psycopg2.Error) -> str:
    return error.diag.message_primary or (str(error).splitlines() or [""])[0]


def explain_error(error: psycopg2.Error, step: str = "") -> MigrationError:
    """A server's error as the sentence that the operator reads."""
    diag = error.diag
    names = (diag.schema_name, diag.table_name, diag.column_name or diag.constraint_name)
    return explain(error.pgcode, _primary(error), ".".join(name for name in names if name), step)


@contextmanager
def explained(step: str = "") -> Iterator[None]:
    """Turn psycopg2's errors into MigrationError; ``step`` says in Spanish what was being done."""
    try:
        yield
    except psycopg2.Error as error:
        raise explain_error(error, step) from error
