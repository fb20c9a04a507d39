"""What people changed in the tables of both sides since fase0 approved them, what it means, and how to go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..call.approval import approval_changes
from ..call.context import CATALOGUE_NAME, readable_catalogue
from ..call.request import Request
from ..core.catalogue import Catalogue
from ..core.errors import READ_ONLY_STEP, MigrationError
from ..core.phase.history import standing_parts
from ..core.schema.differences import ACCESS, COLUMN, COMMENTED, WHOLE, Difference, differences, harmful, renamed, without_renames
from ..core.schema.mending import rename_by_hand, repairable, statement_by_hand
from ..core.survey.changes import legacy_change_lines
from ..core.survey.drift import find_drift
from ..core.words import units
from ..ledger import runs
from ..ledger.events import last_event
from ..schema.mould import structure_of_existing
from ..schema.structure import LEGACY_SHAPE, read_facts
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

CHANGES_SHOWN = 20  # of each side


def change_lines(conn: Connection, request: Request, catalogue: Catalogue) -> tuple[list[str], str]:
    """Return the lines, none before fase0, and the command that comes before any phase, '' where none has to.

    ``catalogue``: the live one.
    """
    recorded = runs.recorded_runs(conn)
    if "" not in standing_parts(recorded, "fase0"):
        return [], ""
    approve = f"{request.command.text('fase0')} --check --diff, y después {request.command.text('fase0')}"
    legacy = _of_legacy(conn, request)
    stopping = [f"deriva: {d.message}" for d in find_drift(request.mapping, catalogue)]
    stopping += _unapproved(conn, request, catalogue, drifted=bool(stopping))
    spanish = _of_spanish(conn, request, catalogue) if "" in standing_parts(recorded, "fase1") else []
    if not (legacy or stopping or spanish):
        return ["Cambios de otros en las tablas: ninguno desde que fase0 las aprobó"], ""
    lines = ["Cambios de otros en las tablas desde que fase0 las aprobó:", *_shown(legacy), *_shown(spanish)]
    if stopping:
        lines += ["  Ninguna fase sigue hasta que se apruebe de nuevo:", *(f"    {reason}" for reason in stopping)]
    if stopping or legacy:
        lines.append(f"  Para {'seguir' if stopping else 'darlos por vistos'}: {approve}")
    return lines, approve if stopping else ""


def _shown(lines: Sequence[str]) -> list[str]:
    more = len(lines) - CHANGES_SHOWN
    return [*(f"  {line}" for line in lines[:CHANGES_SHOWN]), *([f"  … y {units(more, 'cambio')} más"] if more > 0 else [])]


def _of_legacy(conn: Connection, request: Request) -> list[str]:
    """Compare with what fase0 wrote down; of an earlier version's approval nothing is known."""
    noted = last_event(conn, (LEGACY_SHAPE,))
    rows = db.fetch_all(conn, "SELECT texto FROM migracion.sql_aprobado WHERE nombre = %s", (CATALOGUE_NAME,))
    approved = readable_catalogue(rows[0][0]) if rows else None
    if noted is None or approved is None:
        return []
    before = {name: {(kind, fact): said for kind, fact, said in facts} for name, facts in noted.detail["tablas"].items()}
    now = read_facts(conn, request.mapping.schema, before)
    lines = [f"falta la tabla {request.mapping.schema}.{name}" for name in before if name not in now]
    for relation in approved.relations:
        if relation.name in before and relation.name in now:
            differing = differences(before[relation.name], now[relation.name])
            lines += legacy_change_lines(request.mapping, relation, differing)
    return lines


def _unapproved(conn: Connection, request: Request, catalogue: Catalogue, *, drifted: bool) -> list[str]:
    try:
        found = approval_changes(conn, request.mapping, catalogue, lambda: None)
    except (MigrationError, LookupError):
        return [] if drifted else ["el SQL de estas tablas ya no se puede hacer"]
    return found[0] if found else []


def _of_spanish(conn: Connection, request: Request, catalogue: Catalogue) -> list[str]:
    try:
        found = structure_of_existing(conn, request.mapping, catalogue)
    except db.Error as error:
        return [f"las tablas en español no se pudieron comparar: {db.explain_error(error, left=READ_ONLY_STEP)}"]
    except MigrationError as error:
        return [f"las tablas en español no se pudieron comparar: {error}"]
    lines: list[str] = []
    for name, differing in found.items():
        names, bad = renamed(differing), harmful(differing)
        for difference in without_renames(differing, names):
            if difference.kind not in (*ACCESS, COMMENTED):
                mend = _mend(request, catalogue, name, difference, names, difference in bad)
                lines.append(f"{name}: {difference.phrase}{mend}".replace("·.", f"{request.mapping.schema}."))
    return lines


def _mend(request: Request, catalogue: Catalogue, name: str, difference: Difference, names: dict[str, str], stops: bool) -> str:
    """What it means for the Spanish table, and what puts it right."""
    table = next(t for t in request.mapping.tables if t.name == name)
    if not stops:
        return ": no estorba"
    if difference.kind == COLUMN and difference.name in names:
        return f". {rename_by_hand(request.mapping, table, difference.name, names)};"
    if difference.kind == WHOLE or repairable(request.mapping, catalogue, table, difference):
        return f". Lo repone: {request.command.text('fase1')}"
    return f". Como su dueño: {statement_by_hand(request.mapping, table, difference)};"
