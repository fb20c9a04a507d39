"""Settings of a database, of a role in it and of an operator's machine that change what SQL means, reads or prints."""

from __future__ import annotations

from typing import Any

import psycopg2
from psycopg2 import sql

from .databases import Database

COMMON = {
    "TimeZone": "America/Guayaquil",
    "timezone_abbreviations": "Australia",
    "statement_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
    "lock_timeout": "1s",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "transform_null_equals": "on",
    "row_security": "on",
    "array_nulls": "off",
    "enable_seqscan": "off",
    "client_min_messages": "error",
    "plpgsql.extra_errors": "all",
    "lc_messages": "es_EC.UTF-8",
}
HOSTILE = {
    "days first": {
        **COMMON,
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "sql_standard",
        "extra_float_digits": "0",
        "default_transaction_isolation": "serializable",
        "default_transaction_deferrable": "on",
        "search_path": "auth, extensions, public",
        "client_encoding": "LATIN1",
        "plpgsql.variable_conflict": "use_column",
    },
    "everything quoted": {
        **COMMON,
        "DateStyle": "German, YMD",
        "IntervalStyle": "iso_8601",
        "extra_float_digits": "-10",
        "default_transaction_isolation": "repeatable read",
        "search_path": "",
        "quote_all_identifiers": "on",
        "xmloption": "document",
        "escape_string_warning": "off",
        "plpgsql.variable_conflict": "use_variable",
    },
}
ENVIRONMENT = {
    "PGOPTIONS": "-c statement_timeout=1 -c search_path=auth -c default_transaction_read_only=on",
    "PGAPPNAME": "psql",
    "PGTZ": "Asia/Kolkata",
    "PGDATESTYLE": "Postgres, DMY",
    "PGCLIENTENCODING": "SQL_ASCII",
    "PGSSLMODE": "verify-full",
    "PGUSER": "nadie",
}


def put(database: Database, settings: dict[str, str]) -> None:
    """Set them on the database and on its owner there; what this server does not know is left out."""
    for name, value in settings.items():
        for what in ("DATABASE {database}", "ROLE {role} IN DATABASE {database}"):
            names = {"database": sql.Identifier(database.name), "role": sql.Identifier(database.role)}
            statement = sql.SQL(f"ALTER {what} SET {{name}} = {{value}}")
            value_sql: Any = sql.Literal(value)
            if name == "search_path":
                value_sql = sql.SQL(", ").join(map(sql.Literal, value.split(", ")))
            _run(database, statement.format(**names, name=sql.SQL(name), value=value_sql), name == "lc_messages")


def _run(database: Database, statement: Any, may_be_unknown: bool) -> None:
    try:
        # a session that has the settings already would be one of their victims
        with database.cursor(database.server.url()) as cursor:
            cursor.execute(statement)
    except psycopg2.errors.InvalidParameterValue:
        if not may_be_unknown:
            raise


def take_away(database: Database) -> None:
    """As if nothing had ever been set."""
    names = map(sql.Identifier, (database.name, database.role, database.name))
    with database.cursor(database.server.url()) as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} RESET ALL; ALTER ROLE {} IN DATABASE {} RESET ALL").format(*names))
