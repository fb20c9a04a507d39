"""Text from a database on its way to a terminal or a log."""

from __future__ import annotations

import unicodedata


def escape(text: str) -> str:
    """Return ``text`` with every control and format character written out (\\x1b, \\u202e): it cannot move a cursor."""
    return "".join(_visible(char) if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in text)


def _visible(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
