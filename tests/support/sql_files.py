"""How the files of files/sql are read: the lines of their head, and the text without what lies in literals."""

from __future__ import annotations

import re

LITERAL = re.compile(r"""(?<=E)'(?:[^'\\]|\\.|'')*'|(?<!E)'(?:[^']|'')*'|"(?:[^"]|"")*"|(--[^\n]*)""", re.DOTALL)


def head(text: str) -> dict[str, str]:
    """The sentences of a file's head by their label; a sentence may go on in further lines."""
    lines = re.match(r"(?:--[^\n]*\n)+", text)
    assert lines, text[:80]
    whole = lines[0].replace("\n--   ", " ")
    return dict(re.findall(r"^-- ([A-Z]\w*(?: por fila)?): (.*)$", whole, re.MULTILINE))


def without_literals(text: str, comments: bool = True) -> str:
    """The text, its literals and quoted names blotted out; and its comments, where they are not wanted."""
    return LITERAL.sub(lambda found: found[0] if found[1] and comments else re.sub(r"[^\n]", "·", found[0]), text)


def comments(text: str) -> list[str]:
    """Each line's comment."""
    return [found[1][2:].strip() for found in LITERAL.finditer(text) if found[1]]


def names(listed: str) -> list[str]:
    """What a sentence lists as «a, b y c»."""
    return re.split(r", | y ", listed)
