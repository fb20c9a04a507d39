"""How many rows of its Spanish tables a run would take out, and whether that looks like an accident. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..bookkeeping import BOOKKEEPING
from ..rows.routes import Route
from ..sqltext import literal
from ..words import number
from .comparison import surplus_sql

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
            f"esta ejecución retiraría {said}, porque ninguna fila legacy las explica ya. Más de {MOST_ROWS} filas y del "
            f"{number(100 * MOST_SHARE)} % de una tabla no se retiran sin preguntar: mire si se vació por accidente la legacy."
        )


def leaving_sql(routes: Sequence[Route]) -> str:
    """Return a SELECT of tabla (an OID) and lugar of the rows that leave because no route (all of one table) gives them.

    Those that nothing holds, and what hangs on them.
    """
    return f"""WITH sobra AS MATERIALIZED (
  {surplus_sql(routes)}
), alcance AS MATERIALIZED (
  SELECT a.* FROM {_reach(routes)}
), sale AS (
  SELECT sitio FROM sobra EXCEPT SELECT raiz FROM alcance WHERE motivo IS NOT NULL
)
SELECT {literal(routes[0].target_table)}::regclass::oid AS tabla, sitio AS lugar FROM sale
UNION SELECT a.tabla, a.lugar FROM alcance a JOIN sale ON sale.sitio = a.raiz"""


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
