"""``waived_quarantine`` as an operator gives it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.databases import Database
from tests.support.observation import changed, differences, ended_well, everything, failed
from tests.support.playbook import Playbooks

PATTERNS = {"professions:*": "oficios de prueba"}
NAMED = r"\d+ filas de professions {} por professions:\*: oficios de prueba$"


@pytest.mark.slow  # by the jobs alone: test_waivers.py among the integration tests
def test_patterns_are_announced_applied_reported_and_taken_back(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks]
) -> None:
    database = new_database(up_to="fase1")
    runner = playbooks(database.url, subfase="2.1")
    untouched = everything(database)
    said = ended_well(runner.run("fase2", "--check", waived_quarantine=PATTERNS)).stdout
    assert re.search(f"Cuarentena: {NAMED.format('se dispensarían')}", said, re.MULTILINE)
    assert differences(untouched, everything(database)) == []

    said = ended_well(runner.run("fase2", waived_quarantine=PATTERNS)).stdout
    assert re.search(f"Cuarentena: {NAMED.format('dispensadas')}", said, re.MULTILINE)
    assert re.search(r"^  Cuarentena dispensada: \d+ filas", said, re.MULTILINE)
    assert re.search(r"^    \d+ × professions por professions:\*: oficios de prueba$", said, re.MULTILINE)

    again = ended_well(runner.run("fase2", waived_quarantine=[]))
    assert changed(again) == 0
    assert re.search(r"\d+ filas de professions vuelven a estar abiertas", again.stdout)
    assert "Cuarentena dispensada" not in again.stdout


def test_a_pattern_that_names_no_table_is_refused_before_anything_is_reached(playbooks: Callable[..., Playbooks]) -> None:
    runner = playbooks("postgresql://nadie@127.0.0.1:1/nada")
    said = failed(runner.run("fase2", waived_quarantine=["customers:*", "custmers:5"])).output
    assert "'custmers:5' no nombra ninguna tabla de origen; ¿quiso decir customers?" in " ".join(said.split())
