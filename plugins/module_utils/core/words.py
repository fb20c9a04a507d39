"""What people read: text that cannot move a cursor, figures as they are written in Ecuador, a name that was meant."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


def escape(text: str) -> str:
    """Return ``text`` with every control and format character written out (\\x1b, \\u202e): it cannot move a cursor."""
    return "".join(_visible(char) if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in text)


def _visible(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: float) -> str:
    """1234567 as people here write it: 1.234.567."""
    return f"{round(value):,}".replace(",", ".")


def units(count: float, one: str, more: str = "") -> str:
    """Return the count with its noun: '1 fila', '1.200 filas'; ``more``: the plural, where it is not ``one`` and an s."""
    return f"{number(count)} {one if round(count) == 1 else more or one + 's'}"


def size(count: float) -> str:
    """Bytes in the largest fitting unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """Return seconds as '45 s' or '3 min 20 s'; never less than none, which a clock set back would say."""
    whole = max(0, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def closest(name: str, known: Iterable[str]) -> str:
    """Return the known name most like this one, '' when none is."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)), "")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that offers the known name most like this one, '' when none is."""
    found = closest(name, known)
    return f"; ¿quiso decir {found}?" if found else ""
