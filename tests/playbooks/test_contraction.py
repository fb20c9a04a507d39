"""fase5 as the operator runs it: simulated, applied, repeated, verified, taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.contraction.conftest import READY
from tests.support.databases import Databases
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.playbook import Playbooks

CODE_MOVED = (
    "INSERT INTO migracion.fase_ejecucion (run_id, fase, accion, estado, operador, terminada_at)"
    " VALUES ('prueba-fase4', 'fase4', 'aplicar', 'completada', 'ana', now() - interval '9 days')"
)
PASSED = {"window": "ensayo", "backup": "ensayo", "stabilization": "ensayo"}


@pytest.mark.slow
def test_the_contraction_and_its_way_back_as_commands(
    databases: Databases, playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    database = databases.sample("jsonb", 200, "open", up_to="fase3")
    run = playbooks(database.url, services_enabled=False, carry_publication=True, overrides=PASSED)
    Jobs(database.url, tmp_path / "respaldos").synchronise()
    with database.cursor() as cursor:
        for statement in (*READY, CODE_MOVED):
            cursor.execute(statement)
    before = dump(database)
    for command in (["fase5", "--check"], ["fase5"], ["fase5"], ["fase5", "--tags", "verify"]):
        result = run.run(*command)
        assert result.rc == 0, result.output
    assert run.run("fase5", "--tags", "rollback").rc == 0
    assert dump(database) == before
    databases.drop(database)
