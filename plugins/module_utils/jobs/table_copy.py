"""What the module table_copy does: copy in slices, forecast, take back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..backfill.damage import put_aside
from ..backfill.sequences import restore_sequences
from ..backfill.slices import SLICE_SECONDS, lines_before, run_slice, something_to_do
from ..backfill.undo import foresee_way_back, nothing_to_take_back, take_rows_back
from ..backfill.watch import Watch, with_lines
from ..call.applied import applied_contexts
from ..call.approval import require_approved
from ..call.context import Context, opened
from ..core.errors import NOTHING_CHANGED, READ_ONLY_STEP, MigrationError
from ..core.proof.accounts import forecast_details
from ..core.proof.comparison import DIFFERENT, MISSING, REFUSED
from ..core.proof.findings import again_lines, difference_lines, forecast_lines, foreseen_lines
from ..core.rows.routes import Route
from ..core.waits import DDL
from ..core.words import duration, number
from ..ledger import bookkeeping, lease
from ..ledger.events import COPY_BEGUN, last_event, left_so_far, record_event
from ..proof.accounting import forecast_account, named_differences
from ..proof.removals import asking, foresee_removals, require_few_removals
from ..proof.repair import Mender
from ..proof.ties import bases, hanging, take_in
from ..quarantine.unreadable import rehearsed_without_damage, without_damage
from ..schema.routines import install_approved, install_helpers, install_routes, routines_installed
from ..schema.shape import require_shape
from ..schema.virtual import virtual_schema
from ..server import db
from ..survey.repeats import counted
from ..sync.loading import loading_routes, log_size, log_taken_in, taken_in_line
from ..sync.modes import require_on
from ..sync.switching import take_away_rest

ROWS_PER_SECOND = 8_000  # until this database has its own figure: the slowest pair of the benchmark, halved


def copy(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Copy for one slice; ``more`` asks to be called again. In check mode: the forecast, changing nothing."""
    with with_lines([]), opened(params, check) as context:
        context.require_routes()
        others = require_approved(context)
        if check:
            return _forecast(replace(context, catalogue=counted(context.conn, context.mapping, context.catalogue)), others)
        if last_event(context.conn, (COPY_BEGUN,), context.run_id) is None:  # a proof follows for what comes later
            others += require_shape(context, left_so_far(context.conn, context.run_id))
        else:
            others = []
        loading = loading_routes(context.conn, context.routes)
        if loading:
            require_on(context.conn, "paused")
        copies = bool(something_to_do(context) or loading)
        if not copies and routines_installed(context.conn, context.all_routes, context.all_routes):
            return {"lines": others, "more": False}
        install_approved(context)
        if not copies:  # another mapping was approved since: the repair that follows goes by it
            return {"lines": [], "more": False}
        asked: list[str] = []
        watch = Watch(context.run_id, context.settings)
        mending = Mender(watch, context.database_url, context.settings.batch_rows, asking(context, asked))
        if said := take_in(context, mending):
            return {"lines": [*asked, *said], "more": True, "changed": bool(mending.touched)}
        if last_event(context.conn, (COPY_BEGUN,), context.run_id) is None:
            asked += require_few_removals(context, [r.pair.target for r in context.routes])
        result = run_slice(context)
        if loading and not result["more"]:
            result = _log_taken_in(context, loading, watch, result)
        return {**result, "lines": [*others, *asked, *result["lines"]]}


def _log_taken_in(context: Context, loading: Sequence[Route], watch: Watch, result: dict[str, Any]) -> dict[str, Any]:
    """The rows are there: what was written meanwhile comes next, for a slice."""
    conn, deadline = context.conn, time.monotonic() + SLICE_SECONDS
    with with_lines(result["lines"]):
        done = log_taken_in(context, loading, partial(watch.require_time, conn), partial(_goes_on, conn, watch, deadline))
    entries, _ = log_size(context.conn, loading)
    line = taken_in_line(loading, done, entries)
    detail = {"llevadas": done.carried, "retenidas": done.held, "borradas": done.removed, "quedan": entries}
    record_event(context.conn, context.run_id, "carga", context.phase, detail)
    return {**result, "lines": [*result["lines"], line], "more": done.cut, "changed": True}


def _goes_on(conn: Any, watch: Watch, deadline: float) -> bool:
    """Whether there is time for one more key; raises where the run ends here."""
    watch.look(conn)
    return time.monotonic() < deadline


def _forecast(context: Context, others: list[str]) -> dict[str, Any]:
    others = others + require_shape(context, READ_ONLY_STEP)
    with virtual_schema(context):
        before = others + (lines_before(context) if something_to_do(context) else [])
        first = bases(context)
        caught_up = forecast_account(context.conn, first, context.all_routes) if first else []
        accounts = forecast_account(context.conn, context.routes, context.all_routes)
        for found in accounts:
            if found.count(DIFFERENT) or found.surplus:
                found.examples = named_differences(context.conn, found, context.all_routes)
        foresee_removals(context.conn, accounts, context.all_routes)
        refusal, asked = None, list[str]()
        try:
            asking(context, asked)([*caught_up, *accounts])
        except MigrationError as closed:
            refusal = closed
    rows = sum(a.count(MISSING, DIFFERENT, REFUSED) for a in accounts)
    seconds = rows / _rate(context)
    lines = before + foreseen_lines(caught_up) + forecast_lines(accounts)
    changing = {a.route.pair.target for a in (*caught_up, *accounts) if not a.clean}
    lines += again_lines([r.pair for r in hanging(context, changing, [*first, *context.routes])])
    lines += asked
    lines += [line for a in accounts for line in difference_lines([a]) if ": difiere" in line or ": sobra" in line]
    lines.append(f"Tiempo estimado de la copia: {duration(seconds)} ({number(rows)} filas a {number(_rate(context))} filas/s)")
    if refusal is not None:  # said last: what would go and why stands above it
        refusal.details["lines"] = lines
        raise refusal
    return {
        "lines": lines,
        "more": False,
        "changed": any(not a.clean for a in (*caught_up, *accounts)),
        "forecast": [forecast_details(a) for a in accounts],
        "estimated_seconds": seconds,
    }


def _rate(context: Context) -> float:
    """Return rows per second as earlier copies of this database ran, or the benchmark's cautious figure."""
    row = None
    if bookkeeping.exists(context.conn):
        row = db.fetch_one(
            context.conn,
            "SELECT sum(filas) / sum(segundos) FROM ("
            "SELECT sum(filas_leidas) AS filas, max(filas_leidas / ritmo) AS segundos FROM migracion.progreso_copia"
            " WHERE terminada_at IS NOT NULL AND filas_leidas > 10000 AND ritmo > 0 GROUP BY tabla_origen, tabla_destino) t",
        )
    return float(row[0]) if row and row[0] else float(ROWS_PER_SECOND)


def take_back(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Empty the Spanish tables of the phase, in one transaction; what only they held goes to migracion.apartada."""
    with opened(params, check) as context:
        conn, todo = context.conn, _copies(context)
        if not todo:
            if not check:
                restore_sequences(conn, context.mapping, context.routes)
                record_event(conn, context.run_id, "vaciado", context.phase)
            return {"lines": [f"{context.phase}: no se ha copiado nada, así que no hay filas que retirar."]}
        outcome: dict[str, int] = {}
        together = {r.pair.target for _, routes in todo for r in routes}
        if check:
            for made, routes in todo:
                with virtual_schema(made, empty=False):
                    foreseen = partial(foresee_way_back, conn, made.mapping, routes, made.all_routes, together)
                    outcome |= rehearsed_without_damage(conn, made.all_routes, foreseen)
        else:
            context.begin()

            def act(connection: Any) -> dict[str, int]:
                lease.fence(connection, context.run_id)
                install_helpers(connection)
                figures: dict[str, int] = {}
                for made, routes in todo:
                    take_away_rest(made, routes)
                    install_routes(connection, made.all_routes)
                    figures |= take_rows_back(connection, made.mapping, routes, made.all_routes, context.run_id, together)
                record_event(connection, context.run_id, "vaciado", context.phase, figures)
                return figures

            targets = ", ".join(dict.fromkeys(r.pair.target for _, routes in todo for r in routes))
            with db.explaining(left=NOTHING_CHANGED):
                emptied = partial(db.with_lock_retries, conn, act, DDL, f"{targets} (ACCESS EXCLUSIVE)")
                read = [r for made, _ in todo for r in made.all_routes]
                outcome = without_damage(emptied, partial(put_aside, conn, context.run_id, read, list[str]().append))
            for made, routes in todo:
                restore_sequences(conn, made.mapping, routes)
        verb = "se retirarían" if check else "retiradas"
        lines = [
            f"{target}: {number(outcome[f'{target}: retiradas'])} filas {verb}, "
            f"{number(outcome[f'{target}: apartadas'])} guardadas en migracion.apartada; las tablas legacy no se tocan"
            for target in dict.fromkeys(r.pair.target for _, routes in todo for r in routes)
            if f"{target}: retiradas" in outcome
        ]
        return {"lines": lines, "changed": any(outcome.values())}


def _copies(context: Context) -> list[tuple[Context, list[Route]]]:
    """What there is to take back: by mapping that was applied, the oldest first, the routes of pairs that no newer one has."""
    seen: set[tuple[str, str]] = set()
    found: list[tuple[Context, list[Route]]] = []
    for made in applied_contexts(context):
        routes = [r for r in made.routes if (r.pair.source, r.pair.target) not in seen]
        seen |= {(r.pair.source, r.pair.target) for r in made.all_routes}
        if routes and bookkeeping.exists(context.conn) and not nothing_to_take_back(context.conn, routes, made.all_routes):
            found.insert(0, (made, routes))
    return found
