"""The shell around every job: shared options, one place that turns an error into fail_json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from . import db
from .core.errors import MigrationError
from .core.text import escape
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

Job = Callable[[dict[str, Any], bool], dict[str, Any]]


def run_module(spec: dict[str, Any], job: Job) -> None:
    """Run ``job(params, check_mode)``; its ``lines`` are escaped for a terminal and kept in the run's log."""
    module = AnsibleModule(argument_spec={**OPTIONS, **spec}, supports_check_mode=True)
    log = RunLog("" if module.check_mode else module.params["backup_dir"], module.params["run_id"])
    try:
        result = job(module.params, module.check_mode)
        result["lines"] = [escape(line) for line in result.get("lines", [])]
        log.write(result["lines"])
    except (MigrationError, db.Error) as raised:
        error = raised if isinstance(raised, MigrationError) else db.explain_error(raised, module.params["phase"])
        message = "\n".join(escape(line) for line in str(error).splitlines())
        if error.code != "log":
            log.write(message.splitlines())
        module.fail_json(msg=message, code=error.code, **error.details)
    else:
        module.exit_json(**{"changed": False, **result})
