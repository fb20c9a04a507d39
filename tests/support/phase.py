"""Calls of the module migration_phase, without ansible-playbook around them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import migration_phase
from plugins.module_utils.ledger import runs
from plugins.module_utils.ledger.events import record_event
from plugins.module_utils.phase.closing import PROOFS

MAPPING = Path(__file__).resolve().parents[2] / "files/mapping/tinkubot.yml"
_numbers = itertools.count(1)


@dataclass
class Phase:
    """One operator on one machine, working on one database."""

    url: str
    backup_dir: str = ""
    host: str = "portatil"
    operator: str = "ana"
    pid: int = 4242
    options: dict[str, Any] = field(default_factory=dict)

    def call(self, operation: str, phase: str, run_id: str, check: bool = False, **more: Any) -> list[str]:
        """Run one operation; the lines that it says."""
        command = {"playbook": f"{phase}.yml", "options": ["-i", "prod"], "playbooks": ["fase0", "fase1", "fase2"]}
        params: dict[str, Any] = {
            "operation": operation,
            "database_url": self.url,
            "run_id": run_id,
            "phase": phase,
            "direction": "aplicar",
            "backup_dir": self.backup_dir,
            "mapping": MAPPING.read_text(encoding="utf-8"),
            "mapping_path": str(MAPPING),
            "subphase": "",
            "services_enabled": True,
            "maintenance_window": {},
            "stabilization_days": 0,
            "overrides": {},
            "failure": {},
            **self.options,
            **more,
        }
        who = {"host": self.host, "pid": self.pid, "operator": self.operator, "process": {}, "command": command}
        params["controller"] = {**who, **params.pop("controller", {})}
        return list(migration_phase.run(params, check)["lines"])

    def open(self, phase: str, run_id: str = "", **more: Any) -> str:
        """Open a run and return its id."""
        run_id = run_id or f"20261125T020304-{next(_numbers):04x}"
        self.call("open", phase, run_id, **more)
        return run_id


def finish(phase: Phase, conn: Any, name: str, **more: Any) -> list[str]:
    """Open and close a phase whose proof is the event alone; what the summary says."""
    run_id = phase.open(name, **more)
    record_event(conn, run_id, PROOFS.get(name, "prueba"), name, {"tablas": [], "diferencias": []})
    return phase.call("close", name, run_id, **more)


def window_until(end: datetime) -> dict[str, str]:
    """A maintenance window of four hours that closes at ``end`` (UTC), to the minute."""
    return {"start": f"{end - timedelta(hours=4):%H:%M}", "end": f"{end:%H:%M}", "timezone": "UTC"}


def closed_window() -> dict[str, str]:
    """A maintenance window that closed an hour ago, at whatever hour this runs."""
    return window_until(datetime.now(UTC) - timedelta(hours=1))


def refused(action: Callable[[], object]) -> MigrationError:
    """The refusal that an action must end with."""
    with pytest.raises(MigrationError) as raised:
        action()
    return raised.value


def states(conn: Any) -> list[tuple[str, str, str]]:
    """Phase, action and state of every run, oldest first."""
    return [(run.phase, run.action, run.state) for run in runs.recorded_runs(conn)]
