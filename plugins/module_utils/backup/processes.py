"""Programs that are started from here and end with us, whatever ends us; their words are kept in a file."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .clients import ENVIRONMENT

ACCOUNT = "nobody"  # what a server runs as when we are root: PostgreSQL refuses root, and initdb wants an entry in passwd
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class RunsAs:
    """A user that a program runs as; None for ourselves."""

    user: int | None
    group: int | None


def server_account() -> RunsAs:
    """Who a server's programs run as."""
    if os.geteuid() != 0:
        return RunsAs(None, None)
    entry = pwd.getpwnam(ACCOUNT)
    return RunsAs(entry.pw_uid, entry.pw_gid)


def started(
    arguments: Sequence[str], said: Path, cwd: Path, *, account: RunsAs | None = None, end: int = signal.SIGTERM
) -> subprocess.Popen[bytes]:
    """Start a program; its stderr and stdout go to ``said``. It gets the signal ``end`` when this process dies, however.

    To be called from the thread that lives as long as the process does: it is that one's death that counts.
    """
    runs_as = account or RunsAs(None, None)
    with open(said, "wb") as file:
        return subprocess.Popen(
            list(arguments),
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            umask=0o077,
            user=runs_as.user,
            group=runs_as.group,
            extra_groups=None if runs_as.user is None else [],
            preexec_fn=_dies_with_us(os.getpid(), end),
        )


def _dies_with_us(parent: int, number: int) -> Callable[[], None]:
    def ask() -> None:  # between fork and exec: nothing but this
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def ended(process: subprocess.Popen[bytes], patience: float = 5.0) -> int:
    """Ask the program to end, then make it; its exit code."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def words_of(said: Path) -> str:
    """What the program printed."""
    return said.read_text(encoding="utf-8", errors="backslashreplace") if said.exists() else ""
