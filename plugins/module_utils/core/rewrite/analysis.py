"""One repository's code: each chain planned, each other use of a legacy table listed, nothing edited here."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import tree
from .answers import keys_read, rows_of_write_used, words_compared
from .chain_plan import ChainPlan, said_of
from .chains import VERBS, Chain, chain_from, starts
from .clients import Clients
from .flag import behind_flag
from .names import CodeProject, Scopes
from .payloads import literal_rows, selectors_in
from .reasons import BEHIND_FLAG, LEFT, REVIEW, CodeFinding, Edit, LeftAloneError, shortened
from .table_names import TableName, other_uses, table_name
from .targets import Target, Targets
from .texts import inside
from .tree import Call, CodeNode, SourceFile, TextNode

# What only other builders have: a chain with one of these is no client's of ours.
_OTHER_BUILDERS = {"where", "andWhere", "orWhere", "whereIn", "join", "innerJoin", "leftJoin", "orderBy", "groupBy", "returning"}
_OTHER_BUILDERS |= {"upload", "download", "createSignedUrl", "getPublicUrl", "get_public_url", "remove", "list", "move", "copy"}


@dataclass
class Use:
    """A chain on a legacy table. ``plan``: its edits; else ``why`` it is left."""

    chain: Chain
    name: TableName
    plan: ChainPlan | None = None
    why: LeftAloneError | None = None
    kind: str = LEFT

    @property
    def edits(self) -> list[Edit]:
        """Those of the chain's own file, none where it is left."""
        return list(dict.fromkeys(self.plan.changes.edits)) if self.plan is not None else []

    def leave(self, why: LeftAloneError) -> None:
        """Take the plan back."""
        self.plan, self.why = None, why


@dataclass
class Outcome:
    """What becomes of a file."""

    edits: list[Edit] = field(default_factory=list)
    findings: list[CodeFinding] = field(default_factory=list)
    rewritten: int = 0


@dataclass
class Analysis:
    """The chains of one repository."""

    project: CodeProject
    targets: Targets
    clients: Clients
    uses: list[Use] = field(default_factory=list)
    listed: list[CodeFinding] = field(default_factory=list)
    constants: list[tuple[str, Edit]] = field(default_factory=list)  # file, edit of a constant that its uses need

    def run(self) -> dict[str, Outcome]:
        """Plan everything; edits only where each use that shares them is sure."""
        for path in sorted(self.project.files):
            for start in starts(self.project.files[path]):
                self._start(self.project.scopes[path], start)
        self._settle_overlaps()
        self._settle_constants()
        return self._outcomes()

    def _start(self, scopes: Scopes, start: Call) -> None:
        file = scopes.file
        assert isinstance(start.func, tree.Attribute)
        if _storage(start.func.of):
            return
        shown = self.clients.is_client(file, start.func.of)
        name = table_name(self.project, scopes, start.args[0].value)
        if name is None:
            if shown:
                self._list(file, start, "computed_table", scopes)
            return
        table = name.text.literal or ""
        chain = chain_from(scopes, start)
        if table not in self.targets.tables:
            if shown:
                self._embedding(scopes, chain)
            return
        use = Use(chain, name)
        if not shown:
            methods = {link.method for link in chain.links}
            if not methods & VERBS or methods & _OTHER_BUILDERS:
                return
            use.why = LeftAloneError("client_not_shown", file.text[start.func.of.start : start.func.of.end][:40])
        else:
            self._plan(scopes, use, table)
        if behind_flag(scopes, start):
            use.leave(LeftAloneError("behind_flag"))
            use.kind = BEHIND_FLAG
        self.uses.append(use)

    def _plan(self, scopes: Scopes, use: Use, table: str) -> None:
        chain = use.chain
        try:
            if chain.problem is not None:
                raise chain.problem
            if any(link.method in ("on", "subscribe") for link in chain.links):
                raise LeftAloneError("realtime")
            target = self._target(scopes, chain, table)
            plan = ChainPlan(chain, scopes, self.targets, target)
            plan.edit_all()
            if not use.name.constant and target.table.name != table:
                plan.changes.edits.append(inside(use.name.text, target.table.name))
            _require_same_answer(scopes, plan)
            use.plan = plan
        except LeftAloneError as why:
            use.why = why

    def _target(self, scopes: Scopes, chain: Chain, table: str) -> Target:
        wanted = self.targets.selectors(table)
        said = dict(said_of(chain, wanted))
        for link in chain.links if wanted else ():
            if link.method in ("insert", "upsert") and link.call.args:
                said |= selectors_in(literal_rows(scopes, link.call.args[0].value), wanted)
        return self.targets.choose(table, said)

    def _embedding(self, scopes: Scopes, chain: Chain) -> None:
        """A table that stays, with a legacy one embedded."""
        for link in chain.links:
            for argument in link.call.args if link.method == "select" else ():
                text = argument.value
                words = "".join(piece.value for piece in text.pieces) if isinstance(text, TextNode) else ""
                compact = words.replace(" ", "")
                if any(f"{table}{mark}" in compact for table in self.targets.tables for mark in "(!"):
                    self._list(scopes.file, chain.start, "embed", scopes, (chain.top or chain.start).end)
                    return

    def _list(self, file: SourceFile, node: CodeNode, reason: str, scopes: Scopes, end: int = 0) -> None:
        kind = BEHIND_FLAG if behind_flag(scopes, node) else LEFT
        said = "behind_flag" if kind == BEHIND_FLAG else reason
        text = shortened(file.text[node.start : end or node.end])
        self.listed.append(CodeFinding(file.path, file.line(node.start), said, text, kind))

    def _settle_constants(self) -> None:
        """A constant gets its Spanish name only where all its uses are chains that go to one table."""
        groups: dict[TextNode, list[Use]] = defaultdict(list)
        for use in self.uses:
            if use.name.constant:
                groups[use.name.text].append(use)
        for text, uses in groups.items():
            names = {use.plan.target.table.name if use.plan else None for use in uses}
            taken = {tree.bare(use.chain.table): use for use in uses}
            alone = len(names) == 1 and None not in names and not other_uses(self.project, uses[0].name.constant, taken)
            for use in uses if not alone else ():
                if use.plan is not None:
                    use.leave(LeftAloneError("shared_constant", use.name.constant))
            if alone:
                self.constants.append((uses[0].name.file.path, inside(text, str(names.pop()))))

    def _settle_overlaps(self) -> None:
        """Two chains that want different things of the same characters are both left, and so on until none is."""
        changed = True
        while changed:
            changed = False
            for path in {use.chain.file.path for use in self.uses}:
                changed = self._overlaps(path) or changed

    def _overlaps(self, path: str) -> bool:
        planned = [(edit, use) for use in self.uses if use.plan and use.chain.file.path == path for edit in use.edits]
        planned.sort(key=lambda one: (one[0].start, one[0].end))
        clash = [
            (a, b)
            for (first, a), (second, b) in itertools.pairwise(planned)
            if first != second and (second.start < first.end or second.start == first.start)
        ]
        for a, b in clash:
            a.leave(LeftAloneError("shared_constant", "dos consultas comparten este texto"))
            b.leave(LeftAloneError("shared_constant", "dos consultas comparten este texto"))
        return bool(clash)

    def _outcomes(self) -> dict[str, Outcome]:
        found: dict[str, Outcome] = defaultdict(Outcome)
        for use in self.uses:
            file, outcome = use.chain.file, found[use.chain.file.path]
            text = shortened(file.text[use.chain.start.start : (use.chain.top or use.chain.start).end])
            line = file.line(use.name.text.start if not use.name.constant else use.chain.start.start)
            if use.plan is None:
                why = use.why or LeftAloneError("unknown_method")
                outcome.findings.append(CodeFinding(file.path, line, why.reason, text, use.kind, why.detail))
                continue
            outcome.rewritten += 1
            outcome.edits += use.edits
            outcome.findings += [
                CodeFinding(file.path, line, reason, text, REVIEW, detail) for reason, detail in _reviews(use.plan)
            ]
        for path, edit in self.constants:
            found[path].edits.append(edit)
        for finding in self.listed:
            found[finding.path].findings.append(finding)
        for outcome in found.values():
            outcome.edits = sorted(set(outcome.edits))
            outcome.findings = sorted(set(outcome.findings))
        return dict(found)


def _storage(node: CodeNode) -> bool:
    node = tree.bare(node)
    return isinstance(node, tree.Attribute) and node.name in ("storage", "vecs", "analytics")


def _require_same_answer(scopes: Scopes, plan: ChainPlan) -> None:
    """Whoever reads the answer must find it by the same keys. Raises LeftAloneError."""
    chain, target = plan.chain, plan.target
    if plan.lost:
        raise LeftAloneError("star_loses_columns", ", ".join(plan.lost))
    if target.selectors and _selected_all(chain) and (gone := set(target.selectors) & keys_read(scopes, chain)):
        raise LeftAloneError("star_loses_columns", ", ".join(sorted(gone)))
    if chain.verb != "select" and scopes.file.language == "python":
        legacy = {column.legacy for column in target.readable if column.legacy != column.name or column.image}
        if rows_of_write_used(scopes, chain, legacy | set(target.selectors)):
            raise LeftAloneError("write_result")


def _selected_all(chain: Chain) -> bool:
    selects = [link for link in chain.links if link.method == "select"]
    texts = [a.value for link in selects for a in link.call.args]
    return bool(selects and not texts) or any(isinstance(t, TextNode) and "*" in (t.literal or "*") for t in texts)


def _reviews(plan: ChainPlan) -> Iterator[tuple[str, str]]:
    yield from dict.fromkeys(plan.changes.reviews)
    seen = [f"{column.legacy}: {column.image}" for column in dict.fromkeys(plan.columns) if column.image]
    if seen:
        yield "image", "; ".join(seen)
    words = {word for column in plan.columns for word in column.translated}
    found = words_compared(plan.scopes, plan.chain, words)
    if found:
        yield "legacy_word", ", ".join(sorted({text.literal or "" for text in found}))
