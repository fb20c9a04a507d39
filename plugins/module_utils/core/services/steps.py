"""The steps of services as the ledger has them, and where each service stands by them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

STEP = "servicio"  # the type of their events
BACK = "legacy"  # the state of a service that is on legacy, as it was before its first step
SPANISH_SIDE = ("cambia", "espanol", "vuelve")  # states in which it may use the Spanish tables
# What a step says of the service, and how it is told.
SAID = {
    "cambia": "su cambio quedó a medias",
    "espanol": "en español",
    "vuelve": "su vuelta quedó a medias",
    "legacy": "en legacy",
}


def last_steps(details: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Machine and service to its newest step; ``details`` of the events, oldest first."""
    return {(str(d.get("maquina", "")), str(d["servicio"])): d for d in details if d.get("servicio")}


def step_lines(details: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each service, as the summary has it."""
    found = []
    for (machine, service), detail in last_steps(details).items():
        state = str(detail.get("estado", ""))
        more = f"; {detail['dicho']}" if detail.get("dicho") else ""
        found.append(f"{service} ({machine}): {SAID.get(state, state)}{more}")
    return found
