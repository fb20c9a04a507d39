"""The parts of a night, played by two processes on one server; what a part has done is kept and not done again."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.databases import Databases

from .ground import Ground, make_ground
from .play import Player
from .scenarios import LEVELS, Scenario, half_way, loads, longer, pairs, with_jobs

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 20  # scenarios that share the tester's connections
PROCESSES = 2

# By name: what it plays on an installation, with its pairs and a seed.
PARTS: dict[str, Callable[[Ground, int], Iterator[Scenario]]] = {
    "pairs": lambda ground, _: pairs(ground.installation),
    "half-way": lambda ground, _: half_way(ground.installation),
    "longer": lambda ground, seed: longer(ground.installation, seed, 200),
    "triples": lambda ground, seed: longer(ground.installation, seed, 350, 3),
    "jobs": lambda ground, _: with_jobs(ground.installation, ground.routes),
    "repeatable": lambda ground, _: pairs(ground.installation, LEVELS[1]),
    "serializable": lambda ground, _: pairs(ground.installation, LEVELS[2]),
    "load": lambda ground, _: loads(ground.installation, ground.routes, ground.loaded),
}


@dataclass
class Result:
    """``counted``: orders and so on; ``wrong``: lines of each order that left something wrong; ``names``: scenarios played."""

    counted: Counter[str] = field(default_factory=Counter)
    wrong: list[list[str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, other: Result) -> None:
        """Take in another one's."""
        self.counted += other.counted
        self.wrong += other.wrong
        self.names += other.names


LOADING = "load"  # the part whose ground is one on which tables are loaded


def grounds(
    databases: Databases, installation: str, work: Path, pauses: bool, count: int = PROCESSES, loading: bool = False
) -> list[Ground]:
    """One for each process."""
    return [make_ground(databases, installation, work, pauses, loading) for _ in range(count)]


def play(where: Sequence[Ground], scenarios: Sequence[Scenario], limit: int = 300, seconds: float = 1e9) -> Iterator[Result]:
    """Play them, some at once on each ground; those that do not begin in so many seconds are left for the next time."""
    until = time.monotonic() + seconds
    chunks = [scenarios[first : first + AT_ONCE] for first in range(0, len(scenarios), AT_ONCE)]
    if len(where) == 1:  # in this process
        with closing(Player(where[0], limit)) as player:
            yield from (_played(player, chunk, until) for chunk in chunks)
        return
    free: multiprocessing.Queue[Ground] = multiprocessing.Queue()
    for ground in where:
        free.put(ground)
    pool = ProcessPoolExecutor(len(where), initializer=_begin, initargs=(free, limit, until))
    try:
        yield from pool.map(_play, chunks)
    finally:
        pool.shutdown(cancel_futures=True)


_player: list[tuple[Player, float]] = []  # of this process


def _begin(free: multiprocessing.Queue[Ground], limit: int, until: float) -> None:
    _player.append((Player(free.get(), limit), until))


def _play(chunk: Sequence[Scenario]) -> Result:
    return _played(_player[0][0], chunk, _player[0][1])


def _played(player: Player, chunk: Sequence[Scenario], until: float) -> Result:
    if time.monotonic() > until:
        return Result()
    player.counted = Counter()
    wrong = [one.lines for one in player.play(chunk)]
    return Result(player.counted, wrong, [s.name for s in chunk])


class Kept:
    """What has been played of this code: scenarios by name, with what was wrong. Another code begins anew."""

    def __init__(self, folder: Path, part: str) -> None:
        digest = hashlib.sha256()
        for path in sorted([*(ROOT / "files/sql").rglob("*.sql"), *Path(__file__).parent.glob("*.py")]):
            digest.update(path.read_bytes())
        self.path = folder / digest.hexdigest()[:12] / f"{part}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.result = Result()
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []:
            found = json.loads(line)
            self.result.add(Result(Counter(found["counted"]), found["wrong"], found["names"]))

    def left(self, scenarios: Sequence[Scenario]) -> list[Scenario]:
        """Those that have not been played."""
        done = set(self.result.names)
        return [s for s in scenarios if s.name not in done]

    def keep(self, result: Result) -> None:
        """Add one."""
        self.result.add(result)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"counted": result.counted, "wrong": result.wrong, "names": result.names}) + "\n")
