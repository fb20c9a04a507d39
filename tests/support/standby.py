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
        run_tool(program, "--checkpoint=fast", "-D", home / "data", "-d", primary.url(), home=home)
        # not by -R: a newer pg_basebackup writes options that an older server's libpq does not know
        with open(home / "data" / "postgresql.auto.conf", "a", encoding="utf-8") as settings:
            settings.write(f"primary_conninfo = '{primary.url()}'\n")
        (home / "data" / "standby.signal").touch()
        yield boot(primary.bin_dir, home, primary.password)
    finally:
        discard(primary.bin_dir, home)
