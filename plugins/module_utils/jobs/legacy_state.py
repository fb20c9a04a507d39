"""What the module legacy_state does: the legacy tables away in the archive, verified there, or back in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backfill.watch import with_lines
from ..call.approval import require_approved
from ..call.context import Context, opened
from ..contraction.archive import Hanging, archived_tables, loose_dependents, move_away, what_hangs
from ..contraction.foreign_keys import forget_spanish_keys, orphan_lines, point_at_legacy, point_at_spanish
from ..contraction.undo import bring_back, carry_what_changed, is_unsettled
from ..core.contraction.moving import ARCHIVE, MOVED_AWAY, RETURNED, UNDONE, Archived
from ..core.contraction.neighbours import dependent_lines
from ..core.errors import COMMITTED_STAYS, NOTHING_CHANGED, READ_ONLY_STEP, STEP_CHANGED_NOTHING, MigrationError
from ..core.proof.accounts import Account
from ..core.proof.findings import account_lines, difference_lines, proof_detail
from ..core.words import number
from ..ledger.archived import last_move
from ..ledger.events import open_quarantine, record_event
from ..proof.prove import prove
from ..schema.routines import install_helpers
from ..server import db
from ..sync.modes import require_on
from ..sync.pending import drain
from ..sync.switching import standing_sync


def archived(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Move the legacy tables to the archive, once nothing hangs on them that the mapping does not re-point.

    Raises MigrationError, code refused, with everything that is in the way at once; code difference where the proof is not clean.
    """
    with db.explaining(left=STEP_CHANGED_NOTHING), with_lines([]), opened(params, check) as context:
        step, moved = last_move(context.conn)
        if step == MOVED_AWAY and moved is not None:
            return {"lines": _still_archived_lines(context, moved), "changed": False}
        if step == RETURNED:
            raise MigrationError(
                "la vuelta de las tablas legacy quedó a medias",
                left=NOTHING_CHANGED,
                move="Complétela antes: es la misma orden que la empezó.",
                code="refused",
            )
        return _archive(context, carry=context.settings.carry_publication)


def _archive(context: Context, carry: bool) -> dict[str, Any]:
    conn = context.conn
    require_approved(context)
    require_on(conn)
    found = what_hangs(context)
    _require_nothing_in_the_way(context, found, carry)
    lines = [f"Cuelga de las tablas legacy y el mapeo dice cómo sigue: {d.name}" for d in found.objects]
    if context.check:
        lines += [f"Se apuntaría a español la clave foránea {key.name} de {key.place}" for key in found.keys]
        lines += account_lines(_require_equal(prove(conn, context.all_routes, context.all_routes), READ_ONLY_STEP))
        lines.append(f"Se moverían al esquema {ARCHIVE}: {', '.join(found.tables)}")
        return {"lines": lines, "changed": True}
    context.begin()
    drain(conn, context.all_routes, context.run_id)
    if made := point_at_spanish(context, found.keys):
        lines.append(f"Claves foráneas a las tablas en español, validadas: {', '.join(made)}")
    found = what_hangs(context)
    accounts = prove(conn, context.all_routes, context.all_routes)
    record_event(conn, context.run_id, "prueba", context.phase, proof_detail(accounts, [], []))
    _require_equal(accounts, COMMITTED_STAYS)
    move_away(context, found, carry)
    with db.transaction(conn):
        db.run_sql(conn, "ANALYZE " + ", ".join(f"{context.mapping.schema}.{t.name}" for t in context.mapping.tables))
    lines += [f"Movidas al esquema {ARCHIVE}, fuera del alcance de los servicios: {', '.join(found.tables)}"]
    return {"lines": [*lines, *account_lines(accounts)], "changed": True}


def _require_nothing_in_the_way(context: Context, found: Hanging, carry: bool) -> None:
    """All at once: what the mapping does not re-point, rows that would lose their parent, quarantine, the sync."""
    conn, mapping = context.conn, context.mapping
    lines = list[str]()
    if loose := loose_dependents(context, found, carry):
        lines += [
            "De las tablas legacy cuelga lo que el mapeo no dice cómo sigue (dependents):",
            *dependent_lines(loose, mapping),
        ]
    named = {d.name for d in loose}
    if orphans := orphan_lines(conn, [k for k in found.keys if k.identity not in named], mapping):
        lines += ["Filas que se quedarían sin su padre:", *orphans]
    if entries := open_quarantine(conn):
        rows = sum(entry[2] for entry in entries)
        lines.append(f"{number(rows)} filas en cuarentena abierta: corríjalas o dispénselas por su nombre (waived_quarantine)")
    states = standing_sync(conn, context.all_routes, context.all_routes, mapping.tables)
    lines += [f"la sincronización no está entera: {s.lacking}" for s in states if s.lacking]
    if lines:
        raise MigrationError(
            "las tablas legacy no se pueden retirar todavía",
            left=NOTHING_CHANGED,
            move="Resuelva esto y repita la orden:\n" + "\n".join(lines),
            code="refused",
            details={"lines": lines},
        )


def _require_equal(accounts: Sequence[Account], left: str) -> Sequence[Account]:
    if all(a.clean for a in accounts):
        return accounts
    raise MigrationError(
        "las dos mitades no son iguales",
        left=left,
        move="Repita fase2 y fase3, que igualan lo que difiere:\n" + "\n".join(difference_lines(accounts)),
        code="difference",
    )


def still_archived(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Say whether the legacy tables are in the archive, closed to the services. Raises MigrationError, code difference."""
    with db.explaining(left=READ_ONLY_STEP), opened(params, check) as context:
        step, moved = last_move(context.conn)
        if step != MOVED_AWAY or moved is None:
            raise MigrationError(
                "las tablas legacy no están retiradas", left=READ_ONLY_STEP, move="Las retira fase5.", code="difference"
            )
        lines = _still_archived_lines(context, moved)
        return {"lines": lines}


def _still_archived_lines(context: Context, moved: Archived) -> list[str]:
    there = archived_tables(context.conn, moved.tables)
    if lost := [table for table in moved.tables if table not in there]:
        raise MigrationError(
            f"en {ARCHIVE} faltan tablas: {', '.join(lost)}",
            left=READ_ONLY_STEP,
            move="Alguien las quitó de ahí: búsquelas antes de seguir.",
            code="difference",
        )
    if not context.check:
        record_event(context.conn, context.run_id, "prueba", context.phase, {"tablas": [], "legado": len(there)})
    return [f"Retiradas en el esquema {ARCHIVE}: {', '.join(moved.tables)}"]


def brought_back(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Bring the legacy tables back with all that changed since, the sync on. Raises MigrationError, code difference."""
    with db.explaining(left=STEP_CHANGED_NOTHING), with_lines([]), opened(params, check) as context:
        conn = context.conn
        step, moved = last_move(conn)
        if moved is None:
            return _not_moved(context)
        if check:
            return {"lines": [f"Volverían de {ARCHIVE}: {', '.join(moved.tables)}"], "changed": True}
        context.begin()
        install_helpers(conn)
        lines = []
        if step == MOVED_AWAY:
            bring_back(context, moved)
            lines.append(f"Devueltas de {ARCHIVE}, con la sincronización: {', '.join(moved.tables)}")
        accounts = carry_what_changed(context)
        record_event(conn, context.run_id, "prueba", context.phase, proof_detail(accounts, [], []))
        if not all(a.clean for a in accounts) or is_unsettled(conn):
            raise MigrationError(
                "las tablas legacy están en su sitio y sincronizadas, pero no tienen todo lo escrito en español",
                left=COMMITTED_STAYS,
                move="La misma orden sigue desde aquí:\n" + "\n".join(difference_lines(accounts)),
                code="difference",
            )
        point_at_legacy(context, moved.keys)
        record_event(conn, context.run_id, UNDONE, context.phase, {"tablas": list(moved.tables)})
        return {"lines": [*lines, *account_lines(accounts)], "changed": True}


def _not_moved(context: Context) -> dict[str, Any]:
    """What a forward run that did not come to the move has left."""
    if context.check:
        return {"lines": ["fase5: las tablas legacy no se han movido."]}
    found = what_hangs(context)
    forget_spanish_keys(context, found.keys)
    detail = {"tablas": list[str]()}
    record_event(context.conn, context.run_id, UNDONE, context.phase, detail)
    return {"lines": ["fase5: las tablas legacy no se han movido."]}
