"""A copy of playbooks and files in which a test may break one thing; roles and plugins stay the collection's."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from .playbook import ROOT, Playbooks


def copy_of_the_house(folder: Path) -> Path:
    """Copy what a phase reads besides the collection to ``folder``; the links in playbooks/ stay relative ones."""
    for name in ("playbooks", "inventories", "files"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    shutil.copy(ROOT / "ansible.cfg", folder)
    return folder


def replace(path: Path, old: str, new: str) -> None:
    """Change one place of a file, which must be there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def living_in(house: Path, playbooks: Playbooks) -> Playbooks:
    """The same runs, with the playbooks of that copy."""
    return dataclasses.replace(playbooks, directory=house / "playbooks")
