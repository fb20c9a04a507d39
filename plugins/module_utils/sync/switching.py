"""The sync of pairs: installed, switched off and on, taken away, looked at. Each step leaves a state that is valid by itself.

Functions come first, which nobody calls, with the pair's mode; then the triggers, each in a transaction of its own under a short
lock. What is there as it should be is left alone, so the same command completes what was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..call.approval import sha256
from ..call.context import Context
from ..core.bookkeeping import BOOKKEEPING, SYNC_TRIGGERS
from ..core.mapping.types import SpanishTable
from ..core.rows.leaf_tables import ancestors_of, is_leaf
from ..core.rows.routes import Route
from ..core.rows.staying import STAYING
from ..core.rows.writers import WRITERS
from ..core.sqltext import ident, literal
from ..core.sync.images import MODES
from ..core.sync.installing import PairSync, pair_sync
from ..core.sync.keeping import KEYS
from ..core.sync.triggers import Trigger
from ..core.waits import NEW_TRIGGER
from ..schema.references import references_to
from ..schema.routines import standing_routines, views_of_ours
from ..schema.stamps import Made, bodies, judged, names_made, stamp_of
from ..server.db import execute, fetch_all, fetch_one, run_sql, transaction, with_lock_retries
from .conflicts import forget_conflicts
from .modes import ON, ROWS_STEP, modes_here, passed_by
from .pending import forget_waiting

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


NAMES_SHOWN = 3  # triggers or functions that are named one by one


@dataclass(frozen=True)
class Standing:
    """What there is of a pair's sync. ``mode``: '' where it is not installed; ``unsettled``: writes passed it by once;
    ``missing``: triggers that are not there, or not as they should be; ``disabled``: those that somebody switched off;
    ``functions``: its own, ``routines``: the pair's view and functions, which the copy uses too."""

    route: Route
    mode: str
    unsettled: bool
    missing: tuple[Trigger, ...]
    disabled: tuple[Trigger, ...]
    functions: Made
    routines: Made

    @property
    def whole(self) -> bool:
        """Whether it is there as it would be installed now."""
        return bool(self.mode) and self.functions.whole and not self.absent and not self.gone

    @property
    def absent(self) -> tuple[str, ...]:
        """Functions that somebody dropped: what services write meanwhile waits with its key."""
        return (*self.functions.absent, *self.routines.absent)

    @property
    def changed(self) -> tuple[str, ...]:
        """Functions in whose place somebody put others: nobody knows what those did with what was written."""
        return (*self.functions.changed, *self.routines.changed)

    @property
    def gone(self) -> bool:
        """Whether it was installed and writes may have passed it by since."""
        return bool(self.mode) and bool(self.missing or self.disabled or self.unsettled or self.changed)

    @property
    def lacking(self) -> str:
        """In words what it lacks, '' where it lacks nothing."""
        if self.whole:
            return ""
        said = [f"faltan o están desactivados {_some([f'{t.name} en {t.table}' for t in (*self.missing, *self.disabled)])}"]
        said = said if self.missing or self.disabled else []
        said += [f"alguien cambió {_some(self.changed, BOOKKEEPING)}"] if self.changed else []
        said += [f"falta {_some(self.absent, BOOKKEEPING)}"] if self.absent else []
        if self.unsettled and not said:
            said = ["faltaba, y lo escrito entonces no se ha igualado todavía"]
        what = "; ".join(said) or "sus funciones no son las aprobadas"
        return f"{self.route.pair.source} → {self.route.pair.target}: {what}"


def _some(names: Sequence[str], schema: str = "") -> str:
    """Name them one by one, or how many and the first."""
    shown = [f"{schema}.{name}" if schema else name for name in dict.fromkeys(names)]
    return ", ".join(shown) if len(shown) <= NAMES_SHOWN else f"{len(shown)}, entre ellos {shown[0]}"


def pair_of(context: Context, route: Route) -> PairSync:
    """Return what the pair's sync is made of."""
    return pair_sync(route, context.all_routes, context.mapping.tables)


def standing_sync(
    conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route], tables: Sequence[SpanishTable]
) -> list[Standing]:
    """Return what there is of each pair's sync; ``tables``: all Spanish ones."""
    modes, open_pairs = modes_here(conn), passed_by(conn)
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for table, name, enabled, stamp in fetch_all(conn, _TRIGGERS):
        found[table, name] = (enabled, stamp)
    states, functions, views = [], bodies(conn), views_of_ours(conn)
    for route in routes:
        sync = pair_sync(route, all_routes, tables)
        there = [(t, found.get((t.table, t.name))) for t in sync.triggers]
        missing = tuple(t for t, seen in there if seen is None or seen[1] != sha256(t.statement))
        disabled = tuple(t for t, seen in there if seen is not None and seen[0] != "O" and t not in missing)
        mode = modes.get((route.pair.source, route.pair.target), "")
        unsettled = (route.pair.source, route.pair.target) in open_pairs
        own = judged(_functions_stamp(conn, route), _fingerprint(sync), functions)
        routines = standing_routines(route, all_routes, views, functions)
        states.append(Standing(route, mode, unsettled, missing, disabled, own, routines))
    return states


_TRIGGERS = f"""
SELECT format('%I.%I', n.nspname, c.relname), t.tgname, t.tgenabled::text, coalesce(obj_description(t.oid, 'pg_trigger'), '')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND t.tgname ~ '{SYNC_TRIGGERS}'"""


def _fingerprint(sync: PairSync) -> str:
    return sha256(";".join(sync.functions))


def _functions_stamp(conn: Connection, route: Route) -> str:
    row = fetch_one(
        conn,
        "SELECT obj_description(p.oid, 'pg_proc') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = %s AND p.proname = %s",
        (BOOKKEEPING, route.function_name("sinc")),
    )
    return str(row[0]) if row and row[0] else ""


def install(context: Context, routes: Sequence[Route]) -> list[Trigger]:
    """Install what is missing of the pairs' sync and switch it on, but for a leaf that is still empty: that keeps keys until it
    is loaded. Returns the triggers made."""
    made: list[Trigger] = []
    for state in standing_sync(context.conn, routes, context.all_routes, context.mapping.tables):
        if state.whole:
            continue
        sync = pair_of(context, state.route)
        with transaction(context.conn):
            if not state.functions.whole:
                _make_functions(context, state.route, sync)
            _set_mode(context, state.route)
        _let_writers_of_parents_end(context, state.route)
        for trigger in (*state.missing, *state.disabled):
            with_lock_retries(context.conn, partial(_make, trigger=trigger), NEW_TRIGGER, f"{trigger.table} ({trigger.name})")
            made.append(trigger)
    return made


def install_within(context: Context, routes: Sequence[Route], mode: str) -> None:
    """Put the triggers of these pairs on their tables in the caller's transaction, which holds those locked, in that mode.

    What is written until the difference is taken in counts as passed by.
    """
    for state in standing_sync(context.conn, routes, context.all_routes, context.mapping.tables):
        sync = pair_of(context, state.route)
        if not state.functions.whole:
            _make_functions(context, state.route, sync)
        _set_mode(context, state.route)
        for trigger in (*state.missing, *state.disabled):
            _make(context.conn, trigger)
    execute(context.conn, f"UPDATE {MODES} m SET faltaba = true, modo = %s WHERE m.modo <> %s", (mode, mode))


def _make_functions(context: Context, route: Route, sync: PairSync) -> None:
    run_sql(context.conn, *sync.functions)
    stamp = stamp_of(_fingerprint(sync), names_made(sync.functions), bodies(context.conn))
    run_sql(context.conn, f"COMMENT ON FUNCTION {route.function('sinc')}() IS {literal(stamp)}")


def _set_mode(context: Context, route: Route) -> None:
    mode, step = (KEYS, ROWS_STEP) if loads_without_locks(context, route) else (ON, None)
    most = context.settings.propagation_rows
    values: tuple[Any, ...] = (*route.names, mode, step, most, context.phase, context.run_id)
    execute(
        context.conn,
        f"INSERT INTO {MODES} (tabla_origen, tabla_destino, modo, carga, propagacion, fase, run_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (tabla_origen, tabla_destino) DO UPDATE SET propagacion = excluded.propagacion",
        values,
    )


def loads_without_locks(context: Context, route: Route) -> bool:
    """Return whether the pair's table is a leaf here too, empty, and no copy of it has begun."""
    if not is_leaf(route, context.all_routes) or references_to(context.conn, route.schema, [route.pair.target]):
        return False
    begun = f"SELECT 1 FROM {BOOKKEEPING}.progreso_copia WHERE (tabla_origen, tabla_destino) = (%s, %s)"
    there = fetch_one(context.conn, begun, route.names) or fetch_one(context.conn, f"SELECT 1 FROM {route.target_table} LIMIT 1")
    return there is None


def _let_writers_of_parents_end(context: Context, route: Route) -> None:
    """Before a pair that keeps keys has its triggers: who wrote what decides whether its rows go in, and did not see its mode,
    has ended. What comes after sees it, so this waits as the making of a trigger on those tables would."""
    if modes_here(context.conn).get(route.names) != KEYS:
        return
    for table in dict.fromkeys(r.source_table for r in ancestors_of(route)):
        lock = f"LOCK TABLE {table} IN SHARE MODE"
        with_lock_retries(context.conn, partial(_run, statement=lock), NEW_TRIGGER, f"{table} (SHARE)")


def _run(conn: Connection, statement: str) -> None:
    run_sql(conn, statement)


def _make(conn: Connection, trigger: Trigger) -> None:
    run_sql(conn, trigger.drop, trigger.statement)
    run_sql(conn, f"COMMENT ON TRIGGER {ident(trigger.name)} ON {trigger.table} IS {literal(sha256(trigger.statement))}")


def take_away_legacy(context: Context, routes: Sequence[Route]) -> list[Trigger]:
    """Take the triggers away that carry legacy writes, one table at a time; what the Spanish side writes still goes across."""
    gone = []
    for trigger in _ours_there(context, routes):
        if not trigger.name.startswith("vuelta"):
            with_lock_retries(context.conn, partial(_drop, trigger=trigger), NEW_TRIGGER, f"{trigger.table} ({trigger.name})")
            gone.append(trigger)
    return gone


def _drop(conn: Connection, trigger: Trigger) -> None:
    run_sql(conn, trigger.drop)


def _ours_there(context: Context, routes: Sequence[Route]) -> list[Trigger]:
    there = {(table, name) for table, name, _, _ in fetch_all(context.conn, _TRIGGERS)}
    return [t for route in routes for t in pair_of(context, route).triggers if (t.table, t.name) in there]


def take_away_rest(context: Context, routes: Sequence[Route]) -> None:
    """In the transaction that empties the Spanish tables, before it does: their triggers, the functions, modes, what waited."""
    conn = context.conn
    for trigger in _ours_there(context, routes):
        run_sql(conn, trigger.drop)
    for route in routes:
        for name in pair_of(context, route).names:
            run_sql(conn, f"DROP FUNCTION IF EXISTS {name}")
        execute(conn, f"DELETE FROM {MODES} WHERE tabla_origen = %s AND tabla_destino = %s", route.names)
        forget_waiting(conn, route)
        execute(conn, f"DELETE FROM {STAYING} q WHERE q.tabla = %s", (route.pair.target,))
        execute(conn, f"DELETE FROM {WRITERS} WHERE tabla IN (%s, %s)", route.names)
    if not modes_here(conn):
        forget_conflicts(conn)
