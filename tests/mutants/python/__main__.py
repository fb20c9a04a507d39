"""Plant mistakes in the runbook's Python and say which its tests find: python -m tests.mutants.python [--count N] [--piece 1/7].

What has been judged is kept in .mutants/, so a call that was broken off goes on where it was; what a mutant said holds as long
as its file says the same, and what nobody found is judged again when the tests have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from queue import SimpleQueue

import yaml

from tests.mutants.python.copies import SURVIVED, Copy, copied
from tests.mutants.python.plugin import ROOT
from tests.mutants.python.rules import Mutant, mutants_of
from tests.mutants.python.seen import Seen, digest, test_files, up_to_date

NEEDED = 0.95
KEPT = ROOT / ".mutants"
KNOWN = Path(__file__).with_name("survivors.yml")
EQUIVALENT = "equivalent"
PLAYBOOKS, PLAYBOOKS_SECONDS = "tests/playbooks", 1800
STARTING, PATIENCE = 120, 3  # seconds until tests run, and as many times as long as they took when nothing was wrong


def all_mutants() -> list[Mutant]:
    """Every mutant of every file of plugins/."""
    paths = sorted((ROOT / "plugins").rglob("*.py"))
    texts = ((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in paths)
    return [mutant for path, text in texts for mutant in mutants_of(path, text)]


def room_of(mutant: Mutant) -> str:
    """The room that the mutant's file lies in: core/rows, server, action."""
    return str(Path(mutant.path).parent.relative_to("plugins")).removeprefix("module_utils/")


def spread(mutants: Iterable[Mutant], count: int, seed: int = 1) -> list[Mutant]:
    """So many of them, the same at each call: one of each rule of each room, then a second, and so on."""
    groups: dict[tuple[str, str], list[Mutant]] = defaultdict(list)
    for mutant in sorted(mutants, key=lambda m: hashlib.sha256(f"{seed} {m.name}".encode()).digest()):
        groups[room_of(mutant), mutant.rule].append(mutant)
    turns = chain.from_iterable(zip_longest(*(groups[key] for key in sorted(groups))))
    return [mutant for mutant in turns if mutant is not None][:count]


def known_survivors() -> dict[str, tuple[str, str]]:
    """A mutant's name → equivalent or accepted, and the reason."""
    found = {}
    for path, entries in yaml.safe_load(KNOWN.read_text(encoding="utf-8")).items():
        for entry in entries:
            (verdict,) = {EQUIVALENT, "accepted"} & entry.keys()
            found[f"{path}: {entry['in']}: {entry['rule']}: {entry['change']}"] = (verdict, entry[verdict])
    return found


@dataclass
class Judged:
    """What has been said of mutants so far, kept in a file after each."""

    kept: Path
    tests: str
    verdicts: dict[str, dict[str, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, mutant: Mutant) -> str | None:
        """Who found it, SURVIVED where nobody did, None where it has to be judged (again)."""
        said = self.verdicts.get(mutant.name)
        if said is None or said["file"] != digest([ROOT / mutant.path]):
            return None
        return said["found"] if said["found"] != SURVIVED or said["tests"] == self.tests else None

    def keep(self, mutant: Mutant, found: str) -> None:
        """Write it down at once."""
        with self.lock:
            said = {"file": digest([ROOT / mutant.path]), "tests": self.tests, "found": found}
            self.verdicts[mutant.name] = said
            self.kept.with_suffix(".new").write_text(json.dumps(self.verdicts, indent=1, ensure_ascii=False), encoding="utf-8")
            self.kept.with_suffix(".new").replace(self.kept)


def opened(kept: Path) -> Judged:
    """What an earlier call has kept."""
    tests = digest(test_files())
    return Judged(kept, tests, json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {})


def judge(mutants: list[Mutant], seen: Seen, judged: Judged, processes: int) -> None:
    """Run the tests of each, several at a time, each in a copy of its own."""
    free: SimpleQueue[Copy] = SimpleQueue()

    def run(mutant: Mutant) -> None:
        copy = free.get()
        try:
            judged.keep(mutant, found := _found_by(copy, mutant, seen))
        finally:
            free.put(copy)
        print(f"{found or 'nobody':60.60} {mutant.path}:{mutant.line} {mutant.change}", flush=True)

    with ExitStack() as stack, ThreadPoolExecutor(processes) as pool:
        copies = [stack.enter_context(copied()) for _ in range(processes)]
        for copy in copies:
            free.put(copy)
        try:
            list(pool.map(run, mutants))
        except BaseException:  # also when somebody ends us: what runs is not waited for
            for copy in copies:
                copy.end()
            raise


def _found_by(copy: Copy, mutant: Mutant, seen: Seen) -> str:
    """Ask the tests that run the line, and where these find nothing, those that run playbooks."""
    tests = seen.tests_of(mutant.path, mutant.line)
    usual = sum(seen.seconds.get(test, 0.0) for test in tests)
    found = copy.found_by(mutant.path, mutant.text, tests, STARTING + PATIENCE * usual) if tests else SURVIVED
    return found or copy.found_by(mutant.path, mutant.text, [PLAYBOOKS], PLAYBOOKS_SECONDS)


def report(mutants: list[Mutant], judged: Judged, known: dict[str, tuple[str, str]]) -> float:
    """Print how many were found in each room and what nobody found; the part that was found of those that count."""
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant in mutants:
        rooms[room_of(mutant)][_verdict(mutant, judged, known)] += 1
    for room, found in sorted(rooms.items()):
        print(f"{room:20} {', '.join(f'{verdict} {n}' for verdict, n in sorted(found.items()))}")
    for mutant in mutants:
        if (verdict := _verdict(mutant, judged, known)) not in ("killed", EQUIVALENT):
            reason = f" ({known[mutant.name][1]})" if mutant.name in known else ""
            print(f"  {verdict}: {mutant.path}:{mutant.line}: {mutant.where}: {mutant.rule}: {mutant.change}{reason}")
    total: Counter[str] = sum(rooms.values(), Counter())
    counted = total.total() - total[EQUIVALENT]
    part = total["killed"] / counted if counted else 1.0
    print(f"{total.total()} mutants, {total[EQUIVALENT]} equivalent; killed {part:.2%} of {counted}: {dict(total)}")
    return part


def _verdict(mutant: Mutant, judged: Judged, known: dict[str, tuple[str, str]]) -> str:
    if mutant.name in known:
        return known[mutant.name][0]
    return "survived" if judged.of(mutant) == SURVIVED else "killed"


def main() -> int:
    """The command line; 1 where too many survive."""
    parser = argparse.ArgumentParser(prog="tests.mutants.python", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="how many mutants of all")
    parser.add_argument("--piece", default="1/1", help="2/7: of those the second seventh")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    which, of = map(int, options.piece.split("/"))
    KEPT.mkdir(exist_ok=True)
    known, judged = known_survivors(), opened(KEPT / "judged.json")
    mutants = spread(all_mutants(), options.count)[which - 1 :: of]
    left = [mutant for mutant in mutants if mutant.name not in known and judged.of(mutant) is None]
    print(f"{len(mutants)} mutants, {len(left)} of them to judge", flush=True)
    if left:
        judge(left, up_to_date(KEPT / "seen.json"), judged, os.cpu_count() or 1)
    return 0 if report(mutants, judged, known) >= NEEDED else 1


if __name__ == "__main__":
    sys.exit(main())
