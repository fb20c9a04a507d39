"""A hot standby of a test server: reads work, every write fails with 25006."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tools.postgres_server import PostgresServer, boot, discard, make_home, run_tool


@contextmanager
def standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A copy of the whole cluster that follows ``primary``; with the same passwords."""
    home = make_home()
    try:
        program = primary.bin_dir / "pg_basebackup"
        run_tool(program, "--checkpoint=fast", "-R", "-D", home / "data", "-d", primary.url(), home=home)
        yield boot(primary.bin_dir, home, primary.password)
    finally:
        discard(primary.bin_dir, home)
