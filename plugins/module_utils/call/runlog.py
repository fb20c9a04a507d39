"""The log of a run: <backup_dir>/registros/<run_id>.log, readable by its owner only."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..core.words import escape

# What an operator may meet, in our words: the system's are in its own language.
WHY_NOT = {
    errno.EACCES: "permiso denegado (es de otro usuario)",
    errno.EPERM: "operación no permitida",
    errno.EROFS: "el disco es de solo lectura",
    errno.ENOSPC: "no queda sitio en el disco",
    errno.EDQUOT: "la cuota de disco está agotada",
    errno.EISDIR: "en su lugar hay una carpeta",
    errno.ENOTDIR: "una parte de la ruta no es una carpeta",
    errno.EEXIST: "una parte de la ruta no es una carpeta",
    errno.ENOENT: "la carpeta no existe",
    errno.ELOOP: "en su lugar hay un enlace simbólico",
    errno.ENAMETOOLONG: "la ruta es demasiado larga",
    errno.EIO: "el disco no responde bien",
}


@dataclass(frozen=True)
class RunLog:
    """Where one run writes; nothing is written without a folder or a run."""

    backup_dir: str
    run_id: str

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.backup_dir) / "registros" / f"{self.run_id}.log"

    def problem(self) -> str:
        """Why it cannot be written, '' where it can."""
        return self._append("")

    def write(self, lines: Iterable[str]) -> str:
        """Append each line with the time; control characters are written out.

        Return '' or, as a line for the operator, why it could not be: a phase that has begun does not hang on its log.
        """
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        text = "".join(f"{moment} {escape(line)}\n" for line in lines)
        if not text or not (reason := self._append(text)):
            return ""
        return escape(
            f"No se puede escribir el registro {self.path}: {reason}. La fase no depende de él, y lo que le falta se ve solo "
            "aquí. Revise backup_dir (sitio y permisos)."
        )

    def _append(self, text: str) -> str:
        """Return why it could not be, '' where it could."""
        if not self.backup_dir or not self.run_id:
            return ""
        try:
            for folder in (self.path.parent.parent, self.path.parent):
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, parents=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as error:
            return why_not(error)
        return ""


def why_not(error: OSError) -> str:
    """What the system said, in our words."""
    number = error.errno or 0
    return WHY_NOT.get(number, f"error {errno.errorcode.get(number, 'de entrada y salida')}")
