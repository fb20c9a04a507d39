"""How many rows of its Spanish tables a run would take out, and whether that looks like an accident. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted
from ..rows.retained import given_now, values_apart
from ..rows.routes import Route
from ..sqltext import ident, literal
from ..words import number
from .surplus import surplus_sql

MOST_ROWS, MOST_SHARE = 100, 0.05  # of one Spanish table in one run; more than both asks


@dataclass(frozen=True)
class Removals:
    """By Spanish table: the rows that one run takes out, those that it has taken out already among them, and all that it had."""

    tables: Mapping[str, tuple[int, int]]

    def objection(self) -> str:
        """Return why it closes the gate, '' where it does not."""
        many = {t: (n, rows) for t, (n, rows) in self.tables.items() if n > MOST_ROWS and n > MOST_SHARE * rows}
        if not many:
            return ""
        said = "; ".join(f"{number(n)} de las {number(rows)} filas de {table}" for table, (n, rows) in many.items())
        return (
            f"esta ejecución retiraría {said}, porque ninguna fila legacy las explica ya, o porque su valor único es de otra. "
            f"Más de {MOST_ROWS} filas y del {number(100 * MOST_SHARE)} % de una tabla no se retiran sin preguntar: mire si se "
            "vació por accidente la legacy."
        )


def leaving_sql(routes: Sequence[Route]) -> str:
    """Return a SELECT of tabla (an OID) and lugar of the rows that leave, and of what hangs on them.

    Those are due to no legacy row, or have to leave their value to another row, and nothing holds them. ``routes``: all that
    fill the table.
    """
    return f"""WITH sobra AS MATERIALIZED (
  SELECT s.sitio FROM ({surplus_sql(routes)}) s UNION SELECT d.sitio FROM ({displaced_sql(routes)}) d
), alcance AS MATERIALIZED (
  SELECT a.* FROM {_reach(routes)}
), sale AS (
  SELECT sitio FROM sobra EXCEPT SELECT raiz FROM alcance WHERE motivo IS NOT NULL
)
SELECT {literal(routes[0].target_table)}::regclass::oid AS tabla, sitio AS lugar FROM sale
UNION SELECT a.tabla, a.lugar FROM alcance a JOIN sale ON sale.sitio = a.raiz"""


def displaced_sql(routes: Sequence[Route]) -> str:
    """Return a SELECT of sitio of the rows h whose unique value a row is entitled to, and that are given by none themselves.

    ``routes``: all that fill the table.
    """
    found = ["SELECT NULL::tid AS sitio WHERE false"]
    for route in routes:
        own = " AND ".join(f"h.{ident(m)} = f.{ident(m)}" for m in route.pair.match)
        for unique in values_apart(route):
            value = " AND ".join(f"h.{ident(u)} = f.{ident(u)}" for u in unique)
            rows = f"{route.view} f JOIN {route.target_table} h ON {value} AND NOT ({own})"
            found.append(f"SELECT h.ctid FROM {rows} WHERE {accepted('f')} AND NOT ({given_now(routes, 'h')})")
    return "\n  UNION ".join(found)


def displaced_count_sql(routes: Sequence[Route]) -> str:
    """Return a SELECT of the number of those rows that nothing holds."""
    reach = f"{BOOKKEEPING}.alcance({literal(routes[0].target_table)}::regclass, ARRAY[d.sitio])"
    held = f"EXISTS (SELECT FROM {reach} a WHERE a.motivo IS NOT NULL)"
    return f"SELECT count(*) FROM ({displaced_sql(routes)}) d WHERE NOT {held}"


def held_sql(routes: Sequence[Route]) -> str:
    """Return a SELECT of the number of rows that no route gives and something holds, and the reasons, at most three."""
    return f"""WITH sobra AS MATERIALIZED (
  {surplus_sql(routes)}
), retenida AS MATERIALIZED (
  SELECT a.raiz, regexp_replace(a.motivo, ' \\(filas: \\d+\\)$', '') AS motivo FROM {_reach(routes)} WHERE a.motivo IS NOT NULL
)
SELECT count(DISTINCT raiz), (SELECT array_agg(m.motivo) FROM (SELECT DISTINCT motivo FROM retenida ORDER BY 1 LIMIT 3) m)
FROM retenida"""


def _reach(routes: Sequence[Route]) -> str:
    table = f"{literal(routes[0].target_table)}::regclass"
    return f"{BOOKKEEPING}.alcance({table}, ARRAY(SELECT sitio FROM sobra)) a"
