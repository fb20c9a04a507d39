"""A Spanish row that gets another key: what the bookkeeping says of it follows, also where legacy does not take the key.

Then the entry stands under the key that the row has, and keeps the one under which legacy has it (``antes``): later Spanish
writes find their legacy row by that, and the next legacy write of the row takes the new key back.
"""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING
from ..rows.retained import spanish_key
from ..rows.routes import Route, spanish_clave
from ..rows.staying import STAYING, may_stay
from ..sqltext import all_of, ident, indented, literal
from .images import asked, flagged, match_names, set_flag, twin_row, twin_text
from .writing import twin_found


def names_step(route: Route) -> str:
    """Return the step of volver that names the row: v_clave as it was, v_nueva as an UPDATE left it, v_aqui as it is now."""
    return f"""    v_clave := CASE p_orden WHEN 'INSERT' THEN {spanish_clave(route, "p_nueva")}
      ELSE {spanish_clave(route, "p_vieja")} END;
    v_nueva := CASE p_orden WHEN 'UPDATE' THEN {spanish_clave(route, "p_nueva")} END;
    v_aqui := coalesce(v_nueva, v_clave); v_alli := v_clave;
{indented(follow_step(route), 4)}
"""


def follow_step(route: Route) -> str:
    """Return the step by which the row's entry, and what stays of it, get its new key."""
    target = literal(route.pair.target)
    free = f"o.tabla_origen = {target} AND o.estado <> 'resuelta' AND o.clave = v_nueva"
    stays = ""
    if any(map(may_stay, route.carried)):
        stays = f"\n  UPDATE {STAYING} q SET clave = v_nueva WHERE q.tabla = {target} AND q.clave = v_clave;"
    return f"""IF v_nueva <> v_clave THEN
  UPDATE {BOOKKEEPING}.cuarentena c SET clave = v_nueva, fila = c.fila || {spanish_key(route, "p_nueva")}
  WHERE c.tabla_origen = {target} AND c.estado <> 'resuelta' AND c.clave = v_clave
    AND NOT EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena o WHERE {free});{stays}
END IF;"""


def legacy_key_step(route: Route) -> str:
    """Return the step that gives p_vieja the key under which legacy has the row, and names it in v_alli."""
    entry = f"c.tabla_origen = {literal(route.pair.target)} AND c.clave = v_aqui AND c.estado <> 'resuelta'"
    return f"""    IF p_orden <> 'INSERT' THEN
      -- la clave que tiene no la tomó legacy: allí es la de antes
      SELECT c.antes INTO v_otra FROM {BOOKKEEPING}.cuarentena c WHERE {entry} AND c.antes IS NOT NULL;
      IF FOUND THEN
        p_vieja := jsonb_populate_record(p_vieja, v_otra); v_alli := {spanish_clave(route, "p_vieja")};
      END IF;
    END IF;
"""


def taken_back_step(route: Route) -> str:
    """Return the step of ida that gives the rows back the key that legacy has, as it writes them now; their entries say so.

    '' where rows are not known by their primary key.
    """
    text = twin_text(route)
    if text is None:
        return ""
    pair = zip(route.match, match_names(route), strict=True)
    key = f"jsonb_build_object({', '.join(f'{literal(c.name)}, k.{n}' for c, n in pair)})"
    entry = f"c.tabla_origen = {literal(route.pair.target)} AND c.estado <> 'resuelta' AND c.antes = {key}"
    back = ", ".join(f"{ident(c.name)} = k.{n}" for c, n in zip(route.match, match_names(route), strict=True))
    here = " AND ".join(f"t.{ident(c.name)} = (c.fila ->> {literal(c.name)})::{c.type}" for c in route.match)
    free = f"NOT EXISTS (SELECT FROM {route.target_table} o WHERE {twin_row(route, 'o')})"
    stays = ""
    if any(map(may_stay, route.carried)):
        stays = f"""
    UPDATE {STAYING} q SET clave = {text} FROM {asked(route)} JOIN {BOOKKEEPING}.cuarentena c ON {entry}
    WHERE q.tabla = {literal(route.pair.target)} AND q.clave = c.clave;"""
    return f"""  IF EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena c, {asked(route)} WHERE {entry}) THEN
    -- en español tienen una clave que legacy no tomó: lo escrito aquí prevalece
    {set_flag(flagged(route))}
    UPDATE {route.target_table} t SET {back} FROM {asked(route)} JOIN {BOOKKEEPING}.cuarentena c ON {entry}
    WHERE {all_of(here, free)};
    {set_flag("v_antes")}{stays}
    UPDATE {BOOKKEEPING}.cuarentena c SET clave = {text}, antes = NULL, sobrescrita_at = now() FROM {asked(route)}
    WHERE {entry};
    {twin_found(route)};
  END IF;
"""


def key_refused(route: Route) -> str:
    """Return what an entry keeps in ``antes``: the key that legacy has, where the row has another one."""
    return f"CASE WHEN v_aqui <> v_alli THEN {spanish_key(route, 'p_vieja')} END"
