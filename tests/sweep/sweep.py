"""Every crash point of a command: it dies there, the same command follows, and what stands is what it leaves undisturbed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from plugins.module_utils.core.sync.modes import SWITCH_OFF
from tests.support.databases import Database, Databases
from tests.support.jobs import ROOT, Stage
from tests.support.operator import Operator

from .counting import Cut, counted
from .state import state


@dataclass(frozen=True)
class Command:
    """``words``: what is typed after ansible-playbook, from ``stage`` on, after those of ``first`` and ``written`` by others."""

    name: str
    stage: Stage
    words: str
    first: tuple[str, ...] = ()
    written: str = ""

    @property
    def typed(self) -> str:
        """The whole line."""
        return typed(self.words)


def typed(words: str) -> str:
    """The line that is typed."""
    return f"ansible-playbook {words} -i demo"


BOTH = ("fase2.yml", "fase3.yml")
WRITTEN = """
UPDATE customers SET city = 'antes' WHERE id IN (SELECT id FROM customers ORDER BY id LIMIT 3);
INSERT INTO professions (name) VALUES ('antes');
DELETE FROM messages WHERE id IN (SELECT id FROM messages ORDER BY id LIMIT 2);
UPDATE users SET phone_number = phone_number || '0' WHERE id = (SELECT user_id FROM messages ORDER BY user_id LIMIT 1);
UPDATE clientes SET nombre_completo = 'Española' WHERE id IN (SELECT id FROM customers ORDER BY id DESC LIMIT 2);
INSERT INTO profesiones (nombre) VALUES ('después');
"""
SWITCHED_ON = "UPDATE migracion.sincronizacion SET modo = 'si'"
GONE = (ROOT / "files/sql/emergencia/quitar.sql").read_text(encoding="utf-8")
COMMANDS = (
    Command("fase2", "fase1", "fase2.yml"),
    Command("fase3", "fase1", "fase3.yml", ("fase2.yml",)),
    Command("reparación", "fase1", "fase2.yml", BOTH, f"SET session_replication_role = replica; {WRITTEN}"),
    Command("drenar", "fase1", "estado.yml --tags drenar", BOTH, f"{SWITCH_OFF}; {WRITTEN} {SWITCHED_ON}"),
    Command("reponer", "fase1", "estado.yml --tags sincronizacion -e sincronizacion=si -e manda=espanol", BOTH, GONE + WRITTEN),
    Command("rollback de fase3", "fase1", "fase3.yml --tags rollback", BOTH),
    Command("rollback de fase2", "fase1", "fase2.yml --tags rollback", ("fase2.yml",)),
)


def chosen(statements: Sequence[str], every: int, most: int = 1_000_000) -> list[Cut]:
    """All cuts, before and after each statement; or of every so many COMMITs those around it and one half-way to the next.

    ``most``: of how many COMMITs, spread over all.

    Between two COMMITs nothing is left that the server keeps.
    """
    if every == 1:
        return [Cut(n, after) for n in range(1, len(statements) + 1) for after in (False, True)]
    commits = [n for n, text in enumerate(statements, 1) if text.strip().upper().startswith("COMMIT")]
    following = [*commits[1:], len(statements)]
    near = [(Cut(n, False), Cut(n, True), Cut((n + end) // 2, False)) for n, end in zip(commits, following, strict=True)]
    return [cut for cuts in near[:: max(every, -(-len(near) // most))] for cut in cuts]


@dataclass
class Sweep:
    """One command on copies of one database."""

    databases: Databases
    command: Command
    folder: Path

    def __post_init__(self) -> None:
        self.statements: list[str] = []
        self.undisturbed: list[str] = []
        self.prepared = self.databases.sample("jsonb", 100, "open", messages=60, up_to=self.command.stage)
        for words in self.command.first:
            self._operator(self.prepared, self.databases.server.port).goes(typed(words))
        if self.command.written:
            self.prepared.run_alone(self.command.written)

    def measure(self) -> int:
        """Run it undisturbed; return the number of its statements."""
        database = self._begin()
        try:
            with counted(self.databases.server) as proxy:
                self._operator(database, proxy.port).goes(self.command.typed)
            self.statements = proxy.seen
            self.undisturbed = self._state(database)
        finally:
            self.databases.drop(database)
        return len(self.statements)

    def problems(self, cut: Cut) -> list[str]:
        """What is not as it would be undisturbed, after it died there and was given again; nothing where all is."""
        database = self._begin()
        try:
            with counted(self.databases.server, cut) as proxy:
                through = self._goes_through(database, proxy.port)
                cut_off = not proxy.open
            if not cut_off:
                return []  # this time it had fewer statements
            where = f"{self.command.name}, cut {cut}: {' '.join(proxy.seen[cut.statement - 1].split())[:160]}"
            if through:
                return [f"{where}: it said that it went through"]
            again = self._operator(database, self.databases.server.port, self._dead(database)).run(self.command.typed)
            if again.message:
                return [f"{where}: the same command does not go through: {again.message}"]
            found = self._state(database)
            return [f"{where}: {line}" for line in _differences(self.undisturbed, found)]
        finally:
            self.databases.drop(database)

    def _begin(self) -> Database:
        return self.databases.copy_with_ledger(self.prepared.name)

    def _operator(self, database: Database, port: int, dead_run: str = "") -> Operator:
        url = database.url.replace(f":{self.databases.server.port}/", f":{port}/")
        return Operator(url, self.folder, dead_run=dead_run)

    def _goes_through(self, database: Database, port: int) -> bool:
        try:
            return not self._operator(database, port).run(self.command.typed).message
        except psycopg2.OperationalError:  # the module's shell says it in a sentence
            return False

    @staticmethod
    def _dead(database: Database) -> str:
        """The run that died, as the controller finds it; a command without a run of its own is found silent."""
        database.query("UPDATE migracion.arriendo SET ultima_senal = now() - interval '1 hour'")
        return str(database.value("SELECT coalesce(max(run_id), '') FROM migracion.arriendo"))

    def _state(self, database: Database) -> list[str]:
        return [line.replace(database.name, "<base>") for line in state(database)]


def _differences(before: Sequence[str], after: Sequence[str]) -> list[str]:
    lines = difflib.unified_diff(before, after, "undisturbed", "cut", lineterm="", n=0)
    return [line[:300] for line in lines if not line.startswith(("---", "+++", "@@"))][:12]
