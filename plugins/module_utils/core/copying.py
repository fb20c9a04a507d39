"""The functions that carry rows, one set per pair, rendered so that a DBA can read and sign them.

``llevar(keys)`` makes the Spanish rows of those legacy keys equal to the forward SELECT and accounts for the refused ones.
``quitar(keys)`` removes Spanish rows that no acceptable legacy row explains, keeping each in migracion.apartada.
``copiar(rows)`` takes the next slice of the key's range, calls llevar and moves the checkpoint: one transaction, one batch.
"""

from __future__ import annotations

from .forward import BOOKKEEPING, Route, clave_sql, where_of
from .mapping import SpanishColumn
from .sqltext import ident, idents, images_differ, literal, qname
from .transform import TEXT_TYPES, type_family

UNFORESEEN = "PostgreSQL la rechaza: "  # the reason of a row that no expression foresaw begins so
_HEAD = "LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $funcion$\n#variable_conflict use_column\n"


def function_statements(route: Route) -> tuple[str, ...]:
    """Return the statements that create the pair's functions, in order."""
    return (_carry(route), _remove(route), _batch(route), _revoke(route))


def _revoke(route: Route) -> str:
    keys = ", ".join(f"{c.type}[]" for c in route.key)
    match = ", ".join(f"{c.type}[]" for c in match_columns(route))
    return (
        f"REVOKE ALL ON FUNCTION {route.function('llevar')}({keys}, text), "
        f"{route.function('quitar')}({match}, text), {route.function('copiar')}(integer, text) FROM PUBLIC"
    )


def match_columns(route: Route) -> tuple[SpanishColumn, ...]:
    """Return the Spanish columns by which a row is recognised."""
    by_name = {c.target.name: c.target for c in route.carried}
    return tuple(by_name[name] for name in route.pair.match)


def _arguments(names: tuple[str, ...], types: tuple[str, ...]) -> str:
    return ", ".join(f"p{n} {t}[]" for n, t in zip(names, types, strict=True))


def _unnest(names: tuple[str, ...]) -> str:
    return f"unnest({', '.join('p' + n for n in names)}) AS k({', '.join(names)})"


def _carry(route: Route) -> str:
    keys = route.key_names
    source = qname(route.schema, route.pair.source)
    legacy_key = " AND ".join(f"l.{ident(c.name)} = k.{k}" for c, k in zip(route.key, keys, strict=True))
    view_key = " AND ".join(f"f.{k} = k.{k}" for k in keys)
    halves = ", ".join(f"p{k}[1:v_mitad]" for k in keys), ", ".join(f"p{k}[v_mitad + 1:]" for k in keys)
    parking = _parking(route)
    return f"""CREATE OR REPLACE FUNCTION {route.function("llevar")}(
  {_arguments(keys, tuple(c.type for c in route.key))}, p_run text, OUT copiadas bigint, OUT rechazadas bigint)
{_HEAD}DECLARE
  v_mitad integer := cardinality(p{keys[0]}) / 2;
  v_estado text; v_mensaje text; v_resto record; v_hubo boolean := false;
BEGIN
  copiadas := 0; rechazadas := 0;
  IF cardinality(p{keys[0]}) = 0 THEN RETURN; END IF;
  PERFORM set_config('migracion.sync', 'copia', true);
  -- waits for writers in flight; the next statement then reads what they committed
  PERFORM 1 FROM {source} l JOIN {_unnest(keys)} ON {legacy_key}
  ORDER BY {idents((c.name for c in route.key), "l.")} FOR SHARE OF l;
  BEGIN
{_upsert(route, view_key)}
    RETURN;
  EXCEPTION
    WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
      GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT;
  END;
{parking}  -- the net below the forward SELECT's own refusals: halve until the row that cannot go in stands alone
  IF cardinality(p{keys[0]}) > 1 THEN
    SELECT * INTO v_resto FROM {route.function("llevar")}({halves[0]}, p_run);
    copiadas := v_resto.copiadas; rechazadas := v_resto.rechazadas;
    SELECT * INTO v_resto FROM {route.function("llevar")}({halves[1]}, p_run);
    copiadas := copiadas + v_resto.copiadas; rechazadas := rechazadas + v_resto.rechazadas;
    RETURN;
  END IF;
{_quarantine_alone(route, source, legacy_key)}
  rechazadas := 1;
END $funcion$"""


def row_image(route: Route, alias: str) -> str:
    """Return the row as JSON for safekeeping; json is stored as text, since jsonb refuses some of what json accepts."""
    awkward = [c.name for c in route.legacy.columns if c.base == "json"]
    if not awkward:
        return f"to_jsonb({alias})"
    columns = ", ".join(
        f"{literal(c.name)}, {alias}.{ident(c.name)}{'::text' if c.base == 'json' else ''}" for c in route.legacy.columns
    )
    return f"jsonb_build_object({columns})"


def _upsert(route: Route, view_key: str) -> str:
    target = qname(route.schema, route.pair.target)
    columns = route.columns
    others = tuple(c for c in columns if c not in route.pair.match)
    if others:
        update = ", ".join(f"{ident(c)} = excluded.{ident(c)}" for c in others)
        change = f"DO UPDATE SET {update}\n        WHERE {images_differ(others, 't.', 'excluded.')}"
    else:
        change = "DO NOTHING"
    source = literal(route.pair.source)
    legacy_key = " AND ".join(f"l.{ident(c.name)} = f.{k}" for c, k in zip(route.key, route.key_names, strict=True))
    return f"""    WITH f AS MATERIALIZED (
      SELECT f.* FROM (SELECT DISTINCT k.* FROM {_unnest(route.key_names)}) k JOIN {route.view} f ON {view_key}
    ), escritas AS (
      INSERT INTO {target} AS t ({idents(columns)})
      SELECT {idents(columns, "f.")} FROM f WHERE f._motivo IS NULL
      ON CONFLICT ({idents(route.pair.match)}) {change}
      RETURNING 1
    ), abiertas AS (
      INSERT INTO {BOOKKEEPING}.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
      SELECT {source}, f._clave, {row_image(route, "l")}, f._sqlstate, f._motivo, 'copia'
      FROM f JOIN {qname(route.schema, route.pair.source)} l ON {legacy_key}
      WHERE f._motivo IS NOT NULL
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, motivo = excluded.motivo
        WHERE (c.fila, c.motivo) IS DISTINCT FROM (excluded.fila, excluded.motivo)
      RETURNING 1
    ), cerradas AS (
      UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'corregida'
      FROM f WHERE c.tabla_origen = {source} AND c.clave = f._clave AND c.estado <> 'resuelta' AND f._motivo IS NULL
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM escritas), (SELECT count(*) FROM f WHERE f._motivo IS NOT NULL)
    INTO copiadas, rechazadas;"""


def _quarantine_alone(route: Route, source: str, legacy_key: str) -> str:
    return f"""  INSERT INTO {BOOKKEEPING}.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
  SELECT {literal(route.pair.source)}, {clave_sql(route.key, "l")}, {row_image(route, "l")}, v_estado,
         {literal(UNFORESEEN)} || v_mensaje, 'copia'
  FROM {source} l JOIN {_unnest(route.key_names)} ON {legacy_key}
  ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
  DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, motivo = excluded.motivo;"""


def _parkable(route: Route) -> list[SpanishColumn]:
    by_name = {c.target.name: c.target for c in route.carried}
    unique = [u[0] for u in route.table.unique if len(u) == 1 and u != route.pair.match and u[0] in by_name]
    return [by_name[u] for u in unique if type_family(by_name[u].type)[0] in TEXT_TYPES]


def _parking(route: Route) -> str:
    """Return the step that frees a unique value still held by a stale Spanish row, as when two rows swapped phones.

    The holder gets a placeholder and is carried again right away, all in one transaction: nobody sees the placeholder.
    """
    if not _parkable(route):
        return ""
    steps = "".join(_park(route, column) for column in _parkable(route))
    keys = ", ".join("p" + k for k in route.key_names)
    return f"""  IF v_estado = '23505' THEN
{steps}    IF v_hubo THEN
      SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM {route.function("llevar")}({keys}, p_run) r;
      RETURN;
    END IF;
  END IF;
"""


def _park(route: Route, column: SpanishColumn) -> str:
    target = qname(route.schema, route.pair.target)
    name = ident(column.name)
    _, size = type_family(column.type)
    width = min(size[0], 33) if size else 33
    keys = ", ".join("p" + k for k in route.key_names)
    match = tuple(f"m{n}" for n in range(1, len(route.pair.match) + 1))
    in_f, in_t, in_h = (
        " AND ".join(f"{alias}.{ident(m)} = {other}" for m, other in zip(route.pair.match, others, strict=True))
        for alias, others in (
            ("f", [f"t.{ident(m)}" for m in route.pair.match]),
            ("t", [f"h.{m}" for m in match]),
            ("g", [f"h.{m}" for m in match]),
        )
    )
    found = ", ".join(f"t.{ident(c)} AS {m}" for c, m in zip(route.pair.match, match, strict=True))
    holders = f"""SELECT {found}
      FROM {_unnest(route.key_names)} JOIN {route.view} f ON {" AND ".join(f"f.{k} = k.{k}" for k in route.key_names)}
      JOIN {target} t ON t.{name} = f.{name} AND NOT ({in_f}) WHERE f._motivo IS NULL"""
    arrays = ", ".join(f"coalesce(array_agg(h.{m}), '{{}}')" for m in match)
    grown = ", ".join(f"array_cat(p{k}, array_agg(g.{k}))" for k in route.key_names)
    return f"""    -- a holder that no legacy row explains leaves; one that is merely stale makes room and is carried along
    PERFORM {route.function("quitar")}({arrays}, p_run) FROM ({holders}) h;
    WITH h AS (
      UPDATE {target} t SET {name} = left('~' || md5({spanish_clave(route, "t")}), {width})
      FROM ({holders}) h
      WHERE {in_t} AND NOT EXISTS (
        SELECT 1 FROM {route.view} g WHERE {in_h} AND g._motivo IS NULL AND g.{name} = t.{name})
      RETURNING {found}
    )
    SELECT {grown} INTO {keys} FROM h JOIN {route.view} g ON {in_h} HAVING count(*) > 0;
    v_hubo := v_hubo OR FOUND;
"""


def _remove(route: Route) -> str:
    target = qname(route.schema, route.pair.target)
    names = tuple(f"_k{n}" for n in range(1, len(route.pair.match) + 1))
    columns = match_columns(route)
    mine = " AND ".join(f"t.{ident(c.name)} = k.{n}" for c, n in zip(columns, names, strict=True))
    twin = " AND ".join(f"f.{ident(c.name)} = k.{n}" for c, n in zip(columns, names, strict=True))
    return f"""CREATE OR REPLACE FUNCTION {route.function("quitar")}(
  {_arguments(names, tuple(c.type for c in columns))}, p_run text, OUT apartadas bigint)
{_HEAD}BEGIN
  PERFORM set_config('migracion.sync', 'copia', true);
  WITH fuera AS (
    DELETE FROM {target} t USING {_unnest(names)}
    WHERE {mine} AND NOT EXISTS (SELECT 1 FROM {route.view} f WHERE {twin} AND f._motivo IS NULL)
    RETURNING t.*
  ), guardadas AS (
    INSERT INTO {BOOKKEEPING}.apartada (run_id, tabla, clave, fila)
    SELECT p_run, {literal(route.pair.target)}, {spanish_clave(route, "t")}, to_jsonb(t) FROM fuera t RETURNING 1
  )
  SELECT count(*) INTO apartadas FROM guardadas;
END $funcion$"""


def spanish_clave(route: Route, alias: str) -> str:
    """Return the Spanish primary key of ``alias`` as one text, written as clave_sql writes it."""
    parts = []
    for name in route.table.primary_key:
        column = next(c for c in route.table.columns if c.name == name)
        text = f"{alias}.{ident(name)}::text"
        if type_family(column.type)[0] in TEXT_TYPES:
            text = rf"replace(replace({text}, E'\\', E'\\\\'), '|', E'\\|')"
        parts.append(text)
    return " || '|' || ".join(parts)


def _batch(route: Route) -> str:
    keys = route.key
    names = route.key_names
    source = qname(route.schema, route.pair.source)
    row = "(" + ", ".join(f"l.{ident(c.name)}" for c in keys) + ")"
    last = "(" + ", ".join(f"(v_p.posicion->>{n})::{c.type}" for n, c in enumerate(keys)) + ")"
    end = "(" + ", ".join(f"(v_p.fin->>{n})::{c.type}" for n, c in enumerate(keys)) + ")"
    order = ", ".join(f"l.{ident(c.name)}" for c in keys)
    where = where_of(route, "l")
    picked = ", ".join(f"l.{ident(c.name)} AS {k}" for c, k in zip(keys, names, strict=True))
    arrays = ", ".join(f"coalesce(array_agg(s.{k}), '{{}}')" for k in names)
    locals_ = "\n  ".join(f"p{k} {c.type}[];" for c, k in zip(keys, names, strict=True))
    at = f"v_n = cardinality(p{names[0]})"
    position = ", ".join(f"p{k}[v_n]::text" for k in names)
    return f"""CREATE OR REPLACE FUNCTION {route.function("copiar")}(
  p_filas integer, p_run text, OUT leidas bigint, OUT copiadas bigint, OUT rechazadas bigint, OUT terminada boolean)
{_HEAD}DECLARE
  v_p {BOOKKEEPING}.progreso_copia; v_n integer;
  {locals_}
BEGIN
  SELECT * INTO STRICT v_p FROM {BOOKKEEPING}.progreso_copia
  WHERE tabla_origen = {literal(route.pair.source)} AND tabla_destino = {literal(route.pair.target)} AND tramo = ''
  FOR UPDATE;
  -- up to the end that was fixed when the copy began; later keys belong to the difference that the proof finds
  IF v_p.posicion IS NULL THEN
    SELECT {arrays} INTO {", ".join("p" + k for k in names)} FROM (
      SELECT {picked} FROM {source} l WHERE {where} AND {row} <= {end} ORDER BY {order} LIMIT p_filas) s;
  ELSE
    SELECT {arrays} INTO {", ".join("p" + k for k in names)} FROM (
      SELECT {picked} FROM {source} l WHERE {where} AND {row} > {last} AND {row} <= {end} ORDER BY {order} LIMIT p_filas) s;
  END IF;
  {at.replace("=", ":=", 1)};
  leidas := v_n;
  SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas
  FROM {route.function("llevar")}({", ".join("p" + k for k in names)}, p_run) r;
  terminada := v_n < p_filas;
  UPDATE {BOOKKEEPING}.progreso_copia SET
    posicion = CASE WHEN v_n > 0 THEN jsonb_build_array({position}) ELSE posicion END,
    ultima_clave = CASE WHEN v_n > 0 THEN {_clave_of_arrays(route)} ELSE ultima_clave END,
    filas_leidas = filas_leidas + v_n, filas_copiadas = filas_copiadas + copiadas,
    filas_cuarentena = filas_cuarentena + rechazadas,
    actualizada_at = clock_timestamp(),
    terminada_at = CASE WHEN terminada THEN clock_timestamp() END
  WHERE tabla_origen = v_p.tabla_origen AND tabla_destino = v_p.tabla_destino AND tramo = v_p.tramo;
END $funcion$"""


def _clave_of_arrays(route: Route) -> str:
    parts = []
    for column, name in zip(route.key, route.key_names, strict=True):
        text = f"p{name}[v_n]::text"
        if column.base in TEXT_TYPES:
            text = rf"replace(replace({text}, E'\\', E'\\\\'), '|', E'\\|')"
        parts.append(text)
    return " || '|' || ".join(parts)


def fix_end(route: Route) -> str:
    """Return the INSERT that opens the progress row and fixes the end of the copy at the highest key of this moment."""
    source = qname(route.schema, route.pair.source)
    keys = ", ".join(f"l.{ident(c.name)}::text" for c in route.key)
    order = ", ".join(f"l.{ident(c.name)} DESC" for c in route.key)
    return f"""INSERT INTO {BOOKKEEPING}.progreso_copia
  (tabla_origen, tabla_destino, tramo, fin, filas_previstas, terminada_at)
SELECT {literal(route.pair.source)}, {literal(route.pair.target)}, '', u.fin, n.filas,
       CASE WHEN u.fin IS NULL THEN now() END
FROM (SELECT count(*) AS filas FROM {source} l WHERE {where_of(route, "l")}) n
LEFT JOIN (SELECT jsonb_build_array({keys}) AS fin FROM {source} l ORDER BY {order} LIMIT 1) u ON true
ON CONFLICT (tabla_origen, tabla_destino, tramo) DO NOTHING"""
