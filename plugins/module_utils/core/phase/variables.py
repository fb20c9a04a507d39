"""The public variables of a site: which there are, what they may hold, where they make sense. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..quarantine.waivers import Waiver
from ..services.declared import parse_declared
from ..words import closest, nearest
from .settings import PARSERS, parse_bool, parse_number, unknown_subphase, whole_from

BACKUP_PLAYBOOKS = ("respaldo",)
SIDES = ("legacy", "espanol")
# Whose names are not ours to judge.
FOREIGN = ("ansible_", "vault_", "awx_", "tower_")


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


def parse_subphase(value: Any) -> str:
    """A part of a phase; YAML takes 2.1 for a number."""
    if not isinstance(value, str | float | int) or isinstance(value, bool):
        raise ValueError(f"se espera una subfase como 2.1, no {value!r}")
    return str(value).strip()


def parse_switch(value: Any) -> bool | None:
    """On or off in any spelling, or '' where nothing is asked."""
    return None if value == "" else parse_bool(value)


def parse_side(value: Any) -> str:
    """The side whose word is taken, or '' where nothing is asked; with or without its tilde."""
    text = unicodedata.normalize("NFC", parse_text(value)).replace("ñ", "n")
    if text not in ("", *SIDES):
        raise ValueError(f"se espera {' o '.join(SIDES)}, no {text!r}")
    return text


def parse_reasons(value: Any) -> dict[str, str]:
    """From a service's name to a reason in words."""
    if not isinstance(value, Mapping) or not all(isinstance(why, str) and why.strip() for why in value.values()):
        raise ValueError(f"se espera servicio y motivo, como {{ai-service-clientes: versión nueva acordada}}, no {value!r}")
    return {str(name): why.strip() for name, why in value.items()}


@dataclass(frozen=True)
class Variable:
    """A public variable. ``phases``: the playbooks where it makes sense; empty means all.

    ``tag``: the one that reads it, where the playbook without it does not.
    ``once``: given by -e it lets one run pass what would hold it, so no printed command repeats it.
    ``unasked``: nothing asks it yet; these values leave out what it stands for, and any other is told at a run's beginning.
    """

    parse: Callable[[Any], Any]
    phases: tuple[str, ...] = ()
    tag: str = ""
    unasked: tuple[Any, ...] = ()
    once: bool = False


VARIABLES: Mapping[str, Variable] = {
    "database_url": Variable(parse_text),
    "backup_dir": Variable(parse_path),
    "services_dir": Variable(parse_path),
    "services_project": Variable(parse_text),
    "migration_services": Variable(parse_declared),
    "waived_changes": Variable(parse_reasons),
    "services_enabled": Variable(PARSERS["services_enabled"]),
    "code_repos": Variable(PARSERS["code_repos"]),
    "code_settings": Variable(PARSERS["code_settings"]),
    "waived_code": Variable(PARSERS["waived_code"]),
    "maintenance_window": Variable(PARSERS["maintenance_window"], once=True),
    "approvals_required": Variable(whole_from(0), unasked=(0,), once=True),
    "stabilization_days": Variable(PARSERS["stabilization_days"], once=True),
    "quiet_hours": Variable(PARSERS["quiet_hours"], once=True),
    "stable_hours": Variable(parse_number, unasked=(0,), once=True),
    "waived_quarantine": Variable(PARSERS["waived_quarantine"]),
    "batch_rows": Variable(PARSERS["batch_rows"]),
    "copy_workers": Variable(PARSERS["copy_workers"]),
    "deferred_index_rows": Variable(PARSERS["deferred_index_rows"]),
    "second_opinion_rows": Variable(PARSERS["second_opinion_rows"]),
    "database_disk_gb": Variable(PARSERS["database_disk_gb"]),
    "subfase": Variable(parse_subphase, ("fase2",)),
    "propagation_rows": Variable(PARSERS["propagation_rows"]),
    "backup_max_hours": Variable(PARSERS["backup_max_hours"], once=True),
    "backup_tries": Variable(PARSERS["backup_tries"]),
    "backup_keep": Variable(PARSERS["backup_keep"]),
    "backup_name": Variable(parse_text, BACKUP_PLAYBOOKS, once=True),
    "backup_system": Variable(parse_text, BACKUP_PLAYBOOKS, "restore", once=True),
    "restore_url": Variable(parse_text),
    "overwrite": Variable(parse_text, BACKUP_PLAYBOOKS, "restore", once=True),
    "pg_bin": Variable(parse_path),
    "scratch_url": Variable(parse_text),
    "scratch_dir": Variable(parse_path),
    "sincronizacion": Variable(parse_switch, ("estado",), "sincronizacion", once=True),
    "manda": Variable(parse_side, ("estado",), "sincronizacion", once=True),
    "carry_publication": Variable(PARSERS["carry_publication"]),
    "rollback_on_failure": Variable(parse_bool, unasked=(False,)),
    "overrides": Variable(PARSERS["overrides"], once=True),
}


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
        if name == "subfase" and (wrong := unknown_subphase(parsed, subphases)):
            problems.append(wrong)
        if name == "waived_quarantine" and tables and (wrong := unknown_table(parsed, tables)):
            problems.append(f"waived_quarantine: {wrong}")
    return problems


def unknown_table(waivers: Iterable[Waiver], tables: Iterable[str]) -> str:
    """Return what is wrong with the first pattern that names none of the legacy ``tables``, '' when each names one."""
    known = sorted(set(tables))
    for waiver in waivers:
        if not any(waiver.concerns(table) for table in known):
            near = closest(waiver.table, known)
            hint = f"¿quiso decir {near}?" if near else f"las que hay son {', '.join(known)}"
            return f"{waiver.pattern!r} no nombra ninguna tabla de origen; {hint}"
    return ""


def check_extra_vars(
    phase: str, extra: Mapping[str, Any], subphases: Sequence[str] = (), tables: Sequence[str] = (), tags: Sequence[str] = ()
) -> list[str]:
    """What is wrong with the -e of this command, one Spanish sentence each; ``tags``: those it is called with."""
    problems = []
    for name in extra:
        if name in VARIABLES:
            phases, tag = VARIABLES[name].phases, VARIABLES[name].tag
            if tag and phase in phases and tag not in tags:
                problems.append(f"-e {name}: solo lo lee --tags {tag}, y sin esa etiqueta no haría nada")
            if phases and phase not in phases:
                problems.append(f"-e {name}: solo tiene sentido en {', '.join(phases)}, no en {phase}")
        elif not name.startswith(FOREIGN):
            problems.append(f"-e {name}: no existe esa variable{nearest(name, VARIABLES)}")
    judged = {name: value for name, value in extra.items() if not (name == "subfase" and phase not in ("fase2",))}
    return problems + [f"-e {problem}" for problem in check_values(judged, subphases, tables)]
