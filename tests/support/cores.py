"""The ansible-core of the tests' own interpreter, and the oldest supported one."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tools import oldest_core

from .playbook import PROGRAM

NEWEST, OLDEST = CORES = (version("ansible-core"), oldest_core.VERSION)


def program_of(core: str) -> Path:
    """The ansible-playbook of that core."""
    return PROGRAM if core == NEWEST else oldest_core.program()
