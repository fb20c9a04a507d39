"""Nights with services that go on writing: there, back and there again, with accidents, until every write is accounted for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from plugins.module_utils.core.phase.gates import GATE_NAMES
from tests.support.accounting import PARTS, take_accounting
from tests.support.databases import Database, Databases
from tests.support.playbook import Playbooks
from tools.postgres_server import address

from .faults import Scene, strike
from .plan import KINDS, Kill, kill_of
from .proxy import Proxy
from .services import Row, Service, carried_rows
from .steps import BACK, FORWARD, VERIFY, Step

THERE = (Step("fase2", FORWARD, "", frozenset()), Step("fase3", FORWARD, "", frozenset(), seconds=6.0))
BACK_AGAIN = (Step("fase3", BACK, "", frozenset(), seconds=3.0), Step("fase2", BACK, "", frozenset(), seconds=4.0))
PROVED = (Step("fase2", VERIFY, "", frozenset()), Step("fase3", VERIFY, "", frozenset()))
TRIES = 8  # commands without an accident that a step may need while services write
OF_EACH = 12  # rows of each table that services write
SIDES = ("legacy", "legacy", "espanol", "espanol")  # a connection each


@dataclass
class Night:
    """What came out. ``commands``: each with its accident and how it ended; ``counts``: of the services' transactions."""

    commands: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    stalls: list[tuple[float, str]] = field(default_factory=list)
    kills: int = 0

    def lines(self) -> list[str]:
        """For people to read."""
        longest = ", ".join(f"{seconds:.2f} s on {table}" for seconds, table in self.stalls[:3])
        return [*self.commands, f"{self.kills} accidents; {dict(self.counts)}; longest statements: {longest}", *self.problems]


class Nights:
    """One database, services on it, and the commands of several nights."""

    def __init__(self, databases: Databases, proxy: Proxy, work: Path, *, installation: str, seed: int, rows: int = 200) -> None:
        self.databases, self.proxy, self.work = databases, proxy, work
        self.installation, self.rows = installation, rows
        self.dice = Random(f"{seed} {installation} nights")
        self.night = Night()
        self.kinds: list[str] = []
        self.services: list[Service] = []

    def play(self, nights: int, kills: int) -> Night:
        """So many times there and back, once more there, ``kills`` accidents in all; then everything is compared."""
        chosen = self._rows()
        database = self.databases.sample(self.installation, self.rows, up_to="fase1")
        steps = [*THERE, *BACK_AGAIN] * nights + [*THERE]
        with self._services(database, chosen):
            for number, step in enumerate(steps):
                self._step(step, database, (kills * (number + 1)) // len(steps) - (kills * number) // len(steps))
        self._settle(database)
        self.databases.drop(database)
        return self.night

    def _rows(self) -> list[Row]:
        template = self.databases.sample(self.installation, self.rows, up_to="fase3")
        try:
            return carried_rows(template, OF_EACH)
        finally:
            self.databases.drop(template)

    @contextmanager
    def _services(self, database: Database, chosen: list[Row]) -> Iterator[None]:
        stop = threading.Event()
        url = database.superuser_url
        services = [Service(url, side, n, chosen[n :: len(SIDES)], stop) for n, side in enumerate(SIDES)]
        for service in services:
            service.start()
        try:
            yield
        finally:
            stop.set()
            for service in services:
                service.join(120)
        self.services = services
        for service in services:
            self.night.counts += service.counts
            self.night.problems += service.errors[:5]
            self.night.stalls = sorted([*self.night.stalls, *service.stalls], reverse=True)

    def _step(self, step: Step, database: Database, kills: int) -> None:
        for number in range(kills + TRIES):
            kill = self._kill(step) if number < kills else None
            with self._playbooks(database).start(step.playbook, *step.arguments) as running:
                hit = kill is not None and strike(kill, Scene(running, database, self.proxy), 1.0)
                run = running.wait(600)
            self.night.kills += hit
            self.night.commands.append(f"{step.name} {kill or ''}{'' if hit or not kill else ' missed'} →{run.rc}")
            if run.rc == 0 and number >= kills - 1:
                return
        self.night.problems.append(f"{step.name} never ended with 0: {run.output[-1500:]}")
        raise RuntimeError(f"{step.name} never ended with 0")

    def _kill(self, step: Step) -> Kill:
        self.kinds = self.kinds or self.dice.sample(KINDS, len(KINDS))
        return kill_of(self.dice, self.kinds.pop(), step)

    def _settle(self, database: Database) -> None:
        """Nobody writes any more: what waits is carried, both proofs hold, and every acknowledged write is on both sides."""
        for arguments in (("estado", "--tags", "drenar"), *((s.playbook, *s.arguments) for s in PROVED)):
            run = self._playbooks(database).run(*arguments, timeout=600)
            if run.rc != 0:
                self.night.problems.append(f"{arguments} ends with {run.rc}: {run.output[-2500:]}")
        self.night.problems += take_accounting(database.superuser_url, PARTS).problems
        for service in self.services:
            self.night.problems += service.ledger.problems(database)

    def _playbooks(self, database: Database) -> Playbooks:
        url = address(self.proxy.port, database.name, database.role, database.password)
        (self.work / "tmp").mkdir(parents=True, exist_ok=True)
        extra = {
            "services_enabled": False,
            "code_repos": [],
            "overrides": dict.fromkeys(GATE_NAMES, "chaos"),
            "backup_dir": str(self.work / "respaldos"),
            "batch_rows": 20,
        }
        return Playbooks(self.work, url, extra=extra, environment={"TMPDIR": str(self.work / "tmp")})
