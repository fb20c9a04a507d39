"""Work that lasts longer than a module call: in a process of its own, that later calls ask, and that ends with whoever asks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..call.runlog import RunLog
from ..core.errors import COMMITTED_STAYS, NOTHING_CHANGED, MigrationError
from ..core.words import duration, number, size
from ..server import db
from .folder import RESULT, UNFINISHED, write_private

FORGOTTEN_AFTER = 25.0  # seconds without anybody who asks
ALIVE_EVERY = 0.5
ASK_SECONDS = 10.0


@dataclass(frozen=True)
class Apart:
    """The folder of one run's work: where it builds, what it says, who asks."""

    backup_dir: str
    run_id: str

    @property
    def folder(self) -> Path:
        """Swept by the next run where this one was killed."""
        return Path(self.backup_dir) / f"{UNFINISHED}{self.run_id}"

    @property
    def building(self) -> Path:
        """What is being built."""
        return self.folder / "respaldo"

    @property
    def result(self) -> Path:
        """What came of it; beside the folder, which others may sweep once the work is done."""
        return Path(self.backup_dir) / f"{RESULT}{self.run_id}"

    @property
    def pid(self) -> Path:
        """The process."""
        return Path(self.backup_dir) / f"{RESULT}{self.run_id}.pid"

    def say(self, line: str) -> None:
        """A line for whoever asks next."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.folder / "avisos", "a", encoding="utf-8") as file:
            file.write(line.replace("\n", " ") + "\n")

    def stage(self, name: str, expected: float) -> None:
        """What is being done from now on, and how many bytes it is expected to write (0: not known)."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self.folder / "etapa", json.dumps([name, expected]))


def begun(apart: Apart) -> bool:
    """Whether the work of this run was begun by an earlier call."""
    return apart.pid.exists()


def begin(apart: Apart, work: Callable[[], dict[str, Any]]) -> None:
    """Start ``work`` in a process of its own. No connection may be open here: the child would share it."""
    Path(apart.backup_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
    apart.result.unlink(missing_ok=True)
    _ask(apart)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if grandchild := os.fork():
            write_private(apart.pid, str(grandchild))
            os._exit(0)
        _alone()
        threading.Thread(target=_watch, args=(apart,), daemon=True).start()
        _do(apart, work)
    finally:
        os._exit(1)


def _ask(apart: Apart) -> None:
    """Show that somebody still asks."""
    apart.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (apart.folder / "preguntado").touch(mode=0o600)


def _alone() -> None:
    """Nothing of the module that began it: not its streams, not its signals."""
    for number_of in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number_of, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.closerange(3, 256)
    os.umask(0o077)


def _do(apart: Apart, work: Callable[[], dict[str, Any]]) -> NoReturn:
    try:
        said: dict[str, Any] = {"result": work()}
    except MigrationError as error:
        said = {"error": [error.what, error.left, error.move, error.code, error.details]}
    except db.Error as error:
        told = db.explain_error(error, left=COMMITTED_STAYS)
        said = {"error": [told.what, told.left, told.move, told.code, {}]}
    except Exception as bug:
        RunLog(apart.backup_dir, apart.run_id).write(traceback.format_exc().splitlines())
        move = "Envíe esta línea y el registro de la ejecución a quien mantiene el runbook."
        said = {"error": [f"error interno del runbook ({type(bug).__name__}: {bug})", COMMITTED_STAYS, move, "internal", {}]}
    with suppress(OSError):
        write_private(apart.result, json.dumps(said, ensure_ascii=False, default=str))
    os._exit(0)


def _watch(apart: Apart) -> None:
    """End where nobody has asked for a while: the programs that were started end with this process."""
    asked, since = 0, time.monotonic()
    while True:
        time.sleep(ALIVE_EVERY)
        with suppress(OSError):
            now = (apart.folder / "preguntado").stat().st_mtime_ns
            if now != asked:
                asked, since = now, time.monotonic()
        if time.monotonic() - since > FORGOTTEN_AFTER:
            os._exit(1)


def ask_for(apart: Apart, seconds: float = ASK_SECONDS) -> tuple[dict[str, Any] | None, list[str]]:
    """Wait a slice for the work's result: None while it goes on; and what there is to say meanwhile.

    Raises MigrationError: what the work ended with, or code worker_gone where it was killed.
    """
    deadline = time.monotonic() + seconds
    before = _written(apart)
    while time.monotonic() < deadline:
        _ask(apart)
        alive = _alive(apart)
        if apart.result.exists():
            return _ended(apart)
        if not alive:
            _forget(apart)
            raise MigrationError(
                "El proceso del respaldo terminó sin decir nada: alguien lo mató, o faltó memoria",
                left=NOTHING_CHANGED,
                move="Repita la orden: lo que dejó a medias se quita solo.",
                code="worker_gone",
            )
        time.sleep(0.1)
    return None, [*_notices(apart), *_progress(apart, before, seconds)]


def _ended(apart: Apart) -> tuple[dict[str, Any], list[str]]:
    said, lines = json.loads(apart.result.read_text(encoding="utf-8")), _notices(apart)
    _forget(apart)
    if "error" in said:
        what, left, move, code, details = said["error"]
        raise MigrationError(what, left=left, move=move, code=code, details={**details, "lines": lines})
    result: dict[str, Any] = said["result"]
    return result, lines


def _forget(apart: Apart) -> None:
    apart.result.unlink(missing_ok=True)
    apart.pid.unlink(missing_ok=True)
    shutil.rmtree(apart.folder, ignore_errors=True)  # the next run sweeps what stays


def _alive(apart: Apart) -> bool:
    """Before the result is looked for: who has ended since has left one."""
    try:
        os.kill(int(apart.pid.read_text(encoding="utf-8")), 0)
    except (ProcessLookupError, ValueError, FileNotFoundError):
        return False
    return True


def _notices(apart: Apart) -> list[str]:
    told = apart.folder / "avisos"
    with suppress(OSError):
        mine = told.with_name("avisos.leidos")
        told.rename(mine)
        return mine.read_text(encoding="utf-8").splitlines()
    return []


def _written(apart: Apart) -> int:
    with suppress(OSError):
        return sum(file.stat().st_size for file in apart.building.rglob("*") if file.is_file())
    return 0


def _progress(apart: Apart, before: int, seconds: float) -> list[str]:
    with suppress(OSError, ValueError):
        name, expected = json.loads((apart.folder / "etapa").read_text(encoding="utf-8"))
        done = _written(apart)
        rate = (done - before) / seconds
        line = f"Respaldo · {name} · {size(done)} escritos"
        if rate > 0:
            line += f" · {size(rate)}/s"
        if expected > done and rate > 0:
            line += f" · {number(min(99, 100 * done / expected))} % · faltan unos {duration((expected - done) / rate)}"
        return [line]
    return []
