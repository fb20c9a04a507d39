"""A hot standby of a test server: reads work, every write fails with 25006. And standbys that a COMMIT waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.databases import Database
from tests.support.processes import waited_for
from tools.postgres_server import PostgresServer, boot, discard, make_home, run_tool

SHOW = "SHOW synchronous_standby_names"


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


def set_standbys(database: Database, names: str) -> None:
    """From now on every COMMIT of the server waits for these standbys; '' for none."""
    database.run_alone(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'", "SELECT pg_reload_conf()")
    assert waited_for(lambda: database.value(SHOW) == names, 20)


@contextmanager
def without_its_standby(database: Database) -> Iterator[None]:
    """Every COMMIT of this server waits for a standby that there is none of."""
    set_standbys(database, "nobody")
    try:
        yield
    finally:
        set_standbys(database, "")
