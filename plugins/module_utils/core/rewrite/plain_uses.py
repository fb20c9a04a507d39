"""Files that are no program: compose, env and other settings are searched by their words and listed, never edited."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from .uses import rest_pattern

_SUFFIXES = {
    ".yml",
    ".yaml",
    ".json",
    ".toml",
    ".ini",
    ".cfg",
    ".conf",
    ".sh",
    ".bash",
    ".env",
    ".prisma",
    ".graphql",
    ".http",
    ".xml",
}
_SUFFIXES |= {
    ".html",
    ".vue",
    ".svelte",
    ".ipynb",
    ".rb",
    ".go",
    ".php",
    ".java",
    ".kt",
    ".cs",
    ".rs",
    ".dart",
    ".ex",
    ".properties",
}
NAMES = {"Dockerfile", "Makefile", "Procfile", ".env"}
_LOCKS = re.compile(r"(?:^|/)(?:package-lock\.json|pnpm-lock\.yaml|yarn\.lock|poetry\.lock|composer\.lock|uv\.lock)$")


def is_plain(path: str) -> bool:
    """Whether a file is searched by its words."""
    name = path.rpartition("/")[2]
    if _LOCKS.search(path):
        return False
    suffix = "." + name.rpartition(".")[2] if "." in name else ""
    return suffix in _SUFFIXES or name in NAMES or name.startswith((".env", "Dockerfile", "docker-compose"))


def plain_uses(text: str, tables: Collection[str]) -> Iterator[tuple[int, str, str]]:
    """Yield line, reason code and the line's text for each line that names a table for certain, or in quotes or as a value."""
    names = "|".join(re.escape(table) for table in sorted(tables, key=len, reverse=True))
    rest = rest_pattern(tables)
    builder = re.compile(rf"""\.(?:from|from_|table)\(\s*\\?["'`](?:{names})\\?["'`]""")
    setting = re.compile(rf"""\btable\w*["']?\s*[:=]\s*["']?(?:{names})["']?(?![\w-])""", re.I)
    long = [table for table in tables if "_" in table]
    word = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, long))})(?![\w-])") if long else None
    for number, line in enumerate(text.splitlines(), 1):
        if rest.search(line):
            yield number, "rest_path", line
        elif builder.search(line):
            yield number, "text_use", line
        elif setting.search(line) or (word is not None and word.search(line)):
            yield number, "configuration", line


def unread_uses(text: str, tables: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of an unreadable program that names a table in quotes or after a verb."""
    names = "|".join(re.escape(table) for table in sorted(tables, key=len, reverse=True))
    use = re.compile(rf"""["'`](?:{names})["'`]|\b(?:from|into|update|join|table)\s+(?:\w+\.)?"?(?:{names})\b""", re.I)
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if use.search(line):
            yield number, line
