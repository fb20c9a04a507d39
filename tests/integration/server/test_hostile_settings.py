"""Whatever database, role and the operator's machine have set: the same SQL approved, the same rows, the same refusals.

Time zones, timeouts, and what changes how the server writes or quotes a value.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.server.connect import connect
from tests.sample.supabase import DEFAULT_OWNER, NASTY_PASSWORD
from tests.support.accounting import take_accounting
from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.observation import differences
from tests.support.reaper import reaped
from tests.support.settings import ENVIRONMENT, HOSTILE, put, take_away
from tests.support.variants import brief
from tools.postgres_server import ENVIRONMENT as ENVIRONMENT_OF_SERVERS
from tools.postgres_server import PostgresServer, launch, scratch

NewDatabase = Callable[..., Database]
BOOKS = {
    "approved": "SELECT nombre, sha256 FROM migracion.sql_aprobado ORDER BY 1",
    "quarantine": "SELECT tabla_origen, clave, sqlstate, motivo, fila::text FROM migracion.cuarentena ORDER BY 1, 2",
    "merges": "SELECT tabla_origen, clave, tabla_destino, clave_destino, motivo FROM migracion.fusion ORDER BY 1, 2, 3",
}


@contextmanager
def operators_shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An operator whose shell has settings of its own, for as long as the runbook works."""
    with monkeypatch.context() as shell:
        for name, value in ENVIRONMENT.items():
            shell.setenv(name, value)
        yield


def books(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What the ledger holds of the migration, read by a session that has no setting of the database's."""
    with database.cursor() as cursor:
        cursor.execute("RESET ALL; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1")
        found = {}
        for name, statement in BOOKS.items():
            cursor.execute(statement)
            found[name] = cursor.fetchall()
        return found


@pytest.mark.parametrize(
    ("installation", "settings"),
    brief(itertools.product(("jsonb", "text"), HOSTILE), ("jsonb", "days first"), ("text", "everything quoted")),
)
def test_the_same_result_as_with_plain_settings(
    installation: str, settings: str, new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, hostile = new_database(installation), new_database(installation)
    for database in (plain, hostile):  # what EST means is a setting too
        database.query("UPDATE service_requests SET requested_at = '2024-06-07 10:00 EST' WHERE resolved_at IS NULL")
    Jobs(plain.url, tmp_path / "uno").up_to_proof("fase2", "fase3")
    put(hostile, HOSTILE[settings])
    jobs = Jobs(hostile.url, tmp_path / "dos")
    with operators_shell(monkeypatch):
        jobs.up_to_proof("fase2", "fase3")
        jobs.verify_tables()
    assert books(hostile) == books(plain)
    assert books(plain)["quarantine"]
    take_away(hostile)
    assert differences(dump(plain), dump(hostile)) == []
    assert take_accounting(hostile.superuser_url).problems == []


@pytest.mark.parametrize("settings", brief(HOSTILE, "days first"))
def test_an_approval_stays_valid_when_settings_come_or_go(settings: str, new_database: NewDatabase, tmp_path: Path) -> None:
    database = new_database(up_to="fase0")
    jobs = Jobs(database.url, tmp_path)
    approved = "SELECT nombre, momento FROM migracion.sql_aprobado ORDER BY 1"
    before = database.query(approved)
    put(database, HOSTILE[settings])
    jobs.make_tables()
    jobs.approve()
    take_away(database)
    assert jobs.make_tables()["changed"] is False
    jobs.copy()
    put(database, HOSTILE[settings])
    jobs.equalise()
    jobs.verify_tables()
    take_away(database)
    assert jobs.equalise()["changed"] is False
    assert database.query(approved) == before


@pytest.mark.parametrize("settings", brief(HOSTILE, "everything quoted"))
def test_the_way_back_leaves_what_was_there(
    settings: str, new_database: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database("text")
    put(database, HOSTILE[settings])
    original = dump(database)
    jobs = Jobs(database.url, tmp_path)
    with operators_shell(monkeypatch):
        jobs.up_to_proof()
        jobs.take_back()
        jobs.drop_tables()
    assert differences(original, dump(database)) == []


SPANISH = Path("/usr/share/locale/es/LC_MESSAGES")
OTHER = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture
def spanish_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    """A server whose every message is in Spanish."""
    if OTHER is None or not (SPANISH / f"postgres-{OTHER.parent.name}.mo").exists() or not shutil.which("localedef"):
        pytest.skip("no server with Spanish messages here")
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        Path(folder).chmod(0o755)
        subprocess.run(["localedef", "-i", "es_EC", "-f", "UTF-8", f"{folder}/es_EC.UTF-8"], check=True)
        monkeypatch.setitem(ENVIRONMENT_OF_SERVERS, "LOCPATH", folder)
        with reaped(launch(OTHER, fsync=False, settings={"lc_messages": "es_EC.UTF-8"})) as running:
            yield running


def test_a_server_that_speaks_spanish_is_understood(spanish_server: PostgresServer, tmp_path: Path) -> None:
    database = Databases(spanish_server).sample("text")
    with pytest.raises(psycopg2.Error, match="no existe la columna"):
        database.query("SELECT nada")
    jobs = Jobs(database.url, tmp_path)
    jobs.up_to_proof("fase2", "fase3")
    assert take_accounting(database.superuser_url).problems == []
    for address, said in {
        spanish_server.url(database.name, DEFAULT_OWNER, "otra"): "el servidor rechazó la contraseña",
        spanish_server.url("no_existe", DEFAULT_OWNER, NASTY_PASSWORD): 'la base de datos "no_existe" no existe',
    }.items():
        with pytest.raises(MigrationError, match=said):
            connect(address, "r1")
