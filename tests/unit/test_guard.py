"""What the guard says of a playbook that it is asked for, without a playbook."""

from __future__ import annotations

import pytest
from ansible import context

from plugins.plugin_utils import guard


@pytest.mark.parametrize(("phase", "known"), [("fase9", False), ("fase", False), ("fase4", True), ("estado", True)])
def test_only_a_phase_that_the_order_knows_is_let_through(phase: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", {})
    said = guard.objections({"phase": phase}, {}, {"groups": {}})
    assert any(f"{phase} no es una fase de este runbook" in sentence for sentence in said) is not known


@pytest.mark.parametrize("name", ["phase.yml", "playbooks/phase.yml", "tinkubot.migracion.phase"])
def test_the_shape_of_the_phases_is_not_called_by_itself_whatever_an_inventory_names(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "CLIARGS", {"args": (name,)})
    (said,) = guard.objections({"phase": "fase2"}, {}, {"groups": {}})
    assert said.startswith("phase.yml es la forma que comparten las fases")
