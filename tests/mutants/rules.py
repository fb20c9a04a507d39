"""Mutants of SQL by rule: one small, plausible mistake each, as whoever writes such a SELECT makes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tests.support.sql_files import without_literals

# What stands in the text, what in it is blotted out; yields what is put in place of which part.
Edit = tuple[int, int, str]
Rule = Callable[[str, str], Iterator[Edit]]


class Mutant(NamedTuple):
    """``where``: the line of the original that differs, ``at`` which place, ``text``: the whole statement with the mistake."""

    rule: str
    where: str
    at: int
    text: str


@dataclass(frozen=True)
class _Replaced:
    """A rule that says a word for another wherever it stands outside literals."""

    pattern: str
    by: str
    inside: bool = False  # in the text itself, literals included

    def __call__(self, text: str, shape: str) -> Iterator[Edit]:
        for found in re.finditer(self.pattern, text if self.inside else shape, re.DOTALL):
            kept = text[slice(*found.span(1))] if r"\1" in self.by else ""
            yield found.start(), found.end(), self.by.replace(r"\1", kept)


def _columns_swapped(text: str, shape: str) -> Iterator[Edit]:
    """Two neighbours in a list of values trade their expressions."""
    for block in re.finditer(r"LATERAL \(SELECT\n(.*?)\) v\n", shape, re.DOTALL):
        parts = [(a, b) for a, b in _split(shape, block.start(1), block.end(1)) if " AS " in shape[a:b]]
        for (a, b), (c, d) in pairwise(parts):
            first, second = (text[x : x + shape[x:y].rindex(" AS ")] for x, y in ((a, b), (c, d)))
            names = (text[a + len(first) : b], text[c + len(second) : d])
            yield a, d, f"{second}{names[0]}{text[b:c]}{first}{names[1]}"


def _split(shape: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    depth, begin = 0, start
    for at in range(start, end):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(shape[at], 0)
        if shape[at] == "," and depth == 0:
            yield begin, at
            begin = at + 1
    yield begin, end


def _arm_lost(text: str, shape: str) -> Iterator[Edit]:
    """A CASE without one of its WHENs."""
    open_arms: list[list[int]] = []
    for found in re.finditer(r"\b(CASE|WHEN|ELSE|END)\b", shape):
        if found[0] == "CASE":
            open_arms.append([])
        elif open_arms:
            if open_arms[-1]:
                yield open_arms[-1].pop(), found.start(), ""
            if found[0] == "WHEN":
                open_arms[-1].append(found.start())
            elif found[0] == "END":
                open_arms.pop()


def _shorter(text: str, shape: str) -> Iterator[Edit]:
    for found in re.finditer(r"character varying\((\d+)\)|numeric\((\d+),(\d+)\)", shape):
        if found[1]:
            yield found.start(1), found.end(1), str(int(found[1]) - 1)
        else:
            yield found.start(3), found.end(3), str(int(found[3]) - 1)


def _one_more(text: str, shape: str) -> Iterator[Edit]:
    for found in re.finditer(r"(?<=[<>=,(] )-?\d+\b(?!')|(?<=, )\d+(?=\))", shape):
        yield found.start(), found.end(), str(int(found[0]) + 1)


def _column_left_out(text: str, shape: str) -> Iterator[Edit]:
    """A comparison of two rows without one of their columns."""
    for found in re.finditer(r"\S+ IS DISTINCT FROM \S+(?: COLLATE \S+)?", shape):
        yield found.start(), found.end(), "false"
    for found in re.finditer(r"ROW\(([^()]*)\)::record (\*?[<>=]+) ROW\(([^()]*)\)::record", shape):
        left, right = (text[slice(*found.span(n))].split(", ") for n in (1, 3))
        for n in range(len(left) if len(left) > 1 else 0):
            one, other = (", ".join(names[:n] + names[n + 1 :]) for names in (left, right))
            yield found.start(), found.end(), f"ROW({one})::record {found[2]} ROW({other})::record"


def _value_changed(text: str, shape: str) -> Iterator[Edit]:
    """What a value is translated to, or what stands for NULL."""
    pattern = r"(?<=THEN )(·+)(?= (?:WHEN|ELSE|END))|(?<=,\s)(·+)(?=\)\))|(?<=ELSE )(·+)(?= END)"
    for found in re.finditer(pattern, shape):
        start, end = next(found.span(n) for n in (1, 2, 3) if found[n])
        if text[start] == "'" and len(text[start:end]) > 3:
            yield start, end, text[start : end - 2] + "'"


RULES: dict[str, Rule] = {
    "only the first of several": _Replaced(r"\bpuesto > 1\b", "puesto > 2"),
    "columns swapped": _columns_swapped,
    "an arm of a CASE lost": _arm_lost,
    "length or scale one less": _shorter,
    "limit one more": _one_more,
    "another value": _value_changed,
    "time zone dropped": _Replaced(r" AT TIME ZONE 'UTC'", "::timestamp", inside=True),
    "another time zone": _Replaced(r"AT TIME ZONE 'UTC'", "AT TIME ZONE 'America/Guayaquil'", inside=True),
    "< for <=": _Replaced(r"(?<= )<(?= )", "<="),
    "<= for <": _Replaced(r"(?<= )<=(?= )", "<"),
    "> for >=": _Replaced(r"(?<= )>(?= )", ">="),
    ">= for >": _Replaced(r"(?<= )>=(?= )", ">"),
    "<> for =": _Replaced(r"(?<= )<>(?= )", "="),
    "= for <>": _Replaced(r"(?<= )=(?= (?!ANY))", "<>"),
    "another order": _Replaced(r"(ORDER BY (?:\([^()]*\)|[^\s,()]+|·+)+)(?=[)\s])", r"\1 DESC"),
    "AND for OR": _Replaced(r"\bAND\b(?! \d)", "OR"),
    "OR for AND": _Replaced(r"\bOR\b(?! REPLACE)", "AND"),
    "IS NULL negated": _Replaced(r"\bIS NULL\b", "IS NOT NULL"),
    "IS NOT NULL negated": _Replaced(r"\bIS NOT NULL\b", "IS NULL"),
    "NOT dropped": _Replaced(r"\bNOT (?=IN\b|EXISTS\b|\()", ""),
    "a collation dropped": _Replaced(r' COLLATE (?:·{3}|·{9})', ""),
    "a default dropped": _Replaced(r"coalesce\(([^,()]+), ·+\)", r"\1"),
    "looked up by the key": _Replaced(r"(?<=\bON )(b\d+\.\S+ = l\.)\S+", r"\1id"),
    "row filter widened": _Replaced(r"(?<=WHERE )\S+::text = '[^']*'(?=\s)", "true", inside=True),
    "a column left out": _column_left_out,
    "NULL like any value": _Replaced(r"\bIS DISTINCT FROM\b", "<>"),
    "equal for the same bytes": _Replaced(r"\*<>", "<>"),
    "only with a partner": _Replaced(r"\bLEFT JOIN\b", "JOIN"),
    "blanks not cut": _Replaced(r"rtrim\((substr\([^()]*(?:\([^()]*\)[^()]*)*\)), ' '\)", r"\1", inside=True),
    "bytes for characters": _Replaced(r"\bchar_length\(", "octet_length("),
}  # fmt: skip


def mutants_of(sql: str) -> Iterator[Mutant]:
    """Yield every mutant of a statement, each text once."""
    shape = without_literals(sql, comments=False)
    seen = {sql}
    for rule, edits in RULES.items():
        for start, end, by in edits(sql, shape):
            text = sql[:start] + by + sql[end:]
            if text not in seen:
                seen.add(text)
                line = sql.rfind("\n", 0, start) + 1
                yield Mutant(rule, sql[line : sql.find("\n", end)].strip()[:160], start, text)
