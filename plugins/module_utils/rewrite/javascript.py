"""JavaScript and TypeScript as the rewriter's tree, read by ast-grep."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ast_grep_py import SgNode, SgRoot

from ..core.rewrite import tree
from ..core.rewrite.tree import CodeNode, Other, Piece
from .javascript_imports import import_of, required_module, span, specifier
from .python import UnreadableError

GRAMMARS = {".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript"}
GRAMMARS |= {".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx"}
_SKIPPED = {"comment", "accessibility_modifier", "override_modifier", "type_annotation", "type_arguments"}


def read_javascript(path: str, text: str) -> tree.SourceFile:
    """Parse the text of a file. Raises UnreadableError where the grammar finds a mistake."""
    root = SgRoot(text, GRAMMARS[path[path.rindex(".") :]]).root()
    if root.find(kind="ERROR") is not None:
        raise UnreadableError("no es JavaScript ni TypeScript que ast-grep lea")
    statements = _all(root.children())
    return tree.source_file(path, "javascript", text, Other(0, len(text), statements))


def _all(nodes: Iterable[SgNode]) -> tuple[CodeNode, ...]:
    return tuple(_node(node) for node in nodes if node.is_named() and node.kind() not in _SKIPPED)


def _node(node: SgNode) -> CodeNode:
    make = _MAKERS.get(node.kind())
    return make(node) if make else Other(*span(node), _all(node.children()))


def _field(node: SgNode, name: str) -> CodeNode | None:
    found = node.field(name)
    return _node(found) if found is not None else None


def _need(node: SgNode, name: str) -> CodeNode:
    return _field(node, name) or Other(*span(node))


def _body(node: SgNode | None) -> tuple[CodeNode, ...]:
    if node is None:
        return ()
    return _all(node.children()) if node.kind() in ("statement_block", "class_body") else (_node(node),)


def _string(node: SgNode) -> CodeNode:
    start, end = span(node)
    value = node.text()[1:-1]
    return tree.TextNode(start, end, (Piece(value, start + 1),), "\\" not in value)


def _template(node: SgNode) -> CodeNode:
    start, end = span(node)
    text, place, raw, pieces = node.text(), start + 1, True, []
    for hole in (child for child in node.children() if child.kind() == "template_substitution"):
        first, last = span(hole)
        pieces.append(Piece(text[place - start : first - start], place))
        inner = _all(hole.children())
        pieces.append(Piece("", first, inner[0] if inner else Other(first, last)))
        place = last
    pieces.append(Piece(text[place - start : -1], place))
    raw = not any("\\" in piece.value for piece in pieces)
    return tree.TextNode(start, end, tuple(pieces), raw)


def _name(node: SgNode) -> CodeNode:
    return tree.Name(*span(node), node.text())


def _constant(node: SgNode) -> CodeNode:
    return tree.Constant(*span(node), node.text())


def _member(node: SgNode) -> CodeNode:
    prop = node.field("property")
    return tree.Attribute(*span(node), _need(node, "object"), prop.text() if prop is not None else "")


def _call(node: SgNode) -> CodeNode:
    arguments = node.field("arguments")
    func = _field(node, "function") or _need(node, "constructor")
    if arguments is None:
        return tree.Call(*span(node), func, ())
    if arguments.kind() != "arguments":  # a tagged template
        return Other(*span(node), (func, _node(arguments)))
    args = []
    for child in arguments.children():
        if child.is_named() and child.kind() != "comment":
            spread = child.kind() == "spread_element"
            args.append(tree.Argument(_node(child), "", spread))
    return tree.Call(*span(node), func, tuple(args))


def _key(node: SgNode) -> tree.TextNode | tree.Name | None:
    if node.kind() in ("property_identifier", "identifier"):
        return tree.Name(*span(node), node.text())
    made = _node(node)
    return made if isinstance(made, tree.TextNode) else None


def _object(node: SgNode) -> CodeNode:
    entries = []
    for child in node.children():
        if not child.is_named() or child.kind() == "comment":
            continue
        if child.kind() in ("shorthand_property_identifier", "shorthand_property_identifier_pattern"):
            name = tree.Name(*span(child), child.text())
            entries.append(tree.KeyValue(name, name, short=True))
        elif child.kind() in ("pair", "pair_pattern"):
            key = child.field("key")
            entries.append(tree.KeyValue(_key(key) if key is not None else None, _need(child, "value")))
        elif child.kind() == "method_definition":
            key = child.field("name")
            entries.append(tree.KeyValue(_key(key) if key is not None else None, _node(child)))
        else:
            entries.append(tree.KeyValue(None, _node(child)))
    return tree.Table(*span(node), tuple(entries))


def _subscript(node: SgNode) -> CodeNode:
    return tree.Subscript(*span(node), _need(node, "object"), _need(node, "index"))


def _wrapped(node: SgNode) -> CodeNode:
    inner = [child for child in node.children() if child.is_named() and child.kind() not in _SKIPPED]
    kind = "await" if node.kind() == "await_expression" else "as"
    return tree.Wrapped(*span(node), _node(inner[0]) if inner else Other(*span(node)), kind)


_WORDS = {"===": "==", "!==": "!=", "&&": "and", "||": "or", "??": "or"}


def _binary(node: SgNode) -> CodeNode:
    operator = node.field("operator")
    written = operator.text() if operator is not None else "?"
    op = _WORDS.get(written, written)
    operands = (_need(node, "left"), _need(node, "right"))
    if op == "+" and all(isinstance(o, tree.TextNode) for o in operands):
        pieces = tuple(piece for o in operands if isinstance(o, tree.TextNode) for piece in o.pieces)
        return tree.TextNode(*span(node), pieces, all(isinstance(o, tree.TextNode) and o.raw for o in operands))
    return tree.OperationNode(*span(node), op, operands)


def _unary(node: SgNode) -> CodeNode:
    operator = node.field("operator")
    written = operator.text() if operator is not None else "?"
    return tree.OperationNode(*span(node), "not" if written == "!" else written, (_need(node, "argument"),))


def _if(node: SgNode) -> CodeNode:
    alternative = node.field("alternative")
    other: tuple[CodeNode, ...] = ()
    if alternative is not None:
        inner = [child for child in alternative.children() if child.is_named() and child.kind() != "comment"]
        other = tuple(part for child in inner for part in _body(child))
    return tree.Branch(*span(node), _need(node, "condition"), _body(node.field("consequence")), other)


def _ternary(node: SgNode) -> CodeNode:
    return tree.Branch(*span(node), _need(node, "condition"), (_need(node, "consequence"),), (_need(node, "alternative"),))


def _annotation(node: SgNode) -> str:
    found = node.field("type")
    return found.text().lstrip(": ") if found is not None else ""


def _declaration(node: SgNode, exported: bool = False) -> CodeNode:
    made: list[CodeNode] = []
    for child in node.children():
        if child.kind() != "variable_declarator":
            continue
        target, value, names = _need(child, "name"), _field(child, "value"), []
        if module := required_module(value):
            for entry in target.entries if isinstance(target, tree.Table) else ():
                if isinstance(entry.key, tree.Name) and isinstance(tree.bare(entry.value), tree.Name):
                    names.append((tree.dotted(entry.value), entry.key.id))
            if isinstance(target, tree.Name):
                names.append((target.id, "*"))
            made.append(tree.Import(*span(child), module, tuple(names)))
        else:
            made.append(tree.Assign(*span(child), (target,), value, _annotation(child), exported))
    return Other(*span(node), tuple(made))


def _assignment(node: SgNode) -> CodeNode:
    target, value = _need(node, "left"), _need(node, "right")
    name = tree.dotted(target)
    if name in ("module.exports", "exports"):
        if isinstance(value, tree.Table):
            names = [(e.key.id, e.value) for e in value.entries if isinstance(e.key, tree.Name)]
            return tree.Export(*span(node), tuple(names))
        return tree.Export(*span(node), (("default", value),))
    if name.startswith(("exports.", "module.exports.")):
        return tree.Export(*span(node), ((name.rpartition(".")[2], value),))
    return tree.Assign(*span(node), (target,), value, augmented=node.kind() == "augmented_assignment_expression")


def _params(node: SgNode) -> tuple[tree.Parameter, ...]:
    found, single = node.field("parameters"), node.field("parameter")
    if single is not None:
        return (tree.Parameter(*span(single), single.text()),)
    params = []
    for child in found.children() if found is not None else ():
        if not child.is_named() or child.kind() == "comment":
            continue
        pattern = child.field("pattern") or child.field("left") or child
        modifiers = {part.kind() for part in child.children()} & {"accessibility_modifier", "readonly"}
        default = _field(child, "value") or _field(child, "right")
        made = _node(pattern)
        holder = default or (made if not isinstance(made, tree.Name) else None)
        name = pattern.text() if isinstance(made, tree.Name) else ""
        params.append(tree.Parameter(*span(child), name, _annotation(child), holder, bool(modifiers)))
    return tuple(params)


def _function(node: SgNode, exported: str = "") -> CodeNode:
    name, body = node.field("name"), node.field("body")
    statements = _body(body)
    if body is not None and body.kind() != "statement_block":
        statements = (tree.Return(*span(body), _node(body)),)
    is_async = any(child.kind() == "async" for child in node.children())
    returns = node.field("return_type")
    given = returns.text().lstrip(": ") if returns is not None else ""
    called = name.text() if name is not None else ""
    return tree.Function(*span(node), called, _params(node), statements, is_async, exported, given)


def _loop(node: SgNode) -> CodeNode:
    left = node.field("left")
    start, end = span(left if left is not None else node)
    bound = tree.Assign(start, end, (_need(node, "left"),), Other(start, end))
    rest = tuple(made for name in ("right", "body") if (made := _field(node, name)))
    return Other(*span(node), (bound, *rest))


def _class(node: SgNode) -> CodeNode:
    name = node.field("name")
    return tree.Class(*span(node), name.text() if name is not None else "", _body(node.field("body")))


def _class_field(node: SgNode) -> CodeNode:
    name = node.field("name") or node.field("property")
    start, end = span(node)
    target = tree.Attribute(*span(name), tree.Name(start, start, "this"), name.text()) if name is not None else Other(start, end)
    return tree.Assign(start, end, (target,), _field(node, "value"), _annotation(node))


def _return(node: SgNode) -> CodeNode:
    inner = _all(node.children())
    return tree.Return(*span(node), inner[0] if inner else None)


def _expression(node: SgNode) -> CodeNode:
    inner = _all(node.children())
    if len(inner) == 1 and isinstance(inner[0], tree.Assign | tree.Export):
        return inner[0]
    return tree.Scrap(*span(node), inner[0] if len(inner) == 1 else Other(*span(node), inner))


def _export(node: SgNode) -> CodeNode:
    declaration, value, source = node.field("declaration"), node.field("value"), _field(node, "source")
    default = any(child.kind() == "default" for child in node.children())
    if value is not None:
        return tree.Export(*span(node), (("default", _node(value)),))
    if declaration is not None and declaration.kind() in ("lexical_declaration", "variable_declaration"):
        return _declaration(declaration, exported=True)
    if declaration is not None and declaration.kind().startswith(("function_declaration", "generator_function")):
        found = declaration.field("name")
        name = found.text() if found is not None else ""
        return _function(declaration, "default" if default else name)
    if declaration is not None:
        return Other(*span(node), (_node(declaration),))
    names: list[tuple[str, CodeNode]] = []
    for clause in (child for child in node.children() if child.kind() == "export_clause"):
        for child in (part for part in clause.children() if part.kind() == "export_specifier"):
            outside, there = specifier(child)
            if isinstance(source, tree.TextNode):
                imported = tree.Import(*span(child), source.literal or "", (("", there),))
                names.append((outside, imported))
            else:
                names.append((outside, tree.Name(*span(child), there)))
    return tree.Export(*span(node), tuple(names)) if names else Other(*span(node), _all(node.children()))


_MAKERS: dict[str, Callable[[SgNode], CodeNode]] = {
    "string": _string,
    "template_string": _template,
    "identifier": _name,
    "shorthand_property_identifier_pattern": _name,
    "this": _name,
    "super": _name,
    "undefined": _constant,
    "member_expression": _member,
    "call_expression": _call,
    "new_expression": _call,
    "object": _object,
    "object_pattern": _object,
    "array": lambda node: tree.ListNode(*span(node), _all(node.children())),
    "subscript_expression": _subscript,
    "binary_expression": _binary,
    "unary_expression": _unary,
    "if_statement": _if,
    "ternary_expression": _ternary,
    "lexical_declaration": _declaration,
    "variable_declaration": _declaration,
    "assignment_expression": _assignment,
    "augmented_assignment_expression": _assignment,
    "class_declaration": _class,
    "abstract_class_declaration": _class,
    "class": _class,
    "public_field_definition": _class_field,
    "field_definition": _class_field,
    "for_in_statement": _loop,
    "return_statement": _return,
    "expression_statement": _expression,
    "import_statement": import_of,
    "export_statement": _export,
    **dict.fromkeys(("null", "true", "false", "number"), _constant),
    **dict.fromkeys(("await_expression", "parenthesized_expression", "non_null_expression"), _wrapped),
    **dict.fromkeys(("as_expression", "satisfies_expression"), _wrapped),
    **dict.fromkeys(("function_declaration", "function_expression", "generator_function_declaration"), _function),
    **dict.fromkeys(("generator_function", "arrow_function", "method_definition"), _function),
}
