"""The gates before a phase. Pure: facts in, refusals out."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from .history import APPLY, PHASES, REVERT, VERIFY, Plan, Run, completed_at, is_complete, standing_parts
from .window import Window, position

GATES = (
    "window",
    "stabilization",
    "approvals",
    "rehearsal",
    "backup",
    "quiet_hours",
    "stable_hours",
    "disk",
    "replication_lag",
)


@dataclass(frozen=True)
class Facts:
    """What the gates look at."""

    now: datetime
    runs: tuple[Run, ...] = ()
    window: Window | None = None
    stabilization_days: float = 0
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClosedGate:
    """One gate that stays closed. ``of_time`` or ``not_yet_run``: a dry run goes on as if it were open.

    ``first``: what has to be run before, as (phase, tags, subphase).
    """

    gate: str
    message: str
    of_time: bool = False
    not_yet_run: bool = False
    first: tuple[str, str, str] | None = None

    @property
    def overridable(self) -> bool:
        """Whether -e overrides passes it."""
        return self.gate in GATES


@dataclass(frozen=True)
class Decision:
    """All gates: those that refuse, and those passed by name with their reason."""

    refusals: tuple[ClosedGate, ...]
    overridden: tuple[tuple[ClosedGate, str], ...] = ()

    @property
    def holds_a_dry_run(self) -> bool:
        """Whether --check has to end non-zero for it."""
        return any(not (refusal.of_time or refusal.not_yet_run) for refusal in self.refusals)


def decide(plan: Plan, facts: Facts) -> Decision:
    """Ask every gate. A rollback meets none but the order: at 06:05 the window must not refuse the way back."""
    if plan.action == VERIFY:
        return Decision(())
    if plan.action == REVERT:
        return Decision(tuple(_later_phase_stands(plan, facts.runs)))
    refusals = [*_order(plan, facts.runs), *_window(facts), *_stabilization(plan, facts)]
    passed = [(r, facts.overrides[r.gate]) for r in refusals if r.overridable and r.gate in facts.overrides]
    named = {refusal.gate for refusal, _ in passed}
    return Decision(tuple(r for r in refusals if r.gate not in named), tuple(passed))


def override_argument(refusals: Iterable[ClosedGate], overrides: Mapping[str, str]) -> str:
    """The exact -e that passes all gates that may be passed, '' when none may."""
    gates = [refusal.gate for refusal in refusals if refusal.overridable]
    if not gates:
        return ""
    wanted = {**overrides, **dict.fromkeys(gates, "MOTIVO")}
    return "-e " + shlex.quote(json.dumps({"overrides": wanted}, ensure_ascii=False))


def _order(plan: Plan, runs: tuple[Run, ...]) -> Iterable[ClosedGate]:
    earlier = PHASES[: PHASES.index(plan.phase)]
    missing = [phase for phase in earlier if not is_complete(plan, runs, phase)]
    if missing:
        states = {phase: _last_state(runs, phase) for phase in missing}
        said = ", ".join(f"{phase} ({_in_words(plan, runs, phase, states[phase])})" for phase in missing)
        yield ClosedGate(
            "order",
            f"{plan.phase} va después de: {said}. Siguiente paso: {missing[0]}.",
            not_yet_run=all(state in ("", "revertida") for state in states.values()),
            first=(missing[0], "", ""),
        )
    own = plan.all_parts(plan.phase)
    first = next((i for i, part in enumerate(own) if part in plan.parts), 0)
    waiting = [part for part in own[:first] if part not in plan.parts and part not in standing_parts(runs, plan.phase)]
    if waiting:
        said = f"La subfase {plan.parts[0]} va después de {', '.join(waiting)}."
        yield ClosedGate("order", said, not_yet_run=True, first=(plan.phase, "", waiting[0]))


def _later_phase_stands(plan: Plan, runs: tuple[Run, ...]) -> Iterable[ClosedGate]:
    for phase in reversed(PHASES[PHASES.index(plan.phase) + 1 :]):
        if standing_parts(runs, phase):
            yield ClosedGate(
                "order",
                f"{plan.phase} no se deshace mientras {phase} esté hecha: deshaga primero {phase} (--tags rollback).",
                first=(phase, "rollback", ""),
            )
            return
    own = plan.all_parts(plan.phase)
    last = max((i for i, part in enumerate(own) if part in plan.parts), default=len(own))
    later = [part for part in own[last + 1 :] if part in standing_parts(runs, plan.phase)]
    if later:
        said = f"Deshaga primero la subfase {later[-1]}: sus filas dependen de las de {plan.parts[-1]}."
        yield ClosedGate("order", said, first=(plan.phase, "rollback", later[-1]))


def _last_state(runs: tuple[Run, ...], phase: str) -> str:
    return next((run.state for run in reversed(runs) if run.phase == phase and run.action == APPLY), "")


def _in_words(plan: Plan, runs: tuple[Run, ...], phase: str, state: str) -> str:
    done = standing_parts(runs, phase)
    if done and state in ("completada", ""):
        return "falta la subfase " + " y la ".join(part for part in plan.all_parts(phase) if part not in done)
    return {"": "no se ha ejecutado", "revertida": "se deshizo", "completada": "no se ha ejecutado"}.get(state, state)


def _window(facts: Facts) -> Iterable[ClosedGate]:
    if facts.window is None:
        return
    now = position(facts.window, facts.now)
    if not now.inside:
        yield ClosedGate(
            "window",
            f"Fuera de la ventana de mantenimiento {facts.window}: allí son las {now.local:%H:%M}; abre dentro de "
            f"{now.minutes // 60} h {now.minutes % 60:02d} min.",
            of_time=True,
        )


def _stabilization(plan: Plan, facts: Facts) -> Iterable[ClosedGate]:
    index = PHASES.index(plan.phase)
    ended = completed_at(facts.runs, PHASES[index - 1]) if index else None
    if ended is None or facts.stabilization_days <= 0:
        return
    left = ended + timedelta(days=facts.stabilization_days) - facts.now
    if left > timedelta(0):
        hours = math.ceil(left.total_seconds() / 3600)
        yield ClosedGate(
            "stabilization",
            f"{PHASES[index - 1]} terminó el {ended:%Y-%m-%d %H:%M} UTC y pide {facts.stabilization_days:g} días de "
            f"reposo: faltan {hours // 24} d {hours % 24} h.",
            of_time=True,
        )
