"""What a name stands for, in its file and in the module that it is imported from. Nothing beyond that is followed."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from . import tree
from .tree import Assign, Class, CodeNode, Export, Function, Import, Name, Parameter, SourceFile

_SUFFIXES = (".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts")


@dataclass(frozen=True, eq=False)
class Binding:
    """One place that gives a name something. ``value`` may be missing: a declaration alone."""

    node: CodeNode
    value: CodeNode | None = None
    annotation: str = ""


@dataclass(frozen=True, eq=False)
class Scopes:
    """The names of a file: per function (or the root) what binds them, and per class its attributes."""

    file: SourceFile

    def scope_of(self, node: CodeNode) -> CodeNode:
        """Return the function around a node, or the root."""
        found = self.file.parent(node)
        while found is not None and not isinstance(found, Function):
            found = self.file.parent(found)
        return found or self.file.root

    def class_of(self, node: CodeNode) -> Class | None:
        """Return the class around a node."""
        found = self.file.parent(node)
        while found is not None and not isinstance(found, Class):
            found = self.file.parent(found)
        return found

    @cached_property
    def names(self) -> dict[CodeNode, dict[str, list[Binding]]]:
        """Scope → name → what binds it there."""
        found: dict[CodeNode, dict[str, list[Binding]]] = defaultdict(lambda: defaultdict(list))
        outer = {(self.scope_of(n), name) for n in tree.walk(self.file.root) if isinstance(n, tree.Global) for name in n.names}
        for node in tree.walk(self.file.root):
            for name, binding in _bound(node):
                scope = self.scope_of(node)
                if isinstance(node, Assign) and isinstance(self._holder(node), Class):
                    continue
                if isinstance(node, Function | Class) and isinstance(self._holder(node), Class):
                    continue
                found[self.file.root if (scope, name) in outer else scope][name].append(binding)
        return found

    @cached_property
    def attributes(self) -> dict[Class, dict[str, list[Binding]]]:
        """Class → attribute → what is put there: in its body, through self and this, as a constructor's private parameter."""
        found: dict[Class, dict[str, list[Binding]]] = defaultdict(lambda: defaultdict(list))
        for node in tree.walk(self.file.root):
            if (around := self.class_of(node)) is None:
                continue
            if isinstance(node, Parameter) and node.is_field:
                found[around][node.name].append(Binding(node, node.default, node.annotation))
            if isinstance(node, Assign):
                for target in node.targets:
                    name = tree.dotted(target)
                    own = "." not in name and isinstance(self._holder(node), Class)
                    if name.startswith(("self.", "this.", "cls.")) or own:
                        attribute = name.partition(".")[2] or name
                        found[around][attribute].append(Binding(node, node.value, node.annotation))
            if isinstance(node, Function) and node.name and isinstance(self._holder(node), Class):
                found[around][node.name].append(Binding(node, node))
        return found

    def _holder(self, node: CodeNode) -> CodeNode | None:
        """What a statement stands in directly: a class, a function, the root."""
        found = self.file.parent(node)
        while found is not None and not isinstance(found, Class | Function):
            found = self.file.parent(found)
        return found

    def bindings(self, name: Name) -> list[Binding]:
        """Return what binds a name where it stands: of the nearest function around that binds it, else of the file."""
        scope: CodeNode | None = self.scope_of(name)
        while scope is not None:
            if found := self.names.get(scope, {}).get(name.id):
                return found
            scope = self.scope_of(scope) if scope is not self.file.root else None
        return []

    def uses(self, scope: CodeNode, name: str) -> Iterator[Name]:
        """Yield where a scope's name is read or written, functions inside included unless they bind it anew."""
        for node in tree.walk(scope):
            if isinstance(node, Name) and node.id == name:
                inner: CodeNode | None = self.scope_of(node)
                while inner is not None and inner is not scope and name not in self.names.get(inner, {}):
                    inner = self.scope_of(inner) if inner is not self.file.root else None
                if inner is scope:
                    yield node


def _bound(node: CodeNode) -> Iterator[tuple[str, Binding]]:
    match node:
        case Assign():
            for target in node.targets:
                if isinstance(target, Name):
                    yield target.id, Binding(node, node.value, node.annotation)
                else:
                    yield from ((n.id, Binding(node, tree.Other(n.start, n.end))) for n in _pattern_names(target))
        case Parameter() if node.name:
            yield node.name, Binding(node, node.default, node.annotation)
        case Parameter():
            yield from ((n.id, Binding(node, tree.Other(n.start, n.end))) for n in tree.walk(node) if isinstance(n, Name))
        case Import():
            yield from ((local, Binding(node)) for local, _ in node.bindings if local)
        case Function() | Class() if node.name:
            yield node.name, Binding(node, node)


def _pattern_names(target: CodeNode) -> Iterator[Name]:
    if isinstance(target, tree.Table | tree.ListNode | tree.Wrapped | tree.Other):
        for child in tree.children(target):
            if isinstance(child, Name):
                yield child
            else:
                yield from _pattern_names(child)


@dataclass
class CodeProject:
    """The files of one repository that were read, by path."""

    files: Mapping[str, SourceFile]
    scopes: dict[str, Scopes] = field(init=False)

    def __post_init__(self) -> None:
        self.scopes = {path: Scopes(file) for path, file in self.files.items()}
        self._ends: dict[str, list[str]] = defaultdict(list)
        for path in self.files:
            self._ends[posixpath.basename(path)].append(path)

    def modules(self, path: str, module: str) -> list[str]:
        """Return the files that an import of ``module`` in ``path`` may mean: usually one."""
        if self.files[path].language == "python":
            return self._python_modules(path, module)
        return self._javascript_modules(path, module)

    def _python_modules(self, path: str, module: str) -> list[str]:
        dots = len(module) - len(module.lstrip("."))
        inside = module.lstrip(".").replace(".", "/")
        if dots:
            folder = posixpath.dirname(path)
            for _ in range(dots - 1):
                folder = posixpath.dirname(folder)
            wanted = posixpath.join(folder, inside) if inside else folder
            return [found for found in (f"{wanted}.py", f"{wanted}/__init__.py") if found in self.files]
        return self._ending(inside, (f"{inside}.py", f"{inside}/__init__.py"))

    def _javascript_modules(self, path: str, module: str) -> list[str]:
        if module.startswith("."):
            wanted = posixpath.normpath(posixpath.join(posixpath.dirname(path), module))
            return [found for found in _spellings(wanted) if found in self.files]
        if module.startswith(("@/", "~/", "src/", "$lib/", "#")):
            return self._ending(module, tuple(_spellings(module.partition("/")[2])))
        return []

    def _ending(self, module: str, spellings: tuple[str, ...]) -> list[str]:
        if not module:
            return []
        return [
            path
            for spelling in spellings
            for path in self._ends.get(posixpath.basename(spelling), ())
            if path == spelling or path.endswith("/" + spelling)
        ]

    def exported(self, path: str, name: str) -> list[tuple[SourceFile, CodeNode]]:
        """Return what a module gives under a name: names, values, functions, or imports handed on."""
        file, found = self.files[path], list[tuple[SourceFile, CodeNode]]()
        if file.language == "python":
            top = self.scopes[path].names.get(file.root, {}).get(name, [])
            return [(file, binding.node) for binding in top]
        for node in tree.walk(file.root):
            if isinstance(node, Export):
                found += [(file, expression) for outside, expression in node.names if outside == name]
            if isinstance(node, Assign) and node.exported:
                found += [(file, node) for target in node.targets if isinstance(target, Name) and target.id == name]
            if isinstance(node, Function) and node.exported == name:
                found.append((file, node))
        return found


def _spellings(wanted: str) -> list[str]:
    if wanted.endswith(_SUFFIXES):
        stem = wanted[: wanted.rindex(".")]
        return [wanted, f"{stem}.ts", f"{stem}.tsx"]
    return [f"{wanted}{suffix}" for suffix in _SUFFIXES] + [f"{wanted}/index{suffix}" for suffix in _SUFFIXES]
