"""What fase0 approved, and whether it is still what would run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue, catalogue_json
from ..core.errors import MigrationError
from ..core.mapping.types import TableMapping
from ..core.phase.history import standing_parts
from ..core.render import render
from ..core.rows.routes import Route
from ..core.survey.drift import column_changes
from ..ledger.events import left_so_far
from ..ledger.runs import recorded_runs
from ..server import db
from .context import CATALOGUE_NAME, Context, readable_catalogue

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

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
    found = approval_changes(context.conn, context.mapping, context.catalogue, lambda: _concerned(context))
    if found is None:
        raise MigrationError(
            "no hay SQL aprobado", left=left_so_far(context.conn, context.run_id), move="Ejecute antes fase0.yml con el mismo -i."
        )
    reasons, others = found
    if reasons:
        raise _drift(context, reasons)
    return [f"Aviso: ha cambiado lo que otra fase lleva, que no seguirá hasta que fase0 lo apruebe: {'; '.join(others)}"] * bool(
        others
    )


def approval_changes(
    conn: Connection, mapping: TableMapping, catalogue: Catalogue, concerned: Callable[[], set[str] | None]
) -> tuple[list[str], list[str]] | None:
    """Return what is no longer as fase0 approved it, of the tables and pairs in ``concerned`` (None: of all), and of the others.

    None where nothing is approved.
    """
    rows = db.fetch_all(conn, "SELECT nombre, sha256, texto FROM migracion.sql_aprobado")
    stored = {name: (digest, text) for name, digest, text in rows}
    if not stored:
        return None
    reasons: list[str] = []
    others: list[str] = []
    ours = None
    if CATALOGUE_NAME in stored:
        approved = readable_catalogue(stored[CATALOGUE_NAME][1])
        if approved is None:
            return ["la aprobación es de otra versión del runbook y ya no se puede leer"], []
        if any(catalogue.relation(r.name) is None for r in approved.relations):  # nothing can be rendered without it
            return column_changes(mapping, approved, catalogue), []
        ours = concerned()
        for relation in approved.relations:
            phrases = column_changes(mapping, replace(approved, relations=(relation,)), catalogue)
            (reasons if ours is None or relation.name in ours else others).extend(phrases)
        before, here = approved.server_major, catalogue.server_major
        if not before:
            reasons.append("la aprobación es de otra versión del runbook")
        elif before != here:
            reasons.append(f"fase0 aprobó el SQL para PostgreSQL {before} y el servidor es ahora PostgreSQL {here}")
    now = {name: sha256(text) for name, text in render(mapping, catalogue).items()}
    now |= {MAPPING_NAME: mapping.sha256, CATALOGUE_NAME: sha256(catalogue_json(catalogue))}
    changed = sorted(name for name in {*stored, *now} if stored.get(name, ("", ""))[0] != now.get(name, sha256("")))
    if MAPPING_NAME in changed:
        reasons.insert(0, f"el mapeo ({mapping.path}) no es el que fase0 aprobó")
    files = [name for name in changed if name not in (MAPPING_NAME, CATALOGUE_NAME)]
    of_these = [name for name in files if ours is None or name.startswith("fase0/") or _subject(name) in ours]
    for listed, said in ((of_these, reasons), ([name for name in files if name not in of_these], others)):
        if listed:
            said.append(f"cambia el SQL de {', '.join(listed)}")
    return reasons, others


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
