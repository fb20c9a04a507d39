"""The roles of a Supabase project. Roles belong to the whole cluster, so each is made only where it is missing."""

from __future__ import annotations

from typing import Any

from psycopg2 import sql

DEFAULT_OWNER = "postgres"
# Every character that a careless URL, shell or template trips over.
NASTY_PASSWORD = '%@:/#"ñ 50%25 {{ 7*7 }}'

API_ROLES = ("anon", "authenticated", "service_role")
ROLES = {
    "anon": "NOLOGIN NOINHERIT",
    "authenticated": "NOLOGIN NOINHERIT",
    "service_role": "NOLOGIN NOINHERIT BYPASSRLS",
    "authenticator": "LOGIN NOINHERIT",
    "supabase_auth_admin": "LOGIN NOINHERIT CREATEROLE",
    "tinkubot_reportes": "NOLOGIN",
}
OWNER_ATTRIBUTES = "LOGIN NOSUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS"
OWNER_MEMBERSHIPS = ("pg_read_all_data", "pg_signal_backend", "pg_monitor")
# The owner's two minutes and float digits are the platform's defaults for every other role.
SETTINGS = {
    "anon": {"statement_timeout": "3s"},
    "authenticated": {"statement_timeout": "8s"},
    "authenticator": {"statement_timeout": "8s", "lock_timeout": "8s"},
    "supabase_auth_admin": {"search_path": "auth"},
}
OWNER_SETTINGS = {"statement_timeout": "2min", "extra_float_digits": "0"}


def ensure_roles(cursor: Any, owner: str, password: str) -> None:
    """The platform's roles and the project's owner, who is no superuser; needs a superuser's cursor."""
    for name, attributes in ROLES.items():
        _ensure_role(cursor, name, attributes)
    _ensure_role(cursor, owner, OWNER_ATTRIBUTES)
    cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(owner), sql.Literal(password)))
    _grant(cursor, API_ROLES, "authenticator")
    _grant(cursor, OWNER_MEMBERSHIPS, owner)
    # Before 16 the option would let the owner hand the roles on only; from 16 on Supabase gives it.
    _grant(cursor, API_ROLES, owner, admin=cursor.connection.server_version >= 160000)
    for role, settings in {**SETTINGS, owner: OWNER_SETTINGS}.items():
        for name, value in settings.items():
            statement = sql.SQL("ALTER ROLE {} SET {} = {}")
            cursor.execute(statement.format(sql.Identifier(role), sql.Identifier(name), sql.Literal(value)))


def _ensure_role(cursor: Any, name: str, attributes: str) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
    verb = "ALTER" if cursor.fetchone() else "CREATE"
    cursor.execute(sql.SQL(f"{verb} ROLE {{}} {attributes}").format(sql.Identifier(name)))


def _grant(cursor: Any, roles: tuple[str, ...], member: str, *, admin: bool = False) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, roles))
    option = sql.SQL(" WITH ADMIN OPTION" if admin else "")
    cursor.execute(sql.SQL("GRANT {} TO {}{}").format(names, sql.Identifier(member), option))
