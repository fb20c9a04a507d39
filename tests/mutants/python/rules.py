"""Mutants of Python by rule: one small mistake each in the body of a function, the rest of the file as it was."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

# A rule's change: the part of the text from byte to byte, and what is put there.
Edit = tuple[str, int, int, str]

STRICT = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
MOVED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
BOUNDS = {"range", "min", "max"}
# What a function that promises such a value could have returned whatever it was given.
FIXED = {
    "bool": ("True", "False"),
    "int": ("0",),
    "float": ("0.0",),
    "str": ('""',),
    "list": ("[]",),
    "dict": ("{}",),
    "set": ("set()",),
    "frozenset": ("frozenset()",),
    "Sequence": ("()",),
    "Mapping": ("{}",),
    "None": ("None",),
}
# Named arguments that change nothing where tests run (whose locale is UTF-8) or that ruff asks for; None: **these.
SAME_HERE = {"encoding", "strict", None}
LOCKING = re.compile(r"\b(transaction|lock\w*|joined|rolled_back|snapshot|turn|elsewhere|watched)\b")
ROW_LOCK = re.compile(rb" FOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)(?: OF \w+)?\b|LOCK TABLE (?:ONLY )?[^;\"']*MODE;?")


@dataclass(frozen=True)
class Mutant:
    """``where``: the function, ``change``: what was there and what is there instead, ``text``: the whole file with it."""

    rule: str
    path: str
    line: int
    where: str
    change: str
    text: str

    @property
    def name(self) -> str:
        """One name for each, the same as long as the function's place says the same."""
        return f"{self.path}: {self.where}: {self.rule}: {self.change}"


class _Source:
    """A file's text with the bytes from which to which a node goes."""

    def __init__(self, text: str) -> None:
        self.raw = text.encode()
        self.starts = [0, *accumulate(len(line) for line in self.raw.splitlines(keepends=True))]

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.expr | ast.stmt | ast.keyword) -> str:
        start, end = self.span(node)
        return self.raw[start:end].decode()


def mutants_of(path: str, text: str) -> list[Mutant]:
    """Every mutant of the file, in its order; those that say the same of the same function are numbered."""
    source, seen, made = _Source(text), Counter[str](), []
    for where, node, function in _inside(ast.parse(text)):
        for rule, start, end, new in _edits(node, function, source):
            old = " ".join(source.raw[start:end].decode().split())
            change = f"{old} → {' '.join(new.split()) or '(nada)'}"
            seen[f"{where} {rule} {change}"] += 1
            number = seen[f"{where} {rule} {change}"]
            line = source.raw.count(b"\n", 0, start) + 1
            mutated = (source.raw[:start] + new.encode() + source.raw[end:]).decode()
            made.append(Mutant(rule, path, line, where, change + (f" ({number})" if number > 1 else ""), mutated))
    return made


Function = ast.FunctionDef | ast.AsyncFunctionDef


def _inside(tree: ast.AST, where: str = "", function: Function | None = None) -> Iterator[tuple[str, ast.AST, Function]]:
    """Each node of a function's body as it runs, with the function: no annotation, default, decorator or part of an f-string."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | Function):
            name = f"{where}.{node.name}".lstrip(".")
            for statement in node.body:
                yield from _with_itself(statement, name, node if isinstance(node, Function) else function)
        else:
            yield from _with_itself(node, where, function)


def _with_itself(node: ast.AST, where: str, function: Function | None) -> Iterator[tuple[str, ast.AST, Function]]:
    if isinstance(node, ast.ClassDef | Function):
        yield from _inside(ast.Module([node], []), where, function)
        return
    if function is not None:
        yield where, node, function
    if isinstance(node, ast.AnnAssign):
        if node.value is not None:
            yield from _with_itself(node.value, where, function)
    elif not isinstance(node, ast.JoinedStr):  # where its parts lie, Python 3.11 does not say
        yield from _inside(node, where, function)


def _edits(node: ast.AST, function: Function, source: _Source) -> Iterator[Edit]:
    """What the rules make of one node."""
    yield from _conditions(node, source)
    yield from _bounds(node, source)
    yield from _locks(node, source)
    yield from _steps(node, source)
    yield from _arguments(node, source)
    yield from _results(node, function, source)


def _conditions(node: ast.AST, source: _Source) -> Iterator[Edit]:
    """A condition says the opposite; what is asked together is asked one or the other."""
    tests = [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else []
    for test in [*tests, *(node.ifs if isinstance(node, ast.comprehension) else [])]:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield "condition", *source.span(test), f"({source.of(test.operand)})"
        else:
            yield "condition", *source.span(test), f"(not ({source.of(test)}))"
    if isinstance(node, ast.BoolOp):
        other = " or " if isinstance(node.op, ast.And) else " and "
        yield "condition", *source.span(node), f"({other.join(f'({source.of(value)})' for value in node.values)})"


def _bounds(node: ast.AST, source: _Source) -> Iterator[Edit]:
    """A bound takes its last value or leaves it out; a number is one more."""
    numbers: list[ast.expr | None] = []
    if isinstance(node, ast.Compare):
        numbers = [node.left, *node.comparators]
        if len(node.ops) == 1 and (sign := STRICT.get(type(node.ops[0]))):
            left, right = source.of(node.left), source.of(node.comparators[0])
            yield "bound", *source.span(node), f"({left}) {MOVED[sign]} ({right})"
    elif isinstance(node, ast.Slice):
        numbers = [node.lower, node.upper]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        numbers = [node.left, node.right]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BOUNDS:
        numbers = [*node.args]
    for number in numbers:
        if isinstance(number, ast.Constant) and type(number.value) is int:
            yield "bound", *source.span(number), str(number.value + 1)


def _locks(node: ast.AST, source: _Source) -> Iterator[Edit]:
    """What holds a lock, a transaction or a snapshot holds nothing; a row is read without its lock."""
    if isinstance(node, ast.With):
        for item in node.items:
            if item.optional_vars is None and LOCKING.search(source.of(item.context_expr).split("(")[0]):
                yield "lock", *source.span(item.context_expr), '__import__("contextlib").nullcontext()'
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        start, end = source.span(node)
        for found in ROW_LOCK.finditer(source.raw, start, end):
            yield "lock", *found.span(), "SELECT" if found[0].startswith(b"LOCK") else ""


def _steps(node: ast.AST, source: _Source) -> Iterator[Edit]:
    """A call for its effect is left out, and so is an error that is raised."""
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "step", *source.span(node), "pass"


def _arguments(node: ast.AST, source: _Source) -> Iterator[Edit]:
    """A call without one of its named arguments."""
    if isinstance(node, ast.Call):
        given = sorted((*node.args, *node.keywords), key=source.span)
        for n, dropped in enumerate(given):
            if isinstance(dropped, ast.keyword) and dropped.arg not in SAME_HERE:
                start, end = source.span(dropped)
                if n:
                    start = source.span(given[n - 1])[1]
                elif len(given) > 1:
                    end = source.span(given[1])[0]
                yield "argument", start, end, ""


def _results(node: ast.AST, function: Function, source: _Source) -> Iterator[Edit]:
    """A value of the promised kind comes back whatever was given."""
    if isinstance(node, ast.Return) and node.value is not None and function.returns is not None:
        value = source.of(node.value)
        for kind in _kinds(function.returns, source):
            for fixed in FIXED.get(kind, ()):
                if value != fixed:
                    yield "result", *source.span(node.value), fixed


def _kinds(promised: ast.expr, source: _Source) -> list[str]:
    """The names of what an annotation promises: list[str] | None is a list or None."""
    if isinstance(promised, ast.BinOp):
        return [*_kinds(promised.left, source), *_kinds(promised.right, source)]
    return [source.of(promised.value if isinstance(promised, ast.Subscript) else promised)]
