"""What a module call goes by: the settings, parsed once and typed. Pure.

Each has one parser, here; the guard (variables.py) judges what a site gives with the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..backup.keeping import Keep, parse_keep
from ..errors import STEP_CHANGED_NOTHING, MigrationError
from ..quarantine.waivers import Waiver, parse_waivers
from ..rewrite.code_settings import CodeSettings, parse_code_settings, parse_waived_code
from ..words import nearest
from .gates import GATE_NAMES
from .window import Window, parse_window

TRUE = {"true", "yes", "on", "1", "y", "t", "si", "sí"}
FALSE = {"false", "no", "off", "0", "n", "f"}
LARGEST_BATCH = 1_000_000  # of a batch, whose bytes are bounded anyway; the copy's functions take an integer
LARGEST_SAMPLE = 1_000_000  # places of rows that are held in memory at once
SECRET = re.compile(r"(^(database|scratch|restore)_url$|^vault_|pass|secret|token|private_key|(^|_)qr(_|$))", re.IGNORECASE)


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
    if isinstance(value, float) and 0 <= value < math.inf:
        return value
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}(\.\d+)?", str(value).strip()):
        raise ValueError(f"se espera un número de 0 en adelante, no {value!r}")
    return float(value)


def parse_overrides(value: Any) -> dict[str, str]:
    """From a gate's name to the reason why it is passed."""
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


def parse_texts(value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"se espera una lista de textos, no {value!r}. En la línea de órdenes: -e '{{\"nombre\": []}}'")
    return list(value)


def parse_repositories(value: Any) -> tuple[str, ...]:
    """Absolute paths of checkouts, each once."""
    paths = [path.rstrip("/") for path in parse_texts(value)]
    wrong = [path for path in paths if not path.startswith("/")]
    if wrong:
        raise ValueError(f"se espera la ruta absoluta de cada repositorio, no {wrong[0]!r}")
    names = [path.rpartition("/")[2] for path in paths]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"dos repositorios se llaman {twice[0]}: sus pendientes no se distinguirían")
    return tuple(paths)


def whole_from(least: int) -> Callable[[Any], int]:
    """Return the parser of a whole number of at least ``least``."""
    return lambda value: parse_int(value, least)


def _at_most(most: int, value: int) -> int:
    if value > most:
        raise ValueError(f"se espera {most} como máximo, no {value}")
    return value


PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "services_enabled": parse_bool,
    "maintenance_window": parse_window,
    "stabilization_days": parse_number,
    "waived_quarantine": parse_waivers,
    "batch_rows": lambda value: _at_most(LARGEST_BATCH, parse_int(value, 1)),
    "copy_workers": lambda value: _at_most(2, parse_int(value, 1)),
    "deferred_index_rows": whole_from(0),
    "second_opinion_rows": lambda value: _at_most(LARGEST_SAMPLE, parse_int(value)),
    "database_disk_gb": parse_number,
    "propagation_rows": lambda value: _at_most(LARGEST_BATCH, parse_int(value)),
    "backup_max_hours": parse_number,
    "backup_tries": whole_from(1),
    "backup_keep": parse_keep,
    "quiet_hours": parse_number,
    "code_repos": parse_repositories,
    "code_settings": parse_code_settings,
    "waived_code": parse_waived_code,
    "carry_publication": parse_bool,
    "overrides": parse_overrides,
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
    second_opinion_rows: int = 10_000
    database_disk_gb: float = 0
    propagation_rows: int = 1000
    backup_max_hours: float = 24
    backup_tries: int = 5
    backup_keep: Keep = field(default_factory=Keep)
    quiet_hours: float = 24
    code_repos: tuple[str, ...] = ()
    code_settings: Mapping[str, CodeSettings] = field(default_factory=dict)
    waived_code: Mapping[str, str] = field(default_factory=dict)
    carry_publication: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)


def settings_of(params: Mapping[str, Any]) -> Settings:
    """Parse a module's parameters. Raises MigrationError, code refused, naming each one whose value cannot be used."""
    parsed, problems = {}, []
    for name, parse in PARSERS.items():
        if params.get(name) is not None:
            try:
                parsed[name] = parse(params[name])
            except ValueError as error:
                problems.append(f"{name}: {error}")
    if problems:
        move = "Corrija esos valores y repita la orden."
        raise MigrationError("; ".join(problems), left=STEP_CHANGED_NOTHING, move=move, code="refused")
    return Settings(**parsed)


def unknown_subphase(asked: str, subphases: Sequence[str]) -> str:
    """Return what is wrong with the subphase that was asked for, '' where the phase has it or none was."""
    if not asked or asked in subphases:
        return ""
    known = f"las que hay son {', '.join(subphases)}" if subphases else "esta fase no tiene subfases"
    return f"subfase: {asked!r} no existe; {known}"
