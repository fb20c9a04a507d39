"""The entry of a Spanish row that legacy refuses: opened with its values, marked when a legacy write overwrites them, closed.

It closes when legacy takes a later write of those columns, or when the row is on neither side any more.
"""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted
from ..rows.routes import Route, spanish_clave
from ..rows.staying import differs_from_due
from ..sqltext import ident, literal
from .images import RUN, asked, legacy_row, seen_row, twin_row, twin_text
from .moved_keys import key_refused

STAYS_HELD = "no se retira: "  # what the reason begins with of a twin that leaves with what holds it


def quarantined_here(route: Route) -> str:
    """Return the statement of volver that opens the entry, or adds to it: what legacy overwrote before stays as it was."""
    return f"""INSERT INTO {BOOKKEEPING}.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen, columnas, antes)
      VALUES ({literal(route.pair.target)}, v_aqui, to_jsonb(CASE p_orden WHEN 'DELETE' THEN p_vieja ELSE p_nueva END), v_estado,
        'legacy la rechaza: ' || v_mensaje, {RUN}, v_escritas, {key_refused(route)})
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila || CASE WHEN c.sobrescrita_at IS NULL THEN '{{}}' ELSE (
          SELECT coalesce(jsonb_object_agg(x, c.fila -> x), '{{}}') FROM unnest(c.columnas) x
          WHERE x <> ALL (excluded.columnas)) END,
        sqlstate = excluded.sqlstate, motivo = excluded.motivo, columna = NULL, sobrescrita_at = NULL, antes = excluded.antes,
        columnas = ARRAY(SELECT x FROM unnest(c.columnas) x UNION SELECT x FROM unnest(excluded.columnas) x ORDER BY 1);"""


def taken_step(route: Route) -> str:
    """Return the step of volver that closes the entry where legacy has taken all of what it was opened for."""
    return f"""    UPDATE {BOOKKEEPING}.cuarentena c SET
      columnas = ARRAY(SELECT x FROM unnest(c.columnas) x WHERE x <> ALL (v_escritas)),
      antes = CASE WHEN v_nueva = v_clave THEN c.antes END,
      estado = CASE WHEN c.columnas <@ v_escritas THEN 'resuelta' ELSE c.estado END,
      resuelta_at = CASE WHEN c.columnas <@ v_escritas THEN now() END,
      resolucion = CASE WHEN c.columnas <@ v_escritas THEN 'legacy tomó lo escrito después' END
    WHERE c.tabla_origen = {literal(route.pair.target)} AND c.clave = v_aqui AND c.estado <> 'resuelta'
      AND p_orden <> 'DELETE' AND c.columnas IS NOT NULL;
"""


def retried(route: Route) -> str:
    """Return whether the Spanish row has no legacy one because its birth was refused: a later write is a birth again."""
    return (
        f"p_orden = 'UPDATE' AND v_casa = 0 AND EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena c"
        f" WHERE c.tabla_origen = {literal(route.pair.target)} AND c.clave = v_aqui AND c.estado <> 'resuelta')"
    )


def written_columns(route: Route) -> str:
    """Return the Spanish columns that the statement wrote, as an array: all of a row that is born or deleted.

    Not the one that every UPDATE sets by itself.
    """
    parts = ", ".join(
        f"CASE WHEN p_orden <> 'UPDATE' OR p_vieja.{ident(c)}::text IS DISTINCT FROM p_nueva.{ident(c)}::text"
        f" THEN {literal(c)} END"
        for c in route.columns
        if c != route.table.touched
    )
    return f"array_remove(ARRAY[{parts}]::text[], NULL)"


def every_column(route: Route) -> str:
    """Return all of them."""
    return f"ARRAY[{', '.join(literal(c) for c in route.columns if c != route.table.touched)}]"


def held_step(route: Route, twins: str, explained: str) -> str:
    """Return the step of ida, behind the removal, that names the twins which a row of somebody else's table holds.

    ``twins``, ``explained``: conditions on the Spanish row t.
    """
    return f"""      IF FOUND THEN
        -- a las que retiene una fila ajena: se quedan, y así consta
        INSERT INTO {BOOKKEEPING}.cuarentena (tabla_origen, clave, fila, sqlstate, motivo, origen)
        SELECT {literal(route.pair.target)}, {spanish_clave(route, "t")}, to_jsonb(t.*), '23503',
          {literal(STAYS_HELD)} || h.motivo, {RUN}
        FROM {route.target_table} t CROSS JOIN LATERAL (SELECT string_agg(DISTINCT a.motivo, '; ') AS motivo
          FROM {BOOKKEEPING}.alcance(t.tableoid, ARRAY[t.ctid]) a) h
        WHERE {twins} AND h.motivo IS NOT NULL AND NOT ({explained})
        ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO NOTHING;
      END IF;
"""


def overwritten_step(route: Route, prefix: str) -> str:
    """Return the step of ida that marks the entries whose rows are by now what legacy says, and closes those of no row."""
    text = twin_text(route)
    if text is None:
        return ""
    mine = f"c.tabla_origen = {literal(route.pair.target)} AND c.estado <> 'resuelta' AND c.clave = {text}"
    twin = f"{route.target_table} t WHERE {twin_row(route)}"
    others = [c for c in route.columns if c not in route.pair.match]
    differs = differs_from_due(route, others, "t", "f") if others else "false"
    held = f"starts_with(c.motivo, {literal(STAYS_HELD)})"
    legacy = f"EXISTS (SELECT FROM {route.source_table} l WHERE {legacy_row(route, 'l')})"
    return f"""      UPDATE {BOOKKEEPING}.cuarentena c SET sobrescrita_at = now(),
        estado = CASE WHEN {held} THEN 'resuelta' ELSE c.estado END, resuelta_at = CASE WHEN {held} THEN now() END,
        resolucion = CASE WHEN {held} THEN 'la fila vuelve a deberse a legacy' END
      FROM {asked(route, prefix)} JOIN {route.view} f ON {seen_row(route)}
      WHERE {mine} AND c.sobrescrita_at IS NULL AND {accepted("f")} AND EXISTS (SELECT FROM {twin} AND NOT ({differs}));
      UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM {asked(route, prefix)} WHERE {mine} AND NOT EXISTS (SELECT FROM {twin}) AND NOT {legacy};
"""
