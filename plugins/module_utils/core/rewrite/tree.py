"""A source file as the rewriter reads it, whatever its language: the few kinds of node that a use of a table is made of.

Positions count characters of the decoded file. A front end turns what it does not know into ``Other``, children kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class CodeNode:
    """A stretch of the file."""

    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Other(CodeNode):
    """Anything else."""

    children: tuple[CodeNode, ...] = ()


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a text: its characters as written from ``start`` on, or with ``hole`` a value that is computed."""

    value: str
    start: int
    hole: CodeNode | None = None


@dataclass(frozen=True, eq=False)
class TextNode(CodeNode):
    """A literal, a template or literals joined. ``raw``: its characters stand in the file as they are, without escapes."""

    pieces: tuple[Piece, ...]
    raw: bool = True

    @property
    def literal(self) -> str | None:
        """Its value where nothing in it is computed or escaped."""
        if not self.raw or any(piece.hole for piece in self.pieces):
            return None
        return "".join(piece.value for piece in self.pieces)


@dataclass(frozen=True, eq=False)
class Constant(CodeNode):
    """None, a truth value or a number: ``value`` as written."""

    value: str


@dataclass(frozen=True, eq=False)
class Name(CodeNode):
    """A plain name."""

    id: str


@dataclass(frozen=True, eq=False)
class Attribute(CodeNode):
    """``of``.``name``, also after ``?.``."""

    of: CodeNode
    name: str


@dataclass(frozen=True, eq=False)
class Subscript(CodeNode):
    """``of``[``key``]."""

    of: CodeNode
    key: CodeNode


@dataclass(frozen=True, eq=False)
class Argument:
    """``name`` of a keyword argument, '' of the others; ``spread``: * or **."""

    value: CodeNode
    name: str = ""
    spread: bool = False


@dataclass(frozen=True, eq=False)
class Call(CodeNode):
    """A call, with ``new`` too."""

    func: CodeNode
    args: tuple[Argument, ...]


@dataclass(frozen=True, eq=False)
class KeyValue:
    """A key and its value. ``short``: JavaScript's { name }; ``key`` None: a spread or something computed."""

    key: TextNode | Name | None
    value: CodeNode
    short: bool = False


@dataclass(frozen=True, eq=False)
class Table(CodeNode):
    """A dictionary or an object."""

    entries: tuple[KeyValue, ...]


@dataclass(frozen=True, eq=False)
class ListNode(CodeNode):
    """A list, a tuple or an array."""

    items: tuple[CodeNode, ...]


@dataclass(frozen=True, eq=False)
class Wrapped(CodeNode):
    """``kind``: await, or as for brackets, casts and the like, which change nothing."""

    inner: CodeNode
    kind: str = "as"


@dataclass(frozen=True, eq=False)
class OperationNode(CodeNode):
    """``op``: not, ==, !=, and, or, in, + …, of one operand or two."""

    op: str
    operands: tuple[CodeNode, ...]


@dataclass(frozen=True, eq=False)
class Branch(CodeNode):
    """An if, as statement or as expression."""

    test: CodeNode
    then: tuple[CodeNode, ...]
    other: tuple[CodeNode, ...]


@dataclass(frozen=True, eq=False)
class Assign(CodeNode):
    """``annotation``: the declared type as written. ``augmented``: += and the like."""

    targets: tuple[CodeNode, ...]
    value: CodeNode | None
    annotation: str = ""
    exported: bool = False
    augmented: bool = False


@dataclass(frozen=True, eq=False)
class Parameter(CodeNode):
    """A function's parameter; ``field``: TypeScript's constructor(private x), an attribute as well."""

    name: str
    annotation: str = ""
    default: CodeNode | None = None
    is_field: bool = False


@dataclass(frozen=True, eq=False)
class Function(CodeNode):
    """``name`` is '' for a function without one."""

    name: str
    params: tuple[Parameter, ...]
    body: tuple[CodeNode, ...]
    is_async: bool = False
    exported: str = ""
    returns: str = ""


@dataclass(frozen=True, eq=False)
class Class(CodeNode):
    """A class."""

    name: str
    body: tuple[CodeNode, ...]


@dataclass(frozen=True, eq=False)
class Return(CodeNode):
    """``value`` may be missing."""

    value: CodeNode | None


@dataclass(frozen=True, eq=False)
class Scrap(CodeNode):
    """An expression that stands as a statement: its value goes to nobody."""

    value: CodeNode


@dataclass(frozen=True, eq=False)
class Global(CodeNode):
    """Names that a function takes from the module."""

    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Import(CodeNode):
    """``bindings``: local name, name over there ('*': the module itself, 'default': its default export)."""

    module: str
    bindings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Export(CodeNode):
    """What a module gives under a name: module.exports = {a}, export default x, export {a as b} from './c'."""

    names: tuple[tuple[str, CodeNode], ...]  # name outside, expression


@dataclass(frozen=True)
class SourceFile:
    """A file read: ``language`` python or javascript, ``text`` decoded with ``encoding``."""

    path: str
    language: str
    text: str
    root: Other
    parents: dict[CodeNode, CodeNode] = field(repr=False)

    def parent(self, node: CodeNode) -> CodeNode | None:
        """Return the node around, None for the root."""
        return self.parents.get(node)

    def line(self, position: int) -> int:
        """Return the line of a position, from 1."""
        return self.text.count("\n", 0, position) + 1


def children(node: CodeNode) -> Iterator[CodeNode]:
    """Yield what a node is made of, in the order of the file."""
    match node:
        case Other():
            yield from node.children
        case TextNode():
            yield from (piece.hole for piece in node.pieces if piece.hole)
        case Attribute():
            yield node.of
        case Subscript():
            yield from (node.of, node.key)
        case Call():
            yield node.func
            yield from (argument.value for argument in node.args)
        case Table():
            for entry in node.entries:
                yield from ([entry.key] if entry.key and not entry.short else [])
                yield entry.value
        case ListNode():
            yield from node.items
        case Wrapped():
            yield node.inner
        case Scrap():
            yield node.value
        case OperationNode():
            yield from node.operands
        case Branch():
            yield node.test
            yield from (*node.then, *node.other)
        case Assign():
            yield from (*node.targets, *([node.value] if node.value else []))
        case Parameter():
            yield from ([node.default] if node.default else [])
        case Function():
            yield from (*node.params, *node.body)
        case Class():
            yield from node.body
        case Return():
            yield from ([node.value] if node.value else [])
        case Export():
            yield from (expression for _, expression in node.names)


def walk(node: CodeNode) -> Iterator[CodeNode]:
    """Yield the node and all below it, without recursion: nothing in a file is too deep."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(reversed(list(children(found))))


def source_file(path: str, language: str, text: str, root: Other) -> SourceFile:
    """Return the file with each node's parent."""
    parents = {child: node for node in walk(root) for child in children(node)}
    return SourceFile(path, language, text, root, parents)


def bare(node: CodeNode) -> CodeNode:
    """Return what stands inside brackets, casts and await."""
    while isinstance(node, Wrapped):
        node = node.inner
    return node


def dotted(node: CodeNode) -> str:
    """Return a.b.c for names and attributes, '' for anything else in between."""
    node = bare(node)
    if isinstance(node, Name):
        return node.id
    if isinstance(node, Attribute):
        before = dotted(node.of)
        return f"{before}.{node.name}" if before else ""
    return ""
