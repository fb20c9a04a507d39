"""Names of column types as PostgreSQL writes them, and which texts are values of a type."""

from __future__ import annotations

import json
import re
import uuid
from decimal import Decimal, InvalidOperation
from functools import cache
from zoneinfo import ZoneInfo

from ..sqltext import literal

SERIAL = {"smallserial": "smallint", "serial": "integer", "bigserial": "bigint"}
INTEGERS = {"smallint": 16, "integer": 32, "bigint": 64}
TEXTS = ("text", "character varying", "character")
TIMESTAMPS = ("timestamp without time zone", "timestamp with time zone")
JSON = ("json", "jsonb")
NUMBERS = (*INTEGERS, "numeric", "real", "double precision")
_PLAIN = ("text", *INTEGERS, "boolean", "uuid", *JSON, "date", "real", "double precision", *TIMESTAMPS)
_ALIASES = {
    "int2": "smallint",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "bool": "boolean",
    "float4": "real",
    "float8": "double precision",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varchar": "character varying",
    "char": "character",
    "decimal": "numeric",
}
_SIZED = ("character varying", "character", "numeric")
KNOWN_TYPES = (*_PLAIN, *_SIZED, *_ALIASES, *SERIAL)
_WRITTEN = re.compile(r"([a-z0-9 ]+?)(?: ?\( ?([0-9]{1,9}) ?(?:, ?([0-9]{1,9}) ?)?\))?")
_ZONE = re.compile(r"UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]*)+")
_MAX_LENGTH = 10485760
_MAX_DIGITS = 1000
_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")


def type_name(written: str) -> str | None:
    """Return the type as format_type() writes it, or None for what is no known type; serials become integers."""
    found = _WRITTEN.fullmatch(" ".join(written.lower().split()))
    if not found:
        return None
    base, first, second = found.groups()
    base = SERIAL.get(base) or _ALIASES.get(base) or base
    if first is None:
        bare = "character(1)" if base == "character" else base
        return bare if base in _PLAIN or base in _SIZED else None
    if base == "numeric" and 1 <= int(first) <= _MAX_DIGITS and int(second or 0) <= int(first):
        return f"numeric({int(first)},{int(second or 0)})"
    if base in ("character varying", "character") and second is None and 1 <= int(first) <= _MAX_LENGTH:
        return f"{base}({int(first)})"
    return None


def misfit(type_: str, text: str) -> str | None:
    """Return why the text cannot be a value of the type, or None where it can."""
    base, sizes = _split(type_)
    if base in ("character varying", "character"):
        if sizes and len(text) > sizes[0]:
            return f"«{text}» tiene {len(text)} caracteres y la columna, {type_}, admite {sizes[0]}"
        return None
    if _is_value(base, sizes, text):
        return None
    return f"«{text}» no es un valor de {type_}"


def canonical(type_: str, text: str) -> str:
    """Return the text of a value in one spelling: YAML and SQL both know many for true and false."""
    if type_ != "boolean":
        return text
    return "true" if text.lower() in _TRUE else "false"


def is_zone(text: str) -> bool:
    """Tell whether the text is UTC or a place by whose clock people go, as this machine's tzdata knows it.

    An abbreviation or an offset knows no summer time, and is read otherwise elsewhere.
    """
    try:
        return _ZONE.fullmatch(text) is not None and ZoneInfo(text) is not None
    except (KeyError, ValueError, OSError):
        return False


def sql_value(type_: str, text: str) -> str:
    """Return a value that fits the type as SQL text, for DEFAULT."""
    base = family(type_)
    if base in NUMBERS or base == "boolean":
        return canonical(type_, text)
    quoted = literal(text).strip()
    return f"{quoted}::{type_}" if base in JSON else quoted


@cache
def family(type_: str) -> str:
    """Return the type without its length or precision."""
    return _split(type_)[0]


@cache  # asked for every value that is judged
def _split(type_: str) -> tuple[str, tuple[int, ...]]:
    base, _, sizes = type_.partition("(")
    return base, tuple(int(n) for n in sizes.rstrip(")").split(",") if n)


def _is_value(base: str, sizes: tuple[int, ...], text: str) -> bool:
    if base in INTEGERS:
        half = 2 ** (INTEGERS[base] - 1)
        return re.fullmatch(r"[+-]?[0-9]{1,30}", text) is not None and -half <= int(text) < half
    if base in NUMBERS:
        return _is_number(sizes, text)
    if base == "boolean":
        return text.lower() in _TRUE + _FALSE
    if base in JSON:
        return _is_json(text)
    if base == "uuid":
        return _is_uuid(text)
    return True


def _is_number(sizes: tuple[int, ...], text: str) -> bool:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        return False
    if not sizes:
        return True
    digits, scale = sizes
    try:
        rounded = round(Decimal(text), scale)
    except InvalidOperation:  # more digits than Decimal's context, so more than any column of ours
        return False
    return abs(rounded) < Decimal(10) ** (digits - scale)


def _is_json(text: str) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return "\\u0000" not in text


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
