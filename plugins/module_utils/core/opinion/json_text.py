"""JSON as jsonb understands and writes it: keys by length, then by bytes, the last of equal ones; numbers as numeric writes them.

Read and written with a stack of its own: a document may be nested deeper than Python's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .fates import UnfitError
from .numbers import plain_number

NO_JSON = "22P02"
DEEP = 1000  # levels that any server takes; beyond these its stack decides
LONG = 1_000_000  # characters that are read here in seconds; of longer texts the session would be ended before they were
_TOKEN = re.compile(
    r"""[ \t\n\r]*+(?:([][{},:])|("(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")"""
    r"""|(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)|(true|false|null))[ \t\n\r]*+"""
)
_ESCAPE = re.compile(r"((?:\\u[0-9a-fA-F]{4})+)|\\(.)")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WRITTEN = {char: "\\" + short for short, char in _SHORT.items()} | {'"': '\\"', "\\": "\\\\"}
_WRITTEN |= {chr(code): f"\\u{code:04x}" for code in range(32) if chr(code) not in _WRITTEN}
_TO_WRITE = str.maketrans(_WRITTEN)
_WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Number:
    """A number as numeric writes it."""

    text: str


def depth_of(text: str) -> int:
    """Return how many brackets at most are open at once, outside strings: no less than the levels of the document."""
    depth = deepest = 0
    for bracket in re.findall(r"[][{}]", re.sub(r'"(?:[^"\\]++|\\.)*+"', "", text, flags=re.DOTALL)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def parsed_json(text: str, codec: str = "utf-8") -> Any:
    """Return the document: dict, list, str, Number, True, False or None.

    ``codec``: the database's encoding. Raises UnfitError for what jsonb does not take: another grammar, the character 0, half
    a surrogate pair, a number that no numeric holds, an escape that the encoding has no character for.
    """
    document: list[Any] = []
    opened: list[tuple[list[Any] | dict[str, Any], str]] = [(document, "end")]  # each container with what follows its values
    key, expected = "", "value"
    for mark, value in _tokens(text, codec):
        if mark not in _ALLOWED[expected]:
            raise UnfitError(NO_JSON)
        holder, after = opened[-1]
        if mark in ",:":
            expected = _BEHIND_SIGN[expected]
        elif mark in "]}":
            opened.pop()
            expected = opened[-1][1]
        elif expected in ("key", "first key"):
            key, expected = value, "colon"
        else:
            if isinstance(holder, dict):
                holder.pop(key, None)
                holder[key] = value
            else:
                holder.append(value)
            expected = after
            if mark in "[{":
                opened.append((value, "after item" if mark == "[" else "after member"))
                expected = "first value" if mark == "[" else "first key"
    if expected != "end":
        raise UnfitError(NO_JSON)
    return document[0]


# By what may come next: the marks of a token that are allowed there, s for a string and v for any other single value.
_ALLOWED = {
    "value": "[{sv",
    "first value": "[{sv]",
    "key": "s",
    "first key": "s}",
    "colon": ":",
    "after item": ",]",
    "after member": ",}",
    "end": "",
}
_BEHIND_SIGN = {"colon": "value", "after item": "value", "after member": "key"}


def _tokens(text: str, codec: str) -> Iterator[tuple[str, Any]]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            if text[place:].strip(" \t\n\r"):
                raise UnfitError(NO_JSON)
            return
        place = found.end()
        sign, string, number, word = found.groups()
        if sign:
            yield sign, {"[": list, "{": dict}.get(sign, str)()
        elif string:
            yield "s", _unescaped(string[1:-1], codec)
        elif number:
            yield "v", Number(plain_number(number))
        else:
            yield "v", _WORDS[word]


def _unescaped(written: str, codec: str) -> str:
    if "\\" not in written:
        return written

    def meant(found: re.Match[str]) -> str:
        if not found[1]:
            return _SHORT.get(found[2], found[2])
        units = b"".join(int(unit, 16).to_bytes(2, "big") for unit in found[1].split("\\u")[1:])
        try:
            plain = units.decode("utf-16-be")
            plain.encode(codec)
        except UnicodeError:
            raise UnfitError(NO_JSON) from None
        if "\0" in plain:
            raise UnfitError(NO_JSON)
        return plain

    return _ESCAPE.sub(meant, written)


def written_json(document: Any, codec: str = "utf-8") -> str:
    """Return the document as jsonb writes it in a database of that encoding."""
    written: list[str] = []
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Number | _Sign):
            written.append(value.text)
        elif isinstance(value, str):
            written.append(_quoted(value))
        elif isinstance(value, list):
            waiting += reversed([_Sign("["), *_joined([item] for item in value), _Sign("]")])
        elif isinstance(value, dict):
            keys = sorted(value, key=lambda key: (len(key.encode(codec)), key.encode(codec)))
            members = ([_Sign(_quoted(key) + ": "), value[key]] for key in keys)
            waiting += reversed([_Sign("{"), *_joined(members), _Sign("}")])
        else:
            written.append({True: "true", False: "false", None: "null"}[value])
    return "".join(written)


def text_of_key(document: Any, key: str, codec: str = "utf-8") -> str | None:
    """Return what ``->>`` gives of a document: the text under that key, None where there is none, or null, or no object."""
    value = document.get(key) if isinstance(document, dict) else None
    return value if value is None or isinstance(value, str) else written_json(value, codec)


@dataclass(frozen=True)
class _Sign:
    """A piece that is written already."""

    text: str


def _joined(parts: Iterable[list[Any]]) -> Iterator[Any]:
    for number, part in enumerate(parts):
        if number:
            yield _Sign(", ")
        yield from part


def _quoted(text: str) -> str:
    return f'"{text.translate(_TO_WRITE)}"'
