-- Meta: llevar provider_professions a proveedor_profesiones. La vista es la única definición: copia, prueba y simulacro la usan.
-- Necesita: fase1; SELECT y UPDATE (para FOR SHARE) sobre provider_professions.
-- Bloqueo: crear esto no bloquea nada; cada lote toma FOR SHARE de sus filas de provider_professions, lo que dura el lote.
-- Deshacer: DROP VIEW y DROP FUNCTION en migracion; las filas, con fase2 --tags rollback.
-- Repetir: sí, todo es CREATE OR REPLACE; un lote repetido no cambia nada.

CREATE OR REPLACE VIEW migracion.v_provider_professions_proveedor_profesiones AS
SELECT l.provider_id AS _k1,
       l.profession_id AS _k2,
       l.provider_id::text || '|' || l.profession_id::text AS _clave,
       v.proveedor_id,
       v.profesion_id,
       v.especialidad,
       v.anos_experiencia,
       v.certificaciones,
       v.es_principal,
       v.estado_verificacion,
       v.creado_at,
       f.rechazo[1] AS _sqlstate,
       f.rechazo[2] AS _columna,
       f.rechazo[3] AS _motivo,
       NULL::text AS _fusion,
       jsonb_build_object('provider_id', l.provider_id, 'profession_id', l.profession_id, 'specialty', l.specialty, 'experience_years', l.experience_years, 'certifications', l.certifications, 'is_primary', l.is_primary, 'verification_status', l.verification_status, 'created_at', l.created_at) AS _fila
FROM public.provider_professions l
CROSS JOIN LATERAL (SELECT
    l.provider_id AS proveedor_id,
    l.profession_id::integer AS profesion_id,
    l.specialty::character varying(255) AS especialidad,
    coalesce(l.experience_years, '0'::integer)::integer AS anos_experiencia,
    CASE WHEN l.certifications IS NULL THEN '[]'::jsonb ELSE l.certifications END AS certificaciones,
    coalesce(l.is_primary, 'false'::boolean) AS es_principal,
    (coalesce(CASE l.verification_status WHEN 'pending' THEN 'pendiente' WHEN 'verified' THEN 'verificada' WHEN 'rejected' THEN 'rechazada' ELSE l.verification_status END, 'pendiente'))::character varying(20) AS estado_verificacion,
    (l.created_at AT TIME ZONE 'UTC') AS creado_at) v
CROSS JOIN LATERAL (SELECT CASE
    WHEN octet_length(l.specialty) > 255 AND char_length(l.specialty) > 255 AND rtrim(substr(l.specialty, 256), ' ') <> '' THEN ARRAY['22001', 'specialty', 'specialty pasa de los 255 caracteres que admite especialidad']
    WHEN v.anos_experiencia < 0 THEN ARRAY['23514', 'experience_years', 'experience_years es menor que 0, el mínimo de anos_experiencia']
    WHEN v.anos_experiencia > 70 THEN ARRAY['23514', 'experience_years', 'experience_years es mayor que 70, el máximo de anos_experiencia']
    WHEN l.verification_status NOT IN ('pending', 'verified', 'rejected', 'pendiente', 'verificada', 'rechazada') AND octet_length(l.verification_status) > 20 AND char_length(l.verification_status) > 20 AND rtrim(substr(l.verification_status, 21), ' ') <> '' THEN ARRAY['22001', 'verification_status', 'verification_status no tiene traducción: ' || quote_literal(left(l.verification_status::text, 40))]
    WHEN l.verification_status NOT IN ('pending', 'verified', 'rejected', 'pendiente', 'verificada', 'rechazada') THEN ARRAY['23514', 'verification_status', 'verification_status no tiene traducción: ' || quote_literal(left(l.verification_status::text, 40))]
  END AS rechazo) r
CROSS JOIN LATERAL (SELECT coalesce(r.rechazo, CASE
    WHEN v.proveedor_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM migracion.v_users_proveedores p WHERE p.id = v.proveedor_id AND p._motivo IS NULL AND p._fusion IS NULL) THEN ARRAY['23503', 'provider_id', 'provider_id apunta a una fila que no está o está en cuarentena en users']
    WHEN v.profesion_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM migracion.v_professions_profesiones p WHERE p.id = v.profesion_id AND p._motivo IS NULL AND p._fusion IS NULL) THEN ARRAY['23503', 'profession_id', 'profession_id apunta a una fila que no está o está en cuarentena en professions']
  END) AS rechazo) f
WHERE true;

CREATE OR REPLACE FUNCTION migracion.llevar_provider_professions_proveedor_profesiones(
  p_k1 uuid[], p_k2 integer[], p_run text, OUT copiadas bigint, OUT rechazadas bigint)
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_custom_plan AS $funcion$
#variable_conflict use_column
DECLARE
  v_mitad integer := cardinality(p_k1) / 2;
  v_estado text; v_mensaje text; v_mas bigint; v_peor bigint; v_hubo boolean := false;
  p_m1 uuid[] := '{}';
  p_m2 integer[] := '{}';
BEGIN
  copiadas := 0; rechazadas := 0;
  IF cardinality(p_k1) = 0 THEN RETURN; END IF;
  PERFORM set_config('migracion.sync', 'copia', true);
  -- waits for writers in flight; the next statement then reads what they committed
  PERFORM 1 FROM public.provider_professions l JOIN unnest(p_k1, p_k2) AS k(_k1, _k2) ON l.provider_id = k._k1 AND l.profession_id = k._k2
  ORDER BY l.provider_id, l.profession_id FOR SHARE OF l;
  PERFORM 1 FROM public.users p WHERE p.id IN (SELECT l.provider_id FROM public.provider_professions l JOIN unnest(p_k1, p_k2) AS k(_k1, _k2) ON l.provider_id = k._k1 AND l.profession_id = k._k2) ORDER BY p.id FOR SHARE OF p;
  PERFORM 1 FROM public.professions p WHERE p.id IN (SELECT l.profession_id FROM public.provider_professions l JOIN unnest(p_k1, p_k2) AS k(_k1, _k2) ON l.provider_id = k._k1 AND l.profession_id = k._k2) ORDER BY p.id FOR SHARE OF p;
  BEGIN
    WITH f AS MATERIALIZED (
      SELECT f._k1, f._k2, f._clave, f.proveedor_id, f.profesion_id, f.especialidad, f.anos_experiencia, f.certificaciones, f.es_principal, f.estado_verificacion, f.creado_at, f._sqlstate, f._columna, f._motivo, f._fusion FROM (SELECT DISTINCT k.* FROM unnest(p_k1, p_k2) AS k(_k1, _k2)) k JOIN migracion.v_provider_professions_proveedor_profesiones f ON f._k1 = k._k1 AND f._k2 = k._k2
    ), escritas AS (
      INSERT INTO public.proveedor_profesiones AS t (proveedor_id, profesion_id, especialidad, anos_experiencia, certificaciones, es_principal, estado_verificacion, creado_at)
      SELECT f.proveedor_id, f.profesion_id, f.especialidad, f.anos_experiencia, f.certificaciones, f.es_principal, f.estado_verificacion, f.creado_at FROM f WHERE f._motivo IS NULL AND f._fusion IS NULL
      ON CONFLICT (proveedor_id, profesion_id) DO UPDATE SET especialidad = excluded.especialidad, anos_experiencia = excluded.anos_experiencia, certificaciones = excluded.certificaciones, es_principal = excluded.es_principal, estado_verificacion = excluded.estado_verificacion, creado_at = excluded.creado_at
        WHERE ROW(t.especialidad, t.anos_experiencia, t.certificaciones, t.es_principal, t.estado_verificacion, t.creado_at)::record *<> ROW(excluded.especialidad, excluded.anos_experiencia, excluded.certificaciones, excluded.es_principal, excluded.estado_verificacion, excluded.creado_at)::record
      RETURNING 1
    ), abiertas AS (
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, columna, motivo, origen)
      SELECT 'provider_professions', f._clave, jsonb_build_object('provider_id', l.provider_id, 'profession_id', l.profession_id, 'specialty', l.specialty, 'experience_years', l.experience_years, 'certifications', l.certifications, 'is_primary', l.is_primary, 'verification_status', l.verification_status, 'created_at', l.created_at), f._sqlstate, f._columna, f._motivo, 'copia'
      FROM f JOIN public.provider_professions l ON l.provider_id = f._k1 AND l.profession_id = f._k2
      WHERE f._motivo IS NOT NULL
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = excluded.columna, motivo = excluded.motivo
        WHERE (c.fila, c.motivo) IS DISTINCT FROM (excluded.fila, excluded.motivo)
      RETURNING 1
    ), cerradas AS (
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'corregida'
      FROM f WHERE c.tabla_origen = 'provider_professions' AND c.clave = f._clave AND c.estado <> 'resuelta' AND f._motivo IS NULL
      RETURNING 1
    ), fusionadas AS (
      INSERT INTO migracion.fusion AS m (tabla_origen, clave, tabla_destino, clave_destino, motivo)
      SELECT 'provider_professions', f._clave, 'proveedor_profesiones', f._fusion, 'repite proveedor_id, profesion_id de una fila anterior de provider_professions, que gana' FROM f WHERE f._fusion IS NOT NULL
      ON CONFLICT (tabla_origen, clave, tabla_destino) DO UPDATE SET clave_destino = excluded.clave_destino
        WHERE m.clave_destino <> excluded.clave_destino
      RETURNING 1
    ), separadas AS (
      DELETE FROM migracion.fusion m USING f
      WHERE m.tabla_origen = 'provider_professions' AND m.tabla_destino = 'proveedor_profesiones' AND m.clave = f._clave AND f._fusion IS NULL
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM escritas), (SELECT count(*) FROM f WHERE f._motivo IS NOT NULL)
    INTO copiadas, rechazadas;
    RETURN;
  EXCEPTION
    WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
      GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT;
  END;
  -- the net below the forward SELECT's own refusals: halve until the row that cannot go in stands alone
  IF cardinality(p_k1) > 1 THEN
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.llevar_provider_professions_proveedor_profesiones(p_k1[1:v_mitad], p_k2[1:v_mitad], p_run) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.llevar_provider_professions_proveedor_profesiones(p_k1[v_mitad + 1:], p_k2[v_mitad + 1:], p_run) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    RETURN;
  END IF;
  -- a parent that is not there yet is no fault of the row: the proof names it and the repair brings both
  IF v_estado = '23503' THEN RETURN; END IF;
  INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
  SELECT 'provider_professions', l.provider_id::text || '|' || l.profession_id::text, jsonb_build_object('provider_id', l.provider_id, 'profession_id', l.profession_id, 'specialty', l.specialty, 'experience_years', l.experience_years, 'certifications', l.certifications, 'is_primary', l.is_primary, 'verification_status', l.verification_status, 'created_at', l.created_at), v_estado,
         'PostgreSQL la rechaza: ' || v_mensaje, 'copia'
  FROM public.provider_professions l JOIN unnest(p_k1, p_k2) AS k(_k1, _k2) ON l.provider_id = k._k1 AND l.profession_id = k._k2
  ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
  DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = NULL, motivo = excluded.motivo;
  -- what it was before is stale now and leaves, as with any refused row
  WITH fuera AS (
    DELETE FROM public.proveedor_profesiones t USING migracion.v_provider_professions_proveedor_profesiones f JOIN unnest(p_k1, p_k2) AS k(_k1, _k2) ON f._k1 = k._k1 AND f._k2 = k._k2
    WHERE t.proveedor_id = f.proveedor_id AND t.profesion_id = f.profesion_id AND f._motivo IS NULL AND f._fusion IS NULL RETURNING t.*
  )
  INSERT INTO migracion.apartada (run_id, tabla, clave, fila)
  SELECT p_run, 'proveedor_profesiones', t.id::text, to_jsonb(t) FROM fuera t;
  rechazadas := 1;
END $funcion$;

CREATE OR REPLACE FUNCTION migracion.copiar_provider_professions_proveedor_profesiones(
  p_tramo text, p_filas integer, p_bytes bigint, p_run text,
  OUT leidas bigint, OUT copiadas bigint, OUT rechazadas bigint, OUT terminada boolean)
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_custom_plan AS $funcion$
#variable_conflict use_column
DECLARE
  v_p migracion.progreso_copia; v_n integer; v_vistas integer;
  p_k1 uuid[];
  p_k2 integer[];
BEGIN
  SELECT * INTO STRICT v_p FROM migracion.progreso_copia
  WHERE tabla_origen = 'provider_professions' AND tabla_destino = 'proveedor_profesiones' AND tramo = p_tramo
  FOR UPDATE;
  -- up to the end that was fixed when the copy began; later keys belong to the difference that the proof finds
  IF v_p.posicion IS NULL THEN
    SELECT coalesce(array_agg(s._k1) FILTER (WHERE s.suma <= p_bytes OR s.suma = s.peso), '{}'), coalesce(array_agg(s._k2) FILTER (WHERE s.suma <= p_bytes OR s.suma = s.peso), '{}'), count(*)
    INTO p_k1, p_k2, v_vistas FROM (
      SELECT l.*, sum(l.peso) OVER (ORDER BY _k1, _k2 ROWS UNBOUNDED PRECEDING) AS suma FROM (
        SELECT l.provider_id AS _k1, l.profession_id AS _k2,
          LEAST(100::bigint
          + coalesce(octet_length(l.specialty), 0)
          + coalesce(pg_column_size(l.certifications)::bigint * CASE WHEN pg_column_compression(l.certifications) IS NULL THEN 1 ELSE 8 END, 0)
          + coalesce(octet_length(l.verification_status), 0), 1000000000)::integer AS peso
        FROM public.provider_professions l WHERE true
        AND (l.provider_id, l.profession_id) <= ((v_p.fin->>0)::uuid, (v_p.fin->>1)::integer) ORDER BY l.provider_id, l.profession_id LIMIT p_filas) l) s;
  ELSE
    SELECT coalesce(array_agg(s._k1) FILTER (WHERE s.suma <= p_bytes OR s.suma = s.peso), '{}'), coalesce(array_agg(s._k2) FILTER (WHERE s.suma <= p_bytes OR s.suma = s.peso), '{}'), count(*)
    INTO p_k1, p_k2, v_vistas FROM (
      SELECT l.*, sum(l.peso) OVER (ORDER BY _k1, _k2 ROWS UNBOUNDED PRECEDING) AS suma FROM (
        SELECT l.provider_id AS _k1, l.profession_id AS _k2,
          LEAST(100::bigint
          + coalesce(octet_length(l.specialty), 0)
          + coalesce(pg_column_size(l.certifications)::bigint * CASE WHEN pg_column_compression(l.certifications) IS NULL THEN 1 ELSE 8 END, 0)
          + coalesce(octet_length(l.verification_status), 0), 1000000000)::integer AS peso
        FROM public.provider_professions l WHERE true
        AND (l.provider_id, l.profession_id) > ((v_p.posicion->>0)::uuid, (v_p.posicion->>1)::integer) AND (l.provider_id, l.profession_id) <= ((v_p.fin->>0)::uuid, (v_p.fin->>1)::integer) ORDER BY l.provider_id, l.profession_id LIMIT p_filas) l) s;
  END IF;
  v_n := cardinality(p_k1);
  leidas := v_n;
  SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_provider_professions_proveedor_profesiones(p_k1, p_k2, p_run) r;
  terminada := v_n = v_vistas AND v_vistas < p_filas;
  UPDATE migracion.progreso_copia SET
    posicion = CASE WHEN v_n > 0 THEN jsonb_build_array(p_k1[v_n]::text, p_k2[v_n]::text) ELSE posicion END,
    ultima_clave = CASE WHEN v_n > 0 THEN p_k1[v_n]::text || '|' || p_k2[v_n]::text ELSE ultima_clave END,
    filas_leidas = filas_leidas + v_n, filas_copiadas = filas_copiadas + copiadas,
    filas_cuarentena = filas_cuarentena + rechazadas, actualizada_at = clock_timestamp(),
    terminada_at = CASE WHEN terminada THEN clock_timestamp() END
  WHERE tabla_origen = v_p.tabla_origen AND tabla_destino = v_p.tabla_destino AND tramo = v_p.tramo;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.llevar_provider_professions_proveedor_profesiones(uuid[], integer[], text), migracion.copiar_provider_professions_proveedor_profesiones(text, integer, bigint, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION migracion.quitar_proveedor_profesiones(
  p_k1 uuid[], p_k2 integer[], p_run text, OUT apartadas bigint)
LANGUAGE plpgsql SECURITY INVOKER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET plan_cache_mode = force_custom_plan AS $funcion$
#variable_conflict use_column
BEGIN
  PERFORM set_config('migracion.sync', 'copia', true);
  WITH fuera AS (
    DELETE FROM public.proveedor_profesiones t USING unnest(p_k1, p_k2) AS k(_k1, _k2)
    WHERE t.proveedor_id = k._k1 AND t.profesion_id = k._k2 AND NOT (EXISTS (SELECT 1 FROM migracion.v_provider_professions_proveedor_profesiones f WHERE f.proveedor_id = t.proveedor_id AND f.profesion_id = t.profesion_id AND f._motivo IS NULL AND f._fusion IS NULL))
    RETURNING t.*
  ), guardadas AS (
    INSERT INTO migracion.apartada (run_id, tabla, clave, fila)
    SELECT p_run, 'proveedor_profesiones', t.id::text, to_jsonb(t) FROM fuera t RETURNING 1
  )
  SELECT count(*) INTO apartadas FROM guardadas;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.quitar_proveedor_profesiones(uuid[], integer[], text) FROM PUBLIC;
