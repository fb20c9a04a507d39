"""The process that runs an action: it, and what it started, ends with ansible-playbook.

Some cores end only ansible-playbook, some only the worker: its children would go on without anybody who reads them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from .controller import playbook_pid

LOOK_EVERY = 0.5  # seconds

_watching = 0  # the process that does


def end_with_the_playbook() -> None:
    """Begin to watch; once in a process, from its main thread."""
    global _watching
    if _watching == os.getpid():
        return
    _watching = os.getpid()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # newer cores hand it on by themselves
        signal.signal(signal.SIGTERM, lambda *_: _end())
    threading.Thread(target=_watch, args=(playbook_pid(),), daemon=True).start()


def _watch(parent: int) -> None:
    # a signal taken by this thread would not wake the one that runs Python's handlers
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    _end()


def end_what_was_started() -> None:
    """Ask whatever was started from here, an ssh too, to end."""
    for pid in list(_descendants(os.getpid())):
        with suppress(OSError):
            os.kill(pid, signal.SIGTERM)


def _end() -> NoReturn:
    end_what_was_started()
    os._exit(1)


def _descendants(pid: int) -> Iterator[int]:
    parents = _parents()
    left = [pid]
    while left:
        above = left.pop()
        below = [child for child, parent in parents.items() if parent == above]
        yield from below
        left += below


def _parents() -> dict[int, int]:
    """Process to parent, of all that can be seen."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            found[int(folder.name)] = int((folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    if not found:  # no Linux
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
        found = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    return found
