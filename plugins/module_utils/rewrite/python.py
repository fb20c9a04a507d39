"""Python as the rewriter's tree, read by LibCST: its positions are bytes, ours characters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

from ..core.rewrite import tree
from ..core.rewrite.tree import CodeNode, Other, Piece


class UnreadableError(Exception):
    """The file cannot be read in its language: why, in words."""


def read_python(path: str, text: str) -> tree.SourceFile:
    """Parse the text of a file. Raises UnreadableError where LibCST does not give it back byte for byte."""
    try:
        module = cst.parse_module(text)
    except (cst.ParserSyntaxError, cst.CSTValidationError, ValueError) as error:
        raise UnreadableError(f"no es Python que LibCST lea ({type(error).__name__})") from None
    if module.code != text:
        raise UnreadableError("LibCST no devuelve sus mismos bytes (un retorno de carro suelto, por ejemplo)")
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    reader = _Reader(text, wrapper.resolve(ByteSpanPositionProvider))
    return tree.source_file(path, "python", text, Other(0, len(text), reader.statements(module.body)))


class _Reader:
    def __init__(self, text: str, spans: Any) -> None:
        self.text, self.spans = text, spans
        self.places: list[int] | None = None
        if not text.isascii():
            self.places = []
            for place, char in enumerate(text):
                self.places += [place] * len(char.encode())
            self.places.append(len(text))

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        found = self.spans[node]
        start, end = found.start, found.start + found.length
        return (self.places[start], self.places[end]) if self.places is not None else (start, end)

    def statements(self, nodes: Iterable[cst.CSTNode]) -> tuple[CodeNode, ...]:
        return tuple(self.node(node) for node in nodes)

    def node(self, node: cst.CSTNode) -> CodeNode:
        make = _MAKERS.get(type(node))
        return make(self, node) if make else self.other(node)

    def other(self, node: cst.CSTNode) -> CodeNode:
        try:
            start, end = self.span(node)
        except KeyError:
            start = end = 0
        return Other(start, end, self.statements(child for child in node.children if type(child) not in _BLANK))


_BLANK = {
    cst.SimpleWhitespace,
    cst.TrailingWhitespace,
    cst.ParenthesizedWhitespace,
    cst.EmptyLine,
    cst.Comment,
    cst.Newline,
    cst.Comma,
    cst.LeftParen,
    cst.RightParen,
}


def _text(reader: _Reader, node: cst.SimpleString) -> CodeNode:
    start, end = reader.span(node)
    head = len(node.prefix) + len(node.quote)
    value = node.raw_value
    plain = "b" not in node.prefix.lower() and ("\\" not in value or "r" in node.prefix.lower())
    return tree.TextNode(start, end, (Piece(value, start + head),), plain)


def _template(reader: _Reader, node: cst.FormattedString) -> CodeNode:
    start, end = reader.span(node)
    pieces, raw = [], True
    for part in node.parts:
        if isinstance(part, cst.FormattedStringText):
            raw = raw and not set("\\{}") & set(part.value)
            pieces.append(Piece(part.value, reader.span(part)[0]))
        elif isinstance(part, cst.FormattedStringExpression):
            hole = reader.node(part.expression)
            pieces.append(Piece("", hole.start, hole))
    return tree.TextNode(start, end, tuple(pieces), raw)


def _joined(reader: _Reader, node: cst.ConcatenatedString) -> CodeNode:
    parts = [reader.node(node.left), reader.node(node.right)]
    pieces = tuple(piece for part in parts if isinstance(part, tree.TextNode) for piece in part.pieces)
    raw = all(isinstance(part, tree.TextNode) and part.raw for part in parts)
    return tree.TextNode(*reader.span(node), pieces, raw)


def _name(reader: _Reader, node: cst.Name) -> CodeNode:
    if node.value in ("None", "True", "False"):
        return tree.Constant(*reader.span(node), node.value)
    return tree.Name(*reader.span(node), node.value)


def _call(reader: _Reader, node: cst.Call) -> CodeNode:
    arguments = tuple(tree.Argument(reader.node(a.value), a.keyword.value if a.keyword else "", bool(a.star)) for a in node.args)
    return tree.Call(*reader.span(node), reader.node(node.func), arguments)


def _table(reader: _Reader, node: cst.Dict) -> CodeNode:
    entries = []
    for element in node.elements:
        key = reader.node(element.key) if isinstance(element, cst.DictElement) else None
        entries.append(tree.KeyValue(key if isinstance(key, tree.TextNode) else None, reader.node(element.value)))
    return tree.Table(*reader.span(node), tuple(entries))


def _items(reader: _Reader, node: cst.List | cst.Tuple | cst.Set) -> CodeNode:
    items = tuple(
        reader.node(element.value) if isinstance(element, cst.Element) else reader.other(element) for element in node.elements
    )
    return tree.ListNode(*reader.span(node), items)


def _subscript(reader: _Reader, node: cst.Subscript) -> CodeNode:
    first = node.slice[0].slice if len(node.slice) == 1 else None
    if not isinstance(first, cst.Index):
        return reader.other(node)
    return tree.Subscript(*reader.span(node), reader.node(node.value), reader.node(first.value))


_OPERATORS: dict[type[cst.CSTNode], str] = {
    cst.Equal: "==",
    cst.NotEqual: "!=",
    cst.In: "in",
    cst.NotIn: "not in",
    cst.Is: "is",
    cst.IsNot: "is not",
    cst.And: "and",
    cst.Or: "or",
    cst.Add: "+",
    cst.Subtract: "-",
}


def _comparison(reader: _Reader, node: cst.Comparison) -> CodeNode:
    if len(node.comparisons) != 1:
        return reader.other(node)
    target = node.comparisons[0]
    op = _OPERATORS.get(type(target.operator), "?")
    return tree.OperationNode(*reader.span(node), op, (reader.node(node.left), reader.node(target.comparator)))


def _binary(reader: _Reader, node: cst.BinaryOperation | cst.BooleanOperation) -> CodeNode:
    operands = (reader.node(node.left), reader.node(node.right))
    op = _OPERATORS.get(type(node.operator), "?")
    if op == "+" and all(isinstance(o, tree.TextNode) for o in operands):
        pieces = tuple(piece for o in operands if isinstance(o, tree.TextNode) for piece in o.pieces)
        return tree.TextNode(*reader.span(node), pieces, all(isinstance(o, tree.TextNode) and o.raw for o in operands))
    return tree.OperationNode(*reader.span(node), op, operands)


def _unary(reader: _Reader, node: cst.UnaryOperation) -> CodeNode:
    op = "not" if isinstance(node.operator, cst.Not) else "?"
    return tree.OperationNode(*reader.span(node), op, (reader.node(node.expression),))


def _block(reader: _Reader, node: cst.BaseSuite) -> tuple[CodeNode, ...]:
    return reader.statements(node.body)


def _if(reader: _Reader, node: cst.If) -> CodeNode:
    other: tuple[CodeNode, ...] = ()
    if isinstance(node.orelse, cst.If):
        other = (reader.node(node.orelse),)
    elif node.orelse:
        other = _block(reader, node.orelse.body)
    return tree.Branch(*reader.span(node), reader.node(node.test), _block(reader, node.body), other)


def _choice(reader: _Reader, node: cst.IfExp) -> CodeNode:
    then, other = reader.node(node.body), reader.node(node.orelse)
    return tree.Branch(*reader.span(node), reader.node(node.test), (then,), (other,))


def _assign(reader: _Reader, node: cst.Assign) -> CodeNode:
    targets = tuple(reader.node(target.target) for target in node.targets)
    return tree.Assign(*reader.span(node), targets, reader.node(node.value), exported=True)


def _annotated(reader: _Reader, node: cst.AnnAssign) -> CodeNode:
    value = reader.node(node.value) if node.value else None
    start, end = reader.span(node.annotation.annotation)
    return tree.Assign(*reader.span(node), (reader.node(node.target),), value, reader.text[start:end], exported=True)


def _augmented(reader: _Reader, node: cst.AugAssign) -> CodeNode:
    return tree.Assign(*reader.span(node), (reader.node(node.target),), reader.node(node.value), augmented=True)


def _walrus(reader: _Reader, node: cst.NamedExpr) -> CodeNode:
    return tree.Assign(*reader.span(node), (reader.node(node.target),), reader.node(node.value))


def _parameter(reader: _Reader, node: cst.Param) -> tree.Parameter:
    annotation = ""
    if node.annotation:
        start, end = reader.span(node.annotation.annotation)
        annotation = reader.text[start:end]
    default = reader.node(node.default) if node.default else None
    return tree.Parameter(*reader.span(node), node.name.value, annotation, default)


def _function(reader: _Reader, node: cst.FunctionDef) -> CodeNode:
    p = node.params
    stars = [star for star in (p.star_arg, p.star_kwarg) if isinstance(star, cst.Param)]
    params = tuple(_parameter(reader, param) for param in (*p.posonly_params, *p.params, *p.kwonly_params, *stars))
    body = (*reader.statements(d.decorator for d in node.decorators), *_block(reader, node.body))
    returns = ""
    if node.returns:
        start, end = reader.span(node.returns.annotation)
        returns = reader.text[start:end]
    name = node.name.value
    return tree.Function(*reader.span(node), name, params, body, bool(node.asynchronous), name, returns)


def _loop(reader: _Reader, node: cst.For | cst.CompFor) -> CodeNode:
    start, end = reader.span(node.target)
    bound = tree.Assign(start, end, (reader.node(node.target),), Other(start, end))
    rest = [child for child in node.children if child is not node.target and type(child) not in _BLANK]
    return Other(*reader.span(node), (bound, *reader.statements(rest)))


def _as_name(reader: _Reader, node: cst.AsName) -> CodeNode:
    start, end = reader.span(node.name)
    return tree.Assign(start, end, (reader.node(node.name),), Other(start, end))


def _lambda(reader: _Reader, node: cst.Lambda) -> CodeNode:
    params = tuple(_parameter(reader, param) for param in node.params.params)
    start, end = reader.span(node)
    return tree.Function(start, end, "", params, (tree.Return(start, end, reader.node(node.body)),))


def _class(reader: _Reader, node: cst.ClassDef) -> CodeNode:
    return tree.Class(*reader.span(node), node.name.value, _block(reader, node.body))


def _return(reader: _Reader, node: cst.Return) -> CodeNode:
    return tree.Return(*reader.span(node), reader.node(node.value) if node.value else None)


def _line(reader: _Reader, node: cst.SimpleStatementLine) -> CodeNode:
    return Other(*reader.span(node), reader.statements(node.body))


def _expression(reader: _Reader, node: cst.Expr) -> CodeNode:
    return tree.Scrap(*reader.span(node), reader.node(node.value))


def _import_from(reader: _Reader, node: cst.ImportFrom) -> CodeNode:
    path = "." * len(node.relative) + (cst.Module([]).code_for_node(node.module) if node.module else "")
    if isinstance(node.names, cst.ImportStar):
        return tree.Import(*reader.span(node), path, (("*", "*all"),))
    bindings = []
    for alias in node.names:
        there = alias.evaluated_name
        bindings.append((alias.evaluated_alias or there, there))
    return tree.Import(*reader.span(node), path, tuple(bindings))


def _import(reader: _Reader, node: cst.Import) -> CodeNode:
    found = [(alias.evaluated_name, alias.evaluated_alias) for alias in node.names]
    imports = tuple(
        tree.Import(*reader.span(node), name if local else name.split(".")[0], ((local or name.split(".")[0], "*"),))
        for name, local in found
    )
    return Other(*reader.span(node), imports)


def _global(reader: _Reader, node: cst.Global | cst.Nonlocal) -> CodeNode:
    return tree.Global(*reader.span(node), tuple(item.name.value for item in node.names))


_MAKERS: dict[type[cst.CSTNode], Callable[[_Reader, Any], CodeNode]] = {
    cst.SimpleString: _text,
    cst.FormattedString: _template,
    cst.ConcatenatedString: _joined,
    cst.Name: _name,
    cst.Call: _call,
    cst.Dict: _table,
    cst.List: _items,
    cst.Tuple: _items,
    cst.Set: _items,
    cst.Subscript: _subscript,
    cst.Comparison: _comparison,
    cst.BinaryOperation: _binary,
    cst.BooleanOperation: _binary,
    cst.UnaryOperation: _unary,
    cst.If: _if,
    cst.IfExp: _choice,
    cst.Assign: _assign,
    cst.AnnAssign: _annotated,
    cst.AugAssign: _augmented,
    cst.NamedExpr: _walrus,
    cst.FunctionDef: _function,
    cst.Lambda: _lambda,
    cst.ClassDef: _class,
    cst.Return: _return,
    cst.SimpleStatementLine: _line,
    cst.Expr: _expression,
    cst.ImportFrom: _import_from,
    cst.Import: _import,
    cst.For: _loop,
    cst.CompFor: _loop,
    cst.AsName: _as_name,
    cst.Global: _global,
    cst.Nonlocal: _global,
    cst.Attribute: lambda r, n: tree.Attribute(*r.span(n), r.node(n.value), n.attr.value),
    cst.Await: lambda r, n: tree.Wrapped(*r.span(n), r.node(n.expression), "await"),
    cst.Integer: lambda r, n: tree.Constant(*r.span(n), n.value),
    cst.Float: lambda r, n: tree.Constant(*r.span(n), n.value),
}
