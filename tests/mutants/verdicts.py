"""Who finds each mutant: two passes over a part of the SQL, and a file of verdicts, so that a run goes on where it ended."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.mutants.reasons import reason_of
from tests.mutants.rules import Mutant

SERVER = "PostgreSQL"  # the statement does not run
SLOW = "tarda demasiado"  # it does, and comes to no end where the original takes a blink
OPINION = "segunda opinión"
NOBODY, EQUIVALENT, LEFT = "nobody", "equivalent", ""
NEEDED = 0.99
Named = tuple[str, Mutant]  # what of the SQL it is a mutant of: a view, a function, a statement of the comparison


def stopped_by(error: Exception) -> str:
    """Who finds a mutant that ended so."""
    return SLOW if getattr(error, "pgcode", None) == "57014" else SERVER


class Ground(Protocol):
    """Rows on which mutants of one part of the SQL are tried."""

    def mutants(self) -> Iterator[Named]:
        """Yield every mutant of the part."""
        ...

    def found_by(self, name: str, mutant: Mutant) -> str:
        """Return who finds it on these rows, '' for nobody."""
        ...

    def does_the_same(self, name: str, mutant: Mutant) -> bool:
        """Return whether it comes to the same as the original on these rows."""
        ...


class Verdict(NamedTuple):
    """What became of one mutant."""

    part: str
    installation: str
    name: str
    rule: str
    where: str
    verdict: str


@dataclass
class Kept:
    """Verdicts by mutant, each written down as soon as it is known."""

    path: Path
    known: dict[str, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                key, *verdict = json.loads(line)
                self.known[key] = Verdict(*verdict)

    def put(self, key: str, verdict: Verdict) -> None:
        """Keep one."""
        self.known[key] = verdict
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, *verdict], ensure_ascii=False) + "\n")


def judge(part: str, installation: str, small: Ground, large: Callable[[], Ground], every: int, kept: Kept) -> Iterator[Verdict]:
    """Yield the verdict of each so manieth mutant: on few rows, and of those that nobody finds there on many.

    Where it comes to the same on many rows as well, it is equivalent. ``large`` is only called where some are left.
    """
    left: dict[str, Named] = {}
    for number, (name, mutant) in enumerate(small.mutants()):
        if number % every:
            continue
        key = hashlib.sha256("\0".join((part, installation, name, mutant.rule, mutant.text)).encode()).hexdigest()[:24]
        if key not in kept.known:
            kept.put(key, Verdict(part, installation, name, mutant.rule, mutant.where, small.found_by(name, mutant)))
        if kept.known[key].verdict == LEFT:
            left[key] = name, mutant
        else:
            yield kept.known[key]
    ground = large() if left else small
    for key, (name, mutant) in left.items():
        verdict = EQUIVALENT if ground.does_the_same(name, mutant) else ground.found_by(name, mutant) or NOBODY
        kept.put(key, kept.known[key]._replace(verdict=verdict))
        yield kept.known[key]


def report(verdicts: list[Verdict]) -> bool:
    """Print who finds how many, and each survivor with its reason; return whether enough are found and none lacks a reason."""
    by_rule: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in verdicts:
        by_rule[one.part, one.rule][one.verdict] += 1
    for (part, rule), found in sorted(by_rule.items()):
        print(f"{part:12} {rule:32} {_figures(found)}")
    survivors = [one for one in verdicts if one.verdict == NOBODY]
    for one in survivors:
        print(f"  left: {one.installation} {one.name}: {one.rule}: {one.where}\n    {reason_of(one.part, one.rule, one.where)}")
    for part in dict.fromkeys(one.part for one in verdicts):
        print(f"{part}: {_figures(Counter(one.verdict for one in verdicts if one.part == part))}")
    counted = sum(one.verdict != EQUIVALENT for one in verdicts)
    share = 1 - len(survivors) / counted
    print(f"{len(verdicts)} mutants, {len(verdicts) - counted} equivalent; found {share:.2%} of {counted}")
    return share >= NEEDED and all(reason_of(one.part, one.rule, one.where) for one in survivors)


def _figures(found: Counter[str]) -> str:
    return ", ".join(f"{who} {number}" for who, number in sorted(found.items()))
