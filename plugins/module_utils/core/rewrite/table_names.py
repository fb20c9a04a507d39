"""How a chain names its table: by a literal, by a constant of its module or of an imported one, or by something computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from . import tree
from .names import CodeProject, Scopes
from .tree import Assign, Attribute, Class, CodeNode, Import, Name, SourceFile, Subscript, TextNode


@dataclass(frozen=True, eq=False)
class TableName:
    """The text that holds the name; ``constant`` is what it is called by where the chain does not hold it itself."""

    file: SourceFile
    text: TextNode
    constant: str = ""


def table_name(project: CodeProject, scopes: Scopes, node: CodeNode) -> TableName | None:
    """Return where the name of a table stands, None where it is computed."""
    node = tree.bare(node)
    if isinstance(node, TextNode):
        return TableName(scopes.file, node) if node.literal is not None else None
    if isinstance(node, Attribute) and node.name == "value" and isinstance(node.of, Attribute):
        node = node.of
    if isinstance(node, Name):
        return next(iter(_of_name(project, scopes, node)), None)
    if isinstance(node, Attribute):
        return _member(project, scopes, node.of, node.name)
    if isinstance(node, Subscript) and isinstance(node.key, TextNode) and node.key.literal:
        return _member(project, scopes, node.of, node.key.literal)
    return None


def _of_name(project: CodeProject, scopes: Scopes, node: Name) -> Iterator[TableName]:
    for file, assign in _assigned(project, scopes, node):
        if (
            isinstance(assign.value, CodeNode)
            and isinstance(text := tree.bare(assign.value), TextNode)
            and text.literal is not None
        ):
            name = assign.targets[0].id if isinstance(assign.targets[0], Name) else node.id
            yield TableName(file, text, name)


def _assigned(project: CodeProject, scopes: Scopes, node: Name) -> list[tuple[SourceFile, Assign]]:
    """The one place that gives a module's name its value, here or in the module it comes from; none where there are several."""
    bindings = scopes.bindings(node)
    if len(bindings) != 1:
        return []
    found = bindings[0].node
    if isinstance(found, Assign) and len(found.targets) == 1 and scopes.scope_of(found) is scopes.file.root:
        return [(scopes.file, found)]
    if isinstance(found, Import):
        there = dict(found.bindings).get(node.id, "")
        given = [g for path in project.modules(scopes.file.path, found.module) for g in project.exported(path, there)]
        if len(given) == 1 and isinstance(given[0][1], Assign) and len(given[0][1].targets) == 1:
            return [(given[0][0], given[0][1])]
        if len(given) == 1 and isinstance(given[0][1], Name):
            return _assigned(project, project.scopes[given[0][0].path], given[0][1])
    return []


def _member(project: CodeProject, scopes: Scopes, of: CodeNode, name: str) -> TableName | None:
    of = tree.bare(of)
    if not isinstance(of, Name):
        return None
    for file, assign in _assigned(project, scopes, of):
        value = tree.bare(assign.value) if assign.value is not None else None
        for entry in value.entries if isinstance(value, tree.Table) else ():
            key = entry.key.id if isinstance(entry.key, Name) else entry.key.literal if entry.key is not None else None
            if key == name and isinstance(text := tree.bare(entry.value), TextNode) and text.literal is not None:
                return TableName(file, text, name)
    bindings = scopes.bindings(of)
    if len(bindings) == 1:
        for file, found in _classes(project, scopes, of, bindings[0].node):
            values = project.scopes[file.path].attributes[found].get(name, [])
            given = values[0].value if len(values) == 1 else None
            if isinstance(given, TextNode) and given.literal is not None:
                return TableName(file, given, name)
    return None


def _classes(project: CodeProject, scopes: Scopes, of: Name, node: CodeNode) -> Iterator[tuple[SourceFile, Class]]:
    if isinstance(node, Class):
        yield scopes.file, node
    if isinstance(node, Import):
        there = dict(node.bindings).get(of.id, "")
        for path in project.modules(scopes.file.path, node.module):
            yield from ((file, given) for file, given in project.exported(path, there) if isinstance(given, Class))


def other_uses(project: CodeProject, constant: str, taken: Mapping[CodeNode, object]) -> int:
    """Count where the constant's name stands in the code read, but for its definition, imports and the chains in ``taken``."""
    count = 0
    for file in project.files.values():
        if constant not in file.text:
            continue
        for node in tree.walk(file.root):
            named: bool = (isinstance(node, Name) and node.id == constant) or (
                isinstance(node, Attribute) and node.name == constant
            )
            named = named or (isinstance(node, Subscript) and isinstance(node.key, TextNode) and node.key.literal == constant)
            if named and not _expected(file, node, taken):
                count += 1
    return count


def _expected(file: SourceFile, node: CodeNode, taken: Mapping[CodeNode, object]) -> bool:
    above = file.parent(node)
    while isinstance(above, Attribute | tree.Wrapped):
        if above in taken:
            return True
        above = file.parent(above)
    if node in taken:
        return True
    above = file.parent(node)
    if isinstance(above, tree.Table):
        return any(entry.key is node and not entry.short for entry in above.entries)
    return isinstance(above, tree.Export | Import) or (isinstance(above, Assign) and node in above.targets)
