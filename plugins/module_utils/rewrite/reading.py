"""One file's bytes as text that can be written back: every byte outside an edit stays."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from ..core.rewrite.reasons import Edit, LeftAloneError

LARGEST_FILE = 512 * 1024  # bytes of a file that is read
LONGEST_LINE = 20_000  # characters: beyond it is a bundle
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


@dataclass(frozen=True)
class Decoded:
    """A file's text, the codec that gave it and the byte order mark before it."""

    text: str
    codec: str
    mark: bytes

    def bytes(self, text: str) -> bytes:
        """Return a text as this file would hold it. Raises LeftAloneError where its encoding has no such character."""
        try:
            return self.mark + text.encode(self.codec)
        except UnicodeEncodeError:
            raise LeftAloneError("encoding", self.codec) from None


def decoded(data: bytes, python: bool) -> Decoded:
    """Decode a file by its mark, Python's cookie, or as UTF-8. Raises LeftAloneError where it would not come back the same."""
    if len(data) > LARGEST_FILE:
        raise LeftAloneError("too_large", f"{len(data)} bytes")
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    codec = _codec(data[len(mark) :]) if python else "utf-8"
    try:
        text = data[len(mark) :].decode(codec)
    except (UnicodeDecodeError, LookupError):
        raise LeftAloneError("encoding", codec) from None
    if mark + text.encode(codec) != data or "\0" in text:
        raise LeftAloneError("encoding", codec)
    if len(data) > LONGEST_LINE and max(map(len, re.split(r"[\r\n]", text)), default=0) > LONGEST_LINE:
        raise LeftAloneError("too_large", "líneas de más de 20.000 caracteres")
    return Decoded(text, codec, mark)


def _codec(data: bytes) -> str:
    for line in data.splitlines()[:2]:
        if found := _COOKIE.match(line):
            try:
                return codecs.lookup(found[1].decode("ascii")).name
            except (LookupError, UnicodeDecodeError):
                return found[1].decode("ascii", "replace")
    return "utf-8"


def edited(text: str, edits: list[Edit]) -> str:
    """Return a text with its edits made."""
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text
