"""Takes the rows back: the Spanish tables as they were before the copy, what only they held set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.backfill.removing import explained_by
from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.mapping.types import TableMapping
from ..core.proof.comparison import unexplained_sql
from ..core.rows.routes import Route
from ..core.sqltext import qname
from ..schema.routines import uninstall_routes
from ..server.db import compose, execute, fetch_all, fetch_one, run_sql
from .deferred_indexes import restore

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


def take_rows_back(
    conn: Connection, mapping: TableMapping, routes: Sequence[Route], all_routes: Sequence[Route], run_id: str
) -> dict[str, int]:
    """Take the rows of ``routes`` out of the Spanish tables in the caller's transaction; returns counts by table.

    What only a Spanish table holds (no legacy row gives that row) is kept in migracion.apartada first. A table that
    routes of another subphase fill too keeps their rows.
    """
    targets = list(dict.fromkeys(r.pair.target for r in routes))
    staying = {t: [r for r in all_routes if r.pair.target == t and r not in routes] for t in targets}
    staying = {t: [r for r in kept if _was_copied(conn, r)] for t, kept in staying.items()}
    emptied = [t for t in targets if not staying[t]]
    locked = [*targets, *_referencing(conn, mapping, emptied)]
    run_sql(conn, f"LOCK TABLE {', '.join(qname(mapping.schema, n) for n in locked)} IN ACCESS EXCLUSIVE MODE")
    outcome: dict[str, int] = {}
    for target in reversed(targets):
        fill = [r for r in all_routes if r.pair.target == target]
        outcome[f"{target}: apartadas"] = _set_aside(conn, fill, run_id)
        outcome[f"{target}: retiradas"] = fetch_all(conn, f"SELECT count(*) FROM {qname(mapping.schema, target)}")[0][0]
        if staying[target]:
            name = qname(mapping.schema, target)
            run_sql(conn, f"DELETE FROM {name} t WHERE NOT ({explained_by(staying[target], 't')})")
            outcome[f"{target}: retiradas"] -= fetch_all(conn, f"SELECT count(*) FROM {name}")[0][0]
    if emptied:
        tables = [t for t in locked if t not in targets or t in emptied]
        run_sql(conn, f"TRUNCATE {', '.join(qname(mapping.schema, n) for n in tables)} RESTART IDENTITY")
        restore(conn, mapping.schema, tables)
    _forget(conn, routes)
    if not any(_was_copied(conn, r) for r in all_routes):
        uninstall_routes(conn, all_routes)
    return outcome


def nothing_to_take_back(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route]) -> bool:
    """Return whether no copy of these routes has begun and no row of theirs is in a Spanish table."""
    if any(_was_copied(conn, r) for r in routes):
        return False
    others = {r.pair.target for r in all_routes if r not in routes and _was_copied(conn, r)}
    tables = {qname(r.schema, r.pair.target) for r in routes if r.pair.target not in others}
    present = [t for t in tables if fetch_one(conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (t,))]
    return not any(fetch_one(conn, f"SELECT 1 FROM {t} LIMIT 1") for t in present)


def _was_copied(conn: Connection, route: Route) -> bool:
    row = fetch_one(
        conn,
        f"SELECT 1 FROM {BOOKKEEPING}.progreso_copia WHERE tabla_origen = %s AND tabla_destino = %s",
        (route.pair.source, route.pair.target),
    )
    return row is not None


def _referencing(conn: Connection, mapping: TableMapping, names: list[str]) -> list[str]:
    """Return the tables whose foreign keys point at these: TRUNCATE wants them too, so they must be empty."""
    others: list[str] = []
    for table in mapping.tables:
        if table.name not in names and any(k.table in (*names, *others) for k in table.foreign_keys):
            others.append(table.name)
    present = [n for n in others if fetch_one(conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (qname(mapping.schema, n),))]
    full = [n for n in present if fetch_one(conn, f"SELECT 1 FROM {qname(mapping.schema, n)} LIMIT 1")]
    if full:
        first, last = "esas tablas (sin -e subfase se deshace la fase entera)", mapping.last_phase(full)
        if last != mapping.last_phase(names):
            first = f"{last}: ansible-playbook {last}.yml --tags rollback con el mismo -i"
        raise MigrationError(
            f"No se puede deshacer: {', '.join(full)} tiene filas que dependen de {', '.join(names)}",
            left=NOTHING_CHANGED,
            move=f"Deshaga antes {first}.",
            code="unsafe",
        )
    return present


def _set_aside(conn: Connection, fill: Sequence[Route], run_id: str) -> int:
    return execute(
        conn,
        compose("INSERT INTO {apartada} (run_id, tabla, clave, fila) ", apartada=(BOOKKEEPING, "apartada"))
        + f"SELECT %s, %s, clave, fila FROM ({unexplained_sql(fill).replace('%', '%%')}) u",
        (run_id, fill[0].pair.target),
    )


def _forget(conn: Connection, routes: Sequence[Route]) -> None:
    for route in routes:
        names: dict[str, Any] = {"origen": route.pair.source, "destino": route.pair.target}
        where = "WHERE tabla_origen = %(origen)s AND tabla_destino = %(destino)s"
        execute(conn, f"DELETE FROM {BOOKKEEPING}.progreso_copia {where}", names)
        execute(conn, f"DELETE FROM {BOOKKEEPING}.fusion {where}", names)
        execute(
            conn,
            f"UPDATE {BOOKKEEPING}.cuarentena SET estado = 'resuelta', resolucion = 'revertida', resuelta_at = now()"
            " WHERE tabla_origen = %(origen)s AND estado <> 'resuelta'",
            names,
        )
