"""Judges what fase0 saw of the server and the database as a whole. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..catalogue import NOBODYS, OrphanGrant
from ..sqltext import ident, literal
from ..waits import CLOCKS_APART
from ..words import duration
from .findings import BAR, GOOD, NOTICE, Finding, named

ENCODING = "codificación de la base"
NEWEST_SERVER = 18
SUPERUSER = "un superusuario; en un servicio gestionado, su soporte"


def encoding_findings(answer: tuple[str, list[str]]) -> list[Finding]:
    """(encoding, texts of ours that it cannot hold). SQL_ASCII says of no text what it means, so nothing can be carried."""
    return [_encoding(*answer)]


def bars_everything(findings: Iterable[Finding]) -> bool:
    """Whether no other question would be answered truly, or at all."""
    return any(f.name == ENCODING and f.verdict == BAR for f in findings)


def _encoding(encoding: str, unfit: list[str]) -> Finding:
    name = ENCODING
    if encoding == "SQL_ASCII":
        note = "Ninguna sentencia lo cambia: vuelque la base y restáurela en una con ENCODING 'UTF8'."
        return Finding(name, f"{encoding}: no dice qué letras son los bytes", "UTF8", BAR, note=note)
    if unfit:
        note = "Quite esas letras del mapeo, o lleve la base a una con ENCODING 'UTF8'."
        return Finding(name, f"{encoding}: no tiene letras de {named(unfit)}", "UTF8", BAR, note=note)
    if encoding != "UTF8":
        return Finding(name, encoding, "UTF8", NOTICE, note="Los valores que no quepan en ella irán a cuarentena.")
    return Finding(name, encoding, "UTF8")


def clock_findings(clocks: tuple[float, str, str], *, forward: bool) -> list[Finding]:
    """``clocks``: seconds that the server's is ahead of the runner's, and both as text. Only the way forward is barred."""
    name, limit, (seconds, server, runner) = "relojes", f"{CLOCKS_APART} s de diferencia como mucho", clocks
    if abs(seconds) <= CLOCKS_APART:
        return [Finding(name, f"{abs(seconds):.0f} s de diferencia", limit)]
    value = f"servidor {server}, esta máquina {runner}: {duration(abs(seconds))} de diferencia"
    return [Finding(name, value, limit, BAR if forward else NOTICE, note="Ponga en hora la máquina que vaya mal y repita.")]


@dataclass(frozen=True)
class Prepared:
    """A prepared transaction of the database: its name, whose it is, its age in seconds."""

    database: str
    gid: str
    owner: str
    age: float


def prepared_findings(prepared: list[Prepared]) -> list[Finding]:
    """A transaction prepared and never finished keeps its locks, and everybody's old rows, for good."""
    name, limit = "transacciones preparadas", "ninguna"
    return [
        Finding(
            name,
            f"{literal(p.gid).strip()}, de {p.owner}, desde hace {duration(max(0.0, p.age))}",
            limit,
            NOTICE,
            f"ROLLBACK PREPARED {literal(p.gid).strip()};",
            f"{p.owner} o un superusuario, en la base {p.database}",
            "Retiene sus bloqueos hasta que alguien la termine; COMMIT PREPARED, en vez de ROLLBACK, la confirma.",
        )
        for p in prepared
    ] or [Finding(name, "ninguna", limit)]


@dataclass(frozen=True)
class Standbys:
    """``names``: synchronous_standby_names; ``waiting``: whether a COMMIT of ours waits for them; ``there``: standbys that are
    connected; ``synchronous``: those that answer as synchronous, None where the role may not see it; ``fixed``: whether the
    server's command line sets the names, so that no statement changes them."""

    names: str
    waiting: bool
    there: int
    synchronous: int | None
    fixed: bool


def standby_findings(found: Standbys) -> list[Finding]:
    """A COMMIT waits for each synchronous standby that is asked for, for ever where it is gone."""
    return [_standbys(found)]


def _standbys(found: Standbys) -> Finding:
    name = "réplicas síncronas"
    if not found.names.strip():
        return Finding(name, "ninguna", "ninguna, o todas en marcha")
    asked = re.match(r"\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(", found.names, re.IGNORECASE)
    needed, value = int(asked[1]) if asked else 1, f"«{found.names}»"
    limit, note = f"{needed} en marcha", "Cada COMMIT espera a que responda; si falta, para siempre."
    if not found.waiting:
        return Finding(name, f"{value}, y nuestros COMMIT no esperan", limit)
    if (found.there if found.synchronous is None else found.synchronous) < needed:
        value += f": responde {found.synchronous if found.synchronous is not None else found.there}"
        off = "ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf();"
        return Finding(name, value, limit, BAR, "" if found.fixed else off, SUPERUSER, note)
    if found.synchronous is None:
        return Finding(name, f"{value}, y este rol no ve si responden (pg_monitor)", limit, NOTICE, note=note)
    return Finding(name, f"{value}: responde {found.synchronous}", limit)


def version_findings(answer: tuple[str, int]) -> list[Finding]:
    """(version, major): the connection refuses what is older than the oldest; what is newer has been tried by nobody."""
    version, major = answer
    verdict = NOTICE if major > NEWEST_SERVER else GOOD
    return [Finding("versión de PostgreSQL", version, f"de 14 a {NEWEST_SERVER}", verdict)]


@dataclass(frozen=True)
class Build:
    """The runbook's version and the sha256 of all its files; ``before``: the sha256 that ran last here, '' where none did."""

    version: str
    sha256: str
    before: str


def build_findings(build: Build) -> list[Finding]:
    """Phases of one migration are meant for one state of the code, on every machine."""
    name, limit = "versión del runbook", "la misma en cada fase y máquina"
    value = f"{build.version}, sha256 {build.sha256[:16]}"
    if build.before in ("", build.sha256):
        return [Finding(name, value, limit)]
    note = "La ejecución anterior fue con otra: si no la cambió a propósito, mire qué carpeta y qué colección se usan."
    return [Finding(name, f"{value}; antes, {build.before[:16]}", limit, NOTICE, note=note)]


@dataclass(frozen=True)
class SortingVersion:
    """The version of the library that sorts text: recorded when indexes were built, and the one that runs now."""

    what: str
    recorded: str
    actual: str


def sorting_findings(changed: list[SortingVersion]) -> list[Finding]:
    """An index on text that an older library sorted may not find what is there, and let a double in."""
    name, limit = "orden de los textos", "la versión de los índices"
    note = "Rehaga los índices de texto (REINDEX) antes de la noche: con otra versión no encuentran lo que hay."
    return [Finding(name, f"{c.what}: índices de {c.recorded}, ahora {c.actual}", limit, NOTICE, note=note) for c in changed] or [
        Finding(name, "sin cambios de versión", limit)
    ]


def orphan_findings(orphans: list[OrphanGrant]) -> list[Finding]:
    """No REVOKE reaches a role without a name, so no statement is offered."""
    name, limit, note = "permisos de nadie", "ninguno", NOBODYS[0].upper() + NOBODYS[1:]
    return [Finding(name, o.phrase, limit, NOTICE, note=note) for o in orphans] or [Finding(name, "ninguno", limit)]


@dataclass(frozen=True)
class ForeignReference:
    """A foreign key of a table that is not ours on a Spanish table: where it stands and what it is called, as (schema, name)."""

    table: str
    constraint: str
    target: str
    action: str


def reference_findings(references: list[ForeignReference]) -> list[Finding]:
    """What such a table refers to is neither removed nor emptied, so the way back would stop there."""
    name, limit = "claves foráneas de otros", "ninguna a tablas en español"
    return [
        Finding(
            name,
            f"{r.table}.{ident(r.constraint)} → {r.target} ({r.action})",
            limit,
            NOTICE,
            f"ALTER TABLE {r.table} DROP CONSTRAINT {ident(r.constraint)};",
            f"quien posee {r.table}",
            "Las filas a las que apunte no se retiran, y deshacer fase2 o fase1 se detendría: entonces, no antes, quítela.",
        )
        for r in references
    ] or [Finding(name, "ninguna", limit)]


@dataclass(frozen=True)
class Unidentified:
    """A table, what the server says of an UPDATE or a DELETE there, and the owner's statements that mend it."""

    table: str
    said: str
    mend: str


def identity_of_replicas(tables: list[Unidentified]) -> list[Finding]:
    """A legacy table's services meet it themselves; a Spanish one stops fase1, and every copy, until it is mended."""
    name, limit = "identidad de réplica", "UPDATE y DELETE posibles en lo publicado"
    return [Finding(name, f"{u.table}: {u.said}", limit, NOTICE, f"{u.mend};", f"quien posee {u.table}") for u in tables] or [
        Finding(name, "todas la tienen", limit)
    ]
