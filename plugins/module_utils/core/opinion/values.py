"""One value: what INSERT makes of a legacy value in the Spanish column, as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from ..mapping.column_types import INTEGERS, NUMBERS, TEXTS, TIMESTAMPS, canonical, family
from . import dates
from .fates import HardJson, Instant, Known, UnfitError, UnknownYetError
from .json_text import DEEP, LONG, NO_JSON, depth_of, parsed_json, written_json
from .numbers import fitted_number

TEXT_BASES = (*TEXTS, "name", "citext", "enum")
TOO_LONG, NO_UUID = "22001", "22P02"
_UUID = re.compile(r"(\{)?((?:[0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4})(?(1)\})")
_ZONED = "timestamp with time zone"


def is_text(base: str) -> bool:
    """Tell whether a legacy column of that base type holds texts."""
    return base in TEXT_BASES


def converted(base: str, type_: str, text: str, known: Known, *, zone: str | None = None, codec: str = "utf-8") -> str:
    """Return a legacy value, of a column of that base type, as a Spanish column of ``type_`` holds it.

    Raises UnfitError where it does not fit, UnknownYetError where a server has to be asked, ValueError where one type does not
    become the other at all.
    """
    return _conversion(base, type_, zone, codec)(text, known)


@cache
def _conversion(base: str, type_: str, zone: str | None, codec: str) -> Callable[[str, Known], str]:
    """Which way values of these types go, found once for all of them. Raises ValueError where there is none."""
    kind = family(type_)
    if kind in TEXTS and (is_text(base) or base in ("uuid", *INTEGERS)):
        return lambda text, _: _fitted_text(type_, text)
    if kind == "jsonb" and (is_text(base) or base == "json"):
        return lambda text, known: jsonb_of(text, known, codec)
    if kind == "uuid" and is_text(base):
        return lambda text, _: _uuid(text)
    if kind in NUMBERS and base in NUMBERS:
        return lambda text, _: fitted_number(base, type_, text)
    if kind == "timestamp without time zone" and is_text(base):
        return _instant
    if kind == "timestamp without time zone" and base in TIMESTAMPS:
        return lambda text, _: dates.utc_of_zoned(text) if base == _ZONED else dates.utc_of_local(text, zone or "UTC")
    if kind != base:
        raise ValueError(f"{base} does not become {type_}")
    return lambda text, _: text


def default_value(type_: str, text: str, known: Known, codec: str = "utf-8") -> str:
    """Return a value that the mapping says itself as the Spanish column holds it."""
    kind = family(type_)
    if kind in NUMBERS:
        return fitted_number("numeric", type_, text.removeprefix("+"))
    if kind == "boolean":
        return canonical(type_, text)
    if kind == "timestamp with time zone":
        return _instant(text, known) + "+00"
    return text if kind in ("date", "json") else converted("text", type_, text, known, codec=codec)


def jsonb_of(text: str, known: Known, codec: str = "utf-8") -> str:
    """Return the text as jsonb writes it.

    Raises UnfitError where it is none, UnknownYetError where it is so deep or long that the server has to be asked.
    """
    if len(text) <= LONG:
        try:
            written = written_json(parsed_json(text, codec), codec)
        except UnfitError:  # whatever is wrong with it, a number included
            raise UnfitError(NO_JSON) from None
        if depth_of(text) <= DEEP:
            return written
    if (said := answer(HardJson(text), known)) is None:
        raise UnfitError(NO_JSON)
    return said


def answer(asked: Instant | HardJson, known: Known) -> str | None:
    """Return what the server said of a text. Raises UnknownYetError where it was not asked yet."""
    if asked not in known.texts:
        raise UnknownYetError(frozenset([asked]))
    return known.texts[asked]


def _fitted_text(type_: str, text: str) -> str:
    """Blanks beyond the length go; anything else beyond it does not fit. A padded type shows no blanks at the end at all."""
    base, size = _length(type_)
    if size is not None and len(text) > size:
        if text[size:].strip(" "):
            raise UnfitError(TOO_LONG)
        text = text[:size]
    return text.rstrip(" ") if base == "character" else text


@cache
def _length(type_: str) -> tuple[str, int | None]:
    base, _, size = type_.rstrip(")").partition("(")
    return base, int(size) if size else None


def _uuid(text: str) -> str:
    found = _UUID.fullmatch(text)
    if not found:
        raise UnfitError(NO_UUID)
    digits = found[2].replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _instant(text: str, known: Known) -> str:
    if dates.passes(text):
        raise UnfitError(dates.NO_DATE)
    read = dates.utc_of_iso(text) or answer(Instant(text), known)
    if read is None:
        raise UnfitError(dates.NO_DATE)
    return read
