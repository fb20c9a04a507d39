"""The quarantine as work to do: by reason, with examples, what stands in the way and the statement that corrects it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..call.request import Request, identity_lines
from ..core.bookkeeping import BOOKKEEPING
from ..core.errors import MigrationError
from ..core.phase.settings import SECRET
from ..core.phase.summary import waived_lines
from ..core.quarantine.corrections import (
    BLANK,
    FEW,
    Reason,
    advice,
    columns_at_fault,
    keyed,
    orphans,
    printable,
    reason_is,
    update,
)
from ..core.rows.refusals import sources_of
from ..core.rows.routes import Route, routes_of, spanish_clave
from ..core.rows.unreadable import DAMAGED_ROW
from ..core.sqltext import ident, idents
from ..core.words import escape, number, units
from ..ledger import bookkeeping
from ..ledger.events import OPEN_BY_REASON, jsonb_text, waived_quarantine
from ..server import db
from ..server.live_catalogue import read_catalogue
from .spanish_entries import spanish_entry_lines

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

EXAMPLES_SHOWN = 3
REASONS_SHOWN = 60
ROW_SHOWN = 200  # characters of a row
VALUE_SHOWN = 60
OPEN = f"FROM {BOOKKEEPING}.cuarentena c WHERE c.estado = 'abierta'"
ENDING = (
    f"Ponga en lugar de {BLANK} un valor (un texto, entre comillas simples) o una expresión, como left(columna, 20). "
    "Sin rellenar, PostgreSQL no acepta la orden y nada cambia.",
    "Con las filas corregidas, repita la fase: las toma y cierra sus entradas.",
    "Lo que se queda atrás para siempre se dispensa con waived_quarantine, por patrones tabla:clave y con un motivo.",
)


def quarantine(conn: Connection, request: Request) -> list[str]:
    """Every reason with its rows, the first of them, and how to correct it; then what is waived."""
    lines = identity_lines(conn)
    if bookkeeping.exists(conn):
        bookkeeping.check_identity(conn)
    reasons = _reasons(conn)
    if not reasons:
        lines.append("Cuarentena abierta: ninguna fila")
    else:
        lines.append(f"Cuarentena abierta: {units(sum(r.rows for r in reasons), 'fila')}, {units(len(reasons), 'motivo')}")
        routes, problem = _routes(conn, request)
        lines += [problem] if problem else []
        spanish = {t.name: t for t in request.mapping.tables}
        for reason in reasons[:REASONS_SHOWN]:
            if table := spanish.get(reason.source):
                lines += ["", *spanish_entry_lines(conn, reason, request.mapping.schema, table)]
            else:
                lines += ["", *_lines(conn, reason, [r for r in routes if r.pair.source == reason.source])]
        if len(reasons) > REASONS_SHOWN:
            lines += ["", f"… y {len(reasons) - REASONS_SHOWN} motivos más, con menos filas: SELECT * {OPEN};"]
        lines += ["", *ENDING]
    lines += waived_lines(waived_quarantine(conn))
    return [escape(line) for line in lines]


def _reasons(conn: Connection) -> list[Reason]:
    if not bookkeeping.exists(conn):
        return []
    columns = "tabla_origen, razon, coalesce(sqlstate, ''), coalesce(columna, '')"
    query = f"SELECT {columns}, count(*), bool_or(varias) FROM ({OPEN_BY_REASON}) c GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2"
    return [Reason(*row) for row in db.fetch_all(conn, query)]


def _routes(conn: Connection, request: Request) -> tuple[tuple[Route, ...], str]:
    """The pairs on the live catalogue; none, and why, where the database is no longer what the mapping says."""
    try:
        return routes_of(request.mapping, read_catalogue(conn, request.mapping)), ""
    except MigrationError as error:
        return (), f"Sin correcciones propuestas: {error.what}. {error.move}"


def _lines(conn: Connection, reason: Reason, routes: Sequence[Route]) -> list[str]:
    state = f" [{reason.sqlstate}]" if reason.sqlstate else ""
    rows = _rows(conn, reason, routes)
    if routes and reason.rows <= FEW:
        reason = replace(reason, keys=tuple(tuple(key) for _, key, _ in rows))
    winners = _winners(conn, reason, rows[:EXAMPLES_SHOWN], routes) if reason.sqlstate == "23505" else {}
    lines = [f"{number(reason.rows)} × {reason.source}: {reason.text}{state}"]
    lines += [f"    {clave}: {shown}{winners.get(clave, '')}" for clave, _, shown in rows[:EXAMPLES_SHOWN]]
    if not routes:
        return lines
    if reason.sqlstate == "23503" and (found := _below_parents(conn, reason, routes)) is not None:
        return lines + [f"  {line}" for line in found]
    return lines + [f"  {line}" for line in advice(reason, routes)]


def _rows(conn: Connection, reason: Reason, routes: Sequence[Route]) -> list[tuple[str, list[str], str]]:
    """The first entries: clave, the values of the primary key, and what is shown of the row: what is at fault, or all."""
    legacy = routes[0].legacy if routes else None
    key = list(legacy.primary_key) if legacy else []
    names = [c.name for c in legacy.columns] if legacy else []
    found = db.fetch_all(
        conn,
        "SELECT c.clave, ARRAY(SELECT c.fila ->> k FROM unnest(%s::text[]) WITH ORDINALITY u(k, n) ORDER BY n),"
        " ARRAY(SELECT left(c.fila ->> k, %s) FROM unnest(%s::text[]) WITH ORDINALITY u(k, n) ORDER BY n),"
        " left((c.fila - %s::text[])::text, %s), coalesce(' (legacy la sobrescribió el '"
        " || to_char(c.sobrescrita_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC)', '')"
        f" {OPEN} AND c.tabla_origen = %s AND {reason_is(reason).replace('%', '%%')}"
        " AND coalesce(c.sqlstate, '') = %s AND coalesce(c.columna, '') = %s ORDER BY c.id LIMIT %s",
        (
            key,
            VALUE_SHOWN + 1,
            columns := columns_at_fault(reason, routes),
            [c for c in names if SECRET.search(c)],
            ROW_SHOWN + 1,
            reason.source,
            reason.sqlstate,
            reason.column,
            FEW,
        ),
    )
    if reason.text.endswith(DAMAGED_ROW):
        return [(clave, values, ", ".join(f"{c} = (no se puede leer)" for c in columns)) for clave, values, _, _, _ in found]
    return [(clave, values, _shown(columns, parts, row) + over) for clave, values, parts, row, over in found]


def _shown(columns: Sequence[str], values: Sequence[str | None], row: str) -> str:
    if not columns:
        return row if len(row) <= ROW_SHOWN else row[:ROW_SHOWN] + "…"
    return ", ".join(f"{c} = {'(oculto)' if SECRET.search(c) else _value(v)}" for c, v in zip(columns, values, strict=True))


def _value(value: str | None) -> str:
    if value is None:
        return "NULL"
    return printable(value if len(value) <= VALUE_SHOWN else value[:VALUE_SHOWN] + "…")


def _winners(conn: Connection, reason: Reason, rows: Sequence[tuple[str, Any, str]], routes: Sequence[Route]) -> dict[str, str]:
    """By clave, the Spanish row that stays in the place of a row that shares its value."""
    found: dict[str, str] = {}
    for route in routes:
        if not db.fetch_one(conn, "SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (route.view,)):
            continue
        shared = [u for u in (route.table.primary_key, *route.table.unique) if sources_of(route, u) == reason.column]
        for names in (*shared, route.pair.match):
            same = " AND ".join(f"t.{ident(name)} = f.{ident(name)}" for name in names)
            query = f"SELECT f._clave, {spanish_clave(route, 't')} FROM {route.view} f JOIN {route.target_table} t ON {same}"
            keys = [tuple(key) for _, key, _ in rows]
            for clave, winner in db.fetch_all(conn, f"{query} WHERE {keyed(idents(route.key_names, 'f.'), keys)}"):
                found.setdefault(clave, f"; queda la fila {winner} de {route.pair.target}")
    return found


def _below_parents(conn: Connection, reason: Reason, routes: Sequence[Route]) -> list[str] | None:
    """The parents to correct first, and an UPDATE only for children whose parent has no entry; None where no key is known."""
    points = [
        (route, [(p.pair.source, c.source.name) for p in parents if (c := p.carried_as(key.references)) is not None])
        for route in routes
        for key, parents in route.parents
        if sources_of(route, (key.column,)) == reason.column
    ]
    if not points or not points[0][1]:
        return None
    route, parents = points[0]
    found = db.fetch_all(
        conn,
        "WITH padre AS (SELECT p.tabla_origen, p.clave, p.motivo, p.fila ->> u.columna AS valor"
        f" FROM {BOOKKEEPING}.cuarentena p JOIN jsonb_to_recordset(%s) AS u(tabla text, columna text) ON u.tabla = p.tabla_origen"
        " WHERE p.estado <> 'resuelta'), grupos AS ("
        " SELECT c.fila ->> %s AS valor, p.tabla_origen, p.clave, p.motivo, count(*) AS n"
        f" FROM {BOOKKEEPING}.cuarentena c LEFT JOIN padre p ON p.valor = c.fila ->> %s"
        " WHERE c.estado = 'abierta' AND c.tabla_origen = %s AND c.motivo = %s GROUP BY 1, 2, 3, 4), contados AS ("
        " SELECT *, row_number() OVER (PARTITION BY clave IS NULL ORDER BY n DESC, valor) AS puesto,"
        " count(*) OVER todos, (sum(n) OVER todos)::bigint FROM grupos WINDOW todos AS (PARTITION BY clave IS NULL))"
        " SELECT valor, tabla_origen, clave, motivo, n, count, sum FROM contados WHERE puesto <= %s ORDER BY puesto",
        (
            jsonb_text(conn, [{"tabla": table, "columna": column} for table, column in parents]),
            reason.column,
            reason.column,
            reason.source,
            reason.text,
            EXAMPLES_SHOWN,
        ),
    )
    waiting = [row for row in found if row[1] is not None]
    lost = [row for row in found if row[1] is None]
    lines = [
        f"Corrija antes la fila {clave} de {table} ({motive}). Filas que la esperan: {number(count)}."
        for _, table, clave, motive, count, *_ in waiting
    ]
    if waiting and (more := waiting[0][5] - len(waiting)):
        rest = waiting[0][6] - sum(row[4] for row in waiting)
        lines.append(f"… y {units(more, 'fila')} más. Filas que las esperan: {number(rest)}.")
    tables = " ni ".join(dict.fromkeys(table for table, _ in parents))
    lines += [
        f"{reason.column} = {_value(value)}: no la da ninguna fila de {tables}. Filas así: {number(count)}."
        for value, _, _, _, count, *_ in lost
    ]
    if lost:
        also = orphans(route, reason.column, parents) if waiting else ""
        lines += update(reason, route, [reason.column], also)
    return lines
