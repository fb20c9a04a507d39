"""The .env on its disk: read, put in its place whole or not at all, its first state kept beside the backups."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..call.runlog import why_not
from ..core.errors import NOTHING_CHANGED, STEP_CHANGED_NOTHING, MigrationError
from ..core.services.env_text import EnvSyntaxError, env_entries, env_value, restored, with_value

MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Kept:
    """The file as it was before the first change, and what was set then."""

    original: bytes
    key: str
    value: str

    def back(self, now: bytes) -> bytes:
        """What the file is to be after the way back. Raises EnvSyntaxError and ValueError as ``restored`` does."""
        return restored(now, self.original, with_value(self.original, self.key, self.value).data, self.key)


def env_target(path: str) -> Path:
    """Return the file itself, behind a symlink. Raises MigrationError, code refused, where it cannot be replaced in one step."""
    try:
        target = Path(path).resolve(strict=True)
        state = target.stat()
    except (OSError, RuntimeError) as error:
        raise _refused(f"no se puede leer {path}: {why_not(error) if isinstance(error, OSError) else error}") from None
    if not stat.S_ISREG(state.st_mode):
        raise _refused(f"{target} no es un archivo")
    if _is_mount_point(target):
        raise _refused(f"{target} es un punto de montaje, y no se puede reemplazar de una vez", "Cambie el archivo que se monta.")
    if state.st_nlink > 1:
        others = [str(p) for p in _siblings(target) if p != target and _same(p, state)]
        named = " y ".join([str(target), *others]) if others else f"{target} y otro fuera de su carpeta"
        raise _refused(
            f"{target} tiene {state.st_nlink} nombres ({named}), y al reemplazarlo dejarían de ser el mismo archivo",
            "Deje uno solo, o haga del otro un enlace simbólico.",
        )
    return target


def read_env(target: Path) -> bytes:
    """Return its bytes. Raises MigrationError, code refused, where it cannot be read or compose could not understand it."""
    try:
        data = target.read_bytes()
        env_entries(data)
    except OSError as error:
        raise _refused(f"no se puede leer {target}: {why_not(error)}") from None
    except EnvSyntaxError as error:
        raise _refused(f"{target}: {error}", "Corríjala: compose tampoco puede leerla.") from None
    return data


def put_env(target: Path, before: bytes, after: bytes) -> None:
    """Replace the file whole: mode, owner and extended attributes stay.

    Raises MigrationError: code refused where somebody changed it since ``before`` was read, error where the disk refuses.
    """
    temporary = target.with_name(f".{target.name}.tinkubot")
    with suppress(FileNotFoundError):
        temporary.unlink()  # of a run that was killed
    try:
        _write_like(temporary, target, after)
        if target.read_bytes() != before:
            raise _refused(f"alguien cambió {target} en este momento")
        os.replace(temporary, target)
        _sync(target.parent)
    except OSError as error:
        raise MigrationError(
            f"no se pudo escribir {target}: {why_not(error)}",
            left="El archivo sigue como estaba.",
            move="Corríjalo y repita la orden.",
        ) from None
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def kept_env(backup_dir: str, target: Path) -> Kept | None:
    """What was kept of this file before its first change, None where nothing was or it was taken back since."""
    folder = _folder(backup_dir, target)
    try:
        said = json.loads((folder / "clave.json").read_text(encoding="utf-8"))
        return Kept((folder / "original").read_bytes(), str(said["clave"]), str(said["valor"]))
    except (OSError, ValueError, KeyError):
        return None


def keep_env(backup_dir: str, target: Path, kept: Kept) -> Path:
    """Keep the file's first state, readable by its owner alone; an older one that is there stays. Return where.

    Raises MigrationError where the disk refuses.
    """
    folder = _folder(backup_dir, target)
    if kept_env(backup_dir, target) is None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_private(folder / "original", kept.original)
            said = {"archivo": str(target), "clave": kept.key, "valor": kept.value}
            _write_private(folder / "clave.json", json.dumps(said, ensure_ascii=False).encode())
            _sync(folder)
        except OSError as error:
            raise MigrationError(
                f"no se pudo guardar la copia de {target} en {folder}: {why_not(error)}",
                left=STEP_CHANGED_NOTHING,
                move="Revise backup_dir en esa máquina y repita la orden.",
            ) from None
    return folder / "original"


def env_before(now: bytes, kept: Kept | None, key: str, value: str) -> bytes:
    """What the file is to be after a way back from ``key=value``; without a copy the flag alone is turned round.

    Raises MigrationError, code refused, where the key's old text does not fit into the file of now.
    """
    try:
        if kept is not None:
            return kept.back(now)
        turned = "true" if value == "false" else "false"
        return with_value(now, key, turned).data if env_value(now, key) == value else now
    except ValueError as error:
        raise _refused(str(error), f"Ponga {key} a mano como estaba y repita la orden.") from None


def forget_env(backup_dir: str, target: Path, run_id: str) -> None:
    """The way back is done: the copy stays under the run's name, and the next switch keeps its own."""
    folder = _folder(backup_dir, target)
    with suppress(FileNotFoundError):
        (folder / "clave.json").unlink()
    with suppress(FileNotFoundError):
        os.replace(folder / "original", folder / f"original-{run_id}")


def _folder(backup_dir: str, target: Path) -> Path:
    return Path(backup_dir) / "servicios" / f"env-{hashlib.sha256(str(target).encode()).hexdigest()[:12]}"


def _write_like(path: Path, model: Path, data: bytes) -> None:
    """A new file with the other's mode, owner and extended attributes, on the disk before this returns."""
    state = model.stat()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        if (state.st_uid, state.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(file.fileno(), state.st_uid, state.st_gid)
        for name in os.listxattr(model):
            os.setxattr(file.fileno(), name, os.getxattr(model, name))
        os.fchmod(file.fileno(), stat.S_IMODE(state.st_mode))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write_private(path: Path, data: bytes) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _siblings(target: Path) -> list[Path]:
    try:
        return sorted(target.parent.iterdir())
    except OSError:
        return []


def _same(path: Path, state: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), state)
    except OSError:
        return False


def _is_mount_point(target: Path) -> bool:
    """A file mounted from the same disk has the same device: only the list of mounts tells."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return os.path.ismount(target)
    places = {line.split()[4].encode().decode("unicode_escape") for line in lines if len(line.split()) > 4}
    return str(target) in places


def _refused(what: str, move: str = "Corríjalo y repita la orden.") -> MigrationError:
    return MigrationError(what, left=NOTHING_CHANGED, move=move, code="refused")
