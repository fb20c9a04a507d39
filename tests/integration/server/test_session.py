"""The session that a login gives: our settings, whatever role, database, environment and home of the operator say."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.errors import COMMITTED_STAYS, MigrationError
from plugins.module_utils.core.server.session import IDLE_IN_TRANSACTION, LIFE_SIGNS, SETTINGS
from plugins.module_utils.ledger import lease
from plugins.module_utils.server import db, identity
from plugins.module_utils.server.beside import login_of, second_session
from plugins.module_utils.server.connect import connect
from tests.integration.server.test_connection import refusal, tls_url
from tests.sample.supabase import DEFAULT_OWNER, NASTY_PASSWORD
from tests.support.databases import Database
from tests.support.pgbouncer import pgbouncer
from tests.support.standby import standby
from tools.postgres_server import PostgresServer, address

__all__ = ["tls_url"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of an operator who keeps there what belongs to another server."""
    folder = tmp_path / "home"
    (folder / ".postgresql").mkdir(parents=True)
    for name in ("root.crt", "root.crl", "postgresql.crt", "postgresql.key"):
        (folder / ".postgresql" / name).write_text("of another server")
        (folder / ".postgresql" / name).chmod(0o644)
    (folder / ".pgpass").write_text("*:*:*:*:another")
    (folder / ".pgpass").chmod(0o600)
    (folder / ".pg_service.conf").write_text("[otro]\nhost=127.0.0.1\nsslmode=require\n")
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_what_lies_in_the_operators_home_says_nothing(tls_url: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"root\.crt"):
        psycopg2.connect(f"{tls_url}?sslmode=require")
    for more in ("", "?sslmode=require", "?sslmode=prefer"):
        with closing(connect(tls_url + more, "r1")) as conn:
            assert conn.info.ssl_in_use
            with closing(second_session(login_of(conn))) as second:
                assert second.info.ssl_in_use
    bare = tls_url.replace(tls_url.split("@")[0], f"postgresql://{DEFAULT_OWNER}")
    assert "no la lleva" in str(refusal(bare))
    assert "otro" in str(refusal(f"{tls_url}?service=otro"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("more", "file"),
    [
        ("sslmode=verify-ca", "root.crt"),
        ("sslmode=require&sslrootcert={home}/root.crt", "root.crt"),
        ("sslcert={home}/postgresql.crt", "postgresql.crt"),
        ("sslmode=verify-full&sslrootcert={home}/none.crt", "none.crt"),
    ],
)
def test_a_file_of_this_machine_that_does_not_serve_is_named_and_not_the_server(
    tls_url: str, home: Path, more: str, file: str
) -> None:
    place = home / ".postgresql"
    said = str(refusal(f"{tls_url}?{more.format(home=place)}"))
    assert said.startswith(f"TLS: no sirve el archivo {place / file} de esta máquina")
    assert "No lo dice el servidor" in said
    assert "el servidor dijo" not in said


def test_no_variable_of_libpq_is_left_to_the_environment(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PGTARGETSESSIONATTRS",
        "PGSSLCERT",
        "PGREQUIREAUTH",
        "PGHOSTADDR",
        "PGSERVICEFILE",
        "PGPASSFILE",
        "PGGSSENCMODE",
    ):
        monkeypatch.setenv(name, "read-only" if name == "PGTARGETSESSIONATTRS" else "none")
    with closing(connect(empty_database.url, "r1")) as conn, closing(second_session(login_of(conn))) as second:
        assert second.info.dbname == empty_database.name
    assert os.environ["PGREQUIREAUTH"] == "none"


def test_the_session_has_our_settings_whatever_role_and_database_say(empty_database: Database) -> None:
    role, name = f'"{DEFAULT_OWNER}"', f'"{empty_database.name}"'
    for setting in ("statement_timeout = '200ms'", "TimeZone = 'America/Guayaquil'", "search_path = public", "row_security = on"):
        empty_database.query(f"ALTER ROLE {role} IN DATABASE {name} SET {setting}")
    for setting in (
        "extra_float_digits = 0",
        "DateStyle = 'SQL, DMY'",
        "default_transaction_isolation = 'serializable'",
        "idle_in_transaction_session_timeout = '1s'",
        "client_encoding = 'LATIN1'",
    ):
        empty_database.query(f"ALTER DATABASE {name} SET {setting}")
    with closing(connect(empty_database.url, "r1")) as conn:
        for setting, value in SETTINGS.items():
            assert db.fetch_one(conn, "SELECT current_setting(%s, true)", (setting,)) in ((value,), (None,))
        assert db.fetch_one(conn, "SELECT 'ñandú €', pg_sleep(0.3)::text") == ("ñandú €", "")


@pytest.mark.parametrize(
    ("where", "setting"),
    [
        ("ROLE {role}", "session_replication_role = replica"),
        ("DATABASE {name}", "zero_damaged_pages = on"),
        ("ROLE {role} IN DATABASE {name}", "ignore_checksum_failure = on"),
    ],
)
def test_a_setting_that_only_a_superuser_can_have_made_is_refused_with_what_takes_it_away(
    empty_database: Database, where: str, setting: str
) -> None:
    place = where.format(role=f'"{DEFAULT_OWNER}"', name=f'"{empty_database.name}"')
    empty_database.query(f"ALTER {place} SET {setting}")
    try:
        said = str(refusal(empty_database.url))
        assert setting.partition(" ")[0] in said
        empty_database.query(said.partition("superusuario: ")[2].removesuffix("; y repita la orden."))
        connect(empty_database.url, "r1").close()
    finally:
        empty_database.query(f"ALTER {place} RESET {setting.partition(' ')[0]}")


def test_the_server_soon_sees_that_this_machine_is_gone(empty_database: Database) -> None:
    with closing(connect(empty_database.url, "r1")) as conn:
        for name, value in LIFE_SIGNS.items():
            assert db.fetch_one(conn, "SELECT current_setting(%s)", (name,)) == (value,)
        given = conn.info.dsn_parameters
    assert (given["keepalives"], given["keepalives_idle"], given["tcp_user_timeout"]) == ("1", "10", "40000")


def test_a_session_that_sits_in_a_transaction_is_ended_and_that_is_said(empty_database: Database) -> None:
    assert 15 < IDLE_IN_TRANSACTION < lease.SILENT_AFTER
    with closing(connect(empty_database.url, "r1")) as conn:
        db.run_sql(conn, "SET idle_in_transaction_session_timeout = '50ms'")
        db.run_sql(conn, "BEGIN")
        db.run_sql(conn, "CREATE TABLE public.nada ()")
        empty_database.query("SELECT pg_sleep(0.5)")
        with pytest.raises(MigrationError) as ended, db.explaining("copiar", left=COMMITTED_STAYS):
            db.run_sql(conn, "COMMIT")
    assert ended.value.code == "lost"
    assert empty_database.value("SELECT to_regclass('public.nada')") is None


def test_a_pooler_in_transaction_mode_is_refused_and_one_in_session_mode_accepted(empty_database: Database) -> None:
    server, users = empty_database.server, {DEFAULT_OWNER: NASTY_PASSWORD}
    with pgbouncer(server, users, "transaction") as port:
        url = address(port, empty_database.name, DEFAULT_OWNER, NASTY_PASSWORD)
        assert "pooler en modo transacción" in str(refusal(url))
    with pgbouncer(server, users, "statement") as port:
        url = address(port, empty_database.name, DEFAULT_OWNER, NASTY_PASSWORD)
        assert "pooler en modo transacción" in str(refusal(url))
    with pgbouncer(server, users, "session") as port:
        url = address(port, empty_database.name, DEFAULT_OWNER, NASTY_PASSWORD)
        with closing(connect(url, "r1")) as conn:
            assert db.fetch_one(conn, "SELECT current_setting('statement_timeout')") == ("0",)


def test_a_standby_is_refused_for_writing(server: PostgresServer) -> None:
    with standby(server) as copy, closing(connect(copy.url(), "r1")) as conn:
        with pytest.raises(MigrationError, match="réplica en espera"):
            identity.require_writable(conn)
        with pytest.raises(MigrationError, match="solo lectura"), db.explaining("probar", left=COMMITTED_STAYS):
            db.run_sql(conn, "CREATE SCHEMA nada")


def test_the_read_only_mode_is_explained_and_not_overridden(empty_database: Database) -> None:
    empty_database.query(f'ALTER DATABASE "{empty_database.name}" SET default_transaction_read_only = on')
    with closing(connect(empty_database.url, "r1")) as conn:
        with pytest.raises(MigrationError, match="95 %"):
            identity.require_writable(conn)
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), db.transaction(conn):
            db.run_sql(conn, "CREATE SCHEMA nada")
