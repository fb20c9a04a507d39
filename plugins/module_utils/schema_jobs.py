"""What the module schema_state does: the Spanish tables present, verified or absent."""

from __future__ import annotations

from typing import Any

from . import copier, db, lease, ledger, schema_job
from .access import access_problems
from .context import Context, opened, require_approved
from .core.errors import MigrationError
from .core.mapping import SpanishTable
from .core.policies import left_out


def present(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Create what is missing in one transaction, with its privileges, and verify the whole against the mapping."""
    with opened(params, check) as context:
        conn, mapping = context.conn, context.mapping
        if not check:
            require_approved(context)
        if taken := schema_job.names_taken(conn, mapping, context.catalogue):
            raise MigrationError(
                f"fase1: {'; '.join(taken)}. No se cambió nada. Renombre o borre ese objeto y repita fase1.yml.",
                code="refused",
            )
        missing = schema_job.missing_tables(conn, mapping)
        lines = [_made_line(table, check) for table in missing] + _redundant_lines(context)
        if check:
            _require_shape(context, {t.name for t in missing})
            return {"lines": lines, "changed": bool(missing)}
        if missing:
            _require_shape(context, {t.name for t in missing})
            context.begin()
            _make(context, missing)
        _require_shape(context, set())
        _require_access(context)
        lines += [_verified_line(context), *_policy_lines(context)]
        ledger.event(conn, context.run_id, "verificacion_esquema", context.phase, {"tablas": len(mapping.tables)})
        return {"lines": lines, "changed": bool(missing)}


def _make(context: Context, missing: list[SpanishTable]) -> None:
    conn = context.conn
    with db.transaction(conn):
        lease.fence(conn, context.run_id)
        schema_job.install_helpers(conn)
        schema_job.make_tables(conn, context.mapping, context.catalogue, missing)
        names = [t.name for t in missing]
        ledger.event(conn, context.run_id, "tablas_creadas", context.phase, {"tablas": names})
        ledger.seal(conn)
        schema_job.announce_schema(conn)


def verify(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Compare every Spanish table with what the mapping asks, fact by fact."""
    with opened(params, check) as context:
        if not ledger.exists(context.conn):
            raise MigrationError(
                "fase1: no hay nada que verificar todavía. Ejecute antes fase0.yml y fase1.yml.", code="difference"
            )
        _require_shape(context, set())
        _require_access(context)
        if not check:
            require_approved(context)
            detail = {"tablas": len(context.mapping.tables)}
            ledger.event(context.conn, context.run_id, "verificacion_esquema", context.phase, detail)
        return {"lines": [_verified_line(context), *_policy_lines(context)]}


def absent(params: dict[str, Any], check: bool) -> dict[str, Any]:
    """Drop the tables that fase1 made, while they are empty; what was there before fase1 stays."""
    with opened(params, check) as context:
        conn = context.conn
        ours = _made_by_us(context)
        if not ours:
            return {"lines": ["fase1: no hay tablas suyas que borrar."]}
        if check:
            with db.rolled_back(conn, lock_timeout_ms=500):
                schema_job.drop_tables(conn, context.mapping, ours)
            return {"lines": [f"Se borraría la tabla vacía {name}" for name in ours], "changed": True}
        context.begin()

        def act(connection: Any) -> None:
            lease.fence(connection, context.run_id)
            copier.uninstall(connection, context.every_route())
            schema_job.drop_tables(connection, context.mapping, ours)
            schema_job.announce_schema(connection)
            ledger.event(connection, context.run_id, "tablas_borradas", context.phase, {"tablas": ours})

        db.with_lock_retries(conn, act, lock_timeout_ms=500, tries=20)
        return {"lines": [f"Borrada la tabla vacía {name}" for name in ours], "changed": True}


def _made_by_us(context: Context) -> list[str]:
    """Return the existing tables that fase1 made and has not dropped since, children first."""
    if not ledger.exists(context.conn):
        return []
    made: set[str] = set()
    for kind, detail in db.fetch_all(
        context.conn,
        "SELECT tipo, detalle FROM migracion.evento WHERE tipo IN ('tablas_creadas', 'tablas_borradas') ORDER BY id",
    ):
        made = made | set(detail["tablas"]) if kind == "tablas_creadas" else made - set(detail["tablas"])
    missing = {t.name for t in schema_job.missing_tables(context.conn, context.mapping)}
    return [t.name for t in reversed(context.mapping.tables) if t.name in made - missing]


def _require_shape(context: Context, except_for: set[str]) -> None:
    found = schema_job.structure_of_existing(context.conn, context.mapping, context.catalogue)
    wrong = {name: phrases for name, phrases in found.items() if name not in except_for}
    if wrong:
        listed = "\n".join(f"  {name}: {phrase}" for name, phrases in wrong.items() for phrase in phrases)
        raise MigrationError(
            f"{context.phase}: {', '.join(wrong)} no tiene la forma que pide el mapeo. Nada se borró. Si la tabla es de otro, "
            f"renómbrela; si es de esta migración y está vacía: ansible-playbook fase1.yml --tags rollback, y fase1.yml de "
            f"nuevo.\n{listed}",
            code="difference",
        )


def _made_line(table: SpanishTable, check: bool) -> str:
    verb = "Se crearía" if check else "Creada"
    constraints = (
        1 + len(table.unique) + len(table.foreign_keys) + sum(bool(c.allowed) or c.minimum is not None for c in table.columns)
    )
    return f"{verb} {table.name}: {len(table.columns)} columnas, {constraints} restricciones, {len(table.indexes)} índices"


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
    ]


def _require_access(context: Context) -> None:
    problems = access_problems(context.conn, context.mapping, context.catalogue)
    if problems:
        listed = "\n".join(f"  {p}" for p in problems)
        raise MigrationError(
            f"{context.phase}: los permisos no son los de las tablas legacy. Nada se borró. Repita fase0.yml si los de legacy "
            f"cambiaron a propósito; si no, corríjalos con GRANT o REVOKE y repita.\n{listed}",
            code="difference",
        )


def _verified_line(context: Context) -> str:
    return f"Estructura verificada con el catálogo: {len(context.mapping.tables)} tablas como las pide el mapeo."
