"""Restore a backup's dump into a database: prepared from what the dump names, every error accounted for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.backup.manifest import DUMP, Manifest
from ..core.backup.restoring import LeftOut, RestoreOutput, read_output
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.sqltext import ident
from ..server import db
from ..server.connect import connect
from ..server.streaming import conninfo_of
from .clients import Programs
from .folder import write_private
from .processes import ended, started, words_of

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_ENTRY = re.compile(r"^(?P<id>\d+); \d+ \d+ (?P<what>.+)$")


def restore_dump(
    url: str, backup: Path, manifest: Manifest, programs: Programs, work: Path, stub: bool, clean: bool = False
) -> RestoreOutput:
    """Run pg_restore of the whole dump into the database of ``url``; what it said, every error of it.

    ``stub``: the database is only there to compare rows, so what its server lacks of extensions gets stand-ins.
    ``clean``: what is there of the same names goes first.
    ``work``: a folder for the list and the words. Raises MigrationError, code damaged, where the dump cannot be read.
    """
    listed = _listed(backup, programs, work)
    with closing(connect(url, "respaldo-restaura")) as conn:
        lacking = _lacking(conn, manifest)
        kept = _prepared(conn, listed, manifest, lacking) if stub else listed if clean else _without_public(conn, listed)
        passfile = work / ".clave"
        conninfo, line = conninfo_of(conn, "migracion:respaldo-restaura", str(passfile))
        write_private(passfile, line + "\n")
        write_private(work / "lista.txt", "\n".join(kept) + "\n")
        try:
            anew = ["--clean", "--if-exists"] if clean else []
            options = [*anew, f"--jobs={min(4, os.cpu_count() or 1)}", "--no-password", f"--use-list={work / 'lista.txt'}"]
            command = [programs["pg_restore"], *options, f"--dbname={conninfo}", str(backup / DUMP)]
            process = started(command, work / "pg_restore.txt", work)
            try:
                code = process.wait()
            finally:
                ended(process)
        finally:
            passfile.unlink(missing_ok=True)
    found = read_output(code, words_of(work / "pg_restore.txt"), listed)
    reason = "el servidor de prueba no tiene la extensión"
    absent = [LeftOut("EXTENSION", "", name, reason) for name in sorted(lacking)] if stub else []
    return RestoreOutput((*absent, *found.left_out), found.broken)


def _listed(backup: Path, programs: Programs, work: Path) -> list[str]:
    said = work / "lista-entera.txt"
    code = started([programs["pg_restore"], "--list", str(backup / DUMP)], said, work).wait()
    lines = words_of(said).splitlines()
    if code:
        raise MigrationError(
            f"pg_restore no puede leer el respaldo: {lines[-1] if lines else f'código {code}'}",
            left=NOTHING_CHANGED,
            move="Use otro: respaldo.yml --tags list con el mismo -i dice cuáles hay.",
            code="damaged",
        )
    return [line for line in lines if _ENTRY.match(line)]


def _lacking(conn: Connection, manifest: Manifest) -> set[str]:
    here = {str(row[0]) for row in db.fetch_all(conn, "SELECT name FROM pg_available_extensions")}
    return {extension.name for extension in manifest.extensions} - here


def _prepared(conn: Connection, listed: Sequence[str], manifest: Manifest, lacking: set[str]) -> list[str]:
    """Make what the server lacks, as stand-ins; what is left to restore."""
    schemas = {extension.schema for extension in manifest.extensions if extension.name in lacking and extension.stubs}
    for schema in sorted(schemas - {"public"}):
        db.run_sql(conn, f"CREATE SCHEMA {ident(schema)}")
    for extension in manifest.extensions:
        for statement in extension.stubs if extension.name in lacking else ():
            with suppress(db.Error):  # a type of the extension itself: what needs it will be named
                db.run_sql(conn, statement)
    gone = {f"SCHEMA - {schema} " for schema in schemas} | {f"EXTENSION - {name} " for name in lacking}
    gone |= {f"COMMENT - EXTENSION {ident(name)} " for name in lacking} | {f'COMMENT - EXTENSION "{name}" ' for name in lacking}
    kept = [line for line in listed if not any(f"{_what(line)} ".startswith(start) for start in gone)]
    return _without_public(conn, kept)


def _without_public(conn: Connection, listed: Sequence[str]) -> list[str]:
    """Every new database has a schema public: where the dump brings its own, the new one makes way."""
    if any(f"{_what(line)} ".startswith("SCHEMA - public ") for line in listed):
        db.run_sql(conn, "DROP SCHEMA IF EXISTS public")
    return list(listed)


def _what(line: str) -> str:
    found = _ENTRY.match(line)
    return found["what"] if found else ""
