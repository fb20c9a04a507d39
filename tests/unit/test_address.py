"""DATABASE_URL: what it must say, and what a refusal means, without a word of the password."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.server.address import (
    Address,
    address_from,
    explain_login,
    parameters,
    transaction_pooler,
    unreadable,
)

FULL = {"host": "db.example.com", "user": "ana", "dbname": "tinkubot", "password": "s3cr/et"}
ADDRESS = Address("db.example.com", 5432, "ana", "tinkubot", "s3cr/et")


def test_a_full_address_is_taken_as_it_is() -> None:
    assert address_from(FULL) == ADDRESS
    assert "s3cr" not in repr(ADDRESS)
    assert "s3cr" not in ADDRESS.shown()


@pytest.mark.parametrize("missing", ["host", "user", "dbname"])
def test_what_libpq_would_guess_has_to_be_said(missing: str) -> None:
    with pytest.raises(MigrationError, match="le falta"):
        address_from({key: value for key, value in FULL.items() if key != missing})


@pytest.mark.parametrize(
    "parsed",
    [
        {**FULL, "host": "et@db.example.com"},  # p@ss: libpq takes the rest of the password for the host
        {**FULL, "port": "s3cr"},  # pa/ss: it takes a piece for the port
        {**FULL, "dbname": "et@db.example.com/tinkubot"},
        {**FULL, "port": "99999"},
    ],
)
def test_a_badly_encoded_password_is_explained_and_not_quoted(parsed: dict[str, str]) -> None:
    with pytest.raises(MigrationError, match="codificados") as raised:
        address_from(parsed)
    assert "s3cr" not in str(raised.value)
    assert "et@" not in str(raised.value)


def test_several_hosts_leave_a_doubt_about_which_is_migrated() -> None:
    with pytest.raises(MigrationError, match="varios servidores"):
        address_from({**FULL, "host": "a,b", "port": ",5433"})


@pytest.mark.parametrize(
    ("offers", "mode", "taken"),
    [(True, "", "require"), (False, "", "disable"), (True, "prefer", "require"), (False, "verify-full", "verify-full")],
)
def test_tls_is_never_left_to_a_second_login(offers: bool, mode: str, taken: str) -> None:
    params = parameters(address_from({**FULL, "sslmode": mode}), "192.0.2.1", offers)
    assert params["sslmode"] == taken
    assert params["gssencmode"] == "disable"
    assert "application_name" not in params


def test_parameters_of_other_programs_are_named() -> None:
    error = unreadable("postgresql://ana:s3cr@h/d?pgbouncer=true&connection_limit=1")
    assert "pgbouncer, connection_limit" in str(error)
    assert "s3cr" not in str(error)


@pytest.mark.parametrize("url", ["postgresql://ana:s3cr?et=x@h/d", "postgresql://ana:100%s3cr@h/d", "s3cr"])
def test_an_unreadable_url_is_not_repeated(url: str) -> None:
    assert "s3cr" not in str(unreadable(url))


@pytest.mark.parametrize(
    ("message", "said", "code"),
    [
        ('FATAL:  password authentication failed for user "ana"', "rechazó la contraseña", "login"),
        ("FATAL:  la autentificación password falló para el usuario «ana»", "rechazó la contraseña", "login"),
        ('FATAL:  database "tinkubot" does not exist', 'la base de datos "tinkubot" no existe', "login"),
        ("FATAL:  no existe la base de datos «tinkubot»", 'la base de datos "tinkubot" no existe', "login"),
        ('FATAL:  role "ana" does not exist', 'el rol "ana" no existe', "login"),
        ("FATAL:  no existe el rol «ana»", 'el rol "ana" no existe', "login"),
        ('FATAL:  role "ana" is not permitted to log in', "NOLOGIN", "login"),
        ('FATAL:  no pg_hba.conf entry for host "1.2.3.4", user "ana", database "x", no encryption', "pg_hba.conf", "login"),
        ("FATAL:  Tenant or user not found", "postgres.<ref-del-proyecto>", "login"),
        ("FATAL:  Circuit breaker open: too many authentication errors", "Espere dos minutos", "login"),
        ("FATAL:  sorry, too many clients already", "conexiones libres", "connection"),
        ("FATAL:  lo siento, ya tenemos demasiados clientes", "conexiones libres", "connection"),
        ("FATAL:  the database system is starting up", "iniciando o apagando", "connection"),
        ("FATAL:  el sistema de base de datos está iniciándose", "iniciando o apagando", "connection"),
        ('FATAL:  permission denied for database "tinkubot"', "GRANT CONNECT", "login"),
        ("SSL error: certificate verify failed", "sslrootcert", "connection"),
        ("fe_sendauth: no password supplied", "no la lleva", "login"),
        ("server closed the connection unexpectedly", "cerró la conexión", "connection"),
        ("could not receive data from server: Connection reset by peer", "cerró la conexión", "connection"),
        ("no Python encoding for PostgreSQL encoding 'EUCTW'", "sino la biblioteca de aquí: no Python encoding", "connection"),
        ("session is not read-only", "sino la biblioteca de aquí: session is not read-only", "connection"),
        ("channel binding required, but SSL not in use", "sino la biblioteca de aquí: channel binding", "connection"),
        ("algo de aquí con s3cr/et dentro", "sino la biblioteca de aquí: algo de aquí con ***", "connection"),
        ("FATAL:  algo nuevo con s3cr/et dentro", "algo nuevo con *** dentro", "login"),
    ],
)
def test_a_refused_login_says_which_thing_failed(message: str, said: str, code: str) -> None:
    prefix = 'connection to server at "db.example.com" (192.0.2.1), port 5432 failed: '
    error = explain_login(ADDRESS, prefix + message + "\n", True)
    assert said in str(error)
    assert error.code == code
    assert "s3cr" not in str(error)


def test_a_transaction_pooler_is_refused_with_the_address_to_take() -> None:
    supabase = Address("aws-0-sa-east-1.pooler.supabase.com", 6543, "postgres.abc", "postgres", "s3cr/et")
    said = str(transaction_pooler(supabase))
    assert "postgresql://postgres.abc:***@aws-0-sa-east-1.pooler.supabase.com:5432/postgres" in said
    assert "pool_mode=session" in str(transaction_pooler(ADDRESS))


@pytest.mark.parametrize(("password", "said"), [("abcd", "*** y ***"), ("abc", "abc y abc"), ("a/bc", "*** y ***")])
def test_a_password_is_masked_unless_it_is_as_short_as_a_word(password: str, said: str) -> None:
    text = f"{password} y {password.replace('/', '%2F')}"
    assert Address("db.example.com", 5432, "ana", "tinkubot", password).mask(text) == said


@pytest.mark.parametrize(("port", "fits"), [("0", False), ("1", True), ("65535", True), ("65536", False), ("x", False)])
def test_a_port_is_one_that_there_is(port: str, fits: bool) -> None:
    if fits:
        assert address_from(FULL | {"port": port}).port == int(port)
    else:
        with pytest.raises(MigrationError, match="no se puede leer bien"):
            address_from(FULL | {"port": port})
