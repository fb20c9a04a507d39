"""The settings that every session of the runbook has, whatever role, database or pooler say. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .. import waits
from ..sqltext import ident

# Seconds for which a session of ours may sit in an open transaction: longer than any pause of a living module, shorter than
# the silence after which another run may take the lease over.
IDLE_IN_TRANSACTION = 45
# What the server may not know, by version: it is then left out. Why each is set or not: docs/server-settings.md.
SETTINGS = {
    "statement_timeout": "0",
    waits.NAME: waits.SESSION,
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION}s",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "exit_on_error": "off",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "timezone_abbreviations": "Default",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "search_path": "pg_catalog",
    "row_security": "off",
    "restrict_nonsystem_relation_kind": "",
    "check_function_bodies": "on",
    "client_min_messages": "warning",
    "jit": "off",
    "plan_cache_mode": "auto",
    "force_parallel_mode": "off",
    "debug_parallel_query": "off",
    "gin_fuzzy_search_limit": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "default_table_access_method": "heap",
    "default_tablespace": "",
    "synchronous_commit": "on",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "client_encoding": "UTF8",
}
# How soon the server notices that this machine is gone. Not every platform or kind of connection can, so nobody asks.
LIFE_SIGNS = {
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "40000",
}
# What only a superuser may set, and only a superuser can have set for us: with another value rows are not what they seem.
EXPECTED = {
    "session_replication_role": ("origin", "con ese valor no se disparan ni las claves foráneas ni los disparadores"),
    "zero_damaged_pages": ("off", "con ese valor las páginas dañadas se leen como si estuvieran vacías"),
    "ignore_checksum_failure": ("off", "con ese valor las páginas dañadas se leen como si estuvieran sanas"),
}


def wanted_settings(run_id: str) -> dict[str, str]:
    """Name to value, as current_setting() writes it."""
    return SETTINGS | {"application_name": f"migracion:{run_id}"[:63]}


def wrong_settings(wanted: Mapping[str, str], read: Mapping[str, str]) -> list[str]:
    """What did not hold, in words; what the server does not know is not in ``read``."""
    return [f"{name} es {value!r} en vez de {wanted[name]!r}" for name, value in read.items() if wanted[name] != value]


def unexpected_settings(read: Mapping[str, tuple[str, str]], role: str, database: str) -> tuple[list[str], list[str]]:
    """What of EXPECTED is otherwise, in words, and the statements that mend it. ``read``: name to value and source."""
    said, remedies = [], []
    places = {
        "user": f"ALTER ROLE {ident(role)} RESET {{}}",
        "database": f"ALTER DATABASE {ident(database)} RESET {{}}",
        "database user": f"ALTER ROLE {ident(role)} IN DATABASE {ident(database)} RESET {{}}",
    }
    for name, (value, source) in read.items():
        wanted, why = EXPECTED[name]
        if value != wanted:
            said.append(f"{name} es {value!r}: {why}")
            remedies.append(places.get(source, "ALTER SYSTEM RESET {}; SELECT pg_reload_conf()").format(name))
    return said, remedies
