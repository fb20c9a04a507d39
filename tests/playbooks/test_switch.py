"""The switch of the services through the playbook: forward, again, back, with a real compose project."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.compose import IMAGE, NAMED, STAY, Compose, compose_in
from tests.support.databases import Database
from tests.support.jobs import Jobs
from tests.support.playbook import PlaybookRun, Playbooks

pytestmark = pytest.mark.containers


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Compose]:
    """A compose project with nothing in it yet."""
    with compose_in(tmp_path) as made:
        yield made


@pytest.fixture
def operator(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], project: Compose, tmp_path: Path
) -> Playbooks:
    """An operator whose services run in the project, with all data carried."""
    database = new_database(up_to="fase3")
    Jobs(database.url, tmp_path / "respaldos").synchronise()
    return at_site(playbooks(database.url), project, tmp_path)


def at_site(operator: Playbooks, project: Compose, folder: Path, **more: Any) -> Playbooks:
    """The same with an inventory of its own, whose services lie on the runner."""
    runner = {"ansible_connection": "local", "ansible_pipelining": True}
    runner["ansible_python_interpreter"] = "{{ ansible_playbook_python }}"
    groups = {"migration_runner": {"hosts": {"runner": runner}}, "services": {"hosts": {"runner": None}}}
    site = folder / "sitio"
    (site / "group_vars").mkdir(parents=True, exist_ok=True)
    (site / "hosts.yml").write_text(json.dumps({"all": {"children": groups}}), encoding="utf-8")
    settings = {
        "services_dir": str(project.folder),
        "services_project": project.name,
        "maintenance_window": {},
        "stabilization_days": 0,
        **more,
    }
    (site / "group_vars" / "all.yml").write_text(json.dumps(settings), encoding="utf-8")
    return replace(operator, inventory=str(site))


def changed(run: PlaybookRun) -> int:
    """The sum of what Ansible counted as changed."""
    return sum(
        int(part.split("changed=")[1].split()[0]) for part in run.stdout.splitlines() if "changed=" in part and "ok=" in part
    )


def test_the_services_move_after_the_proof_and_come_back(operator: Playbooks, project: Compose) -> None:
    project.write({"ai": NAMED, "panel": {"image": IMAGE, "command": STAY}})
    project.up()
    before = project.ids()
    forward = operator.run("fase3")
    assert forward.rc == 0, forward.output
    assert "Servicios:\n    ai (runner): en español" in forward.stdout
    assert "Vuelta atrás: probada con una fila en cada una de 9 tablas" in forward.stdout
    assert project.modes() == {"ai": "false", "panel": ""}
    assert project.ids()["panel"] == before["panel"]
    held = operator.run("fase3", "--tags", "rollback", services_enabled=False)
    assert held.rc != 0
    assert "hay servicios en las tablas en español: ai (runner)" in held.output
    back = operator.run("fase3", "--tags", "rollback")
    assert back.rc == 0, back.output
    assert project.modes() == {"ai": "true", "panel": ""}
    assert project.env.read_text() == "MIGRATION_MODE=true\n"


@pytest.mark.slow
def test_a_dry_run_only_looks_and_a_second_run_finds_nothing_to_do(operator: Playbooks, project: Compose) -> None:
    project.write({"ai": NAMED})
    project.up()
    before = project.ids()
    tried = operator.run("fase3", "--check")
    assert tried.rc == 0, tried.output
    assert "cambiarían a MIGRATION_MODE=false: ai (en su lugar)" in tried.stdout
    assert project.ids() == before
    assert project.env.read_text() == "MIGRATION_MODE=true\n"
    assert operator.run("fase3").rc == 0
    moved = project.ids()
    assert operator.run("fase3", "--tags", "verify").rc == 0
    again = operator.run("fase3")
    assert (again.rc, changed(again)) == (0, 0), again.output
    assert project.ids() == moved


@pytest.mark.slow
def test_a_service_that_dies_while_it_is_watched_takes_all_back(operator: Playbooks, project: Compose) -> None:
    dying = ["sh", "-c", "[ $$MIGRATION_MODE = true ] && exec sleep 1000; sleep 15; exit 4"]
    project.write({"ai": NAMED, "otro": {**NAMED, "command": dying}})
    project.up()
    failed = operator.run("fase3")
    assert failed.rc != 0
    assert "otro: estaba bien tras su turno, y su contenedor terminó con código 4" in failed.output
    assert project.modes() == {"ai": "true", "otro": "true"}
    assert project.env.read_text() == "MIGRATION_MODE=true\n"
    assert "otro (runner): en legacy" in failed.stdout


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 2.0, 5.0, 9.0, 14.0])
def test_a_run_killed_during_the_switch_is_completed_by_the_same_command(
    operator: Playbooks, project: Compose, after: float
) -> None:
    project.write({"ai": NAMED, "web": NAMED})
    project.up()
    with operator.start("fase3") as running:
        while project.env.read_text() != "MIGRATION_MODE=false\n":
            assert running.process.poll() is None
            time.sleep(0.05)
        time.sleep(after)
        running.kill_group()
    again = operator.run("fase3")
    assert again.rc == 0, again.output
    assert project.modes() == {"ai": "false", "web": "false"}
    back = operator.run("fase3", "--tags", "rollback")
    assert back.rc == 0, back.output
    assert project.modes() == {"ai": "true", "web": "true"}
