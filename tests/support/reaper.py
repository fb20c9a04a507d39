"""Removes a server when the test process is gone, also when it was killed: fixtures do not run then."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.postgres_server import PostgresServer, discard

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def reaped(server: PostgresServer) -> Iterator[PostgresServer]:
    """Stop the server at the end of the block or of this process, whichever comes first.

    A child waits for the end of its input, which comes with the last breath of the only process that holds the pipe.
    """
    command = [sys.executable, "-m", "tests.support.reaper", str(server.bin_dir), str(server.home)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True):
        yield server


if __name__ == "__main__":
    sys.stdin.read()
    discard(Path(sys.argv[1]), Path(sys.argv[2]))
