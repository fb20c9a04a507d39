"""Which build of the runbook runs: its version, and a hash over everything that takes part."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
PARTS = ("files", "playbooks", "plugins", "roles")


def this_build(house: Path = HOUSE) -> dict[str, str]:
    """Return ``version`` and ``sha256``: over names and contents of the files of PARTS; a site's inventories are none of it."""
    whole = hashlib.sha256()
    for path in sorted(_files(house), key=lambda path: path.relative_to(house).as_posix()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{path.relative_to(house).as_posix()}\0{content}\n".encode())
    return {"version": _version(house), "sha256": whole.hexdigest()}


def _files(house: Path) -> Iterator[Path]:
    """What a checkout and an archive made of it both have; the links to the sites' folders are not followed."""
    for part in PARTS:
        for folder, below, names in os.walk(house / part):
            below[:] = [name for name in below if name != "__pycache__" and not name.startswith(".")]
            yield from (Path(folder, name) for name in names if not name.startswith(".") and not name.endswith(".pyc"))


def _version(house: Path) -> str:
    """A checkout has galaxy.yml, what ansible-galaxy installed has MANIFEST.json instead."""
    if (house / "galaxy.yml").is_file():
        said = re.search(r"^version: *(\S+)", (house / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
        return said[1] if said else "?"
    manifest = json.loads((house / "MANIFEST.json").read_text(encoding="utf-8"))
    return str(manifest["collection_info"]["version"])
