"""The rendered function ``volver(operation, old, new)``, one per Spanish table: what a service wrote there reaches legacy.

The legacy row is locked, the view read, and only what this statement changed and what differs is written, where the row lives.
A row born here gets its legacy twin; in legacy a row is deleted for a DELETE alone. What legacy refuses is quarantined under
the Spanish table's name, and the service's write stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.routes import Route
from ..sqltext import commented, derived_name, dollar_quoted, ident, indented, literal, qname
from .back_changing import changed_step
from .back_removing import removal_step
from .births import born_step
from .deferred import checked_now, deferred_found
from .entries_here import every_column, quarantined_here, retried, taken_step, written_columns
from .homes import home_step
from .images import DRAINING, MODES, current_flag, flagged, passed_on, set_flag
from .inverse import legacy_clave
from .looked_up import lookup_locks
from .moved_keys import follow_step, legacy_key_step, names_step
from .pending_rows import spanish_left


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
    installed = " OR ".join(f"(m.tabla_origen = {literal(r.pair.source)})" for r in routes)
    return f"""DECLARE
  v_modos text[]; v_antes text := {current_flag()}; v_clave text; v_hay boolean := false; v_casa integer := 0;
  v_filas bigint; v_ya text; v_nueva text; v_aqui text; v_alli text; v_otra jsonb; v_escritas text[]; v_marca text;
  v_estado text; v_mensaje text; v_detalle text; v_poner jsonb := '{{}}'; v_f record; v_g record;
  s {route.target_table}; v_l {route.target_table};
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
BEGIN
  SELECT array_agg(m.modo) INTO v_modos FROM {MODES} m
  WHERE m.tabla_destino = {literal(route.pair.target)} AND ({installed});
  IF v_modos IS NULL AND v_firme THEN RETURN; END IF;
  BEGIN
{names_step(route)}    IF v_modos IS NULL OR v_modos && ARRAY['no', 'claves'] THEN
      -- sin modo: se instaló después de su foto
      {spanish_left(route, "CASE WHEN v_modos IS NULL THEN 'aislamiento' ELSE 'apagada' END")}
      RETURN;
    END IF;
    s := p_nueva;
    v_escritas := {written_columns(route)};
{legacy_key_step(route)}{homes}    IF {retried(route)} OR p_orden = 'UPDATE' AND v_casa = 0 AND v_nueva <> v_clave
      AND NOT EXISTS (SELECT FROM {BOOKKEEPING}.pendiente p WHERE {_waiting(routes)}) THEN
      -- una que no nació aún, y ya tiene otra clave
      p_orden := 'INSERT'; v_escritas := {every_column(route)};
    END IF;
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
{"".join(changed_step(r, n, routes) for n, r in enumerate(routes, 1))}    END IF;
{checked_now(4)}
{taken_step(route)}    {set_flag("v_antes")}
{_refused(route)}END """


def _refused(route: Route) -> str:
    """Return the handler: what legacy refuses gets an entry, what nobody foresaw leaves the key, a lock is the service's."""
    return f"""  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
    IF v_clave IS NULL OR {passed_on("    ")} THEN
      RAISE;
    END IF;
{indented(follow_step(route), 4)}
    IF left(v_estado, 2) IN ('22', '23', '54') OR v_estado = 'P0001' THEN
      {quarantined_here(route)}
    ELSE
      {spanish_left(route, "v_mensaje", "v_estado")}
    END IF;
  END;
"""


def _waiting(routes: Sequence[Route]) -> str:
    """Return whether p is a legacy key of the row, as it was or as it is."""
    return "\n      OR ".join(
        f"p.tabla_origen = {literal(r.pair.source)} AND p.clave IN (\n        {legacy_clave(r, 'p_vieja')},\n"
        f"        {legacy_clave(r, 'p_nueva')})"
        for r in routes
    )
