"""Plays the rounds of one installation on one database: accident, the same command until it ends with 0, checks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from plugins.module_utils.core.phase.gates import GATE_NAMES
from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tests.support.playbook import Playbooks, RunningPlaybook
from tools.postgres_server import address

from .checks import differences, ledger_problems, leftovers, legacy_dump, processes_of, rows_accounted, schema_dump
from .faults import Scene, strike
from .plan import Round
from .proxy import Proxy
from .steps import CYCLE, Step

SETTINGS = {"services_enabled": False, "code_repos": [], "overrides": dict.fromkeys(GATE_NAMES, "chaos")}
STATUS_SECONDS = 2.2  # what the calibrating command takes on an idle machine
COMMAND_TIMEOUT = 600.0
UNDISTURBED = 3  # commands without an accident that a round may need


@dataclass
class Outcome:
    """What became of a round."""

    round: Round
    commands: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    accounting: str = ""
    seconds: float = 0.0
    kept: Path | None = None
    pace: float = 1.0

    def line(self, total: int) -> str:
        """The round in one line."""
        said = self.accounting if not self.problems else f"FAILED, {len(self.problems)} problems; {self.kept}"
        place = f"{self.round.number:2}/{total} {self.round.installation:5} {self.round.step.name:18}"
        return f"{place} {' | '.join(self.commands)}  {self.seconds:.0f} s  {said}"

    def repeat(self, seed: int) -> str:
        """How to play this round again."""
        chosen = self.round
        return f"make chaos SEED={seed} INSTALLATION={chosen.installation} ROUND={chosen.number} PACE={self.pace:.2f}"


class Player:
    """One database on its way round the cycle of steps."""

    def __init__(self, databases: Databases, proxy: Proxy, work: Path, *, installation: str, rows: int, batch_rows: int) -> None:
        self.databases = databases
        self.proxy = proxy
        self.work = work
        self.sample = (installation, rows)
        self.batch_rows = batch_rows
        self.pace = 0.0  # 0: found out by calibrating
        self.schemas: dict[bool, str] = {}
        self.place: int | None = None  # of the last step that stands
        self.database: Database | None = None
        self.legacy = ""

    def play(self, wanted: Round) -> Outcome:
        """One round; its folder goes when all is well and stays when not."""
        started = time.monotonic()
        home = self._home(f"{wanted.installation}-{wanted.number:03}")
        outcome = Outcome(wanted)
        try:
            database = self._arrive_before(wanted.place, home)
            outcome.pace = self.pace
            self._disturb(wanted, database, home, outcome)
            self._check(wanted.step, database, home, outcome)
        except Exception as error:
            outcome.problems.append(f"{type(error).__name__}: {error}")
        outcome.seconds = time.monotonic() - started
        if outcome.problems:
            self._keep(outcome, home)
        else:
            self.place = wanted.place
            shutil.rmtree(home)
        return outcome

    def close(self) -> None:
        """Drop the database."""
        if self.database is not None:
            self.databases.drop(self.database)
        self.database, self.place = None, None

    def _disturb(self, wanted: Round, database: Database, home: Path, outcome: Outcome) -> None:
        """Each accident meets a command of its own; then the command must come through by itself."""
        for number in range(len(wanted.kills) + UNDISTURBED):
            kill = wanted.kills[number] if number < len(wanted.kills) else None
            with self._started(wanted.step, home) as running:
                hit = kill is not None and strike(kill, Scene(running, database, self.proxy), self.pace)
                run = running.wait(COMMAND_TIMEOUT)
            what = f"{kill}{'' if hit else ' missed'} " if kill else ""
            outcome.commands.append(f"{what}→{run.rc}")
            if run.rc == 0:
                return
        outcome.problems.append("the command never ended with 0")

    def _check(self, step: Step, database: Database, home: Path, outcome: Outcome) -> None:
        outcome.problems += leftovers(database, home)
        found = rows_accounted(database, step)
        outcome.accounting = str(found)
        outcome.problems += found.problems
        outcome.problems += ledger_problems(database, step)
        outcome.problems += differences("the legacy side", self.legacy, legacy_dump(database))
        made = schema_dump(database)
        outcome.problems += differences("the schema", self.schemas.setdefault("fase1" in step.leaves, made), made)

    # --- the way to the round's step

    def _arrive_before(self, place: int, home: Path) -> Database:
        """The database in the state that the step before leaves, by undisturbed commands where it is not there yet."""
        if self.database is None or self.place is None or (self.place + 1) % len(CYCLE) != place:
            self.close()
            self.database = self.databases.sample(*self.sample)
            self.legacy = legacy_dump(self.database)
            self.schemas.setdefault(False, schema_dump(self.database))
            if not self.pace:
                self.pace = self._playbooks(home).run("estado", timeout=COMMAND_TIMEOUT).seconds / STATUS_SECONDS
            for step in CYCLE[:place]:
                with self._started(step, home) as running:
                    run = running.wait(COMMAND_TIMEOUT)
                if run.rc != 0:
                    raise RuntimeError(f"{step.name} fails undisturbed, see {running.streams[0].name}")
                self.schemas.setdefault("fase1" in step.leaves, schema_dump(self.database))
        self.place = None  # until the round is over
        return self.database

    @contextmanager
    def _started(self, step: Step, home: Path) -> Iterator[RunningPlaybook]:
        """The command, running; whoever is left of it when something goes wrong here is killed."""
        running = self._playbooks(home).start(step.playbook, *step.arguments)
        try:
            yield running
        except BaseException:
            running.kill()
            running.process.wait()
            raise

    def _playbooks(self, home: Path) -> Playbooks:
        assert self.database is not None
        url = address(self.proxy.port, self.database.name, self.database.role, self.database.password)
        extra = {**SETTINGS, "backup_dir": str(home / "respaldos"), "batch_rows": self.batch_rows}
        return Playbooks(home, url, extra=extra, environment={"TMPDIR": str(home / "tmp")})

    def _home(self, name: str) -> Path:
        home = self.work / name
        shutil.rmtree(home, ignore_errors=True)  # the first time there is none
        (home / "tmp").mkdir(parents=True)
        return home

    def _keep(self, outcome: Outcome, home: Path) -> None:
        """For whoever has to find out: output of every command, problems, both sides, the server's log. Then start over."""
        outcome.kept = home
        outcome.problems += processes_of(home)
        (home / "problems.txt").write_text("\n".join(outcome.problems) + "\n", encoding="utf-8")
        if self.database is not None:
            (home / "database.sql").write_text(dump(self.database, without=()), encoding="utf-8")
            shutil.copy(self.database.server.home / "log", home / "server.log")
        self.close()
