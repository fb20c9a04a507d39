"""SQL that stands in code: which literals are handed to something that runs them, and a driver's placeholders put aside."""

from __future__ import annotations

import re
from collections.abc import Collection

from . import tree
from .texts import HOLE, Flat
from .tree import SourceFile, TextNode

# Methods and functions that run the SQL that they get.
RUNNERS = {
    *(
        "execute",
        "executemany",
        "execute_batch",
        "execute_values",
        "query",
        "queryOne",
        "raw",
        "text",
        "unsafe",
        "fetch",
        "fetchrow",
    ),
    *("fetchval", "fetch_all", "fetch_one", "fetch_val", "fetchone", "read_sql", "read_sql_query", "mogrify", "exec_driver_sql"),
    *(
        "rpc",
        "exec_sql",
        "run_sql",
        "$queryRawUnsafe",
        "$executeRawUnsafe",
        "one",
        "oneOrNone",
        "many",
        "manyOrNone",
        "any",
        "none",
    ),
}
_PLACEHOLDERS = re.compile(r"%\(\w+\)s|%s|(?<![:\w]):[a-zA-Z_]\w*|\?(?![|&?])")
_VERB = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(select|insert|update|delete|with|create|alter|drop|truncate|merge|copy|grant|comment)\b", re.I
)


def names_in_sql(text: str, tables: Collection[str]) -> bool:
    """Whether a text reads like SQL on one of the tables."""
    if not _VERB.match(text):
        return False
    names = "|".join(re.escape(table) for table in sorted(tables, key=len, reverse=True))
    place = rf'\b(?:from|into|join|table|truncate|only|references|on)\s+(?:\w+\.|"\w+"\.)?"?(?:{names})"?(?!\w)'
    return bool(
        re.search(rf"{place}|\bupdate\s+(?:only\s+)?(?:\w+\.)?\"?(?:{names})\"?\s+(?:as\s+)?(?:\w+\s+)?set\b", text, re.I)
    )


def is_run(file: SourceFile, node: TextNode) -> bool:
    """Whether a literal is handed to a call that runs SQL."""
    above = file.parent(node)
    while isinstance(above, tree.Wrapped):
        above = file.parent(above)
    if isinstance(above, tree.Table):
        above = file.parent(above)
        return isinstance(above, tree.Call) and _called(above) == "rpc"
    return isinstance(above, tree.Call) and _called(above) in RUNNERS and any(tree.bare(a.value) is node for a in above.args)


def _called(call: tree.Call) -> str:
    func = tree.bare(call.func)
    return func.name if isinstance(func, tree.Attribute) else func.id if isinstance(func, tree.Name) else ""


def without_placeholders(text: Flat) -> Flat | None:
    """Return the text with each placeholder as $1, places kept; None where a value is computed into the text."""
    if HOLE in text.text:
        return None
    parts, places, place = [], list[int](), 0
    for found in _PLACEHOLDERS.finditer(text.text):
        if _in_quotes(text.text, found.start()):
            continue
        parts.append(text.text[place : found.start()] + "$1")
        places += [*text.places[place : found.start()], *([text.places[found.start()]] * 2)]
        place = found.end()
    parts.append(text.text[place:])
    places += text.places[place:]
    return Flat("".join(parts), tuple(places))


def _in_quotes(text: str, place: int) -> bool:
    return text.count("'", 0, place) % 2 == 1
