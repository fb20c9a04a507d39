"""The commands that a message names, taken out of its text: nothing here knows what they should be."""

from __future__ import annotations

import re
import shlex

_PLAYBOOK = re.compile(r"(?:ansible-playbook\s+)?(?<![\w/-])(?:[\w./-]*/)?(?:fase\d|estado|respaldo)\.yml\b")
_OPTION = re.compile(r"""\s+(?:--check|--diff|(?:-i|-e|--tags)\s+(?:(?:'[^']*'|"[^"]*")+|[^\s;,()]+))""")
_SQL = re.compile(
    r"(?<=[:;] )(?:GRANT|ALTER|DROP|DELETE FROM|SELECT(?=\s))\b(?:[^;\n(]|(?<! )\()*?(?=;| \(|\.\s|\.$|\s*$)", re.MULTILINE
)
_ARGUMENT = re.compile(r"-e (?:'[^']*'|\w+=[^\s,;)]+)")


def commands_in(text: str, same: tuple[str, ...] = ()) -> list[list[str]]:
    """Each ansible-playbook of the text as words, once. ``same``: the words for «el mismo -i», where the text says so."""
    found = []
    for line in text.splitlines():
        for match in _PLAYBOOK.finditer(line):
            words, at = [match[0].split()[-1]], match.end()
            while option := _OPTION.match(line, at):
                words += shlex.split(option[0].rstrip(".:"))
                at = option.end()
            if "-i" not in words and "mismo -i" in text:
                words += same
            found.append(["ansible-playbook", *words])
    return [words for n, words in enumerate(found) if words not in found[:n]]


def statements_in(text: str) -> list[str]:
    """Each SQL statement that follows a colon or another one, as it stands there."""
    return [match[0].strip() for match in _SQL.finditer(text)]


def arguments_in(text: str) -> list[list[str]]:
    """Each -e of the text that stands outside a command, as words for one, once."""
    found = dict.fromkeys(match[0].rstrip(").") for match in _ARGUMENT.finditer(text))
    return [shlex.split(argument) for argument in found]
