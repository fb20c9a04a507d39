"""A row that is born on the Spanish side gets its legacy twin: a new row, or the one of a person who is known there already."""

from __future__ import annotations

from collections.abc import Sequence

from ..rows.refusals import accepted
from ..rows.routes import CarriedColumn, Route
from ..rows.staying import differs_from_due
from ..sqltext import ident, idents, literal
from .back_removing import not_let_through
from .followers import children_of, partners_of
from .images import legacy_row, set_flag
from .inverse import assignments, goes_back, kept_beside, legacy_place, must_be_found, not_found
from .staying_back import staying_step
from .taking_over import taking_over_step


def born_step(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the step of volver that does it; ``route``: the Spanish table's first pair."""
    values = birth_values(route, "s")
    refused = "".join(
        f"      IF {not_found(route, c, 's')} THEN {found_nowhere(c)} END IF;\n"
        for c in route.carried
        if goes_back(c) and must_be_found(c)
    )
    keys = ", ".join(f"array_agg(l.{ident(c.name)})" for c in route.key)
    match = ", ".join(f"array_agg(s.{ident(c.name)})" for c in route.match)
    twin = " AND ".join(f"t.{ident(c)} = p_nueva.{ident(c)}" for c in route.table.primary_key)
    insert = f"INSERT INTO {route.source_table} ({idents(values)}) VALUES ({', '.join(values.values())});"
    known = taking_over_step(route, all_routes, birth_values)
    if known:
        insert = f"IF v_casa = 0 THEN\n        {insert}\n      END IF;"
    carried = f"""PERFORM {route.function("ida")}({keys}, {match}, true, false)
      FROM {route.source_table} l WHERE {legacy_place(route, "s")} HAVING count(*) > 0;
      IF NOT FOUND THEN {not_let_through(route)} END IF;"""
    same = [r for r in all_routes if r.pair.target == route.pair.target]
    if not partners_of(route, same) and not list(children_of(route, all_routes)):
        carried = _only_if_changed(route, carried)
    return f"""      SELECT t.* INTO s FROM {route.target_table} t WHERE {twin};
      IF FOUND THEN
{refused}{known}      {insert}
{staying_step(route, "s")}      {set_flag("v_antes")}
      {carried}
      END IF;
"""


def _only_if_changed(route: Route, carried: str) -> str:
    """Return the step for a row on which no other one hangs: it is carried only where legacy made something else of it."""
    seen = f"{route.view} f JOIN {route.source_table} l ON {legacy_row(route, 'l', 'f')} WHERE {legacy_place(route, 's')}"
    return f"""SELECT {accepted("f")} AS _entra, {idents(route.columns, "f.")} INTO v_f FROM {seen};
      IF NOT FOUND OR NOT v_firme OR NOT v_f._entra OR {differs_from_due(route, route.columns, "s", "v_f")} THEN
      {carried}
      END IF;"""


def birth_values(route: Route, row: str) -> dict[str, str]:
    """Return by legacy column what the twin of the Spanish row ``row`` has there: also what the mapping declares for births."""
    values = {name: literal(value).strip() for name, value in (*route.pair.where, *route.pair.births)}
    kept: dict[str, str] = {}
    presence = [c for c in route.carried if c.rule.present is not None or c.rule.absent is not None]
    for carried in [*(c for c in route.carried if c not in presence), *presence]:
        if not goes_back(carried):
            continue
        for name, value in assignments(route, carried, row).items():
            values[name] = value.replace(f"nullif(l.{ident(name)}::text, '')::{carried.source.type}, ", "")
        if carried.rule.lookup is not None:
            beside = kept_beside(route, carried, row)
            kept |= {n: f"CASE WHEN {not_found(route, carried, row)} THEN {v} ELSE %s END" for n, v in beside.items()}
    for name, value in kept.items():
        values[name] = value.replace("%s", values.get(name, "NULL"))
    return values


def found_nowhere(carried: CarriedColumn) -> str:
    """Return the statement that refuses a value which has to be looked up and is not there."""
    message = f"ninguna fila de {carried.lookup.table} tiene ese {carried.lookup.take}"
    return f"RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = {literal(message)};"
