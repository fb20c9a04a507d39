"""The folder of the backups: what lies there, the lock, the temporary name and the final one, what is removed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..call.runlog import why_not
from ..core.backup.manifest import (
    BACKUP_NAME,
    MANIFEST,
    VERDICT,
    Manifest,
    ManifestError,
    StoredFile,
    Verification,
    read_manifest,
    read_verification,
    sha256_of,
    verification_text,
)
from ..core.errors import NOTHING_CHANGED, MigrationError

LOCK_FILE = ".respaldo.lock"
RESULT = ".resultado-"  # what came of a run's work, and its process, until whoever asked has read it
UNFINISHED = ".en-curso-"  # before the run's id: a backup that has no name yet
READ_AT_ONCE = 2**20


@dataclass(frozen=True)
class Stored:
    """A backup that lies in the folder. ``problem``: why it cannot be read, '' where it can; then the rest is there."""

    path: Path
    manifest: Manifest | None = None
    verification: Verification | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.path.name

    @property
    def holds(self) -> bool:
        """Whether it can be read and was verified."""
        return self.verification is not None and self.verification.holds and not self.problem


def stored_backups(backup_dir: str) -> list[Stored]:
    """Return the backups by moment, the oldest first. What has no backup's name is none; what cannot be read says why."""
    place = Path(backup_dir)
    names = sorted(path.name for path in place.iterdir() if BACKUP_NAME.match(path.name)) if place.is_dir() else []
    return [stored(place / name) for name in sorted(names, key=lambda name: name.split("-")[1:])]


def stored(path: Path) -> Stored:
    """Read what a backup says of itself; its other files are not looked at."""
    try:
        text = (path / MANIFEST).read_text(encoding="utf-8")
        manifest = read_manifest(path.name, text)
        verdict = (path / VERDICT).read_text(encoding="utf-8")
        return Stored(path, manifest, read_verification(verdict, sha256_of(text)))
    except (ManifestError, UnicodeDecodeError) as error:
        said = str(error) if isinstance(error, ManifestError) else "no es UTF-8"
        return Stored(path, problem=said)
    except OSError as error:
        return Stored(path, problem=f"{os.path.basename(error.filename or '')}: {why_not(error)}")


def damage_of(path: Path, manifest: Manifest) -> list[str]:
    """Read every file of a backup and say which are not what the manifest says, and how."""
    found = []
    known = {file.path: file for file in manifest.files}
    here = {str(file.relative_to(path)) for file in path.rglob("*") if not file.is_dir()} - {MANIFEST, VERDICT}
    found += [f"{name}: sobra, no es de este respaldo" for name in sorted(here - set(known))]
    for name, wanted in sorted(known.items()):
        try:
            read = stored_file(path, name)
        except OSError as error:
            found.append(f"{name}: {'falta' if error.errno == errno.ENOENT else why_not(error)}")
            continue
        if read.bytes != wanted.bytes:
            found.append(f"{name}: tiene {read.bytes} bytes y debe tener {wanted.bytes}")
        elif read.sha256 != wanted.sha256:
            found.append(f"{name}: su contenido no es el que se guardó (sha256 distinto)")
    return found


def stored_file(path: Path, name: str) -> StoredFile:
    """Read a file of the backup whole: bytes and hash."""
    whole, length = hashlib.sha256(), 0
    with open(path / name, "rb") as file:
        while chunk := file.read(READ_AT_ONCE):
            whole.update(chunk)
            length += len(chunk)
    return StoredFile(name, length, whole.hexdigest())


def files_of(path: Path) -> tuple[StoredFile, ...]:
    """Every file that lies in the folder, with its hash, by name; each one is on the disk before it is named."""
    found = []
    for file in sorted(path.rglob("*")):
        if not file.is_dir():
            file.chmod(0o600)
            found.append(stored_file(path, str(file.relative_to(path))))
            on_disk(file)
        else:
            file.chmod(0o700)
    return tuple(found)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    on_disk(path.parent)


def write_verification(path: Path, found: Verification) -> None:
    """Leave the verdict beside the manifest."""
    write_private(path / VERDICT, verification_text(found))


def publish(building: Path, final: Path) -> Path:
    """Give a backup that is whole its name. Nothing half-done ever has one."""
    on_disk(building)
    building.rename(final)
    on_disk(final.parent)
    return final


def on_disk(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a backup: first its name, so that half of one is none."""
    gone = path.with_name(f"{UNFINISHED}{path.name}")
    path.rename(gone)
    shutil.rmtree(gone)


@contextmanager
def locked(backup_dir: str, who: Mapping[str, Any]) -> Iterator[None]:
    """Hold the one lock of the folder, with a word who holds it. The system gives it back however the process ends.

    Raises MigrationError, code lease, where another one holds it, and code refused where the folder cannot be used.
    """
    try:
        Path(backup_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(Path(backup_dir) / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise MigrationError(
            f"backup_dir: no se puede escribir en {backup_dir}: {why_not(error)}",
            left=NOTHING_CHANGED,
            move="Corríjalo y repita la orden.",
            code="refused",
        ) from None
    with os.fdopen(handle, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _held(file.read()) from None
        file.truncate(0)
        json.dump(dict(who), file, ensure_ascii=False)
        file.flush()
        yield


def _held(text: str) -> MigrationError:
    try:
        who = json.loads(text)
    except ValueError:
        who = {}
    said = ", ".join(str(who[name]) for name in ("run_id", "operator", "host", "pid", "what") if who.get(name))
    return MigrationError(
        f"Otro respaldo, restauración o ensayo está en marcha en este backup_dir ({said or 'no dice quién'})",
        left=NOTHING_CHANGED,
        move="Espere a que termine y repita la orden.",
        code="lease",
    )


def sweep_unfinished(backup_dir: str, own: Path) -> list[str]:
    """Remove what killed runs left, all but our ``own``; with the lock held there is no living one. Returns their names."""
    place, mine = Path(backup_dir), f"{RESULT}{own.name.removeprefix(UNFINISHED)}"
    left = sorted(path for path in place.glob(f"{UNFINISHED}*") if path.name != own.name)
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # the next run sweeps what stays
        else:
            path.unlink(missing_ok=True)
    for path in place.glob(f"{RESULT}*.pid"):  # with the process gone and nothing said nobody will read it
        said = path.with_name(path.name.removesuffix(".pid"))
        if not path.name.startswith(mine) and not said.exists():
            path.unlink(missing_ok=True)
    return [path.name for path in left]
