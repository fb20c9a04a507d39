"""The oldest supported ansible-core beside .venv: a second venv below .cache, with what the runbook needs and no more.

python -m tools.oldest_core     makes it once; prints its ansible-playbook
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import setup_venv

ROOT = Path(__file__).resolve().parents[1]
VERSION = "2.16.19"
VENV = ROOT / ".cache" / f"ansible-core-{VERSION}"
LIBRARIES = ("psycopg2-binary", "PyYAML")  # as requirements.lock pins them


def program() -> Path:
    """Its ansible-playbook; made first where it is missing."""
    with _alone():
        marker = VENV / "instalado"
        if not marker.exists() or marker.read_text(encoding="utf-8") != _wanted():
            _install()
            marker.write_text(_wanted(), encoding="utf-8")
    return VENV / "bin" / "ansible-playbook"


def _wanted() -> str:
    return "\n".join((*_requirements(), sys.version, str(VENV)))


def _requirements() -> list[str]:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = [re.search(rf"^{name}==\S+", lock, re.MULTILINE | re.IGNORECASE) for name in LIBRARIES]
    return [f"ansible-core=={VERSION}", *(found[0] for found in pinned if found)]


def _install() -> None:
    shutil.rmtree(VENV, ignore_errors=True)  # the first time there is none
    venv.create(VENV, with_pip=False)
    setup_venv.fill(str(VENV / "bin" / "python"), *_requirements())
    (packages,) = VENV.glob("lib/python3.*/site-packages")
    namespace = packages / "ansible_collections" / "tinkubot"
    namespace.mkdir(parents=True)
    (namespace / "migracion").symlink_to(os.path.relpath(ROOT, namespace))


@contextmanager
def _alone() -> Iterator[None]:
    """Two test processes, one venv."""
    VENV.parent.mkdir(exist_ok=True)
    with open(VENV.parent / "ansible-core.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    print(program())
