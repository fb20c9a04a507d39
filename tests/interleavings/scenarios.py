"""Which statements meet: the families of scenarios, each with a name that says how to run it alone."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.module_utils.core.rows.routes import Route

from .ground import batch_of
from .steps import Step, steps_of

GATE = "g"  # the session that holds paused statements up
POINTS = ("own", "before", "after")  # its own row is written, its twin is about to be, its twin is
LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")


@dataclass(frozen=True)
class Session:
    """A transaction; ``pause``: the point at which its first writing statement waits for the gate, '' for none."""

    steps: tuple[Step, ...]
    end: str = "COMMIT"
    isolation: str = LEVELS[0]
    pause: str = ""


@dataclass(frozen=True)
class Scenario:
    """Named transactions, a first."""

    family: str
    sessions: dict[str, Session]

    @property
    def name(self) -> str:
        """What is printed of it."""
        return " · ".join(
            f"{name}: {', '.join(s.name for s in session.steps)}"
            + (f" [{session.pause}]" if session.pause else "")
            + ("" if session.end == "COMMIT" else " (rollback)")
            for name, session in self.sessions.items()
        )

    @property
    def paused(self) -> str:
        """The session that is held up, '' for none."""
        return next((name for name, session in self.sessions.items() if session.pause), "")


def related(steps: list[Step]) -> list[tuple[Step, Step]]:
    """Return every two statements that share a row or a phone, each with itself too."""
    return [(a, b) for a, b in itertools.combinations_with_replacement(steps, 2) if a.touches & b.touches]


def pairs(installation: str, isolation: str = LEVELS[0]) -> Iterator[Scenario]:
    """Every two single statements that share a row or a phone."""
    for a, b in related(steps_of(installation)):
        yield Scenario("pairs", {"a": Session((a,), isolation=isolation), "b": Session((b,), isolation=isolation)})


def with_jobs(installation: str, routes: Sequence[Route]) -> Iterator[Scenario]:
    """The copy's batch and the repair of a pair, each beside every statement on the pair's two tables or on one that it reads."""
    for route in routes:
        words = _near(route)
        for what in ("batch", "repair"):
            call = f"SELECT FROM interleavings.{what}_{route.pair.source}_{route.pair.target}()"
            job = Step(f"{what} of {route.pair.source} → {route.pair.target}", call, frozenset(), ("SELECT 1",))
            for step in steps_of(installation):
                if words.search(step.sql):
                    for end in ("COMMIT", "ROLLBACK"):
                        yield Scenario("jobs", {"a": Session((job,)), "b": Session((step,), end)})


def _near(route: Route) -> re.Pattern[str]:
    """What a statement on one of the pair's two tables, or on one that it reads, has in it."""
    near = {route.pair.source, route.pair.target, *(r.pair.source for _, found in route.parents for r in found)}
    near |= {r.pair.source for r in route.earlier} | {c.lookup.table for c in route.carried if c.rule.lookup is not None}
    return re.compile(rf"\b(?:{'|'.join(near)})\b")


def loads(installation: str, routes: Sequence[Route], loaded: Sequence[Route]) -> Iterator[Scenario]:
    """A batch without locks, and the moment at which the pair is switched on, beside every statement on what the pair reads, in
    each isolation, and beside two of them in turn; the log is taken in after the order."""
    for route in loaded:
        batch = Step(f"load of {route.pair.target}", batch_of(route), frozenset(), ("SELECT 1",))
        switched = f"UPDATE migracion.sincronizacion SET modo = 'si' WHERE tabla_destino = '{route.pair.target}'"
        on = Step(f"{route.pair.target} on", switched, frozenset(), ("SELECT 1",))
        emptied = f"TRUNCATE {route.pair.source}"
        steps = [s for s in steps_of(installation) if _near(route).search(s.sql) and f" {route.pair.target} " not in s.sql]
        steps.append(Step(f"{route.pair.source} emptied", emptied, frozenset({route.pair.source}), (emptied,)))
        for step, level in itertools.product(steps, LEVELS):
            for end in ("COMMIT", "ROLLBACK"):
                yield Scenario("load", {"a": Session((batch,)), "b": Session((step,), end, level), "c": Session((on,))})
        for one, two in itertools.permutations(steps, 2):
            if one.touches & two.touches:
                yield Scenario("load", {"a": Session((batch,)), "b": Session((one, two)), "c": Session((on,))})


def half_way(installation: str) -> Iterator[Scenario]:
    """The same, with one of the two stopped inside."""
    for one, two in related(steps_of(installation)):
        for a, b in dict.fromkeys(((one, two), (two, one))):
            for point in POINTS:
                yield Scenario(f"half-way {point}", {"a": Session((a,), pause=point), "b": Session((b,))})


def longer(installation: str, seed: int, count: int, sessions: int = 2) -> Iterator[Scenario]:
    """Transactions of several statements on rows that have to do with one another, chosen by ``seed``; a quarter roll back."""
    rolls, steps = random.Random(seed), steps_of(installation)
    most = {2: (2, 4), 3: (1, 3)}[sessions]
    for _ in range(count):
        core = rolls.choice(steps)
        near = [s for s in steps if s.touches & core.touches]
        chosen = {}
        for name in "abc"[:sessions]:
            some = tuple(rolls.sample(near, min(len(near), rolls.randint(*most))))
            chosen[name] = Session(some, rolls.choice(("COMMIT", "COMMIT", "COMMIT", "ROLLBACK")))
        yield Scenario({2: "longer", 3: "triples"}[sessions], chosen)
