"""What is written: literal rows, also by way of a variable that the function fills before it hands it over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from . import tree
from .chains import Chain
from .conditions import Changes, dropped, key_name, rename_key, value_edits
from .names import Scopes
from .reasons import Edit, LeftAloneError
from .targets import Target
from .texts import fits, inside
from .tree import Assign, CodeNode, Name


@dataclass
class Payload:
    """The rows of one insert, update or upsert. ``new_row``: the table's required columns must be among them."""

    scopes: Scopes
    chain: Chain
    target: Target
    changes: Changes
    new_row: bool
    given: set[str] = field(default_factory=set)

    def plan(self, node: CodeNode) -> None:
        """Plan the edits of the rows. Raises LeftAloneError for what is not a literal."""
        for table in literal_rows(self.scopes, node):
            self.given = set()
            for entry in table.entries:
                self._entry(entry, table)
            for key, value in self._added(node):
                sure = set(self.given)
                self._key(key, value)
                if _under_a_condition(self.scopes, key):
                    self.given = sure
            if self.new_row and (missing := self.target.missing(sorted(self.given))):
                raise LeftAloneError("required_column", ", ".join(missing))

    def _entry(self, entry: tree.KeyValue, table: tree.Table) -> None:
        if entry.key is None:
            raise LeftAloneError("computed_payload")
        name = key_name(entry.key)
        if name in self.target.selectors:
            said = tree.bare(entry.value)
            same = isinstance(said, tree.TextNode) and said.literal == self.target.selectors[name]
            if not same or len(table.entries) == 1:
                raise LeftAloneError("ambiguous_table", name)
            self.changes.edits.append(dropped(self.scopes.file.text, table.entries, entry))
            return
        new = self._judged(name, entry.value)
        self.changes.edits += rename_key(entry, new)

    def _judged(self, name: str, value: CodeNode) -> str:
        column = self.target.column(name)
        if column.feeds:
            raise LeftAloneError("column_of_several", f"{name} → {', '.join((column.name, *column.feeds))}")
        literal = tree.bare(value)
        empty = isinstance(literal, tree.Constant) and literal.value in ("None", "null")
        if empty and (column.spanish.not_null or column.rule.default is not None):
            raise LeftAloneError("null_value", name)
        if column.rule.text_key and not isinstance(literal, tree.Table | tree.ListNode) and not empty:
            raise LeftAloneError("payload_shape", name)
        if (
            column.rule.default is not None
            and not empty
            and not isinstance(literal, tree.TextNode | tree.Constant | tree.Table | tree.ListNode)
        ):
            self.changes.reviews.append(("default_for_null", name))
        if not isinstance(value, tree.Function):
            self.changes.edits += value_edits(column, value, self.scopes, exact=False)
        self.given.add(column.name)
        return column.name

    def _added(self, node: CodeNode) -> Iterator[tuple[tree.TextNode | tree.Attribute, CodeNode | None]]:
        """What the function puts into the row, or reads from it, by key."""
        node = tree.bare(node)
        if isinstance(node, Name):
            yield from keys_of_variable(self.scopes, node, self.chain)

    def _key(self, key: tree.TextNode | tree.Attribute, value: CodeNode | None) -> None:
        name = key.name if isinstance(key, tree.Attribute) else key.literal
        if name is None or name in self.target.selectors:
            raise LeftAloneError("computed_payload")
        new = self._judged(name, value) if value is not None else self.target.column(name).name
        if new != name:
            edit = inside(key, new) if isinstance(key, tree.TextNode) else Edit(key.end - len(name), key.end, fits(new))
            if edit not in self.changes.edits:
                self.changes.edits.append(edit)


def literal_rows(scopes: Scopes, node: CodeNode) -> list[tree.Table]:
    """Return the literal rows of a payload. Raises LeftAloneError where it is none."""
    node = tree.bare(node)
    if isinstance(node, Name):
        values = [binding for binding in scopes.bindings(node) if binding.value is not None]
        if len(values) != 1 or len(scopes.bindings(node)) != 1 or not isinstance(values[0].node, Assign):
            raise LeftAloneError("computed_payload", node.id)
        if scopes.scope_of(values[0].node) is not scopes.scope_of(node):
            raise LeftAloneError("computed_payload", node.id)
        node = tree.bare(values[0].value or node)
    if isinstance(node, tree.Table):
        return [node]
    if isinstance(node, tree.ListNode) and node.items:
        items = [tree.bare(item) for item in node.items]
        tables = [item for item in items if isinstance(item, tree.Table)]
        if len(tables) == len(items):
            return tables
    raise LeftAloneError("computed_payload")


def keys_of_variable(
    scopes: Scopes, variable: Name, chain: Chain
) -> Iterator[tuple[tree.TextNode | tree.Attribute, CodeNode | None]]:
    """Yield each key by which the function writes (with the value) or reads its row. Raises LeftAloneError for any other use."""
    file, scope = scopes.file, scopes.scope_of(variable)
    for use in scopes.uses(scope, variable.id):
        above = file.parent(use)
        if use is variable or (isinstance(above, Assign) and use in above.targets):
            continue
        key: tree.TextNode | tree.Attribute | None = None
        if isinstance(above, tree.Subscript) and above.of is use and isinstance(above.key, tree.TextNode):
            key = above.key
        elif isinstance(above, tree.Attribute) and file.language == "javascript" and not _called(file, above):
            key = above
        around = file.parent(above) if above is not None else None
        stored = isinstance(around, Assign) and above in around.targets
        if key is not None and above is not None and not (stored and isinstance(around, Assign) and around.augmented):
            yield key, around.value if stored and isinstance(around, Assign) else None
            continue
        raise LeftAloneError("computed_payload", variable.id)


def _under_a_condition(scopes: Scopes, node: CodeNode) -> bool:
    """Whether a function may pass a statement by."""
    above = scopes.file.parent(node)
    while above is not None and not isinstance(above, tree.Function):
        if isinstance(above, tree.Branch):
            return True
        above = scopes.file.parent(above)
    return False


def _called(file: tree.SourceFile, node: CodeNode) -> bool:
    above = file.parent(node)
    return isinstance(above, tree.Call) and above.func is node


def selectors_in(tables: Iterable[tree.Table], wanted: set[str]) -> dict[str, str]:
    """Return what all rows say alike of the columns that choose a table. Raises LeftAloneError where they differ."""
    said: list[dict[str, str]] = []
    for table in tables:
        one = {}
        for entry in table.entries:
            if entry.key is not None and key_name(entry.key) in wanted:
                value = tree.bare(entry.value)
                one[key_name(entry.key)] = (value.literal or "") if isinstance(value, tree.TextNode) else ""
        said.append(one)
    if any(one != said[0] for one in said):
        raise LeftAloneError("ambiguous_table")
    return said[0] if said else {}
