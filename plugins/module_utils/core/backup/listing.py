"""Backups in words: the list, what was taken, what a verification found. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..words import duration, number, size
from .manifest import Manifest, Verification

ListedBackup = tuple[str, Manifest | None, Verification | None, str]
SHOWN_PROBLEMS = 20


def listed(place: str, entries: Iterable[ListedBackup]) -> list[str]:
    """One line per backup, the oldest first."""
    found = []
    for name, manifest, verification, problem in entries:
        if manifest is None or verification is None:
            found.append(f"  {name}: DAÑADO: {problem}")
        else:
            rows = sum(table.rows for table in manifest.tables)
            found.append(
                f"  {name}: {verification.verdict} · base {manifest.database}, sistema {manifest.system or '?'}, PostgreSQL "
                f"{manifest.server_major} · {number(rows)} filas · {size(manifest.bytes)}"
            )
    return [f"Respaldos en {place}:", *found] if found else [f"No hay respaldos en {place}"]


def taken_lines(taken: Mapping[str, Any], found: Verification) -> list[str]:
    """What was taken, and what its verification found."""
    lines = [f"Respaldo {taken['nombre']}: {size(taken['bytes'])}, tomado en {duration(taken['segundos'])}"]
    lines += verdict_lines(taken["nombre"], found)
    if taken["quitados"]:
        lines.append(f"  Vencidos que se quitaron (backup_keep): {', '.join(taken['quitados'])}")
    return lines


def recovered_lines(found: Mapping[str, Any]) -> list[str]:
    """What was restored, and what is left to do by hand."""
    lines = [f"Restaurado {found['nombre']}: {number(found['filas'])} filas, comparadas una por una"]
    lines += [f"  salvo {kind}" for kind in found["salvo"]]
    if found["roles"]:
        lines.append(f"  Roles creados sin contraseña y sin poder entrar (NOLOGIN): {', '.join(found['roles'])}")
    return lines


def verdict_lines(name: str, found: Verification) -> list[str]:
    """The verdict, what it rests on, what could not come and what is wrong."""
    lines = [
        f"  {found.verdict}: {number(found.tables)} tablas y {number(found.rows)} filas de {name}"
        + (f", restauradas en {found.server} y comparadas una por una en {duration(found.seconds)}" if found.holds else "")
    ]
    lines += [f"    salvo {kind}" for kind in found.excepted]
    lines += [f"    {problem}" for problem in found.problems[:SHOWN_PROBLEMS]]
    if len(found.problems) > SHOWN_PROBLEMS:
        lines.append(f"    … y {number(len(found.problems) - SHOWN_PROBLEMS)} más")
    return lines
