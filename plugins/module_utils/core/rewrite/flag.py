"""What MIGRATION_MODE=false never runs: the arm of a condition on it, and what stands behind a return in the other one."""

from __future__ import annotations

from collections.abc import Sequence

from . import tree
from .names import Scopes
from .tree import Assign, Attribute, Branch, Call, CodeNode, Constant, Name, OperationNode, Subscript, TextNode

_FLAG_NAME = "migrationmode"
_SPELLING = {"lower", "strip", "casefold", "toLowerCase", "trim", "toString"}


def behind_flag(scopes: Scopes, node: CodeNode) -> bool:
    """Whether a node is never reached once the flag is false."""
    file, child, above = scopes.file, node, scopes.file.parent(node)
    while above is not None:
        if isinstance(above, Branch) and child is not above.test:
            taken = _truth(scopes, above.test, 0)
            if (taken is True and child in above.other) or (taken is False and child in above.then):
                return True
        if any(_always_left(scopes, before) for before in _before(above, child)):
            return True
        child, above = above, file.parent(above)
    return False


def _before(above: CodeNode, child: CodeNode) -> Sequence[CodeNode]:
    """The statements that stand before a node in its block."""
    blocks: list[tuple[CodeNode, ...]] = []
    if isinstance(above, Branch):
        blocks = [above.then, above.other]
    elif isinstance(above, tree.Function):
        blocks = [above.body]
    elif isinstance(above, tree.Other):
        blocks = [above.children]
    return next((block[: block.index(child)] for block in blocks if child in block), ())


def _always_left(scopes: Scopes, statement: CodeNode) -> bool:
    if not isinstance(statement, Branch):
        return False
    taken = _truth(scopes, statement.test, 0)
    arm = statement.then if taken is True else statement.other if taken is False else ()
    return any(_returns(part) for part in arm)


def _returns(node: CodeNode) -> bool:
    if isinstance(node, tree.Other) and node.children:
        return any(isinstance(child, tree.Return) for child in node.children)
    return isinstance(node, tree.Return)


def _truth(scopes: Scopes, node: CodeNode, depth: int) -> bool | None:
    """What a condition comes to, None where that is not known; the flag's raw text is true whatever it says."""
    node = tree.bare(node)
    if depth > 8:
        return None
    if isinstance(node, OperationNode):
        return _combined(scopes, node, depth)
    value = _value(scopes, node, depth)
    return value if isinstance(value, bool) else None


def _combined(scopes: Scopes, node: OperationNode, depth: int) -> bool | None:
    if node.op == "not":
        inner = _truth(scopes, node.operands[0], depth + 1)
        return None if inner is None else not inner
    if node.op in ("and", "or"):
        parts = [_truth(scopes, operand, depth + 1) for operand in node.operands]
        decides = node.op == "or"
        if decides in parts:
            return decides
        return None if None in parts else not decides
    if node.op in ("==", "!=", "is", "is not") and len(node.operands) == 2:
        left, right = (_value(scopes, operand, depth + 1) for operand in node.operands)
        if left is None or right is None or type(left) is not type(right):
            return None
        return (left == right) == (node.op in ("==", "is"))
    if node.op in ("in", "not in") and isinstance(items := tree.bare(node.operands[1]), tree.ListNode):
        left, words = _value(scopes, node.operands[0], depth + 1), [_value(scopes, item, depth + 1) for item in items.items]
        if left is None or None in words:
            return None
        return (left in words) == (node.op == "in")
    return None


def _value(scopes: Scopes, node: CodeNode, depth: int) -> str | bool | None:
    """The flag as text "false", a setting of that name as False, a literal; None for anything else."""
    node = tree.bare(node)
    if depth > 8:
        return None
    match node:
        case TextNode():
            return node.literal
        case Constant():
            return {"True": True, "true": True, "False": False, "false": False}.get(node.value)
        case OperationNode(op="==" | "!=" | "not" | "and" | "or" | "in" | "not in" | "is"):
            return _truth(scopes, node, depth + 1)
        case OperationNode(op="??", operands=(first, _)):
            return _value(scopes, first, depth + 1)
        case Call(func=Attribute(name=name, of=of), args=()) if name in _SPELLING:
            return _value(scopes, of, depth + 1)
        case Call(args=args) if args and isinstance(args[0].value, TextNode) and _spelled(args[0].value.literal):
            return "false"  # os.getenv("MIGRATION_MODE", …), config("MIGRATION_MODE")
        case Subscript(key=TextNode() as key) if _spelled(key.literal):
            return "false"
        case Name():
            return _named(scopes, node, depth)
        case Attribute():
            if _spelled(node.name):
                return "false" if tree.dotted(node.of) in ("process.env", "import.meta.env", "Deno.env") else False
    return None


def _named(scopes: Scopes, node: Name, depth: int) -> str | bool | None:
    values = [b.value for b in scopes.bindings(node) if isinstance(b.node, Assign)]
    if len(values) == 1 and values[0] is not None:
        found = _value(scopes, values[0], depth + 1)
        return found if found is not None or not _spelled(node.id) else None
    return False if _spelled(node.id) and not values else None


def _spelled(name: str | None) -> bool:
    return (name or "").replace("_", "").lower() == _FLAG_NAME
