"""Which orders of a scenario there are. A session that waits can do nothing until whom it waits for is through.

Which statement waits for which is learnt from the orders that ran, so that few orders are tried that no client could make.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from .scenarios import GATE, Scenario
from .tester import Order, Ran


class Waits:
    """What is known of who waits: by statement and by the statements that the other open transactions have run."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, frozenset[str]], bool] = {}

    def learn(self, scenario: Scenario, ran: Ran) -> None:
        """Take in what one order showed."""
        texts, held = _texts(scenario), _Held(scenario)
        waiting = {step for step, what in ran.events if what == "waits"}
        for step, what in ran.events:
            if what == "start" and not step.endswith("z") and step[0] != GATE:
                self.known[texts[step], held.by_others(step[0], texts)] = step in waiting
            if what == "start":
                held.take(step)

    def blockers(self, scenario: Scenario, step: str, held: _Held) -> list[str]:
        """Return whom the step may wait for: all that have run something, until it is known that it does not wait."""
        if step.endswith("z") or step[0] == GATE:
            return []
        texts = _texts(scenario)
        others = [name for name in held.open if name != step[0] and held.open[name]]
        if not others or self.known.get((texts[step], held.by_others(step[0], texts))) is False:
            return []
        alone = {n: self.known.get((texts[step], frozenset(texts[s] for s in held.open[n]))) for n in others}
        return [n for n in others if alone[n]] or others


class _Held:
    """What each open transaction has run."""

    def __init__(self, scenario: Scenario) -> None:
        self.open: dict[str, list[str]] = {name: [] for name in scenario.sessions}

    def take(self, step: str) -> None:
        if step.endswith("z"):
            self.open[step[0]] = []
        elif step[0] != GATE:
            self.open[step[0]].append(step)

    def by_others(self, session: str, texts: dict[str, str]) -> frozenset[str]:
        return frozenset(texts[s] for name, steps in self.open.items() if name != session for s in steps)


def _texts(scenario: Scenario) -> dict[str, str]:
    """Return each step's statement, and where it is held up: it waits for others according to how far it has come."""
    found = scenario.sessions.items()
    return {f"{name}{n}": f"{step.sql} {s.pause}" for name, s in found for n, step in enumerate(s.steps, 1)}


def steps_in(scenario: Scenario) -> dict[str, list[str]]:
    """Return by session the names of its steps."""
    found = {name: [*(f"{name}{n}" for n in range(1, len(s.steps) + 1)), f"{name}z"] for name, s in scenario.sessions.items()}
    return {**found, **({GATE: [f"{GATE}1"]} if scenario.paused else {})}


def orders_of(scenario: Scenario, waits: Waits, limit: int, seed: int = 1) -> list[Order]:
    """Return the orders that clients could make, as far as is known: all, or of more than ``limit`` so many by ``seed``."""
    rolls = random.Random(seed)
    listed = list(itertools.islice(_every(scenario, waits), limit + 1))
    if len(listed) <= limit:
        return listed
    found: dict[Order, None] = {}
    for _ in range(4 * limit):
        found[next(_every(scenario, waits, rolls))] = None
        if len(found) == limit:
            break
    return list(found)


def _every(scenario: Scenario, waits: Waits, rolls: random.Random | None = None) -> Iterator[Order]:
    """Yield them, each choice in the sessions' sequence, or as ``rolls`` has it."""
    steps, paused = steps_in(scenario), scenario.paused

    def go(done: Order, blocked: dict[str, list[str]]) -> Iterator[Order]:
        count = {name: sum(s[0] == name for s in done) for name in steps}
        left = [name for name in steps if count[name] < len(steps[name])]
        if not left:
            yield done
            return
        held = _Held(scenario)
        for step in done:
            held.take(step)
        free = [name for name in left if name not in blocked and not (name == GATE and not count[paused])]
        for name in rolls.sample(free, len(free)) if rolls else free:
            step, now = steps[name][count[name]], dict(blocked)
            if step.endswith("z") or name == GATE:
                now = {n: rest for n, waited in blocked.items() if (rest := [w for w in waited if w != name])}
            elif name == paused and not count[name] and not count[GATE]:
                now[name] = [GATE]
            elif found := waits.blockers(scenario, step, held):
                somebody = not any(name in waited for n, waited in now.items() if n in found)
                now |= {name: found} if somebody else {}  # not both of two may wait: somebody has to go on
            yield from go((*done, step), now)

    yield from go((), {})
