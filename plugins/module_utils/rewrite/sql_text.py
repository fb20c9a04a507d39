"""SQL read by libpg_query, of a file or of a literal; what is sure is rewritten statement by statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import postgast
from google.protobuf.json_format import MessageToDict

from ..core.rewrite.reasons import LeftAloneError
from ..core.rewrite.sql_plan import SqlPlan
from ..core.rewrite.sql_tree import STATEMENTS, tables_named
from ..core.rewrite.targets import Targets
from ..core.rewrite.texts import Flat


def statements(sql: str) -> list[tuple[int, int, dict[str, Any]]]:
    """Return each statement's place in characters, and its tree with places that count from there.

    Raises LeftAloneError where it is no SQL that libpg_query reads.
    """
    try:
        parsed = postgast.parse(sql)
    except postgast.PgQueryError as error:
        raise LeftAloneError("sql_unreadable", str(error)[:80]) from None
    data, found = sql.encode(), []
    for raw in parsed.stmts:
        start = raw.stmt_location
        end = start + raw.stmt_len if raw.stmt_len else len(data)
        first, last = len(data[:start].decode()), len(data[:end].decode())
        tree = MessageToDict(raw.stmt, preserving_proto_field_name=True)
        found.append((first, last, _in_characters(tree, data)))
    return found


def _in_characters(tree: Any, data: bytes) -> Any:
    """Give every location in characters instead of bytes."""
    if data.isascii():
        return tree
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("location"), int) and node["location"] >= 0:
                node["location"] = len(data[: node["location"]].decode(errors="replace"))
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return tree


def plan_sql(text: Flat, targets: Targets) -> Iterator[tuple[int, int, SqlPlan | LeftAloneError]]:
    """Yield for each statement on a legacy table its place in the text and its plan, or why there is none."""
    schema = targets.mapping.schema
    for start, end, tree in statements(text.text):
        named = [node for node in tables_named(tree) if node["relname"] in targets.tables]
        if any(node.get("schemaname", schema) == schema for node in named):
            plan = SqlPlan(text, targets)
            try:
                plan.run(tree)
                yield start, end, plan
            except LeftAloneError as why:
                yield start, end, why
        elif not tree.keys() & STATEMENTS and _mentions(text.text[start:end], targets):
            yield start, end, LeftAloneError("sql_form", next(iter(tree)).removesuffix("_stmt"))


def _mentions(statement: str, targets: Targets) -> bool:
    words = set(statement.replace('"', " ").replace(".", " ").replace("(", " ").split())
    return bool(words & set(targets.tables))


def first_words(text: str, start: int, end: int) -> Sequence[int]:
    """Return the place of a statement without the blanks and comments before it."""
    while start < end and (text[start].isspace() or text.startswith("--", start)):
        start = text.find("\n", start) + 1 or end if text.startswith("--", start) else start + 1
    return start, end
