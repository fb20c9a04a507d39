"""A stranger answers in the database's place, with a key that is not its own: the command refuses, and nothing has happened."""

from __future__ import annotations

import pytest

from .conftest import Database

testinfra_hosts = ["database"]


@pytest.fixture
def deceived(database: Database) -> str:
    """The phase that met the stranger."""
    found = [
        station["phase"]
        for station in database.host.ansible.get_variables()["road"]
        if station.get("first", {}).get("name") == "ajena"
    ]
    if not found:
        pytest.skip("no stranger on this road")
    return str(found[0])


def test_a_wrong_host_key_is_refused(database: Database, deceived: str) -> None:
    run = database.said(deceived, "ajena")
    assert run["rc"] != 0
    assert "Host key verification failed" in run["stdout"] + run["stderr"]


def test_nothing_changed_and_nothing_was_recorded(database: Database, deceived: str) -> None:
    assert database.dump(deceived, "ajena") == database.dump(deceived, "antes")
    assert database.rows(f"SELECT estado FROM migracion.fase_ejecucion WHERE fase = '{deceived}'") == ["completada"]
