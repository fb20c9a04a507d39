"""Cases of the rewriter: files before, files after, what is listed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.rewrite.reasons import REVIEW, CodeFinding
from plugins.module_utils.core.rewrite.targets import Targets
from plugins.module_utils.rewrite.scan import Scanner

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests/unit/rewrite/cases"
MAPPINGS = {"tinkubot": ROOT / "files/mapping/tinkubot.yml", "library": ROOT / "tests/support/library.yml"}
_PART = re.compile(r"^(>>>|<<<) (\S+)\n", re.MULTILINE)


@dataclass
class Case:
    """``before`` and ``after`` by path; ``left``: path and reason of each use that is left; ``review``: some of the others."""

    name: str
    mapping: str = "tinkubot"
    clients: tuple[str, ...] = ()
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    review: list[str] = field(default_factory=list)


def read_case(path: Path) -> Case:
    case = Case(path.stem)
    text = path.read_text(encoding="utf-8")
    head, *parts = _PART.split(text)
    for line in head.splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "!!!":
            case.left.append(rest)
        elif mark == "???":
            case.review.append(rest)
        elif mark == "mapping:":
            case.mapping = rest
        elif mark == "clients:":
            case.clients = tuple(rest.split())
    for mark, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        (case.before if mark == ">>>" else case.after)[name] = body
    return case


@cache
def targets(mapping: str) -> Targets:
    return Targets(load_mapping(MAPPINGS[mapping].read_text(encoding="utf-8"), mapping))


def scanned(files: dict[str, str], mapping: str, clients: tuple[str, ...] = ()) -> tuple[dict[str, str], list[CodeFinding]]:
    """Return the files as they would be, and what was found."""
    results = Scanner(targets(mapping), clients).run({path: text.encode() for path, text in files.items()})
    new = {path: results[path].data for path in results}
    after = {path: text if new.get(path) is None else (new[path] or b"").decode() for path, text in files.items()}
    return after, [finding for result in results.values() for finding in result.findings]


def listed(findings: list[CodeFinding]) -> list[str]:
    """Return path and reason of each use that was left or stands behind the flag."""
    return sorted(f"{f.path}:{f.reason}" for f in findings if f.kind != REVIEW)


def reviewed(findings: list[CodeFinding]) -> set[str]:
    return {f"{f.path}:{f.reason}" for f in findings if f.kind == REVIEW}
