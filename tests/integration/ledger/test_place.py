"""A physical copy of the cluster has its identifier and its whole ledger: where the last run went tells the two apart."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.identity import system_identifier
from tests.support.databases import Database, Databases
from tests.support.phase import Phase, finish, refused
from tests.support.reaper import reaped
from tests.support.standby import standby
from tools.postgres_server import PostgresServer, boot, discard, launch, make_home, run_tool

pytestmark = pytest.mark.once


@pytest.fixture
def original() -> Iterator[Database]:
    """A database where fase0 has run, on a server that may be stopped and copied."""
    chosen = os.environ.get("TEST_POSTGRES_BIN")
    with reaped(launch(Path(chosen) if chosen else None, fsync=False)) as server:
        database = Databases(server).empty()
        with closing(connect(database.url, "prueba")) as conn:
            finish(Phase(database.url), conn, "fase0")
        yield database


def stop(server: PostgresServer) -> None:
    run_tool(server.bin_dir / "pg_ctl", "stop", "-w", "-m", "fast", "-D", server.home / "data", home=server.home)


@contextmanager
def copied(original: Database) -> Iterator[tuple[Database, Database]]:
    """The stopped server's files copied, and both started, each at an address of its own."""
    server, home = original.server, make_home()
    try:
        stop(server)
        shutil.copytree(server.home / "data", home / "data", symlinks=True)
        if os.geteuid() == 0:
            owner = home.stat()
            for path in [home / "data", *(home / "data").rglob("*")]:
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        first = boot(server.bin_dir, server.home, server.password)
        second = boot(server.bin_dir, home, server.password)
        yield replace(original, server=first), replace(original, server=second)
    finally:
        discard(server.bin_dir, home)


def test_a_forward_run_on_a_copy_is_refused_while_the_original_answers(original: Database) -> None:
    with closing(connect(original.url, "r1")) as conn:
        identifier = system_identifier(conn)
    port = original.server.port
    with copied(original) as (there, copy):
        # the original keeps its address, as a site's does
        stop(there.server)
        options = f"-p {port} -k {there.server.home}"
        place = ("-D", there.server.home / "data", "-l", there.server.home / "log", "-o", options)
        run_tool(there.server.bin_dir / "pg_ctl", "start", "-w", *place, home=there.server.home)
        with closing(connect(copy.url, "r1")) as conn:
            assert system_identifier(conn) == identifier
        for more in ({"check": True}, {}):
            error = refused(lambda more=more: Phase(copy.url).open("fase1", **more))
            assert error.code == "identity"
            assert f"fue en 127.0.0.1:{port} (línea de tiempo 1)" in str(error)
            assert f"esta es en 127.0.0.1:{copy.server.port}" in str(error)
            assert "No se cambió nada" in str(error)
        lines = Phase(copy.url).call("open", "fase0", "atras", direction="revertir")
        assert any(line.startswith("Aviso: La última ejecución") for line in lines)
        assert not any("Aviso" in line for line in Phase(original.url).call("open", "fase1", "sigue"))


def test_where_nobody_answers_any_more_the_change_is_named_once_and_the_run_goes_on(original: Database) -> None:
    with copied(original) as (there, copy):
        stop(there.server)
        lines = Phase(copy.url).call("open", "fase1", "primera")
        (said,) = [line for line in lines if line.startswith("Aviso: La última ejecución")]
        assert f"127.0.0.1:{original.server.port}" in said
        assert not any("Aviso" in line for line in Phase(copy.url).call("open", "fase1", "primera"))


def test_one_server_by_two_names_is_one_server(original: Database) -> None:
    by_name = original.url.replace("127.0.0.1", "localhost")
    assert by_name != original.url
    lines = Phase(by_name).call("open", "fase1", "primera")
    assert any("Aviso: La última ejecución" in line and "localhost" in line for line in lines)


def went_to(database: Database, port: int) -> None:
    """The ledger says that the last run went to that port of this machine."""
    detail = "jsonb_set(detalle, '{servidor,port}', to_jsonb(%s::int))"
    database.query(f"UPDATE migracion.fase_ejecucion SET detalle = {detail} WHERE detalle ? 'servidor'", (port,))


def test_where_a_standby_of_this_server_answers_the_run_goes_on(original: Database) -> None:
    """As after a switchover, when the server of the last run follows this one."""
    with standby(original.server) as follower:
        went_to(original, follower.port)
        lines = Phase(original.url).call("open", "fase1", "primera")
    assert any("Aviso: La última ejecución" in line and f":{follower.port} " in line for line in lines)


def test_where_another_migrations_server_answers_the_run_goes_on(original: Database) -> None:
    """The address was given to somebody else's server, with a database and a role of the same names."""
    with reaped(launch(original.server.bin_dir, fsync=False)) as other:
        there = Databases(other).empty()
        assert there.name == original.name
        with closing(connect(there.url, "prueba")) as conn:
            finish(Phase(there.url), conn, "fase0")
        went_to(original, other.port)
        lines = Phase(original.url).call("open", "fase1", "primera")
    assert any("Aviso: La última ejecución" in line and f":{other.port} " in line for line in lines)


def test_a_standby_of_this_server_is_no_second_one_and_a_promoted_one_has_another_timeline(original: Database) -> None:
    with standby(original.server) as follower:
        moved = replace(original, server=follower)
        stop(original.server)
        with closing(psycopg2.connect(follower.url())) as conn, conn.cursor() as cursor:
            cursor.execute("SELECT pg_promote()")
        lines = Phase(moved.url).call("open", "fase1", "primera")
        (said,) = [line for line in lines if line.startswith("Aviso: La última ejecución")]
        assert "(línea de tiempo 1), y esta es en" in said
        assert "(línea de tiempo 2)" in said
