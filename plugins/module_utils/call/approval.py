"""What fase0 approved, and whether it is still what would run."""

from __future__ import annotations

import hashlib

from ..core.catalogue import catalogue_json
from ..core.errors import MigrationError
from ..core.phase.history import standing_parts
from ..core.render import render
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


def require_approved(context: Context) -> None:
    """Stop when mapping, legacy columns or rendered SQL are no longer what fase0 approved: raises MigrationError, code drift.

    A dry run before fase0 goes on as if that had run; behind it, it stops where the run would.
    """
    if context.check and "" not in standing_parts(recorded_runs(context.conn), "fase0"):
        return
    stored = {
        name: (digest, text)
        for name, digest, text in db.fetch_all(context.conn, "SELECT nombre, sha256, texto FROM migracion.sql_aprobado")
    }
    if not stored:
        raise MigrationError(
            "no hay SQL aprobado", left=left_so_far(context.conn, context.run_id), move="Ejecute antes fase0.yml con el mismo -i."
        )
    reasons = []
    if CATALOGUE_NAME in stored:
        approved = readable_catalogue(stored[CATALOGUE_NAME][1])
        if approved is None:
            raise _drift(context, ["la aprobación es de otra versión del runbook y ya no se puede leer"])
        reasons += column_changes(context.mapping, approved, context.catalogue)
        before, here = approved.server_major, context.catalogue.server_major
        if not before:
            reasons.append("la aprobación es de otra versión del runbook")
        elif before != here:
            reasons.append(f"fase0 aprobó el SQL para PostgreSQL {before} y el servidor es ahora PostgreSQL {here}")
        if any(context.catalogue.relation(r.name) is None for r in approved.relations):
            raise _drift(context, reasons)  # without the table nothing can be rendered
    now = approved_texts(context)
    changed = sorted(name for name in {*stored, *now} if stored.get(name, ("", ""))[0] != sha256(now.get(name, "")))
    if MAPPING_NAME in changed:
        reasons.insert(0, f"el mapeo ({context.mapping.path}) no es el que fase0 aprobó")
    files = [name for name in changed if name not in (MAPPING_NAME, CATALOGUE_NAME)]
    if files:
        reasons.append(f"cambia el SQL de {', '.join(files)}")
    if reasons:
        raise _drift(context, reasons)


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
