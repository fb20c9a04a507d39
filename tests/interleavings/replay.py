"""What the legacy tables alone make of the acknowledged statements, in every order that agrees with the commits."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from .cast import LEGACY, NEIGHBOURS
from .ground import State
from .judge import shape
from .scenarios import Scenario
from .tester import Ran

LEGACY_TABLES = [f"public.{t}" for t in (*LEGACY, *NEIGHBOURS)]


@dataclass
class Replay:
    """Runs statements on the legacy tables alone; what has been run once is remembered."""

    connection: Any
    known: dict[tuple[str, ...], tuple[str, str | None]] = field(default_factory=dict)

    def differs(self, scenario: Scenario, ran: Ran, state: State) -> list[str]:
        """Return how legacy differs from every order of the acknowledged statements, [] where one ends as it did."""
        want = legacy_shape(state)
        nearest: list[str] | None = None
        done = {name: session for name, session in scenario.sessions.items() if _acknowledged(scenario, ran, name)}
        for order in _merged(done.keys(), scenario, ran):
            for statements in itertools.product(*(done[name].steps[n].means for name, n in order)):
                said, error = self.after(tuple(statements))
                if error is None and said == want:
                    return []
                lines = [error] if error else sorted(set(said.splitlines()) ^ set(want.splitlines()))
                nearest = lines if nearest is None or len(lines) < len(nearest) else nearest
        return ["legacy is no replay of the acknowledged statements", *(nearest or [])]

    def after(self, statements: tuple[str, ...]) -> tuple[str, str | None]:
        """Return the legacy tables' shape after these statements, and what failed."""
        if statements not in self.known:
            with self.connection.cursor() as cursor:
                try:
                    for statement in statements:
                        cursor.execute(statement)
                    cursor.execute("SELECT interleavings.state()::text")
                    self.known[statements] = (legacy_shape(json.loads(cursor.fetchone()[0])), None)
                except psycopg2.Error as error:
                    self.known[statements] = ("", error.pgcode)
                finally:
                    self.connection.rollback()
        return self.known[statements]


def legacy_shape(state: State) -> str:
    """Return the legacy tables as a text; the moment of a change does not count."""
    rows = {table: [{k: v for k, v in row.items() if k != "updated_at"} for row in state[table]] for table in LEGACY_TABLES}
    return re.sub(r"now\d+", "now", shape(rows))


def _acknowledged(scenario: Scenario, ran: Ran, name: str) -> bool:
    failed = any(step[0] == name for step in ran.errors)
    return scenario.sessions[name].end == "COMMIT" and not failed


def _merged(names: Any, scenario: Scenario, ran: Ran) -> Iterator[list[tuple[str, int]]]:
    """Yield every order of the statements of these sessions that agrees with when each began and ended."""
    sessions = [s for s in scenario.sessions if s in names]
    began = {step: n for n, (step, what) in enumerate(ran.events) if what == "start"}
    ended = {step: n for n, (step, what) in enumerate(ran.events) if what == "done"}
    lengths = {name: len(scenario.sessions[name].steps) for name in sessions}
    strict = all(s.isolation == "READ COMMITTED" for s in scenario.sessions.values())

    def comes_first(a: tuple[str, int], b: tuple[str, int]) -> bool:
        """Whether a's transaction had ended when b began."""
        return strict and ended.get(f"{a[0]}z", 10**6) < began[f"{b[0]}{b[1] + 1}"]

    def go(done: list[tuple[str, int]], at: dict[str, int]) -> Iterator[list[tuple[str, int]]]:
        if all(at[name] == lengths[name] for name in sessions):
            yield done
            return
        ready = [(name, at[name]) for name in sessions if at[name] < lengths[name]]
        for one in ready:
            rest = [(name, n) for name in sessions for n in range(at[name], lengths[name]) if name != one[0]]
            if not any(comes_first(other, one) for other in rest):
                yield from go([*done, one], {**at, one[0]: one[1] + 1})

    ordered: Sequence[str] = sorted(sessions, key=lambda name: ended.get(f"{name}z", 0))
    sessions = list(ordered)
    yield from go([], dict.fromkeys(sessions, 0))
