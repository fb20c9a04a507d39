"""Processes as /proc shows them: who descends from whom, what they hold in memory, what their command lines say."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process that was there a moment ago. ``started`` tells it from a later one of the same number."""

    pid: int
    parent: int
    started: int
    words: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Whether it still runs; one that only waits to be buried does not."""
        now = process(self.pid)
        return now is not None and now.started == self.started

    @property
    def is_module(self) -> bool:
        """Whether it is the interpreter that runs a module, and not ansible-playbook, a worker of it or a shell."""
        return "python" in Path(self.words[0]).name and not any(word.endswith("ansible-playbook") for word in self.words)

    def resident(self) -> int:
        """Bytes of memory now, 0 when it has ended."""
        try:
            return int((PROC / str(self.pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0


def process(pid: int) -> Process | None:
    """The process of that number; None when there is none, or a zombie."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    if fields[0] in "ZX" or not words[0]:
        return None
    return Process(pid, int(fields[1]), int(fields[19]), tuple(words))


def everybody() -> list[Process]:
    """All processes of this machine that have a command line."""
    found = (process(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())
    return [one for one in found if one is not None]


def descendants(pid: int) -> list[Process]:
    """The process of that number and all that descend from it, parents first."""
    children: dict[int, list[Process]] = {}
    for one in everybody():
        children.setdefault(one.parent, []).append(one)
    found = [one for one in [process(pid)] if one is not None]
    for one in found:
        found += children.get(one.pid, [])
    return found


def modules(pid: int) -> list[Process]:
    """The modules that this ansible-playbook runs at the moment."""
    return [one for one in descendants(pid) if one.is_module]


def waited_for(condition: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Whether the condition held within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
