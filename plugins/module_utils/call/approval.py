"""What fase0 approved, and whether it is still what would run."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from ..core.catalogue import catalogue_json
from ..core.errors import MigrationError
from ..core.phase.history import standing_parts
from ..core.render import render
from ..core.rows.routes import Route
from ..core.survey.drift import column_changes
from ..ledger.events import left_so_far
from ..ledger.runs import recorded_runs
from ..server import db
from .context import CATALOGUE_NAME, Context, readable_catalogue

MAPPING_NAME = "mapeo"


def approved_texts(context: Context) -> dict[str, str]:
    """Return what fase0 stores as approved: every rendered file, the mapping and the catalogue they come from."""
    texts = render(context.mapping, context.catalogue)
    return {**texts, MAPPING_NAME: context.mapping_text, CATALOGUE_NAME: catalogue_json(context.catalogue)}


def require_approved(context: Context) -> list[str]:
    """Stop when mapping, legacy columns or rendered SQL are no longer what fase0 approved: raises MigrationError, code drift.

    Judged for the tables of this run, all of them where it carries no rows; returns a line where others have changed, which
    stops only the phases that carry those. A dry run before fase0 goes on as if that had run; behind it, it stops where the
    run would.
    """
    if context.check and "" not in standing_parts(recorded_runs(context.conn), "fase0"):
        return []
    stored = {
        name: (digest, text)
        for name, digest, text in db.fetch_all(context.conn, "SELECT nombre, sha256, texto FROM migracion.sql_aprobado")
    }
    if not stored:
        raise MigrationError(
            "no hay SQL aprobado", left=left_so_far(context.conn, context.run_id), move="Ejecute antes fase0.yml con el mismo -i."
        )
    reasons: list[str] = []
    others: list[str] = []
    ours = None
    if CATALOGUE_NAME in stored:
        approved = readable_catalogue(stored[CATALOGUE_NAME][1])
        if approved is None:
            raise _drift(context, ["la aprobación es de otra versión del runbook y ya no se puede leer"])
        if any(context.catalogue.relation(r.name) is None for r in approved.relations):  # nothing can be rendered without it
            raise _drift(context, column_changes(context.mapping, approved, context.catalogue))
        ours = _concerned(context)
        for relation in approved.relations:
            phrases = column_changes(context.mapping, replace(approved, relations=(relation,)), context.catalogue)
            (reasons if ours is None or relation.name in ours else others).extend(phrases)
        before, here = approved.server_major, context.catalogue.server_major
        if not before:
            reasons.append("la aprobación es de otra versión del runbook")
        elif before != here:
            reasons.append(f"fase0 aprobó el SQL para PostgreSQL {before} y el servidor es ahora PostgreSQL {here}")
    now = approved_texts(context)
    changed = sorted(name for name in {*stored, *now} if stored.get(name, ("", ""))[0] != sha256(now.get(name, "")))
    if MAPPING_NAME in changed:
        reasons.insert(0, f"el mapeo ({context.mapping.path}) no es el que fase0 aprobó")
    files = [name for name in changed if name not in (MAPPING_NAME, CATALOGUE_NAME)]
    of_this_run = [name for name in files if ours is None or name.startswith("fase0/") or _subject(name) in ours]
    for listed, said in ((of_this_run, reasons), ([name for name in files if name not in of_this_run], others)):
        if listed:
            said.append(f"cambia el SQL de {', '.join(listed)}")
    if reasons:
        raise _drift(context, reasons)
    return [f"Aviso: ha cambiado lo que otra fase lleva, que no seguirá hasta que fase0 lo apruebe: {'; '.join(others)}"] * bool(
        others
    )


def _concerned(context: Context) -> set[str] | None:
    """The legacy and Spanish tables that this run reads, fills or leans on, and its pairs; None where it carries no rows."""
    if not context.routes:
        return None
    names, _ = _leant_on(context)
    return names


def routes_leant_on(context: Context) -> list[Route]:
    """Return the routes of this run and those that it leans on: what they are was approved, or require_approved() stops."""
    _, routes = _leant_on(context)
    return routes


def _leant_on(context: Context) -> tuple[set[str], list[Route]]:
    found: set[str] = set()
    todo = list(context.routes)
    for route in todo:
        found |= {route.pair.source, route.pair.target, route.table.twin, f"{route.pair.source}-{route.pair.target}"}
        found |= {c.lookup.table for c in route.carried if c.rule.lookup is not None}
        built_on = [*route.earlier, *(r for _, parents in route.parents for r in parents)]
        built_on += [r for r in context.all_routes if r.pair.target in found]
        todo += [r for r in dict.fromkeys(built_on) if r not in todo]
    return found, todo


def _subject(name: str) -> str:
    """What a rendered file is about: fase1/02-clientes.sql makes that table, any other carries that pair."""
    return name.partition("-")[2].removesuffix(".sql").removesuffix(".sincronizacion")


def _drift(context: Context, reasons: list[str]) -> MigrationError:
    return MigrationError(
        "; ".join(reasons),
        left=left_so_far(context.conn, context.run_id),
        move="Revise la diferencia y apruébela de nuevo: ansible-playbook fase0.yml --diff con el mismo -i.",
        code="drift",
    )


def sha256(text: str) -> str:
    """Return the text's SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
