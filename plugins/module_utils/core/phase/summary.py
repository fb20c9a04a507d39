"""The last lines of a run, for a tired reader: what happened, what is left, how to undo it, what comes next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..words import duration, number, units
from .command_line import Command
from .history import PHASES, REVERT, SWITCHING, TAGS

Quarantine = Sequence[tuple[str, str, int, list[str]]]
Waived = Sequence[tuple[str, str, str, int]]
SHOWN = 10
WOULD_RUN = "SIMULACIÓN: se podría ejecutar"


@dataclass(frozen=True)
class Ending:
    """How a run ended. ``verdict``: 'COMPLETADA', 'FALLIDA'…; ``proof``: the detail of its last event 'prueba'."""

    phase: str
    action: str
    verdict: str
    run_id: str
    log: str
    command: Command
    subphase: str = ""
    services: bool = True
    proof: Mapping[str, Any] | None = None
    quarantine: Quarantine = ()
    waived: Waived = ()
    pending: int = 0
    notes: tuple[str, ...] = ()
    can_undo: bool = False
    repeat: bool = False
    dry: bool = False
    waiting: tuple[str, ...] = ()  # subphases of this phase that are still to be done
    services_said: tuple[str, ...] = ()  # where each service stands after this run
    ready: bool = True  # whether the first of them has tables in the mapping

    def lines(self, now: datetime) -> list[str]:
        """The summary."""
        part = f" {self.subphase}" if self.subphase else ""
        took = time_taken(self.run_id, now)
        found = ["", f"{self.phase}{part} · {self.action} · {self.verdict}{f' · {took}' if took else ''}"]
        found += [f"  {note}" for note in self.notes]
        found += accounting(self.proof or {})
        found += quarantine_lines(self.quarantine, self.command) + waived_lines(self.waived)
        if self.pending:
            found.append(f"  Pendientes de propagar: {number(self.pending)}")
        found += self._services()
        if self.log:
            found.append(f"  Registro: {self.log}")
        return found + self._commands()

    def _services(self) -> list[str]:
        """What was done with the services; they take part in the phase of the switch alone."""
        if not self.services or self.phase != SWITCHING:
            return [f"  Servicios: no participan en esta fase{'' if self.services else ' (services_enabled=false)'}"]
        if not self.services_said:
            return ["  Servicios: no se cambió ninguno"]
        return ["  Servicios:", *(f"    {line}" for line in self.services_said)]

    def _commands(self) -> list[str]:
        found = []
        if self.can_undo and self.phase == PHASES[0]:
            found.append(f"  Para deshacer: nada: {self.phase} solo mira y anota")
        elif self.can_undo:
            found.append(f"  Para deshacer: {self.command.text(self.phase, 'rollback')}")
        again = self.command.text(self.phase, TAGS[self.action])
        if self.dry and self.verdict == WOULD_RUN:
            found.append(f"  Para ejecutarla: {again}")
        elif self.dry:
            found.append(f"  Para simularla otra vez, corregida la causa: {again} --check")
        elif self.repeat:
            found.append(f"  Para continuar: corrija la causa y repita: {again}")
        elif following := self._next():
            found.append(f"  Siguiente: {following}")
        if found and self.command.others_by_extra:
            found.append("  (más sus otros -e, que aquí no se repiten; database_url, mejor en la variable DATABASE_URL)")
        if found and self.command.dropped:
            found.append(f"  (sin lo que se dio solo para esta ejecución: {', '.join(self.command.dropped)})")
        return found

    def _next(self) -> str:
        if self.action == REVERT:
            return self.command.text(self.phase) + "   (cuando la causa esté corregida)"
        if self.waiting and not self.ready:
            return f"{self.phase}, subfase {self.waiting[0]} (todavía no tiene tablas en el mapeo)"
        if self.waiting:
            again = ("-e", f"subfase={self.waiting[0]}")
            return self.command.text(self.phase, more=again, without=["subfase"])
        index = PHASES.index(self.phase) + 1
        if index == len(PHASES):
            return ""
        if PHASES[index] not in self.command.playbooks:
            return f"{PHASES[index]} (todavía no existe en este runbook)"
        return self.command.text(PHASES[index])


def backup_line(detail: Mapping[str, Any], command: Command) -> str:
    """Return which backup the phase can go back to, and how; or that it has none, and why."""
    if reason := detail.get("ninguno"):
        return f"Respaldo: ninguno (puerta backup saltada: {reason})"
    name = str(detail.get("nombre", ""))
    again = command.text("respaldo", "verify", more=("-e", f"backup_name={name}"))
    return f"Respaldo: {name}; se comprueba otra vez con: {again}"


def accounting(proof: Mapping[str, Any]) -> list[str]:
    """Legacy rows = equal + merged + quarantined + pending, per table; then every difference."""
    found = [f"  {line}" for line in proof.get("al_dia", ())]
    found += [
        f"  {table['origen']} → {table['destino']}: {number(table['total'])} filas = {number(table['iguales'])} iguales + "
        f"{number(table['fusionadas'])} fusionadas + {number(table['cuarentena'])} en cuarentena + "
        f"{number(table['pendientes'])} pendientes"
        for table in proof.get("tablas", ())
    ]
    differences = list(proof.get("diferencias", ()))
    if differences:
        found.append(f"  Diferencias: {number(len(differences))}")
        found += [f"  {str(line).strip()}" for line in differences[:SHOWN]]
        if len(differences) > SHOWN:
            found.append(f"  … y {number(len(differences) - SHOWN)} más (en el registro)")
    return found


def quarantine_lines(entries: Quarantine, command: Command) -> list[str]:
    """Open quarantine by reason, with keys as examples."""
    if not entries:
        return []
    found = [f"  Cuarentena abierta: {units(sum(entry[2] for entry in entries), 'fila')}: {command.text('estado', 'cuarentena')}"]
    for table, reason, count, keys in entries[:SHOWN]:
        found.append(f"    {number(count)} × {table}: {reason} (por ejemplo {', '.join(keys)})")
    if len(entries) > SHOWN:
        found.append(f"    … y {units(len(entries) - SHOWN, 'motivo')} más")
    return found


def waived_lines(entries: Waived) -> list[str]:
    """Waived quarantine by table and pattern, with the reason that was given."""
    if not entries:
        return []
    found = [f"  Cuarentena dispensada: {units(sum(rows for *_, rows in entries), 'fila')} (waived_quarantine)"]
    found += [f"    {number(rows)} × {table} por {pattern}: {reason}" for table, pattern, reason, rows in entries[:SHOWN]]
    if len(entries) > SHOWN:
        found.append(f"    … y {units(len(entries) - SHOWN, 'patrón', 'patrones')} más")
    return found


def time_taken(run_id: str, now: datetime) -> str:
    """How long the run took, '' where its id does not begin with its start in UTC."""
    try:
        start = datetime.strptime(run_id[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return duration(max(0.0, (now - start).total_seconds()))
