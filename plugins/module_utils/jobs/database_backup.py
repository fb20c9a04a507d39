"""What the module database_backup does: take and verify a backup, verify one again, list, let go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ..backup.apart import Apart, ask_for, begin, begun
from ..backup.dump import Order, require_possible
from ..backup.folder import locked, stored_backups
from ..backup.recovery import (
    destination_of,
    expected_system,
    plan_line,
    programs_for,
    recover,
    require_origin,
    require_target,
)
from ..backup.taking import (
    EVENT,
    Place,
    candidates,
    forecast_here,
    named_by_standing,
    not_verified,
    prune,
    require_clock,
    require_stored,
    room_here,
    take_and_verify,
    verify_again,
    wanted_here,
)
from ..call.context import Context, opened
from ..core.backup.keeping import AtHand, Forecast, KnownBackup, expired, room_objection, serving, window_objection
from ..core.backup.listing import listed, recovered_lines, taken_lines, verdict_lines
from ..core.backup.manifest import WHOLE_DATABASE, Verification
from ..core.errors import NOTHING_CHANGED, READ_ONLY_STEP, STEP_CHANGED_NOTHING, MigrationError
from ..core.phase.gates import Facts, passed_gate, way_past
from ..core.phase.settings import settings_of
from ..core.phase.window import position
from ..core.words import duration
from ..ledger import bookkeeping, runs
from ..ledger.events import record_event
from ..server import db
from ..server.connect import connect

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

OUTSIDE = "respaldo"  # the playbook that needs no run


def take_backup(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Take and verify a backup, unless a phase finds one that serves; called again and again until it is done.

    Raises MigrationError, code refused, where it does not fit, or what was taken could not be verified.
    """
    apart, place = _apart(params), _place(params)
    if not begun(apart):
        with db.explaining(left=READ_ONLY_STEP if check else NOTHING_CHANGED), opened(params, check) as context:
            lines, expected, order, now, named = _decided(context, place, params)
        if order is None:
            return {"lines": lines}
        who, keep = _who(params), context.settings.backup_keep
        begin(
            apart,
            lambda: take_and_verify(order, place, apart.building, who, now, keep, named, apart.say, apart.stage, expected),
        )
        return {"lines": lines, "more": True}
    if params["phase"] != OUTSIDE:
        with opened(params, check):  # a sign that the run lives; and its end, where somebody asked for that
            pass
    taken, lines = ask_for(apart)
    if taken is None:
        return {"lines": lines, "more": True}
    return _taken(params, taken, lines)


def _decided(context: Context, place: Place, params: Mapping[str, Any]) -> tuple[list[str], float, Any, Any, Any]:
    """What there is to say, and the order where a backup has to be taken."""
    conn, settings, none = context.conn, context.settings, (0.0, None, None, None)
    in_phase = context.phase != OUTSIDE
    if in_phase and (lines := _not_asked(context)) is not None:
        return lines, *none
    scope, tables = _scope(context)
    backups = stored_backups(place.backup_dir)
    wanted, now, size = wanted_here(conn, scope, tables)
    known, whole = candidates(backups), scope == WHOLE_DATABASE
    if in_phase and (found := serving(known, wanted, now, settings.backup_max_hours, whole=whole)):
        if not context.check:
            _note(conn, context.run_id, context.phase, _named(backups, found))
        age = duration((now - found.created).total_seconds())
        return [f"Respaldo: sirve {found.name}, de hace {age}, verificado"], *none
    require_clock(backups, now)
    require_possible(conn, sorted(tables), place.pg_bin)
    forecast = forecast_here(size, backups)
    if closed := _refusals(context, place, forecast, now, in_phase):
        raise MigrationError(f"no se puede respaldar ahora: {closed[0]}", left=NOTHING_CHANGED, move=closed[1], code="refused")
    if context.check:
        return [f"Respaldo: se tomaría uno ({scope}): {forecast}"], *none
    order = Order(params["database_url"], context.run_id, scope, tuple(sorted(tables)), place.pg_bin, settings.backup_tries)
    said = [f"Respaldo {scope} en {place.backup_dir}: {forecast}"]
    return said, forecast.kept_bytes, order, now, named_by_standing(conn)


def _not_asked(context: Context) -> list[str] | None:
    """What to say where this run takes no backup; None where it has to have one."""
    conn, settings = context.conn, context.settings
    reason = settings.overrides.get("backup", "")
    if not context.check and runs.run_of(conn, context.run_id) is None:
        return []  # the phase stands: it compares, and there is nothing that would need a way back
    if settings.backup_max_hours == 0:
        return ["Respaldo: no se pide (backup_max_hours=0)"]
    if not reason:
        return None
    closed, _ = passed_gate("backup", Facts(settings, backup=AtHand("no se tomó ni se buscó ninguno")))
    if closed is not None and not context.check:
        detail = {"puerta": closed.gate, "motivo": reason, "decia": closed.message}
        record_event(conn, context.run_id, "puerta_saltada", context.phase, detail)
        _note(conn, context.run_id, context.phase, {"ninguno": reason})
    return [f"Respaldo: ninguno; puerta backup saltada: {reason}"]


def _scope(context: Context) -> tuple[str, frozenset[tuple[str, str]]]:
    """All of the database, or what a phase that carries rows touches, on both sides."""
    if not context.phase.startswith("fase") or not context.routes:
        return WHOLE_DATABASE, frozenset()
    schema = context.mapping.schema
    return context.phase, frozenset((schema, name) for r in context.routes for name in (r.pair.source, r.pair.target))


def _refusals(context: Context, place: Place, forecast: Forecast, now: Any, in_phase: bool) -> tuple[str, str] | None:
    """The first gate that is closed, and how it is passed."""
    settings = context.settings
    window = settings.maintenance_window if in_phase and "window" not in settings.overrides else None
    left = position(window, now).seconds if window is not None else math.inf
    room = room_objection(forecast, *room_here(place)[:2], same_disk=room_here(place)[2])
    late = window_objection(forecast, left)
    for gate, facts in (("disk", Facts(settings, disk=AtHand(room))), ("backup", Facts(settings, backup=AtHand(late)))):
        closed, reason = passed_gate(gate, facts)
        if closed is not None and not reason:
            return closed.message, way_past(gate, settings.overrides)
    return None


def _taken(params: Mapping[str, Any], taken: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    found = Verification(**taken["verificacion"])
    lines = [*lines, *taken_lines(taken, found)]
    with closing(connect(params["database_url"], params["run_id"])) as conn:
        if bookkeeping.is_current(conn):
            _note(conn, params["run_id"], params["phase"], taken)
    if found.holds:
        return {"lines": lines, "backup": taken["nombre"]}
    move = "Corrija la causa y repita la orden."
    if params["phase"] != OUTSIDE:
        move = f"{move} {way_past('backup', settings_of(params).overrides)}"
    raise MigrationError(
        f"el respaldo {taken['nombre']} no quedó verificado ({found.verdict}): {'; '.join(found.problems)}",
        left=STEP_CHANGED_NOTHING,
        move=move,
        code="refused",
        details={"lines": lines},
    )


def verified(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Verify one again. Raises MigrationError, code refused or damaged, where it does not hold."""
    apart, place, name = _apart(params), _place(params), str(params["backup_name"])
    if check:
        return {"lines": [f"Se comprobaría {require_stored(place.backup_dir, name).name}"]}
    if not begun(apart):
        chosen = require_stored(place.backup_dir, name)
        who, moment = _who(params), chosen.manifest.created if chosen.manifest else ""
        begin(apart, lambda: _again(chosen.name, place, who, moment, apart))
        return {"lines": [f"Se restaura y se compara {chosen.name}"], "more": True}
    result, lines = ask_for(apart)
    if result is None:
        return {"lines": lines, "more": True}
    found = Verification(**result["verificacion"])
    lines += verdict_lines(result["nombre"], found)
    if found.holds:
        return {"lines": lines}
    raise MigrationError(
        f"el respaldo {result['nombre']} no quedó verificado ({found.verdict}): {'; '.join(found.problems)}",
        left=READ_ONLY_STEP,
        move="Use otro: respaldo.yml --tags list con el mismo -i dice cuáles hay.",
        code="damaged",
        details={"lines": lines},
    )


def _again(name: str, place: Place, who: Mapping[str, Any], moment: str, apart: Apart) -> dict[str, Any]:
    found = verify_again(name, place, who, moment, apart.stage)
    return {"nombre": name, "verificacion": found.__dict__}


def restore_backup(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Put a backup into the database of ``restore_url`` and prove that every row came; it works from the files alone.

    Raises MigrationError, code refused, where that would cost rows or is another cluster's, damaged for a damaged one.
    """
    apart, place = _apart(params), _place(params)
    if begun(apart):
        result, lines = ask_for(apart)
        if result is None:
            return {"lines": lines, "more": True}
        return {"lines": [*lines, *recovered_lines(result)], "changed": True}
    if not params["restore_url"]:
        raise MigrationError(
            "Falta restore_url: en qué base se restaura",
            left=NOTHING_CHANGED,
            move="Póngala en la variable de entorno RESTORE_URL, como DATABASE_URL.",
            code="refused",
        )
    chosen = require_stored(place.backup_dir, str(params["backup_name"]))
    assert chosen.manifest is not None
    if not chosen.holds:
        raise not_verified(chosen)
    require_origin(chosen.name, chosen.manifest, expected_system(params["database_url"], str(params["backup_system"])))
    target = destination_of(params["restore_url"])
    require_target(target, str(params["overwrite"]))
    programs_for(chosen.manifest, target.major, place.pg_bin)
    line = plan_line(target, chosen.name, chosen.manifest)
    if check:
        return {"lines": ["Simulación (--check): no se cambia nada.", line], "changed": True}
    who, run_id = _who(params), params["run_id"]
    begin(apart, lambda: recover(chosen.name, target, place, who, run_id, apart.stage))
    return {"lines": [line], "more": True}


def list_backups(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Say which backups there are, verified or not; files are not read."""
    del check
    entries = [(one.name, one.manifest, one.verification, one.problem) for one in stored_backups(params["backup_dir"])]
    return {"lines": listed(params["backup_dir"], entries)}


def pruned(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Let expired backups go, or the one of that name. Raises MigrationError, code refused, for one that may not go."""
    place, settings = _place(params), settings_of(params)
    with closing(connect(params["database_url"], params["run_id"])) as conn:
        now, named = db.fetch_all(conn, "SELECT statement_timestamp()")[0][0], named_by_standing(conn)
    if check:
        gone = expired(candidates(stored_backups(place.backup_dir)), settings.backup_keep, now, named)
        return {"lines": [f"Se quitarían: {', '.join(gone) or 'ninguno'}"]}
    with locked(place.backup_dir, {**_who(params), "what": "limpieza"}):
        require_clock(stored_backups(place.backup_dir), now)
        gone = prune(place.backup_dir, settings.backup_keep, now, named)
    return {"lines": [f"Quitados: {', '.join(gone) or 'ninguno: ninguno ha vencido'}"]}


def _named(backups: Any, found: KnownBackup) -> dict[str, Any]:
    one = next(one for one in backups if one.name == found.name)
    return {"nombre": one.name, "manifiesto": one.verification.manifest, "verificacion": {"verdict": one.verification.verdict}}


def _note(conn: Connection, run_id: str, phase: str, detail: Mapping[str, Any]) -> None:
    record_event(conn, run_id, EVENT, phase, detail)


def _apart(params: Mapping[str, Any]) -> Apart:
    return Apart(params["backup_dir"], params["run_id"])


def _place(params: Mapping[str, Any]) -> Place:
    return Place(params["backup_dir"], params["scratch_url"], params["scratch_dir"], params["pg_bin"])


def _who(params: Mapping[str, Any]) -> dict[str, Any]:
    caller = params["controller"]
    return {"run_id": params["run_id"], "operator": caller.get("operator", "?"), "host": caller.get("host", "?")}
