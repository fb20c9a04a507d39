"""Each module's EXAMPLES work as they are copied: in a playbook beside the phases, on a real database."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.databases import Database
from tests.support.house import copy_of_the_house, living_in
from tests.support.jobs import Jobs, Stage
from tests.support.observation import ended_well
from tests.support.playbook import ROOT, Playbooks

MODULES = {path.stem for path in (ROOT / "plugins/modules").glob("[a-z]*.py")}


@dataclass(frozen=True)
class Around:
    """What an example finds: how far the database is, and the open run that migration_run_id names; and what it leaves more."""

    up_to: Stage | None
    run_of: str | None
    grows: str


AROUND = {
    "database_backup": Around("fase0", None, "migracion.evento WHERE tipo = 'respaldo'"),
    "migration_phase": Around("fase1", None, "migracion.evento WHERE tipo = 'verificacion_esquema'"),
    "migration_record": Around("fase2", "fase3", "migracion.evento WHERE tipo = 'servicio'"),
    "migration_render": Around(None, "fase0", "migracion.sql_aprobado"),
    "schema_state": Around("fase0", "fase1", "pg_class WHERE relname = 'clientes'"),
    "sync_state": Around("fase1", "fase2", "migracion.sincronizacion"),
    "table_compare": Around("2.1", "fase2", "migracion.evento WHERE tipo = 'prueba'"),
    "table_copy": Around("fase1", "fase2", "public.clientes"),
}

# What these need is on a services' host, in a repository or in a later phase: their playbooks' own tests run them.
ELSEWHERE = {
    "code_rewrite": "test_code.py",
    "env_flag": "test_switch.py",
    "legacy_state": "test_contraction.py",
    "service_switch": "test_switch.py",
}


def test_every_module_is_run_somewhere() -> None:
    assert set(AROUND) | set(ELSEWHERE) == MODULES
    assert all((ROOT / "tests/playbooks" / name).exists() for name in ELSEWHERE.values())


@pytest.mark.parametrize("module", AROUND)
def test_an_example_does_what_it_says(
    module: str, new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    around = AROUND[module]
    database = new_database(up_to=around.up_to)
    jobs = Jobs(database.url, tmp_path / "previo", subphase="2.1")
    house = copy_of_the_house(tmp_path / "casa")
    with jobs.run(around.run_of) if around.run_of else nullcontext("") as run_id:
        before = database.value(f"SELECT count(*) FROM {around.grows}")
        play = "- name: Ejemplo\n  hosts: migration_runner\n  gather_facts: false\n"
        play += f"  vars: {{migration_run_id: {run_id}}}\n" if run_id else ""
        example: str = importlib.import_module(f"plugins.modules.{module}").EXAMPLES
        text = f"{play}  tasks:\n{textwrap.indent(example, '    ')}"
        (house / "playbooks/ejemplo.yml").write_text(text, encoding="utf-8")
        ended_well(living_in(house, playbooks(database.url)).run("ejemplo"))
        assert database.value(f"SELECT count(*) FROM {around.grows}") > before
