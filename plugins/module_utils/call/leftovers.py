"""The folder that Ansible unpacks a module into: a killed module cannot remove its own, so the next one does."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

FOLDERS = "ansible_*_payload_*"
LOCK_MARK = "tinkubot.lock"  # locked as long as the module lives


def sweep_modules(own: Path | None = None) -> None:
    """Mark this module's folder as living, and remove those whose module is dead. One without a mark is not ours."""
    own = own or next((path for path in Path(__file__).parents if path.match(FOLDERS) and path.is_dir()), None)
    if own is None:
        return
    with suppress(OSError):
        unnamed = own / f"{LOCK_MARK}.{os.getpid()}"
        # open to the end of the process; named only when locked, or another sweep would find it free
        fcntl.flock(os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX)
        unnamed.rename(own / LOCK_MARK)
        for folder in own.parent.glob(FOLDERS):
            if folder != own and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)  # another run may sweep it too


def _is_abandoned(folder: Path) -> bool:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return False
        with open(folder / LOCK_MARK, "rb") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:  # no mark, or its owner holds it
        return False
