"""What is written in two places says the same in both."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from plugins.doc_fragments.database import ModuleDocFragment
from plugins.module_utils.core.phase.command_line import STATUS_TAGS
from plugins.module_utils.core.phase.gates import GATES
from plugins.module_utils.core.phase.variables import VARIABLES
from plugins.plugin_utils.guard import unasked_notice

ROOT = Path(__file__).parents[2]
WIRING = ROOT / "playbooks" / "group_vars" / "all.yml"
SITE = ROOT / "inventories" / "prod" / "group_vars" / "all.yml"
PHASES = sorted((ROOT / "playbooks").glob("fase?.yml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("roles/*/README.md"))]
SHAPE = ROOT / "playbooks/phase.yml"
CALL = ROOT / "playbooks/call.yml"
# What every site has to say for itself: prod's values are examples, not defaults.
# They run where no database is reached, so they get no address; their role gives them the rest.
ON_THE_SERVICES_HOSTS = ("env_flag", "service_switch")
SITE_SPECIFIC = {"database_url", "backup_dir", "services_dir", "services_project", "migration_services", "code_repos"}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def wired_defaults() -> dict[str, tuple[str, Any]]:
    """Role variable → (the site's setting, the default), for each line of the wiring that has both."""
    environment = jinja2.Environment()
    found = {}
    for variable, text in load(WIRING).items():
        match = re.fullmatch(r"\s*\{\{ (\w+) \| default\((.*)\) \}\}\s*", text, re.DOTALL)
        if match:
            found[variable] = (match[1], environment.compile_expression(match[2])())
    return found


def role_defaults() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        found |= load(path) or {}
    return found


def test_the_roles_defaults_are_those_of_the_wiring() -> None:
    roles = role_defaults()
    wired = {variable: default for variable, (_, default) in wired_defaults().items() if variable in roles}
    assert wired == {variable: roles[variable] for variable in wired}


def test_every_variable_that_is_wired_belongs_to_a_role_that_has_it() -> None:
    roles = role_defaults()
    names = {path.name for path in ROOT.glob("roles/*")}
    owned = {variable for variable in load(WIRING) if any(variable.startswith(f"{name}_") for name in names)}
    assert owned == owned & set(roles)


def test_prod_shows_the_defaults_as_they_are() -> None:
    defaults = {setting: default for setting, default in wired_defaults().values() if setting not in SITE_SPECIFIC}
    site = load(SITE)
    assert defaults == {setting: site[setting] for setting in defaults}


def explained() -> dict[str, str]:
    """Each setting of prod → the comment above it, in one line."""
    found, comment = {}, ""
    for line in SITE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment += line.removeprefix("#").strip() + " "
        elif match := re.match(r"(\w+):", line):
            found[match[1]] = comment
        comment = comment if line.startswith("#") else ""
    return found


def test_prod_explains_every_public_variable() -> None:
    assert {name for name, comment in explained().items() if comment} == set(VARIABLES)


def test_prod_says_which_settings_nothing_asks_yet() -> None:
    said = {name for name, comment in explained().items() if "Nothing asks it yet" in comment}
    assert said == {name for name, known in VARIABLES.items() if known.unasked}


def test_only_the_demo_sets_none_of_them() -> None:
    told = {site: unasked_notice(load(ROOT / f"inventories/{site}/group_vars/all.yml")) for site in ("demo", "staging", "prod")}
    assert [site for site, notice in told.items() if not notice] == ["demo"]


def test_a_gate_that_is_asked_goes_by_a_setting_that_is() -> None:
    going_by = {gate.setting: gate for gate in GATES if gate.setting}
    assert {name: gate.ask is None for name, gate in going_by.items()} == {n: bool(VARIABLES[n].unasked) for n in going_by}


@pytest.mark.parametrize("site", ["demo", "staging"])
def test_the_other_inventories_know_no_setting_that_prod_does_not_explain(site: str) -> None:
    settings = set(load(ROOT / "inventories" / site / "group_vars" / "all.yml"))
    assert settings - {"demo_dir"} <= set(load(SITE))


def commands_of_the_workflow() -> list[str]:
    """What each job runs, once for each value of its matrix."""
    found = []
    for job in load(ROOT / ".github/workflows/ci.yml")["jobs"].values():
        for step in job["steps"]:
            targets = job["strategy"]["matrix"].get("target", [""])
            found += [step.get("run", "").replace("${{ matrix.target }}", target) for target in targets]
    return found


def commands_of_the_hooks() -> list[str]:
    return [hook["entry"] for repo in load(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]


@pytest.mark.parametrize(
    ("place", "at_least"),
    [
        ("readme", {"demo", "demo-down", "test", "setup"}),
        (
            "workflow",
            {"test-slow", "test-matrix", "molecule-broken", "chaos", "flaky", "mutants", "mutants-python", "interleavings"},
        ),
        ("hooks", {"lint", "test-unit"}),
    ],
)
def test_every_make_command_that_is_named_exists(place: str, at_least: set[str]) -> None:
    commands = {"readme": code_of_the_readme, "workflow": commands_of_the_workflow, "hooks": commands_of_the_hooks}[place]()
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)\b", "\n".join(commands)))
    assert at_least <= named <= targets


@functools.cache
def would_run(target: str) -> str:
    """What make would run for it, also in the makes that it calls."""
    made = {name: value for name, value in os.environ.items() if not re.fullmatch("MAKE.*|MFLAGS|S|N", name)}
    command = ["make", "--dry-run", "--no-print-directory", target]
    return subprocess.run(command, cwd=ROOT, env=made, capture_output=True, encoding="utf-8", check=True).stdout


def test_make_test_runs_the_tests_and_the_scenarios() -> None:
    scenarios = [f"molecule/shared/run.sh {path.parent.name}" for path in ROOT.glob("molecule/*/molecule.yml")]
    dry = would_run("test")
    assert scenarios
    wanted = ("-m pytest -n 2", "-m 'containers and not slow'", "tools/prepare_docker.sh", *scenarios)
    assert [part for part in wanted if part not in dry] == []


@pytest.mark.parametrize(
    "part",
    [
        "ansible-lint --offline",
        "mypy --strict",
        "-m pytest -n 2 --dist worksteal -m 'not slow and not containers'",
        "-m pytest -n 2 --dist worksteal -m 'values and not slow and not size and not once' tests/integration",
    ],
)
def test_make_test_fast_lints_and_tests_on_both_servers(part: str) -> None:
    assert part in would_run("test-fast")


def test_make_test_installs_all_but_what_only_slow_tests_need() -> None:
    listed = re.search(r"^PACKAGES := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    script = (ROOT / "tools/prepare_tests.sh").read_text(encoding="utf-8")
    known = re.findall(r"^  ([a-z-]+)\) .*\|\| echo '", script, re.MULTILINE)
    assert listed
    assert set(known) - set(listed[1].split()) == {"openssh-server", "npm"}
    assert set(listed[1].split()) <= set(known)


def test_every_playbook_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"([a-z0-9]+)\.yml -i ", "\n".join(code_of_the_readme())))
    assert named
    assert named <= {path.stem for path in (ROOT / "playbooks").glob("*.yml")}


def code_of_the_readme() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```.*?\n(.*?)\n```", text, re.MULTILINE | re.DOTALL)
    return blocks + re.findall(r"`([^`\n]+)`", text)


def links(page: Path) -> list[str]:
    """The files that a page links to, as it writes them: neither addresses nor places within the page, and no code."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "`code`", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = (target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text))
    return [target for target in targets if target and "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert not [link for link in links(page) if not (page.parent / link).exists()]


def test_the_index_of_decisions_names_every_page_once() -> None:
    decisions = ROOT / "docs" / "decisions"
    listed = [link for link in links(decisions / "README.md") if "/" not in link]
    assert sorted(listed) == sorted(path.name for path in decisions.glob("*.md") if path.name != "README.md")


def test_ci_runs_the_readmes_test_command_and_nothing_else() -> None:
    assert "make test" in code_of_the_readme()
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in run if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["exec make test"]
    assert any(command.endswith("bash .ci/run") for command in commands_of_the_workflow())


def test_the_workflow_installs_nothing_that_make_would_not() -> None:
    assert not [command for command in commands_of_the_workflow() if re.search(r"\b(apt|apt-get|pip|npm)\b", command)]


def test_the_lock_pins_everything_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {normal(re.split(r"[<>=[]", requirement)[0]) for requirement in asked}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.split("==")[0]) for line in lock if "==" in line}
    assert names <= pinned


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_collection_and_project_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert load(ROOT / "galaxy.yml")["version"] == project["version"]


def test_the_built_collection_holds_neither_caches_nor_secrets(tmp_path: Path) -> None:
    galaxy = Path(sys.executable).parent / "ansible-galaxy"
    subprocess.run(
        [galaxy, "collection", "build", ROOT, "--output-path", tmp_path],
        env={**os.environ, "ANSIBLE_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (archive,) = tmp_path.glob("tinkubot-migracion-*.tar.gz")
    with tarfile.open(archive) as built:
        names = built.getnames()
    assert {"playbooks/group_vars/all.yml", "inventories/prod/hosts.yml"} <= set(names)
    hidden = [name for name in names if re.search(r"(^|/)(\.(?!ansible-lint|yamllint)|__pycache__|vault\.yml$)", name)]
    assert not hidden


def test_the_phases_are_four_plays_whose_tags_choose_the_direction() -> None:
    plays = load(SHAPE)
    tags = [[play["tags"]] if isinstance(play.get("tags"), str) else play.get("tags", []) for play in plays]
    assert tags == [["always"], [], ["never", "verify"], ["never", "rollback"]]
    assert [play["hosts"] for play in plays] == ["all:localhost"] + ["migration_runner"] * 3
    assert [play.get("vars") for play in plays] == [
        None,
        {"phase_direction": "aplicar", "phase_steps": "{{ phase_forward }}"},
        {"phase_direction": "verificar", "phase_steps": "{{ phase_proof }}"},
        {"phase_direction": "revertir", "phase_steps": "{{ phase_way_back }}"},
    ]
    assert plays[1]["tasks"] == plays[2]["tasks"] == plays[3]["tasks"]
    assert not has_key(plays, "when")
    assert not has_key(plays, "ansible.builtin.set_fact")


@pytest.mark.parametrize("path", PHASES, ids=lambda p: p.stem)
def test_a_phase_is_a_header_and_three_lists_of_steps(path: Path) -> None:
    """And nothing else: no when, no set_fact, no SQL."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 16
    header = " ".join(line.removeprefix("# ") for line in lines if line.startswith("# "))
    for said in ("Los servicios", "Se deshace", "Punto de no retorno"):
        assert said in header
    (phase,) = load(path)
    steps = {name: phase["vars"].pop(name) for name in ("phase_forward", "phase_proof", "phase_way_back")}
    assert phase == {
        "name": path.stem.replace("fase", "Fase "),
        "ansible.builtin.import_playbook": SHAPE.name,
        "vars": {"phase_name": path.stem},
    }
    for step in (step for listed in steps.values() for step in listed):
        assert {"role"} <= set(step) <= {"role", "tasks"}
        assert (ROOT / "roles" / step["role"] / "tasks" / f"{step.get('tasks', 'main')}.yml").is_file()
    assert steps["phase_forward"]
    assert steps["phase_proof"]


def test_what_estado_does_is_one_call_for_each_tag() -> None:
    guard, *calls = load(ROOT / "playbooks/estado.yml")
    assert guard["tags"] == "always"
    for number, play in enumerate(calls, 2):
        assert play["name"].startswith(f"({number}/{len(calls) + 1}) ")
        assert play["ansible.builtin.import_playbook"] == CALL.name
        assert play["vars"] | {"phase_name": "estado", "call_title": play["name"]} == play["vars"]
        assert (ROOT / "roles/phase/tasks" / f"{play['vars']['call_tasks']}.yml").is_file()
    asked = [play["tags"] if isinstance(play["tags"], str) else play["tags"][1] for play in calls]
    assert {tag for tags in STATUS_TAGS for tag in tags} - {"all"} == set(asked)
    assert all(play["tags"][0] == "never" for play in calls[1:])


def test_every_module_takes_the_shared_parameters_and_gets_them_from_the_same_two_places() -> None:
    """Anchors do not cross files: playbooks/phase.yml and call.yml each hold the block once."""
    blocks = [play["module_defaults"] for play in (*load(SHAPE)[1:], *load(CALL))]
    assert len(blocks) == 4
    assert all(block == blocks[0] for block in blocks)
    ((group, shared),) = blocks[0].items()
    assert group == "group/tinkubot.migracion.migration"
    documented = [yaml.safe_load(text)["options"] for text in (ModuleDocFragment.DOCUMENTATION, ModuleDocFragment.MAPPING)]
    assert set(shared) == {name for options in documented for name in options}
    modules = {path.stem: path.read_text(encoding="utf-8") for path in ROOT.glob("plugins/modules/[a-z]*.py")}
    for name in ON_THE_SERVICES_HOSTS:
        text = modules.pop(name)
        assert "  - tinkubot.migracion.database.host\n" in text
        assert "HOST_OPTIONS)" in text
    assert set(load(ROOT / "meta/runtime.yml")["action_groups"]["migration"]) == set(modules)
    for text in modules.values():
        assert "  - tinkubot.migracion.database\n  - tinkubot.migracion.database.mapping\n" in text
        assert "**MAPPING_OPTIONS" in text


def test_no_role_repeats_a_shared_parameter() -> None:
    """But the guard: it runs before the address may be asked for, and on whichever host comes first."""
    shared = load(SHAPE)[1]["module_defaults"]["group/tinkubot.migracion.migration"]
    repeated = {
        (path.parents[1].name, path.stem, name)
        for path in ROOT.glob("roles/*/tasks/*.yml")
        for task in load(path)
        for action, given in task.items()
        if action.startswith("tinkubot.migracion.")
        for name in set(given) & set(shared)
    }
    theirs = {("service_restart", tasks, name) for tasks in ("call", "flag") for name in ("run_id", "phase", "backup_dir")}
    assert repeated == {("phase", "guard", name) for name in ("phase", "mapping", "mapping_path")} | theirs


def test_no_tag_stands_inside_a_role() -> None:
    """A task tagged `never, rollback` in a role runs as soon as any other of its tags is asked for."""
    tagged = [str(path) for path in sorted(ROOT.glob("roles/*/*/*.yml")) if has_key(load(path), "tags")]
    assert not tagged


def has_key(node: Any, key: str) -> bool:
    if isinstance(node, dict):
        return key in node or any(has_key(value, key) for value in node.values())
    return isinstance(node, list) and any(has_key(item, key) for item in node)
