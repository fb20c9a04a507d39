"""Open entries of Spanish rows that legacy refuses: what was written, without what nobody may read, and what corrects it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..core.mapping.types import SpanishTable
from ..core.phase.settings import SECRET
from ..core.quarantine.corrections import BLANK, Reason, keyed, printable, reason_is
from ..core.sqltext import ident, idents, qname
from ..core.sync.entries_here import STAYS_HELD
from ..core.sync.images import ALL_ROWS, split_clave
from ..core.words import number
from ..server import db

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

ENTRIES_SHOWN = 3
COLUMNS_SHOWN = 5
VALUE_LENGTH = 60  # characters of a value that are shown
FREED = "En legacy ya no está. Quite antes las filas que la retienen, o deje de referirlas a ella; después:"
WAITS = "En legacy sigue como estaba; si legacy la debe perder también, bórrela allí cuando nada dependa de ella."


def spanish_entry_lines(conn: Connection, reason: Reason, schema: str, table: SpanishTable) -> list[str]:
    """Return one reason's entries: how many, the first of them, and the UPDATE of the Spanish rows to fill in."""
    found = db.fetch_all(
        conn,
        "SELECT c.clave, coalesce(c.columnas, '{}'), ARRAY(SELECT left(c.fila ->> x, %s) FROM unnest(c.columnas) x),"
        " coalesce(' (legacy la sobrescribió el '"
        " || to_char(c.sobrescrita_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC)', '')"
        f" FROM {BOOKKEEPING}.cuarentena c WHERE c.estado = 'abierta' AND c.tabla_origen = %s"
        f" AND {reason_is(reason).replace('%', '%%')} AND coalesce(c.sqlstate, '') = %s ORDER BY c.id LIMIT %s",
        (VALUE_LENGTH, reason.source, reason.sqlstate, ENTRIES_SHOWN),
    )
    state = f" [{reason.sqlstate}]" if reason.sqlstate else ""
    lines = [f"{number(reason.rows)} × {reason.source}: {reason.text}{state}"]
    for clave, columns, values, over in found:
        shown = [
            f"{column} = {'(oculto)' if SECRET.search(column) else 'NULL' if value is None else printable(value)}"
            for column, value in zip(columns, values, strict=True)
        ][:COLUMNS_SHOWN]
        lines.append(f"    {clave}{': ' if shown else ''}{', '.join(shown)}{over}")
    keys = [tuple(split_clave(clave)) for clave, *_ in found if clave != ALL_ROWS]
    names = idents(table.primary_key)
    there = _still_there(conn, qname(schema, table.name), names, keys)
    columns = list(dict.fromkeys(c for clave, cs, *_ in found if tuple(split_clave(clave)) in there for c in cs))
    if there and reason.text.startswith(STAYS_HELD):
        lines.append(f"  {FREED}")
        lines += [f"  DELETE FROM {qname(schema, table.name)}", f"    WHERE {keyed(names, there)};"]
    elif there:
        few = columns if len(columns) <= COLUMNS_SHOWN else ["columna"]  # of a row that was born: the one that legacy refuses
        values = ", ".join(f"{ident(column)} = {BLANK}" for column in few)
        lines += [f"  UPDATE {qname(schema, table.name)} SET {values}", f"    WHERE {keyed(names, there)};"]
    if len(there) < len(keys):
        lines.append(f"  {WAITS}")
    return lines


def _still_there(conn: Connection, table: str, names: str, keys: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Those of the keys that a Spanish row has."""
    return [key for key in keys if db.fetch_one(conn, f"SELECT 1 FROM {table} WHERE {keyed(names, [key])}")]
