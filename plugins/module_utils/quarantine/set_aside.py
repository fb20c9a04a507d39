"""What was set aside when rows left the Spanish tables, with the statement that puts it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..call.request import Request, identity_lines
from ..core.bookkeeping import BOOKKEEPING
from ..core.mapping.column_types import JSON
from ..core.quarantine.corrections import printable
from ..core.sqltext import ident, idents, qname
from ..core.words import escape, number, units
from ..ledger import bookkeeping
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

GROUPS_SHOWN = 40  # runs and tables, the latest runs first
CLAVES_SHOWN = 3
AFTERWORDS = (
    "Las órdenes van en el orden en que están: los padres antes que sus hijas. Lo que ya está en la tabla, o cuyo valor único"
    " tiene otra fila, no entra otra vez; migracion.apartada no cambia.",
    "Una ejecución de la fase sin las filas legacy de las que vienen las aparta otra vez: reponga antes las legacy.",
)


def set_aside(conn: Connection, request: Request) -> list[str]:
    """By run and table: how many rows, the first of them, and what puts them back: an INSERT, or an UPDATE of rows
    that were overwritten. Reads only."""
    lines = identity_lines(conn)
    groups = _groups(conn, request) if bookkeeping.exists(conn) else []
    if not groups:
        return [*lines, "Filas apartadas: ninguna"]
    lines.append(f"Filas apartadas: {number(sum(rows for _, _, rows, *_ in groups))}, por ejecución y tabla:")
    for run_id, table, rows, moment, keys in groups[:GROUPS_SHOWN]:
        lines += ["", f"{number(rows)} × {table}, por la ejecución {run_id} ({moment} UTC): {', '.join(keys)}"]
        lines += [f"  {line}" for line in _restoring(conn, request.mapping.schema, table, run_id)]
    if len(groups) > GROUPS_SHOWN:
        lines += ["", f"… y {len(groups) - GROUPS_SHOWN} más, de ejecuciones anteriores: están en {BOOKKEEPING}.apartada"]
    return [escape(line) for line in [*lines, "", *AFTERWORDS]]


def _groups(conn: Connection, request: Request) -> list[tuple[str, str, int, str, list[str]]]:
    order = [t.name for t in request.mapping.tables]
    rows = db.fetch_all(
        conn,
        "SELECT run_id, tabla, count(*), to_char(max(momento) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),"
        f" (array_agg(left(clave, 60) ORDER BY id))[1:{CLAVES_SHOWN}] FROM {BOOKKEEPING}.apartada GROUP BY 1, 2"
        " ORDER BY max(max(momento)) OVER (PARTITION BY run_id) DESC, run_id, coalesce(array_position(%s, tabla), 0)",
        (order,),
    )
    return [(run, table, int(n), moment, list(keys)) for run, table, n, moment, keys in rows]


def _restoring(conn: Connection, schema: str, table: str, run_id: str) -> list[str]:
    columns = db.fetch_all(
        conn,
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attrelid = to_regclass(%s)"
        " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND EXISTS (SELECT FROM"
        f" {BOOKKEEPING}.apartada f WHERE f.tabla = %s AND f.run_id = %s AND f.fila ? a.attname::text) ORDER BY a.attnum",
        (qname(schema, table), table, run_id),
    )
    if not columns:
        return [f"La tabla {table} ya no existe."]
    key = [
        name
        for (name,) in db.fetch_all(
            conn,
            "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)"
            " WHERE i.indrelid = to_regclass(%s) AND i.indisprimary",
            (qname(schema, table),),
        )
    ]
    target, row = qname(schema, table), f"jsonb_populate_record(NULL::{qname(schema, table)}, a.fila) r"
    mine = f"a.tabla = {printable(table)} AND a.run_id = {printable(run_id)}"
    names = [name for name, _ in columns]
    values = [_value(name, kind) for name, kind in columns]
    gone, there = _gone_and_there(conn, target, key, table, run_id)
    lines = []
    if gone:
        lines += [
            f"INSERT INTO {target} ({idents(names)}) OVERRIDING SYSTEM VALUE",
            f"SELECT {', '.join(values)}",
            f"FROM {BOOKKEEPING}.apartada a, {row}",
            f"WHERE {mine} ORDER BY a.id ON CONFLICT DO NOTHING;",
        ]
    if there:
        said = [f"{ident(n)} = {v}" for n, v in zip(names, values, strict=True) if n not in key]
        later = "(b.tabla, b.run_id, b.clave) = (a.tabla, a.run_id, a.clave) AND b.id > a.id"
        lines += [
            f"Siguen en la tabla con otros valores: {units(there, 'fila')}. Para darles los de antes:",
            f"UPDATE {target} t SET {', '.join(said)}",
            f"FROM {BOOKKEEPING}.apartada a, {row}",
            f"WHERE {mine} AND {_same(key)}",
            f"  AND NOT EXISTS (SELECT FROM {BOOKKEEPING}.apartada b WHERE {later});",
        ]
    return lines


def _gone_and_there(conn: Connection, target: str, key: Sequence[str], table: str, run_id: str) -> tuple[int, int]:
    """How many of the rows that were kept are not in the table now, and how many are."""
    row = db.fetch_one(
        conn,
        "SELECT count(*) FILTER (WHERE t.esta IS NULL), count(*) FILTER (WHERE t.esta) FROM"
        f" {BOOKKEEPING}.apartada a CROSS JOIN LATERAL jsonb_populate_record(NULL::{target}, a.fila) r"
        f" LEFT JOIN LATERAL (SELECT true AS esta FROM {target} t WHERE {_same(key)}) t ON true"
        " WHERE a.tabla = %s AND a.run_id = %s",
        (table, run_id),
    )
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _same(key: Sequence[str]) -> str:
    return " AND ".join(f"t.{ident(name)} = r.{ident(name)}" for name in key) or "false"


def _value(name: str, kind: str) -> str:
    """The null of JSON and no value at all look alike in the row as it is kept."""
    if kind not in JSON:
        return f"r.{ident(name)}"
    return f"CASE WHEN {printable(name)} = ANY (a.nulos_json) THEN 'null' ELSE r.{ident(name)} END"
