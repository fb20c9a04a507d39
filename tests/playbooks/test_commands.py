"""The commands that README and playbooks promise exist, and the collection works where only Ansible Galaxy has put it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cores import CORES, OLDEST, program_of
from tests.support.databases import Database
from tests.support.observation import ended_well, runs
from tests.support.playbook import PROGRAM, ROOT, Playbooks
from tests.support.variants import brief

README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
TAGS = {
    "": "avanzar",
    "verify": "verificar",
    "rollback": "revertir",
    "estado": "estado",
    "cuarentena": "cuarentena",
    "apartada": "apartadas",
    "parar": "parar",
}
ASKED = [(name, tag) for name in ("fase0", "fase1", "fase2", "fase3") for tag in ("", "verify", "rollback")]
ASKED += [("estado", tag) for tag in ("estado", "cuarentena", "apartada", "parar")]


def tool(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program of the virtual environment, in a clean one of its own."""
    clean = {"PATH": f"{BIN}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", **environment}
    program, *rest = map(str, words)
    return subprocess.run([BIN / program, *rest], cwd=ROOT, env=clean, capture_output=True, text=True, check=False)


def test_make_help_names_every_target_that_somebody_may_call() -> None:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # also when make runs the test
    made = subprocess.run(["make", "help"], cwd=ROOT, env=outside, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)) - {"help"}
    assert {line.split()[1] for line in made.splitlines()} - {"help"} == targets


def readme_playbooks() -> Iterator[list[str]]:
    """What follows ansible-playbook in every line of the README's code that begins with it."""
    lines = [line for block in re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL) for line in block.splitlines()]
    for line in lines + re.findall(r"`([^`\n]+)`", README):
        if called := re.match(r"(?:\$ )?ansible-playbook (.*)", line):
            yield shlex.split(called[1])


@pytest.mark.parametrize("words", list(readme_playbooks()), ids=" ".join)
def test_every_playbook_command_of_the_readme_is_understood(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, *words, "--list-tasks"],
        cwd=ROOT / "playbooks",
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "guardia" in done.stdout.lower()


@pytest.mark.parametrize(("name", "tag"), ASKED)
def test_a_public_tag_runs_the_guard_and_the_play_that_it_names(name: str, tag: str, playbooks: Callable[..., Playbooks]) -> None:
    """A tag that selects nothing, or more than it says, would end with 0 all the same."""
    listed = ended_well(playbooks(None).run(name, *(("--tags", tag) if tag else ()), "--list-tasks")).stdout
    parts = listed.split("\n  play #")[1:]
    with_tasks = [re.findall(r"\(\d/\d\) (?:fase\d: )?(\w+)", part)[0] for part in parts if "TAGS" in part.split("tasks:")[1]]
    assert [title.lower() for title in with_tasks] == ["guardia", TAGS[tag]]


MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("[a-z]*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def test_ansible_doc_renders_every_module_and_every_role(tmp_path: Path) -> None:
    modules = [f"tinkubot.migracion.{name}" for name in MODULES]
    shown = tool("ansible-doc", "-t", "module", *modules, HOME=str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    assert "[WARNING]" not in shown.stderr
    assert re.findall(r"^> MODULE (\S+)", shown.stdout, re.MULTILINE) == modules
    assert shown.stdout.count("EXAMPLES:") == shown.stdout.count("RETURN VALUES:") == len(modules)
    roles = tool("ansible-doc", "-t", "role", *[f"tinkubot.migracion.{name}" for name in ROLES], HOME=str(tmp_path))
    assert roles.returncode == 0, roles.stderr
    assert sorted(re.findall(r"^> ROLE: \S*tinkubot\.migracion\.(\w+)", roles.stdout, re.MULTILINE)) == ROLES


@pytest.mark.parametrize("core", brief(CORES, OLDEST))  # all other tests run on the newest
def test_a_phase_runs_from_a_collection_that_was_built_and_installed_elsewhere(
    core: str, new_database: Callable[..., Database], playbooks: Callable[..., Playbooks], tmp_path: Path
) -> None:
    where = tmp_path / "colecciones"
    built = tool("ansible-galaxy", "collection", "build", ROOT, "--output-path", tmp_path, HOME=str(tmp_path))
    assert built.returncode == 0, built.stderr
    (archive,) = tmp_path.glob("tinkubot-migracion-*.tar.gz")
    put = tool(
        "ansible-galaxy", "collection", "install", archive, "-p", where, "--no-deps", "--offline", "--force", HOME=str(tmp_path)
    )
    assert put.returncode == 0, put.stderr
    home = where / "ansible_collections/tinkubot/migracion"
    database, runner = new_database(), playbooks(None)
    settings = f"backup_dir={tmp_path}/respaldos backup_max_hours=0"
    arguments = ["tinkubot.migracion.fase0", "-i", home / "inventories/demo", "-e", settings]
    environment = {"DATABASE_URL": database.url, "ANSIBLE_COLLECTIONS_PATH": str(where), "ANSIBLE_PIPELINING": "1"}
    done = subprocess.run(
        [program_of(core), *arguments, "-vv"],
        cwd=tmp_path,
        env={**runner.clean_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(home / "playbooks") in done.stdout
    assert runs(database)[-1][1:] == ("fase0", "aplicar", "completada")
