"""What the module sync_state does: install the sync, take it away, switch it off and on, carry what waits."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..backfill.undo import take_rows_back
from ..backfill.watch import Watch, with_lines
from ..call.approval import require_approved
from ..call.context import Context, opened
from ..core.errors import NOTHING_CHANGED, READ_ONLY_STEP, STEP_CHANGED_NOTHING, MigrationError
from ..core.phase.history import REVERT, SWITCHING
from ..core.phase.settings import parse_bool
from ..core.phase.variables import SIDES, parse_side
from ..core.proof.findings import difference_lines
from ..core.rows.routes import Route
from ..core.waits import DDL
from ..core.words import number, units
from ..ledger import bookkeeping, lease
from ..ledger.events import left_so_far, record_event
from ..ledger.service_steps import require_services_on_legacy
from ..proof.prevailing import keep_twins, legacy_prevails, prevailing_lines, spanish_prevails
from ..proof.prove import prove
from ..proof.repair import Mender
from ..proof.ties import completed
from ..schema.routines import install_approved, install_routes, install_under_lease
from ..schema.shape import require_shape
from ..server import db
from ..sync.canary import try_way_back
from ..sync.loading import begin_keeping, loading_lines
from ..sync.modes import (
    OFF,
    ON,
    ON_AGAIN,
    ROWS_STEP,
    loading_pairs,
    modes_here,
    note_passed_by,
    require_on,
    switch_off,
    switch_on,
    wait_for_older,
)
from ..sync.pending import Drained, drain, waiting_keys, waiting_words
from ..sync.switching import Standing, install, standing_sync, take_away_legacy

OFF_AGAIN = "ansible-playbook estado.yml --tags sincronizacion -e sincronizacion=no con el mismo -i"
DRAIN_AGAIN = "ansible-playbook estado.yml --tags drenar con el mismo -i"

# Said and no refusal: a command that puts the sync back, and dies when that is settled, is given again as it was.
NOT_APPLIED = (
    "manda no se aplica, porque no falta ningún disparador: lo escrito mientras estaba apagada espera con su clave, y en una"
    " columna que los dos lados cambiaron vale lo español"
)


def install_sync(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Install the sync of the phase's pairs, whole, and switch it on; what is there already stays. In check mode: say what."""
    with db.explaining(left=STEP_CHANGED_NOTHING), with_lines([]), opened(params, check) as context:
        context.require_routes()
        require_approved(context)
        if bookkeeping.exists(context.conn):
            require_on(context.conn)
        lacking = [s for s in _states(context, context.routes) if not s.whole]
        if not lacking:
            return {"lines": []}
        names = ", ".join(f"{s.route.pair.source} → {s.route.pair.target}" for s in lacking)
        require_shape(context, READ_ONLY_STEP if check else left_so_far(context.conn, context.run_id))
        if check:
            return {"lines": [f"Sincronización: se instalaría en {names}"], "changed": True}
        install_approved(context)
        anew = [s.route for s in lacking if s.gone and s.route.names in loading_pairs(context.conn)]
        lines = _begun_anew(context, anew) if anew else []
        if passed_by := completed(context.conn, [s.route for s in lacking if s.gone]):
            context.begin()
            keep_twins(context.conn, passed_by, context.all_routes, context.run_id)
        made = install(context, [s.route for s in lacking])
        record_event(context.conn, context.run_id, "sincronizacion", context.phase, {"modo": "si", "disparadores": len(made)})
        count = units(len(made), "disparador", "disparadores")
        line = f"Sincronización: en marcha en {names} ({count}); lo que se escriba va a las dos tablas"
        if keeping := [t for (_, t), step in loading_pairs(context.conn).items() if step == ROWS_STEP]:
            line += f". {', '.join(keeping)}: cuando estén cargadas; hasta entonces se guardan las claves"
        return {"lines": [*lines, line], "changed": True}


def _begun_anew(context: Context, routes: Sequence[Route]) -> list[str]:
    """Empty the tables whose load was under way when triggers were found gone: what was written since left no key."""
    conn, targets = context.conn, [r.pair.target for r in routes]

    def act(connection: Any) -> dict[str, int]:
        lease.fence(connection, context.run_id)
        figures = take_rows_back(connection, context.mapping, routes, context.all_routes, context.run_id, targets)
        install_routes(connection, context.all_routes)
        begin_keeping(connection, routes)
        return figures

    found = db.with_lock_retries(conn, act, DDL, f"{', '.join(targets)} (ACCESS EXCLUSIVE)")
    record_event(conn, context.run_id, "carga_de_nuevo", context.phase, found)
    return [
        f"{target}: faltaban disparadores mientras se cargaba, así que la carga empieza de nuevo:"
        f" {number(found[f'{target}: retiradas'])} filas retiradas, {number(found[f'{target}: apartadas'])} guardadas en"
        " migracion.apartada"
        for target in targets
    ]


def _states(context: Context, routes: Sequence[Route]) -> list[Standing]:
    return standing_sync(context.conn, routes, context.all_routes, context.mapping.tables)


def remove_sync(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Take the triggers away that carry legacy writes; the emptying that follows takes the rest in its own transaction.

    Raises MigrationError, code refused, while services use the Spanish tables.
    """
    with db.explaining(left=STEP_CHANGED_NOTHING), with_lines([]), opened(params, check) as context:
        if context.phase == SWITCHING:
            require_services_on_legacy(context.conn)
        installed = modes_here(context.conn)
        routes = [r for r in context.routes if (r.pair.source, r.pair.target) in installed]
        if not routes:
            return {"lines": []}
        names = ", ".join(f"{r.pair.source} → {r.pair.target}" for r in routes)
        passed_by = [s.lacking for s in _states(context, routes) if s.gone or s.absent]
        if check:
            before = (
                [f"Aviso: {'; '.join(passed_by)}. Para llevar antes lo escrito desde entonces: {ON_AGAIN}"] if passed_by else []
            )
            return {"lines": [f"Sincronización: se quitaría de {names}", *before], "changed": True}
        context.begin()
        gone = take_away_legacy(context, routes)
        record_event(
            context.conn, context.run_id, "sincronizacion", context.phase, {"modo": "quitada", "disparadores": len(gone)}
        )
        lines = [f"Sincronización: quitada de las tablas legacy de {names}"]
        if passed_by:
            lines.append(
                f"Aviso: {'; '.join(passed_by)}. Lo escrito desde entonces solo en las tablas en español no está en legacy: lo"
                " que difiera queda en migracion.apartada"
            )
        return {"lines": lines, "changed": bool(gone)}


def tried(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Try the way back with marked rows in every Spanish table, rolled back. A dry run tries nothing.

    Raises MigrationError, code no_way_back, where what is written on the Spanish side does not reach legacy.
    """
    with db.explaining(left=STEP_CHANGED_NOTHING), with_lines([]), opened(params, check) as context:
        if check:
            return {"lines": []}
        require_on(context.conn)
        tables = try_way_back(context.conn, context.mapping, context.catalogue, context.all_routes)
        record_event(context.conn, context.run_id, "canario", context.phase, {"tablas": tables})
        return {"lines": [f"Vuelta atrás: probada con una fila en cada una de {number(len(tables))} tablas, sin dejar rastro"]}


def drained(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Carry the keys that wait, those of every pair; in check mode say how many there are."""
    with db.explaining(left=STEP_CHANGED_NOTHING), with_lines([]), opened(params, check) as context:
        if not modes_here(context.conn):
            return {"lines": []}
        require_on(context.conn, "paused" if context.phase.startswith("fase") else "refused")
        waiting = waiting_keys(context.conn)
        if not waiting:
            return {"lines": [] if context.phase.startswith("fase") else ["Claves que esperan: ninguna"]}
        if check:
            return {"lines": [f"Claves que esperan: {number(waiting)}; se llevarían"], "changed": True}
        with _leased(context):
            done = drain(context.conn, context.all_routes, context.run_id)
        return {"lines": [*_drained_lines(context, done), *_overridden_lines(done)], "changed": bool(done.carried)}


def _drained_lines(context: Context, done: Drained) -> list[str]:
    left = waiting_keys(context.conn)
    record_event(
        context.conn,
        context.run_id,
        "drenaje",
        context.phase,
        {"llevadas": done.carried, "retenidas": done.held, "quedan": left, "prevalece_espanol": done.overridden},
    )
    lines = [f"Claves que esperaban: {units(done.carried, 'llevada')}"]
    if left:
        lines.append(f"Claves que siguen esperando: {number(left)}; de nuevo: {DRAIN_AGAIN}")
    return lines


def _overridden_lines(done: Drained) -> list[str]:
    if not done.overridden:
        return []
    return [
        f"Escritas en los dos lados mientras tanto: {units(len(done.overridden), 'fila')}; vale lo escrito en español, la fila"
        f" legacy de antes está en migracion.apartada: {', '.join(done.overridden[:8])}"
    ]


def switched(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Switch the sync off or on, as ``switch`` says. Raises MigrationError, code refused, where it says nothing."""
    try:
        wanted, prevails = parse_bool(params["switch"]), parse_side(params["prevails"])
    except ValueError as error:
        raise MigrationError(
            f"sincronizacion o manda: {error}",
            left=NOTHING_CHANGED,
            move=f"Apagarla: {OFF_AGAIN}. Encenderla: {ON_AGAIN}.",
            code="refused",
        ) from None
    with db.explaining(left=STEP_CHANGED_NOTHING), with_lines([]), opened(params, check) as context:
        if not modes_here(context.conn):
            return {"lines": ["Sincronización: no está instalada; la instala fase2.yml con el mismo -i."]}
        return _on(context, prevails) if wanted else _off(context)


def _off(context: Context) -> dict[str, Any]:
    """Without the lease and during any run, which then stops; a load too, and its pairs go on keeping keys."""
    loading = loading_lines(context.conn, context.all_routes)
    gone = [s.lacking for s in _states(context, context.all_routes) if s.gone]
    kept = f"pero {'; '.join(gone)}: eso no deja clave" if gone else "lo que se escriba espera en migracion.pendiente"
    on = sum(mode == ON for mode in modes_here(context.conn).values())
    if context.check:
        said = "se apagaría" if on else "ya está apagada"
        return {"lines": [f"Sincronización: {said}; los servicios siguen, y {kept}", *loading], "changed": bool(on)}
    count = switch_off(context.conn)
    if loading and (held := lease.holder(context.conn)) is not None and held.action != REVERT:
        with db.transaction(context.conn):  # where no pair is on yet, nothing else would stop it
            lease.request_stop(context.conn, held.run_id)
    record_event(context.conn, context.run_id, "sincronizacion", context.phase, {"modo": "no", "pares": count})
    said = "apagada" if count else "ya estaba apagada"
    return {"lines": [f"Sincronización: {said}; {kept}. Se enciende con: {ON_AGAIN}", *loading], "changed": bool(count)}


def _on(context: Context, prevails: str) -> dict[str, Any]:
    """Take the debt in too: with the lease, so that no phase does it at once."""
    states = _states(context, completed(context.conn, context.all_routes))
    if gone := [s.route for s in states if s.gone]:
        return _put_back(context, gone, spanish=prevails == SIDES[1])
    absent = [s for s in states if s.absent]
    unasked = [NOT_APPLIED] if prevails else []
    if absent:
        require_approved(context)
        unasked.append(
            f"Sincronización: {'se repondría' if context.check else 'se repone'} {'; '.join(s.lacking for s in absent)}"
        )
    waiting = waiting_keys(context.conn)
    if context.check:
        off = sum(mode == OFF for mode in modes_here(context.conn).values())
        said = "se encendería" if off else "ya está encendida"
        lines = [*unasked, f"Sincronización: {said}; {waiting_words(waiting)}"]
        return {"lines": lines, "changed": bool(off or waiting or absent)}
    with _leased(context):
        if absent:
            install_under_lease(context)
            install(context, [s.route for s in absent])
        count = switch_on(context.conn)
        done = drain(context.conn, context.all_routes, context.run_id)
    said = "encendida" if count else "ya estaba encendida"
    record_event(context.conn, context.run_id, "sincronizacion", context.phase, {"modo": "si", "pares": count})
    lines = [*unasked, f"Sincronización: {said}", *_drained_lines(context, done), *_overridden_lines(done)]
    return {"lines": lines, "changed": bool(count or done.carried or absent)}


def _put_back(context: Context, gone: Sequence[Route], spanish: bool) -> dict[str, Any]:
    """Install what is gone, wait for those who did not see it, and take one side's word for what differs by then.

    Nothing tells a write of either side from one that never was: without ``spanish`` the legacy tables are right.
    """
    conn, every = context.conn, context.all_routes
    names = ", ".join(f"{r.pair.source} → {r.pair.target}" for r in gone)
    require_approved(context)
    modes = modes_here(conn)
    installed = [r for r in completed(conn, every) if (r.pair.source, r.pair.target) in modes]
    if context.check:
        lines = prevailing_lines(prove(conn, installed, every), spanish, check=True)
        return {"lines": [f"Sincronización: se repondría en {names}", *lines], "changed": True}
    with _leased(context):
        note_passed_by(conn, [(r.pair.source, r.pair.target) for r in gone])
        install_under_lease(context)
        made = install(context, gone)
        wait_for_older(conn)
        differed = prove(conn, installed, every)
        lines = [
            f"Sincronización: repuesta en {names} ({units(len(made), 'disparador', 'disparadores')})",
            *prevailing_lines(differed, spanish, check=False),
        ]
        if spanish:
            spanish_prevails(conn, installed, every, context.run_id)
        else:
            watch = Watch(context.run_id, context.settings)
            mending = Mender(watch, context.database_url, context.settings.batch_rows)
            legacy_prevails(conn, installed, every, mending)
        switch_on(conn)
        lines += _drained_lines(context, drain(conn, every, context.run_id))
        left = prove(conn, installed, every)
    detail = {"modo": "repuesta", "pares": len(gone), "manda": SIDES[spanish], "disparadores": len(made)}
    record_event(conn, context.run_id, "sincronizacion", context.phase, detail)
    if unequal := difference_lines([a for a in left if not a.clean]):
        lines += ["Lo que queda distinto:", *unequal]
    return {"lines": lines, "changed": True}


@contextmanager
def _leased(context: Context) -> Iterator[None]:
    """Hold the lease for this one call, without a row among the phases' runs."""
    if context.phase.startswith("fase"):
        context.begin()
        yield
        return
    claim = lease.Claim(context.run_id, context.phase, "aplicar", platform.node(), os.getpid(), getpass.getuser())
    with db.transaction(context.conn):
        lease.acquire(context.conn, claim)
    try:
        yield
    finally:
        lease.release(context.conn, context.run_id)
