"""Conditions on columns: the arguments of filter methods, and PostgREST's own notation in or_ strings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from . import tree
from .names import Scopes
from .reasons import Edit, LeftAloneError
from .targets import Column, Target
from .texts import HOLE, Flat, fits, inside, split_outside, trimmed
from .times import require_utc, utc_literal
from .tree import CodeNode

EQUALITY = {"eq", "neq", "in", "is"}
COMPARING = {"eq", "neq", "gt", "gte", "lt", "lte", "in", "is"}
OPERATORS = COMPARING | {"like", "ilike", "match", "imatch", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj", "fts", "plfts"}
OPERATORS |= {"phfts", "wfts", "isdistinct"}
# Methods by the operator that they stand for.
METHODS: Mapping[str, str] = {
    **{name: name for name in ("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "is", "in", "cs", "cd", "ov", "fts")},
    **{"is_": "is", "in_": "in", "contains": "cs", "contained_by": "cd", "containedBy": "cd", "overlaps": "ov"},
    **{"text_search": "fts", "textSearch": "fts", "plfts": "fts", "phfts": "fts", "wfts": "fts", "isDistinct": "isdistinct"},
    **dict.fromkeys(("like_all_of", "like_any_of", "likeAllOf", "likeAnyOf"), "like"),
    **dict.fromkeys(("ilike_all_of", "ilike_any_of", "ilikeAllOf", "ilikeAnyOf"), "ilike"),
    **{"range_gt": "sr", "range_gte": "nxl", "range_lt": "sl", "range_lte": "nxr", "range_adjacent": "adj"},
    **{"rangeGt": "sr", "rangeGte": "nxl", "rangeLt": "sl", "rangeLte": "nxr", "rangeAdjacent": "adj"},
}
_COLUMN = re.compile(r"(?:(?P<embed>(?:\w+\.)*\w+)\.)?(?P<name>[^\W\d]\w*)(?P<path>(?:->>?[\w\"]+)*)")
_CONDITION = re.compile(
    r"(?P<name>[^\W\d][\w ]*)(?P<path>(?:->>?[\w\"]+)*)\.(?P<no>not\.)?(?P<op>\w+)(?P<any>\((?:any|all|\w+)\))?\.", re.DOTALL
)
_GROUP = re.compile(r"(?:not\.)?(?:and|or)\(")


@dataclass
class Changes:
    """What a use came to: edits, and what a person should look at, as reason and detail."""

    edits: list[Edit] = field(default_factory=list)
    reviews: list[tuple[str, str]] = field(default_factory=list)

    def rename(self, text: Flat, start: int, old: str, new: str) -> None:
        """Replace a name that stands in a text, where the new one is another."""
        if old != new:
            self.edits.append(text.edit(start, start + len(old), fits(new)))


def place_of(name: str, target: Target, embeds: Mapping[str, Target]) -> tuple[Column, int]:
    """Return the column that a filter names, also of an embedded table, and where its name begins. Raises LeftAloneError."""
    parts = _COLUMN.fullmatch(name)
    if parts is None:
        raise LeftAloneError("bad_filter", name)
    if parts["embed"]:
        if parts["embed"] not in embeds:
            raise LeftAloneError("embed_form", name)
        target = embeds[parts["embed"]]
    column = target.column(parts["name"])
    if parts["path"] and (column.rule.text_key or column.translated):
        raise LeftAloneError("payload_shape", name)
    return column, parts.start("name")


def says_null(value: CodeNode | str) -> bool:
    """Whether what follows is(…) is, or may be, null: true and false are not."""
    if not isinstance(value, str):
        node = tree.bare(value)
        value = node.value if isinstance(node, tree.Constant) else (node.literal or "") if isinstance(node, tree.TextNode) else ""
    return value.lower() not in ("true", "false", "unknown")


def judge_operator(column: Column, op: str, changes: Changes, null: bool = True, negated: bool = False) -> None:
    """Refuse an operator that would find other rows in Spanish. Raises LeftAloneError."""
    if op not in OPERATORS:
        raise LeftAloneError("bad_filter", op)
    if column.translated and op not in EQUALITY:
        raise LeftAloneError("translated_operator", column.legacy)
    if column.rule.text_key and op != "is":
        raise LeftAloneError("payload_shape", column.legacy)
    if column.is_time and op not in COMPARING:
        raise LeftAloneError("translated_operator", column.legacy)
    if column.rule.default is not None:
        if op == "is" and null:
            raise LeftAloneError("null_default", column.legacy)
        changes.reviews.append(("default_for_null", column.legacy))
    if negated and op == "isdistinct":
        raise LeftAloneError("bad_filter", op)


def condition_value(column: Column, op: str, node: CodeNode, scopes: Scopes) -> list[Edit]:
    """Return the edits of a filter's value. Raises LeftAloneError for one of which nobody knows what it becomes."""
    if op == "is" or not (column.translated or column.is_time):
        return []
    node = tree.bare(node)
    if op == "in":
        if not isinstance(node, tree.ListNode):
            raise LeftAloneError("computed_value" if column.translated else "computed_time", column.legacy)
        return [edit for item in node.items for edit in condition_value(column, "eq", item, scopes)]
    return value_edits(column, node, scopes, exact=True)


def value_edits(column: Column, node: CodeNode, scopes: Scopes, exact: bool) -> list[Edit]:
    """Return the edits of one value of a column. ``exact``: it is compared, so it must be nobody else's in Spanish."""
    node = tree.bare(node)
    if isinstance(node, tree.Constant) and node.value in ("None", "null"):
        return []
    if isinstance(node, tree.Branch) and len(node.then) == len(node.other) == 1:
        arms = (node.then[0], node.other[0])
        return [edit for arm in arms for edit in value_edits(column, arm, scopes, exact)]
    literal = node.literal if isinstance(node, tree.TextNode) else None
    if column.translated:
        if literal is None:
            raise LeftAloneError("computed_value", column.legacy)
        assert isinstance(node, tree.TextNode)
        new = column.value(literal, exact)
        return [] if new == literal else [inside(node, new)]
    if column.is_time:
        if literal is None:
            require_utc(scopes, node)
            return []
        assert isinstance(node, tree.TextNode)
        new = utc_literal(literal)
        return [] if new == literal else [inside(node, new)]
    return []


def or_text(text: Flat, target: Target, embeds: Mapping[str, Target]) -> Changes:
    """Rewrite the text of an or_. Raises LeftAloneError where a part of it is not understood."""
    changes = Changes()
    _conditions(text, (0, len(text.text)), target, embeds, changes, 0)
    return changes


def _conditions(
    text: Flat, span: tuple[int, int], target: Target, embeds: Mapping[str, Target], changes: Changes, depth: int
) -> None:
    if depth > 8:
        raise LeftAloneError("bad_filter")
    for start, end in split_outside(text.text[slice(*span)]):
        first, last = trimmed(text.text, (start + span[0], end + span[0]))
        item = text.text[first:last]
        if group := _GROUP.match(item):
            if not item.endswith(")"):
                raise LeftAloneError("bad_filter", item)
            _conditions(text, (first + group.end(), last - 1), target, embeds, changes, depth + 1)
            continue
        parts = _CONDITION.match(item)
        if parts is None or HOLE in parts[0]:
            raise LeftAloneError("bad_filter", item.replace(HOLE, "…"))
        column, _ = place_of(parts["name"] + (parts["path"] or ""), target, embeds)
        op = parts["op"]
        judge_operator(column, op, changes, says_null(item[parts.end() :].strip()))
        if parts["any"] and (column.translated or column.is_time):
            raise LeftAloneError("bad_filter", item)
        changes.rename(text, first, parts["name"], column.name)
        if op != "is":
            _value(text, (first + parts.end(), last), column, op, changes)


def _value(text: Flat, span: tuple[int, int], column: Column, op: str, changes: Changes) -> None:
    if not (column.translated or column.is_time):
        return
    spans = [span]
    if op == "in":
        if text.text[span[0] : span[0] + 1] != "(" or text.text[span[1] - 1] != ")":
            raise LeftAloneError("computed_value", column.legacy)
        inner = (span[0] + 1, span[1] - 1)
        spans = [(a + inner[0], b + inner[0]) for a, b in split_outside(text.text[slice(*inner)])]
    for start, end in spans:
        first, last = trimmed(text.text, (start, end))
        if text.text[first:last].startswith('"') and last - first > 1:
            first, last = first + 1, last - 1
        word = text.text[first:last]
        if HOLE in word:
            raise LeftAloneError("computed_value" if column.translated else "computed_time", column.legacy)
        changes.rename(text, first, word, column.value(word) if column.translated else utc_literal(word))


def match_entries(table: tree.Table, act: Callable[[tree.TextNode | tree.Name, tree.KeyValue], None]) -> None:
    """Call ``act`` with each key of a literal object. Raises LeftAloneError for a spread or a computed key."""
    for entry in table.entries:
        if entry.key is None:
            raise LeftAloneError("computed_payload")
        act(entry.key, entry)


def key_name(key: tree.TextNode | tree.Name) -> str:
    """Return what a key says. Raises LeftAloneError for one that is computed."""
    name = key.id if isinstance(key, tree.Name) else key.literal
    if name is None:
        raise LeftAloneError("computed_payload")
    return name


def rename_key(entry: tree.KeyValue, new: str) -> list[Edit]:
    """Return the edits that give an entry another key."""
    key = entry.key
    assert key is not None
    if key_name(key) == new:
        return []
    if entry.short:
        return [Edit(key.start, key.start, f"{fits(new)}: ")]
    if isinstance(key, tree.Name):
        return [Edit(key.start, key.end, fits(new))]
    return [inside(key, new)]


def dropped(file_text: str, entries: Sequence[tree.KeyValue], gone: tree.KeyValue) -> Edit:
    """Return the edit that takes one entry out of an object, with the comma that belongs to it."""
    start = gone.key.start if gone.key is not None else gone.value.start
    end = max(gone.value.end, gone.key.end if gone.key is not None else 0)
    index = list(entries).index(gone)
    if index + 1 < len(entries):
        following = entries[index + 1]
        between = file_text[end : following.key.start if following.key is not None else following.value.start]
        comma = between.find(",")
        if comma >= 0 and not between.replace(",", "", 1).strip():
            return Edit(start, end + len(between), "")
        raise LeftAloneError("computed_payload")
    if index:
        before = entries[index - 1]
        since = max(before.value.end, before.key.end if before.key is not None else 0)
        between = file_text[since:start]
        if not between.replace(",", "", 1).strip():
            return Edit(since, end, "")
        raise LeftAloneError("computed_payload")
    return Edit(start, end, "")
