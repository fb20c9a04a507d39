"""The oldest supported ansible-core beside the one of the tests' own interpreter."""

from __future__ import annotations

import sys
from pathlib import Path

CORES = ("2.19", "2.16")


def program_of(core: str) -> Path:
    return Path(sys.executable).with_name("ansible-playbook") if core == "2.19" else Path("/tmp/venv216/bin/ansible-playbook")
