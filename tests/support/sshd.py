"""A real SSH server on this machine, so that the runner can be one that is reached over SSH."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
SEPARATION = Path("/run/sshd")  # asked for by a server of root's
CONFIGURATION = """
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv TMPDIR={folder}/tmp
"""


@dataclass(frozen=True)
class Sshd:
    """A server that runs. ``folder`` holds its keys, and in tmp what its users' programs leave."""

    pid: int
    port: int
    folder: Path

    def host(self) -> dict[str, Any]:
        """Inventory variables of this machine, reached through it."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.folder / "user"),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            "ansible_python_interpreter": sys.executable,
            "ansible_pipelining": True,
        }


@contextmanager
def sshd(folder: Path) -> Iterator[Sshd]:
    """Let whoever runs the tests in by a key; keys and configuration go to ``folder``."""
    assert PROGRAM, "openssh-server is not installed"
    (folder / "tmp").mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "config").write_text(CONFIGURATION.format(folder=folder), encoding="utf-8")
    if os.geteuid() == 0:
        SEPARATION.mkdir(mode=0o755, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [PROGRAM, "-D", "-e", "-f", folder / "config", "-p", str(port)]
    with open(folder / "log", "wb") as log, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log) as process:
        try:
            _wait_for(process, port, folder / "log")
            yield Sshd(process.pid, port, folder)
        finally:
            process.terminate()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("sshd does not listen:\n" + log.read_text(errors="replace"))
