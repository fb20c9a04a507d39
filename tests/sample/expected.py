"""What must happen to the sample's rows, in plain SQL that shares nothing with the runbook's own expressions."""

from __future__ import annotations

from contextlib import closing

import psycopg2

# The Spanish varchar lengths of the target schema, by legacy column; the first column is the unique one.
LIMITS = {
    "professions": {"name": 100, "specialty": 255, "category": 100},
    "customers": {"phone_number": 20, "full_name": 255, "city": 100},
}
DUPLICATE = "duplicate"
ROWS = "rows"


def refusals(url: str) -> dict[str, dict[str, int]]:
    """Rows that must go to quarantine, by legacy table and reason kind.

    The kinds are the column that is too long, or ``duplicate``: an acceptable row whose unique value, cut to its
    length, is that of an acceptable row with a lower key. A row counts under each of its kinds, and once under
    ``rows``. The address must be one that row security does not blind.
    """
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET row_security = off")
        found = {}
        for table, limits in LIMITS.items():
            cursor.execute(_statement(table, limits))
            (counts,) = cursor.fetchall()
            found[table] = dict(zip((*limits, DUPLICATE, ROWS), counts, strict=True))
        return found


def _statement(table: str, limits: dict[str, int]) -> str:
    """An INSERT refuses what is beyond the length, unless only blanks are cut off."""
    unique = next(iter(limits))
    too_long = {name: f"COALESCE(ltrim(substr({name}, {length + 1}), ' ') <> '', false)" for name, length in limits.items()}
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in too_long.values())
    return f"""
        WITH judged AS (SELECT *, {" OR ".join(too_long.values())} AS refused FROM public.{table}),
        ranked AS (
            SELECT *, NOT refused AND row_number() OVER (
                PARTITION BY refused, substr({unique}, 1, {limits[unique]}) ORDER BY id) > 1 AS repeated
            FROM judged)
        SELECT {counts}, count(*) FILTER (WHERE repeated), count(*) FILTER (WHERE refused OR repeated) FROM ranked"""
