"""The only place that connects: one login, the session's settings set and read back, no transaction pooler."""

from __future__ import annotations

import json
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..core.errors import STEP_CHANGED_NOTHING
from ..core.server.address import Address, address_from, explain_login, parameters, refused, transaction_pooler, unreadable
from ..core.server.session import EXPECTED, LIFE_SIGNS, unexpected_settings, wanted_settings, wrong_settings
from . import lifeline
from .beside import without_libpq_environment
from .db import CLIENT_ENCODING, explain_error, fetch_all, fetch_one
from .lookout import attend
from .probe import reach

try:
    import psycopg2
    import psycopg2.extensions
except ImportError:  # said by connect(), in words
    if not TYPE_CHECKING:
        psycopg2 = None

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

OLDEST_SERVER = 140000
SETTINGS_TABLE = "FROM pg_catalog.jsonb_each_text(%s)"
KNOWN = "WHERE pg_catalog.current_setting(key, true) IS NOT NULL"


def connect(url: str, run_id: str) -> Connection:
    """Log in exactly once and return an autocommit session with our settings. Whatever fails says which step it was.

    Raises MigrationError, code login where the server refuses the role, else connection.
    """
    if psycopg2 is None:
        raise refused("Falta psycopg2 en el Python que ejecuta los módulos", "Instálelo con make setup.")
    with without_libpq_environment():
        address, params = _prepare(url)
        conn = _log_in(address, params)
        try:
            conn.autocommit = True
            lifeline.hold(conn)
            _require_version(conn)
            _refuse_transaction_pooler(conn, address, params)
            _settle(conn, run_id)
            attend(conn, _backend_pid(conn))
        except psycopg2.Error as error:
            conn.close()
            said = explain_error(error, "Preparar la sesión", left=STEP_CHANGED_NOTHING)
            raise refused(said.what, said.move) from error
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


def _require_version(conn: Connection) -> None:
    if (version := conn.info.server_version) < OLDEST_SERVER:
        raise refused(
            f"El servidor es PostgreSQL {version // 10000}; este runbook necesita la versión 14 o una posterior",
            "Actualice el servidor antes de migrar.",
        )


def _settle(conn: Connection, run_id: str) -> None:
    """SET after the login (poolers refuse startup parameters) and read back; what this server does not know is left out."""
    wanted = wanted_settings(run_id)
    conn.set_client_encoding(CLIENT_ENCODING)
    # Not yet our search_path: everything qualified, and no unnest of two arrays, which cannot be.
    fetch_all(conn, f"SELECT pg_catalog.set_config(key, value, false) {SETTINGS_TABLE} {KNOWN}", (json.dumps(wanted),))
    for sign in LIFE_SIGNS.items():
        with suppress(psycopg2.Error):
            fetch_all(conn, "SELECT pg_catalog.set_config(%s, %s, false)", sign)
    read = fetch_all(conn, f"SELECT key, pg_catalog.current_setting(key) {SETTINGS_TABLE} {KNOWN}", (json.dumps(wanted),))
    wrong = wrong_settings(wanted, dict(read))
    if wrong:
        raise refused(
            f"La sesión no conserva sus ajustes ({'; '.join(wrong)})",
            "Use una conexión directa o un pooler en modo sesión.",
        )
    _require_sound(conn)


def _require_sound(conn: Connection) -> None:
    """What we may not set ourselves."""
    rows = fetch_all(conn, "SELECT name, setting, source FROM pg_settings WHERE name = ANY (%s)", (list(EXPECTED),))
    read = {str(row[0]): (str(row[1]), str(row[2])) for row in rows}
    role, database = fetch_all(conn, "SELECT session_user, current_database()")[0]
    said, remedies = unexpected_settings(read, role, database)
    if said:
        raise refused(
            f"La sesión tiene un ajuste con el que los datos no son fiables ({'; '.join(said)})",
            f"Pídalo a un superusuario: {'; '.join(dict.fromkeys(remedies))}; y repita la orden.",
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
