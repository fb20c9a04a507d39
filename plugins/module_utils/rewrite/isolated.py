"""The scan in a child process: a parser that crashes or hangs on a file costs that file, not the run."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

from ..core.errors import MigrationError
from ..core.rewrite.targets import Targets
from .scan import FileResult, Scanner

_PATIENCE = 60  # seconds without a sign of life
COLLECTED_AFTER = 500_000  # objects since the last time
_DEEP = 8_000  # Python frames; beyond, a file is listed as nested too deep


def scan_isolated(
    files: Mapping[str, bytes], targets: Targets, named: Sequence[str] = (), patience: float = _PATIENCE
) -> dict[str, FileResult]:
    """Return what Scanner.run says of the files; one that ends the child is listed as unreadable, by its words.

    Raises MigrationError, code internal, where the child ends without having begun with a file.
    """
    skipped: dict[str, str] = {}
    while True:
        last, results = _once(files, targets, named, skipped, patience)
        if results is not None:
            return results
        if not last or last in skipped:
            raise MigrationError(
                f"El lector de código terminó sin decir por qué (último archivo: {last or 'ninguno'})",
                left="No se escribió nada.",
                move="Saque ese archivo del repositorio o de git y repita la orden.",
                code="internal",
            )
        skipped[last] = "el lector se cerró o no respondió con este archivo"


def _once(
    files: Mapping[str, bytes], targets: Targets, named: Sequence[str], skipped: Mapping[str, str], patience: float
) -> tuple[str, dict[str, FileResult] | None]:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(there, files, targets, named, skipped), daemon=True)
    child.start()
    there.close()
    last = ""
    try:
        while here.poll(patience):
            kind, said = here.recv()
            if kind == "done":
                return last, said
            last = said
    except EOFError:
        pass
    finally:
        here.close()
        child.kill()
        child.join()
    return last, None


def _child(
    there: Connection, files: Mapping[str, bytes], targets: Targets, named: Sequence[str], skipped: Mapping[str, str]
) -> None:
    sys.setrecursionlimit(_DEEP)
    gc.disable()  # trees stay until the end: going through them again and again took most of the time

    def told(path: str) -> None:
        there.send(("file", path))
        if gc.get_count()[0] > COLLECTED_AFTER:
            gc.collect()
            gc.freeze()

    scanner = Scanner(targets, named, told, skipped)
    there.send(("done", scanner.run(files)))
