"""respaldo.yml --tags restore: a lost database comes back from the backup's files, and nothing else is written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.backups import backed_up
from tests.support.databases import Database
from tests.support.dump import dump
from tests.support.playbook import PlaybookRun, Playbooks
from tools.postgres_server import PostgresServer, launch


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[PostgresServer]:
    """Another cluster, in which nothing is."""
    with launch(fsync=False) as server:
        yield server


def rows(database: Database) -> str:
    """Every row; the text of a CHECK constraint PostgreSQL may write otherwise after a restore."""
    return dump(database, options=["--data-only"])


def ended(run: PlaybookRun, rc: int = 0) -> str:
    assert run.rc == rc, run.output
    return run.output


def without_database(operator: Playbooks, target: PostgresServer) -> Playbooks:
    """The same operator when the migrated database is gone."""
    return dataclasses.replace(operator, database_url=None, environment={"RESTORE_URL": target.url()})


def test_a_backup_comes_back_on_another_cluster_without_its_database(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], elsewhere: PostgresServer, tmp_path: Path
) -> None:
    source = new_database(rows=100, up_to="fase1")
    kept = backed_up(source.url, tmp_path / "respaldos")
    lost = Database(elsewhere, "postgres")
    operator = without_database(playbooks(source.url), elsewhere)
    said = ended(operator.run("respaldo", "--tags", "restore"), 2)
    assert f"backup_system={kept.manifest.system}" in said
    said = ended(operator.run("respaldo", "--tags", "restore", backup_system=kept.manifest.system))
    assert f"Restaurado {kept.path.name}" in said
    assert rows(lost) == rows(source)
    assert lost.value("SELECT count(*) FROM migracion.evento WHERE tipo = 'restauracion'") == 1


@pytest.mark.slow
def test_a_restore_says_what_it_will_write_and_loses_no_rows_unasked(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], elsewhere: PostgresServer, tmp_path: Path
) -> None:
    source = new_database(rows=100, up_to="fase1")
    kept = backed_up(source.url, tmp_path / "respaldos")
    elsewhere_too = Database(elsewhere, "otra")
    Database(elsewhere, "postgres").run_alone("CREATE DATABASE otra")
    operator = dataclasses.replace(playbooks(source.url), environment={"RESTORE_URL": elsewhere.url("otra")})
    before = dump(source, without=())
    assert "se esperaba el sistema 123" in ended(operator.run("respaldo", "--tags", "restore", backup_system="123"), 2)
    said = ended(operator.run("respaldo", "--tags", "restore", "--check"))
    assert re.search(rf"Se escribe en otra en .* el respaldo {kept.path.name}, de hace ", said)
    assert elsewhere_too.query("SELECT FROM pg_tables WHERE schemaname = 'public'") == []
    ended(operator.run("respaldo", "--tags", "restore"))
    assert "overwrite=otra" in ended(operator.run("respaldo", "--tags", "restore"), 2)
    elsewhere_too.query("DELETE FROM messages")
    ended(operator.run("respaldo", "--tags", "restore", overwrite="otra"))
    assert rows(elsewhere_too) == rows(source)

    place = next((kept.path / "datos").glob("*.dat.gz"))
    place.write_bytes(place.read_bytes()[:-1])
    said = ended(operator.run("respaldo", "--tags", "restore", overwrite="otra"), 2)
    assert f"datos/{place.name}: tiene" in said
    assert dump(source, without=()) == before
