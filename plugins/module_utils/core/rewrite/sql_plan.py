"""What becomes of one SQL statement: libpg_query's tree of it, as plain dictionaries, and edits of its own text.

Sure are SELECT, INSERT, UPDATE and DELETE without a query inside another; what is different is left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .conditions import Changes
from .reasons import LeftAloneError
from .sql_tree import STATEMENTS, Sources, Tree, column_named, joined_by_and, nodes, operator_in, returned, string_in
from .targets import Column, Target, Targets
from .texts import Flat, fits
from .times import utc_literal

_DEEP = {"sub_link", "range_subselect", "with_clause", "common_table_expr", "range_function", "larg_select", "set_operation"}
_IDENTIFIER = re.compile(r'"(?:[^"]|"")*"|[^\W\d]\w*')
_COMPARED = {"=", "<>", "!=", "<", ">", "<=", ">="}


@dataclass
class SqlPlan:
    """The edits of one statement. ``text``: the statement's own file part, positions of the tree are its characters."""

    text: Flat
    targets: Targets
    sources: Sources = field(default_factory=Sources)
    changes: Changes = field(default_factory=Changes)
    judged: set[int] = field(default_factory=set)  # places of columns whose use is one that stays what it was
    dropped: set[int] = field(default_factory=set)
    named: set[int] = field(default_factory=set)  # where an output got its key

    def run(self, statement: Tree) -> Changes:
        """Plan the statement. Raises LeftAloneError for what is not sure."""
        (kind, body), *others = statement.items()
        if others or kind not in STATEMENTS or not isinstance(body, Mapping):
            raise LeftAloneError("sql_form", kind.removesuffix("_stmt"))
        for path, _node in nodes(body):
            deep = _DEEP & set(path)
            if deep or ("select_stmt" in path and kind != "insert_stmt") or {"larg", "op"} <= set(body):
                raise LeftAloneError("sql_form", "consulta dentro de otra")
        if kind == "delete_stmt" and "where_clause" not in body:
            raise LeftAloneError("sql_form", "DELETE sin WHERE")
        if kind == "select_stmt" and not body.get("target_list"):  # "Select from users" is a sentence
            raise LeftAloneError("sql_form", "SELECT sin columnas")
        if kind == "insert_stmt":
            self._insert(body)
            return self.changes
        self._tables(body)
        if kind == "update_stmt":
            self._assignments(body.get("target_list", []))
        self._conditions(body.get("where_clause"))
        for path, node in nodes({name: part for name, part in body.items() if name in ("from_clause", "having_clause")}):
            if "a_expr" in node and "from_clause" in path:
                self._comparison(node["a_expr"])
        self._outputs(body.get("target_list", []) if kind == "select_stmt" else returned(body))
        self._rest(body)
        return self.changes

    def _tables(self, body: Tree) -> None:
        said = self._said(body.get("where_clause"))
        named = [node for _path, node in nodes(body) if "relname" in node]
        for node in named:
            name = node["relname"]
            alias = node.get("alias", {}).get("aliasname", name)
            if alias in self.sources.targets:
                raise LeftAloneError("sql_form", f"dos veces {alias}")
            if "alias" in node:
                self.sources.aliases.add(alias)
            self.sources.targets[alias] = self._target(node, said if len(named) == 1 else {})

    def _target(self, node: Tree, said: Mapping[str, str]) -> Target | None:
        name = node["relname"]
        if name not in self.targets.tables:
            return None
        if node.get("schemaname", self.targets.mapping.schema) != self.targets.mapping.schema:
            raise LeftAloneError("sql_other_schema", f"{node['schemaname']}.{name}")
        target = self.targets.choose(name, said)
        start = self._identifier(node.get("location", 0), name, bool(node.get("schemaname")))
        self.changes.edits.append(self.text.edit(*start, fits(target.table.name)))
        if others := self.targets.others_in(target):
            self.changes.reviews.append(("other_rows", ", ".join(others)))
        return target

    def _said(self, where: Tree | None) -> dict[str, str]:
        """What the conditions that always hold say: column = literal, joined by AND."""
        found = {}
        for condition in joined_by_and(where):
            expression = condition.get("a_expr", {})
            column, value = column_named(expression.get("lexpr", {})), string_in(expression.get("rexpr", {}))
            if column and value is not None and operator_in(expression) == "=":
                found[column[-1]] = value
        return found

    def _conditions(self, where: Tree | None) -> None:
        if where is None:
            return
        always = joined_by_and(where)
        for condition in always:
            expression = condition.get("a_expr", {})
            named = column_named(expression.get("lexpr", {}))
            selecting = {c for t in self.sources.targets.values() if t is not None for c in t.selectors}
            if named and named[-1] in selecting:
                self._drop(expression)
        for _path, node in nodes({"where": where}):
            if "a_expr" in node:
                self._comparison(node["a_expr"])
            if "null_test" in node:
                self._null(node["null_test"])

    def _drop(self, expression: Tree) -> None:
        """A condition that the Spanish table's name says already becomes true."""
        start = expression["lexpr"]["column_ref"].get("location", 0)
        end = self._end_of_string(expression["rexpr"]["a_const"].get("location", 0))
        self.changes.edits.append(self.text.edit(start, end, "true"))
        self.dropped.add(start)

    def _comparison(self, expression: Tree) -> None:
        for one, other in (("lexpr", "rexpr"), ("rexpr", "lexpr")):
            named = column_named(expression.get(one, {}))
            place = expression.get(one, {}).get("column_ref", {}).get("location", 0)
            if not named or place in self.dropped:
                continue
            column = self._named(named)
            if column is None or not (column.translated or column.is_time or column.rule.text_key):
                continue
            operator, kind = operator_in(expression), expression.get("kind", "AEXPR_OP")
            fine = kind == "AEXPR_IN" or (kind == "AEXPR_OP" and operator in (_COMPARED if column.is_time else {"=", "<>", "!="}))
            if not fine or column.rule.text_key:
                raise LeftAloneError("translated_operator", column.legacy)
            values = expression.get(other, {})
            for value in values.get("list", {}).get("items", [values]):
                self._value(column, value, exact=True)
            self.judged.add(place)

    def _value(self, column: Column, value: Tree, exact: bool) -> None:
        if not (column.translated or column.is_time) or value.get("a_const", {}).get("isnull"):
            return
        literal = string_in(value)
        if literal is None:
            raise LeftAloneError("computed_value" if column.translated else "computed_time", column.legacy)
        new = column.value(literal, exact) if column.translated else utc_literal(literal)
        if new != literal:
            place = value["a_const"].get("location", 0)
            if self.text.text[place : place + len(literal) + 2] != f"'{literal}'":
                raise LeftAloneError("escaped_literal", literal)
            self.changes.edits.append(self.text.edit(place + 1, place + 1 + len(literal), fits(new)))

    def _null(self, test: Tree) -> None:
        named = column_named(test.get("arg", {}))
        column = self._named(named) if named else None
        if column is not None:
            if column.rule.default is not None:
                raise LeftAloneError("null_default", column.legacy)
            self.judged.add(test["arg"]["column_ref"].get("location", 0))

    def _named(self, named: tuple[str, ...]) -> Column | None:
        if len(named) > 2:
            raise LeftAloneError("sql_form", ".".join(named))
        return self.sources.column(named[0] if len(named) == 2 else "", named[-1])

    def _outputs(self, results: list[Tree]) -> None:
        """Columns that come out keep the key by which they are read."""
        for result in (r["res_target"] for r in results):
            fields = result.get("val", {}).get("column_ref", {}).get("fields", [])
            if fields and "a_star" in fields[-1]:
                self._star(result["val"]["column_ref"], [f["string"]["sval"] for f in fields[:-1]])
                continue
            named = column_named(result.get("val", {}))
            column = self._named(named) if named else None
            if column is None:
                continue
            place = result["val"]["column_ref"].get("location", 0)
            if not result.get("name") and column.name != column.legacy:
                end = self._rename(place, named, column)
                self._name_output(end, named[-1], column)
            self.judged.add(place)
            if column.image:
                self.changes.reviews.append(("image", f"{column.legacy}: {column.image}"))

    def _name_output(self, end: int, written: str, column: Column) -> None:
        """The edit of the name and its key are one, so that nothing else comes in between."""
        quoted = self.text.text[end - 1] == '"' or self.text.text[end : end + 1] == '"'
        if quoted:
            raise LeftAloneError("sql_form", f'"{written}"')
        before = self.text.edit(end - len(written), end, fits(column.name))
        self.changes.edits.remove(before)
        self.changes.edits.append(self.text.edit(end - len(written), end, f"{column.name} AS {column.legacy}"))
        self.named.add(end - len(written))

    def _star(self, reference: Tree, qualifier: list[str]) -> None:
        targets = self.sources.targets
        asked = [targets.get(qualifier[0])] if qualifier else list(targets.values())
        if len(asked) != 1:
            raise LeftAloneError("sql_form", "* de varias tablas")
        if asked[0] is None:
            return
        if asked[0].lost:
            raise LeftAloneError("star_loses_columns", ", ".join(asked[0].lost))
        before = f"{qualifier[0]}." if qualifier else ""
        said = [f"{before}{c.name}" + (f" AS {c.legacy}" if c.name != c.legacy else "") for c in asked[0].readable]
        place = reference.get("location", 0)
        end = self.text.text.index("*", place) + 1
        self.changes.edits.append(self.text.edit(place, end, ", ".join(said)))
        seen = "; ".join(f"{c.legacy}: {c.image}" for c in asked[0].readable if c.image)
        self.changes.reviews += [("image", seen)] if seen else []
        self.judged.add(place)

    def _assignments(self, results: list[Tree]) -> None:
        for result in (r["res_target"] for r in results):
            target = next(iter(self.sources.targets.values()))  # an UPDATE names its own table first
            if target is None or result.get("indirection"):
                raise LeftAloneError("sql_form", "SET")
            column = self._written(target, result)
            self._value(column, result.get("val", {}), exact=False)

    def _written(self, target: Target, result: Tree) -> Column:
        column = target.column(result["name"])
        if column.feeds:
            raise LeftAloneError("column_of_several", column.legacy)
        if column.rule.text_key:
            raise LeftAloneError("payload_shape", column.legacy)
        place = result.get("location", 0)
        span = self._identifier(place, result["name"], False)
        if column.name != column.legacy:
            self.changes.edits.append(self.text.edit(*span, fits(column.name)))
        return column

    def _insert(self, body: Tree) -> None:
        if body.get("on_conflict_clause") or "cols" not in body:
            raise LeftAloneError("sql_form", "ON CONFLICT" if "cols" in body else "INSERT sin columnas")
        rows = body.get("select_stmt", {}).get("select_stmt", {}).get("values_lists")
        names = [r["res_target"] for r in body["cols"]]
        said = {}
        if not rows:
            raise LeftAloneError("sql_form", "INSERT … SELECT")
        wanted = (
            self.targets.selectors(body["relation"]["relname"]) if body["relation"]["relname"] in self.targets.tables else set()
        )
        for index, result in enumerate(names):
            values = {string_in(row["list"]["items"][index]) for row in rows}
            if result["name"] in wanted:
                raise (
                    LeftAloneError("ambiguous_table", result["name"]) if len(values) > 1 else LeftAloneError("sql_form", "INSERT")
                )
            said[result["name"]] = next(iter(values))
        target = self._target(body["relation"], {k: v for k, v in said.items() if v is not None})
        if target is None:
            raise LeftAloneError("sql_form", "INSERT")
        self.sources.targets[body["relation"]["relname"]] = target
        given = []
        for index, result in enumerate(names):
            column = self._written(target, result)
            given.append(column.name)
            for row in rows:
                self._value(column, row["list"]["items"][index], exact=False)
        if missing := target.missing(given):
            raise LeftAloneError("required_column", ", ".join(missing))
        self._outputs(returned(body))
        self._rest({"returned": returned(body), "values": rows})

    def _rest(self, body: Tree) -> None:
        """Every column is renamed; one that was not judged only where any use of it stays what it was."""
        for path, node in nodes(body):
            named = column_named(node)
            place = node["column_ref"].get("location", 0) if named else 0
            column = self._named(named) if named and place not in self.dropped else None
            if column is None:
                continue
            special = column.translated or column.is_time or column.rule.text_key
            sorted_by_time = column.is_time and "sort_clause" in path and "func_call" not in path
            if special and place not in self.judged and not sorted_by_time:
                raise LeftAloneError("translated_operator", column.legacy)
            self._rename(place, named, column)

    def _rename(self, place: int, named: tuple[str, ...], column: Column) -> int:
        """Rename a reference to a column, its table too where the statement gave that no name of its own; where it ends."""
        for part in named[:-1]:
            start, end = self._identifier(place, part, False)
            target = self.sources.targets[part]
            if target is not None and part not in self.sources.aliases:
                self._replace(start, end, target.table.name)
            place = self.text.text.index(".", end) + 1
        start, end = self._identifier(place, named[-1], False)
        if column.name != column.legacy and start not in self.named:
            self._replace(start, end, column.name)
        return end

    def _replace(self, start: int, end: int, new: str) -> None:
        edit = self.text.edit(start, end, fits(new))
        if edit not in self.changes.edits:
            self.changes.edits.append(edit)

    def _identifier(self, place: int, name: str, qualified: bool) -> tuple[int, int]:
        """Return where a name stands, at ``place`` or behind the schema. Raises LeftAloneError where it is written otherwise."""
        found = _IDENTIFIER.search(self.text.text, place)
        if qualified and found is not None:
            found = _IDENTIFIER.search(self.text.text, self.text.text.index(".", found.end()))
        written = found[0] if found is not None else ""
        if found is None or (written.strip('"') if written.startswith('"') else written.lower()) != name:
            raise LeftAloneError("sql_form", name)
        if written.startswith('"'):
            return found.start() + 1, found.end() - 1
        return found.start(), found.end()

    def _end_of_string(self, place: int) -> int:
        found = re.compile(r"'[^']*'").match(self.text.text, place)
        if found is None:
            raise LeftAloneError("escaped_literal")
        return found.end()
