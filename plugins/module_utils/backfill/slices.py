"""A slice of a copy: batches of some seconds, then a line for each table; owed indexes once the rows are there."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from ..call.context import Context
from ..core.errors import MigrationError
from ..core.phase.gates import Facts, closed_gate, way_past
from ..core.rows.leaf_tables import written_with_parents
from ..ledger import lease
from ..ledger.events import COPY_BEGUN, last_event, record_event
from ..ledger.owed_indexes import owed_indexes
from . import deferred_indexes, disk_space
from .giving_way import BlockedError
from .progress import analyze_target, is_loaded, open_progress, pending_routes, progress_lines, total_progress
from .sequences import advance_sequences
from .watch import STAYS, Watch, read_load, verdict_on, with_lines
from .workers import copy_parts

SLICE_SECONDS = 15.0


def something_to_do(context: Context) -> bool:
    """Whether rows or indexes of this phase are still to come."""
    tables = {r.pair.target for r in context.routes}
    return bool(pending_routes(context.conn, context.routes) or owed_indexes(context.conn, tables))


def run_slice(context: Context) -> dict[str, Any]:
    """Copy for SLICE_SECONDS; ``more`` asks to be called again. What ends the run still says how far it came."""
    lines: list[str] = []
    with with_lines(lines):
        watch = Watch(context.run_id, context.settings)
        lines += _look_at_the_server(context)
        return _slice(context, watch, lines)


def _slice(context: Context, watch: Watch, lines: list[str]) -> dict[str, Any]:
    conn, url, deadline, changed = context.conn, context.database_url, time.monotonic() + SLICE_SECONDS, False
    for earlier, route in enumerate(pending_routes(conn, context.routes)):
        parts = open_progress(conn, route, context.run_id, context.settings.copy_workers)
        progress = total_progress(parts)
        if progress.read == 0 and progress.expected > context.settings.deferred_index_rows:
            lines += deferred_indexes.defer(conn, route, context.run_id)
        try:
            progress = total_progress(copy_parts(url, conn, parts, watch, deadline))
        except MigrationError as error:
            lines += progress_lines(total_progress(open_progress(conn, route, context.run_id)))
            if earlier and isinstance(error, BlockedError):  # the next call has all its time for these rows
                return {"lines": lines, "more": True, "changed": changed}
            raise
        lease.heartbeat(conn, context.run_id)
        changed = changed or progress.copied > 0
        lines += progress_lines(progress)
        if not progress.finished:
            return {"lines": lines, "more": True, "changed": changed}
        analyze_target(conn, route)
    built, waits = build_owed(context, watch, lines, deadline)
    if waits:
        return {"lines": lines, "more": True, "changed": True}
    moved = advance_sequences(conn, context.mapping, context.routes, context.run_id, context.phase)
    return {"lines": lines + moved, "more": False, "changed": changed or bool(built or moved)}


def build_owed(context: Context, watch: Watch, lines: list[str], deadline: float) -> tuple[int, bool]:
    """Build the indexes owed, two at once where nobody uses the table yet, and add a line for each to ``lines``.

    Returns how many, and whether the rest has to wait for the next call.
    """
    conn, url, schema, built = context.conn, context.database_url, context.mapping.schema, 0
    unused = {r.pair.target for r in context.routes if not written_with_parents(r) and is_loaded(conn, r)}
    while owed := owed_indexes(conn, {r.pair.target for r in context.routes}):
        index = owed[0]
        if lines and time.monotonic() >= deadline:  # a call that begins with a build does at least that
            lines.append(f"{index.table}: se construye el índice {index.name}; faltan {len(owed)} índices")
            return built, True
        watch.hold(conn)
        look = partial(watch.require_time, conn)
        if together := [other for other in owed if other.table in unused][: max(1, context.settings.copy_workers)]:
            lines += deferred_indexes.build_at_once(url, conn, together, schema, context.run_id, look)
        else:
            lines.append(deferred_indexes.build(url, conn, index, schema, context.run_id, look))
        built += max(1, len(together))
    return built, False


def _look_at_the_server(context: Context) -> list[str]:
    """Before the first batch of a run: what it adds to the disk, and whom it cannot see. Later: whether the disk holds."""
    if last_event(context.conn, (COPY_BEGUN,), context.run_id) is None:
        lines = lines_before(context)
        record_event(context.conn, context.run_id, COPY_BEGUN, context.phase, {"lineas": lines})
        return lines
    settings = context.settings
    disk = disk_space.server_disk(context.conn, settings)
    if full := closed_gate("disk", Facts(settings, disk=disk)):
        past = way_past("disk", settings.overrides)
        move = f"libere sitio o amplíe el disco, corrija database_disk_gb y repita. {past}"
        raise MigrationError(full.message, left=STAYS, move=move, code="paused")
    return []


def lines_before(context: Context) -> list[str]:
    """Return what there is to say of disk and standbys before a copy; raise where the disk would not hold it."""
    settings = context.settings
    line, disk = disk_space.outlook(context.conn, pending_routes(context.conn, context.routes), settings)
    lines, load = [line], read_load(context.conn)
    if load.hidden:
        lines.append(
            f"No se ve cuánto se retrasan {load.hidden} réplicas, así que la copia no las espera. Para que las espere: "
            f'GRANT pg_monitor TO "{context.catalogue.role}"'
        )
    if wait := verdict_on(load, settings).wait:
        lines.append(f"Ahora mismo la copia esperaría: {wait}")
    if full := closed_gate("disk", Facts(settings, disk=disk)):
        raise MigrationError(
            f"{full.gate}: {full.message}",
            left="No se copió nada.",
            move=way_past(full.gate, settings.overrides),
            code="refused",
            details={"lines": lines},
        )
    return lines
