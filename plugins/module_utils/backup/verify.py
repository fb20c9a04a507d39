"""Verified means restored: every file whole, the dump restored into a scratch server, every row of every table compared."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.backup.manifest import BAD, EXCEPT, UNCHECKED, VERIFIED, Manifest, TableRows, Verification
from ..core.backup.restoring import difference_of, excepted, of_provider
from ..core.backup.snapshot import EVERY_LARGE_OBJECT, EVERY_SEQUENCE, EVERY_TABLE, row_checksums
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.words import number
from ..server import db
from ..server.connect import connect
from .folder import damage_of
from .restore import restore_dump
from .row_streams import RowDifference, difference, rows_in, stream
from .scratch_server import new_database, scratch_server

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Found = dict[tuple[str, str], tuple[tuple[str, ...], dict[str, str], dict[str, str]]]


def check(
    backup: Path, manifest: Manifest, manifest_sha256: str, *, scratch_url: str = "", scratch_dir: str = "", pg_bin: str = "",
    moment: str, changed: Callable[[str], None] = lambda _: None,
) -> Verification:  # fmt: skip
    """Restore the backup and compare it; the verdict. When the check itself fails it says so, and nothing against the backup.

    ``changed``: called with the restored database's address before it is compared, by a test that plants a fault.
    """
    began = time.monotonic()
    rows = sum(table.rows for table in manifest.tables)

    def verdict(said: str, server: str = "", listed: Sequence[str] = (), problems: Sequence[str] = ()) -> Verification:
        seconds = round(time.monotonic() - began, 1)
        tables = len([table for table in manifest.tables if table.data])
        return Verification(manifest_sha256, said, moment, server, tables, rows, seconds, tuple(listed), tuple(problems))

    if damaged := damage_of(backup, manifest):
        return verdict(BAD, problems=damaged)
    server = ""
    try:
        with scratch_server(manifest, scratch_url, scratch_dir, pg_bin) as scratch, new_database(scratch, manifest) as url:
            server = f"PostgreSQL {int(scratch.version) // 10000} ({scratch.programs.folder})"
            with tempfile.TemporaryDirectory(prefix="tinkubot-respaldo-", dir=scratch_dir or None) as work:
                output = restore_dump(url, backup, manifest, scratch.programs, Path(work), stub=True)
            listed, ours = excepted(output.left_out, manifest)
            if output.broken:
                return verdict(UNCHECKED, server, problems=[output.broken])
            changed(url)
            missing, problems = compared(url, backup, manifest)
            problems = [f"no se pudo restaurar: {entry}" for entry in ours] + problems
            listed = [*listed, *(f"tabla sin restaurar: {name}" for name in missing)]
    except MigrationError as error:
        return verdict(BAD if error.code == "damaged" else UNCHECKED, server, problems=[str(error)])
    except (db.Error, OSError) as error:
        return verdict(UNCHECKED, server, problems=[" ".join(str(error).split())])
    return verdict(BAD if problems else EXCEPT if listed else VERIFIED, server, listed, problems)


def compared(url: str, backup: Path, manifest: Manifest) -> tuple[list[str], list[str]]:
    """Compare a restored database with the backup: the provider's tables that are not there, and all that is wrong."""
    missing, problems = [], []
    with closing(connect(url, "respaldo-compara")) as conn:
        found = _tables(conn)
        same_major = conn.info.server_version // 10000 == manifest.server_major
        for table in manifest.tables:
            here = found.get((table.schema, table.name))
            if here is None and of_provider(table):
                missing.append(f"{table.schema}.{table.name}")
            elif here is None:
                problems.append(f"{table.schema}.{table.name}: la tabla no está entre lo restaurado")
            else:
                problems += _shape(table, here, same_major)
                problems += _rows(conn, backup, table, row_checksums(table.schema, table.name, here[0]))
        problems += _rows(conn, backup, manifest.large_objects, EVERY_LARGE_OBJECT)
        problems += _sequences(conn, manifest, {tuple(name.split(".", 1)) for name in missing})
    return missing, problems


def _tables(conn: Connection) -> Found:
    found: Found = {}
    for schema, name, _, key, constraints, indexes, *_ in db.fetch_all(conn, EVERY_TABLE):
        found[schema, name] = (tuple(key), dict(constraints), dict(indexes))
    return found


def _shape(table: TableRows, here: tuple[tuple[str, ...], dict[str, str], dict[str, str]], same_major: bool) -> list[str]:
    """Constraints and indexes that are not there, or not valid; between major versions their texts may differ."""
    problems = []
    for kind, wanted, found in (("la restricción", table.constraints, here[1]), ("el índice", table.indexes, here[2])):
        for name, definition in wanted:
            if name not in found:
                problems.append(f"{table.schema}.{table.name}: no está, o no vale, {kind} {name}")
            elif same_major and found[name] != definition:
                problems.append(f"{table.schema}.{table.name}: {kind} {name} es otra: {found[name]}, y era {definition}")
    return problems


def _rows(conn: Connection, backup: Path, table: TableRows, query: str) -> list[str]:
    if not table.data:
        return []
    if stream(conn, query) == (table.rows, table.sha256):
        return []
    differing = _named(conn, backup, table, query)
    if not differing.count:  # the stream differs, the rows do not: the manifest's own figures are what is wrong
        return [f"{table.schema}.{table.name}: el manifiesto dice {number(table.rows)} filas, y no son las de {table.file}"]
    return [difference_of(table, differing.missing, differing.altered, differing.extra, differing.count)]


def _named(conn: Connection, backup: Path, table: TableRows, query: str) -> RowDifference:
    with tempfile.TemporaryDirectory(prefix="tinkubot-respaldo-") as folder:
        place = Path(folder) / "filas.gz"
        stream(conn, query, place)
        return difference(rows_in(backup / table.file), rows_in(place))


def _sequences(conn: Connection, manifest: Manifest, missing: set[tuple[str, ...]]) -> list[str]:
    here = {(schema, name): int(value) for schema, name, value in db.fetch_all(conn, EVERY_SEQUENCE)}
    problems = []
    for wanted in manifest.sequences:
        value = here.get((wanted.schema, wanted.name))
        if value is None and not any(schema == wanted.schema for schema, *_ in missing):
            problems.append(f"{wanted.schema}.{wanted.name}: la secuencia no está entre lo restaurado")
        elif value is not None and not wanted.low <= value <= wanted.high:
            said = str(wanted.low) if wanted.low == wanted.high else f"entre {wanted.low} y {wanted.high}"
            problems.append(f"{wanted.schema}.{wanted.name}: la secuencia va por {value} y debe ir por {said}")
    return problems


def refuse_damage(name: str, problems: Sequence[str]) -> MigrationError:
    """What a backup whose files are not what they were is answered with."""
    listed = "\n".join(f"  {problem}" for problem in problems)
    return MigrationError(
        f"El respaldo {name} no sirve",
        left=NOTHING_CHANGED,
        move=f"Use otro: respaldo.yml --tags list con el mismo -i dice cuáles hay.\n{listed}",
        code="damaged",
    )
