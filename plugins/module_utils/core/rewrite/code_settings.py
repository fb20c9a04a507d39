"""What a site says of its repositories: clients by name, the formatter's and the tests' commands, findings waived by name."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .reasons import LEFT, CodeFinding


@dataclass(frozen=True)
class CodeSettings:
    """Of one repository. ``clients``: dotted names that are clients; commands are argument lists, run without a shell."""

    clients: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


def parse_code_settings(value: Any) -> dict[str, CodeSettings]:
    """From a repository's path to what is said of it. ValueError in Spanish for anything else."""
    if not isinstance(value, Mapping):
        raise ValueError("se espera, por ruta de repositorio, clients, format y test")
    found = {}
    for path, said in value.items():
        if not isinstance(path, str) or not path.startswith("/"):
            raise ValueError(f"se espera la ruta absoluta de un repositorio, no {path!r}")
        if not isinstance(said, Mapping) or set(said) - {"clients", "format", "test"}:
            raise ValueError(f"de {path} se puede decir clients, format y test")
        clients = said.get("clients", [])
        if not isinstance(clients, list) or not all(isinstance(name, str) and name.strip() for name in clients):
            raise ValueError(f"clients de {path}: se espera una lista de nombres")
        found[path.rstrip("/")] = CodeSettings(tuple(clients), _command(path, said, "format"), _command(path, said, "test"))
    return found


def _command(path: str, said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = said.get(name, "")
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} de {path}: se espera una orden")
    try:
        return tuple(shlex.split(value))
    except ValueError:
        raise ValueError(f"{name} de {path}: le falta una comilla") from None


def parse_waived_code(value: Any) -> dict[str, str]:
    """From a pattern of a finding's name to the reason why it may stay. ValueError in Spanish for anything else."""
    if not isinstance(value, Mapping):
        raise ValueError('se espera patrón y motivo: {"repositorio:ruta:razón:*": "motivo"}')
    for pattern, reason in value.items():
        if not isinstance(pattern, str) or pattern.count(":") < 3:
            raise ValueError(f"{pattern!r} no tiene la forma repositorio:ruta:razón:huella")
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"{pattern} necesita un motivo en palabras")
    return {pattern: reason.strip() for pattern, reason in value.items()}


def unwaived(repository: str, findings: Iterable[CodeFinding], waived: Mapping[str, str]) -> list[CodeFinding]:
    """Return the uses left that no pattern names."""
    return [f for f in findings if f.kind == LEFT and not any(fnmatchcase(f.name(repository), pattern) for pattern in waived)]


def unused_waivers(names: Sequence[str], waived: Mapping[str, str]) -> list[str]:
    """Return the patterns that name no finding."""
    return [pattern for pattern in waived if not any(fnmatchcase(name, pattern) for name in names)]
