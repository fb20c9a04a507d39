"""Times: a Spanish timestamp holds UTC and PostgreSQL ignores an offset: literals are brought there, others judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from . import tree
from .names import Scopes
from .reasons import LeftAloneError
from .tree import Assign, Attribute, Call, CodeNode, Name

_UTC = {
    "timezone.utc",
    "datetime.timezone.utc",
    "UTC",
    "datetime.UTC",
    "pytz.utc",
    "pytz.UTC",
    "tz.utc",
    "dt.timezone.utc",
    "dt.UTC",
}


def utc_literal(text: str) -> str:
    """Return a written time in UTC without offset. Raises LeftAloneError where it says no zone, or is no time."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise LeftAloneError("zone_unknown", text) from None
    if moment.tzinfo is None:
        raise LeftAloneError("zone_unknown", text)
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat("T" if "T" in text else " ")


def require_utc(scopes: Scopes, node: CodeNode) -> None:
    """Refuse a computed time that is not shown to be UTC. Raises LeftAloneError."""
    if not _utc_text(scopes, node, 0):
        raise LeftAloneError("computed_time")


def _utc_text(scopes: Scopes, node: CodeNode, depth: int) -> bool:
    node = tree.bare(node)
    if depth > 8:
        return False
    match node:
        case tree.Constant(value="None" | "null" | "undefined"):
            return True
        case Name():
            return _through(scopes, node, _utc_text, depth) or _utc_moment(scopes, node, depth + 1)
        case Call(func=Attribute(name="isoformat", of=of)):
            return _utc_moment(scopes, of, depth + 1)
        case Call(func=Attribute(name="toISOString" | "toJSON"), args=()):
            return True
        case Call(func=Name(id="str"), args=args) if len(args) == 1:
            return _utc_moment(scopes, args[0].value, depth + 1)
        case Call(func=Attribute(name="replace", of=of), args=args) if _literals(args) == ["+00:00", "Z"]:
            return _utc_text(scopes, of, depth + 1)
        case tree.OperationNode(op="+", operands=(first, tree.TextNode() as last)) if last.literal in ("Z", "+00:00"):
            return _utc_text(scopes, first, depth + 1)
        case tree.Branch(then=(then,), other=(other,)):
            return _utc_text(scopes, then, depth + 1) and _utc_text(scopes, other, depth + 1)
    return _utc_moment(scopes, node, depth + 1) and scopes.file.language == "javascript"


def _utc_moment(scopes: Scopes, node: CodeNode, depth: int) -> bool:
    """Whether it is a moment whose text is UTC."""
    node = tree.bare(node)
    if depth > 8:
        return False
    if scopes.file.language == "javascript":
        return isinstance(node, Call) and isinstance(node.func, Name) and node.func.id == "Date"
    match node:
        case Name():
            return _through(scopes, node, _utc_moment, depth)
        case Call(func=Attribute(name="utcnow"), args=()):
            return True
        case Call(func=Attribute(name="now" | "astimezone"), args=(first,)):
            return _is_utc(first.value)
        case Call(func=Attribute(name="replace", of=of), args=args):
            zones = [a.value for a in args if a.name == "tzinfo"]
            if zones and not _is_utc(zones[0]) and not isinstance(zones[0], tree.Constant):
                return False
            return bool(args) and all(a.name for a in args) and _utc_moment(scopes, of, depth + 1)
        case tree.OperationNode(op="+" | "-", operands=(first, _)):
            return _utc_moment(scopes, first, depth + 1)
    return False


def _through(scopes: Scopes, name: Name, judge: object, depth: int) -> bool:
    """Every value that the name gets in its function is one."""
    assert callable(judge)
    values = []
    for binding in scopes.bindings(name):
        if not isinstance(binding.node, Assign) or binding.node.augmented or binding.value is None:
            return False
        values.append(binding.value)
    return bool(values) and all(judge(scopes, value, depth + 1) for value in values)


def _is_utc(node: CodeNode) -> bool:
    node = tree.bare(node)
    if isinstance(node, Call) and tree.dotted(node.func).rpartition(".")[2] in ("ZoneInfo", "timezone", "gettz"):
        return _literals(node.args) in (["UTC"], ["Etc/UTC"])
    return tree.dotted(node) in _UTC


def _literals(args: Sequence[tree.Argument]) -> list[str | None]:
    return [a.value.literal if isinstance(a.value, tree.TextNode) else None for a in args]
