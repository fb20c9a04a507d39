"""The settings that every session of the runbook has, whatever role, database or pooler say. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .. import waits

SETTINGS = {
    "statement_timeout": "0",
    waits.NAME: waits.SESSION,
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "timezone_abbreviations": "Default",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "row_security": "off",
    "jit": "off",
    "default_transaction_isolation": "read committed",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "default_transaction_deferrable": "off",
    "client_encoding": "UTF8",
}


def wanted_settings(run_id: str, server_version: int) -> dict[str, str]:
    """Name to value, as current_setting() writes it."""
    wanted = SETTINGS | {"application_name": f"migracion:{run_id}"[:63]}
    if server_version >= 170000:
        wanted["transaction_timeout"] = "0"
    return wanted


def wrong_settings(wanted: Mapping[str, str], read: Mapping[str, str]) -> list[str]:
    """What did not hold, in words."""
    return [f"{name} es {read.get(name)!r} en vez de {value!r}" for name, value in wanted.items() if read.get(name) != value]
