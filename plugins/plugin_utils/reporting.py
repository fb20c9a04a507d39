"""The base of all action plugins: run the module, print its lines, call again while it asks for more."""

from __future__ import annotations

import math
import os
import time
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ..module_utils.core.phase.command_line import Command
from ..module_utils.core.words import escape
from .controller import command, playbook_pid
from .playbook_leftovers import note, noted
from .worker import end_what_was_started, end_with_the_playbook

display = Display()

# The stdout callbacks that write for people, with the collections that they come in; the others', json's say, is for programs.
FOR_PEOPLE = ("default", "debug", "minimal", "oneline")
OF_PEOPLE = ("", "ansible.builtin", "ansible.legacy", "ansible.posix")


def say(line: str) -> None:
    """Print a line now; where a program reads stdout, to stderr."""
    collection, _, name = str(constants.DEFAULT_STDOUT_CALLBACK).rpartition(".")
    display.display(escape(line), stderr=name not in FOR_PEOPLE or collection not in OF_PEOPLE)


def show(result: dict[str, Any]) -> None:
    """Print a module's lines; that the log cannot be written is said once in a run, not by each module that finds it so."""
    lines = list(result.get("lines") or ())
    if problem := result.get("log_problem"):
        if noted("log_problem"):
            lines.remove(problem)
        note("log_problem", problem)
    for line in lines:
        say(str(line))


def without_pipelining(reason: str) -> str:
    """Say why no module is sent."""
    return (
        f"{reason}: el archivo del módulo llevaría la contraseña al disco, y ahí quedaría si la orden muere. "
        "Ponga ansible_pipelining: true en la máquina de migration_runner, y quite ANSIBLE_KEEP_REMOTE_FILES, "
        "ANSIBLE_PIPELINING y ansible_ssh_pipelining"
    )


def timed_out(seconds: int) -> str:
    """What a task says that Ansible's own limit has ended."""
    return (
        f"la tarea no terminó en {seconds} s, el límite que Ansible tiene puesto (ANSIBLE_TASK_TIMEOUT, o task_timeout en "
        "ansible.cfg), y se cortó. Lo confirmado queda. Quite ese límite y repita la orden: continúa donde quedó."
    )


class ReportingAction(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """A module works in slices of some seconds and says what it did after each; here the lines reach the terminal."""

    _requires_connection = True
    TRANSFERS_FILES = False
    HAS_ADDRESS = True  # of the database: such a module must never lie in a file

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        super().run(tmp, task_vars)
        end_with_the_playbook()
        if self.HAS_ADDRESS and not self._is_pipelining_enabled("new"):
            said = without_pipelining("Aquí los módulos no van por la conexión (pipelining)")
            return {"failed": True, "msg": f"{self._task.args.get('phase')}: {said}.", "code": "refused"}
        try:
            return self.report(self.module_args(task_vars or {}), task_vars or {})
        except BaseException as end:
            if type(end).__name__ != "TaskTimeoutError":  # it stands elsewhere in each core
                raise
            end_what_was_started()
            return {"failed": True, "msg": f"{self._task.args.get('phase')}: {timed_out(self._task.timeout)}", "code": "timeout"}

    def module_args(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """What the module gets; subclasses add what only the controller knows."""
        return dict(self._task.args)

    def call(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """One call of the module."""
        result: dict[str, Any] = self._execute_module(module_name=self._task.action, module_args=args, task_vars=task_vars)
        return result

    def _spelled(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The result with the commands that it names as they are typed here."""
        if "mismo -i" not in f"{result.get('lines')}{result.get('msg')}{result.get('waited')}":
            return result
        facts = command(str(task_vars.get("playbook_dir") or "."), load_extra_vars(self._loader), self._loader)
        here = Command.of(facts)
        result["lines"] = [here.spelled(str(line)) for line in result.get("lines") or ()]
        if "msg" in result:
            result["msg"] = here.spelled(str(result["msg"]))
        if waited := result.get("waited"):
            waited["msg"] = here.spelled(str(waited["msg"]))
        return result

    def report(self, args: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Call the module until it is done. Ends when ansible-playbook is gone: this worker would outlive it."""
        parent = playbook_pid()
        changed = False
        waiting = math.inf  # since when one call after the other has waited
        while os.getppid() == parent:
            result = self._spelled(self.call(args, task_vars), task_vars)
            changed = changed or bool(result.get("changed"))
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
