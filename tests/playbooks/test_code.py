"""fase4 on repositories: what it leaves in them, what it says, how it goes on and back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases import Database
from tests.support.observation import changed, ended_well, runs
from tests.support.playbook import PlaybookRun, Playbooks

BRANCH = "fase4/tablas-en-espanol"
SURE = """from supabase import create_client

sb = create_client("url", "key")


def city(phone):
    return sb.table("customers").select("city").eq("phone_number", phone).execute()
"""
LEFT = """import requests


def users(base):
    return requests.get(base + "/rest/v1/users")
"""


def git(repository: Path, *args: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    done = subprocess.run(["git", *who, *args], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path, **files: str) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def hook(code: Path) -> None:
    path = code / ".git/hooks/pre-commit"
    path.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def database(new_database: Callable[..., Database]) -> Database:
    return new_database(up_to="fase3")


def refused(run: PlaybookRun, said: str) -> None:
    assert run.rc == 2, run.output
    assert said in " ".join(run.output.split()), run.output


def test_a_repository_is_rewritten_on_a_branch_closed_and_given_back(
    database: Database, playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    runner, code = playbooks(database.url), repository(tmp_path / "service", sure=SURE)
    more = {"code_repos": [str(code)], "quiet_hours": 0}
    checked = ended_well(runner.run("fase4", "--check", **more))
    assert '+    return sb.table("clientes").select("city:ciudad").eq("telefono", phone).execute()' in checked.output
    assert git(code, "status", "--porcelain") == ""
    assert git(code, "branch", "--format=%(refname:short)") == "main"
    assert changed(ended_well(runner.run("fase4", **more))) == 1
    assert git(code, "branch", "--show-current") == BRANCH
    assert 'sb.table("clientes")' in (code / "sure.py").read_text(encoding="utf-8")
    assert git(code, "show", "--stat", "--format=%s", "HEAD").startswith("Tablas en español")
    assert changed(ended_well(runner.run("fase4", **more))) == 0
    ended_well(runner.run("fase4", "--tags", "verify", **more))
    ended_well(runner.run("fase4", "--tags", "rollback", **more))
    assert git(code, "branch", "--show-current") == "main"
    assert (code / "sure.py").read_text(encoding="utf-8") == SURE
    assert [run[1:] for run in runs(database)[-2:]] == [("fase4", "aplicar", "revertida"), ("fase4", "revertir", "completada")]


def test_what_is_left_holds_the_phase_until_it_is_moved_or_waived(
    database: Database, playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    runner, code = playbooks(database.url), repository(tmp_path / "service", sure=SURE, left=LEFT)
    more = {"code_repos": [str(code)], "quiet_hours": 0}
    run = runner.run("fase4", **more)
    refused(run, "left.py:5: una ruta REST nombra la tabla")
    assert runs(database)[-1][1:] == ("fase4", "aplicar", "pausada")
    head = git(code, "rev-parse", "HEAD")
    refused(runner.run("fase4", **more), "service: 1 usos por reescribir a mano o dispensar")
    waived = {"service:left.py:rest_path:*": "la quita el equipo en la próxima versión"}
    ended_well(runner.run("fase4", waived_code=waived, **more))
    assert runs(database)[-1][1:] == ("fase4", "aplicar", "completada")
    assert git(code, "rev-parse", "HEAD") == head


@pytest.mark.slow
def test_writes_to_legacy_tables_hold_the_phase_and_are_named(
    new_database: Callable[..., Database], playbooks: Callable[..., Playbooks]
) -> None:
    database = new_database(up_to="fase1")
    runner = playbooks(database.url)
    for phase in ("fase2", "fase3"):
        ended_well(runner.run(phase))
    database.query("UPDATE customers SET city = 'Loja' WHERE id = (SELECT min(id::text)::uuid FROM customers)")
    said = "Alguien escribió en tablas inglesas hace menos de 24 h: customers"
    refused(runner.run("fase4", code_repos=[], quiet_hours=24), said)
    run = ended_well(runner.run("fase4", code_repos=[], quiet_hours=0))
    assert "code_repos está vacío" in run.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda code: (code / "sure.py").write_text("x = 1\n"), "tiene cambios sin confirmar en sure.py"),
        (hook, "git commit"),
        (lambda code: (code / ".git").rename(code / "git"), "no es la carpeta principal de un repositorio de git"),
    ],
    ids=["dirty", "hook", "no-git"],
)
def test_a_repository_that_is_not_at_rest_or_refuses_is_left_as_it_was(
    database: Database,
    playbooks: Callable[..., Playbooks],
    tmp_path: Path,
    spoil: Callable[[Path], object],
    said: str,
) -> None:
    code = repository(tmp_path / "service", sure=SURE)
    spoil(code)
    before = (code / "sure.py").read_text(encoding="utf-8")
    refused(playbooks(database.url).run("fase4", code_repos=[str(code)], quiet_hours=0), said)
    assert (code / "sure.py").read_text(encoding="utf-8") == before


@pytest.mark.slow
def test_tests_that_fail_leave_the_checkout_as_before_and_the_attempt_as_a_patch(
    database: Database, playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    runner, code = playbooks(database.url), repository(tmp_path / "service", sure=SURE)
    settings = {str(code): {"test": "grep -q customers sure.py"}}
    more = {"code_repos": [str(code)], "quiet_hours": 0}
    run = runner.run("fase4", code_settings=settings, **more)
    refused(run, "las pruebas del repositorio (grep -q customers sure.py): terminó con 1")
    assert git(code, "branch", "--show-current") == "main"
    assert git(code, "status", "--porcelain") == ""
    assert (code / "sure.py").read_text(encoding="utf-8") == SURE
    ended_well(runner.run("fase4", **more))
