"""Every other way in which code names a legacy table: listed for a person, never edited here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from . import tree
from .sql_places import names_in_sql
from .tree import SourceFile, TextNode

# Calls and names by which object mappers and SQL builders say which table they mean.
_MAPPERS = {"Table", "pgTable", "mysqlTable", "sqliteTable", "Entity", "knex", "model", "define", "createTable", "dropTable"}
_MAPPERS |= {"alterTable", "hasTable", "selectFrom", "insertInto", "updateTable", "deleteFrom", "create_table", "drop_table"}
_MAPPERS |= {"add_column", "drop_column", "alter_column", "ForeignKey", "has_table", "get_table", "bulk_insert"}
_MAPPER_KEYS = {"__tablename__", "tablename", "table_name", "tableName", "db_table"}
_TABLE_NAMED = re.compile(r"table|tabla", re.I)


def rest_pattern(tables: Collection[str]) -> re.Pattern[str]:
    """Return what a REST path to one of the tables looks like."""
    return re.compile(rf"/rest/v1/(?:{_either(tables)})(?![\w-])")


def realtime_pattern(tables: Collection[str]) -> re.Pattern[str]:
    """Return what a channel of one of the tables is called."""
    return re.compile(rf"^realtime:\w+:(?:{_either(tables)})(?![\w-])")


def _either(tables: Collection[str]) -> str:
    return "|".join(re.escape(table) for table in sorted(tables, key=len, reverse=True))


def text_uses(file: SourceFile, tables: Collection[str], taken: Collection[tree.CodeNode]) -> Iterator[tuple[TextNode, str]]:
    """Yield each text outside chains that names a legacy table, with the reason code by which it is listed."""
    rest, realtime = rest_pattern(tables), realtime_pattern(tables)
    for node in tree.walk(file.root):
        if isinstance(node, TextNode) and node not in taken and (reason := _reason(file, node, tables, rest, realtime)):
            yield node, reason


def _reason(file: SourceFile, node: TextNode, tables: Collection[str], rest: re.Pattern[str], realtime: re.Pattern[str]) -> str:
    whole = "".join("x" if piece.hole is not None else piece.value for piece in node.pieces)
    above = file.parent(node)
    if rest.search(whole) or (whole.startswith("x/") and re.match(rf"x/(?:{_either(tables)})\?(?:select|\w+=)", whole)):
        return "rest_path"
    if realtime.match(whole):
        return "realtime"
    if isinstance(above, tree.Scrap):  # a docstring
        return ""
    if whole in tables:
        return _exact(file, node, whole, above)
    return "text_use" if names_in_sql(whole, tables) else ""


def _exact(file: SourceFile, node: TextNode, table: str, above: tree.CodeNode | None) -> str:
    if isinstance(above, tree.Table):
        return _in_object(file, node, above)
    if isinstance(above, tree.Assign):
        names = [tree.dotted(target).rpartition(".")[2] for target in above.targets]
        if any(name in _MAPPER_KEYS for name in names):
            return "orm_use"
        return "text_use" if "_" in table or any(_TABLE_NAMED.search(name) for name in names) else ""
    if isinstance(above, tree.Call):
        return _in_call(file, node, table, above)
    return "text_use" if "_" in table else ""


def _in_object(file: SourceFile, node: TextNode, table: tree.Table) -> str:
    """Is it the table of a subscription, or of a mapper's options?"""
    key = next((e.key for e in table.entries if e.value is node), None)
    name = key.id if isinstance(key, tree.Name) else key.literal if isinstance(key, TextNode) else ""
    if name in _MAPPER_KEYS:
        return "orm_use"
    if name == "table":
        return "realtime" if _subscribed(file, table) else "text_use"
    return "text_use" if "_" in (node.literal or "") else ""


def _subscribed(file: SourceFile, node: tree.CodeNode) -> bool:
    above = file.parent(node)
    if not isinstance(above, tree.Call):
        return False
    said = [a.value.literal for a in above.args if isinstance(a.value, TextNode)]
    return "postgres_changes" in said or tree.dotted(above.func).endswith(("on_postgres_changes", ".on"))


def _in_call(file: SourceFile, node: TextNode, table: str, call: tree.Call) -> str:
    func = tree.bare(call.func)
    name = func.name if isinstance(func, tree.Attribute) else func.id if isinstance(func, tree.Name) else ""
    if isinstance(func, tree.Attribute) and name in ("Table", "collection", "Model"):  # DynamoDB and the like
        return ""
    keyword = next((a.name for a in call.args if tree.bare(a.value) is node), "")
    if name == "on_postgres_changes" and keyword in ("table", ""):
        return "realtime"
    if keyword in _MAPPER_KEYS or keyword in ("table", "table_name"):
        return "text_use"
    if name in _MAPPERS and call.args and tree.bare(call.args[0].value) is node:
        return "orm_use"
    if name in ("from", "from_", "table"):  # judged as a chain
        return ""
    return "text_use" if "_" in table else ""
