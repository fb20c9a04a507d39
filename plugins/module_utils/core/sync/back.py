"""The rendered function ``volver(operation, old, new)``, one per Spanish table: what a service wrote there reaches legacy.

The legacy row is locked, the view read, and only what this statement changed and what differs is written, where the row lives.
A row born here gets its legacy twin; in legacy a row is deleted for a DELETE alone. What legacy refuses is quarantined under
the Spanish table's name, and the service's write stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted
from ..rows.routes import CarriedColumn, Route, spanish_clave
from ..rows.staying import due_value
from ..sqltext import commented, derived_name, dollar_quoted, ident, idents, literal, qname
from .back_removing import may_merge_now, merged_follow, not_let_through, removal_step
from .births import born_step, found_nowhere
from .deferred import checked_now, deferred_found
from .entries_here import quarantined_here, retried, taken_step
from .homes import home_step
from .images import DRAINING, MODES, current_flag, flagged, legacy_row, passed_on, set_flag
from .inverse import (
    assignments,
    goes_back,
    kept_beside,
    legacy_clave,
    legacy_key,
    legacy_place,
    lookup_locks,
    not_found,
)
from .pending_rows import spanish_left
from .staying_back import staying_step


def back_name(route: Route) -> str:
    """Return the qualified name of the Spanish table's function volver."""
    return qname(BOOKKEEPING, derived_name("volver", route.pair.target))


def back_function(routes: Sequence[Route], all_routes: Sequence[Route]) -> str:
    """Return the statement that makes it; ``routes``: all pairs that fill the table, the first one is where rows are born."""
    route = routes[0]
    row = route.target_table
    caption = (
        f"Lleva a las tablas legacy lo que un servicio escribió en una fila de {ident(route.pair.target)}: p_vieja y p_nueva son"
        " la fila antes y después. La llaman los disparadores de la tabla y el drenaje."
    )
    head = f"""{commented(caption)}CREATE OR REPLACE FUNCTION {back_name(route)}(
  p_orden text, p_vieja {row}, p_nueva {row}) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
AS """
    return head + dollar_quoted(f"\n#variable_conflict use_variable\n{_body(routes, all_routes)}", "funcion")


def _body(routes: Sequence[Route], all_routes: Sequence[Route]) -> str:
    route = routes[0]
    homes = "".join(home_step(r) for r in routes)
    key = spanish_clave(route, "p_vieja"), spanish_clave(route, "p_nueva")
    installed = " OR ".join(f"(m.tabla_origen = {literal(r.pair.source)})" for r in routes)
    return f"""DECLARE
  v_modos text[]; v_antes text := {current_flag()}; v_clave text; v_hay boolean := false; v_casa integer := 0;
  v_filas bigint; v_ya text; v_luego text; v_nueva text;
  v_estado text; v_mensaje text; v_detalle text; v_poner jsonb := '{{}}'; v_f record; v_g record; s {route.target_table};
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
BEGIN
  SELECT array_agg(m.modo) INTO v_modos FROM {MODES} m
  WHERE m.tabla_destino = {literal(route.pair.target)} AND ({installed});
  IF v_modos IS NULL AND v_firme THEN RETURN; END IF;
  BEGIN
    v_clave := CASE p_orden WHEN 'INSERT' THEN {key[1]} ELSE {key[0]} END;
    v_nueva := CASE p_orden WHEN 'UPDATE' THEN {key[1]} END;
    IF v_modos IS NULL OR v_modos && ARRAY['no', 'claves'] THEN
      -- sin modo: se instaló después de su foto
      {spanish_left(route, "CASE WHEN v_modos IS NULL THEN 'aislamiento' ELSE 'apagada' END")}
      RETURN;
    END IF;
    s := p_nueva;
{homes}    IF {retried(route)} THEN p_orden := 'INSERT'; END IF;
    -- mientras una clave legacy de la fila espera, esta espera con ella
    IF EXISTS (SELECT FROM {BOOKKEEPING}.pendiente p WHERE ({_waiting(routes)})
      AND p.motivo <> 'aislamiento') AND coalesce(current_setting({literal(DRAINING)}, true), '') = '' THEN
      {spanish_left(route, "'espera a la otra'")}
      RETURN;
    END IF;
{lookup_locks(route)}{deferred_found(routes, all_routes, 4)}
    {set_flag(flagged(route))}
    IF p_orden = 'DELETE' THEN
{removal_step(routes, all_routes)}    ELSIF p_orden = 'INSERT' THEN
{born_step(route, all_routes)}    ELSIF v_casa = 0 THEN
      NULL;  -- la fila legacy ya no está: quien la borró se lleva a esta
{"".join(_changed(r, n, routes) for n, r in enumerate(routes, 1))}    END IF;
{checked_now(4)}
{taken_step(route)}    {set_flag("v_antes")}
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
    IF v_clave IS NULL OR {passed_on("    ")} THEN
      RAISE;
    ELSIF left(v_estado, 2) IN ('22', '23', '54') OR v_estado = 'P0001' THEN
      {quarantined_here(route)}
    ELSE
      {spanish_left(route, "v_mensaje", "v_estado")}
    END IF;
  END;
END """


def _waiting(routes: Sequence[Route]) -> str:
    """Return whether p is a legacy key of the row, as it was or as it is."""
    return "\n      OR ".join(
        f"p.tabla_origen = {literal(r.pair.source)} AND p.clave IN (\n        {legacy_clave(r, 'p_vieja')},\n"
        f"        {legacy_clave(r, 'p_nueva')})"
        for r in routes
    )


def _changed(route: Route, number: int, routes: Sequence[Route]) -> str:
    """Return the branch that writes what this statement changed into the legacy row, where the row lives here."""
    steps = "".join(_column(route, c) for c in route.carried if goes_back(c))
    columns = route.columns
    keyed = " AND ".join(f"l.{ident(n)} = {v}" for n, v in legacy_key(route, "($1)"))
    view = f"{route.view} f JOIN {route.source_table} l ON {legacy_row(route, 'l', 'f')}"
    seen = f"SELECT {accepted('f')} AS _entra, {idents(columns, 'f.')}"
    old, new = legacy_place(route, "p_vieja"), legacy_place(route, "s")
    moved = {c: f"v_g.{ident(c)}::text IS DISTINCT FROM v_f.{ident(c)}::text" for c in columns}
    due = {c: due_value(route, c, "s", "v_g") for c in columns}
    differs = " OR ".join(f"{m} AND {due[c]}::text IS DISTINCT FROM s.{ident(c)}::text" for c, m in moved.items())
    update = ", ".join(f"{ident(c)} = CASE WHEN {m} THEN {due[c]} ELSE t.{ident(c)} END" for c, m in moved.items())
    begin = literal(f"UPDATE {route.source_table} l SET ").strip()
    end = literal(f" FROM (SELECT ($2).*) n WHERE {keyed}").strip()
    twin = " AND ".join(f"t.{ident(c)} = s.{ident(c)}" for c in route.table.primary_key)
    keys = ", ".join(f"array_agg(l.{ident(c.name)})" for c in route.key)
    match = ", ".join(f"array_agg(s.{ident(c.name)})" for c in route.match)
    return f"""    ELSIF v_casa = {number} THEN
      {seen} INTO v_f FROM {view} WHERE {old};
      SELECT t.* INTO s FROM {route.target_table} t WHERE {twin.replace("s.", "p_nueva.")};
      IF FOUND THEN
{staying_step(route, "s")}{steps}        IF v_poner <> '{{}}' THEN
          EXECUTE {begin} || (SELECT string_agg(format('%I = %s', p.key, p.value), ', ')
            FROM jsonb_each_text(v_poner) p) || {end} USING p_vieja, s;
          GET DIAGNOSTICS v_filas = ROW_COUNT;
          IF v_filas = 0 THEN {not_let_through(route)} END IF;
{merged_follow(route, routes)}          {seen} INTO v_g FROM {view} WHERE {new};
          IF NOT FOUND OR NOT v_g._entra OR NOT v_f._entra{may_merge_now(route, routes)} THEN
            {set_flag("v_antes")}
            PERFORM {route.function("ida")}({keys}, {match}, true, false)
            FROM {route.source_table} l WHERE {new} HAVING count(*) > 0;
          ELSIF v_g._entra AND ({differs}) THEN
            -- un disparador de la tabla legacy cambió algo más: eso vuelve aquí
            UPDATE {route.target_table} t SET {update} WHERE {twin} RETURNING t.* INTO s;
            IF {differs} THEN
              RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'los disparadores de las dos tablas no se ponen de acuerdo';
            END IF;
          END IF;
        END IF;
      END IF;
"""


def _column(route: Route, carried: CarriedColumn) -> str:
    name = ident(carried.target.name)
    due = due_value(route, carried.target.name, "s", "v_f")
    changed = f"p_vieja.{name}::text IS DISTINCT FROM p_nueva.{name}::text AND {due}::text IS DISTINCT FROM s.{name}::text"
    pairs = assignments(route, carried, "n")
    said = ", ".join(f"{literal(c).strip()}, {literal(e).strip()}" for c, e in pairs.items())
    beside = ""
    if carried.rule.lookup is not None:
        kept = kept_beside(route, carried, "n")
        more = ", ".join(f"{literal(c).strip()}, {literal(e).strip()}" for c, e in kept.items())
        then = f"v_poner := v_poner || jsonb_build_object({more});" if kept else found_nowhere(carried)
        beside = f"\n          IF {not_found(route, carried, 's')} THEN {then} END IF;"
    return f"""        IF {changed} THEN
          v_poner := v_poner || jsonb_build_object({said});{beside}
        END IF;
"""
