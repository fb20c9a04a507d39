"""What ran before: the phases in their order, the runs, and which parts of a phase stand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PHASES = ("fase0", "fase1", "fase2", "fase3", "fase4", "fase5")


SWITCHING = "fase3"  # the phase that moves the services
APPLY, REVERT, VERIFY = "aplicar", "revertir", "verificar"
TAGS = {APPLY: "", REVERT: "rollback", VERIFY: "verify"}
# From which states a run may move to the key.
LEGAL_FROM: dict[str, tuple[str, ...]] = {
    "en_curso": ("pausada",),
    "pausada": ("en_curso",),
    "completada": ("en_curso",),
    "fallida": ("en_curso", "pausada"),
    "revertida": ("completada", "fallida", "pausada"),
}


@dataclass(frozen=True)
class Run:
    """A row of migracion.fase_ejecucion."""

    id: int
    run_id: str
    phase: str
    action: str
    state: str
    operator: str
    started: datetime
    ended: datetime | None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[str, ...]:
        """The subphases that it covers; ('',) for a phase without parts."""
        return tuple(self.detail.get("subfases") or ("",))


@dataclass(frozen=True)
class Plan:
    """What is asked for. ``parts``: the subphases of this run; ``subphases``: all that each phase has."""

    phase: str
    action: str
    parts: tuple[str, ...] = ("",)
    subphases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def all_parts(self, phase: str) -> tuple[str, ...]:
        """Every subphase of a phase; ('',) when it has none."""
        return self.subphases.get(phase) or ("",)


def standing_parts(runs: Iterable[Run], phase: str) -> set[str]:
    """The parts of a phase that are completed and not undone ('' for a phase without parts)."""
    parts: set[str] = set()
    for run in runs:
        if run.phase == phase and run.state == "completada":
            parts = parts | set(run.parts) if run.action == APPLY else parts - set(run.parts)
    return parts


def is_complete(plan: Plan, runs: Iterable[Run], phase: str) -> bool:
    """Whether every part of the phase stands."""
    return set(plan.all_parts(phase)) <= standing_parts(runs, phase)


def completed_at(runs: Iterable[Run], phase: str) -> datetime | None:
    """When the phase's last completed run ended."""
    return max(
        (r.ended for r in runs if r.phase == phase and r.state == "completada" and r.action == APPLY and r.ended),
        default=None,
    )
