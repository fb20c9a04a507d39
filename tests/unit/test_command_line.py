"""The command line: what the guard refuses, and the commands that the summary prints."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import context
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from plugins.module_utils.core.phase.command_line import PHASE_TAGS, RUNNER, STATUS_TAGS, Command, Invocation, clean_extra
from plugins.plugin_utils import controller

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
GOOD: dict[str, Any] = {"run_tags": ("all",), "public_tags": PHASE_TAGS, "inventories": ("/x/demo",), "runners": ("runner",)}


def problems(**changes: Any) -> list[str]:
    return Invocation(**{**GOOD, **changes}).problems()


@pytest.mark.parametrize("tags", [("all",), ("verify",), ("rollback",)])
def test_a_public_tag_passes(tags: tuple[str, ...]) -> None:
    assert problems(run_tags=tags) == []


@pytest.mark.parametrize("tags", [("estado",), ("cuarentena",), ("cuarentena", "estado"), ("parar",)])
def test_the_status_has_tags_of_its_own(tags: tuple[str, ...]) -> None:
    assert problems(run_tags=tags, public_tags=STATUS_TAGS) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run_tags": ("rolback",)}, "¿quiso decir rollback?"),
        ({"run_tags": ("all", "rollback")}, "--tags all,rollback: no se puede"),
        ({"run_tags": ("verify", "rollback")}, "no se puede"),
        ({"run_tags": ("always",)}, "no se puede"),
        ({"run_tags": ()}, "no se puede"),
        ({"limit": "runner"}, "--limit runner"),
        ({"skip_tags": ("always",)}, "--skip-tags always"),
        ({"start_at": "Cerrar"}, "--start-at-task"),
        ({"missing_inventories": ("porduccion",)}, "-i porduccion: ese inventario no existe"),
        ({"runners": None}, "no tiene el grupo migration_runner"),
        ({"runners": None, "inventories": ()}, "Sin -i"),
        ({"inventories": ("/x/prod", "/x/demo")}, "hay varios (/x/prod, /x/demo)"),
        ({"inventories": ("/x/prod", "/x/prod")}, "Un solo sitio por orden"),
        ({"inventories": ("prod,demo",)}, "hay varios (prod,demo)"),
        ({"inventories": ("/x",), "sites": ("demo", "prod")}, "hay varios (demo, prod)"),
        ({"runners": ()}, "exactamente una máquina y tiene 0"),
        ({"runners": ("a", "b")}, "tiene 2 (a, b)"),
    ],
)
def test_whatever_would_select_nothing_or_too_much_is_refused(changes: dict[str, Any], said: str) -> None:
    (problem,) = problems(**changes)
    assert said in problem


@pytest.mark.names("core/phase/command_line._inventory")
def test_every_inventory_that_a_refusal_names_has_the_group() -> None:
    (problem,) = problems(runners=None, inventories=())
    named = re.findall(r"-i (\w+)", problem)
    assert len(named) == 3
    for name in named:
        hosts = yaml.safe_load((PLAYBOOKS / name / "hosts.yml").read_text(encoding="utf-8"))
        assert RUNNER in str(hosts)


COMMAND = Command(
    "fase2.yml",
    ("-i", "prod", "--vault-id", "prod@prompt"),
    ("subfase=2.1 batch_rows=500", '{"services_project": "l\'acuerdo"}'),
)


def test_the_next_command_has_the_same_inventory_extra_variables_and_vault() -> None:
    words = shlex.split(COMMAND.text("fase3", without=["subfase"]))
    assert words == [
        "ansible-playbook",
        "fase3.yml",
        "-i",
        "prod",
        "--vault-id",
        "prod@prompt",
        "-e",
        "batch_rows=500",
        "-e",
        '{"services_project": "l\'acuerdo"}',
    ]


def test_the_way_back_keeps_the_subphase() -> None:
    text = COMMAND.text("fase2", "rollback")
    assert "subfase=2.1" in text
    assert text.endswith("--tags rollback")


@pytest.mark.parametrize(
    ("playbook", "sibling"),
    [
        ("fase1.yml", "fase2.yml"),
        ("playbooks/fase1.yml", "playbooks/fase2.yml"),
        ("tinkubot.migracion.fase1", "tinkubot.migracion.fase2"),
        ("/opt/x/fase1.yaml", "/opt/x/fase2.yaml"),
    ],
)
def test_another_playbook_is_named_as_this_one_was(playbook: str, sibling: str) -> None:
    assert Command(playbook).text("fase2") == f"ansible-playbook {sibling}"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What the modules get of a command line with those -e."""

    def call(*raws: str) -> dict[str, Any]:
        monkeypatch.setattr(context, "CLIARGS", {"extra_vars": raws})
        loader = DataLoader()
        monkeypatch.setattr(load_extra_vars, "extra_vars", None, raising=False)  # it reads them once in a process
        return controller.command(".", load_extra_vars(loader), loader)

    return call


@pytest.mark.parametrize(
    ("raw", "repeated"),
    [
        ("ansible_become_password=x batch_rows=1", "batch_rows=1"),
        ("vault_database_url=x", ""),
        ("{database_url: 'postgresql://u:p@h/d', batch_rows: 5}", '{"batch_rows": 5}'),
        ('{"database_url": "postgresql:\\/\\/u:p@h\\/d"}', ""),
        ('{"ansible_password": "x", "otra": {"clave": "y"}, "copy_workers": 2}', '{"copy_workers": 2}'),
        ("services_project='x y'", "services_project='x y'"),
        ("subfase=2.1", "subfase=2.1"),
        ('{"overrides": {"window": "esta noche"}, "batch_rows": 5}', '{"batch_rows": 5}'),
        ('{"maintenance_window": {}, "stabilization_days": 0}', ""),
        ("approvals_required=0 quiet_hours=0 stable_hours=0", ""),
    ],
)
def test_of_extra_variables_only_our_own_travel_and_no_permission(
    raw: str, repeated: str, given: Callable[..., dict[str, Any]]
) -> None:
    assert given(raw)["extra"] == ([repeated] if repeated else [])


@pytest.mark.parametrize(
    ("content", "repeated"),
    [
        ({"batch_rows": 5}, "@FILE"),
        ({"batch_rows": 5, "ansible_password": "x"}, "@FILE"),
        ({"batch_rows": 5, "ansible_password": "x", "overrides": {"window": "esta noche"}}, '{"batch_rows": 5}'),
        ({"batch_rows": 5, "subfase": "2.1"}, '{"batch_rows": 5, "subfase": "2.1"}'),  # so that the next phase can leave it out
    ],
)
def test_a_file_of_them_is_named_unless_it_holds_what_is_not_repeated(
    content: dict[str, Any], repeated: str, given: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "sitio.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    assert given(f"@{file}")["extra"] == [repeated.replace("FILE", str(file))]


def test_what_is_not_repeated_is_said(given: Callable[..., dict[str, Any]]) -> None:
    said = given("vault_x=1", '{"overrides": {"window": "esta noche"}, "stabilization_days": 0}')
    assert (said["dropped"], said["others_by_extra"]) == (["overrides", "stabilization_days"], True)
    said = given("batch_rows=5", "awx_user_name=ana")
    assert (said["dropped"], said["others_by_extra"]) == ([], False)


def test_what_is_repeated_can_be_read() -> None:
    assert clean_extra('{"services_project": "año"}', lambda _: True) == '{"services_project": "año"}'


@pytest.mark.parametrize("raw", ["{broken", "'broken", "[1, 2]"])
def test_what_nobody_can_read_is_not_repeated(raw: str) -> None:
    assert clean_extra(raw, lambda _: True) == ""


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        (
            "Enciéndala antes: ansible-playbook estado.yml --tags sincronizacion -e sincronizacion=si con el mismo -i",
            "Enciéndala antes: ansible-playbook playbooks/estado.yml -i demo --tags sincronizacion -e sincronizacion=si",
        ),
        (
            "Ejecute antes fase1.yml y fase2.yml con el mismo -i.",
            "Ejecute antes ansible-playbook playbooks/fase1.yml -i demo y ansible-playbook playbooks/fase2.yml -i demo.",
        ),
        ("Mire con ansible-playbook estado.yml y el mismo -i;", "Mire con ansible-playbook playbooks/estado.yml -i demo;"),
        ("fase2: repita playbooks/fase2.yml -i demo", "fase2: repita playbooks/fase2.yml -i demo"),
    ],
)
def test_a_command_with_the_same_inventory_is_spelled_to_be_copied(text: str, typed: str) -> None:
    assert Command("playbooks/fase2.yml", ("-i", "demo")).spelled(text) == typed


def test_each_public_tag_is_named_once() -> None:
    (said,) = problems(run_tags=("cuarentna",), public_tags=STATUS_TAGS)
    assert said.endswith("con uno solo de: estado, cuarentena, apartada, parar, sincronizacion, drenar")
