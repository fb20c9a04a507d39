"""What becomes of one chain: its edits and what a person should look at, or why it is left alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from . import tree
from .chains import VERBS, Chain, Link
from .conditions import (
    METHODS,
    Changes,
    condition_value,
    judge_operator,
    key_name,
    match_entries,
    or_text,
    place_of,
    rename_key,
    says_null,
)
from .names import Scopes
from .payloads import Payload
from .reasons import Edit, LeftAloneError
from .select_lists import select_list, whole_row
from .targets import Column, Target, Targets
from .texts import flat, inside, split_outside, trimmed
from .tree import Argument, CodeNode

_PASSED = {"limit", "range", "single", "maybe_single", "maybeSingle", "csv", "explain", "returns", "overrideTypes", "abortSignal"}
_PASSED |= {"throwOnError", "setHeader", "rollback", "offset", "retry", "max_affected", "maxAffected", "geojson"}


@dataclass
class ChainPlan:
    """A chain that is rewritten for ``target``. ``columns``: those that its answer gives, ``lost``: those it gives no more."""

    chain: Chain
    scopes: Scopes
    targets: Targets
    target: Target
    changes: Changes = field(default_factory=Changes)
    columns: list[Column] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    embeds: dict[str, Target] = field(default_factory=dict)

    def edit_all(self) -> None:
        """Plan every link. Raises LeftAloneError for the first that is not sure."""
        if not self.chain.verb:
            raise LeftAloneError("unknown_method", "sin select, insert, update, upsert ni delete")
        links = sorted(self.chain.links, key=lambda link: link.method not in VERBS)
        for link in links:
            self._link(link)
        if others := self.targets.others_in(self.target):
            self.changes.reviews.append(("other_rows", ", ".join(others)))

    def _link(self, link: Link) -> None:
        method, args = link.method, link.call.args
        if any(argument.spread for argument in args):
            raise LeftAloneError("computed_columns", method)
        if method in ("or_", "or"):
            self._or(args)
        elif method == "select":
            self._select(args)
        elif method in ("insert", "update", "upsert"):
            self._write(method, args)
        elif method in ("delete", *_PASSED):
            return
        elif method == "order":
            self._order(args)
        elif method == "match" and args and isinstance(tree.bare(args[0].value), tree.Table):
            self._match(args[0].value, link)
        elif method == "filter" or method == "not":
            self._spelled(link)
        elif method in METHODS:
            self._filter(link, METHODS[method])
        else:
            raise LeftAloneError("unknown_method", method)

    def _select(self, args: tuple[Argument, ...]) -> None:
        positional = [argument for argument in args if not argument.name or argument.name == "columns"]
        if positional and isinstance(tree.bare(positional[0].value), tree.Table):  # select({ count: 'exact' })
            raise LeftAloneError("computed_columns")
        for argument in positional if self.scopes.file.language == "python" else positional[:1]:
            self._select_text(argument.value)
        if positional:
            return
        if args:
            raise LeftAloneError("computed_columns")
        place = next(link.call for link in self.chain.links if link.method == "select").end - 1
        self.changes.edits.append(Edit(place, place, f'"{whole_row(self.target)}"'))
        self.columns += self.target.readable
        self.lost += self.target.lost

    def _select_text(self, node: CodeNode) -> None:
        node = tree.bare(node)
        if not isinstance(node, tree.TextNode):
            raise LeftAloneError("computed_columns")
        found = select_list(flat(node), self.target, self.targets)
        self.changes.edits += found.edits
        self.columns += found.columns
        self.lost += found.lost
        self.embeds |= found.embeds

    def _column(self, node: CodeNode, op: str, negated: bool, value: CodeNode) -> Column:
        node = tree.bare(node)
        if not isinstance(node, tree.TextNode) or node.literal is None:
            raise LeftAloneError("computed_columns")
        text = flat(node)
        column, start = place_of(text.text, self.target, self.embeds)
        judge_operator(column, op, self.changes, says_null(value), negated)
        self.changes.rename(text, start, column.legacy, column.name)
        return column

    def _filter(self, link: Link, op: str) -> None:
        args = link.call.args
        if len(args) < 2 or any(a.name and a.name not in ("column", "value", "values", "pattern") for a in args[:2]):
            raise LeftAloneError("bad_filter", link.method)
        if self._says_target(link, args[0].value):
            return
        column = self._column(args[0].value, op, link.negated, args[1].value)
        self.changes.edits += condition_value(column, op, args[1].value, self.scopes)

    def _spelled(self, link: Link) -> None:
        """.filter(column, operator, value) and .not(column, operator, value)."""
        args = link.call.args
        if len(args) != 3 or not isinstance(args[1].value, tree.TextNode) or args[1].value.literal is None:
            raise LeftAloneError("bad_filter", link.method)
        op = args[1].value.literal.removeprefix("not.")
        value = tree.bare(args[2].value)
        column = self._column(args[0].value, op, link.negated, value)
        if op == "in" and (column.translated or column.is_time):
            raise LeftAloneError("computed_value", column.legacy)
        self.changes.edits += condition_value(column, op, value, self.scopes)

    def _says_target(self, link: Link, column: CodeNode) -> bool:
        """Whether the link chooses the table, which the Spanish table's name says: then it goes."""
        column = tree.bare(column)
        if not isinstance(column, tree.TextNode) or column.literal not in self.target.selectors:
            return False
        if link.method != "eq" or link.negated:
            raise LeftAloneError("ambiguous_table", str(column.literal))
        self.changes.edits.append(without_link(self.scopes.file.text, link))
        return True

    def _match(self, node: CodeNode, link: Link) -> None:
        table = tree.bare(node)
        assert isinstance(table, tree.Table)

        def entry_edits(key: tree.TextNode | tree.Name, entry: tree.KeyValue) -> None:
            name = key_name(key)
            if name in self.target.selectors:
                raise LeftAloneError("ambiguous_table", name)
            column, _ = place_of(name, self.target, self.embeds)
            judge_operator(column, "eq", self.changes, negated=link.negated)
            self.changes.edits += rename_key(entry, column.name)
            self.changes.edits += condition_value(column, "eq", entry.value, self.scopes)

        match_entries(table, entry_edits)

    def _or(self, args: tuple[Argument, ...]) -> None:
        text = tree.bare(args[0].value) if args else None
        if not isinstance(text, tree.TextNode):
            raise LeftAloneError("computed_columns", "or")
        target = self.target
        if table := _referenced(args):
            target = self._embedded(table)
        found = or_text(flat(text), target, self.embeds)
        self.changes.edits += found.edits
        self.changes.reviews += found.reviews

    def _order(self, args: tuple[Argument, ...]) -> None:
        node = tree.bare(args[0].value) if args else None
        if not isinstance(node, tree.TextNode) or node.literal is None:
            raise LeftAloneError("computed_columns", "order")
        text, target = flat(node), self.target
        if table := _referenced(args):
            target = self._embedded(table)
        for start, end in split_outside(text.text):
            first, last = trimmed(text.text, (start, end))
            name = text.text[first:last]
            if "(" in name:
                raise LeftAloneError("embed_form", name)
            column, offset = place_of(name.split(".")[0] if name.count(".") else name, target, self.embeds)
            if column.translated:
                raise LeftAloneError("translated_order", column.legacy)
            if column.rule.text_key:
                raise LeftAloneError("payload_shape", column.legacy)
            if column.rule.default is not None:
                self.changes.reviews.append(("default_for_null", column.legacy))
            self.changes.rename(text, first + offset, column.legacy, column.name)

    def _embedded(self, table: str) -> Target:
        if table not in self.embeds:
            raise LeftAloneError("embed_form", table)
        return self.embeds[table]

    def _write(self, method: str, args: tuple[Argument, ...]) -> None:
        positional = [argument for argument in args if not argument.name or argument.name in ("json", "values")]
        if not positional:
            raise LeftAloneError("computed_payload")
        payload = Payload(self.scopes, self.chain, self.target, self.changes, new_row=method != "update")
        payload.plan(positional[0].value)
        for name, value in _options(args):
            if name in ("on_conflict", "onConflict"):
                self._conflict(value)
            elif name == "columns":
                raise LeftAloneError("computed_columns", name)

    def _conflict(self, node: CodeNode) -> None:
        node = tree.bare(node)
        if not isinstance(node, tree.TextNode) or node.literal is None:
            raise LeftAloneError("computed_columns", "on_conflict")
        names = [name.strip() for name in node.literal.split(",")]
        spanish = [self.target.column(name).name for name in names]
        if not self.target.unique(spanish):
            raise LeftAloneError("not_unique", node.literal)
        if spanish != names:
            self.changes.edits.append(inside(node, ",".join(spanish)))


def _options(args: tuple[Argument, ...]) -> Iterable[tuple[str, CodeNode]]:
    """Keyword arguments, or the entries of the last object."""
    for argument in args:
        if argument.name:
            yield argument.name, argument.value
    for argument in args[1:]:
        table = tree.bare(argument.value)
        if isinstance(table, tree.Table):
            for entry in table.entries:
                if entry.key is None:
                    raise LeftAloneError("computed_columns")
                yield key_name(entry.key), entry.value
        elif not argument.name and not isinstance(table, tree.TextNode | tree.Constant | tree.Name):
            raise LeftAloneError("computed_columns")


def _referenced(args: tuple[Argument, ...]) -> str:
    """The embedded table that an order or an or_ is about, '' for none. Raises LeftAloneError for a computed one."""
    for name, value in _options(args):
        if name in ("foreign_table", "foreignTable", "reference_table", "referencedTable"):
            literal = value.literal if isinstance(value, tree.TextNode) else None
            if literal is None:
                raise LeftAloneError("embed_form")
            return literal
    return ""


def without_link(text: str, link: Link) -> Edit:
    """Return the edit that takes .eq(…) out, with the blanks before it. Raises LeftAloneError where brackets stand in between."""
    func = link.call.func
    assert isinstance(func, tree.Attribute)
    dot = text.rindex(".", func.of.end, func.end)
    dot -= text[dot - 1] == "?"
    between = text[func.of.end : dot]
    if between.strip() in ("", "\\"):
        return Edit(func.of.end, link.call.end, "")
    if any(mark in between for mark in ("#", "//", "/*")):
        return Edit(dot, link.call.end, "")
    raise LeftAloneError("ambiguous_table", "corchetes")


def said_of(chain: Chain, columns: Iterable[str]) -> Mapping[str, str]:
    """Return what the chain's filters always say of the columns that choose a table; one under a condition does not count.

    Raises LeftAloneError where they say two things of one column.
    """
    said: dict[str, str] = {}
    wanted, always = set(columns), _conditions_around(chain, chain.start)
    for link in chain.links:
        args = link.call.args
        if link.method != "eq" or link.negated or len(args) != 2:
            continue
        if not _conditions_around(chain, link.call) <= always:
            continue
        column, value = (tree.bare(argument.value) for argument in args)
        name = column.literal if isinstance(column, tree.TextNode) else None
        word = value.literal if isinstance(value, tree.TextNode) else None
        if name in wanted and name and word and said.setdefault(name, word) != word:
            raise LeftAloneError("ambiguous_table", name)
    return said


def _conditions_around(chain: Chain, node: CodeNode) -> set[CodeNode]:
    found, above = set[CodeNode](), chain.file.parent(node)
    while above is not None:
        if isinstance(above, tree.Branch | tree.OperationNode | tree.Function):
            found.add(above)
        above = chain.file.parent(above)
    return found
