"""Plays scenarios: their orders run, what each left judged, what was wrong named with the order that repeats it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2

from .ground import Ground, State
from .judge import Judge, make_judge, shape
from .orders import Waits, orders_of
from .replay import Replay
from .scenarios import Scenario
from .tester import Order, Ran, binary, run


@dataclass
class Wrong:
    """An order that left something wrong."""

    scenario: Scenario
    ran: Ran
    faults: list[str]

    @property
    def lines(self) -> list[str]:
        """As it is printed."""
        errors = [f"{step}: {said}" for step, said in self.ran.errors.items()]
        return [
            f"{self.scenario.family} | {self.scenario.name} | {' '.join(self.ran.order)}",
            *self.faults[:6],
            *errors,
            " ".join(f"{s} {w}" for s, w in self.ran.events),
        ]


@dataclass
class Player:
    """Plays on one ground; ``counted``: orders run, those that no client could make (stalled), and so on."""

    ground: Ground
    limit: int = 300
    counted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.waits = Waits()
        self.judge: Judge = make_judge(self.ground)
        self.replay = Replay(psycopg2.connect(self.ground.alone.superuser_url))
        self.tool: Path = binary(self.ground.database.server.bin_dir)
        self.judged: dict[str, list[str]] = {}

    def close(self) -> None:
        """Leave the legacy tables alone."""
        self.replay.connection.close()

    def play(self, scenarios: Sequence[Scenario]) -> list[Wrong]:
        """Run their orders in rounds: each shows who waits, and so which further orders there are."""
        done: dict[int, set[Order]] = {n: set() for n in range(len(scenarios))}
        found: list[Wrong] = []
        open_still = set(done)
        while open_still:
            batch: list[tuple[Scenario, Sequence[Order]]] = []
            for n in sorted(open_still):
                wanted = [o for o in orders_of(scenarios[n], self.waits, self.limit) if o not in done[n]]
                wanted = wanted[: self.limit - len(done[n])]
                done[n] |= set(wanted)
                if wanted:
                    batch.append((scenarios[n], wanted))
                else:
                    open_still.discard(n)
            found += self._run(batch) if batch else []
        return found

    def _run(self, batch: Sequence[tuple[Scenario, Sequence[Order]]]) -> Iterator[Wrong]:
        started = time.monotonic()
        rans = run(self.tool, self.ground.database.superuser_url, batch)
        self.counted["ms"] += int(1000 * (time.monotonic() - started))
        scenarios = [scenario for scenario, orders in batch for _ in orders]
        for scenario, ran, state in zip(scenarios, rans, self.ground.states(), strict=True):
            self.waits.learn(scenario, ran)
            self.counted["stalled" if ran.stalled else "orders"] += 1
            self._count_errors(scenario, ran)
            if not ran.stalled and (faults := self._faults(scenario, ran, state)):
                yield Wrong(scenario, ran, faults)

    def _count_errors(self, scenario: Scenario, ran: Ran) -> None:
        for step, said in ran.errors.items():
            if "is aborted" not in said and not ran.stalled and not step.endswith("z"):
                spanish = scenario.sessions[step[0]].steps[int(step[1:]) - 1].spanish
                self.counted[f"{'spanish' if spanish else 'legacy'}: {said.split(' (')[0][:60]}"] += 1

    def _faults(self, scenario: Scenario, ran: Ran, state: State) -> list[str]:
        seen = shape(state)
        if seen not in self.judged:
            if state["migracion.pendiente"] or self.ground.loaded:
                self.counted["drained"] += 1
                state = self.ground.run(state)
            self.judged[seen] = self.judge.wrong(state)
            self.counted["states"] += 1
        faults = list(self.judged[seen])
        return faults + self.replay.differs(scenario, ran, state)
