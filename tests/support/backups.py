"""Backups of sample databases, for tests: taken and verified as a run does, without the process beside it."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.module_utils.backup.dump import Order, take, write_manifest
from plugins.module_utils.backup.folder import publish, stored, write_verification
from plugins.module_utils.backup.verify import check
from plugins.module_utils.core.backup.manifest import WHOLE_DATABASE, Manifest, Verification, name_of, sha256_of

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Backup:
    """A backup in its place."""

    path: Path
    manifest: Manifest
    verification: Verification

    def copied(self, folder: Path) -> Path:
        """The same backup elsewhere, for a test that damages it."""
        shutil.copytree(self.path, folder / self.path.name)
        return folder / self.path.name

    def checked(self, **more: Any) -> Verification:
        """Restore and compare it once more."""
        sealed = sha256_of((self.path / "manifiesto.json").read_text(encoding="utf-8"))
        return check(self.path, self.manifest, sealed, moment=self.manifest.created, **more)


def backed_up(url: str, folder: Path, tables: tuple[tuple[str, str], ...] = ()) -> Backup:
    """Take, verify and publish one."""
    building = folder / f".en-curso-{next(_numbers)}"
    said: list[str] = []
    scope = "fase2" if tables else WHOLE_DATABASE
    manifest = take(Order(url, f"prueba-{next(_numbers)}", scope, tables), building, said.append)
    text = write_manifest(building, manifest)
    found = check(building, manifest, sha256_of(text), moment=manifest.created)
    write_verification(building, found)
    path = publish(building, folder / name_of(manifest, text))
    kept = stored(path)
    assert kept.manifest is not None
    return Backup(path, kept.manifest, found)
