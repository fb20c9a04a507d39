"""The functions that carry rows, rendered so that a DBA can read and sign them.

``llevar(keys)``, one per pair, makes the Spanish rows of those legacy keys equal to the forward SELECT and accounts for
the refused and merged ones. ``copiar``, which calls llevar for batch after batch, stands in batching.py; ``quitar``, which
removes what no pair explains, in removing.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ..bookkeeping import BOOKKEEPING
from ..rows.forward import forward_sql
from ..rows.leaf_tables import is_leaf
from ..rows.refusals import UNFORESEEN, accepted, duplicates_join, merge_join, unforeseen, with_reason
from ..rows.repeated_keys import place_columns, same_row
from ..rows.retained import retains
from ..rows.routes import Route, row_image
from ..rows.row_locks import batch_locks, by_key, key_and_place, passed, placed_rows, unnested
from ..rows.staying import differs_from_due, due_value
from ..sqltext import commented, dollar_quoted, folded, ident, idents, literal
from .batching import HEAD, batch_function, function_body
from .loading import loading_function
from .making_way import free_to_change, holds_placeholder, parking_step, parking_variables, placeholders, value_withheld
from .removing import array_arguments, removal_function, removed

# So many rows, and so large a share of the pair's, may be refused for one reason that only PostgreSQL gave.
MANY_ROWS, MANY_SHARE = 20, 0.01
TABLE_AT_FAULT = "TK001"  # the SQLSTATE of llevar where there are more: no class of PostgreSQL's own
REFUSED_AGAIN = "TK002"  # raised and caught within llevar: what was tried is undone


def route_statements(route: Route, all_routes: Sequence[Route]) -> tuple[str, ...]:
    """Return the statements that make the pair's view and functions; the last pair of a Spanish table brings quitar."""
    return _statements(route, tuple(r for r in all_routes if r.pair.target == route.pair.target), is_leaf(route, all_routes))


@cache  # one call asks for them up to three times: what was approved, what is installed, what to install
def _statements(route: Route, routes: tuple[Route, ...], leaf: bool) -> tuple[str, ...]:
    caption = (
        f"Qué será de cada fila de {ident(route.pair.source)} en {ident(route.pair.target)}: sus valores, o por qué no pasa."
        " La leen las funciones, la prueba y el simulacro."
    )
    keys = ", ".join(f"{c.type}[]" for c in route.key)
    functions = f"{route.function('llevar')}({keys}, text, tid[]), {route.function('copiar')}(text, integer, bigint, text)"
    if leaf:
        functions += f", {route.function('cargar')}({keys}, text, tid[])"
    statements = [
        f"{commented(caption)}CREATE OR REPLACE VIEW {route.view} AS\n{forward_sql(route)}",
        f"REVOKE ALL ON {route.view} FROM PUBLIC",
        _carry(route, routes),
        *([loading_function(route, _opened(route), _halving(route, "cargar"))] if leaf else []),
        batch_function(route, leaf),
        f"REVOKE ALL ON FUNCTION {functions} FROM PUBLIC",
    ]
    if route == routes[-1]:
        match = ", ".join(f"{c.type}[]" for c in routes[0].match)
        statements += [removal_function(routes), f"REVOKE ALL ON FUNCTION {route.removal}({match}, text) FROM PUBLIC"]
    return tuple(folded(with_reason(s)) for s in statements)


def _carry(route: Route, routes: Sequence[Route]) -> str:
    keys = route.key_names
    parking = parking_step(route, routes)
    caption = (
        f"Deja en {ident(route.pair.target)} las filas legacy de esas claves como dice la vista; anota las rechazadas"
        f"{' y las fusionadas' if may_merge(route) else ''}. La llaman copiar, la reparación y ella misma."
    )
    head = f"""{commented(caption)}CREATE OR REPLACE FUNCTION {route.function("llevar")}(
  {array_arguments(keys, [c.type for c in route.key])}, p_run text, p_lugar tid[] DEFAULT NULL,
  OUT copiadas bigint, OUT rechazadas bigint)
{HEAD}"""
    body = f"""DECLARE
  v_mitad integer := cardinality(p{keys[0]}) / 2;
  v_estado text; v_mensaje text; v_mas bigint; v_peor bigint;
  -- la copia llega donde aún no hay filas: las busca cuando ha encontrado una
  v_mirar boolean := p_lugar IS NULL;{parking_variables(route) if parking else ""}
BEGIN
  copiadas := 0; rechazadas := 0;
  IF cardinality(p{keys[0]}) = 0 THEN RETURN; END IF;
  PERFORM set_config('migracion.sync', coalesce(nullif(current_setting('migracion.sync', true), ''), 'copia'), true);
{_locking(route)}  LOOP
    BEGIN
{_upsert(route)}
      RETURN;
    EXCEPTION
      WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
        GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT;
    END;
    EXIT WHEN v_mirar OR v_estado <> '23505';
    v_mirar := true;
  END LOOP;
{parking}  -- red bajo los rechazos de la vista: partir en dos hasta que la fila que no entra quede sola
  IF cardinality(p{keys[0]}) > 1 THEN{_halving(route, "llevar")}
    RETURN;
  END IF;
  -- quien tiene su valor lo confirmó mientras se le esperaba, y la vista ya no la deja pasar: eso se anota
  IF v_estado = '23505' AND NOT EXISTS (SELECT FROM {route.view} f WHERE {_alone(route)}) THEN
    SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM {route.function("llevar")}({passed(keys)}, p_run) r;
    RETURN;
  END IF;
  -- que falte el padre no es culpa de la fila: la prueba lo dice y la reparación trae a los dos
  IF v_estado = '23503'{holds_placeholder(route, routes)} THEN RETURN; END IF;
{_without_its_entry(route, routes)}{_value_withheld(route, routes)}{_quarantine_alone(route, routes)}
  rechazadas := 1;
END """
    return head + function_body(body)


def _locking(route: Route) -> str:
    """Return the step that locks the legacy rows, where copiar has not, and then what the view reads beside them."""
    keys = route.key_names
    locked = ", ".join(f"coalesce(array_agg(l.{k}), '{{}}')" for k in (*keys, "_lugar"))
    asked = f"(SELECT DISTINCT k.* FROM {unnested(keys)}) k"
    order = idents((c.name for c in route.key), "l.")
    others = batch_locks(route, placed_rows(route, "l", "ctid", "p_lugar", passed(keys)))
    return f"""  -- cada bloqueo espera a quien escribe; la sentencia siguiente lee lo que confirmó
  IF p_lugar IS NULL THEN
    SELECT {locked} INTO {passed(keys)}, p_lugar FROM (
      SELECT {key_and_place(route)} FROM {route.source_table} l JOIN {asked} ON {by_key(route, "k")}
      ORDER BY {order} FOR SHARE OF l) l;
  END IF;
{"".join(f"  PERFORM {lock};" + chr(10) for lock in others)}"""


def _halving(route: Route, verb: str) -> str:
    return "".join(
        f"\n    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor"
        f" FROM {route.function(verb)}({', '.join(f'p{k}[{half}]' for k in route.key_names)}, p_run, p_lugar[{half}]) r;"
        "\n    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;"
        for half in ("1:v_mitad", "v_mitad + 1:")
    )


def _upsert(route: Route) -> str:
    """Return the statement that writes a batch; a Spanish row that comes in between breaks it, and the retry sees it."""
    columns = route.columns
    others = tuple(c for c in columns if c not in route.pair.match)
    source = literal(route.pair.source)
    taken = idents((*route.key_names, *place_columns(route), "_clave", *columns, "_rechazo", "_fusion"), "f.")
    twin = " AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in route.pair.match)
    there = f"t.{ident(route.pair.match[0])} IS NOT NULL"
    differs = differs_from_due(route, others, "t", "f") if others else "false"
    corrected, written = "", "(SELECT count(*) FROM nuevas)"
    if others:
        update = ", ".join(f"{ident(c)} = {due_value(route, c, 't', 'f')}" for c in others)
        corrected = f"""corregidas AS (
      UPDATE {route.target_table} t SET {update}
      FROM f WHERE f._distinta AND {accepted("f")} AND {twin}{_held_keys(route)}
      RETURNING 1
    ), """
        written += " + (SELECT count(*) FROM corregidas)"
    given = ", ".join(f"${n}" for n, _ in enumerate(route.key_names, 3))
    values = ", ".join(["p_lugar", "v_mirar", *([] if route.in_one_file else [passed(route.key_names)])])
    batch = f"""
    WITH f AS MATERIALIZED (
      SELECT {taken},
        {there} AS _esta, CASE WHEN {there} THEN {differs} END AS _distinta
      FROM {route.view} f LEFT JOIN {route.target_table} t ON $2 AND {twin}
      WHERE {placed_rows(route, "f", "_lugar", "$1", given)}
    ), nuevas AS (
      INSERT INTO {route.target_table} ({idents(columns)})
      SELECT {idents(columns, "f.")} FROM f WHERE NOT f._esta AND {accepted("f")}
      RETURNING 1
    ), {corrected}{_opened(route)}, cerradas AS (
      UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'corregida'
      WHERE c.tabla_origen = {source} AND c.estado <> 'resuelta'
        AND c.clave = ANY (ARRAY(SELECT f._clave FROM f WHERE f._rechazo IS NULL))
        AND EXISTS (SELECT 1 FROM {BOOKKEEPING}.cuarentena x WHERE x.tabla_origen = {source} AND x.estado <> 'resuelta')
      RETURNING 1
    ){_merges(route)}
    SELECT {written}, (SELECT count(*) FROM f WHERE f._rechazo IS NOT NULL)
    """
    return f"""    -- con EXECUTE cada lote tiene su plan
    EXECUTE {dollar_quoted(batch, "lote")} INTO copiadas, rechazadas USING {values};"""


def _held_keys(route: Route) -> str:
    """Return the condition that leaves a row as it is whose key changes while a row that this run does not carry uses it."""
    unique = {c for columns in (route.table.primary_key, *route.table.unique) for c in columns}
    keys = [c for c in route.columns if c in unique and c not in route.pair.match]
    if not keys:
        return ""
    changes = f"({idents(keys, 't.')}) IS DISTINCT FROM ({idents(keys, 'f.')})"
    return f"\n        AND CASE WHEN {changes} THEN {free_to_change(keys)} ELSE true END"


def _opened(route: Route) -> str:
    """Return the part that opens an entry for each refused row, or brings its own up to date."""
    return f"""abiertas AS (
      INSERT INTO {BOOKKEEPING}.cuarentena AS c (tabla_origen, clave, fila, sqlstate, columna, motivo, origen)
      SELECT {literal(route.pair.source)}, f._clave, {row_image(route, "l")}, f._rechazo[1], f._rechazo[2], f._rechazo[3], 'copia'
      FROM f JOIN {route.source_table} l ON {by_key(route, "f")}{same_row(route, "l", "f")}
      WHERE f._rechazo IS NOT NULL
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = excluded.columna, motivo = excluded.motivo,
          tabla = NULL, lugar = NULL
        WHERE (c.fila, c.motivo) IS DISTINCT FROM (excluded.fila, excluded.motivo)
      RETURNING 1
    )"""


def merge_reason(route: Route) -> str:
    """Return why rows of this pair are merged, in words, as migracion.fusion keeps it."""
    if route.pair.merge_by:
        winners = " o ".join(r.pair.source for r in route.earlier)
        return f"mismo {route.pair.merge_by} que una fila de {winners}, que gana"
    return f"repite {', '.join(route.pair.match)} de una fila anterior de {route.pair.source}, que gana"


def may_merge(route: Route) -> bool:
    """Whether rows of this pair can be merged at all."""
    return bool(merge_join(route) or duplicates_join(route))


def _merges(route: Route) -> str:
    if not may_merge(route):
        return ""
    source, target = literal(route.pair.source), literal(route.pair.target)
    return f""", fusionadas AS (
      INSERT INTO {BOOKKEEPING}.fusion AS m (tabla_origen, clave, tabla_destino, clave_destino, motivo)
      SELECT {source}, f._clave, {target}, f._fusion, {literal(merge_reason(route))} FROM f WHERE f._fusion IS NOT NULL
      ON CONFLICT (tabla_origen, clave, tabla_destino) DO UPDATE SET clave_destino = excluded.clave_destino
        WHERE m.clave_destino <> excluded.clave_destino
      RETURNING 1
    ), separadas AS (
      DELETE FROM {BOOKKEEPING}.fusion m
      WHERE m.tabla_origen = {source} AND m.tabla_destino = {target}
        AND m.clave = ANY (ARRAY(SELECT f._clave FROM f WHERE f._fusion IS NULL))
        AND EXISTS (SELECT 1 FROM {BOOKKEEPING}.fusion x WHERE x.tabla_origen = {source} AND x.tabla_destino = {target})
      RETURNING 1
    )"""


def _alone(route: Route) -> str:
    """Return whether a row f of the view is the one that is left of llevar's."""
    return f"{placed_rows(route, 'f', '_lugar', 'p_lugar', passed(route.key_names))} AND {accepted('f')}"


def _value_withheld(route: Route, routes: Sequence[Route]) -> str:
    withheld = value_withheld(route, routes)
    return (
        withheld
        and f"""  -- ni que una fila en español retenga un valor que ya no es suyo, porque aún no puede salir ni cambiar
  IF v_estado = '23505' AND ({withheld}) THEN RETURN; END IF;
"""
    )


def _without_its_entry(route: Route, routes: Sequence[Route]) -> str:
    """Return the step that tries a row once more as if PostgreSQL had not refused it before.

    '' where no row of another pair goes in because of that. Where one does, it has the value, and that alone would keep the
    first one out for ever.
    """
    if not any(route in r.earlier for r in routes):
        return ""
    entry = f"""{BOOKKEEPING}.cuarentena c
  WHERE c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta' AND {unforeseen("c.motivo")}
    AND c.clave IN (SELECT f._clave FROM {route.view} f WHERE {_alone(route)})"""
    said = f"substr(c.motivo, {len(UNFORESEEN) + 1})"
    return f"""  -- otra pudo entrar por ella mientras está en cuarentena: se prueba sin su entrada, y si no entra nada cambia
  IF v_estado = '23505' AND EXISTS (SELECT FROM {entry}) THEN
    BEGIN
      UPDATE {BOOKKEEPING}.cuarentena q SET estado = 'resuelta', resuelta_at = now(), resolucion = 'corregida'
      WHERE q.id IN (SELECT c.id FROM {entry});
      SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas
      FROM {route.function("llevar")}({passed(route.key_names)}, p_run) r;
      SELECT c.sqlstate, {said} INTO v_estado, v_mensaje FROM {entry};
      IF NOT FOUND THEN RETURN; END IF;
      RAISE EXCEPTION USING ERRCODE = {literal(REFUSED_AGAIN)};
    EXCEPTION WHEN SQLSTATE {literal(REFUSED_AGAIN)} THEN
      copiadas := 0;
    END;
  END IF;
"""


def _quarantine_alone(route: Route, routes: Sequence[Route]) -> str:
    mine = _alone(route)
    return f"""  INSERT INTO {BOOKKEEPING}.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
  SELECT {literal(route.pair.source)}, f._clave, f._fila, v_estado, {literal(UNFORESEEN)} || v_mensaje, 'copia'
  FROM {route.view} f WHERE {mine}
  ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
  DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = NULL, motivo = excluded.motivo,
    tabla = NULL, lugar = NULL;
{_twin_leaves(route, routes, mine)}{_not_the_rows(route)}"""


def _twin_leaves(route: Route, routes: Sequence[Route], mine: str) -> str:
    """Return the step that takes out the Spanish row of the row that is left, where that is not its last good twin."""
    parked = " OR ".join(placeholders(routes, "t"))
    if retains(route) and not parked:
        return ""
    twin = " AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in route.pair.match)
    left = f"{route.target_table} t JOIN {route.view} f ON {twin}"
    why, leaving = "ya no vale y sale: no se la reconoce por la clave legacy", mine
    if retains(route):
        why, leaving = "se queda, salvo la que hizo sitio a otra y no vuelve a entrar", f"{mine} AND ({parked})"
    return f"""  -- lo que fue antes {why}
  {removed("v_mas", route, left, leaving)}
"""


def _not_the_rows(route: Route) -> str:
    """Return the step that ends the phase where so many rows are refused for one reason that the table is at fault."""
    source, target = literal(route.pair.source), literal(route.pair.target)
    return f"""  -- un mismo motivo para tantas filas es de la tabla; fuera de la clase 23 el mensaje puede llevar un valor
  SELECT count(*) INTO v_mas FROM {BOOKKEEPING}.cuarentena c
  WHERE c.tabla_origen = {source} AND c.estado = 'abierta' AND {unforeseen("c.motivo")} AND c.sqlstate = v_estado
    AND (left(v_estado, 2) <> '23' OR c.motivo = {literal(UNFORESEEN)} || v_mensaje);
  IF v_mas > {MANY_ROWS} AND v_mas > {MANY_SHARE} * (SELECT coalesce(sum(p.filas_previstas), 0)
    FROM {BOOKKEEPING}.progreso_copia p WHERE p.tabla_origen = {source} AND p.tabla_destino = {target}) THEN
    RAISE EXCEPTION USING ERRCODE = {literal(TABLE_AT_FAULT)}, MESSAGE = v_mensaje, DETAIL = v_mas;
  END IF;"""
