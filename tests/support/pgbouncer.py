"""A real pooler in front of a test server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.postgres_server import ENVIRONMENT, PostgresServer, ServerError, identity, make_home

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

CONFIGURATION = """
[databases]
* = host={server.host} port={server.port}
[pgbouncer]
listen_addr = {server.host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {home}/users
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
"""


@contextmanager
def pgbouncer(server: PostgresServer, users: Mapping[str, str], mode: str = "transaction") -> Iterator[int]:
    """Pool ``server`` in that mode for those users (name to password); gives the port for ``address``."""
    if PROGRAM is None:
        raise ServerError("pgbouncer is not installed")
    home = make_home()
    try:
        with socket.socket() as probe:
            probe.bind((server.host, 0))
            port = int(probe.getsockname()[1])
        _write(home / "users", "".join(f"{_quoted(name)} {_quoted(secret)}\n" for name, secret in users.items()))
        _write(home / "ini", CONFIGURATION.format(server=server, port=port, home=home, mode=mode))
        with open(home / "log", "wb") as log:
            process = subprocess.Popen(
                [PROGRAM, home / "ini"], cwd=home, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **identity()
            )
        try:
            _wait_for(process, server.host, port, home / "log")
            yield port
        finally:
            process.terminate()
            process.wait(10)
    finally:
        shutil.rmtree(home)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _write(path: Path, text: str) -> None:
    """A file of the account that pgbouncer runs as: it belongs to whoever owns the home."""
    path.write_text(text, encoding="utf-8")
    owner = path.parent.stat()
    os.chown(path, owner.st_uid, owner.st_gid)


def _wait_for(process: subprocess.Popen[bytes], host: str, port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as client:
            client.settimeout(1)
            if client.connect_ex((host, port)) == 0:
                return
        time.sleep(0.02)
    raise ServerError("pgbouncer does not listen:\n" + log.read_text(errors="replace"))
