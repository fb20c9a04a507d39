"""Give the module the rendered texts of files/sql, which lie on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..plugin_utils.reporting import ReportingAction

SQL = Path(__file__).resolve().parents[2] / "files" / "sql"


class ActionModule(ReportingAction):
    """See the module's documentation."""

    def module_args(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Add ``reference``: name below files/sql to text."""
        texts = {path.relative_to(SQL).as_posix(): path.read_text(encoding="utf-8") for path in sorted(SQL.rglob("*.sql"))}
        return {**self._task.args, "reference": texts}
