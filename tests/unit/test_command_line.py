"""The command line: what the guard refuses, and the commands that the summary prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.module_utils.core.phase.command_line import PHASE_TAGS, RUNNER, STATUS_TAGS, Command, Invocation, clean_extra

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
    ("subfase=2.1 batch_rows=500", '{"overrides": {"window": "l\'acuerdo"}}', "database_url=postgresql://u:secret@h/d"),
)


def test_the_next_command_has_the_same_inventory_extra_variables_and_vault_but_no_secret() -> None:
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
        '{"overrides": {"window": "l\'acuerdo"}}',
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


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("@settings.yml", "@settings.yml"),
        ("ansible_become_password=x a=1", "a=1"),
        ("vault_database_url=x", ""),
        ("{database_url: 'postgresql://u:p@h/d', batch_rows: 5}", '{"batch_rows": 5}'),
        ("{database_url: x}", ""),
        ("a='x y'", "a='x y'"),
        ("{broken", ""),
        ("'broken", ""),
    ],
)
def test_secrets_are_taken_out_of_every_form_of_extra_variables(raw: str, clean: str) -> None:
    assert clean_extra(raw) == clean
