"""Legacy times without a zone: what they would be by two clocks."""

from __future__ import annotations

from ..sqltext import ident, literal, qname


def readings_sql(schema: str, table: str, column: str, zone: str) -> str:
    """Return a SELECT of up to three of the column's latest finite values: as it stands, read as UTC, read by ``zone``'s clock.

    Three texts a row, the readings in UTC with its Z. Without parameters. SQLSTATE 22023 where the server does not know the zone.
    """
    value, shown = f"l.{ident(column)}", "'YYYY-MM-DD HH24:MI:SS'"
    stamp = '\'YYYY-MM-DD"T"HH24:MI:SS"Z"\''
    return (
        f"SELECT to_char(v, {shown}), to_char(v, {stamp}),\n"
        f"  to_char((v AT TIME ZONE {literal(zone)}) AT TIME ZONE 'UTC', {stamp})\n"
        f"FROM (SELECT {value} AS v FROM {qname(schema, table)} l\n"
        f"  WHERE {value} BETWEEN '4713-01-02 BC' AND '294276-12-30' ORDER BY {value} DESC LIMIT 3) l"
    )
