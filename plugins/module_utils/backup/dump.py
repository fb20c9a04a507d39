"""Take a backup: pg_dump and the checksum of every row, from one exported snapshot, giving way to whoever waits for a lock."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.backup.manifest import (
    DUMP,
    FORMAT,
    MANIFEST,
    ROLES_FILE,
    ROWS_FOLDER,
    SETTINGS_FILE,
    Extension,
    Manifest,
    SequenceRange,
    TableRows,
    manifest_text,
)
from ..core.backup.snapshot import (
    EVERY_EXTENSION,
    EVERY_LARGE_OBJECT,
    EVERY_SEQUENCE,
    EVERY_TABLE,
    FREE_CONNECTIONS,
    REFERENCED,
    ROLE_NAMES,
    ROLE_SETTINGS,
    SCHEMA_NAMES,
    SOURCE_DATABASE,
    exact_pattern,
    row_checksums,
)
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.sqltext import ident, literal, qname
from ..core.waits import CLASHES, DUMP_LOCKS
from ..server import db
from ..server.connect import connect
from ..server.identity import system_identifier
from ..server.streaming import conninfo_of
from .clients import Programs, fitting, programs_here
from .folder import files_of, write_private
from .processes import ended, started, words_of
from .row_streams import stream
from .waiters import waiters_watched

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

MOST_WORKERS = 4
SPARED_CONNECTIONS = 5  # left to the services
PASSWORD_FILE = ".clave"


class _GaveWayError(Exception):
    """Somebody waited behind a lock of the dump. Its text: who, and for what."""


@dataclass(frozen=True)
class Order:
    """What is to be backed up. ``tables``: those whose rows are wanted, schema and name; none for all."""

    url: str
    run_id: str
    scope: str
    tables: tuple[tuple[str, str], ...] = ()
    pg_bin: str = ""
    tries: int = 5

    @property
    def session(self) -> str:
        """What the sessions of the dump are called, so that those and no others are ended."""
        return f"{self.run_id}-respaldo"

    @property
    def application(self) -> str:
        """The same as the server has it."""
        return f"migracion:{self.session}"[:63]


@dataclass(frozen=True)
class _Table:
    """A table as the catalogue has it in the snapshot."""

    schema: str
    name: str
    oid: int
    key: tuple[str, ...]
    constraints: tuple[tuple[str, str], ...]
    indexes: tuple[tuple[str, str], ...]
    readable: bool
    hidden: bool  # row security takes part: rows may be left out
    bytes: float


def take(order: Order, folder: Path, tell: Callable[[str], None]) -> Manifest:
    """Write a whole backup, not yet verified, into ``folder``; its manifest, not yet written.

    A session that waits behind the dump's locks ends it, and it begins again with a new snapshot. Raises MigrationError,
    code refused, where that happened ``tries`` times, or a table's rows cannot all be seen.
    """
    for attempt in range(1, order.tries + 1):
        shutil.rmtree(folder, ignore_errors=True)  # the first time there is none; what stays makes mkdir refuse
        (folder / ROWS_FOLDER).mkdir(mode=0o700, parents=True)
        try:
            return _once(order, folder)
        except _GaveWayError as waiting:
            tell(f"El respaldo cedió el paso ({attempt} de {order.tries}): {waiting}")
            last = str(waiting)
    raise MigrationError(
        f"El respaldo cedió el paso {order.tries} veces a quien esperaba detrás de sus bloqueos; la última: {last}",
        left=NOTHING_CHANGED,
        move="Repita la orden cuando nadie altere tablas, o suba backup_tries.",
        code="refused",
    )


def _once(order: Order, folder: Path) -> Manifest:
    began = time.monotonic()
    with ExitStack() as stack:
        conn = stack.enter_context(closing(connect(order.url, order.session)))
        programs = fitting(programs_here(order.pg_bin), conn.info.server_version // 10000)
        watching = stack.enter_context(waiters_watched(order.url, order.run_id, order.application))
        try:
            manifest = _in_snapshot(conn, order, folder, programs)
        except (db.Error, MigrationError) as error:
            if watching:
                raise _GaveWayError(watching[0]) from error
            if getattr(error, "pgcode", "") in CLASHES:
                raise _GaveWayError("otra sesión tenía bloqueada una tabla") from error
            raise
    if watching:
        raise _GaveWayError(watching[0])
    return _with(manifest, seconds=round(time.monotonic() - began, 1), files=files_of(folder))


def _in_snapshot(conn: Connection, order: Order, folder: Path, programs: Programs) -> Manifest:
    database, encoding, collate, ctype, version, lsn, created = db.fetch_all(conn, SOURCE_DATABASE)[0]
    low = _sequences(conn)
    before = _tables(conn)
    with db.transaction(conn, isolation="REPEATABLE READ", read_only=True, wait=DUMP_LOCKS):
        # before the snapshot: what is truncated or rewritten between the two would look empty in it
        _lock(conn, before)
        db.run_sql(conn, "SET LOCAL idle_in_transaction_session_timeout = 0")  # while pg_dump writes, this one only waits
        snapshot = str(db.fetch_all(conn, "SELECT pg_export_snapshot()")[0][0])
        tables = _tables(conn)
        if {(t.schema, t.name) for t in tables} != {(t.schema, t.name) for t in before}:
            raise _GaveWayError("mientras empezaba se creó o se borró una tabla")
        wanted = _wanted(conn, order.tables, tables)
        _require_visible(conn, [table for table in tables if table.oid in wanted])
        with _dumping(conn, order, folder, programs, snapshot, [t for t in tables if t.oid not in wanted]) as dump:
            rows = tuple(_rows(conn, folder, number, table, table.oid in wanted) for number, table in enumerate(tables))
            objects = _large_objects(conn, folder, whole=not order.tables)
            extensions = tuple(Extension(n, s, tuple(stubs)) for n, s, stubs in db.fetch_all(conn, EVERY_EXTENSION))
            code = dump.wait()
        words = words_of(folder / "pg_dump.txt")
        if code:
            raise _failed("pg_dump", code, words)
        (folder / "pg_dump.txt").unlink()
        _surroundings(conn, order, folder, programs)
        high = _sequences(conn)
        return Manifest(
            format=FORMAT, scope=order.scope, created=created, database=database, system=system_identifier(conn),
            server_version=version, client=programs.version, snapshot=snapshot, lsn=lsn, encoding=encoding, collate=collate,
            ctype=ctype, seconds=0.0, tables=rows, large_objects=objects, extensions=extensions,
            sequences=tuple(SequenceRange(*name, *_span(value, high.get(name, value))) for name, value in sorted(low.items())),
            roles=tuple((name, bool(above)) for name, above in db.fetch_all(conn, ROLE_NAMES)),
            schemas=tuple(row[0] for row in db.fetch_all(conn, SCHEMA_NAMES)), files=(),
        )  # fmt: skip


def _lock(conn: Connection, tables: Sequence[_Table]) -> None:
    """Keep every table that may be read as it is until the end of the transaction; readers and writers notice nothing."""
    names = [qname(table.schema, table.name) for table in tables if table.readable]
    if names:
        db.run_sql(conn, f"LOCK TABLE {', '.join(f'ONLY {name}' for name in names)} IN ACCESS SHARE MODE")


def _with(manifest: Manifest, **changed: Any) -> Manifest:
    return Manifest(**{**manifest.__dict__, **changed})


def _span(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)


def _sequences(conn: Connection) -> dict[tuple[str, str], int]:
    return {(schema, name): int(value) for schema, name, value in db.fetch_all(conn, EVERY_SEQUENCE)}


def _tables(conn: Connection) -> list[_Table]:
    found = []
    for schema, name, oid, key, constraints, indexes, readable, hidden, size in db.fetch_all(conn, EVERY_TABLE):
        made, built = (tuple((str(n), str(d)) for n, d in listed) for listed in (constraints, indexes))
        found.append(_Table(schema, name, oid, tuple(key), made, built, readable, hidden, size))
    return found


def _wanted(conn: Connection, named: Sequence[tuple[str, str]], tables: Sequence[_Table]) -> set[int]:
    """The tables whose rows are in the dump: all, or those asked for and what they reference."""
    if not named:
        return {table.oid for table in tables}
    asked = [table.oid for table in tables if (table.schema, table.name) in named]
    return {int(row[0]) for row in db.fetch_all(conn, REFERENCED, (asked,))}


def require_possible(conn: Connection, wanted: Sequence[tuple[str, str]], pg_bin: str) -> None:
    """Refuse, code refused, what would only show in the middle: programs that are too old, rows that the role does not see."""
    fitting(programs_here(pg_bin), conn.info.server_version // 10000)
    tables = _tables(conn)
    oids = _wanted(conn, wanted, tables)
    _require_visible(conn, [table for table in tables if table.oid in oids])


def _require_visible(conn: Connection, tables: Sequence[_Table]) -> None:
    """An empty table equals an empty one: a role that may not see every row takes no backup."""
    closed = [table for table in tables if not table.readable or table.hidden]
    if not closed:
        return
    role = str(db.fetch_all(conn, "SELECT current_user")[0][0])
    names = ", ".join(f"{table.schema}.{table.name}" for table in closed)
    raise MigrationError(
        f'El rol "{role}" no ve todas las filas de {names}: el respaldo saldría sin ellas',
        left=NOTHING_CHANGED,
        move=f"Pida a un superusuario: ALTER ROLE {ident(role)} BYPASSRLS; GRANT pg_read_all_data TO {ident(role)}; y repita.",
        code="refused",
    )


def _rows(conn: Connection, folder: Path, number: int, table: _Table, data: bool) -> TableRows:
    place = f"{ROWS_FOLDER}/{number:04d}.gz" if data else ""
    rows, digest = stream(conn, row_checksums(table.schema, table.name, table.key), folder / place) if data else (0, "")
    return TableRows(table.schema, table.name, rows, digest, place, data, table.constraints, table.indexes)


def _large_objects(conn: Connection, folder: Path, whole: bool) -> TableRows:
    if not whole:
        return TableRows("", "objetos grandes", 0, "", "", False)
    place = f"{ROWS_FOLDER}/objetos.gz"
    rows, digest = stream(conn, EVERY_LARGE_OBJECT, folder / place)
    return TableRows("", "objetos grandes", rows, digest, place, True)


@contextmanager
def _dumping(
    conn: Connection, order: Order, folder: Path, programs: Programs, snapshot: str, without: Sequence[_Table]
) -> Iterator[Any]:
    """pg_dump under way; ended where the block is left by an error."""
    workers = max(1, min(MOST_WORKERS, os.cpu_count() or 1, int(db.fetch_all(conn, FREE_CONNECTIONS)[0][0]) - SPARED_CONNECTIONS))
    with _login(conn, order, folder) as login:
        left = [f"--exclude-table-data={exact_pattern(table.schema, table.name)}" for table in without]
        options = ["--format=directory", f"--jobs={workers}", f"--snapshot={snapshot}", "--no-password", "--encoding=UTF8"]
        options += [f"--lock-wait-timeout={DUMP_LOCKS.timeout_ms}", *left, *(["--no-blobs"] if order.tables else [])]
        command = [programs["pg_dump"], *options, f"--file={folder / DUMP}", f"--dbname={login}"]
        dump = started(command, folder / "pg_dump.txt", folder)
        try:
            yield dump
        finally:
            ended(dump)


@contextmanager
def _login(conn: Connection, order: Order, folder: Path) -> Iterator[str]:
    """How a program logs in: the password is in a file of ours alone, and only as long as it runs."""
    path = folder.with_name(f"{folder.name}{PASSWORD_FILE}")
    conninfo, line = conninfo_of(conn, order.application, str(path))
    write_private(path, line + "\n")
    try:
        yield conninfo
    finally:
        path.unlink(missing_ok=True)


def _surroundings(conn: Connection, order: Order, folder: Path, programs: Programs) -> None:
    """The roles, without their passwords, and the settings of roles and of the database."""
    with _login(conn, order, folder) as login:
        said, target = folder / "pg_dumpall.txt", folder / ROLES_FILE
        command = [programs["pg_dumpall"], "--roles-only", "--no-role-passwords", "--no-password", f"--file={target}"]
        code = started([*command, f"--dbname={login}"], said, folder).wait()
        if code:
            raise _failed("pg_dumpall", code, words_of(said))
        said.unlink()
    lines = []
    for role, database, setting in db.fetch_all(conn, ROLE_SETTINGS):
        name, _, value = str(setting).partition("=")
        who = (
            f"ROLE {ident(role)}" + (f" IN DATABASE {ident(database)}" if database else "")
            if role
            else f"DATABASE {ident(database)}"
        )
        lines.append(f"ALTER {who} SET {ident(name)} TO {_setting(name, value)};\n")
    write_private(folder / SETTINGS_FILE, "".join(lines))


def _setting(name: str, value: str) -> str:
    """A list of names is one value to each name, where PostgreSQL takes it as a list."""
    if name in ("search_path", "session_preload_libraries", "local_preload_libraries", "temp_tablespaces"):
        return value or "''"
    return literal(value).strip()


def _failed(program: str, code: int, words: str) -> MigrationError:
    said = next((line for line in words.splitlines() if "error" in line), words.strip()[-300:] or "sin explicación")
    return MigrationError(
        f"{program} terminó con código {code}: {said.partition('error: ')[2] or said}",
        left=NOTHING_CHANGED,
        move="Corrija lo que dice y repita la orden.",
        code="backup_failed",
    )


def write_manifest(folder: Path, manifest: Manifest) -> str:
    """Write the manifest into the backup; its text."""
    text = manifest_text(manifest)
    write_private(folder / MANIFEST, text)
    return text
