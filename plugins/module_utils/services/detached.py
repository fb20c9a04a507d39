"""A command as a process of its own: it ends also when the module, its SSH session or ansible-playbook is gone before it.

One at a time on a machine: it holds a lock that the next one waits for, whoever starts that.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import COMMITTED_STAYS, MigrationError

ENDED_EVERY = 0.2  # seconds
BY_A_SIGNAL = 128  # from here on a shell says so the signal that ended a command
# The first shell ends at once and leaves the second without a parent of ours: who ends the module's children misses it.
_APART = 'setsid sh -c \'"$@" >"$SALIDA" 2>&1; echo $? >"$SALIDA.fin"\' sh "$@" &'


@dataclass(frozen=True)
class Workplace:
    """The folder on the services' host where what outlives a module call is written down (``backup_dir``/servicios)."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held by whatever is under way."""
        return self.folder / "candado"

    @property
    def output(self) -> Path:
        """What the last command said."""
        return self.folder / "salida"


def workplace_in(backup_dir: str) -> Workplace:
    """Return it, made where it is missing. Raises MigrationError where the disk refuses."""
    place = Workplace(Path(backup_dir) / "servicios")
    try:
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise MigrationError(
            f"no se puede escribir en {place.folder}: {error.strerror}",
            left=COMMITTED_STAYS,
            move="Revise backup_dir en esa máquina y repita la orden.",
        ) from None
    return place


def replacing_now(place: Workplace) -> bool:
    """Whether a command that was started here, by whichever run, has not ended."""
    with open(place.lock, "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def start_apart(place: Workplace, words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Start the command. Raises MigrationError, code lease, where another one is under way."""
    with open(place.lock, "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise MigrationError(
                "otra orden cambia contenedores en esta máquina en este momento",
                left=COMMITTED_STAYS,
                move="Espere a que termine y repita la orden.",
                code="lease",
            ) from None
        with suppress(FileNotFoundError):
            Path(f"{place.output}.fin").unlink()
        os.set_inheritable(lock.fileno(), True)
        subprocess.run(
            ["sh", "-c", _APART, "sh", *words],
            cwd=folder,
            env={**environment, "SALIDA": str(place.output)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            check=True,
        )


def ended_within(place: Workplace, seconds: float) -> bool:
    """Wait for what is under way, at most so long; whether it has ended, by itself or killed."""
    until = time.monotonic() + seconds
    while replacing_now(place):
        if time.monotonic() >= until:
            return False
        time.sleep(ENDED_EVERY)
    return True


def outcome(place: Workplace) -> tuple[int | None, str]:
    """Exit code of the last command, None where it or its shell was killed, and the last line that it said."""
    code = None
    with suppress(OSError, ValueError):
        ended = int(Path(f"{place.output}.fin").read_text(encoding="utf-8"))
        code = ended if ended < BY_A_SIGNAL else None
    said = ""
    with suppress(OSError):
        said = place.output.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return code, lines[-1][:300] if lines else ""


def noted_turn(place: Workplace, service: str) -> dict[str, Any]:
    """What is noted of a service's turn, {} for nothing."""
    with suppress(OSError, ValueError):
        found = json.loads((place.folder / f"turno-{service}.json").read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def note_turn(place: Workplace, service: str, turn: Mapping[str, object] | None) -> None:
    """Note it whole or not at all; None forgets it."""
    path = place.folder / f"turno-{service}.json"
    if turn is None:
        with suppress(FileNotFoundError):
            path.unlink()
        return
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(turn), encoding="utf-8")
    os.replace(temporary, path)
