"""The way back of fase1: the tables that it made are dropped while they are empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..core.errors import NOTHING_CHANGED, MigrationError
from ..core.mapping.types import TableMapping
from ..core.sqltext import qname
from ..ledger import bookkeeping
from ..server.db import Error, fetch_all, fetch_one, run_sql
from .references import foreign_to, references_to, refused_references
from .structure import table_oids

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

DEPENDENTS = "2BP01"  # dependent objects still exist
# What was built on tables or their row types; our own views and functions go before the tables do.
BUILT_ON = """
WITH tablas AS (
  SELECT c.oid, c.reltype FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = %s AND c.relname = ANY (%s)
)
SELECT DISTINCT coalesce('vista ' || v.oid::regclass, pg_describe_object(d.classid, d.objid, d.objsubid))
FROM pg_depend d
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_class v ON v.oid = r.ev_class
LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid
WHERE d.deptype = 'n' AND (d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT oid FROM tablas)
    OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT reltype FROM tablas))
  AND coalesce(v.relnamespace, f.pronamespace) IS DISTINCT FROM (SELECT oid FROM pg_namespace WHERE nspname = 'migracion')
  AND coalesce(k.contype, '') <> 'f' AND NOT EXISTS (  -- what is the tables' own goes with them
    SELECT FROM pg_depend o WHERE o.classid = d.classid AND o.objid = d.objid AND o.deptype IN ('a', 'i')
      AND o.refclassid = 'pg_class'::regclass AND o.refobjid IN (SELECT oid FROM tablas))
ORDER BY 1
"""


def made_by_us(conn: Connection, mapping: TableMapping) -> list[str]:
    """Return the existing tables that fase1 made and has not dropped since, under whatever mapping; children first."""
    if not bookkeeping.exists(conn):
        return []
    made: set[str] = set()
    for kind, detail in fetch_all(
        conn,
        "SELECT tipo, detalle FROM migracion.evento WHERE tipo IN ('tablas_creadas', 'tablas_borradas') ORDER BY id",
    ):
        made = made | set(detail["tablas"]) if kind == "tablas_creadas" else made - set(detail["tablas"])
    there = made & set(table_oids(conn, mapping.schema, sorted(made)))
    known = [t.name for t in reversed(mapping.tables) if t.name in there]
    return [*sorted(there - set(known)), *known]


def require_droppable(conn: Connection, schema: str, names: Sequence[str], last_phase: Callable[[Sequence[str]], str]) -> None:
    """Raise MigrationError, code unsafe, where one of the tables holds rows or others have built on them; locks nothing.

    ``last_phase``: which phase carried rows into some of the tables last, '' for none.
    """
    full = [n for n in names if fetch_one(conn, f"SELECT 1 FROM {qname(schema, n)} LIMIT 1") is not None]
    if full:
        last = last_phase(full) or "fase2"
        raise MigrationError(
            f"{', '.join(full)} ya tiene filas; deshacer fase1 las borraría",
            left=NOTHING_CHANGED,
            move=f"Deshaga antes la copia: ansible-playbook {last}.yml --tags rollback con el mismo -i.",
            code="unsafe",
        )
    refused_references(foreign_to(references_to(conn, schema, names), schema, names), "No se puede deshacer fase1")
    if built := fetch_all(conn, BUILT_ON, (schema, list(names))):
        raise _in_the_way("; ".join(what for (what,) in built))


def _in_the_way(users: str) -> MigrationError:
    return MigrationError(
        f"hay objetos que usan estas tablas, y nada se borra en cascada ({users})",
        left=NOTHING_CHANGED,
        move="Quite esos objetos, guardando su definición, y repita fase1.yml --tags rollback con el mismo -i.",
        code="unsafe",
    )


def drop_tables(conn: Connection, schema: str, names: Sequence[str], last_phase: Callable[[Sequence[str]], str]) -> None:
    """Drop the tables in the caller's transaction, never CASCADE; raises as require_droppable() does."""
    run_sql(conn, f"LOCK TABLE {', '.join(qname(schema, name) for name in names)} IN ACCESS EXCLUSIVE MODE")
    require_droppable(conn, schema, names, last_phase)
    try:
        run_sql(conn, f"DROP TABLE {', '.join(qname(schema, name) for name in names)}")
    except Error as error:
        if error.pgcode != DEPENDENTS:
            raise
        raise _in_the_way("; ".join((error.diag.message_detail or "").splitlines())) from error
