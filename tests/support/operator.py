"""Who types a printed command: each is judged as the guard does, then run by the modules' own jobs, without ansible-playbook."""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader

from plugins.module_utils.call.entry import located
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.phase.command_line import PHASE_TAGS, STATUS_TAGS
from plugins.module_utils.core.phase.variables import check_extra_vars
from plugins.module_utils.jobs import (
    legacy_state,
    migration_phase,
    migration_render,
    schema_state,
    sync_state,
    table_compare,
    table_copy,
)
from plugins.plugin_utils.controller import repeatable

from .jobs import ROOT, TINKUBOT
from .named import commands_in

Job = Callable[[dict[str, Any], bool], dict[str, Any]]
SAME = ("-i", "demo")
CONTROLLER = {"host": "portatil", "pid": 1, "operator": "ana", "process": {}}
DIRECTIONS = {"all": "aplicar", "verify": "verificar", "rollback": "revertir"}
OPERATIONS = {"all": "status", "estado": "status", "cuarentena": "quarantine", "apartada": "set_aside", "parar": "stop"}
COPYING: dict[str, list[Job]] = {
    "aplicar": [sync_state.install_sync, table_copy.copy, sync_state.drained, table_compare.compare],
    "verificar": [table_compare.compare],
    "revertir": [sync_state.remove_sync, table_copy.take_back],
}
STEPS: dict[str, dict[str, list[Job]]] = {
    "fase0": {"aplicar": [migration_render.approve], "verificar": [migration_render.verify_approval], "revertir": []},
    "fase1": {
        "aplicar": [schema_state.present],
        "verificar": [schema_state.verify_tables],
        "revertir": [schema_state.absent],
    },
    "fase2": COPYING,
    "fase3": COPYING,
    "fase5": {
        "aplicar": [legacy_state.archived],
        "verificar": [legacy_state.still_archived],
        "revertir": [legacy_state.brought_back],
    },
}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Said:
    """What a command printed. ``message``: of its failure, '' where it went through; ``lines``: the steps' and the summary."""

    message: str
    lines: tuple[str, ...]
    code: str = ""

    @property
    def text(self) -> str:
        """Everything."""
        return "\n".join([*self.lines, self.message])

    def commands(self) -> list[list[str]]:
        """The commands that the failure's message names."""
        return commands_in(self.message, SAME)

    def after(self, label: str) -> list[list[str]]:
        """The commands that the summary names behind a label."""
        (line,) = [line for line in self.lines if line.strip().startswith(label)]
        return commands_in(line, SAME)


@dataclass
class Operator:
    """One site: its database, what its inventory sets, and the mapping of its checkout."""

    url: str
    backup_dir: Path
    mapping: Path = TINKUBOT
    site: dict[str, Any] = field(default_factory=dict)
    dead_run: str = ""  # the run whose process is known to be dead

    def run(self, command: str | Sequence[str]) -> Said:
        """A command as it was printed: to its end, with its summary, whatever it is."""
        words = shlex.split(command) if isinstance(command, str) else list(command)
        name, given, extra = self._understood(words)
        params = self._params(name, given, extra)
        lines: list[str] = []
        try:
            for step in self._steps(name, given.tags, params):
                while True:
                    result = step(params, given.check)
                    lines += result.get("lines", [])
                    if not result.get("more"):
                        break
        except MigrationError as error:
            lines += error.details.get("lines", [])
            if name != "estado":
                lines += self._summary(params, given.check, located(name, str(error)), error.code)
            return Said(str(error), tuple(lines), error.code)
        return Said("", tuple(lines))

    def goes(self, command: str | Sequence[str]) -> Said:
        """A command that goes through."""
        said = self.run(command)
        assert not said.message, said.text
        return said

    def stops(self, command: str | Sequence[str]) -> Said:
        """A command that is refused, or fails."""
        said = self.run(command)
        assert said.message, said.text
        return said

    def job(self, job: Job, phase: str, check: bool = False, **more: Any) -> Said:
        """One module called by itself, as a playbook of somebody else's may."""
        params = self._params(phase, argparse.Namespace(extra=[], tags="all"), {})
        try:
            return Said("", tuple(job({**params, **more}, check).get("lines", [])))
        except MigrationError as error:
            return Said(str(error), (), error.code)

    def _understood(self, words: Sequence[str]) -> tuple[str, argparse.Namespace, dict[str, Any]]:
        """Name, options and extra variables; whatever the guard would refuse fails here."""
        parser = argparse.ArgumentParser(exit_on_error=False)
        parser.add_argument("-i", dest="inventory", action="append", default=[])
        parser.add_argument("-e", dest="extra", action="append", default=[])
        parser.add_argument("--tags", default="all")
        parser.add_argument("--check", action="store_true")
        parser.add_argument("--diff", action="store_true")
        assert words[0] == "ansible-playbook"
        assert (ROOT / "playbooks" / words[1]).is_file(), words
        given, name = parser.parse_args(list(words[2:])), Path(words[1]).stem
        assert given.inventory == [SAME[1]], f"{shlex.join(words)}: the inventory is not named"
        assert (given.tags,) in (STATUS_TAGS if name == "estado" else PHASE_TAGS), words
        extra: dict[str, Any] = {}
        for raw in given.extra:
            pairs = json.loads(raw) if raw.startswith("{") else dict(word.split("=", 1) for word in shlex.split(raw))
            extra |= pairs
        mapping = load_mapping(self.mapping.read_text(encoding="utf-8"), str(self.mapping))
        tables = tuple(pair.source for pair in mapping.pairs)
        assert check_extra_vars(name, extra, dict(mapping.subphases).get(name, ()), tables, (given.tags,)) == [], words
        return name, given, extra

    def _params(self, name: str, given: argparse.Namespace, extra: dict[str, Any]) -> dict[str, Any]:
        settings = {"backup_dir": str(self.backup_dir), "stabilization_days": 0, "batch_rows": 500, **self.site, **extra}
        kept = [cleaned for raw in given.extra if (cleaned := repeatable(raw, DataLoader()))]
        command = {"playbook": f"{name}.yml", "options": list(SAME), "extra": kept, "playbooks": [*STEPS, "estado"]}
        return {
            "database_url": self.url,
            "run_id": f"20261125T020304-{next(_numbers):04x}",
            "phase": name,
            "mapping": self.mapping.read_text(encoding="utf-8"),
            "mapping_path": str(self.mapping),
            "subphase": settings.pop("subfase", ""),
            "reference": {p.relative_to(ROOT / "files/sql").as_posix(): p.read_text() for p in ROOT.glob("files/sql/*/*.sql")},
            "repair": given.tags == "all",
            "direction": DIRECTIONS.get(given.tags, "aplicar"),
            "operation": OPERATIONS.get(given.tags, ""),
            "failure": {},
            "switch": settings.pop("sincronizacion", ""),
            "prevails": settings.pop("manda", ""),
            "controller": {**CONTROLLER, "command": command, "dead_run": self.dead_run},
            **settings,
        }

    def _steps(self, name: str, tags: str, params: dict[str, Any]) -> Iterator[Job]:
        if name == "estado":
            yield {"sincronizacion": sync_state.switched, "drenar": sync_state.drained}.get(tags, migration_phase.run)
            return
        yield lambda given, check: migration_phase.run({**given, "operation": "open"}, check)
        yield from STEPS[name][DIRECTIONS[tags]]
        yield lambda given, check: migration_phase.run({**given, "operation": "close"}, check)

    @staticmethod
    def _summary(params: dict[str, Any], check: bool, message: str, code: str) -> list[str]:
        failed = {**params, "operation": "fail", "failure": {"msg": message, "code": code}}
        try:
            return list(migration_phase.run(failed, check)["lines"])
        except MigrationError as told:
            return list(told.details.get("lines", []))
