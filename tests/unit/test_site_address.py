"""The address as a site's files give it: what Ansible would take for a template is refused, and nothing of it is repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from plugins.plugin_utils.site_address import address_of

URL = "postgresql://migrador:{}@servidor:5432/base"
Asked = Callable[..., tuple[str, str]]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the guard finds in a site with these settings, read by Ansible itself."""

    def ask(environment: str = "", extra: dict[str, Any] | None = None, **settings: Any) -> tuple[str, str]:
        monkeypatch.setenv("DATABASE_URL", environment)
        group = {"migration_runner": {"hosts": {"runner": {}}, "vars": settings}}
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": group}}), encoding="utf-8")
        loader = DataLoader()
        inventory = InventoryManager(loader=loader, sources=[str(tmp_path / "hosts.yml")])
        manager = VariableManager(loader=loader, inventory=inventory)
        given = loader.load(json.dumps(extra or {}))
        manager._extra_vars = given
        return address_of("runner", given, {"hostvars": HostVars(inventory, manager, loader)})

    return ask


@pytest.mark.parametrize(
    "password", ["ab{{cd", "ab{{ 7*7 }}cd", "{{x}}", "{{x}}ab", "{%ab", "{% if x %}a{% endif %}", "ab{#cd", "ab{# c #}d"]
)
@pytest.mark.parametrize("where", ["inventory", "vault", "part", "extra", "environment", "unsafe"])
def test_a_password_that_looks_like_a_template_is_refused(password: str, where: str, asked: Asked) -> None:
    url = URL.format(password)
    found = {
        "inventory": lambda: asked(database_url=url),
        "vault": lambda: asked(database_url="{{ vault_database_url | default('') }}", vault_database_url=url),
        "part": lambda: asked(database_url=URL.format("{{ secreto.clave }}"), secreto={"clave": password}),
        "extra": lambda: asked(URL.format("a"), {"database_url": url}, database_url=URL.format("b")),
        "environment": lambda: asked(url, database_url=URL.format("b")),
        "unsafe": lambda: asked(database_url="{{ otra }}", otra="{{ vault_x }}", vault_x=url),
    }[where]()
    address, said = found
    assert address == "" or where == "environment"
    assert "%7B" in said
    assert password not in said
    assert "servidor" not in said


@pytest.mark.parametrize(
    "settings",
    [
        {"database_url": URL.format("a%7B%7Bb")},
        {"database_url": "{{ vault_database_url | default('') }}", "vault_database_url": URL.format("a%7B%7Bb")},
        {"database_url": URL.format("{{ clave | urlencode }}"), "clave": "a b"},
        {"database_url": URL.format("{{ (clave ~ 'b') | realpath | basename if clave is not file else '' }}"), "clave": "a"},
        {"database_url": "{{ lookup('env', 'OTRA') | default(otra, true) }}", "otra": URL.format("a{b}c")},
        {"database_url": "{% if propia %}" + URL.format("a") + "{% endif %}", "propia": True},
    ],
)
def test_a_site_may_compose_its_address(settings: dict[str, Any], asked: Asked) -> None:
    address, said = asked(**settings)
    assert said == ""
    assert address.startswith("postgresql://migrador:a")


def test_who_gives_it_wins_in_the_order_that_is_documented(asked: Asked) -> None:
    given = {"extra": {"database_url": URL.format("e")}, "database_url": URL.format("i")}
    assert asked(URL.format("v"), **given)[0] == URL.format("e")
    assert asked(URL.format("v"), database_url=URL.format("i"))[0] == URL.format("v")
    assert asked(URL.format("v"), database_url=URL.format("ab{{cd")) == (URL.format("v"), "")  # nobody reads that one
    assert asked(database_url=URL.format("i"))[0] == URL.format("i")
    assert asked() == ("", "")
