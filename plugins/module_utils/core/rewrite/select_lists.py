"""PostgREST's select lists: each column under its Spanish name, and under the key by which the rows are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .reasons import Edit, LeftAloneError
from .targets import Column, Target, Targets
from .texts import HOLE, Flat, split_outside, trimmed

_ITEM = re.compile(
    r"(?:(?P<alias>[^:()!\s\"]+)\s*:(?!:)\s*)?(?P<name>\*|[^\W\d][\w ]*?|\"[^\"]*\")"
    r"(?P<path>(?:->>?[\w\"]+)*)(?P<agg>\.(?:sum|avg|min|max|count)\(\))?(?P<cast>::\w+(?:\[\])?)?"
)
_EMBED = re.compile(r"(?:(?P<alias>[^:()!\s\"]+)\s*:\s*)?(?P<spread>\.\.\.)?(?P<name>[^\W\d]\w*)(?P<hints>(?:!\w+)*)\s*\(")
DEEPEST = 8


@dataclass
class Selected:
    """What a select list came to. ``embeds``: key of an embedded table → its pair; ``lost``: columns that * read no more."""

    edits: list[Edit] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    embeds: dict[str, Target] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def whole_row(target: Target) -> str:
    """Return the list that * stands for, each column under its legacy key."""
    return ", ".join(_aliased(column) for column in target.readable)


def _aliased(column: Column) -> str:
    return column.name if column.name == column.legacy else f"{column.legacy}:{column.name}"


def select_list(text: Flat, target: Target, targets: Targets) -> Selected:
    """Rewrite a select list. Raises LeftAloneError where a part of it has no sure counterpart."""
    found = Selected()
    if not text.text.strip():
        raise LeftAloneError("bad_select")
    _part(text, (0, len(text.text)), target, targets, found, "")
    return found


def _part(text: Flat, span: tuple[int, int], target: Target, targets: Targets, found: Selected, under: str) -> None:
    if under.count(".") > DEEPEST:
        raise LeftAloneError("bad_select")
    offset = span[0]
    for start, end in split_outside(text.text[slice(*span)]):
        first, last = trimmed(text.text, (start + offset, end + offset))
        item = text.text[first:last]
        if HOLE in item:
            raise LeftAloneError("computed_columns")
        if embed := _EMBED.match(item):
            if not item.endswith(")"):
                raise LeftAloneError("bad_select", item)
            _embed(text, first, last, embed, target, targets, found, under)
        elif first != last:
            _item(text, first, item, target, found, bool(under))


def _item(text: Flat, first: int, item: str, target: Target, found: Selected, embedded: bool) -> None:
    parts = _ITEM.fullmatch(item)
    if parts is None or '"' in parts["name"]:
        raise LeftAloneError("bad_select", item)
    name = parts["name"]
    if name == "*":
        if parts["alias"] or parts["cast"]:
            raise LeftAloneError("bad_select", item)
        found.columns += target.readable
        found.lost += target.lost
        found.edits.append(text.edit(first, first + 1, whole_row(target)))
        return
    if name == "count" and not parts["alias"] and embedded and not any(c.legacy == "count" for c in target.readable):
        return
    column = target.column(name)
    found.columns.append(column)
    start = first + parts.start("name")
    keeps_key = bool(parts["alias"] or parts["path"] or parts["agg"])
    new = column.name if keeps_key else _aliased(column)
    if (parts["path"] or parts["agg"]) and (column.rule.text_key or column.translated):
        raise LeftAloneError("payload_shape", name)
    if new != name:
        found.edits.append(text.edit(start, start + len(name), new))


def _embed(
    text: Flat, first: int, last: int, parts: re.Match[str], target: Target, targets: Targets, found: Selected, under: str
) -> None:
    name, hints = parts["name"], [hint for hint in parts["hints"].split("!") if hint]
    joins = {"inner", "left"}
    ties = [hint for hint in hints if hint not in joins]
    if name not in targets.tables:
        known = any(name in (f.column, f.table) for f in target.table.foreign_keys)
        raise LeftAloneError("embed_form" if known or name in _columns(target) else "embed", f"{target.pair.source} → {name}")
    if len(ties) > 1 or parts["spread"]:
        raise LeftAloneError("embed_form", parts[0] + "…)")
    tie = _tie(ties, target, targets, name)
    inner = targets.embedded(target, name, tie)
    key = parts["alias"] or name
    start = first + parts.start("name")
    spanish = inner.table.name
    new = spanish if parts["alias"] else f"{name}:{spanish}" if spanish != name else name
    found.edits.append(text.edit(start, start + len(name), new))
    if ties and tie:
        place = first + parts.start("hints") + parts["hints"].index(ties[0])
        found.edits.append(text.edit(place, place + len(ties[0]), tie))
    path = f"{under}.{key}" if under else key
    found.embeds[path] = inner
    body = (first + parts.end(), last - 1)
    _part(text, body, inner, targets, found, path)


def _columns(target: Target) -> Mapping[str, Column]:
    return {column.legacy: column for column in target.readable}


def _tie(ties: list[str], target: Target, targets: Targets, name: str) -> str:
    """The Spanish column of a hint, which may be the legacy column of either side. Raises LeftAloneError for a constraint."""
    if not ties:
        return ""
    for side in (target, *targets.tables[name]):
        for column in (c for c in side.readable if c.legacy == ties[0]):
            if any(f.column == column.name for f in side.table.foreign_keys):
                return column.name
    raise LeftAloneError("embed_form", f"!{ties[0]}")
