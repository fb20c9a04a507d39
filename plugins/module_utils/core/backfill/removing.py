"""The rendered function ``quitar(keys)``, one per Spanish table: it removes rows that no pair explains and keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted
from ..rows.routes import Route, spanish_clave
from ..rows.row_locks import unnested
from ..sqltext import commented, ident, literal
from .batching import PLANNING, function_body
from .making_way import parking_step


def array_arguments(names: Sequence[str], types: Sequence[str]) -> str:
    """Return the array parameters of a rendered function, one for each column of a key."""
    return ", ".join(f"p{n} {t}[]" for n, t in zip(names, types, strict=True))


def removal_function(routes: Sequence[Route]) -> str:
    """Return the statement that makes the Spanish table's function quitar; ``routes``: all that fill the table."""
    route = routes[0]
    names = [f"_k{n}" for n in range(1, len(route.pair.match) + 1)]
    mine = " AND ".join(f"t.{ident(c.name)} = k.{n}" for c, n in zip(route.match, names, strict=True))
    caption = (
        f"Retira de {ident(route.pair.target)} las filas de esas claves que ninguna fila legacy explica y las guarda en apartada."
        f" La llama{'n llevar y' if parking_step(route, routes) else ''} la reparación."
    )
    head = f"""{commented(caption)}CREATE OR REPLACE FUNCTION {route.removal}(
  {array_arguments(names, [c.type for c in route.match])}, p_run text, OUT apartadas bigint)
{PLANNING}-- los planes, de cada vez: la tabla crece entre una llamada y otra
SET plan_cache_mode = force_custom_plan
"""
    body = f"""BEGIN
  PERFORM set_config('migracion.sync', 'copia', true);
  WITH fuera AS (
    DELETE FROM {route.target_table} t USING {unnested(names)}
    WHERE {mine} AND NOT ({explained_by(routes, "t")})
    RETURNING t.*
  ), guardadas AS (
    INSERT INTO {BOOKKEEPING}.apartada (run_id, tabla, clave, fila)
    SELECT p_run, {literal(route.pair.target)}, {spanish_clave(route, "t")}, to_jsonb(t.*) FROM fuera t RETURNING 1
  )
  SELECT count(*) INTO apartadas FROM guardadas;
END """
    return head + function_body(body)


def explained_by(routes: Sequence[Route], alias: str) -> str:
    """Return whether one of the routes gives a row with the match columns of the Spanish row ``alias``."""
    return " OR ".join(
        f"EXISTS (SELECT 1 FROM {r.view} f WHERE {' AND '.join(f'f.{ident(m)} = {alias}.{ident(m)}' for m in r.pair.match)}"
        f" AND {accepted('f')})"
        for r in routes
    )
