"""JavaScript's imports, read by ast-grep."""

from __future__ import annotations

from ast_grep_py import SgNode

from ..core.rewrite import tree


def span(node: SgNode) -> tuple[int, int]:
    """Return where a node stands, in characters."""
    found = node.range()
    return found.start.index, found.end.index


def import_of(node: SgNode) -> tree.CodeNode:
    """Return an import with the names that it binds."""
    source = node.field("source")
    module = source.text()[1:-1] if source is not None else ""
    bindings = []
    for clause in (child for child in node.children() if child.kind() == "import_clause"):
        for part in clause.children():
            if part.kind() == "identifier":
                bindings.append((part.text(), "default"))
            elif part.kind() == "namespace_import":
                bindings += [(child.text(), "*") for child in part.children() if child.kind() == "identifier"]
            elif part.kind() == "named_imports":
                bindings += [specifier(child) for child in part.children() if child.kind() == "import_specifier"]
    return tree.Import(*span(node), module, tuple(bindings))


def specifier(node: SgNode) -> tuple[str, str]:
    """Return the name on this side of an import or export and the one on the other."""
    name, alias = node.field("name"), node.field("alias")
    there = name.text() if name is not None else ""
    return (alias.text() if alias is not None else there), there


def required_module(node: tree.CodeNode | None) -> str:
    """Return the module of require('x'), '' for anything else."""
    if isinstance(node, tree.Call) and isinstance(node.func, tree.Name) and node.func.id == "require" and len(node.args) == 1:
        first = node.args[0].value
        return (first.literal or "") if isinstance(first, tree.TextNode) else ""
    return ""
