"""libpg_query's tree of a statement, as plain dictionaries: what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .reasons import LeftAloneError
from .targets import Column, Target

Tree = Mapping[str, Any]
STATEMENTS = {"select_stmt", "insert_stmt", "update_stmt", "delete_stmt"}


def nodes(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tree]]:
    """Yield every node with the names of the fields that lead to it."""
    waiting: list[tuple[tuple[str, ...], Any]] = [(path, tree)]
    while waiting:
        names, found = waiting.pop()
        if isinstance(found, Mapping):
            yield names, found
            waiting += [((*names, name), part) for name, part in found.items()]
        elif isinstance(found, list):
            waiting += [(names, part) for part in found]


def tables_named(tree: Tree) -> list[Tree]:
    """Return the tables that a statement names."""
    return [node for path, node in nodes(tree) if "relname" in node]


@dataclass
class Sources:
    """The tables of one statement, by the name under which its columns are asked for."""

    targets: dict[str, Target | None] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)

    def column(self, qualifier: str, name: str) -> Column | None:
        """Return the column meant; None for one of a table that stays. Raises LeftAloneError where several may be meant."""
        if qualifier:
            if qualifier not in self.targets:
                raise LeftAloneError("sql_form", f"{qualifier}.{name}")
            target = self.targets[qualifier]
            return target.column(name) if target is not None else None
        if len(self.targets) == 1:
            (target,) = self.targets.values()
            return target.column(name) if target is not None else None
        found = [t for t in self.targets.values() if t is None or _has(t, name)]
        if len(found) != 1 or found[0] is None:
            raise LeftAloneError("sql_form", f"{name} sin tabla")
        return found[0].column(name)


def _has(target: Target, name: str) -> bool:
    return any(column.legacy == name for column in target.readable) or name in target.lost or name in target.selectors


def joined_by_and(where: Tree | None) -> list[Tree]:
    """Return the conditions that all hold."""
    if where is None:
        return []
    joined = where.get("bool_expr", {})
    return list(joined.get("args", [])) if joined.get("boolop") == "AND_EXPR" else [where]


def returned(body: Tree) -> list[Tree]:
    """Return what RETURNING gives."""
    return list(body.get("returning_clause", {}).get("exprs", []) or body.get("returning_list", []))


def column_named(node: Tree) -> tuple[str, ...]:
    """Return a column's name with what qualifies it, () for anything else."""
    fields = node.get("column_ref", {}).get("fields", []) if isinstance(node.get("column_ref"), Mapping) else []
    return tuple(f["string"]["sval"] for f in fields) if all("string" in f for f in fields) else ()


def string_in(node: Tree) -> str | None:
    """Return a literal text, None for anything else."""
    value = node.get("a_const", {}).get("sval")
    return value.get("sval", "") if isinstance(value, Mapping) else None


def operator_in(expression: Tree) -> str:
    """Return an expression's operator."""
    return "".join(part.get("string", {}).get("sval", "") for part in expression.get("name", []))
