"""What the module schema_state does: the Spanish tables present, verified or absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..call.applied import applied_contexts, remember_applied
from ..call.approval import require_approved
from ..call.context import Context, opened
from ..core.errors import NOTHING_CHANGED, READ_ONLY_STEP, MigrationError
from ..core.mapping.types import SpanishTable
from ..core.rows.routes import spanish_columns
from ..core.schema.ddl import drawing_grant
from ..core.schema.differences import ACCESS, COMMENTED, Difference, harmful
from ..core.schema.mending import repairable
from ..core.schema.policies import left_out
from ..core.waits import DDL
from ..ledger import bookkeeping, lease
from ..ledger.events import record_event
from ..ledger.owed_indexes import forget_owed, owed_indexes
from ..schema.access import access_problems, exposures, nobodys_rights
from ..schema.inserting import close_sequences, open_sequences, undrawn
from ..schema.mould import structure_of_existing
from ..schema.repair import repair_structure
from ..schema.routines import install_helpers, uninstall_routes
from ..schema.second_sources import merged_notices
from ..schema.shape import other_lines, refuse_shape
from ..schema.tables import announce_schema, make_tables, missing_tables, names_taken
from ..schema.undo import drop_tables, made_by_us, require_droppable
from ..server import db
from ..sync.modes import modes_here
from ..sync.switching import take_away_legacy, take_away_rest


def present(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Create what is missing in one transaction, with its privileges, and verify the whole against the mapping.

    Raises MigrationError, code refused, where another object has a name that is needed, code difference where tables are
    not as asked for and cannot be repaired.
    """
    with opened(params, check) as context:
        conn, mapping = context.conn, context.mapping
        require_approved(context)
        if taken := names_taken(conn, mapping, context.catalogue):
            raise MigrationError(
                "; ".join(taken),
                left=NOTHING_CHANGED,
                move="Renombre o borre ese objeto y repita fase1.yml con el mismo -i.",
                code="refused",
            )
        missing = missing_tables(conn, mapping)
        damage = _damage(context, {t.name for t in missing})
        foreseen = _foreseen_repairs(context, damage)
        exposed = exposures(conn)
        lacking = undrawn(conn, mapping, context.catalogue)
        changed = bool(missing or _mendable(context, damage) or exposed or lacking)
        lines = [_made_line(context, table) for table in missing] + _redundant_lines(context)
        if check:
            lines += foreseen + [f"Se cerraría migracion: {phrase}" for phrase in exposed]
            lines += [
                f"Se daría USAGE en {sequence} a {', '.join(roles)}, que insertan en legacy sin él" for sequence, roles in lacking
            ]
            settled = _settled(context, {t.name for t in missing}, damage, {sequence for sequence, _ in lacking})
            _refuse_access(context, access_problems(conn, mapping, context.catalogue, settled), NOTHING_CHANGED)
            return {"lines": [*lines, *_policy_lines(context)], "changed": changed}
        if changed:
            context.begin()
            lines += [*_make(context, missing, damage), *(f"migracion, cerrado de nuevo: {phrase}" for phrase in exposed)]
        else:  # the shape was compared just now
            _require_access(context, READ_ONLY_STEP)
        lines += [_verified_line(context), *_policy_lines(context)]
        record_event(conn, context.run_id, "verificacion_esquema", context.phase, {"tablas": len(mapping.tables)})
        return {"lines": lines, "changed": changed}


def _make(context: Context, missing: list[SpanishTable], damage: dict[str, list[Difference]]) -> list[str]:
    def act(conn: Any) -> list[str]:
        lease.fence(conn, context.run_id)
        install_helpers(conn)
        make_tables(conn, context.mapping, context.catalogue, missing)
        repaired = repair_structure(conn, context.mapping, context.catalogue, damage)
        if missing:
            record_event(conn, context.run_id, "tablas_creadas", context.phase, {"tablas": [t.name for t in missing]})
        remember_applied(context)
        lacking = undrawn(conn, context.mapping, context.catalogue)
        repaired += open_sequences(conn, lacking, context.run_id, context.phase)
        bookkeeping.seal(conn)
        _require_shape(context, NOTHING_CHANGED)
        _require_access(context, NOTHING_CHANGED)
        announce_schema(conn)
        return repaired

    with db.explaining(left=NOTHING_CHANGED):
        return db.with_lock_retries(context.conn, act, DDL, "las tablas en español y las legacy a las que apuntan")


def _foreseen_repairs(context: Context, damage: dict[str, list[Difference]]) -> list[str]:
    """Say what can be repaired and what is somebody else's; refuse what cannot, before anything is changed."""
    lines: list[str] = []
    left: dict[str, list[Difference]] = {}
    for table in context.mapping.tables:
        for difference in damage.get(table.name, ()):
            if repairable(context.mapping, context.catalogue, table, difference):
                lines.append(f"Se repararía {table.name}: {difference.phrase}")
            else:
                left.setdefault(table.name, []).append(difference)
    wrong = _shape(left)
    refuse_shape(context, wrong, NOTHING_CHANGED, every=damage)
    access = [f"{name}: {d.phrase}" for name, differing in left.items() for d in differing if d.kind in ACCESS]
    _refuse_access(context, access, NOTHING_CHANGED)
    return lines + other_lines(left, wrong)


def _settled(
    context: Context, missing: set[str], damage: dict[str, list[Difference]], opened_now: set[str]
) -> list[SpanishTable]:
    """The tables on whose rights the run would change nothing, so that they can be judged before it."""
    said_again = {name for name, differing in damage.items() if any(d.kind in ACCESS for d in differing)}
    return [
        table
        for table in context.mapping.tables
        if table.name not in missing | said_again
        and drawing_grant(context.mapping, context.catalogue, table)[0] not in opened_now
    ]


def _mendable(context: Context, damage: dict[str, list[Difference]]) -> bool:
    return any(
        repairable(context.mapping, context.catalogue, table, difference)
        for table in context.mapping.tables
        for difference in damage.get(table.name, ())
    )


def _damage(context: Context, missing: set[str]) -> dict[str, list[Difference]]:
    """Return the damage of tables that fase1 made; a table of somebody else with another shape is refused here."""
    if missing == {t.name for t in context.mapping.tables}:
        return {}
    found = structure_of_existing(context.conn, context.mapping, context.catalogue)
    damage = {name: differing for name, differing in found.items() if name not in missing}
    ours = set(made_by_us(context.conn, context.mapping))
    theirs = {name: differing for name, differing in damage.items() if name not in ours}
    refuse_shape(context, theirs, NOTHING_CHANGED, every=damage, ours=ours)
    return damage


def verify_tables(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Compare every Spanish table with what the mapping asks, fact by fact. Raises MigrationError, code difference."""
    with db.explaining(left=READ_ONLY_STEP), opened(params, check) as context:
        if not bookkeeping.exists(context.conn):
            raise MigrationError(
                "no hay nada que verificar todavía",
                left=READ_ONLY_STEP,
                move="Ejecute antes fase0.yml y fase1.yml con el mismo -i.",
                code="difference",
            )
        others = _require_shape(context, READ_ONLY_STEP)
        _require_access(context, READ_ONLY_STEP)
        require_approved(context)
        if not check:
            detail = {"tablas": len(context.mapping.tables)}
            record_event(context.conn, context.run_id, "verificacion_esquema", context.phase, detail)
        return {"lines": [_verified_line(context), *others, *_policy_lines(context)]}


def absent(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Drop the tables that fase1 made, while they are empty; what was there before fase1 stays."""
    with opened(params, check) as context:
        conn = context.conn
        ours = made_by_us(context.conn, context.mapping)
        if not ours:
            if not check:
                record_event(conn, context.run_id, "tablas_borradas", context.phase, {"tablas": []})
            return {"lines": ["fase1: no hay tablas suyas que borrar."]}
        if check:
            require_droppable(conn, context.mapping.schema, ours, _last_phase(context))
            return {"lines": [f"Se borraría la tabla vacía {name}" for name in ours], "changed": True}
        context.begin()
        installed = modes_here(conn)  # of a copy that ended before its first row
        synced = [r for r in context.all_routes if (r.pair.source, r.pair.target) in installed] if installed else []
        if synced:
            require_droppable(conn, context.mapping.schema, ours, _last_phase(context))
            take_away_legacy(context, synced)

        def act(connection: Any) -> None:
            lease.fence(connection, context.run_id)
            take_away_rest(context, synced)
            uninstall_routes(connection)
            drop_tables(connection, context.mapping.schema, ours, _last_phase(context))
            close_sequences(connection, context.run_id, context.phase)
            forget_owed(connection, owed_indexes(connection, ours))
            announce_schema(connection)
            record_event(connection, context.run_id, "tablas_borradas", context.phase, {"tablas": ours})

        with db.explaining(left=NOTHING_CHANGED):
            db.with_lock_retries(conn, act, DDL, f"{', '.join(ours)} (ACCESS EXCLUSIVE)")
        return {"lines": [f"Borrada la tabla vacía {name}" for name in ours], "changed": True}


def _last_phase(context: Context) -> Callable[[Sequence[str]], str]:
    """Return what says the last phase that carried rows into some of the tables, under whatever mapping it did."""
    mappings = [made.mapping for made in applied_contexts(context)]
    return lambda names: max(mapping.last_phase(names) for mapping in mappings)


def _require_shape(context: Context, left: str) -> list[str]:
    """Refuse what is not as asked; a line for each addition that no row can meet."""
    found = structure_of_existing(context.conn, context.mapping, context.catalogue)
    shape = _shape(found)
    refuse_shape(context, shape, left, every=found)
    return other_lines({name: [d for d in differing if d.kind not in ACCESS] for name, differing in found.items()}, shape)


def _shape(found: dict[str, list[Difference]]) -> dict[str, list[Difference]]:
    """What no copy may pass over, and comments, which fase1 says again; without what a comparison with the twins tells better."""
    kinds = {name: [d for d in differing if d.kind not in ACCESS] for name, differing in found.items()}
    bad = {name: [*harmful(shape), *(d for d in shape if d.kind == COMMENTED)] for name, shape in kinds.items()}
    return {name: differing for name, differing in bad.items() if differing}


def _made_line(context: Context, table: SpanishTable) -> str:
    verb = "Se crearía" if context.check else "Creada"
    columns = spanish_columns(context.mapping, context.catalogue, table)
    checks = sum(bool(c.allowed) or c.minimum is not None for c in columns)
    constraints = 1 + len(table.unique) + len(table.foreign_keys) + checks
    return f"{verb} {table.name}: {len(columns)} columnas, {constraints} restricciones, {len(table.indexes)} índices"


def _redundant_lines(context: Context) -> list[str]:
    return [
        f"  {table.name}: sin índice aparte sobre {column}, que ya tiene el de su UNIQUE"
        for table in context.mapping.tables
        for column in table.redundant_indexes
    ]


def _policy_lines(context: Context) -> list[str]:
    return [
        f"{table.name}: política que no se trasladó, así que cerrada: {phrase}"
        for table in context.mapping.tables
        for phrase in left_out(context.catalogue, table.name)
    ] + [
        *(f"Aviso: {phrase}" for phrase in nobodys_rights(context.conn, context.mapping, context.catalogue)),
        *merged_notices(context.conn, context.mapping, context.catalogue),
    ]


def _require_access(context: Context, left: str) -> None:
    _refuse_access(context, access_problems(context.conn, context.mapping, context.catalogue), left)


def _refuse_access(context: Context, problems: list[str], left: str) -> None:
    if problems:
        listed = "\n".join(f"  {p}" for p in problems)
        raise MigrationError(
            "los permisos no son los de las tablas legacy",
            left=left,
            move="Los repone ansible-playbook fase1.yml con el mismo -i; si los de legacy cambiaron a propósito, antes "
            f"fase0.yml; una política añadida a mano, que fase1 no quita: DROP POLICY.\n{listed}",
            code="difference",
        )


def _verified_line(context: Context) -> str:
    return f"Estructura verificada con el catálogo: {len(context.mapping.tables)} tablas como las pide el mapeo."
