"""The shell around every job: shared options, one place that turns an error into fail_json."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..core.errors import COMMITTED_STAYS, READ_ONLY_STEP, MigrationError
from ..core.words import escape
from ..server import db, lifeline, lookout
from . import leftovers
from .runlog import RunLog

OPTIONS: dict[str, Any] = {
    "database_url": {"type": "str", "required": True, "no_log": True},
    "run_id": {"type": "str", "default": ""},
    "phase": {"type": "str", "required": True},
    "backup_dir": {"type": "str", "default": ""},
}
MAPPING_OPTIONS: dict[str, Any] = {
    "mapping": {"type": "str", "required": True},
    "mapping_path": {"type": "str", "default": "files/mapping/tinkubot.yml"},
    "subphase": {"type": "str", "default": ""},
}

# Of a module on the services' host, which gets no address: it has nothing to do with the database.
HOST_OPTIONS: dict[str, Any] = {name: option for name, option in OPTIONS.items() if name != "database_url"}

Job = Callable[[dict[str, Any], bool], dict[str, Any]]


def run_module(spec: dict[str, Any], job: Job, shared: Mapping[str, Any] = OPTIONS) -> None:
    """Run ``job(params, check_mode)``; its ``lines`` are escaped for a terminal and kept in the run's log.

    What fails is told with the phase in front. A log that cannot be written adds a line and fails nothing.
    """
    lifeline.watch()
    leftovers.sweep_modules()
    module = AnsibleModule(argument_spec={**shared, **spec}, supports_check_mode=True)
    log = RunLog("" if module.check_mode else module.params["backup_dir"], module.params["run_id"])
    try:
        result = job(module.params, module.check_mode)
        result["lines"] = [escape(line) for line in result.get("lines", [])]
        result |= _kept(log, result["lines"], result["lines"])
    except (MigrationError, db.Error) as raised:
        left = READ_ONLY_STEP if module.check_mode else COMMITTED_STAYS
        error = raised if isinstance(raised, MigrationError) else db.explain_error(raised, left=left)
        message = "\n".join(escape(line) for line in located(module.params["phase"], str(error)).splitlines())
        if patience := error.details.get("again"):
            waited = {"code": error.code, "msg": message, "seconds": lookout.LONGEST_WAIT, "patience": patience}
            lines = [*map(escape, error.details.get("lines", [])), *message.splitlines()]
            module.exit_json(**{"lines": lines, **_kept(log, lines, lines)}, more=True, changed=False, waited=waited)
        error.details |= _kept(log, message.splitlines(), error.details.get("lines", []))
        module.fail_json(msg=message, code=error.code, **error.details)
    except Exception as bug:
        log.write(traceback.format_exc().splitlines())
        last = traceback.extract_tb(bug.__traceback__)[-1]
        where = f"{type(bug).__name__} en {os.path.basename(last.filename)}:{last.lineno}"
        left, sent = (READ_ONLY_STEP, "") if module.check_mode else (COMMITTED_STAYS, " y el registro de la ejecución")
        message = (
            f"error interno del runbook, que no previó este caso ({where}: {bug}). {left} Envíe esta línea{sent} a quien "
            "mantiene el runbook."
        )
        module.fail_json(msg=escape(located(module.params["phase"], message)), code="internal")
    except lifeline.Interrupted as end:
        log.write([f"Interrumpida ({end})."])
        message = f"Interrumpida ({end}). Lo confirmado queda; la misma orden continúa."
        module.fail_json(msg=located(module.params["phase"], message), code="interrupted")
    else:
        module.exit_json(**{"changed": False, **result})


def located(phase: str, text: str) -> str:
    """Put the phase in front, once: a failure that is told again has it already."""
    return text if text.startswith(f"{phase}: ") else f"{phase}: {text}"


def _kept(log: RunLog, text: list[str], lines: list[str]) -> dict[str, Any]:
    """Write to the log; where that cannot be, return ``lines`` with one more that says so."""
    problem = log.write(text)
    return {"lines": [*lines, problem], "log_problem": problem} if problem else {}
