"""A git checkout: what it is, which files it tracks, its branch for the rewriting. Nothing leaves its tree."""

from __future__ import annotations

import os
import stat
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import STEP_CHANGED_NOTHING, MigrationError
from .reading import LARGEST_FILE
from .scan import language_of

BRANCH = "fase4/tablas-en-espanol"
COMMAND_SECONDS = 3600  # a repository's own tests
_GIT = ("git", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false")
_UNDERWAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG")


@dataclass(frozen=True)
class Checkout:
    """Where a repository stands. ``branch`` is '' where HEAD is detached; ``dirty``: tracked files changed since."""

    path: Path
    head: str
    branch: str
    dirty: tuple[str, ...]

    @property
    def name(self) -> str:
        """What findings call it."""
        return self.path.name

    @property
    def before(self) -> str:
        """What to check out to be here again."""
        return self.branch or self.head


@dataclass
class Files:
    """The files to look at, with their bytes, and what was left out."""

    data: dict[str, bytes] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    documents: dict[str, bytes] = field(default_factory=dict)


def run_git(path: Path, *args: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run git in a repository. Raises MigrationError, code git, with git's own last line, where it fails and ``check`` is set."""
    env = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            [*_GIT, *args], cwd=path, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise MigrationError(
            f"No se puede usar git en {path}: no está git, o no se puede entrar en la carpeta",
            left=STEP_CHANGED_NOTHING,
            move="Instale git, o corrija code_repos, y repita la orden.",
            code="git",
        ) from None
    if check and done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["sin decir nada"]
        raise MigrationError(
            f"git {args[0]} falló en {path}: {said[0]}",
            left="El repositorio queda como git lo dejó.",
            move="Corríjalo y repita la orden.",
            code="git",
        )
    return done


def checkout_of(path: str) -> Checkout:
    """Return where a repository stands. Raises MigrationError, code refused, for what is no whole checkout at rest."""
    folder = Path(path)
    top = run_git(folder, "rev-parse", "--show-toplevel", check=False) if folder.is_dir() else None
    if top is None or top.returncode or Path(os.fsdecode(top.stdout.rstrip(b"\n"))).resolve() != folder.resolve():
        said = top.stderr.decode(errors="replace").strip().splitlines()[:1] if top is not None else []
        why = f" ({said[0]})" if said else ""
        raise _refused(f"{path} no es la carpeta principal de un repositorio de git{why}", "Corrija code_repos")
    head = run_git(folder, "rev-parse", "--verify", "HEAD", check=False)
    if head.returncode:
        raise _refused(f"{path} no tiene ningún commit", "Haga el primero")
    private = Path(os.fsdecode(run_git(folder, "rev-parse", "--absolute-git-dir").stdout.rstrip(b"\n")))
    underway = [name for name in _UNDERWAY if (private / name).exists()]
    if underway:
        raise _refused(f"{path} tiene a medias una operación de git ({', '.join(underway)})", "Termínela o cancélela")
    branch = run_git(folder, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).stdout.decode().strip()
    return Checkout(folder, head.stdout.decode().strip(), branch, _dirty(folder))


def _dirty(folder: Path) -> tuple[str, ...]:
    status = run_git(folder, "status", "--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=untracked").stdout
    return tuple(os.fsdecode(entry[3:]) for entry in status.split(b"\0") if entry[2:3] == b" ")


def _refused(what: str, move: str) -> MigrationError:
    return MigrationError(what, left=STEP_CHANGED_NOTHING, move=f"{move} y repita la orden.", code="refused")


def tracked_files(checkout: Checkout) -> Files:
    """Return the bytes of the files that git tracks and that are looked at; links, submodules and large files are counted."""
    found = Files()
    for entry in run_git(checkout.path, "ls-files", "-z", "--stage").stdout.split(b"\0"):
        if not entry:
            continue
        facts, _, name = entry.partition(b"\t")
        mode, path = facts[:6].decode(), os.fsdecode(name)
        if mode not in ("100644", "100755"):
            found.left_out["enlaces" if mode == "120000" else "submódulos"] += 1
        elif language_of(path) or path.lower().endswith(".md"):
            _read(checkout, path, found)
    return found


def _read(checkout: Checkout, path: str, found: Files) -> None:
    where = checkout.path / path
    try:
        facts = where.lstat()
        inside = checkout.path.resolve() in where.resolve().parents
        if not stat.S_ISREG(facts.st_mode) or not inside:
            found.left_out["enlaces"] += 1
            return
        if facts.st_size > LARGEST_FILE:
            found.left_out[f"de más de {LARGEST_FILE // 1024} kB"] += 1
        data = where.read_bytes() if facts.st_size <= LARGEST_FILE * 16 else b""
    except FileNotFoundError:
        found.left_out["borrados"] += 1
        return
    except OSError:
        found.left_out["ilegibles"] += 1
        return
    if path.lower().endswith(".md"):
        found.documents[path] = data
    else:
        found.data[path] = data


def is_writable(checkout: Checkout, path: str) -> bool:
    """Whether a file may be written: a read-only one is meant to stay, also where root could."""
    return bool((checkout.path / path).stat().st_mode & stat.S_IWUSR) and os.access(checkout.path / path, os.W_OK)


def write_file(checkout: Checkout, path: str, data: bytes) -> None:
    """Put new bytes in the file's place, whole or not at all, with its mode."""
    where = checkout.path / path
    beside = where.with_name(f".{where.name}.fase4")
    mode = stat.S_IMODE(where.stat().st_mode)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(beside, mode)
    os.replace(beside, where)


def run_command(checkout: Checkout, command: Sequence[str]) -> str:
    """Run a repository's own command in it: '' where it went well, else its last lines."""
    try:
        done = subprocess.run(
            list(command),
            cwd=checkout.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no terminó en {COMMAND_SECONDS // 60} minutos"
    except OSError as error:
        return f"no se pudo ejecutar ({error.strerror})"
    if not done.returncode:
        return ""
    lines = done.stdout.decode(errors="replace").strip().splitlines()[-8:]
    return " / ".join([f"terminó con {done.returncode}", *lines])
