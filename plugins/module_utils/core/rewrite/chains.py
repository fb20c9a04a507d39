"""Chains of a client: client.table("x").select(…).eq(…).execute(), whole, also where a variable carries them on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from . import tree
from .names import Scopes
from .reasons import LeftAloneError
from .tree import Assign, Attribute, Call, CodeNode, Function, Name, SourceFile

STARTS = {"from", "from_", "table"}
VERBS = {"select", "insert", "update", "upsert", "delete"}
ENDS = {"execute", "then", "catch", "finally"}
# What hands its arguments on as they are, each awaited.
_GATHERING = {"Promise.all", "Promise.allSettled", "Promise.race", "asyncio.gather", "gather"}


@dataclass(frozen=True, eq=False)
class Link:
    """One call of a chain. ``negated``: after .not_ or as .not(…)."""

    method: str
    call: Call
    negated: bool = False


@dataclass(eq=False)
class Chain:
    """A chain from .table(…) on. ``top``: its last node where it began, ``more``: the same for what a variable carried on."""

    file: SourceFile
    start: Call
    links: list[Link] = field(default_factory=list)
    top: CodeNode | None = None
    result: CodeNode | None = None  # the node whose value is the answer
    problem: LeftAloneError | None = None

    @property
    def table(self) -> CodeNode:
        """The argument that names the table."""
        return self.start.args[0].value

    @property
    def client(self) -> CodeNode:
        """What .table(…) is called on."""
        assert isinstance(self.start.func, Attribute)
        return self.start.func.of

    @property
    def verb(self) -> str:
        """What it does: the first of select, insert …; '' where it says none."""
        return next((link.method for link in self.links if link.method in VERBS), "")

    def spans(self) -> list[tuple[int, int]]:
        """The stretches of the file that it is made of."""
        return [(self.start.start, (self.top or self.start).end), *((x.call.start, x.call.end) for x in self.links)]


def starts(file: SourceFile) -> Iterator[Call]:
    """Yield each call that looks like the beginning of a chain."""
    for node in tree.walk(file.root):
        if isinstance(node, Call) and isinstance(node.func, Attribute) and node.func.name in STARTS and node.args:
            yield node


def chain_from(scopes: Scopes, start: Call) -> Chain:
    """Return the whole chain; ``problem`` says where its end is not in sight."""
    chain = Chain(scopes.file, start)
    try:
        chain.top, ended = _climb(scopes.file, start, chain)
        if not ended:
            _beyond(scopes, chain, chain.top)
    except LeftAloneError as problem:
        chain.problem = problem
    return chain


def _climb(file: SourceFile, node: CodeNode, chain: Chain) -> tuple[CodeNode, bool]:
    """Follow the calls on a builder: the last node, and whether the chain ends there."""
    negated = False
    while True:
        above = file.parent(node)
        if isinstance(above, tree.Wrapped):
            node = above
            if above.kind == "await":
                chain.result = above
                return node, True
        elif isinstance(above, Attribute) and above.of is node:
            call = file.parent(above)
            if isinstance(call, Call) and call.func is above:
                if above.name in ENDS:
                    chain.result = _awaited(file, call)
                    return chain.result, True
                chain.links.append(Link(above.name, call, negated or above.name == "not"))
                negated, node = False, call
            elif above.name == "execute":
                chain.result = above
                return above, True
            elif above.name == "not_":
                negated, node = True, above
            else:
                raise LeftAloneError("unknown_method", above.name)
        else:
            return node, False


def _awaited(file: SourceFile, node: CodeNode) -> CodeNode:
    above = file.parent(node)
    return above if isinstance(above, tree.Wrapped) else node


def _beyond(scopes: Scopes, chain: Chain, node: CodeNode) -> None:
    """Where a builder goes that was not run on the spot. Raises LeftAloneError where that is out of sight."""
    file = scopes.file
    above = file.parent(node)
    while isinstance(above, tree.Branch) and node is not above.test and isinstance(file.parent(above), Assign | tree.Return):
        node, above = above, file.parent(above)
    if isinstance(above, Assign) and above.value is node and not above.augmented:
        target = above.targets[0] if len(above.targets) == 1 else None
        if isinstance(target, Name):
            _carried_on(scopes, chain, target)
            return
    if _handed_on_awaited(file, node) or isinstance(above, tree.Scrap):
        chain.result = node
        return
    if isinstance(above, tree.Return) and file.language == "javascript":
        around = scopes.scope_of(above)
        if isinstance(around, Function) and (around.is_async or _anonymous(file, around)):
            chain.result = node
            return
    raise LeftAloneError("builder_escapes")


def _anonymous(file: SourceFile, function: Function) -> bool:
    """Whether nobody can call it by name and go on: an argument of another call, or in the options that are one."""
    above = file.parent(function)
    above = file.parent(above) if isinstance(above, tree.Table) else above
    return not function.name and isinstance(above, Call)


def _handed_on_awaited(file: SourceFile, node: CodeNode) -> bool:
    above = file.parent(node)
    if isinstance(above, tree.ListNode):
        above = file.parent(above)
    return isinstance(above, Call) and tree.dotted(above.func) in _GATHERING


def _carried_on(scopes: Scopes, chain: Chain, target: Name) -> None:
    """Go on with what happens to the variable: every value of it must be this chain or the variable itself, filtered further."""
    scope = scopes.scope_of(target)
    bindings = [b for b in scopes.names.get(scope, {}).get(target.id, []) if b.value is not None]
    for binding in bindings:
        if not _is_own(binding.value, chain, target.id) or not isinstance(binding.node, Assign) or binding.node.augmented:
            raise LeftAloneError("builder_rebound", target.id)
    for use in list(scopes.uses(scope, target.id)):
        above = scopes.file.parent(use)
        if isinstance(above, Assign) and use in above.targets:
            continue
        _one_use(scopes, chain, use, target.id)


def _is_own(value: CodeNode | None, chain: Chain, name: str) -> bool:
    """Whether a value is the chain itself, or the variable with further calls; both may stand in a conditional expression."""
    if isinstance(value, tree.Branch) and len(value.then) == len(value.other) == 1:
        return _is_own(value.then[0], chain, name) and _is_own(value.other[0], chain, name)
    node: CodeNode | None = value
    while node is not None:
        if node is chain.start or (isinstance(node, Name) and node.id == name):
            return True
        if isinstance(node, Call):
            node = node.func
        elif isinstance(node, Attribute):
            node = node.of
        elif isinstance(node, tree.Wrapped) and node.kind != "await":
            node = node.inner
        else:
            return False
    return False


def _one_use(scopes: Scopes, chain: Chain, use: Name, name: str) -> None:
    file = scopes.file
    node, ended = _climb(file, use, chain)
    if ended:
        return
    above = file.parent(node)
    while isinstance(above, tree.Branch) and node is not above.test:
        node, above = above, file.parent(above)
    rebound = isinstance(above, Assign) and any(isinstance(t, Name) and t.id == name for t in above.targets)
    if rebound or _handed_on_awaited(file, node) or isinstance(above, tree.Scrap):
        return
    if isinstance(above, tree.Return) and file.language == "javascript":
        around = scopes.scope_of(above)
        if isinstance(around, Function) and around.is_async:
            chain.result = node
            return
    raise LeftAloneError("builder_escapes", name)
