"""The mappings under which what stands was made: a way back undoes what was done, whatever the mapping says today."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.catalogue import catalogue_json
from ..core.errors import MigrationError
from ..core.mapping.file import load_mapping
from ..core.mapping.types import TableMapping
from ..ledger import bookkeeping
from ..ledger.events import record_event
from ..server.db import fetch_all
from .context import Context, readable_catalogue

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

APPLIED = "mapeo_aplicado"  # mapping and legacy catalogue, as texts, from which a run made tables or carried rows
# Those since everything was undone last, newest first; before there were any, what fase0 approved.
_TEXTS = f"""
SELECT detalle ->> 'mapeo', detalle ->> 'catalogo' FROM migracion.evento WHERE tipo = '{APPLIED}' AND id > coalesce(
  (SELECT max(id) FROM migracion.evento WHERE tipo = 'tablas_borradas' AND detalle -> 'tablas' <> '[]'), 0) ORDER BY id DESC
"""
_APPROVED = """
SELECT m.texto, c.texto FROM migracion.sql_aprobado m, migracion.sql_aprobado c
WHERE m.nombre = 'mapeo' AND c.nombre = 'catalogo.json'
"""


def remember_applied(context: Context) -> None:
    """Note from which mapping and catalogue this run makes or carries; nothing where the last note says the same."""
    texts = (context.mapping_text, catalogue_json(context.catalogue))
    if texts not in fetch_all(context.conn, _TEXTS)[:1]:
        detail = dict(zip(("mapeo", "catalogo"), texts, strict=True))
        record_event(context.conn, context.run_id, APPLIED, context.phase, detail)


def applied_contexts(context: Context) -> list[Context]:
    """Return the same call under each mapping that was applied, the newest first; as it is where none can be read."""
    found = []
    for text, catalogue_text in _texts(context.conn):
        mapping, catalogue = _readable(text, context.mapping.path), readable_catalogue(catalogue_text)
        if mapping is not None and catalogue is not None:
            found.append(replace(context, mapping=mapping, mapping_text=text, catalogue=catalogue))
    return found or [context]


def phases_begun(conn: Connection, mapping: TableMapping, pairs: set[tuple[str, str]]) -> frozenset[str]:
    """Return the phases of these pairs (legacy and Spanish table): as the mapping has them, or else one that was applied."""
    phases: dict[tuple[str, str], str] = {}
    for known in (mapping, *(m for text, _ in _texts(conn) if (m := _readable(text, mapping.path)) is not None)):
        phases = {(p.source, p.target): p.phase for p in known.pairs} | phases
    return frozenset(phases[pair] for pair in pairs if pair in phases)


def _texts(conn: Connection) -> list[tuple[str, str]]:
    if not bookkeeping.exists(conn):
        return []
    rows = fetch_all(conn, _TEXTS) or fetch_all(conn, _APPROVED)
    return list(dict.fromkeys((text, catalogue) for text, catalogue in rows))


def _readable(text: str, path: str) -> TableMapping | None:
    """None where another version of the runbook wrote it."""
    try:
        return load_mapping(text, path)
    except MigrationError:
        return None
