"""What every job that reads or changes tables starts from: a connection, the mapping, the live catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.catalogue import Catalogue, catalogue_from_json, only_read
from ..core.contraction.moving import MOVED_AWAY
from ..core.errors import MigrationError, skipped_guard
from ..core.mapping.file import load_mapping
from ..core.mapping.types import TableMapping
from ..core.phase.settings import Settings, settings_of
from ..core.rows.routes import Route, routes_of
from ..core.rows.set_aside import CARRIED
from ..ledger import bookkeeping, lease
from ..ledger.archived import last_move
from ..ledger.events import left_so_far
from ..server import db
from ..server.connect import connect
from ..server.live_catalogue import read_catalogue
from ..server.policy_translation import translated

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

CATALOGUE_NAME = "catalogo.json"


@dataclass(frozen=True)
class Context:
    """One module call: ``check`` means that nothing may be left changed."""

    conn: Connection
    run_id: str
    phase: str
    subphase: str
    check: bool
    mapping: TableMapping
    mapping_text: str
    catalogue: Catalogue
    settings: Settings
    database_url: str = field(repr=False)  # for a second session

    # Computed when first asked for: fase0 has to name what has drifted before a pair without its table stops it.
    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The routes of this phase, or of the subphase that was asked for."""
        return tuple(r for r in self.all_routes if r.pair.phase == self.phase and self.subphase in ("", r.pair.subphase))

    @cached_property
    def all_routes(self) -> tuple[Route, ...]:
        """The routes of all phases."""
        return routes_of(self.mapping, self.catalogue)

    def require_routes(self) -> None:
        """Refuse a subphase for which the mapping has no tables, code no_parts."""
        if not self.routes:
            raise MigrationError(
                f"el mapeo no tiene tablas para la subfase {self.subphase or '(todas)'}",
                left=left_so_far(self.conn, self.run_id),
                move="Ponga sus tablas en el mapeo y apruébelo: ansible-playbook fase0.yml con el mismo -i.",
                code="no_parts",
            )

    def begin(self) -> None:
        """Say before the first change that there is one: the lease is ours and the run has its row."""
        lease.require_run(self.conn, self.run_id, self.phase)


@contextmanager
def opened(params: Mapping[str, Any], check: bool) -> Iterator[Context]:
    """Connect, read mapping and catalogue, and close at the end.

    Raises MigrationError, code no_run, for an empty run_id: the guard never announced it.
    """
    if not params["run_id"]:
        raise skipped_guard()
    settings = settings_of(params)
    mapping = load_mapping(params["mapping"], params["mapping_path"])
    conn = connect(params["database_url"], params["run_id"])
    try:
        if not check and lease.heartbeat(conn, params["run_id"]):
            _stop_if_asked(conn, params["run_id"])
        catalogue = live_catalogue(conn, mapping)
        subphase = str(params.get("subphase") or "")
        carried = {
            (mapping.schema, p.target) for p in mapping.pairs if p.phase == params["phase"] and subphase in ("", p.subphase)
        }
        db.fetch_one(conn, "SELECT set_config(%s, %s, false)", (CARRIED, json.dumps(sorted(carried))))
        yield Context(
            conn=conn,
            run_id=params["run_id"],
            phase=params["phase"],
            subphase=subphase,
            check=check,
            mapping=mapping,
            mapping_text=params["mapping"],
            catalogue=catalogue,
            settings=settings,
            database_url=params["database_url"],
        )
    finally:
        conn.close()


def _stop_if_asked(conn: Connection, run_id: str) -> None:
    """Between two modules of a run; the copy looks between two batches by itself."""
    if lease.stop_requested(conn, run_id):
        raise MigrationError(
            "Parada pedida: la fase se detiene entre dos pasos",
            left="Lo hecho queda;",
            move="la misma orden continúa desde aquí.",
            code="paused",
        )


def live_catalogue(conn: Connection, mapping: TableMapping) -> Catalogue:
    """Return the live catalogue with what fase0 found out beside it, while what that came from is the same.

    Otherwise with the policies' translations alone: nothing is counted here.
    """
    found = read_catalogue(conn, mapping)
    if bookkeeping.exists(conn):
        row = db.fetch_one(conn, "SELECT texto FROM migracion.sql_aprobado WHERE nombre = %s", (CATALOGUE_NAME,))
        approved = readable_catalogue(row[0]) if row else None
        if approved is not None and (only_read(approved) == found or last_move(conn)[0] == MOVED_AWAY):
            return approved  # the legacy tables in the archive are what they were
    return translated(conn, mapping, found)


def readable_catalogue(text: str) -> Catalogue | None:
    """The approved catalogue; None where another version of the runbook wrote it."""
    try:
        return catalogue_from_json(text)
    except ValueError:
        return None
