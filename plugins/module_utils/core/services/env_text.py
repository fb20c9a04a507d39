"""The bytes of a compose project's .env: read as compose reads them, and one key's value changed. Pure.

Bytes are taken for Latin-1, one letter each: what is not ours stays as it is, whatever its encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BOM = "\xef\xbb\xbf"
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
_UNQUOTED = re.compile(r"[^\s\"'#\\]*")
_SPACE = " \t\v\f\r\x85\xa0"
_NAME = re.compile(r"[A-Za-z0-9_.\-\[\]]+")
_EXPORT = re.compile(r"export[ \t\v\f\r]+")
_REFERENCE = re.compile(r"(?<!\\)\$\{?(\w+)")


class EnvSyntaxError(ValueError):
    """Compose could not read this file either; the text is a Spanish sentence without any value."""


@dataclass(frozen=True)
class EnvEntry:
    """One assignment. ``start`` and ``end``: where its value's text lies, quotes left out; ``quote``: '' where there is none.

    ``bare``: the key stands alone, and compose takes its value from its own environment.
    """

    key: str
    text: str
    start: int
    end: int
    line: int
    quote: str = ""
    bare: bool = False

    @property
    def value(self) -> str:
        """The value before anything is interpolated."""
        if not self.quote:
            return self.text
        return self.text.replace(f"\\{self.quote}", self.quote)


@dataclass(frozen=True)
class EnvChange:
    """What setting a key came to. ``data``: the new bytes; ``before``: the value that counted, None where there was none.

    ``ignored``: lines of earlier assignments of the key; ``referring``: keys whose value takes this one's in.
    """

    data: bytes
    before: str | None
    ignored: tuple[int, ...] = ()
    referring: tuple[str, ...] = ()

    @property
    def added(self) -> bool:
        """Whether the key had to be added at the end."""
        return self.before is None


def env_entries(data: bytes) -> tuple[EnvEntry, ...]:
    """Return the assignments in their order. Raises EnvSyntaxError where compose cannot read the file."""
    return tuple(_entries(data.decode("latin-1")))


def env_value(data: bytes, key: str) -> str | None:
    """Return the value that counts, which is the last one's; None where the key has none. Raises EnvSyntaxError."""
    found = [entry for entry in env_entries(data) if entry.key == key and not entry.bare]
    return found[-1].value if found else None


def with_value(data: bytes, key: str, value: str) -> EnvChange:
    """Return the bytes with that value and no other change.

    ``value`` holds letters, digits, _ . and - alone, so it reads the same under every quote. Raises EnvSyntaxError, and
    ValueError for another value.
    """
    if not _PLAIN.fullmatch(value):
        raise ValueError(f"se espera un valor de letras, cifras, _ . o -, no {value!r}")
    text = data.decode("latin-1")
    entries = tuple(_entries(text))
    own = [entry for entry in entries if entry.key == key]
    valued = [entry for entry in own if not entry.bare]
    referring = tuple(dict.fromkeys(entry.key for entry in entries if entry.key != key and _refers(entry, key)))
    ignored = tuple(entry.line for entry in own[:-1])
    before = valued[-1].value if valued else None
    if not own:
        return EnvChange((text + _appended(text, key, value)).encode("latin-1"), None, (), referring)
    last = own[-1]
    if not last.bare and last.value == value:
        return EnvChange(data, before, ignored, referring)
    put = f"={value}" if last.bare else value
    if not last.bare and last.start == last.end and text[last.end : last.end + 1] == "#":
        put += " "
    changed = text[: last.start] + put + text[last.end :]
    return EnvChange(changed.encode("latin-1"), before, ignored, referring)


def restored(now: bytes, original: bytes, written: bytes, key: str) -> bytes:
    """Return what the file is to be after a way back: the original, or where others edited it since, with the key as it was.

    ``written``: what the switch left. Raises EnvSyntaxError, and ValueError where the key's old text does not fit any more.
    """
    if now in (written, original):
        return original
    own = [entry for entry in env_entries(original) if entry.key == key]
    if own and not own[-1].bare:
        return _with_text(now, key, own[-1].text)
    return without_addition(now, key)


def without_addition(data: bytes, key: str) -> bytes:
    """Return the bytes without the last line that assigns the key; the same where none does. Raises EnvSyntaxError."""
    own = [entry for entry in env_entries(data) if entry.key == key and not entry.bare]
    if not own:
        return data
    text = data.decode("latin-1")
    start = text.rfind("\n", 0, own[-1].start) + 1
    end = text.find("\n", own[-1].end) + 1 or len(text)
    return (text[:start] + text[end:]).encode("latin-1")


def _with_text(data: bytes, key: str, wanted: str) -> bytes:
    """The last assignment's text as it stood in the original. Raises ValueError where it does not fit into this file."""
    own = [entry for entry in env_entries(data) if entry.key == key and not entry.bare]
    if not own:
        return with_value(data, key, wanted).data
    if not _UNQUOTED.fullmatch(wanted):
        raise ValueError(f"el valor que {key} tenía no cabe sin más en el archivo de ahora")
    text = data.decode("latin-1")
    return (text[: own[-1].start] + wanted + text[own[-1].end :]).encode("latin-1")


def _appended(text: str, key: str, value: str) -> str:
    """The line that is added at the end, in the file's own form."""
    end = "\r\n" if "\r\n" in text else "\n"
    return f"{'' if not text or text == BOM or text.endswith(chr(10)) else end}{key}={value}{end}"


def _refers(entry: EnvEntry, key: str) -> bool:
    return entry.quote != "'" and key in _REFERENCE.findall(entry.text)


def _entries(text: str) -> Iterator[EnvEntry]:
    at = len(BOM) if text.startswith(BOM) else 0
    while (at := _statement(text, at)) < len(text):
        if named := _EXPORT.match(text, at):
            at = named.end()
        name = _NAME.match(text, at)
        line = text.count("\n", 0, at) + 1
        if name is None:
            raise EnvSyntaxError(f"línea {line}: ahí no empieza el nombre de ninguna variable")
        after = _skip(text, name.end())
        if after < len(text) and text[after] not in "=:\n":
            raise EnvSyntaxError(f"línea {line}: tras el nombre {name[0]} se espera = o :")
        if after == len(text) or text[after] == "\n":
            yield EnvEntry(name[0], "", name.end(), name.end(), line, bare=True)
            at = after
            continue
        entry, at = _valued(text, name[0], _skip(text, after + 1), line)
        yield entry


def _valued(text: str, key: str, start: int, line: int) -> tuple[EnvEntry, int]:
    if text[start : start + 1] in ("'", '"'):
        quote, end = text[start], start + 1
        while end < len(text) and text[end] != quote:
            end += 2 if text[end] == "\\" else 1
        if end >= len(text):
            raise EnvSyntaxError(f"línea {line}: a {key} le falta la comilla que cierra")
        return EnvEntry(key, text[start + 1 : end], start + 1, end, line, quote), end + 1
    close = text.find("\n", start)
    close = len(text) if close < 0 else close
    raw = text[start:close]
    value = raw.partition(" #")[0].rstrip(_SPACE)
    return EnvEntry(key, value, start, start + len(value), line), close


def _statement(text: str, at: int) -> int:
    """Where the next assignment begins, past blank lines and comments."""
    while at < len(text):
        if text[at] == "\n" or text[at] in _SPACE:
            at += 1
        elif text[at] == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            return at
    return at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def duplicates_said(key: str, ignored: Sequence[int]) -> str:
    """What is said of assignments that do not count, '' for none."""
    lines = ", ".join(map(str, ignored))
    return f"{key} está más de una vez: cuenta la última, y no la de la línea {lines}" if ignored else ""
