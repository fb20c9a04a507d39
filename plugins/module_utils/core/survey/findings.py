"""fase0's page of findings: what the night depends on, each with its value, its limit, a verdict and what mends it. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from ..words import escape, number

GOOD, NOTICE, BAR = "bien", "aviso", "impide"
LOSS = "pierde"  # what the mapping decided: a way back does not bring it
# Characters of the columns what, value and limit; the verdict stands in front of them.
_WIDTHS = (27, 44, 32)
_SHOWN = 8  # findings of one name on the page; the module's result, which -v prints, has them all


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``value``: what is there; ``limit``: what may be there.

    ``mend``: SQL that mends it, as it stands, when ``who`` runs it with psql; '' where no statement does. ``note``: what else
    there is to know or to do.
    """

    name: str
    value: str
    limit: str
    verdict: str = GOOD
    mend: str = ""
    who: str = ""
    note: str = ""

    @property
    def remedy(self) -> str:
        """The statement with who may run it; '' where there is none, or none that survives being shown on a terminal."""
        if not self.mend or escape(self.mend) != self.mend:
            return ""
        return f"Remedio ({self.who}): {self.mend}"


def page(findings: Sequence[Finding]) -> list[str]:
    """Return the findings as lines to read: a head, a row for each, below it what mends it. The worst stand last."""
    numbers = {v: sum(f.verdict == v for f in findings) for v in (GOOD, LOSS, NOTICE, BAR)}
    counts = ", ".join(f"{v} {number(n)}" for v, n in numbers.items() if n or v != LOSS)
    lines = [f"Hallazgos, de lo que depende la noche ({counts}):", _row("", "qué", "valor", "límite")]
    for verdict in (GOOD, LOSS, NOTICE, BAR):
        chosen = [f for f in findings if f.verdict == verdict]
        for name in dict.fromkeys(f.name for f in chosen):
            same = [f for f in chosen if f.name == name]
            for finding in same[:_SHOWN]:
                lines += _rows(finding)
            if len(same) > _SHOWN:
                lines.append(
                    f"          … y {number(len(same) - _SHOWN)} más de {name}: la misma orden con -v los da todos (findings)"
                )
    return lines


def _rows(finding: Finding) -> Iterable[str]:
    texts = (finding.name, finding.value, finding.limit)
    cells = [
        textwrap.wrap(escape(text), width, break_on_hyphens=False) or [""] for text, width in zip(texts, _WIDTHS, strict=True)
    ]
    for at in range(max(map(len, cells))):
        yield _row(finding.verdict if at == 0 else "", *(cell[at] if at < len(cell) else "" for cell in cells))
    yield from (f"          {text}" for text in (escape(finding.note), finding.remedy) if text)


def _row(verdict: str, *cells: str) -> str:
    padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
    return f"  {verdict:6}  {padded}".rstrip()


def barring(findings: Iterable[Finding]) -> list[str]:
    """Return one sentence for each finding that keeps fase0 from approving: what is there, what may be, what mends it."""
    return [
        " ".join(text for text in (f"{f.name}: {f.value}. Debe ser: {f.limit}.", f.note, f.remedy) if text)
        for f in findings
        if f.verdict == BAR
    ]


def finding_details(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Return the findings for the module's result."""
    return [asdict(f) for f in findings]


def named(items: Sequence[str], shown: int = 3) -> str:
    """Return the first of the items and how many there are beyond."""
    more = f" y {number(len(items) - shown)} más" if len(items) > shown else ""
    return ", ".join(items[:shown]) + more
