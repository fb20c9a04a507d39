"""The move: the legacy tables to the schema legado, in one transaction that gives way, with all that has to change with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ..call.context import Context
from ..core.contraction.moving import (
    ARCHIVE,
    MOVED_AWAY,
    DrawnSequence,
    Publication,
    archive_statements,
    record_of,
    set_schema,
    spanish_publications,
)
from ..core.contraction.neighbours import Dependent, NeighbourKey, declared_here, spanish_names, swap_key_statements, unsettled
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.rows.writers import WRITERS
from ..core.sqltext import qname
from ..core.sync.images import MODES
from ..core.waits import MOVE
from ..ledger import lease
from ..ledger.events import last_event, open_quarantine, record_event
from ..schema.tables import announce_schema
from ..server.db import execute, fetch_all, run_sql, with_lock_retries
from ..sync.modes import modes_here
from ..sync.pending import drain, waiting_keys
from ..sync.switching import pair_of, standing_sync
from .belongings import drawn_by_spanish, legacy_names, moving_tables, publications_of, require_archive, spanish_places
from .dependents import hanging_objects, naming_by_text, neighbour_keys

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_ROUNDS = 5  # moves that let go because keys had come to wait, each after a drain


@dataclass(frozen=True)
class Hanging:
    """What the move finds around the tables. ``objects``: what hangs on them, foreign keys apart."""

    tables: tuple[str, ...]
    sequences: tuple[DrawnSequence, ...]
    published: tuple[Publication, ...]
    keys: tuple[NeighbourKey, ...]
    objects: tuple[Dependent, ...]
    made: bool


def what_hangs(context: Context) -> Hanging:
    """Return all that hangs on the legacy tables or goes with them. Raises as require_archive() does."""
    conn, mapping = context.conn, context.mapping
    tables, schema = legacy_names(mapping), mapping.schema
    keys = [k for k in neighbour_keys(conn, schema, tables) if not _ours(k, mapping.schema, context)]
    objects = hanging_objects(conn, schema, tables, spanish_places(mapping))
    named = {k.identity for k in keys}
    objects = [d for d in objects if d.name not in named] + naming_by_text(conn, schema, tables)
    return Hanging(
        tuple(moving_tables(conn, schema, tables)),
        tuple(drawn_by_spanish(conn, mapping)),
        tuple(publications_of(conn, schema, tables)),
        tuple(keys),
        tuple({d.name: d for d in objects}.values()),
        require_archive(conn, tables),
    )


def _ours(key: NeighbourKey, schema: str, context: Context) -> bool:
    return key.schema == schema and key.table in {t.name for t in context.mapping.tables}


class _KeysWaitError(Exception):
    """Keys have come to wait since the drain: the move lets go of its locks and drains them."""


def move_away(context: Context, found: Hanging, carry: bool) -> None:
    """Move the tables. ``carry``: the Spanish ones join the publications that the legacy ones leave.

    Raises MigrationError: code locked where the locks were not to be had, difference where something has changed since the proof.
    """
    for _ in range(_ROUNDS):
        try:
            with_lock_retries(context.conn, partial(_move, context=context, found=found, carry=carry), MOVE, "las tablas")
        except _KeysWaitError:
            drain(context.conn, context.all_routes, context.run_id)
            continue
        return
    raise MigrationError(
        "quedan claves por llevar cada vez que se miran, y con ellas las tablas no se mueven",
        left=NOTHING_CHANGED,
        move="Repita la orden cuando se escriba menos.",
        code="difference",
    )


def _move(conn: Connection, context: Context, found: Hanging, carry: bool) -> None:
    """In one transaction: everything is locked, asked once more, and changed."""
    mapping, schema = context.mapping, context.mapping.schema
    lease.fence(conn, context.run_id)
    # whoever writes a neighbour or a Spanish row goes on to the legacy ones: in this order nobody waits for us in a circle
    places = [*dict.fromkeys(k.place for k in found.keys), *spanish_places(mapping)]
    places += [qname(schema, table) for table in found.tables]
    run_sql(conn, f"LOCK TABLE {', '.join(places)} IN ACCESS EXCLUSIVE MODE")
    _ask_again(conn, context, found)
    names = spanish_names(mapping)
    declared = declared_here([*found.objects, *_published(found.published, schema)], mapping)
    joined = spanish_publications(found.published, names) if carry else []
    for route in context.all_routes:
        run_sql(conn, *(t.drop for t in pair_of(context, route).triggers))
    execute(conn, f"DELETE FROM {MODES} WHERE tabla_origen = ANY (%s)", (legacy_names(mapping),))
    for sequence in found.sequences:
        run_sql(conn, *sequence.leaving(schema))
    run_sql(conn, *(d.statement.rstrip("; \n") for d in declared))
    for key in found.keys:
        run_sql(conn, *swap_key_statements(key, key.spanish_name))
    run_sql(conn, *(p.drop(qname(schema, p.table)) for p in found.published))
    run_sql(conn, *(p.add(qname(schema, target)) for p, target in joined))
    run_sql(conn, *archive_statements(found.made), *set_schema(found.tables, schema, ARCHIVE))
    _require_nothing_left(conn, context, found)
    detail = record_of(
        found.tables,
        found.sequences,
        found.published,
        [(p.name, target) for p, target in joined],
        found.keys,
        [d.back.rstrip("; \n") for d in declared],
        found.made,
    )
    record_event(conn, context.run_id, MOVED_AWAY, context.phase, detail)
    announce_schema(conn)


def _ask_again(conn: Connection, context: Context, found: Hanging) -> None:
    """Nobody writes any more: what the proof said holds where the sync was whole, nothing waits and nobody wrote legacy."""
    if waiting_keys(conn):
        raise _KeysWaitError
    every = context.all_routes
    reasons = [s.lacking for s in standing_sync(conn, every, every, context.mapping.tables) if s.lacking]
    reasons += [f"{s} → {t}: la sincronización no está encendida" for (s, t), m in modes_here(conn).items() if m != "si"]
    if refused := open_quarantine(conn):
        reasons.append(f"{sum(entry[2] for entry in refused)} filas en cuarentena")
    proof = last_event(conn, ("prueba",), context.run_id)
    rows = fetch_all(
        conn,
        f"SELECT tabla, rol, aplicacion FROM {WRITERS} WHERE tabla = ANY (%s) AND ultima > %s ORDER BY 1, 2, 3",
        (legacy_names(context.mapping), proof.moment if proof else None),
    )
    reasons += [f"{role} («{name}») escribió en {table}" for table, role, name in rows]
    now = replace(what_hangs(context), made=found.made)
    if now != found:
        reasons.append("ha cambiado lo que cuelga de las tablas")
    if reasons:
        raise MigrationError(
            f"desde la última prueba: {'; '.join(reasons)}",
            left=NOTHING_CHANGED,
            move="Repita la orden, que prueba de nuevo.",
            code="difference",
        )


def _require_nothing_left(conn: Connection, context: Context, found: Hanging) -> None:
    """What the statements of the mapping were to re-point hangs on the moved tables no more, and no text names them."""
    tables, schema = legacy_names(context.mapping), context.mapping.schema
    waived = {d.name for d in context.mapping.dependents if d.waived}
    left = [*hanging_objects(conn, ARCHIVE, found.tables, ()), *naming_by_text(conn, schema, tables)]
    still = sorted({d.name for d in left if d.name not in waived and not _is_trigger_of_ours(d, found)})
    if still:
        raise MigrationError(
            f"lo que el mapeo dice de dependents no basta, porque sigue colgando de las tablas legacy: {', '.join(still)}",
            left=NOTHING_CHANGED,
            move="Corrija su statement, apruébelo con fase0 y repita la orden.",
            code="refused",
        )


def _is_trigger_of_ours(dependent: Dependent, found: Hanging) -> bool:
    """A webhook's own trigger, which has left with its table."""
    return dependent.name.startswith("trigger ") and dependent.name in {d.name for d in found.objects}


def loose_dependents(context: Context, found: Hanging, carry: bool) -> list[Dependent]:
    """Return what the mapping does not re-point: objects, foreign keys, and publications that nothing carries on."""
    published = _published([p for p in found.published if p.chosen or not carry], context.mapping.schema)
    return unsettled([*found.objects, *published], found.keys, context.mapping)


def _published(published: Sequence[Publication], schema: str) -> list[Dependent]:
    return [Dependent(p.identity(schema), (p.table,), p.add(qname(schema, p.table))) for p in published]


def archived_tables(conn: Connection, tables: Sequence[str]) -> list[str]:
    """Return which of the tables are in the archive."""
    return moving_tables(conn, ARCHIVE, tables)
