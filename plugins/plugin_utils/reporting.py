"""The base of all action plugins: run the module, print its lines, call again while it asks for more."""

from __future__ import annotations

import math
import os
import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.core.words import escape
from .controller import playbook_pid
from .worker import end_with_the_playbook

display = Display()


def show(result: dict[str, Any]) -> None:
    """Print a module's lines."""
    for line in result.get("lines") or ():
        display.display(escape(str(line)))


class ReportingAction(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """A module works in slices of some seconds and says what it did after each; here the lines reach the terminal."""

    _requires_connection = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        super().run(tmp, task_vars)
        end_with_the_playbook()
        return self.report(self.module_args(task_vars or {}), task_vars or {})

    def module_args(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """What the module gets; subclasses add what only the controller knows."""
        return dict(self._task.args)

    def call(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """One call of the module."""
        result: dict[str, Any] = self._execute_module(module_name=self._task.action, module_args=args, task_vars=task_vars)
        return result

    def report(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Call the module until it is done. Ends when ansible-playbook is gone: this worker would outlive it."""
        parent = playbook_pid()
        changed, told = False, ""
        waiting = math.inf  # since when one call after the other has waited
        while os.getppid() == parent:
            result = self.call(args, task_vars)
            changed = changed or bool(result.get("changed"))
            if told and result.get("log_problem") == told:
                result["lines"].pop()  # a log that cannot be written is said once, not after every slice
            told = result.get("log_problem") or told
            show(result)
            if result.get("failed"):
                result.pop("lines", None)  # printed above; the error is what is left to read
            if waited := result.get("waited"):
                waiting = min(waiting, time.monotonic() - waited["seconds"])
                if time.monotonic() - waiting >= waited["patience"]:
                    return {"failed": True, "changed": changed, "msg": waited["msg"], "code": waited["code"]}
            else:
                waiting = math.inf
            if result.get("failed") or not result.get("more"):
                return {**result, "changed": changed}
        return {"failed": True, "msg": "ansible-playbook ya no existe: se detiene aquí.", "code": "orphan"}
