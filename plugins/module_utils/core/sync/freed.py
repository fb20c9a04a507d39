"""The rendered function ``cede(values)``, one per Spanish table with a unique value: who was kept out for want of it may come.

A row that repeats another's unique value is refused as long as that one has it. When it goes, or takes another value, those
that are open for that reason are carried again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import conversion_of
from ..rows.repeated_keys import keys_repeat
from ..rows.routes import CarriedColumn, Route
from ..sqltext import all_of, commented, derived_name, dollar_quoted, ident, literal, qname
from .images import MODES, asked, caught, declared, gathered, image, left, legacy_row_named, pair_is, passed_keys


def freed_name(route: Route) -> str:
    """Return the qualified name of the Spanish table's function cede."""
    return qname(BOOKKEEPING, derived_name("cede", route.pair.target))


def unique_values(route: Route) -> list[tuple[int, list[CarriedColumn]]]:
    """Return the unique keys, each with its number in the table, that this pair's rows fill from their own columns."""
    keys = []
    for number, unique in enumerate(route.table.unique, 1):
        found = [c for u in unique if (c := route.carried_as(u)) is not None and c.rule.lookup is None]
        if len(found) == len(unique) and not (route.pair.duplicates and set(unique) == set(route.pair.match)):
            keys.append((number, found))
    return keys


def legacy_values(route: Route, alias: str) -> list[str]:
    """Return by unique key the value, as the function takes it, that the legacy row ``alias`` has in Spanish."""
    return [
        f"jsonb_build_array({n}, {', '.join(conversion_of(route, c, alias).value for c in key)})"
        for n, key in unique_values(route)
    ]


def spanish_values(route: Route, row: str) -> list[str]:
    """Return the same of the Spanish row ``row``."""
    keys = unique_values(route)
    # by name out of the whole row: where somebody renamed the column there is none, and no statement fails
    found = ((n, ", ".join(f"to_jsonb({row}) -> {literal(c.target.name)}" for c in key)) for n, key in keys)
    return [f"jsonb_build_array({n}, {values})" for n, values in found]


def freed_function(routes: Sequence[Route]) -> str:
    """Return the statement that makes it; ``routes``: all pairs that fill the table."""
    target = ident(routes[0].pair.target)
    caption = (
        f"Lleva las filas que no pasaban porque otra tenía su valor único en {target}: las de esos valores, que ya nadie tiene,"
        " o todas. La llaman los disparadores de las dos tablas, y el drenaje."
    )
    head = f"""{commented(caption)}CREATE OR REPLACE FUNCTION {freed_name(routes[0])}(p_valores jsonb[]) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
AS """
    steps = "".join(_carried(r) for r in routes if unique_values(r) and not keys_repeat(r))
    body = f"""DECLARE
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_estado text; v_mensaje text; v_detalle text;
BEGIN
{steps}END """
    return head + dollar_quoted(f"\n#variable_conflict use_variable\n{body}", "funcion")


def _carried(route: Route) -> str:
    has = " OR ".join(f"{value} = ANY (p_valores)" for value in legacy_values(route, "l"))
    refused = (
        f"{BOOKKEEPING}.cuarentena c JOIN {route.source_table} l ON {legacy_row_named(route, 'l', 'c.clave')}"
        f" WHERE c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta' AND c.sqlstate = '23505'"
    )
    chosen = all_of(f"SELECT {image(route, 'l')} FROM {refused}", f"(p_valores IS NULL OR {has})", route.where("l"))
    return f"""  DECLARE {declared(route, "h")}
  BEGIN
    {gathered(route, "h")} FROM ({chosen}) k;
    IF h_k1 IS NOT NULL AND EXISTS (SELECT FROM {MODES} s WHERE {pair_is(route, "s")}) THEN
      PERFORM {route.function("ida")}({passed_keys(route, "h")}, true, false);
    END IF;
{caught(left(route, asked(route, "h"), "v_mensaje", "v_estado"), "  ")}  END;
"""
