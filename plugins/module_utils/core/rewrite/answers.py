"""Who reads what a chain answers, as far as its own function shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from . import tree
from .chains import Chain
from .names import Scopes
from .tree import Assign, Attribute, CodeNode, Name, Subscript, TextNode


def texts_around(scopes: Scopes, chain: Chain) -> Iterator[TextNode]:
    """Yield the literals of the chain's function that are no part of the chain."""
    spans = chain.spans()
    for node in tree.walk(scopes.scope_of(chain.start)):
        if isinstance(node, TextNode) and not any(start <= node.start < end for start, end in spans):
            yield node


def words_compared(scopes: Scopes, chain: Chain, words: Collection[str]) -> list[TextNode]:
    """Return the literals that are one of the words and are compared, looked up or matched, not passed or written."""
    found = []
    for text in texts_around(scopes, chain):
        above = scopes.file.parent(text)
        if isinstance(above, tree.ListNode):
            above = scopes.file.parent(above)
        compared = isinstance(above, tree.OperationNode) and above.op in ("==", "!=", "in", "not in", "is")
        keyed = isinstance(above, tree.Table) and any(entry.key is text for entry in above.entries)
        if text.literal in words and (compared or keyed or isinstance(above, Subscript | tree.Other)):
            found.append(text)
    return found


def keys_read(scopes: Scopes, chain: Chain) -> set[str]:
    """Return the keys and attributes that the chain's function reads of anything."""
    found = {text.literal for text in texts_around(scopes, chain) if text.literal}
    return (
        found | {n.name for n in tree.walk(scopes.scope_of(chain.start)) if isinstance(n, Attribute)} | _patterns(scopes, chain)
    )


def _patterns(scopes: Scopes, chain: Chain) -> set[str]:
    found = set()
    for node in tree.walk(scopes.scope_of(chain.start)):
        if isinstance(node, tree.Table):
            found |= {entry.key.id for entry in node.entries if isinstance(entry.key, Name)}
    return found


def rows_of_write_used(scopes: Scopes, chain: Chain, legacy: Collection[str]) -> bool:
    """Whether Python code may read the rows that a write answers by a legacy key; asking for truth or length does not."""
    node = chain.result
    if node is None:
        return True
    file, above = scopes.file, scopes.file.parent(node)
    if isinstance(above, tree.Scrap):
        return False
    if isinstance(above, Assign) and len(above.targets) == 1 and isinstance(above.targets[0], Name):
        variable = above.targets[0]
        uses = [u for u in scopes.uses(scopes.scope_of(variable), variable.id) if u is not variable]
        return any(_gives_rows(scopes, use, legacy) for use in uses)
    return _gives_rows(scopes, node, legacy, of_attribute=isinstance(above, Attribute) or file.language == "python")


def _gives_rows(scopes: Scopes, use: CodeNode, legacy: Collection[str], of_attribute: bool = True) -> bool:
    """Climb from the answer over .data, [0], ["id"]: does a row, or a column under a legacy name, get out?"""
    file, node, above = scopes.file, use, scopes.file.parent(use)
    while above is not None:
        if isinstance(above, Assign) and any(node is target for target in above.targets):
            return False
        if isinstance(above, Attribute) and above.of is node and above.name in ("data", "count", "error", "get"):
            if above.name in ("count", "error"):
                return False
            node, above = above, file.parent(above)
        elif isinstance(above, Subscript) and above.of is node:
            if isinstance(above.key, TextNode):
                return above.key.literal is None or above.key.literal in legacy
            node, above = above, file.parent(above)
        elif isinstance(above, tree.Call) and above.func is node and above.args:
            first = above.args[0].value
            return not (isinstance(first, TextNode) and first.literal is not None and first.literal not in legacy)
        elif (
            (isinstance(above, tree.Call) and isinstance(above.func, Name) and above.func.id in ("len", "bool"))
            or (isinstance(above, tree.Branch) and above.test is node)
            or (isinstance(above, tree.OperationNode) and above.op in ("not", "==", "!=", "is", "is not"))
        ):
            return False
        elif isinstance(above, tree.OperationNode | tree.Wrapped):
            node, above = above, file.parent(above)
        else:
            return True
    return True
