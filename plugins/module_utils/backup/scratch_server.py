"""A PostgreSQL to restore into that is nobody's: made here of the programs that there are, or one that the site gives."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..core.backup.manifest import Manifest
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.sqltext import ident, literal
from ..server import db
from ..server.connect import connect
from ..server.identity import system_identifier
from .clients import ENVIRONMENT, Programs, programs_here
from .processes import RunsAs, ended, server_account, started, words_of

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

HOME = "tinkubot-prueba-"  # before a random part: the folder of one server
MARK = "vive"  # locked as long as the process that made the server lives
SCRATCH_ROLE = "prueba"
START_SECONDS = 60.0
# A server whose data are worth nothing: nothing waits for a disk, little memory is taken, nothing runs by itself.
SETTINGS_OF_IT = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "maintenance_work_mem": "32MB",
    "max_connections": "20",
    "jit": "off",
    "timezone": "UTC",
    "log_min_messages": "fatal",
}


@dataclass(frozen=True)
class Scratch:
    """Where to restore: the address of any database of it, and which programs restore into it."""

    url: str = field(repr=False)
    programs: Programs
    version: str
    system: str

    def database(self, name: str) -> str:
        """The address of that database."""
        head, mark, options = self.url.partition("?")
        return f"{head.rpartition('/')[0]}/{quote(name, safe='')}{mark}{options}"


@contextmanager
def scratch_server(manifest: Manifest, scratch_url: str, scratch_dir: str, pg_bin: str) -> Iterator[Scratch]:
    """Yield a server that the backup can be restored into.

    Raises MigrationError, code check_failed, where there is none: nothing is said then against the backup.
    """
    if scratch_url:
        with closing(connect(scratch_url, "respaldo-prueba")) as conn:
            system, version = system_identifier(conn), conn.info.server_version
        if system == manifest.system:
            raise no_scratch("scratch_url es el mismo servidor que se respaldó", "Dé otro: se crea y se borra una base en él.")
        found = [programs for programs in programs_here(pg_bin) if programs.major == version // 10000]
        if not found or version // 10000 < manifest.server_major:
            raise no_scratch(
                f"scratch_url es PostgreSQL {version // 10000}, el respaldo es de {manifest.server_major}, y los programas para "
                "restaurar en él no están aquí" * (not found),
                f"Dé un servidor {manifest.server_major} con sus programas (pg_bin), o quite scratch_url.",
            )
        yield Scratch(scratch_url, found[0], str(version), system)
        return
    least = max(manifest.server_major, int(manifest.client.split(".")[0]))  # an older pg_restore may not read the dump
    serving = [programs for programs in programs_here(pg_bin) if programs.serves and programs.major >= least]
    if not serving:
        raise no_scratch(
            f"aquí no hay ningún PostgreSQL {least} o posterior en que restaurar",
            f"Instale postgresql-{least}, o dé un servidor de pruebas en scratch_url (o SCRATCH_URL).",
        )
    with embedded_server(serving[0], manifest, scratch_dir) as scratch:
        yield scratch


def no_scratch(what: str, move: str) -> MigrationError:
    """The check itself cannot be made."""
    return MigrationError(f"No se puede comprobar: {what}", left=NOTHING_CHANGED, move=move, code="check_failed")


@contextmanager
def embedded_server(programs: Programs, manifest: Manifest, scratch_dir: str) -> Iterator[Scratch]:
    """Make a server in a folder of its own, reached by nobody else, and remove it at the end; those of the dead first."""
    place = Path(scratch_dir) if scratch_dir else roomy_place()
    sweep_servers(place)
    account = server_account()
    home = Path(tempfile.mkdtemp(prefix=HOME, dir=place))
    with open(home / MARK, "w", encoding="utf-8") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        try:
            if account.user is not None:
                os.chown(home, account.user, account.group or -1)
            programs = _readable(programs, home, account)
            _initialised(programs, home, account, manifest)
            with _running(programs, home, account) as url, closing(connect(url, "respaldo-prueba")) as conn:
                version, system = str(conn.info.server_version), system_identifier(conn)
                yield Scratch(url, programs, version, system)
        finally:
            shutil.rmtree(home, ignore_errors=True)  # the next one sweeps what stays


def sweep_servers(place: Path) -> None:
    """Remove the servers whose maker is dead; they died with it."""
    for home in place.glob(f"{HOME}*"):
        with suppress(OSError), open(home / MARK, "r+", encoding="utf-8") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home, ignore_errors=True)  # the next one sweeps what stays


def roomy_place() -> Path:
    """Where every account may go, whatever TMPDIR says: a socket's path is short too."""
    shared = Path("/var/tmp")
    return shared if os.access(shared, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def _readable(programs: Programs, home: Path, account: RunsAs) -> Programs:
    """The programs where the server's account can run them: a copy, where they lie in a folder of ours alone."""
    if account.user is None or _runs(programs, account):
        return programs
    install = programs.folder.parent
    target = home / "programas" / install.parent.name / install.name
    shutil.copytree(install, target, symlinks=True, ignore=shutil.ignore_patterns("include", "pgxs", "*.a"))
    for libraries in install.parent.parent.glob(f"{install.parent.name}.libs"):
        shutil.copytree(libraries, home / "programas" / libraries.name, symlinks=True)
    (home / "programas").chmod(0o755)
    target.parent.chmod(0o755)
    return Programs(target / programs.folder.name, programs.version, programs.major, programs.serves)


def _runs(programs: Programs, account: RunsAs) -> bool:
    with suppress(OSError):
        done = subprocess.run(
            [programs["postgres"], "--version"], env=ENVIRONMENT, cwd="/", capture_output=True, check=False,
            user=account.user, group=account.group, extra_groups=[],
        )  # fmt: skip
        return done.returncode == 0
    return False


def _initialised(programs: Programs, home: Path, account: RunsAs, manifest: Manifest) -> None:
    locales: Sequence[list[str]] = (
        [f"--lc-collate={manifest.collate}", f"--lc-ctype={manifest.ctype}"], ["--locale=C.UTF-8"], ["--locale=C"],
    )  # fmt: skip
    for locale in locales:
        said = home.with_name(f"{home.name}.txt")
        options = [f"--username={SCRATCH_ROLE}", f"--encoding={manifest.encoding}", "--auth=trust", "--no-sync"]
        try:
            code = started([programs["initdb"], *options, *locale, "-D", str(home / "datos")], said, home, account=account).wait()
            words = words_of(said)
        finally:
            said.unlink(missing_ok=True)
        if code == 0:
            break
        shutil.rmtree(home / "datos", ignore_errors=True)  # initdb may have made nothing; it refuses what stays
    else:
        raise no_scratch(f"initdb {programs.version} terminó con código {code}: {words.strip()[-300:]}", "Corríjalo y repita.")
    with open(home / "datos" / "postgresql.conf", "a", encoding="utf-8") as file:
        for name, value in {**SETTINGS_OF_IT, "unix_socket_directories": str(home)}.items():
            file.write(f"{name} = {literal(value).strip()}\n")


@contextmanager
def _running(programs: Programs, home: Path, account: RunsAs) -> Iterator[str]:
    said = home / "servidor.txt"
    process = started([programs["postgres"], "-D", str(home / "datos")], said, home, account=account, end=signal.SIGQUIT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _ready(home):
            if process.poll() is not None or time.monotonic() > deadline:
                raise no_scratch(f"el PostgreSQL de prueba no arranca: {words_of(said).strip()[-300:]}", "Corríjalo y repita.")
            time.sleep(0.05)
        yield f"postgresql://{SCRATCH_ROLE}@/postgres?host={quote(str(home), safe='')}&port=5432"
    finally:
        process.send_signal(signal.SIGQUIT) if process.poll() is None else None
        ended(process)


def _ready(home: Path) -> bool:
    with suppress(OSError):
        # it is empty for a moment
        return (home / "datos" / "postmaster.pid").read_text(encoding="utf-8").split()[-1:] == ["ready"]
    return False


@contextmanager
def new_database(scratch: Scratch, manifest: Manifest) -> Iterator[str]:
    """Make an empty database with the roles that the dump names, as NOLOGIN; both gone at the end. Yields its address."""
    name = f"respaldo_{secrets.token_hex(4)}"
    with closing(connect(scratch.url, "respaldo-prueba")) as conn:
        made = missing_roles(conn, manifest.roles)
        try:
            db.run_sql(conn, f"CREATE DATABASE {ident(name)} TEMPLATE template0 ENCODING {literal(manifest.encoding)}")
            yield scratch.database(name)
        finally:
            with suppress(db.Error):  # the server may be what died
                db.run_sql(conn, f"DROP DATABASE IF EXISTS {ident(name)} WITH (FORCE)")
                for role in made:
                    db.run_sql(conn, f"DROP ROLE {ident(role)}")


def missing_roles(conn: Connection, roles: Sequence[tuple[str, bool]]) -> list[str]:
    """Make those of the roles that are not there; nobody can log in as one of them.

    Only a superuser may own an event trigger, and only a superuser makes another one.
    """
    here = {str(row[0]) for row in db.fetch_all(conn, "SELECT rolname FROM pg_roles")}
    above = db.fetch_one(conn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == (True,)
    made = []
    for role, superuser in roles:
        if role not in here:
            db.run_sql(conn, f"CREATE ROLE {ident(role)} NOLOGIN{' SUPERUSER' if superuser and above else ''}")
            made.append(role)
    return made
