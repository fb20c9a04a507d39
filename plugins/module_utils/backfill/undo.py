"""Takes the rows back: the Spanish tables as they were before the copy, what only they held set aside."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.bookkeeping import BOOKKEEPING, FLAG
from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.mapping.types import TableMapping
from ..core.proof.comparison import OwnColumn, stale_entries_sql, unexplained_sql
from ..core.rows.retained import explained_by
from ..core.rows.routes import Route
from ..core.sqltext import literal, qname
from ..schema.references import foreign_to, references_to, refused_references
from ..schema.routines import uninstall_routes
from ..server.db import compose, execute, fetch_all, fetch_one, run_sql
from .deferred_indexes import restore

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True)
class WayBack:
    """What a way back does: ``targets`` in the mapping's order, by which routes ``staying`` rows of a table are given still,
    which tables are ``emptied``, and the ``others``, empty, that TRUNCATE wants too because they point at these."""

    schema: str
    targets: tuple[str, ...]
    staying: dict[str, list[Route]]
    others: tuple[str, ...]

    @property
    def emptied(self) -> list[str]:
        """The tables of which no row stays."""
        return [t for t in self.targets if not self.staying[t]]

    @property
    def tables(self) -> list[str]:
        """Every table that it locks."""
        return [*self.targets, *self.others]

    def counted(self, conn: Connection) -> Iterator[tuple[str, str]]:
        """Yield each table, children first, and which of its rows leave, as SQL."""
        for target in reversed(self.targets):
            rest = f" t WHERE NOT ({explained_by(self.staying[target], 't')})" if self.staying[target] else ""
            yield target, f"{qname(self.schema, target)}{rest}"


def take_rows_back(
    conn: Connection,
    mapping: TableMapping,
    routes: Sequence[Route],
    all_routes: Sequence[Route],
    run_id: str,
    together: Collection[str],
) -> dict[str, int]:
    """Take the rows of ``routes`` out of the Spanish tables in the caller's transaction; returns counts by table.

    What only a Spanish table holds (no legacy row gives that row) is kept in migracion.apartada first. A table that
    routes of another subphase fill too keeps their rows. ``together``: all tables that this way back empties. Raises
    MigrationError, code unsafe, where others' rows hang on them.
    """
    plan = _locked_plan(conn, mapping, routes, all_routes, together)
    fetch_one(conn, f"SELECT set_config({literal(FLAG)}, 'copia', true)")  # what leaves here stays in the legacy tables
    outcome: dict[str, int] = {}
    for target, leaving in plan.counted(conn):
        kept = _unexplained(conn, [r for r in all_routes if r.pair.target == target], plan.staying[target])
        outcome[f"{target}: apartadas"] = execute(
            conn,
            compose("INSERT INTO {a} (run_id, tabla, clave, fila, nulos_json) ", a=(BOOKKEEPING, "apartada"))
            + f"SELECT %s, %s, clave, fila, nulos FROM ({kept.replace('%', '%%')}) u",
            (run_id, target),
        )
        outcome[f"{target}: retiradas"] = fetch_all(conn, f"SELECT count(*) FROM {leaving}")[0][0]
        if plan.staying[target]:
            run_sql(conn, f"DELETE FROM {leaving}")
    if plan.emptied:
        tables = [*plan.emptied, *plan.others]
        run_sql(conn, f"TRUNCATE {', '.join(qname(mapping.schema, n) for n in tables)} RESTART IDENTITY")
        restore(conn, mapping.schema, tables)
    _forget(conn, routes, all_routes)
    if fetch_one(conn, f"SELECT 1 FROM {BOOKKEEPING}.progreso_copia LIMIT 1") is None:
        uninstall_routes(conn)
    return outcome


def foresee_way_back(
    conn: Connection, mapping: TableMapping, routes: Sequence[Route], all_routes: Sequence[Route], together: Collection[str]
) -> dict[str, int]:
    """Return what take_rows_back() would, or raise as it would, and lock nothing that anybody waits for."""
    plan, outcome = _plan(conn, mapping, routes, all_routes, together), dict[str, int]()
    for target, leaving in plan.counted(conn):
        kept = _unexplained(conn, [r for r in all_routes if r.pair.target == target], plan.staying[target])
        outcome[f"{target}: apartadas"] = fetch_all(conn, f"SELECT count(*) FROM ({kept}) u")[0][0]
        outcome[f"{target}: retiradas"] = fetch_all(conn, f"SELECT count(*) FROM {leaving}")[0][0]
    return outcome


def nothing_to_take_back(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route]) -> bool:
    """Return whether no copy of these routes has begun and no row of theirs is in a Spanish table."""
    if any(_was_copied(conn, r) for r in routes):
        return False
    others = {r.pair.target for r in all_routes if r not in routes and _was_copied(conn, r)}
    tables = {qname(r.schema, r.pair.target) for r in routes if r.pair.target not in others}
    return not any(fetch_one(conn, f"SELECT 1 FROM {t} LIMIT 1") for t in tables if _exists(conn, t))


def _exists(conn: Connection, table: str) -> bool:
    return fetch_one(conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (table,)) is not None


def _was_copied(conn: Connection, route: Route) -> bool:
    row = fetch_one(
        conn,
        f"SELECT 1 FROM {BOOKKEEPING}.progreso_copia WHERE tabla_origen = %s AND tabla_destino = %s",
        (route.pair.source, route.pair.target),
    )
    return row is not None


def _locked_plan(
    conn: Connection, mapping: TableMapping, routes: Sequence[Route], all_routes: Sequence[Route], together: Collection[str]
) -> WayBack:
    """The plan with its tables locked: what was built while they were waited for makes another, which wants more of them."""
    locked, plan = None, _plan(conn, mapping, routes, all_routes, together)
    while plan != locked:
        run_sql(conn, f"LOCK TABLE {', '.join(qname(mapping.schema, n) for n in plan.tables)} IN ACCESS EXCLUSIVE MODE")
        locked, plan = plan, _plan(conn, mapping, routes, all_routes, together)
    return plan


def _plan(
    conn: Connection, mapping: TableMapping, routes: Sequence[Route], all_routes: Sequence[Route], together: Collection[str]
) -> WayBack:
    ours = {t.name for t in mapping.tables}
    targets = tuple(dict.fromkeys(r.pair.target for r in routes if _exists(conn, qname(mapping.schema, r.pair.target))))
    staying = {t: [r for r in all_routes if r.pair.target == t and r not in routes and _was_copied(conn, r)] for t in targets}
    others: list[str] = []
    while True:  # asked of the catalogue: anybody may have built a foreign key since
        references = references_to(conn, mapping.schema, [*targets, *others])
        more = [r.table for r in references if r.schema == mapping.schema and r.table in ours - {*targets, *others}]
        if not more:
            break
        others += dict.fromkeys(more)
    refused_references(foreign_to(references, mapping.schema, [*targets, *others]), "No se puede deshacer")
    _require_empty_others(conn, mapping, targets, [n for n in others if n not in together])
    return WayBack(mapping.schema, targets, staying, tuple(others))


def _require_empty_others(conn: Connection, mapping: TableMapping, names: Sequence[str], others: Sequence[str]) -> None:
    full = [n for n in others if fetch_one(conn, f"SELECT 1 FROM {qname(mapping.schema, n)} LIMIT 1")]
    if full:
        last = mapping.last_phase(full) or mapping.last_phase(names)
        whole = " (sin -e subfase, que deshace la fase entera)" if last == mapping.last_phase(names) else ""
        raise MigrationError(
            f"No se puede deshacer: {', '.join(full)} tiene filas que dependen de {', '.join(names)}",
            left=NOTHING_CHANGED,
            move=f"Deshaga antes {last}{whole}: ansible-playbook {last}.yml --tags rollback con el mismo -i.",
            code="unsafe",
        )


def _unexplained(conn: Connection, fill: Sequence[Route], staying: Sequence[Route]) -> str:
    """What the table has now beside the carried columns is asked of the catalogue: people may have added some of their own."""
    rows = fetch_all(
        conn,
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = to_regclass(%s)"
        " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = '' ORDER BY a.attnum",
        (fill[0].target_table,),
    )
    return unexplained_sql(fill, staying, [OwnColumn(*row) for row in rows])


def _forget(conn: Connection, routes: Sequence[Route], all_routes: Sequence[Route]) -> None:
    """Forget the copies of these pairs. An entry of a legacy row stays where a pair that stays copied explains it."""
    for route in routes:
        names: dict[str, Any] = {"origen": route.pair.source, "destino": route.pair.target}
        where = "WHERE tabla_origen = %(origen)s AND tabla_destino = %(destino)s"
        execute(conn, f"DELETE FROM {BOOKKEEPING}.progreso_copia {where}", names)
        execute(conn, f"DELETE FROM {BOOKKEEPING}.fusion {where}", names)
        others = [r for r in all_routes if r.pair.source == route.pair.source and r not in routes and _was_copied(conn, r)]
        stale = f" AND clave IN (SELECT s.clave FROM ({stale_entries_sql(others)}) s)" if others else ""
        run_sql(
            conn,
            f"UPDATE {BOOKKEEPING}.cuarentena SET estado = 'resuelta', resolucion = 'revertida', resuelta_at = now()"
            f" WHERE tabla_origen = {literal(route.pair.source)} AND estado <> 'resuelta'{stale}",
        )
