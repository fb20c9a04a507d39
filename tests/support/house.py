"""A copy of the runbook in which a test may break one thing: a collection of its own, as a second checkout would be."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from .playbook import ROOT, Playbooks

PARTS = ("playbooks", "inventories", "files", "roles", "plugins", "meta")


def copy_of_the_house(folder: Path) -> Path:
    """Copy what a phase reads to ``folder``; the links in playbooks/ stay relative ones."""
    for name in PARTS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("ansible.cfg", "galaxy.yml"):
        shutil.copy(ROOT / name, folder)
    return folder


def found_first(house: Path, collections: Path) -> str:
    """Make a collections folder in which the copy is the runbook's collection; what ANSIBLE_COLLECTIONS_PATH says then."""
    place = collections / "ansible_collections/tinkubot/migracion"
    if not place.exists():
        place.parent.mkdir(parents=True)
        place.symlink_to(house)
    return str(collections)


def replace(path: Path, old: str, new: str) -> None:
    """Change one place of a file, which must be there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def living_in(house: Path, playbooks: Playbooks) -> Playbooks:
    """The same runs, with the playbooks of that copy."""
    environment = {**playbooks.environment, "ANSIBLE_COLLECTIONS_PATH": found_first(house, house.with_name(f"{house.name}.c"))}
    return dataclasses.replace(playbooks, directory=house / "playbooks", environment=environment)
