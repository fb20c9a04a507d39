"""Where a text of SQL names a table: names as words, outside comments; another schema's table of that name is none. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_WORD = re.compile(rf"(?:({_NAME})\s*\.\s*)?({_NAME})")


def named_tables(text: str, schema: str, tables: Iterable[str]) -> tuple[str, ...]:
    """Return which of the ``tables`` of ``schema`` the text names, sorted.

    Words within literals count: dynamic SQL is put together of them. A comment's words do not. What stands behind another
    schema's name, an alias's too, is that one's.
    """
    wanted, found = set(tables), set[str]()
    for match in _WORD.finditer(_COMMENT.sub(" ", text)):
        before, name = match[1], _plain(match[2])
        if before is not None and _plain(before) in wanted:
            found.add(_plain(before))
        elif name in wanted and (before is None or _plain(before) == schema):
            found.add(name)
    return tuple(sorted(found))


def renamed_tables(text: str, schema: str, names: dict[str, str]) -> str:
    """Return the text with Spanish names in place of the tables that it names: a draft, whose columns people still translate."""

    def put(match: re.Match[str]) -> str:
        before, name = match[1], _plain(match[2])
        if name in names and (before is None or _plain(before) == schema):
            return match[0][: match.start(2) - match.start()] + names[name]
        return match[0]

    return _WORD.sub(put, text)


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
