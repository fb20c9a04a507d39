"""The rendered function ``quitar(keys)``, one per Spanish table: it removes rows that are due to no legacy row and keeps them."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.retained import explained_by
from ..rows.routes import Route
from ..rows.row_locks import unnested
from ..sqltext import commented, ident, literal
from .batching import PLANNING, function_body


def array_arguments(names: Sequence[str], types: Sequence[str]) -> str:
    """Return the array parameters of a rendered function, one for each column of a key."""
    return ", ".join(f"p{n} {t}[]" for n, t in zip(names, types, strict=True))


def removal_function(routes: Sequence[Route]) -> str:
    """Return the statement that makes the Spanish table's function quitar; ``routes``: all that fill the table."""
    route = routes[0]
    names = [f"_k{n}" for n in range(1, len(route.pair.match) + 1)]
    mine = " AND ".join(f"t.{ident(c.name)} = k.{n}" for c, n in zip(route.match, names, strict=True))
    caption = (
        f"Retira de {ident(route.pair.target)} las filas de esas claves que no se deben a ninguna fila legacy, tampoco como"
        " última buena de una rechazada, y las guarda en apartada. La llama la reparación."
    )
    head = f"""{commented(caption)}CREATE OR REPLACE FUNCTION {route.removal}(
  {array_arguments(names, [c.type for c in route.match])}, p_run text, OUT apartadas bigint)
{PLANNING}-- los planes, de cada vez: la tabla crece entre una llamada y otra
SET plan_cache_mode = force_custom_plan
"""
    due = explained_by(routes, "t", by_key=True)
    body = f"""BEGIN
  PERFORM set_config('migracion.sync', coalesce(nullif(current_setting('migracion.sync', true), ''), 'copia'), true);
  {removed("apartadas", route, f"{route.target_table} t JOIN {unnested(names)} ON {mine}", f"NOT ({due})")}
END """
    return head + function_body(body)


def removed(count: str, route: Route, rows: str, condition: str) -> str:
    """Return the statement that removes those of ``rows``, with the Spanish row t, of which the condition holds.

    ``count``: the variable that says how many rows left, those that hang on them among them.
    """
    return (
        f"SELECT a.apartadas INTO {count} FROM {BOOKKEEPING}.apartar({literal(route.target_table)}::regclass,\n"
        f"    ARRAY(SELECT t.ctid FROM {rows}\n    WHERE {condition}), p_run) a;"
    )
