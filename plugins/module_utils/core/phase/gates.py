"""The gates of the migration. Pure: facts in, refusals out.

A new gate is a function here and a line in GATES: its name in ``overrides``, what a refusal says and how it is passed
follow from there, and a test asks for its line in docs/gates.md. The order of the phases has no override.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from ..waits import CLOCKS_APART
from ..words import duration
from .history import APPLY, PHASES, REVERT, VERIFY, Plan, Run, completed_at, is_complete, standing_parts
from .window import position

if TYPE_CHECKING:
    from .settings import Settings


class Judged(Protocol):
    """What judges itself: its file is no import of this one, so a module brings along only what its own gates look at."""

    def objection(self) -> str:
        """Why it closes the gate, '' where it does not."""


@dataclass(frozen=True)
class Facts:
    """What the gates look at. What nobody has looked at is not there, and the gate that asks for it stays open."""

    settings: Settings
    now: datetime | None = None  # by the server's clock
    runner: datetime | None = None  # the same moment by the clock of the machine that runs the modules
    plan: Plan | None = None
    runs: tuple[Run, ...] = ()
    begun: frozenset[str] = frozenset()  # phases of which rows were carried and not taken back, completed or not
    disk: Judged | None = None  # backfill's ServerDisk or BackupDisk
    load: Judged | None = None  # backfill's ServerLoad
    removals: Judged | None = None  # proof's Removals
    backup: Judged | None = None  # backup's AtHand
    writers: Judged | None = None  # rewrite's LegacyWriters


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

    def __str__(self) -> str:
        """As a refusal lists it."""
        return f"[{self.gate}] {self.message}"

    @property
    def overridable(self) -> bool:
        """Whether -e overrides passes it."""
        return self.gate in GATE_NAMES


@dataclass(frozen=True)
class Gate:
    """A gate that ``overrides`` passes by name. ``ask``: why it stays closed, '' where it is open; None: nothing asks it yet.

    ``setting``: the public variable that it goes by. The first line of ``ask``'s docstring is what docs/gates.md says.
    """

    name: str
    ask: Callable[[Facts], str] | None
    of_time: bool = False
    setting: str = ""

    def closed(self, facts: Facts) -> ClosedGate | None:
        """Ask it."""
        why = self.ask(facts) if self.ask is not None else ""
        return ClosedGate(self.name, why, self.of_time) if why else None


@dataclass(frozen=True)
class Decision:
    """All gates: those that refuse, and those passed by name with their reason."""

    refusals: tuple[ClosedGate, ...]
    overridden: tuple[tuple[ClosedGate, str], ...] = ()

    @property
    def holds_a_dry_run(self) -> bool:
        """Whether --check has to end non-zero for it."""
        return any(not (refusal.of_time or refusal.not_yet_run) for refusal in self.refusals)


def decide(facts: Facts) -> Decision:
    """Ask every gate of a phase. A rollback meets none but the order: at 06:05 the window must not refuse the way back."""
    plan = facts.plan
    if plan is None or plan.action == VERIFY:
        return Decision(())
    if plan.action == REVERT:
        return Decision(tuple(_later_phase_stands(plan, facts)))
    closed = [found for gate in GATES if (found := gate.closed(facts)) is not None]
    reasons = facts.settings.overrides
    refusals = [*_order(plan, facts.runs), *_clocks(facts), *(found for found in closed if found.gate not in reasons)]
    return Decision(tuple(refusals), tuple((found, reasons[found.gate]) for found in closed if found.gate in reasons))


def closed_gate(name: str, facts: Facts) -> ClosedGate | None:
    """Ask one gate in the middle of a phase; None where it is open or was passed by name."""
    closed, reason = passed_gate(name, facts)
    return None if reason else closed


def passed_gate(name: str, facts: Facts) -> tuple[ClosedGate | None, str]:
    """The same, with the reason with which it was passed by name ('' for none): for whoever records that."""
    gate = next(gate for gate in GATES if gate.name == name)
    return gate.closed(facts), facts.settings.overrides.get(name, "")


def way_past(gate: str, overrides: Mapping[str, str]) -> str:
    """What a gate that was asked alone says at the end of its refusal."""
    return f"O pase esta comprobación: {override_argument([gate], overrides)}"


def override_argument(gates: Iterable[str], overrides: Mapping[str, str]) -> str:
    """The exact -e that passes those of the gates that may be passed, '' when none may.

    Those that this run passes already, ``overrides``, are among them; a reason is asked for anew.
    """
    named = [gate for gate in gates if gate in GATE_NAMES]
    if not named:
        return ""
    wanted = dict.fromkeys([*overrides, *named], "MOTIVO")
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


def _clocks(facts: Facts) -> Iterable[ClosedGate]:
    """No override: one of the two is wrong, and with the server's, all that is decided by time."""
    if facts.now is None or facts.runner is None:
        return
    apart = abs((facts.now - facts.runner).total_seconds())
    if apart > CLOCKS_APART:
        yield ClosedGate(
            "clock",
            f"El reloj del servidor marca {facts.now:%Y-%m-%d %H:%M:%S} UTC y el de la máquina que ejecuta "
            f"{facts.runner:%Y-%m-%d %H:%M:%S} UTC: {duration(apart)} de diferencia, y se admiten {CLOCKS_APART} s. Ventana y "
            "días de reposo van por el del servidor. Ponga en hora el que esté mal y repita la orden.",
        )


def _later_phase_stands(plan: Plan, facts: Facts) -> Iterable[ClosedGate]:
    runs = facts.runs
    for phase in reversed(PHASES[PHASES.index(plan.phase) + 1 :]):
        stands = bool(standing_parts(runs, phase))
        if stands or phase in facts.begun:
            yield ClosedGate(
                "order",
                f"{plan.phase} no se deshace mientras {phase} esté {'hecha' if stands else 'a medias'}: deshaga primero "
                f"{phase} (--tags rollback).",
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


def _window(facts: Facts) -> str:
    """The clock stands outside the maintenance window."""
    window = facts.settings.maintenance_window
    if window is None or facts.now is None or (now := position(window, facts.now)).inside:
        return ""
    return (
        f"Fuera de la ventana de mantenimiento {window}: allí son las {now.local:%H:%M}; abre dentro de "
        f"{now.minutes // 60} h {now.minutes % 60:02d} min."
    )


def _stabilization(facts: Facts) -> str:
    """The phase before ended less than so many days ago."""
    index, days = PHASES.index(facts.plan.phase) if facts.plan else 0, facts.settings.stabilization_days
    ended = completed_at(facts.runs, PHASES[index - 1]) if index else None
    if ended is None or facts.now is None or days <= 0:
        return ""
    left = ended + timedelta(days=days) - facts.now
    if left <= timedelta(0):
        return ""
    hours = math.ceil(left.total_seconds() / 3600)
    return (
        f"{PHASES[index - 1]} terminó el {ended:%Y-%m-%d %H:%M} UTC y pide {days:g} días de "
        f"reposo: faltan {hours // 24} d {hours % 24} h."
    )


def _backup(facts: Facts) -> str:
    """No verified backup of the tables is younger than `backup_max_hours`, and the one that was taken could not be verified."""
    return facts.backup.objection() if facts.backup is not None else ""


def _disk(facts: Facts) -> str:
    """The database server's disk would be more than 85 % full, or `backup_dir` has no room for the legacy tables."""
    return facts.disk.objection() if facts.disk is not None else ""


def _replication_lag(facts: Facts) -> str:
    """A standby or a replication slot is too far behind: the copy waits, and after ten minutes it pauses."""
    return facts.load.objection() if facts.load is not None else ""


def _quiet_hours(facts: Facts) -> str:
    """A service wrote to a legacy table less than so many hours ago: some code has not moved yet."""
    return facts.writers.objection() if facts.writers is not None else ""


def _removal(facts: Facts) -> str:
    """The run would take more than 5 % and more than 100 rows out of a Spanish table: no legacy row explains them any more."""
    return facts.removals.objection() if facts.removals is not None else ""


GATES: tuple[Gate, ...] = (
    Gate("window", _window, of_time=True, setting="maintenance_window"),
    Gate("stabilization", _stabilization, of_time=True, setting="stabilization_days"),
    Gate("approvals", ask=None, setting="approvals_required"),
    Gate("rehearsal", ask=None),
    Gate("backup", _backup, setting="backup_max_hours"),
    Gate("quiet_hours", _quiet_hours, of_time=True, setting="quiet_hours"),
    Gate("stable_hours", ask=None, of_time=True, setting="stable_hours"),
    Gate("readers", ask=None),
    Gate("disk", _disk, setting="database_disk_gb"),
    Gate("replication_lag", _replication_lag),
    Gate("removal", _removal),
)
GATE_NAMES = tuple(gate.name for gate in GATES)
