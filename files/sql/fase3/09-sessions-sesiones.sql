-- Meta: llevar sessions a sesiones. La vista es la única definición: copia, prueba y simulacro la usan.
-- Necesita: fase1; ser dueño de migracion y USAGE en public; SELECT y UPDATE sobre sessions y users; SELECT, INSERT, UPDATE y
--   DELETE sobre sesiones; BYPASSRLS, o ser su dueño, donde haya seguridad por fila.
-- Bloqueo: mientras el par guarda claves, ninguna fila legacy; si no, cada lote (5.000 filas, si batch_rows no dice otra cosa, y
--   8 MB como mucho, o una fila mayor), hasta que termina: FOR SHARE en sessions; luego FOR KEY SHARE en users (lo que la vista
--   lee a su lado); FOR KEY SHARE en migracion.arriendo; escribe en sesiones, migracion.progreso_copia y migracion.cuarentena, y
--   en migracion.apartada si una fila sobra o no entra (sale con las que dependen de ella, todas FOR UPDATE). Cada espera dura
--   200 ms como mucho; después el lote cede y vuelve con menos filas, 40 intentos. Crear esto toma ACCESS SHARE en lo que leen
--   las vistas, que solo choca con quien cambia la tabla misma.
-- Deshacer: fase3 --tags rollback: guarda en migracion.apartada lo que solo sesiones tiene, y la vacía con ACCESS EXCLUSIVE en
--   ella y en las que apuntan a ella (20 intentos de 500 ms); vista y funciones se van con la última copia.
-- Repetir: sí, todo es CREATE OR REPLACE, y un lote repetido no cambia nada.

-- Qué será de cada fila de sessions en sesiones: sus valores, o por qué no pasa. La leen las funciones, la prueba y el simulacro.
CREATE OR REPLACE VIEW migracion.v_sessions_sesiones AS
SELECT l.id AS _k1,
       l.ctid AS _lugar,
       l.id::text AS _clave,
       v.id,
       v.telefono,
       v.id_sesion,
       v.estado,
       v.codigo_qr,
       v.datos_sesion,
       v.expira_at,
       v.ultima_actividad,
       v.creado_at,
       f.rechazo AS _rechazo,
       f.rechazo[3] AS _motivo,
       NULL::text AS _fusion,
       (SELECT migracion.fila_entera(row_to_json(x.*), x.tableoid) FROM public.sessions x WHERE x.ctid = l.ctid) AS _fila
FROM public.sessions l
LEFT JOIN public.users b2 ON b2.id = l.user_id
CROSS JOIN LATERAL (SELECT
    l.id AS id,
    b2.phone_number::character varying(20) AS telefono,
    l.session_id::character varying(255) AS id_sesion,
    (CASE l.status WHEN 'active' THEN 'activa' WHEN 'inactive' THEN 'inactiva' WHEN 'expired' THEN 'expirada'
      ELSE l.status END)::character varying(20) AS estado,
    l.qr_code::text AS codigo_qr,
    CASE WHEN l.session_data IS NULL THEN '{}'::jsonb ELSE l.session_data END AS datos_sesion,
    (l.expires_at AT TIME ZONE 'UTC') AS expira_at,
    (l.last_activity AT TIME ZONE 'UTC') AS ultima_actividad,
    (l.created_at AT TIME ZONE 'UTC') AS creado_at) v
CROSS JOIN LATERAL (SELECT CASE
    WHEN octet_length(b2.phone_number) > 20 AND char_length(b2.phone_number) > 20
      AND rtrim(substr(b2.phone_number, 21), ' ') <> '' THEN ARRAY['22001', 'users.phone_number',
      'users.phone_number pasa de los 20 caracteres que admite telefono']
    WHEN v.telefono IS NULL THEN ARRAY['23502', 'user_id', 'no se encuentra telefono por user_id en users']
    WHEN octet_length(l.session_id) > 255 AND char_length(l.session_id) > 255 AND rtrim(substr(l.session_id, 256), ' ') <> ''
      THEN ARRAY['22001', 'session_id', 'session_id pasa de los 255 caracteres que admite id_sesion']
    WHEN v.id_sesion IS NULL THEN ARRAY['23502', 'session_id', 'falta session_id, y id_sesion es obligatorio']
    WHEN l.status NOT IN ('active', 'inactive', 'expired', 'activa', 'inactiva', 'expirada', 'error')
      THEN ARRAY[CASE WHEN octet_length(l.status) > 20 AND char_length(l.status) > 20 AND rtrim(substr(l.status, 21), ' ') <> ''
      THEN '22001' ELSE '23514' END, 'status', 'status no tiene traducción: ' || quote_literal(left(l.status::text, 40))]
  END AS rechazo) r
CROSS JOIN LATERAL (SELECT coalesce(r.rechazo, NULL::text[]) AS rechazo) f
WHERE (NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.tabla_origen = 'sessions' AND c.estado <> 'resuelta'
  AND c.lugar IS NOT NULL) OR (l.tableoid, l.ctid, l.id::text) NOT IN (SELECT c.tabla, c.lugar, c.clave
  FROM migracion.cuarentena c WHERE c.tabla_origen = 'sessions' AND c.estado <> 'resuelta' AND c.lugar IS NOT NULL));

REVOKE ALL ON migracion.v_sessions_sesiones FROM PUBLIC;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Deja en sesiones las filas legacy de esas claves como dice la vista; anota las rechazadas. La llaman copiar, la reparación y
--   ella misma.
CREATE OR REPLACE FUNCTION migracion.llevar_sessions_sesiones(
  p_k1 uuid[], p_run text, p_lugar tid[] DEFAULT NULL,
  OUT copiadas bigint, OUT rechazadas bigint)
LANGUAGE plpgsql SECURITY INVOKER
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- las filas se buscan por índice o en su lugar: un plan hecho con la tabla vacía la recorrería entera en cada lote
SET enable_seqscan = off SET enable_mergejoin = off SET enable_tidscan = on
-- buscar las filas de un lote ha de costar menos que leer entera la tabla de sus padres
SET seq_page_cost = 0.01 SET random_page_cost = 0.01 SET cpu_operator_cost = 0.0001
-- compilar tardaría más que el lote
SET jit = off
-- auto: de otro modo se planearía la comprobación de cada clave foránea, fila por fila
SET plan_cache_mode = auto
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_mitad integer := cardinality(p_k1) / 2;
  v_estado text; v_mensaje text; v_mas bigint; v_peor bigint;
  -- la copia llega donde aún no hay filas: las busca cuando ha encontrado una
  v_mirar boolean := p_lugar IS NULL;
BEGIN
  copiadas := 0; rechazadas := 0;
  IF cardinality(p_k1) = 0 THEN RETURN; END IF;
  PERFORM set_config('migracion.sync', coalesce(nullif(current_setting('migracion.sync', true), ''), 'copia'), true);
  -- cada bloqueo espera a quien escribe; la sentencia siguiente lee lo que confirmó
  IF p_lugar IS NULL THEN
    SELECT coalesce(array_agg(l._k1), '{}'), coalesce(array_agg(l._lugar), '{}') INTO p_k1, p_lugar FROM (
      SELECT l.id AS _k1, l.ctid AS _lugar FROM public.sessions l JOIN (SELECT DISTINCT k.* FROM unnest(p_k1) AS k(_k1)) k
        ON l.id = k._k1
      ORDER BY l.id FOR SHARE OF l) l;
  END IF;
  PERFORM 1 FROM public.users p WHERE p.id IN (SELECT DISTINCT l.user_id FROM public.sessions l WHERE l.ctid = ANY (p_lugar))
    ORDER BY p.id FOR KEY SHARE OF p;
  LOOP
    BEGIN
    -- con EXECUTE cada lote tiene su plan
    EXECUTE $lote$
    WITH f AS MATERIALIZED (
      SELECT f._k1, f._clave, f.id, f.telefono, f.id_sesion, f.estado, f.codigo_qr, f.datos_sesion, f.expira_at,
        f.ultima_actividad, f.creado_at, f._rechazo, f._fusion,
        t.id IS NOT NULL AS _esta, CASE WHEN t.id IS NOT NULL THEN ROW(t.telefono, t.id_sesion, t.estado, t.codigo_qr,
          t.datos_sesion, t.expira_at, t.ultima_actividad, t.creado_at)::record *<> ROW(f.telefono, f.id_sesion, f.estado,
          f.codigo_qr, f.datos_sesion, f.expira_at, f.ultima_actividad, f.creado_at)::record END AS _distinta
      FROM migracion.v_sessions_sesiones f LEFT JOIN public.sesiones t ON $2 AND t.id = f.id
      WHERE f._lugar = ANY ($1)
    ), nuevas AS (
      INSERT INTO public.sesiones (id, telefono, id_sesion, estado, codigo_qr, datos_sesion, expira_at, ultima_actividad,
        creado_at)
      SELECT f.id, f.telefono, f.id_sesion, f.estado, f.codigo_qr, f.datos_sesion, f.expira_at, f.ultima_actividad, f.creado_at
        FROM f WHERE NOT f._esta AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      RETURNING 1
    ), corregidas AS (
      UPDATE public.sesiones t SET telefono = f.telefono, id_sesion = f.id_sesion, estado = f.estado, codigo_qr = f.codigo_qr,
        datos_sesion = f.datos_sesion, expira_at = f.expira_at, ultima_actividad = f.ultima_actividad, creado_at = f.creado_at
      FROM f WHERE f._distinta AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AND t.id = f.id
      RETURNING 1
    ), abiertas AS (
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, columna, motivo, origen)
      SELECT 'sessions', f._clave, migracion.fila_entera(row_to_json(l.*), l.tableoid), f._rechazo[1], f._rechazo[2],
        f._rechazo[3], 'copia'
      FROM f JOIN public.sessions l ON l.id = f._k1
      WHERE f._rechazo IS NOT NULL
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = excluded.columna, motivo = excluded.motivo,
          tabla = NULL, lugar = NULL
        WHERE (c.fila, c.motivo) IS DISTINCT FROM (excluded.fila, excluded.motivo)
      RETURNING 1
    ), cerradas AS (
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'corregida'
      WHERE c.tabla_origen = 'sessions' AND c.estado <> 'resuelta'
        AND c.clave = ANY (ARRAY(SELECT f._clave FROM f WHERE f._rechazo IS NULL))
        AND EXISTS (SELECT 1 FROM migracion.cuarentena x WHERE x.tabla_origen = 'sessions' AND x.estado <> 'resuelta')
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM nuevas) + (SELECT count(*) FROM corregidas),
      (SELECT count(*) FROM f WHERE f._rechazo IS NOT NULL)
    $lote$ INTO copiadas, rechazadas USING p_lugar, v_mirar;
      RETURN;
    EXCEPTION
      WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
        GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT;
    END;
    EXIT WHEN v_mirar OR v_estado <> '23505';
    v_mirar := true;
  END LOOP;
  -- red bajo los rechazos de la vista: partir en dos hasta que la fila que no entra quede sola
  IF cardinality(p_k1) > 1 THEN
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.llevar_sessions_sesiones(p_k1[1:v_mitad], p_run,
      p_lugar[1:v_mitad]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.llevar_sessions_sesiones(p_k1[v_mitad + 1:], p_run,
      p_lugar[v_mitad + 1:]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    RETURN;
  END IF;
  -- quien tiene su valor lo confirmó mientras se le esperaba, y la vista ya no la deja pasar: eso se anota
  IF v_estado = '23505' AND NOT EXISTS (SELECT FROM migracion.v_sessions_sesiones f WHERE f._lugar = ANY (p_lugar)
    AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END) THEN
    SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_sessions_sesiones(p_k1, p_run) r;
    RETURN;
  END IF;
  -- que falte el padre no es culpa de la fila: la prueba lo dice y la reparación trae a los dos
  IF v_estado = '23503' THEN RETURN; END IF;
  INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
  SELECT 'sessions', f._clave, f._fila, v_estado, 'PostgreSQL la rechaza: ' || v_mensaje, 'copia'
  FROM migracion.v_sessions_sesiones f WHERE f._lugar = ANY (p_lugar)
    AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
  ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
  DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = NULL, motivo = excluded.motivo,
    tabla = NULL, lugar = NULL;
  -- un mismo motivo para tantas filas es de la tabla; fuera de la clase 23 el mensaje puede llevar un valor
  SELECT count(*) INTO v_mas FROM migracion.cuarentena c
  WHERE c.tabla_origen = 'sessions' AND c.estado = 'abierta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: ')
    AND c.sqlstate = v_estado
    AND (left(v_estado, 2) <> '23' OR c.motivo = 'PostgreSQL la rechaza: ' || v_mensaje);
  IF v_mas > 20 AND v_mas > 0.01 * (SELECT coalesce(sum(p.filas_previstas), 0)
    FROM migracion.progreso_copia p WHERE p.tabla_origen = 'sessions' AND p.tabla_destino = 'sesiones') THEN
    RAISE EXCEPTION USING ERRCODE = 'TK001', MESSAGE = v_mensaje, DETAIL = v_mas;
  END IF;
  rechazadas := 1;
END $funcion$;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Pone en sesiones, donde no están, las filas legacy de un lote, sin bloquear ninguna; anota las rechazadas. La llama copiar
--   mientras el par guarda claves.
CREATE OR REPLACE FUNCTION migracion.cargar_sessions_sesiones(
  p_k1 uuid[], p_run text, p_lugar tid[],
  OUT copiadas bigint, OUT rechazadas bigint)
LANGUAGE plpgsql SECURITY INVOKER
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- las filas se buscan por índice o en su lugar: un plan hecho con la tabla vacía la recorrería entera en cada lote
SET enable_seqscan = off SET enable_mergejoin = off SET enable_tidscan = on
-- buscar las filas de un lote ha de costar menos que leer entera la tabla de sus padres
SET seq_page_cost = 0.01 SET random_page_cost = 0.01 SET cpu_operator_cost = 0.0001
-- compilar tardaría más que el lote
SET jit = off
-- auto: de otro modo se planearía la comprobación de cada clave foránea, fila por fila
SET plan_cache_mode = auto
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_mitad integer := cardinality(p_k1) / 2; v_mas bigint; v_peor bigint;
  v_estado text; v_estan boolean := false;
BEGIN
  copiadas := 0; rechazadas := 0;
  IF cardinality(p_k1) = 0 THEN RETURN; END IF;
  PERFORM set_config('migracion.sync', 'copia', true);
  LOOP
    v_estado := NULL;
    BEGIN
      IF v_estan THEN
        EXECUTE $lote$
    INSERT INTO public.sesiones (id, telefono, id_sesion, estado, codigo_qr, datos_sesion, expira_at, ultima_actividad, creado_at)
    SELECT f.id, f.telefono, f.id_sesion, f.estado, f.codigo_qr, f.datos_sesion, f.expira_at, f.ultima_actividad, f.creado_at
      FROM migracion.v_sessions_sesiones f WHERE f._lugar = ANY ($1)
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
    ON CONFLICT (id) DO NOTHING
    $lote$ USING p_lugar;
      ELSE
        EXECUTE $lote$
    INSERT INTO public.sesiones (id, telefono, id_sesion, estado, codigo_qr, datos_sesion, expira_at, ultima_actividad, creado_at)
    SELECT f.id, f.telefono, f.id_sesion, f.estado, f.codigo_qr, f.datos_sesion, f.expira_at, f.ultima_actividad, f.creado_at
      FROM migracion.v_sessions_sesiones f WHERE f._lugar = ANY ($1)
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
    $lote$ USING p_lugar;
      END IF;
      GET DIAGNOSTICS copiadas = ROW_COUNT;
    EXCEPTION
      WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
        GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE;
    END;
    EXIT WHEN v_estado IS NULL OR v_estan;
    -- alguna ya está, porque se movió o porque se lee de nuevo; o falta su padre, que otra foto puede ver
    v_estan := true;
  END LOOP;
  IF v_estado IS NOT NULL THEN
    copiadas := 0;
    IF cardinality(p_k1) > 1 THEN
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.cargar_sessions_sesiones(p_k1[1:v_mitad], p_run,
      p_lugar[1:v_mitad]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.cargar_sessions_sesiones(p_k1[v_mitad + 1:], p_run,
      p_lugar[v_mitad + 1:]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    ELSIF v_estado <> '23503' THEN
      -- la rechaza PostgreSQL: llevar bloquea esta sola y lo anota; si falta su padre, quien se lo llevó dejó su clave
      SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_sessions_sesiones(p_k1, p_run) r;
    END IF;
    RETURN;
  END IF;
  IF copiadas < cardinality(p_k1) THEN
    EXECUTE $lote$
    WITH f AS MATERIALIZED (
      SELECT f._k1, f._clave, f._rechazo FROM migracion.v_sessions_sesiones f WHERE f._lugar = ANY ($1) AND f._rechazo IS NOT NULL
    ), abiertas AS (
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, columna, motivo, origen)
      SELECT 'sessions', f._clave, migracion.fila_entera(row_to_json(l.*), l.tableoid), f._rechazo[1], f._rechazo[2],
        f._rechazo[3], 'copia'
      FROM f JOIN public.sessions l ON l.id = f._k1
      WHERE f._rechazo IS NOT NULL
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = excluded.columna, motivo = excluded.motivo,
          tabla = NULL, lugar = NULL
        WHERE (c.fila, c.motivo) IS DISTINCT FROM (excluded.fila, excluded.motivo)
      RETURNING 1
    )
    SELECT count(*) FROM f
    $lote$ INTO rechazadas USING p_lugar;
  END IF;
END $funcion$;

-- Un lote: las filas de sessions que siguen en el tramo, por llevar, y el avance en progreso_copia. La llama la copia
--   (table_copy), lote tras lote.
CREATE OR REPLACE FUNCTION migracion.copiar_sessions_sesiones(
  p_tramo text, p_filas integer, p_bytes bigint, p_run text,
  OUT leidas bigint, OUT copiadas bigint, OUT rechazadas bigint, OUT terminada boolean, OUT cortada boolean)
LANGUAGE plpgsql SECURITY INVOKER
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- las filas se buscan por índice o en su lugar: un plan hecho con la tabla vacía la recorrería entera en cada lote
SET enable_seqscan = off SET enable_mergejoin = off SET enable_tidscan = on
-- buscar las filas de un lote ha de costar menos que leer entera la tabla de sus padres
SET seq_page_cost = 0.01 SET random_page_cost = 0.01 SET cpu_operator_cost = 0.0001
-- compilar tardaría más que el lote
SET jit = off
-- auto: de otro modo se planearía la comprobación de cada clave foránea, fila por fila
SET plan_cache_mode = auto
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_p migracion.progreso_copia; v_n integer; v_vistas integer; v_desde tid; v_hasta tid; v_ultimo tid;
  p_lugar tid[];
  p_k1 uuid[];
BEGIN
  SELECT * INTO STRICT v_p FROM migracion.progreso_copia
  WHERE tabla_origen = 'sessions' AND tabla_destino = 'sesiones' AND tramo = p_tramo
  FOR UPDATE;
  -- nada se bloquea; solo hasta el fin que se fijó: lo que llega después deja su clave, o lo encuentra la prueba
  PERFORM 1 FROM public.sessions l LIMIT 0;  -- retiene la tabla: nadie la reescribe hasta que termine el lote
  IF (v_p.fin->>'archivo')::oid <> pg_relation_filenode('public.sessions') THEN
    -- reescrita: desde el principio, por clave; lo ya copiado es igual y se queda
    SELECT NULL, u.fin, n.filas, 0, 0, 0 INTO v_p.posicion, v_p.fin, v_p.filas_previstas, v_p.filas_leidas,
      v_p.filas_copiadas, v_p.filas_cuarentena
    FROM (SELECT count(*) AS filas, max(l.ctid) AS lugar FROM public.sessions l) n
    LEFT JOIN (SELECT jsonb_build_array(l.id::text) AS fin FROM public.sessions l ORDER BY l.id DESC LIMIT 1) u ON true;
  END IF;
  IF jsonb_typeof(v_p.fin) = 'object' THEN
    v_desde := coalesce(v_p.posicion #>> '{}', '(0,0)');
    v_hasta := LEAST((v_p.fin->>'hasta')::tid, format('(%s,0)', (v_desde::text::point)[0]::bigint
      + 1 + ceil(p_filas / GREATEST((v_p.fin->>'densidad')::numeric, 0.01)))::tid);
    SELECT coalesce(array_agg(s._k1 ORDER BY s._lugar) FILTER (WHERE s.entra), '{}'),
      coalesce(array_agg(s._lugar ORDER BY s._lugar) FILTER (WHERE s.entra), '{}'), count(*), max(s._lugar) FILTER (WHERE s.entra)
    INTO p_k1, p_lugar, v_vistas, v_ultimo FROM (
      SELECT l.*, l.fila = 1 OR l.fila <= p_filas AND l.suma <= p_bytes AS entra FROM (
      SELECT l.*, row_number() OVER (ORDER BY l._lugar ROWS UNBOUNDED PRECEDING) AS fila,
        sum(l.peso) OVER (ORDER BY l._lugar ROWS UNBOUNDED PRECEDING) AS suma FROM (
        SELECT l.id AS _k1, l.ctid AS _lugar,
          LEAST(100::bigint
          + coalesce(octet_length(l.session_id), 0)
          + coalesce(octet_length(l.status), 0)
          + coalesce(octet_length(l.qr_code), 0)
          + coalesce(pg_column_size(l.session_data)::bigint * CASE WHEN pg_column_compression(l.session_data) IS NULL THEN 1
            ELSE 8 END, 0), 1000000000)::integer AS peso
        FROM public.sessions l WHERE l.ctid > v_desde AND l.ctid <= v_hasta) l) l) s;
    v_n := cardinality(p_k1);
    cortada := v_n < v_vistas;
    IF cortada THEN v_hasta := v_ultimo; END IF;
    v_p.posicion := to_jsonb(v_hasta);
    terminada := v_hasta = (v_p.fin->>'hasta')::tid;
  ELSE
    EXECUTE $lote$
    SELECT coalesce(array_agg(s._k1 ORDER BY s._k1) FILTER (WHERE s.entra), '{}'),
      coalesce(array_agg(s._lugar ORDER BY s._k1) FILTER (WHERE s.entra), '{}'), count(*)
    FROM (
      SELECT l.*, l.fila = 1 OR l.fila <= $3 AND l.suma <= $4 AS entra FROM (
      SELECT l.*, row_number() OVER (ORDER BY l._k1 ROWS UNBOUNDED PRECEDING) AS fila,
        sum(l.peso) OVER (ORDER BY l._k1 ROWS UNBOUNDED PRECEDING) AS suma FROM (
        SELECT l.id AS _k1, l.ctid AS _lugar,
          LEAST(100::bigint
          + coalesce(octet_length(l.session_id), 0)
          + coalesce(octet_length(l.status), 0)
          + coalesce(octet_length(l.qr_code), 0)
          + coalesce(pg_column_size(l.session_data)::bigint * CASE WHEN pg_column_compression(l.session_data) IS NULL THEN 1
            ELSE 8 END, 0), 1000000000)::integer AS peso
        FROM public.sessions l WHERE ($1 IS NULL OR (l.id) > (($1->>0)::uuid)) AND (l.id) <= (($2->>0)::uuid)
        ORDER BY l.id LIMIT $3) l) l) s
    $lote$ INTO p_k1, p_lugar, v_vistas USING v_p.posicion, v_p.fin, p_filas, p_bytes;
    v_n := cardinality(p_k1);
    cortada := v_n < v_vistas;
    v_p.posicion := CASE WHEN v_n > 0 THEN jsonb_build_array(p_k1[v_n]::text) ELSE v_p.posicion END;
    terminada := NOT cortada AND v_vistas < p_filas;
  END IF;
  leidas := v_n;
  IF EXISTS (SELECT FROM migracion.sincronizacion m WHERE m.tabla_origen = 'sessions' AND m.tabla_destino = 'sesiones'
    AND m.modo = 'claves') THEN
    SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.cargar_sessions_sesiones(p_k1, p_run, p_lugar) r;
  ELSE
    SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_sessions_sesiones(p_k1, p_run) r;
  END IF;
  UPDATE migracion.progreso_copia SET
    posicion = v_p.posicion, fin = v_p.fin, filas_previstas = v_p.filas_previstas,
    ultima_clave = CASE WHEN v_n > 0 THEN p_k1[v_n]::text ELSE ultima_clave END,
    filas_leidas = v_p.filas_leidas + v_n, filas_copiadas = v_p.filas_copiadas + copiadas,
    filas_cuarentena = v_p.filas_cuarentena + rechazadas, actualizada_at = clock_timestamp(),
    terminada_at = CASE WHEN terminada THEN clock_timestamp() END
  WHERE tabla_origen = v_p.tabla_origen AND tabla_destino = v_p.tabla_destino AND tramo = v_p.tramo;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.llevar_sessions_sesiones(uuid[], text, tid[]),
  migracion.copiar_sessions_sesiones(text, integer, bigint, text), migracion.cargar_sessions_sesiones(uuid[], text, tid[])
  FROM PUBLIC;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Retira de sesiones las filas de esas claves que no se deben a ninguna fila legacy, tampoco como última buena de una rechazada,
--   y las guarda en apartada. La llama la reparación.
CREATE OR REPLACE FUNCTION migracion.quitar_sesiones(
  p_k1 uuid[], p_run text, OUT apartadas bigint)
LANGUAGE plpgsql SECURITY INVOKER
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- las filas se buscan por índice o en su lugar: un plan hecho con la tabla vacía la recorrería entera en cada lote
SET enable_seqscan = off SET enable_mergejoin = off SET enable_tidscan = on
-- buscar las filas de un lote ha de costar menos que leer entera la tabla de sus padres
SET seq_page_cost = 0.01 SET random_page_cost = 0.01 SET cpu_operator_cost = 0.0001
-- compilar tardaría más que el lote
SET jit = off
-- los planes, de cada vez: la tabla crece entre una llamada y otra
SET plan_cache_mode = force_custom_plan
AS $funcion$
#variable_conflict use_variable
BEGIN
  PERFORM set_config('migracion.sync', coalesce(nullif(current_setting('migracion.sync', true), ''), 'copia'), true);
  SELECT a.apartadas INTO apartadas FROM migracion.apartar('public.sesiones'::regclass,
    ARRAY(SELECT t.ctid FROM public.sesiones t JOIN unnest(p_k1) AS k(_k1) ON t.id = k._k1
    WHERE NOT (EXISTS (SELECT 1 FROM migracion.v_sessions_sesiones f WHERE f.id = t.id
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
      OR (EXISTS (SELECT 1 FROM migracion.v_sessions_sesiones f WHERE f.id = t.id AND f._rechazo IS NOT NULL OFFSET 0)))),
      p_run) a;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.quitar_sesiones(uuid[], text) FROM PUBLIC;
