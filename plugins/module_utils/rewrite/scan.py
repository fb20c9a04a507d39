"""All files of a repository looked at: what each becomes and what is found in it. Works on bytes, changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.rewrite import tree
from ..core.rewrite.analysis import Analysis, Outcome
from ..core.rewrite.clients import Clients
from ..core.rewrite.flag import behind_flag
from ..core.rewrite.names import CodeProject, Scopes
from ..core.rewrite.plain_uses import is_plain, plain_uses, unread_uses
from ..core.rewrite.reasons import BEHIND_FLAG, LEFT, REVIEW, CodeFinding, Edit, LeftAloneError, shortened
from ..core.rewrite.sql_places import is_run, names_in_sql, without_placeholders
from ..core.rewrite.sql_plan import SqlPlan
from ..core.rewrite.targets import Targets
from ..core.rewrite.texts import Flat, flat
from ..core.rewrite.tree import SourceFile, TextNode
from ..core.rewrite.uses import text_uses
from .javascript import GRAMMARS, read_javascript
from .python import UnreadableError, read_python
from .reading import Decoded, decoded, edited
from .sql_text import first_words, plan_sql

_MAKES_CLIENTS = rb"supabase|create_client|createClient|SupabaseClient|\.(?:from_?|table)\("


@dataclass
class FileResult:
    """``data``: the new bytes, None where the file stays; ``rewritten``: how many uses."""

    data: bytes | None = None
    findings: list[CodeFinding] = field(default_factory=list)
    rewritten: int = 0


@dataclass
class Scanner:
    """``told`` is called with each path before it is parsed: whoever watches then knows which one a crash is about."""

    targets: Targets
    named: Sequence[str] = ()
    told: Callable[[str], None] = lambda path: None
    skipped: Mapping[str, str] = field(default_factory=dict)  # files not to be parsed again, and why
    results: dict[str, FileResult] = field(default_factory=dict)
    _edits: dict[str, list[Edit]] = field(default_factory=dict)

    def run(self, files: Mapping[str, bytes]) -> dict[str, FileResult]:
        """Look at every file; only those with something to say are in the result."""
        tables = [table.encode() for table in self.targets.tables]
        names = re.compile(rb"(?<![\w])(?:" + b"|".join(re.escape(name) for name in tables) + rb")(?![\w])")
        code = re.compile(names.pattern + b"|" + _MAKES_CLIENTS)
        texts: dict[str, Decoded] = {}
        sources: dict[str, SourceFile] = {}
        for path, data in files.items():
            language = language_of(path)
            if not (code if language in ("python", "javascript") else names).search(data):
                continue
            if language:
                self._open(path, data, language, bool(names.search(data)), texts, sources)
        self._code(sources)
        for path, text in texts.items():
            self._write(path, files[path], text)
        return {path: result for path, result in self.results.items() if result.data is not None or result.findings}

    def _open(
        self, path: str, data: bytes, language: str, named: bool, texts: dict[str, Decoded], sources: dict[str, SourceFile]
    ) -> None:
        try:
            text = decoded(data, language == "python")
        except LeftAloneError as why:
            if named:
                self._list(path, 1, why.reason, path, detail=why.detail)
                self._list_lines(path, data.decode("latin-1"))
            return
        if language == "plain":
            for line, reason, words in plain_uses(text.text, self.targets.tables):
                self._list(path, line, reason, shortened(words))
            return
        texts[path] = text
        if language == "sql":
            self._sql_file(path, text)
            return
        try:
            sources[path] = self._parse(path, language, text.text)
        except UnreadableError as why:
            if named:
                self._list(path, 1, "unreadable", path, detail=str(why))
                self._list_lines(path, text.text)

    def _parse(self, path: str, language: str, text: str) -> SourceFile:
        if path in self.skipped:
            raise UnreadableError(self.skipped[path])
        self.told(path)
        try:
            return (read_python if language == "python" else read_javascript)(path, text)
        except (RecursionError, MemoryError):
            raise UnreadableError("está anidado a demasiada profundidad") from None

    def _code(self, sources: Mapping[str, SourceFile]) -> None:
        project = CodeProject(sources)
        analysis = Analysis(project, self.targets, Clients(project, self.named, self.targets.mapping.schema))
        outcomes = analysis.run()
        taken = {use.name.text for use in analysis.uses}
        for path, source in sources.items():
            outcome = outcomes.get(path, Outcome())
            self._texts(source, outcome, taken)
            if outcome.edits or outcome.findings:
                self._result(path).findings += sorted(set(outcome.findings))
                self._result(path).rewritten += outcome.rewritten
                self._edits[path] = outcome.edits

    def _texts(self, source: SourceFile, outcome: Outcome, taken: set[TextNode]) -> None:
        """Literals outside chains: SQL that is run is rewritten where it is sure, the rest is listed."""
        scopes = Scopes(source)
        run = {n for n in tree.walk(source.root) if isinstance(n, TextNode) and is_run(source, n) and n not in taken}
        for node in list(run):
            whole = "".join(piece.value if piece.hole is None else "x" for piece in node.pieces)
            if names_in_sql(whole, self.targets.tables):
                self._sql_literal(source, node, outcome)
            else:  # fetch("/rest/v1/…") is no SQL
                run.discard(node)
        for node, reason in text_uses(source, self.targets.tables, taken | run):
            kind = BEHIND_FLAG if behind_flag(scopes, node) else LEFT
            said = "behind_flag" if kind == BEHIND_FLAG else reason
            text = shortened(source.text[node.start : node.end])
            outcome.findings.append(CodeFinding(source.path, source.line(node.start), said, text, kind))

    def _sql_literal(self, source: SourceFile, node: TextNode, outcome: Outcome) -> None:
        line, text = source.line(node.start), shortened(source.text[node.start : node.end])
        try:
            whole = without_placeholders(flat(node))
            if whole is None:
                raise LeftAloneError("sql_form", "se calcula")
            self.told(source.path)
            plans = list(plan_sql(whole, self.targets))
            for _start, _end, plan in plans:
                if isinstance(plan, LeftAloneError):
                    raise plan
            for _start, _end, plan in plans:
                assert isinstance(plan, SqlPlan)
                outcome.edits += plan.changes.edits
                outcome.rewritten += 1
                outcome.findings += _reviews(source.path, line, text, plan)
        except LeftAloneError as why:
            outcome.findings.append(CodeFinding(source.path, line, why.reason, text, LEFT, why.detail))

    def _sql_file(self, path: str, text: Decoded) -> None:
        whole, edits = Flat(text.text, tuple(range(len(text.text)))), []
        try:
            if path in self.skipped:
                raise LeftAloneError("sql_unreadable", self.skipped[path])
            self.told(path)
            plans = list(plan_sql(whole, self.targets))
        except LeftAloneError as why:
            self._list(path, 1, why.reason, path, detail=why.detail)
            self._list_lines(path, text.text)
            return
        for start, end, plan in plans:
            first, last = first_words(text.text, start, end)
            line, said = text.text.count("\n", 0, first) + 1, shortened(text.text[first:last])
            if isinstance(plan, LeftAloneError):
                self._list(path, line, plan.reason, said, detail=plan.detail)
                continue
            edits += plan.changes.edits
            self._result(path).rewritten += 1
            self._result(path).findings += _reviews(path, line, said, plan)
        if edits:
            self._edits[path] = edits

    def _write(self, path: str, data: bytes, text: Decoded) -> None:
        edits = sorted(set(self._edits.get(path, [])))
        if not edits:
            return
        result = self._result(path)
        try:
            new = text.bytes(edited(text.text, edits))
        except LeftAloneError as why:
            result.findings.append(CodeFinding(path, 1, why.reason, path, LEFT, why.detail))
            return
        result.data = new if new != data else None

    def _result(self, path: str) -> FileResult:
        return self.results.setdefault(path, FileResult())

    def _list(self, path: str, line: int, reason: str, text: str, detail: str = "") -> None:
        self._result(path).findings.append(CodeFinding(path, line, reason, text, LEFT, detail))

    def _list_lines(self, path: str, text: str) -> None:
        for line, words in unread_uses(text, self.targets.tables):
            self._list(path, line, "text_use", shortened(words))


def _reviews(path: str, line: int, text: str, plan: SqlPlan) -> list[CodeFinding]:
    return [CodeFinding(path, line, reason, text, REVIEW, detail) for reason, detail in dict.fromkeys(plan.changes.reviews)]


def language_of(path: str) -> str:
    """Return python, javascript, sql, plain, or '' for a file that is not looked at."""
    name = path.rpartition("/")[2]
    suffix = "." + name.rpartition(".")[2] if "." in name else ""
    if suffix in (".py", ".pyi"):
        return "python"
    if suffix in GRAMMARS and not name.endswith((".min.js", ".min.mjs")):
        return "javascript"
    if suffix == ".sql":
        return "sql"
    return "plain" if is_plain(path) or name.endswith((".min.js", ".min.mjs")) else ""
