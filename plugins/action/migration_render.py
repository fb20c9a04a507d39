"""Give the module the rendered texts of files/sql, which lie on the controller; with --diff show where this base differs."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from ..plugin_utils.release import this_build
from ..plugin_utils.reporting import ReportingAction, say

SQL = Path(__file__).resolve().parents[2] / "files" / "sql"


class ActionModule(ReportingAction):
    """See the module's documentation."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task. Ansible itself shows the difference only of a task that changed something, and fase0 changes nothing."""
        result = super().run(tmp, task_vars)
        for part in result.get("diff") or () if self._task.diff else ():
            texts = part["before"].splitlines(), part["after"].splitlines()
            for line in difflib.unified_diff(*texts, part["before_header"], part["after_header"], lineterm=""):
                say(line)
        return result

    def module_args(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Add ``reference``: name below files/sql to text, and ``runbook``: which build this is."""
        texts = {path.relative_to(SQL).as_posix(): path.read_text(encoding="utf-8") for path in sorted(SQL.rglob("*.sql"))}
        return {**self._task.args, "reference": texts, "runbook": this_build()}
