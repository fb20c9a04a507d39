"""A whole migration and its way back on a database whose settings, and an operator whose shell, mean something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.accounting import take_accounting
from tests.support.databases import Database
from tests.support.dump import dump
from tests.support.observation import changed, differences, ended_well
from tests.support.playbook import Playbooks
from tests.support.settings import ENVIRONMENT, HOSTILE, put, take_away

pytestmark = pytest.mark.slow

PHASES = ("fase0", "fase1", "fase2", "fase3")


@pytest.mark.parametrize(("installation", "settings"), [("jsonb", "everything quoted"), ("text", "days first")])
def test_every_phase_is_applied_proved_repeated_and_undone_under_hostile_settings(
    installation: str, settings: str, new_database: Callable[..., Database], playbooks: Callable[..., Playbooks]
) -> None:
    database = new_database(installation)
    original = dump(database)
    runner = replace(playbooks(database.url), environment=ENVIRONMENT)
    put(database, HOSTILE[settings])
    for name in PHASES:
        ended_well(runner.run(name))
        ended_well(runner.run(name, "--tags", "verify"))
        assert changed(ended_well(runner.run(name))) == 0
    take_away(database)
    assert take_accounting(database.superuser_url).problems == []
    ended_well(runner.run("fase3", "--tags", "verify"))
    put(database, HOSTILE[settings])
    for name in reversed(PHASES[1:]):
        ended_well(runner.run(name, "--tags", "rollback"))
    take_away(database)
    assert differences(original, dump(database)) == []
