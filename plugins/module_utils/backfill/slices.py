"""A slice of a copy: batches of some seconds, then a line for each table; owed indexes once the rows are there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..call.context import Context
from ..core.backfill.load import verdict_on
from ..core.errors import MigrationError
from ..core.phase.gates import ClosedGate, override_argument
from ..core.phase.settings import parse_overrides
from ..ledger import lease
from ..ledger.events import last_event, record_event
from ..ledger.owed_indexes import owed_indexes
from . import deferred_indexes, disk_space
from .batches import BlockedError
from .progress import analyze_target, open_progress, pending_routes, progress_lines, total_progress
from .sequences import advance_sequences
from .watch import Watch, read_load, with_lines
from .workers import copy_parts

SLICE_SECONDS = 15.0
DEFERRED_ROWS = 100_000
BEGUN = "inicio_copia"  # the event with which a run's first slice says what it found


def something_to_do(context: Context) -> bool:
    """Whether rows or indexes of this phase are still to come."""
    tables = {r.pair.target for r in context.routes}
    return bool(pending_routes(context.conn, context.routes) or owed_indexes(context.conn, tables))


def run_slice(context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Copy for SLICE_SECONDS; ``more`` asks to be called again. What ends the run still says how far it came."""
    lines: list[str] = []
    with with_lines(lines):
        watch = Watch.of(params, context.run_id)
        lines += _look_at_the_server(context, params)
        return _slice(context, params, watch, lines)


def _slice(context: Context, params: Mapping[str, Any], watch: Watch, lines: list[str]) -> dict[str, Any]:
    conn, deadline, changed = context.conn, time.monotonic() + SLICE_SECONDS, False
    url, workers = params["database_url"], int(params.get("copy_workers", 1))
    for earlier, route in enumerate(pending_routes(conn, context.routes)):
        parts = open_progress(conn, route, context.run_id, workers)
        progress = total_progress(parts)
        if progress.read == 0 and progress.expected > int(params.get("deferred_index_rows", DEFERRED_ROWS)):
            lines += deferred_indexes.defer(conn, route, context.run_id)
        try:
            progress = total_progress(copy_parts(url, conn, parts, watch, workers, params["batch_rows"], deadline))
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
    schema = context.mapping.schema
    owed = owed_indexes(conn, {r.pair.target for r in context.routes})
    for done, index in enumerate(owed):
        if lines and time.monotonic() >= deadline:  # a call that begins with a build does at least that
            lines.append(f"{index.table}: se construye el índice {index.name}; faltan {len(owed) - done} índices")
            return {"lines": lines, "more": True, "changed": True}
        watch.hold(conn)
        lines.append(deferred_indexes.build(url, conn, index, schema, context.run_id, lambda: watch.require_time(conn)))
    moved = advance_sequences(conn, context.mapping, context.routes, context.run_id, context.phase)
    return {"lines": lines + moved, "more": False, "changed": changed or bool(owed or moved)}


def _look_at_the_server(context: Context, params: Mapping[str, Any]) -> list[str]:
    """Before the first batch of a run: what it adds to the disk_space, and whom it cannot see. Later: whether the disk holds."""
    if last_event(context.conn, (BEGUN,), context.run_id) is None:
        lines = lines_before(context, params)
        record_event(context.conn, context.run_id, BEGUN, context.phase, {"lineas": lines})
        return lines
    if full := disk_space.fullness(context.conn, params):
        raise MigrationError(full, code="paused")
    return []


def lines_before(context: Context, params: Mapping[str, Any]) -> list[str]:
    """Return what there is to say of disk and standbys before a copy; raise where the disk would not hold it."""
    overrides = parse_overrides(params.get("overrides"))
    line, refusal = disk_space.outlook(context.conn, pending_routes(context.conn, context.routes), params)
    lines, load = [line], read_load(context.conn)
    if load.hidden:
        lines.append(
            f"No se ve cuánto se retrasan {load.hidden} réplicas, así que la copia no las espera. Para que las espere: "
            f'GRANT pg_monitor TO "{context.catalogue.role}"'
        )
    if wait := verdict_on(load, "replication_lag" in overrides).wait:
        lines.append(f"Ahora mismo la copia esperaría: {wait}")
    if refusal:
        raise MigrationError(
            f"{context.phase}: {refusal}. No se copió nada. O pase esta comprobación: "
            f"{override_argument([ClosedGate('disk', '')], overrides)}",
            code="refused",
            details={"lines": lines},
        )
    return lines
