"""The accidents. Each strikes as soon as it can after its moment, and says whether it found anything to strike."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from tests.support.databases import Database
from tests.support.playbook import RunningPlaybook
from tests.support.processes import descendants, modules

from .plan import Kill
from .proxy import Proxy

POLL = 0.01  # between two looks for something that comes and goes


@dataclass(frozen=True)
class Scene:
    """What an accident can reach: one running command, the line to the server and the server."""

    running: RunningPlaybook
    database: Database
    proxy: Proxy

    @property
    def pid(self) -> int:
        """Of ansible-playbook."""
        return self.running.process.pid

    def modules(self) -> list[int]:
        """The modules that run now."""
        return [process.pid for process in modules(self.pid)]

    def workers(self) -> list[int]:
        """The workers that run a module now: one killed while it hands in its result takes a lock with it, and then
        ansible-core waits for ever."""
        parents = {process.pid: process.parent for process in descendants(self.pid)}
        found = []
        for pid in self.modules():
            while parents.get(pid, self.pid) != self.pid:
                pid = parents[pid]
            found.append(pid)
        return found

    def ended_within(self, seconds: float) -> bool:
        """Wait that long; whether ansible-playbook is gone."""
        with suppress(subprocess.TimeoutExpired):
            self.running.process.wait(seconds)
        return self.running.process.poll() is not None

    def first(self, strike: Callable[[], bool]) -> bool:
        """Try until it strikes or ansible-playbook has ended."""
        while not self.ended_within(POLL):
            if strike():
                return True
        return False


def strike(kill: Kill, scene: Scene, pace: float) -> bool:
    """Wait for the accident's moment and let it happen; False when the command was over before."""
    if scene.ended_within(kill.delay * pace):
        return False
    return FAULTS[kill.kind](kill, scene)


def _ansible(kill: Kill, scene: Scene) -> bool:
    return _send(signal.SIGKILL, [scene.pid])


def _worker(kill: Kill, scene: Scene) -> bool:
    return scene.first(lambda: _send(signal.SIGKILL, scene.workers()))


def _module(kill: Kill, scene: Scene) -> bool:
    return scene.first(lambda: _send(signal.SIGKILL, scene.modules()))


def _signal(kill: Kill, scene: Scene) -> bool:
    return _send(signal.Signals[kill.detail], [scene.pid])


def _stop(kill: Kill, scene: Scene) -> bool:
    """Frozen for a while, as by Ctrl-Z or a laptop that sleeps; nothing is lost by it."""
    stopped: list[int] = []

    def freeze() -> bool:
        found = {
            "tree": lambda: [process.pid for process in descendants(scene.pid)],
            "ansible": lambda: [scene.pid],
            "worker": scene.workers,
            "module": scene.modules,
        }[kill.detail]()
        stopped.extend(found)
        return _send(signal.SIGSTOP, found)

    if not scene.first(freeze):
        return False
    time.sleep(kill.pause)
    _send(signal.SIGCONT, stopped)
    return True


def _backend(kill: Kill, scene: Scene) -> bool:
    query = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'migracion:%'"
    )
    return scene.first(lambda: bool(scene.database.value(query)))


def _restart(kill: Kill, scene: Scene) -> bool:
    scene.database.server.restart("immediate")
    return True


def _cut(kill: Kill, scene: Scene) -> bool:
    """All connections reset; with a pause, nobody gets through for a while either."""
    if not scene.first(lambda: bool(scene.proxy.cut())):
        return False
    if kill.pause:
        scene.proxy.open = False
        time.sleep(kill.pause)
        scene.proxy.open = True
    return True


def _send(number: signal.Signals, pids: Iterable[int]) -> bool:
    hit = False
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            hit = True
    return hit


FAULTS: dict[str, Callable[[Kill, Scene], bool]] = {
    "ansible": _ansible,
    "worker": _worker,
    "module": _module,
    "backend": _backend,
    "restart": _restart,
    "stop": _stop,
    "cut": _cut,
    "signal": _signal,
}
