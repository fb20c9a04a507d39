"""What a person must do in a repository, as a page and as lines. Pure text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..words import number
from .reasons import BEHIND_FLAG, LEFT, REVIEW, WHY_LEFT, CodeFinding

_SHOWN = 40  # findings that a run's lines repeat; the page has all


@dataclass(frozen=True)
class Scanned:
    """What a scan of one repository came to."""

    name: str
    path: str
    rewritten: int
    files: int
    findings: tuple[CodeFinding, ...]
    left_out: Mapping[str, int]  # why files were not looked at → how many
    readmes: tuple[str, ...] = ()

    def of(self, kind: str) -> list[CodeFinding]:
        """Return the findings of a kind."""
        return [finding for finding in self.findings if finding.kind == kind]


def summary_lines(scan: Scanned, waived: Mapping[str, str], left: Sequence[CodeFinding]) -> list[str]:
    """Return the lines that a run says of a repository."""
    counts = Counter(finding.reason for finding in left)
    reasons = ", ".join(f"{reason} {count}" for reason, count in counts.most_common())
    lines = [
        f"{scan.name}: {number(scan.rewritten)} usos reescritos en {number(scan.files)} archivos; pendientes {number(len(left))}"
        f"{f' ({reasons})' if reasons else ''}; por revisar {number(len(scan.of(REVIEW)))}; tras la bandera"
        f" {number(len(scan.of(BEHIND_FLAG)))}; dispensados {number(len(scan.of(LEFT)) - len(left))}"
    ]
    lines += [f"  {_located(finding)}: {finding.words}: {finding.text}" for finding in left[:_SHOWN]]
    if len(left) > _SHOWN:
        lines.append(f"  … y {number(len(left) - _SHOWN)} más en la lista de pendientes")
    if scan.left_out:
        lines.append("  Sin mirar: " + ", ".join(f"{why} {number(count)}" for why, count in sorted(scan.left_out.items())))
    if scan.readmes:
        lines.append(f"  Documentos que nombran las tablas inglesas: {', '.join(scan.readmes)}")
    return lines


def pending_page(scans: Iterable[Scanned], waived: Mapping[str, str]) -> str:
    """Return pendientes.md: per repository each use left, each to be looked at, each behind the flag."""
    parts = ["# Pendientes del código\n"]
    for scan in scans:
        parts.append(f"\n## {scan.name} ({scan.path})\n")
        for kind, title in (
            (LEFT, "Por reescribir a mano"),
            (REVIEW, "Reescritos, por revisar"),
            (BEHIND_FLAG, "Tras MIGRATION_MODE"),
        ):
            found = scan.of(kind)
            if found:
                parts.append(f"\n### {title}: {number(len(found))}\n\n")
                parts += [_entry(scan.name, finding) for finding in found]
        if scan.readmes:
            parts.append(f"\n### Documentos por actualizar\n\n{''.join(f'- {path}' + chr(10) for path in scan.readmes)}")
    used = sorted({finding.reason for scan in scans for finding in scan.findings if finding.kind == LEFT})
    if used:
        parts.append("\n## Razones\n\n" + "".join(f"- `{reason}`: {WHY_LEFT[reason]}\n" for reason in used))
    if waived:
        parts.append("\n## Dispensas\n\n" + "".join(f"- `{pattern}`: {reason}\n" for pattern, reason in waived.items()))
    return "".join(parts)


def _entry(repository: str, finding: CodeFinding) -> str:
    return f"- `{_located(finding)}` {finding.words}\n  `{finding.text.replace('`', chr(39))}`\n  ({finding.name(repository)})\n"


def _located(finding: CodeFinding) -> str:
    return f"{finding.path}:{finding.line}"
