"""What every job that reads or changes tables starts from: a connection, the mapping, the live catalogue, the approval."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Mapping as Dict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..backfill.batches import install
from ..core.catalogue import Catalogue, from_json, to_json
from ..core.errors import MigrationError
from ..core.mapping.file import load_mapping
from ..core.mapping.types import Mapping
from ..core.render import render
from ..core.rows.routes import Route, all_routes
from ..core.survey.drift import column_changes
from ..ledger import lease, runs
from ..schema.tables import install_helpers, make_tables, missing_tables
from ..server import db
from ..server.live_catalogue import read_catalogue
from ..server.policy_translation import translated

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

MAPPING_NAME = "mapeo"
CATALOGUE_NAME = "catalogo.json"


@dataclass(frozen=True)
class Context:
    """One module call: ``check`` means that nothing may be left changed."""

    conn: Connection
    run_id: str
    phase: str
    subphase: str
    check: bool
    mapping: Mapping
    mapping_text: str
    catalogue: Catalogue

    def routes(self) -> tuple[Route, ...]:
        """The routes of this phase, or of the subphase that was asked for."""
        return tuple(r for r in self.every_route() if r.pair.phase == self.phase and self.subphase in ("", r.pair.subphase))

    def every_route(self) -> tuple[Route, ...]:
        """The routes of all phases."""
        return all_routes(self.mapping, self.catalogue)

    def begin(self) -> None:
        """Say before the first change that there is one: the lease is ours and the run has its row."""
        lease.require_run(self.conn, self.run_id, self.phase)


@contextmanager
def opened(params: Dict[str, Any], check: bool) -> Iterator[Context]:
    """Connect, read mapping and catalogue, and close at the end. An empty run_id was never announced by the guard."""
    if not params["run_id"]:
        raise MigrationError(runs.SKIPPED_GUARD, code="no_run")
    mapping = load_mapping(params["mapping"], params["mapping_path"])
    conn = db.connect(params["database_url"], params["run_id"])
    try:
        if not check and lease.heartbeat(conn, params["run_id"]):
            _stop_if_asked(conn, params["run_id"])
        catalogue = live_catalogue(conn, mapping)
        subphase = str(params.get("subphase") or "")
        yield Context(conn, params["run_id"], params["phase"], subphase, check, mapping, params["mapping"], catalogue)
    finally:
        conn.close()


def _stop_if_asked(conn: Connection, run_id: str) -> None:
    """Between two modules of a run; the copy looks between two batches by itself."""
    if lease.stop_requested(conn, run_id):
        raise MigrationError(
            "Parada pedida: la fase se detiene entre dos pasos. Lo hecho queda; la misma orden continúa desde aquí.",
            code="paused",
        )


def live_catalogue(conn: Connection, mapping: Mapping) -> Catalogue:
    """Return the live catalogue with the policies' translations: fase0's, while what they came from is the same."""
    found = read_catalogue(conn, mapping)
    if runs.exists(conn):
        row = db.fetch_one(conn, "SELECT texto FROM migracion.sql_aprobado WHERE nombre = %s", (CATALOGUE_NAME,))
        approved = _readable(row[0]) if row else None
        if approved is not None and replace(approved, carried_policies=()) == found:
            return approved
    return translated(conn, mapping, found)


def _readable(text: str) -> Catalogue | None:
    """The approved catalogue; None where another version of the runbook wrote it."""
    try:
        return from_json(text)
    except ValueError:
        return None


@contextmanager
def as_if(context: Context) -> Iterator[None]:
    """A transaction that is always rolled back, in which everything earlier phases make exists.

    A dry run is the same path on this virtual schema: bookkeeping, helper functions, missing Spanish tables, views.
    """
    conn = context.conn
    with db.rolled_back(conn):
        runs.ensure_schema(conn)
        install_helpers(conn)
        make_tables(conn, context.mapping, context.catalogue, missing_tables(conn, context.mapping))
        install(conn, context.every_route())
        yield


def approved_texts(context: Context) -> dict[str, str]:
    """Return what fase0 stores as approved: every rendered file, the mapping and the catalogue they come from."""
    texts = render(context.mapping, context.catalogue)
    return {**texts, MAPPING_NAME: context.mapping_text, CATALOGUE_NAME: to_json(context.catalogue)}


def require_approved(context: Context) -> None:
    """Stop when mapping, legacy columns or rendered SQL are no longer what fase0 approved."""
    stored = {
        name: (digest, text)
        for name, digest, text in db.fetch_all(context.conn, "SELECT nombre, sha256, texto FROM migracion.sql_aprobado")
    }
    if not stored:
        raise MigrationError(f"{context.phase}: no hay SQL aprobado. No se cambió nada. Ejecute antes fase0.yml.")
    reasons = []
    if CATALOGUE_NAME in stored:
        approved = _readable(stored[CATALOGUE_NAME][1])
        if approved is None:
            raise _drift(context, ["la aprobación es de otra versión del runbook y ya no se puede leer"])
        reasons += column_changes(approved, context.catalogue)
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
        f"{context.phase}: {'; '.join(reasons)}. No se cambió nada. Revise la diferencia y apruébela de nuevo: "
        "ansible-playbook fase0.yml --diff con el mismo -i.",
        code="drift",
    )


def sha256(text: str) -> str:
    """Return the text's SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
