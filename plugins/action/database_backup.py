"""Run the module of the same name, again while its work goes on, and print its lines; say who calls."""

from __future__ import annotations

from typing import Any

from ansible.utils.vars import load_extra_vars

from ..plugin_utils import controller
from ..plugin_utils.reporting import ReportingAction


class ActionModule(ReportingAction):
    """See the module's documentation."""

    def module_args(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Add ``controller``."""
        extra = load_extra_vars(self._loader)
        caller = controller.describe_caller(str(task_vars.get("playbook_dir") or "."), extra, self._loader)
        return {**self._task.args, "controller": caller}
