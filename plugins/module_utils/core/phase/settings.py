"""The public variables: which there are, what they may hold, where they make sense. Pure.

Each is parsed here and nowhere else: by the guard as the site gives it, and once in a module call, into Settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import STEP_CHANGED_NOTHING, MigrationError
from ..quarantine.waivers import Waiver, parse_waivers, unknown_table
from ..words import nearest
from .gates import GATE_NAMES
from .window import Window, parse_window

TRUE = {"true", "yes", "on", "1", "y", "t", "si", "sí"}
FALSE = {"false", "no", "off", "0", "n", "f"}
# Whose names are not ours to judge.
FOREIGN = ("ansible_", "vault_", "awx_", "tower_")
SECRET = re.compile(r"(^database_url$|^vault_|pass|secret|token|private_key)", re.IGNORECASE)


def parse_bool(value: Any) -> bool:
    """True or false in any spelling; ValueError in Spanish otherwise. -e services_enabled=false arrives as text."""
    text = str(value).strip().lower()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise ValueError(f"se espera true o false (también yes, no, on, off, 1, 0), no {value!r}")


def parse_int(value: Any, least: int = 0) -> int:
    """A whole number of at least ``least``."""
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,12}", str(value).strip()) or int(value) < least:
        raise ValueError(f"se espera un número entero de {least} en adelante, no {value!r}")
    return int(value)


def parse_number(value: Any) -> float:
    """A number, zero or more: days and hours may be fractions."""
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}(\.\d+)?", str(value).strip()):
        raise ValueError(f"se espera un número de 0 en adelante, no {value!r}")
    return float(value)


def parse_text(value: Any) -> str:
    """Text in one line."""
    if not isinstance(value, str) or "\n" in value.strip():
        raise ValueError("se espera un texto en una línea")
    return value.strip()


def parse_path(value: Any) -> str:
    """An absolute path: a relative one would mean another place on the runner."""
    text = parse_text(value)
    if text and not text.startswith("/"):
        raise ValueError(f"se espera una ruta absoluta, no {text!r}")
    return text


def parse_texts(value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"se espera una lista de textos, no {value!r}. En la línea de órdenes: -e '{{\"nombre\": []}}'")
    return list(value)


def parse_services(value: Any) -> list[dict[str, Any]]:
    """Services: a name and its URLs."""
    known = {"name", "health_url", "smoke_url", "public_url", "singleton"}
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, Mapping) and "name" in item for item in value):
        raise ValueError("se espera una lista de servicios, cada uno con name")
    unknown = sorted({key for item in value for key in item} - known)
    if unknown:
        raise ValueError(f"un servicio no tiene {', '.join(unknown)}; puede tener {', '.join(sorted(known))}")
    return [dict(item) for item in value]


def parse_overrides(value: Any) -> dict[str, str]:
    """From a gate's name to the reason why it is passed."""
    if value in (None, ""):
        return {}
    if not isinstance(value, Mapping):
        raise ValueError('se espera puerta y motivo: -e \'{"overrides": {"window": "acordado con soporte"}}\'')
    for gate, reason in value.items():
        if gate not in GATE_NAMES:
            raise ValueError(
                f"{gate!r} no es una puerta{nearest(str(gate), GATE_NAMES)}. Las puertas son: {', '.join(GATE_NAMES)}"
            )
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"la puerta {gate} necesita un motivo en palabras")
    return {str(gate): reason.strip() for gate, reason in value.items()}


@dataclass(frozen=True)
class Variable:
    """A public variable. ``phases``: the playbooks where it makes sense; empty means all.

    ``unasked``: nothing asks it yet; these values leave out what it stands for, and any other is told at a run's beginning.
    """

    parse: Callable[[Any], Any]
    phases: tuple[str, ...] = ()
    unasked: tuple[Any, ...] = ()


def _from(least: int) -> Callable[[Any], int]:
    return lambda value: parse_int(value, least)


def _at_most(most: int, value: int) -> int:
    if value > most:
        raise ValueError(f"se espera {most} como máximo, no {value}")
    return value


# services_enabled: the summary of every run says already that services take no part, and why. propagation_rows: its default.
VARIABLES: Mapping[str, Variable] = {
    "database_url": Variable(parse_text),
    "backup_dir": Variable(parse_path),
    "services_dir": Variable(parse_path, unasked=("",)),
    "services_project": Variable(parse_text, unasked=("",)),
    "migration_services": Variable(parse_services, unasked=([],)),
    "services_enabled": Variable(parse_bool, unasked=(True, False)),
    "code_repos": Variable(parse_texts, unasked=([],)),
    "maintenance_window": Variable(parse_window),
    "approvals_required": Variable(_from(0), unasked=(0,)),
    "stabilization_days": Variable(parse_number),
    "quiet_hours": Variable(parse_number, unasked=(0,)),
    "stable_hours": Variable(parse_number, unasked=(0,)),
    "waived_quarantine": Variable(parse_waivers),
    "batch_rows": Variable(_from(1)),
    "copy_workers": Variable(lambda value: _at_most(2, parse_int(value, 1))),
    "deferred_index_rows": Variable(_from(0)),
    "database_disk_gb": Variable(parse_number),
    "subfase": Variable(lambda value: str(value).strip(), ("fase2",)),
    "propagation_rows": Variable(_from(0), unasked=(1000,)),
    "rollback_on_failure": Variable(parse_bool, unasked=(False,)),
    "overrides": Variable(parse_overrides),
}


@dataclass(frozen=True)
class Settings:
    """What a module call goes by, parsed, under the names of the public variables.

    A module without a parameter of that name goes by what stands here, which is the parameter's own default too.
    """

    services_enabled: bool = True
    maintenance_window: Window | None = None
    stabilization_days: float = 2
    waived_quarantine: tuple[Waiver, ...] = ()
    batch_rows: int = 5000
    copy_workers: int = 1
    deferred_index_rows: int = 100_000
    database_disk_gb: float = 0
    overrides: Mapping[str, str] = field(default_factory=dict)


def settings_of(params: Mapping[str, Any]) -> Settings:
    """Parse a module's parameters. Raises MigrationError, code refused, naming each one whose value cannot be used."""
    given = {f.name: params[f.name] for f in fields(Settings) if params.get(f.name) is not None}
    if problems := check_values(given):
        move = "Corrija esos valores y repita la orden."
        raise MigrationError("; ".join(problems), left=STEP_CHANGED_NOTHING, move=move, code="refused")
    return Settings(**{name: VARIABLES[name].parse(value) for name, value in given.items()})


def check_values(values: Mapping[str, Any], subphases: Sequence[str] = (), tables: Sequence[str] = ()) -> list[str]:
    """One sentence per public variable whose value cannot be used. Secrets are not repeated.

    ``subphases``: those of the phase; ``tables``: the legacy ones, where the mapping is known.
    """
    problems = []
    for name, value in values.items():
        if name not in VARIABLES:
            continue
        try:
            parsed = VARIABLES[name].parse(value)
        except ValueError as error:
            problems.append(f"{name}: {error}")
            continue
        if name == "subfase" and parsed and parsed not in subphases:
            known = f"las que hay son {', '.join(subphases)}" if subphases else "esta fase no tiene subfases"
            problems.append(f"subfase: {parsed!r} no existe; {known}")
        if name == "waived_quarantine" and tables and (wrong := unknown_table(parsed, tables)):
            problems.append(f"waived_quarantine: {wrong}")
    return problems


def check_extra_vars(
    phase: str, extra: Mapping[str, Any], subphases: Sequence[str] = (), tables: Sequence[str] = ()
) -> list[str]:
    """What is wrong with the -e of this command, one Spanish sentence each."""
    problems = []
    for name in extra:
        if name in VARIABLES:
            phases = VARIABLES[name].phases
            if phases and phase not in phases:
                problems.append(f"-e {name}: solo tiene sentido en {', '.join(phases)}, no en {phase}")
        elif not name.startswith(FOREIGN):
            problems.append(f"-e {name}: no existe esa variable{nearest(name, VARIABLES)}")
    judged = {name: value for name, value in extra.items() if not (name == "subfase" and phase not in ("fase2",))}
    return problems + [f"-e {problem}" for problem in check_values(judged, subphases, tables)]
