"""What a site's Ansible, its inventories and its machine may be set to: refused with a sentence, or no difference at all."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import Database
from tests.support.house import copy_of_the_house, living_in, replace
from tests.support.observation import differences, ended_well, everything, failed
from tests.support.phase import window_until
from tests.support.playbook import ROOT, PlaybookRun, Playbooks
from tests.support.variants import brief

NewDatabase = Callable[..., Database]
MakePlaybooks = Callable[..., Playbooks]
BUILD = re.compile(r"Runbook: versión (\S+), sha256 ([0-9a-f]{64}), en (\S+)")


def refused(run: PlaybookRun, *said: str) -> None:
    text = " ".join(failed(run).output.split())
    for words in ("No se cambió nada", *said):
        assert words in text, run.output


def with_environment(runner: Playbooks, **more: str) -> Playbooks:
    return dataclasses.replace(runner, environment={**runner.environment, **more})


# --- one site


@pytest.mark.parametrize("name", ["fase1", "estado"])
def test_two_sites_are_refused(name: str, empty_database: Database, playbooks: MakePlaybooks) -> None:
    refused(playbooks(empty_database.url).run(name, "-i", "demo"), "Un solo sitio por orden", "demo")


@pytest.mark.parametrize("way", brief(["environment", "configuration", "folder"], "environment"))
def test_a_list_of_sites_is_refused_wherever_it_stands(
    way: str, empty_database: Database, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    runner = playbooks(empty_database.url)
    if way == "folder":
        refused(dataclasses.replace(runner, inventory=str(ROOT / "inventories")).run("fase1"), "varios (demo, prod, staging)")
        return
    if way == "environment":
        runner = with_environment(runner, ANSIBLE_INVENTORY="prod,demo")
    else:
        settings = (ROOT / "ansible.cfg").read_text(encoding="utf-8")
        (tmp_path / "otro.cfg").write_text(
            settings.replace("[defaults]", f"[defaults]\ninventory = {ROOT}/inventories/prod,{ROOT}/inventories/demo"),
            encoding="utf-8",
        )
        runner = with_environment(runner, ANSIBLE_CONFIG=str(tmp_path / "otro.cfg"))
    command = [word for word in runner.command("fase1") if word not in ("-i", "demo")]
    done = subprocess.run(
        command, cwd=runner.directory, env=runner.clean_environment(), capture_output=True, text=True, check=False
    )
    refused(PlaybookRun(done.returncode, done.stdout, done.stderr, 0), "Un solo sitio por orden", "prod", "demo")


# --- whose clock


def faked(runner: Playbooks, offset: str) -> Playbooks:
    """The same on a machine whose clock is off; the server's is not."""
    program = shutil.which("faketime")
    assert program, "make test installs it"
    listed = subprocess.run([program, "-f", offset, "env"], capture_output=True, text=True, check=True).stdout
    wanted = dict(line.split("=", 1) for line in listed.splitlines() if line.startswith(("LD_PRELOAD=", "FAKETIME=")))
    return with_environment(runner, **wanted)


def test_a_runner_whose_clock_is_off_goes_forward_nowhere_and_still_back(
    new_database: NewDatabase, playbooks: MakePlaybooks
) -> None:
    database = new_database(up_to="fase1")
    now = datetime.now(UTC)
    settings = {"maintenance_window": window_until(now + timedelta(hours=2)), "overrides": {"stabilization": "prueba"}}
    runner, before = faked(playbooks(database.url), "+5h"), everything(database)
    for arguments in ((), ("--check",)):
        run = failed(runner.run("fase2", *arguments, **settings))
        assert "[clock] El reloj del servidor marca" in run.stdout
        marks = re.findall(r"(\d{4}-\d\d-\d\d \d\d):\d\d:\d\d UTC", run.stdout)
        assert {f"{moment:%Y-%m-%d %H}" for moment in (now, now + timedelta(hours=5))} <= {*marks}
        assert "[window]" not in run.stdout  # at the server's hour it is open
    assert differences(before, everything(database)) == []
    for name, tags in (("estado", "estado"), ("fase1", "verify"), ("fase1", "rollback")):
        ended_well(runner.run(name, "--tags", tags))


# --- whose roles and modules


def installed(folder: Path, archive_of: Path) -> Path:
    """A build of that house, as ansible-galaxy puts it into a collections folder."""
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    archive = folder / "archivo/tinkubot-migracion-0.1.0.tar.gz"
    for arguments in (
        ["build", str(archive_of), "--output-path", str(archive.parent)],
        [
            "install",
            str(archive),
            "-p",
            str(folder),
            "--no-deps",
            "--offline",
            "--force",
        ],
    ):
        done = subprocess.run([galaxy, "collection", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder / "ansible_collections/tinkubot/migracion"


def test_roles_and_modules_of_another_folder_are_refused_by_the_playbooks_themselves(
    empty_database: Database, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    house = copy_of_the_house(tmp_path / "otra")
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, house)
    # it would let everything through: an older guard cannot know
    (house / "roles/phase/tasks/guard.yml").write_text("- {ansible.builtin.debug: {msg: paso}}\n", encoding="utf-8")
    other = installed(tmp_path / ".ansible/collections", house)  # the home of these runs
    runner = playbooks(empty_database.url)
    for name, arguments in (("fase0", ()), ("estado", ()), ("fase1", ("--tags", "rollback"))):
        refused(runner.run(name, *arguments), f"son de {ROOT}", str(other))
    path = with_environment(runner, ANSIBLE_COLLECTIONS_PATH=str(tmp_path / ".ansible/collections"))
    refused(path.run("fase0"), f"son de {ROOT}", str(other))


def test_version_and_hash_of_what_runs_stand_in_the_first_lines_and_in_the_ledger(
    new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    database = new_database()
    said = []
    for folder, change in (("igual", False), ("otra", True)):
        house = copy_of_the_house(tmp_path / folder)
        if change:
            replace(house / "roles/schema/tasks/verify.yml", "state: verified", "state: verified  # otra")
        run = ended_well(living_in(house, playbooks(database.url)).run("fase0" if not change else "fase1", stabilization_days=0))
        found = BUILD.search(run.stdout)
        assert found, run.stdout
        assert run.stdout.index(found[0]) < run.stdout.index("Base de datos: ")
        assert found[3] == str(house)
        said.append({"version": found[1], "sha256": found[2]})
    checkout = BUILD.search(ended_well(playbooks(database.url).run("estado")).stdout)
    assert checkout
    assert said[0]["sha256"] == checkout[2] != said[1]["sha256"]
    kept = database.query("SELECT detalle -> 'runbook' FROM migracion.fase_ejecucion ORDER BY id")
    assert [row[0] for row in kept] == said


# --- what passes between the plays


def test_a_run_needs_no_fact_to_be_injected(new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    runner = with_environment(playbooks(new_database().url), ANSIBLE_INJECT_FACT_VARS="False")
    assert "COMPLETADA" in ended_well(runner.run("fase0")).stdout


def test_a_fact_cache_does_not_stand_in_for_the_guard(
    new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    """Not what an older version left there, and not what has the name of today."""
    database = new_database(up_to="2.1")
    cache = tmp_path / "cache"
    runner = with_environment(
        playbooks(database.url), ANSIBLE_CACHE_PLUGIN="jsonfile", ANSIBLE_CACHE_PLUGIN_CONNECTION=str(cache)
    )
    (last,) = database.query("SELECT run_id FROM migracion.fase_ejecucion ORDER BY id DESC LIMIT 1")[0]
    ended_well(runner.run("estado"))
    assert last not in "".join(path.read_text(encoding="utf-8") for path in cache.glob("*")) if cache.is_dir() else True
    cache.mkdir(exist_ok=True)
    for name in ("runner", "s1_runner"):  # newer cores put a prefix
        facts = {"migration_run_id": last, "phase_guard": {"run_id": last, "url_by_extra": False}}
        (cache / name).write_text(json.dumps(facts), encoding="utf-8")
    before = everything(database)
    run = failed(runner.run("fase2", "--skip-tags", "always", "--tags", "rollback"))
    assert "se saltó la guardia" in run.stdout
    assert differences(before, everything(database)) == []


@pytest.mark.parametrize("strategy", brief(["free", "host_pinned"], "free"))
def test_one_run_is_announced_under_every_strategy(
    strategy: str, empty_database: Database, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    site = tmp_path / "sitio.yml"
    text = (ROOT / "inventories/demo/hosts.yml").read_text(encoding="utf-8")
    site.write_text(text.replace("hosts: {}", "hosts: {uno: {ansible_connection: local}, otro: {ansible_connection: local}}"))
    runner = dataclasses.replace(playbooks(empty_database.url, maintenance_window={}), inventory=str(site))
    run = with_environment(runner, ANSIBLE_STRATEGY=strategy).run("fase0", "--check")
    assert len(re.findall(r"^Ejecución \d", run.stdout, re.MULTILINE)) == 1, run.output


# --- who reads stdout


@pytest.mark.parametrize("callback", brief(["json", "ansible.posix.json", "ansible.posix.jsonl"], "ansible.posix.json"))
def test_stdout_is_the_callbacks_where_a_program_reads_it(
    callback: str, empty_database: Database, playbooks: MakePlaybooks
) -> None:
    run = with_environment(playbooks(empty_database.url), ANSIBLE_STDOUT_CALLBACK=callback).run("estado")
    assert run.rc == 0, run.output
    for text in run.stdout.splitlines() if callback.endswith("jsonl") else [run.stdout]:
        json.loads(text)
    assert "Todavía no se ha ejecutado nada" in run.stderr


@pytest.mark.parametrize(
    "settings",
    brief(
        [
            {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
            {"ANSIBLE_STDOUT_CALLBACK": "minimal"},
            {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.debug"},
        ],
        {"ANSIBLE_STDOUT_CALLBACK": "minimal"},
    ),
)
def test_the_lines_are_on_stdout_where_people_read_it(
    settings: dict[str, str], empty_database: Database, playbooks: MakePlaybooks
) -> None:
    run = ended_well(with_environment(playbooks(empty_database.url), **settings).run("estado"))
    assert "Todavía no se ha ejecutado nada" in run.stdout


# --- the password


@pytest.mark.parametrize("where", brief(["inventory", "vault", "environment", "extra"], "vault"))
def test_a_password_that_looks_like_a_template_is_refused_and_not_shown(
    where: str, empty_database: Database, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    url = "postgresql://migrador:Clave{{Rota 7*7@127.0.0.1:1/base"
    site = tmp_path / "sitio"
    (site / "group_vars").mkdir(parents=True)
    shutil.copy(ROOT / "inventories/demo/hosts.yml", site)
    settings = {
        "inventory": {"database_url": url},
        "vault": {"database_url": "{{ vault_database_url | default('') }}", "vault_database_url": url},
    }.get(where, {})
    (site / "group_vars/all.yml").write_text(json.dumps(settings), encoding="utf-8")
    runner = dataclasses.replace(playbooks(url if where == "environment" else None), inventory=str(site))
    run = runner.run("fase0", "-vvv", **({"database_url": url} if where == "extra" else {}))
    refused(run, "%7B por cada llave que abre")
    assert "Clave" not in run.output
    assert "Rota" not in run.output


def test_what_is_given_by_e_reaches_no_module_but_for_our_own_settings(
    empty_database: Database, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    runner = with_environment(playbooks("postgresql://nadie:nada@127.0.0.1:1/x"), ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
    escaped = json.dumps({"database_url": empty_database.url, "vault_otra": "Secreto1"}).replace("/", "\\/")
    (tmp_path / "mas.json").write_text('{"vault_archivo": "Secreto2", "batch_rows": 7}', encoding="utf-8")
    arguments = ["-e", escaped, "-e", f"@{tmp_path}/mas.json", "-e", "ansible_become_password=Secreto3 copy_workers=2"]
    run = ended_well(runner.run("estado", "-vvv", *arguments))
    (tmp_path / "mas.json").unlink()
    assert "module_args" in run.stdout
    assert "copy_workers=2" in run.stdout
    secret = empty_database.url.split(":", 2)[2].split("@")[0]
    assert not [word for word in (secret, "Secreto1", "Secreto2", "Secreto3") if word in run.output]


EXPOSED: list[dict[str, Any]] = [
    {"environment": {"ANSIBLE_KEEP_REMOTE_FILES": "1"}},
    {"arguments": ("-e", "ansible_pipelining=false")},
    {"arguments": ("-e", "ansible_ssh_pipelining=no")},
    {"arguments": ("-e", '{"ansible_ssh_pipelining": false, "ansible_connection": "ssh"}')},
    {"environment": {"ANSIBLE_PIPELINING": "0"}, "inventory": True},
]


@pytest.mark.parametrize("way", brief(EXPOSED, EXPOSED[1]))
def test_no_module_is_written_to_a_file_with_the_password_in_it(
    way: dict[str, Any], empty_database: Database, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    runner = with_environment(playbooks(empty_database.url), **way.get("environment", {}))
    if way.get("inventory"):
        text = (ROOT / "inventories/demo/hosts.yml").read_text(encoding="utf-8")
        (tmp_path / "sitio.yml").write_text(text.replace("ansible_pipelining: true", "otra: 1"), encoding="utf-8")
        runner = dataclasses.replace(runner, inventory=str(tmp_path / "sitio.yml"))
    refused(runner.run("fase0", *way.get("arguments", ())), "la contraseña al disco", "ansible_pipelining: true")


# --- Ansible's own limit


def test_a_task_that_ansible_cuts_off_says_so_in_our_words(new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    database = new_database(up_to="fase0")
    with database.cursor(database.url) as cursor:
        cursor.execute("LOCK TABLE migracion.fase_ejecucion IN ACCESS EXCLUSIVE MODE")
        run = failed(with_environment(playbooks(database.url), ANSIBLE_TASK_TIMEOUT="6").run("fase1"))
    assert "no terminó en 6 s, el límite que Ansible tiene puesto" in run.stdout
    assert "Timed out after" not in run.output
    assert "expected time frame" not in run.output
