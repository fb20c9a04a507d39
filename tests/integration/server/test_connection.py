"""Connecting: one login, what failed said in words, our settings whatever role and environment say."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.core.errors import COMMITTED_STAYS, MigrationError
from plugins.module_utils.core.waits import Wait
from plugins.module_utils.server import db, identity
from plugins.module_utils.server.connect import _require_version, connect
from tests.sample.supabase import DEFAULT_OWNER, NASTY_PASSWORD
from tests.support.databases import Database
from tests.support.tls import tls_proxy
from tools.postgres_server import PostgresServer, address


@pytest.fixture
def tls_url(empty_database: Database, tmp_path: Path) -> Iterator[str]:
    with tls_proxy(empty_database.server, tmp_path) as port:
        yield address(port, empty_database.name, DEFAULT_OWNER, NASTY_PASSWORD)


def refusal(url: str) -> MigrationError:
    with pytest.raises(MigrationError) as raised:
        connect(url, "prueba").close()
    return raised.value


def logins_refused(server: PostgresServer) -> int:
    return (server.home / "log").read_text(errors="replace").count("password authentication failed")


# --- the login


def test_a_password_of_special_characters_works(empty_database: Database) -> None:
    with closing(connect(empty_database.url, "r1")) as conn:
        info = identity.describe_database(conn)
    assert (info.database, info.role) == (empty_database.name, DEFAULT_OWNER)
    assert any(sign in NASTY_PASSWORD for sign in '%@:/#"ñ')


def test_a_wrong_password_costs_one_login(empty_database: Database) -> None:
    before = logins_refused(empty_database.server)
    error = refusal(empty_database.server.url(empty_database.name, DEFAULT_OWNER, "wrong-secret"))
    assert error.code == "login"
    assert "rechazó la contraseña" in str(error)
    assert "wrong-secret" not in str(error)
    assert logins_refused(empty_database.server) == before + 1


def test_a_wrong_password_costs_one_login_where_tls_is_offered_too(empty_database: Database, tmp_path: Path) -> None:
    """libpq's own default tries again without TLS."""
    server = empty_database.server
    with tls_proxy(server, tmp_path) as port:
        url = address(port, empty_database.name, DEFAULT_OWNER, "wrong-secret")
        before = logins_refused(server)
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(url)
        assert logins_refused(server) == before + 2
        assert refusal(url).code == "login"
        assert logins_refused(server) == before + 3


def test_tls_is_taken_where_it_is_offered(tls_url: str) -> None:
    with closing(connect(tls_url, "r1")) as conn:
        assert conn.info.ssl_in_use


def test_a_certificate_of_nobody_is_refused_when_the_url_asks_for_a_known_one(tls_url: str, tmp_path: Path) -> None:
    for more in ("?sslmode=verify-full", f"?sslmode=verify-full&sslrootcert={tmp_path}/proxy.pem"):
        assert str(refusal(tls_url + more)).startswith("TLS:")


def test_the_operators_environment_says_nothing(empty_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=1 -c search_path=public")
    monkeypatch.setenv("PGAPPNAME", "psql")
    monkeypatch.setenv("PGTZ", "America/Guayaquil")
    monkeypatch.setenv("PGPASSWORD", "another")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSERVICE", "none")
    with closing(connect(empty_database.url, "r1")) as conn:
        assert db.fetch_one(conn, "SELECT current_setting('application_name')") == ("migracion:r1",)
    bare = empty_database.url.replace(empty_database.url.split("@")[0], f"postgresql://{DEFAULT_OWNER}")
    assert refusal(bare).code == "login"


# --- which step failed


def test_each_step_that_fails_is_named(empty_database: Database) -> None:
    server = empty_database.server
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    assert str(refusal("")).startswith("DATABASE_URL está vacía")
    assert str(refusal("postgresql://u:p@no-such-host.invalid/d")).startswith("Nombre:")
    assert str(refusal(f"postgresql://u:p@127.0.0.1:{closed}/d")).startswith("Puerto:")
    assert str(refusal(server.url() + "?sslmode=require")).startswith("TLS:")
    missing = refusal(server.url("no_existe", DEFAULT_OWNER, NASTY_PASSWORD))
    assert 'la base de datos "no_existe" no existe' in str(missing)


def test_an_address_of_ipv6_only_is_explained_with_the_one_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    only = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 5432, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: only)

    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    said = str(refusal("postgresql://postgres:p@db.abc.supabase.co:5432/postgres"))
    assert said.startswith("Ruta:")
    assert "solo tiene dirección IPv6" in said
    assert "pooler.supabase.com:5432" in said


def test_something_else_on_that_port_is_not_taken_for_a_postgresql() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n")
            client.close()

        thread = threading.Thread(target=answer)
        thread.start()
        said = str(refusal(f"postgresql://u:p@127.0.0.1:{listener.getsockname()[1]}/d"))
        thread.join()
    assert "no contesta como un PostgreSQL" in said


def test_an_old_server_is_refused() -> None:
    with pytest.raises(MigrationError, match="PostgreSQL 13"):
        _require_version(SimpleNamespace(info=SimpleNamespace(server_version=130010)))


# --- statements


def test_a_transaction_is_all_or_nothing_and_the_session_usable_afterwards(conn: Any) -> None:
    db.run_sql(conn, "CREATE TABLE public.t (id int PRIMARY KEY)")
    with pytest.raises(psycopg2.errors.UniqueViolation), db.transaction(conn):
        db.execute(conn, "INSERT INTO public.t VALUES (1); INSERT INTO public.t VALUES (1)")
    with db.transaction(conn), db.joined(conn):
        db.execute(conn, "INSERT INTO public.t VALUES (%s)", (2,))
    with db.rolled_back(conn):
        db.execute(conn, "INSERT INTO public.t VALUES (%s)", (3,))
    assert db.fetch_all(conn, "SELECT id FROM public.t") == [(2,)]


def test_percent_signs_are_literal_in_rendered_text_and_safe_in_names(conn: Any) -> None:
    db.run_sql(conn, """CREATE TABLE public."100% ñ" ("50%s" text); INSERT INTO public."100% ñ" VALUES ('5 %')""")
    query = db.compose("SELECT {column} FROM {table} WHERE {column} = %s", column="50%s", table=("public", "100% ñ"))
    assert db.fetch_all(conn, query, ("5 %",)) == [("5 %",)]


def test_a_lost_session_is_explained_and_hides_nothing(empty_database: Database, conn: Any) -> None:
    pid = db.fetch_one(conn, "SELECT pg_backend_pid()")
    assert pid is not None
    empty_database.query("SELECT pg_terminate_backend(%s)", pid)
    explaining = db.explaining("copiar", left=COMMITTED_STAYS)
    with pytest.raises(MigrationError, match="la misma orden continúa") as raised, explaining, db.transaction(conn):
        db.fetch_one(conn, "SELECT 1")
    assert raised.value.code == "lost"
    assert COMMITTED_STAYS in str(raised.value)
    assert str(raised.value).startswith("copiar: ")


def test_a_missing_privilege_is_explained_with_step_and_sqlstate(empty_database: Database, conn: Any) -> None:
    empty_database.query("CREATE TABLE public.ajena (id int)")
    with pytest.raises(MigrationError) as raised, db.explaining("escribir", left=COMMITTED_STAYS):
        db.execute(conn, "INSERT INTO public.ajena VALUES (1)")
    assert str(raised.value).startswith("escribir: al rol le falta un permiso")
    assert raised.value.details == {"sqlstate": "42501"}


def hold(database: Database, statement: str, seconds: float) -> Callable[[], None]:
    """Hold the locks of a statement in another session for some time."""
    ready = threading.Event()

    def work() -> None:
        with database.cursor() as cursor:
            cursor.execute(statement)
            ready.set()
            time.sleep(seconds)

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(10)
    return thread.join


def test_a_lock_is_tried_again_and_again_without_stopping_others(empty_database: Database, conn: Any) -> None:
    db.run_sql(conn, "CREATE TABLE public.t (id int)")
    done = hold(empty_database, "INSERT INTO public.t VALUES (1)", 0.6)
    db.with_lock_retries(conn, lambda c: db.run_sql(c, "ALTER TABLE public.t ADD COLUMN n int"), Wait(50, 10), "t")
    done()
    assert db.fetch_all(conn, "SELECT id, n FROM public.t") == [(1, None)]


def test_a_lock_that_is_never_given_names_who_holds_it(empty_database: Database, conn: Any) -> None:
    db.run_sql(conn, "CREATE TABLE public.t (id int)")
    done = hold(empty_database, "INSERT INTO public.t VALUES (1)", 3)
    with pytest.raises(
        MigrationError,
        match=r"No se obtuvo el bloqueo de public.t \(ACCESS EXCLUSIVE\) en 3 intentos de 200 ms .* Lo impide el pid",
    ) as raised:
        db.with_lock_retries(conn, lambda c: db.run_sql(c, "DROP TABLE public.t"), Wait(200, 3), "public.t (ACCESS EXCLUSIVE)")
    done()
    assert raised.value.code == "locked"
    assert db.fetch_one(conn, "SELECT count(*) FROM public.t") == (1,)


def test_between_two_tries_for_a_lock_there_is_a_pause_that_grows(conn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(db, "time", SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic))
    clash = "DO $$ BEGIN RAISE lock_not_available; END $$"
    with pytest.raises(MigrationError, match="No se obtuvo el bloqueo de t en 8 intentos"):
        db.with_lock_retries(conn, lambda c: db.run_sql(c, clash), Wait(20, 8), "t")
    assert len(pauses) >= 7
    assert all(0.02 < pause <= 3 for pause in pauses)
    assert pauses[6] > 3 * pauses[0]


def test_a_folder_without_a_socket_is_named(tmp_path: Path) -> None:
    assert "No hay ningún servidor en el socket" in str(refusal(f"postgresql://u:p@/d?host={tmp_path}"))


@pytest.mark.parametrize("conforming", ["on", "off"])
def test_a_text_arrives_as_it_is_whatever_the_login_found(empty_database: Database, conforming: str) -> None:
    empty_database.query(f'ALTER DATABASE "{empty_database.name}" SET standard_conforming_strings = {conforming}')
    texts = ["\\", "\\'", "a\\nb", "'; --", "%s %(x)s {}", "ñandú €", "", "\\\\", "E'\\'"]
    with closing(connect(empty_database.url, "r1")) as conn:
        assert db.fetch_one(conn, "SELECT %s", (texts,)) == (texts,)
        for text in texts:
            assert db.fetch_one(conn, "SELECT %s::text, %s", (text, text)) == (text, text)
        with pytest.raises(ValueError, match="0"):
            db.fetch_one(conn, "SELECT %s", ("a\0b",))
