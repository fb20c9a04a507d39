"""Statements and transactions on an open connection, and a server's errors in words."""

from __future__ import annotations

import codecs
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.errors import STEP_CHANGED_NOTHING, MigrationError
from ..core.server.blockers import Blocker, in_the_way
from ..core.server.sqlstate import explain
from ..core.sqltext import ident, literal, relocated
from ..core.waits import CLASHES, DDL, LOCK_NOT_AVAILABLE, Wait
from .beside import watched
from .lookout import LONGEST_WAIT, WAITING_PATIENCE, seen_by, under_way

try:
    import psycopg2
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


class QuotedText:
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


# PostgreSQL's other name for UTF8: that one psycopg2 decodes by itself, without asking which codec.
CLIENT_ENCODING, LOSSLESS = "UNICODE", "utf8_sin_perdida"


def _lossless(name: str) -> codecs.CodecInfo | None:
    """UTF-8 in which a byte that is no letter stays what it is: of two texts that differ none may look like the other."""
    if name != LOSSLESS:
        return None

    def encode(text: str, _: str = "") -> tuple[bytes, int]:
        return text.encode("utf-8", "surrogateescape"), len(text)

    def decode(raw: Any, _: str = "") -> tuple[str, int]:
        return bytes(raw).decode("utf-8", "surrogateescape"), len(raw)

    return codecs.CodecInfo(encode, decode, name=LOSSLESS)


if psycopg2 is not None:
    psycopg2.extensions.register_adapter(str, QuotedText)
    codecs.register(_lossless)
    psycopg2.extensions.encodings[CLIENT_ENCODING] = LOSSLESS


def execute(conn: Connection, query: Query, params: Params = None) -> int:
    """Run one statement and return its row count. Without parameters ``%`` is literal."""
    with conn.cursor() as cursor, under_way(conn):
        cursor.execute(query, params)
        return cursor.rowcount


def fetch_all(conn: Connection, query: Query, params: Params = None) -> list[Row]:
    """Run a query and return all rows."""
    with conn.cursor() as cursor, under_way(conn):
        cursor.execute(query, params)
        return cursor.fetchall()


def fetch_one(conn: Connection, query: Query, params: Params = None) -> Row | None:
    """Run a query and return its first row, or None."""
    with conn.cursor() as cursor, under_way(conn):
        cursor.execute(query, params)
        return cursor.fetchone()


def run_sql(conn: Connection, *texts: str) -> None:
    """Run rendered text, one or many statements, as it is written and in one message: no parameters, so ``%`` is literal."""
    text = ";\n".join(texts)
    if text.strip():
        with conn.cursor() as cursor, under_way(conn):
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
    conn: Connection, *, isolation: str = "READ COMMITTED", read_only: bool = False, wait: Wait | None = None
) -> Iterator[None]:
    """One transaction: committed at the end, rolled back when anything is raised. Not nestable."""
    if in_transaction(conn):
        raise RuntimeError("transaction() inside a transaction")
    _begin(conn, f"{isolation}{' READ ONLY' if read_only else ''}", wait)
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
def rolled_back(conn: Connection, *, wait: Wait | None = None) -> Iterator[None]:
    """Work that is always undone: what a dry run may try. A transaction of its own, or a part of the caller's."""
    if in_transaction(conn):
        run_sql(conn, "SAVEPOINT ensayo")
        try:
            yield
        finally:
            run_sql(conn, "ROLLBACK TO SAVEPOINT ensayo", "RELEASE SAVEPOINT ensayo")
        return
    _begin(conn, "READ COMMITTED", wait)
    try:
        yield
    finally:
        _roll_back(conn)


@contextmanager
def elsewhere(conn: Connection, names: Mapping[str, str]) -> Iterator[None]:
    """Until the end every statement of this connection says the second name, qualified and quoted as SQL, for the first."""

    class Cursor(psycopg2.extensions.cursor):
        def execute(self, query: Any, vars: Any = None) -> None:
            text = query if isinstance(query, str) else query.as_string(self)
            super().execute(relocated(text, names), _elsewhere(vars, names))

    usual, conn.cursor_factory = conn.cursor_factory, Cursor
    try:
        yield
    finally:
        conn.cursor_factory = usual


def _elsewhere(params: Params, names: Mapping[str, str]) -> Params:
    """A parameter that is such a name, for to_regclass()."""
    if params is None:
        return None
    if isinstance(params, dict):
        return {key: names.get(value, value) if isinstance(value, str) else value for key, value in params.items()}
    return [names.get(value, value) if isinstance(value, str) else value for value in params]


def server_codec(conn: Connection) -> str:
    """Return Python's name of the database's encoding."""
    name = str(fetch_all(conn, "SELECT current_setting('server_encoding')")[0][0])
    return str(psycopg2.extensions.encodings.get(name, name))


def storable(conn: Connection, text: str, written: str = "\\u{:04x}") -> str:
    """Return the text with each letter that the database's encoding has not ``written`` out by its number."""
    codec = server_codec(conn)
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return "".join(written.format(ord(c)) if c.encode(codec, "ignore") == b"" else c for c in text)
    return text


def own_schema(conn: Connection, name: str) -> str:
    """Return a schema's name that no other session takes at the same time: who makes it and rolls it back waits for nobody."""
    return f"{name}_{fetch_all(conn, 'SELECT pg_backend_pid()')[0][0]}"


def _begin(conn: Connection, mode: str, wait: Wait | None) -> None:
    run_sql(conn, f"BEGIN ISOLATION LEVEL {mode}", *([wait.sql] if wait else []))


def _roll_back(conn: Connection) -> None:
    """By statement: conn.rollback() does nothing on an autocommit connection."""
    try:
        run_sql(conn, "ROLLBACK")
    except psycopg2.Error:
        conn.close()  # lost; the server undoes it by itself, and what led here is what is told


def in_transaction(conn: Connection) -> bool:
    """Whether a transaction is open on this connection."""
    return bool(conn.info.transaction_status != psycopg2.extensions.TRANSACTION_STATUS_IDLE)


def with_lock_retries(conn: Connection, action: Callable[[Connection], T], wait: Wait, what: str) -> T:
    """Run ``action`` in a transaction that gives way when a lock is not to be had in time, and try again later.

    A statement that waits for a table's lock stops everybody who comes after it: so no try lasts longer than ``wait`` says.
    ``what``: the lock in words, for the error. Raises MigrationError, code locked, when the tries are used up.
    """
    started, seen = time.monotonic(), list[Blocker]()
    with ExitStack() as beside:
        for attempt in range(wait.tries):
            if attempt == 1:  # one clash is nothing yet; who is in the way at the second one is named
                seen = beside.enter_context(watched(conn))
            try:
                with transaction(conn, wait=wait):
                    return action(conn)
            except psycopg2.Error as error:
                if error.pgcode not in CLASHES:
                    raise
                last, tries = error, attempt + 1
            if attempt and time.monotonic() - started >= LONGEST_WAIT:
                break
            time.sleep(min(2.0, 0.05 * 2**attempt) * random.uniform(0.5, 1.5))
    raise MigrationError(
        f"No se obtuvo el bloqueo de {what} en {tries} intentos de {wait.timeout_ms} ms ({_primary(last)}). "
        f"{in_the_way(seen) or 'Quien lo impedía no se dejó ver.'}",
        left=STEP_CHANGED_NOTHING,
        move="Repita la orden cuando termine.",
        code="locked",
        details={"again": WAITING_PATIENCE} if wait == DDL else {},
    )


def _primary(error: psycopg2.Error) -> str:
    return error.diag.message_primary or (str(error).splitlines() or [""])[0]


def explain_error(error: psycopg2.Error, step: str = "", *, left: str) -> MigrationError:
    """A server's error as the operator reads it; ``left``: what of the work is there, as MigrationError has it."""
    diag = error.diag
    names = (diag.schema_name, diag.table_name, diag.column_name or diag.constraint_name)
    told = explain(error.pgcode, _primary(error), ".".join(name for name in names if name), step, left=left)
    if error.pgcode == LOCK_NOT_AVAILABLE:  # nothing of the step is left: the module may be called again for a while
        blockers = in_the_way(seen_by(error))
        told = MigrationError(
            f"{told.what}. {blockers}" if blockers else told.what,
            left=left,
            move=told.move,
            code="locked",
            details={**told.details, "again": WAITING_PATIENCE},
        )
    return told


@contextmanager
def explaining(step: str = "", *, left: str) -> Iterator[None]:
    """Raise psycopg2's errors as MigrationError; ``step`` says in Spanish what was being done, ``left`` what is there now."""
    try:
        yield
    except psycopg2.Error as error:
        raise explain_error(error, step, left=left) from error
