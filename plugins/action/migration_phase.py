"""Guard a command without reaching any host; for the rest, tell the module what only the controller knows."""

from __future__ import annotations

from typing import Any

from ansible.utils.vars import load_extra_vars

from ..module_utils.core.errors import skipped_guard
from ..module_utils.core.words import escape
from ..plugin_utils import controller, guard, playbook_leftovers
from ..plugin_utils.release import this_build
from ..plugin_utils.reporting import ReportingAction, say

NEVER_AGAIN = ("login", "connection")


class ActionModule(ReportingAction):
    """See the module's documentation."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the operation; one that would log in again after a refused login is answered here."""
        task_vars = task_vars or {}
        args = self._task.args
        if args.get("operation") == "guard":
            return self._guard(task_vars)
        if not args.get("run_id") or args["run_id"] != playbook_leftovers.noted("run_id"):
            return {"failed": True, "msg": f"{args.get('phase')}: {skipped_guard()}", "code": "no_run"}
        failure = args.get("failure") or {}
        if args.get("operation") == "fail" and failure.get("code") in NEVER_AGAIN:
            say("")
            say(f"{args.get('phase')} · FALLIDA: no se llegó a la base de datos, y no se intenta otra vez.")
            return {"failed": True, "msg": str(failure.get("msg", "")), "code": failure["code"]}
        return super().run(tmp, task_vars)

    def call(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Call the module; once more when it found a lease whose process this machine knows to be dead."""
        result = super().call(args, task_vars)
        holder = result.get("holder")
        if holder and controller.is_dead(holder):
            args["controller"]["dead_run"] = holder["run_id"]
            result = super().call(args, task_vars)
        return result

    def module_args(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Add ``controller``."""
        return {**self._task.args, "controller": {**self._caller(task_vars), "runbook": this_build()}}

    def _caller(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        return controller.describe_caller(str(task_vars.get("playbook_dir") or "."), load_extra_vars(self._loader), self._loader)

    def _guard(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        args, extra = self._task.args, load_extra_vars(self._loader)
        playbook_leftovers.sweep_playbooks(self._caller(task_vars))
        problems = guard.objections(args, extra, task_vars)
        if problems:
            said = "\n".join(f"  - {escape(problem)}" for problem in problems)
            name = args.get("phase") or guard.SHAPE
            return {"failed": True, "msg": f"{name}: la orden no se puede ejecutar. No se cambió nada.\n{said}"}
        run_id = guard.new_run_id()
        playbook_leftovers.note("run_id", run_id)
        for line in guard.announcement(args, extra, task_vars, run_id, bool(self._task.check_mode)):
            say(line)
        return {"changed": False, "run_id": run_id, "url_by_extra": "database_url" in extra}
