"""The rendered function ``copiar(stretch, rows, bytes)``, one per pair, and the progress rows that it goes by.

It takes the next rows of the stretch of the key that a progress row names, as many as its bounds allow, calls llevar and
moves the checkpoint: one transaction, one batch.
"""

from __future__ import annotations

from .locks import passed
from .routes import BOOKKEEPING, Route, joined_key
from .row_bytes import legacy_bytes
from .sqltext import ident, literal

# By key only: a plan made while a table was small or never analysed would scan the whole of it in every batch. And planned
# anew for each: one kept from when migracion.cuarentena was empty took 25 s for a batch of 0.25 s.
HEAD = """LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_custom_plan AS $funcion$
#variable_conflict use_column
"""


def batch_function(route: Route) -> str:
    """Return the statement that creates the pair's function copiar."""
    keys, names = route.key, route.key_names
    row = "(" + ", ".join(f"l.{ident(c.name)}" for c in keys) + ")"
    last = "(" + ", ".join(f"(v_p.posicion->>{n})::{c.type}" for n, c in enumerate(keys)) + ")"
    end = "(" + ", ".join(f"(v_p.fin->>{n})::{c.type}" for n, c in enumerate(keys)) + ")"
    order = ", ".join(f"l.{ident(c.name)}" for c in keys)
    picked = ", ".join(f"l.{ident(c.name)} AS {k}" for c, k in zip(keys, names, strict=True))
    # a row that is larger than the bound goes alone
    arrays = ", ".join(f"coalesce(array_agg(s.{k}) FILTER (WHERE s.suma <= p_bytes OR s.suma = s.peso), '{{}}')" for k in names)
    variables = "\n  ".join(f"p{k} {c.type}[];" for c, k in zip(keys, names, strict=True))
    position = ", ".join(f"p{k}[v_n]::text" for k in names)
    reached = joined_key([(f"p{k}[v_n]", c.base) for c, k in zip(keys, names, strict=True)])
    pick = f"""SELECT {arrays}, count(*)
    INTO {passed(names)}, v_vistas FROM (
      SELECT l.*, sum(l.peso) OVER (ORDER BY {", ".join(names)} ROWS UNBOUNDED PRECEDING) AS suma FROM (
        SELECT {picked},
          {legacy_bytes(route, "l")} AS peso
        FROM {route.source_table} l WHERE """
    return f"""CREATE OR REPLACE FUNCTION {route.function("copiar")}(
  p_tramo text, p_filas integer, p_bytes bigint, p_run text,
  OUT leidas bigint, OUT copiadas bigint, OUT rechazadas bigint, OUT terminada boolean)
{HEAD}DECLARE
  v_p {BOOKKEEPING}.progreso_copia; v_n integer; v_vistas integer;
  {variables}
BEGIN
  SELECT * INTO STRICT v_p FROM {BOOKKEEPING}.progreso_copia
  WHERE tabla_origen = {literal(route.pair.source)} AND tabla_destino = {literal(route.pair.target)} AND tramo = p_tramo
  FOR UPDATE;
  -- up to the end that was fixed when the copy began; later keys belong to the difference that the proof finds
  IF v_p.posicion IS NULL THEN
    {pick}{route.where("l")}
        AND {row} <= {end} ORDER BY {order} LIMIT p_filas) l) s;
  ELSE
    {pick}{route.where("l")}
        AND {row} > {last} AND {row} <= {end} ORDER BY {order} LIMIT p_filas) l) s;
  END IF;
  v_n := cardinality(p{names[0]});
  leidas := v_n;
  SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM {route.function("llevar")}({passed(names)}, p_run) r;
  terminada := v_n = v_vistas AND v_vistas < p_filas;
  UPDATE {BOOKKEEPING}.progreso_copia SET
    posicion = CASE WHEN v_n > 0 THEN jsonb_build_array({position}) ELSE posicion END,
    ultima_clave = CASE WHEN v_n > 0 THEN {reached} ELSE ultima_clave END,
    filas_leidas = filas_leidas + v_n, filas_copiadas = filas_copiadas + copiadas,
    filas_cuarentena = filas_cuarentena + rechazadas, actualizada_at = clock_timestamp(),
    terminada_at = CASE WHEN terminada THEN clock_timestamp() END
  WHERE tabla_origen = v_p.tabla_origen AND tabla_destino = v_p.tabla_destino AND tramo = v_p.tramo;
END $funcion$"""


def fix_end(route: Route) -> str:
    """Return the INSERT that opens the progress row and fixes the end of the copy at the highest key of this moment."""
    keys = ", ".join(f"l.{ident(c.name)}::text" for c in route.key)
    order = ", ".join(f"l.{ident(c.name)} DESC" for c in route.key)
    return f"""INSERT INTO {BOOKKEEPING}.progreso_copia
  (tabla_origen, tabla_destino, tramo, fin, filas_previstas, terminada_at)
SELECT {literal(route.pair.source)}, {literal(route.pair.target)}, '', u.fin, n.filas,
       CASE WHEN u.fin IS NULL THEN now() END
FROM (SELECT count(*) AS filas FROM {route.source_table} l WHERE {route.where("l")}) n
LEFT JOIN (SELECT jsonb_build_array({keys}) AS fin FROM {route.source_table} l ORDER BY {order} LIMIT 1) u ON true
ON CONFLICT (tabla_origen, tabla_destino, tramo) DO NOTHING"""


def split_end(route: Route) -> str:
    """Return the statement that cuts a copy which has not begun into two stretches of the key, of equal rows."""
    keys = ", ".join(f"l.{ident(c.name)}::text" for c in route.key)
    order = ", ".join(f"l.{ident(c.name)}" for c in route.key)
    pair = f"p.tabla_origen = {literal(route.pair.source)} AND p.tabla_destino = {literal(route.pair.target)}"
    return f"""WITH entero AS (
  SELECT p.* FROM {BOOKKEEPING}.progreso_copia p WHERE {pair} AND p.tramo = ''
), medio AS (
  SELECT jsonb_build_array({keys}) AS clave FROM {route.source_table} l WHERE {route.where("l")}
  ORDER BY {order} OFFSET (SELECT filas_previstas / 2 FROM entero) LIMIT 1
), segundo AS (
  INSERT INTO {BOOKKEEPING}.progreso_copia (tabla_origen, tabla_destino, tramo, posicion, fin, filas_previstas)
  SELECT e.tabla_origen, e.tabla_destino, '2', m.clave, e.fin, e.filas_previstas - e.filas_previstas / 2 - 1
  FROM entero e CROSS JOIN medio m
  RETURNING posicion
)
UPDATE {BOOKKEEPING}.progreso_copia p SET tramo = '1', fin = s.posicion, filas_previstas = p.filas_previstas / 2 + 1
FROM segundo s WHERE {pair} AND p.tramo = ''"""
