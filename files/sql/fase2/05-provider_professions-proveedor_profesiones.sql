-- Meta: llevar provider_professions a proveedor_profesiones. La vista es la única definición: copia, prueba y simulacro la usan.
-- Necesita: fase1; las vistas de fase2/03 y fase2/01; ser dueño de migracion y USAGE en public; SELECT y UPDATE sobre
--   provider_professions, users y professions; SELECT, INSERT, UPDATE y DELETE sobre proveedor_profesiones y USAGE sobre su
--   secuencia; BYPASSRLS, o ser su dueño, donde haya seguridad por fila.
-- Bloqueo: cada lote (5.000 filas, si batch_rows no dice otra cosa, y 8 MB como mucho, o una fila mayor), hasta que termina: FOR
--   SHARE en provider_professions; luego FOR SHARE en users y professions (lo que la vista lee a su lado); FOR KEY SHARE en
--   proveedores y profesiones (claves foráneas) y migracion.arriendo; escribe en proveedor_profesiones, migracion.progreso_copia
--   y migracion.cuarentena, y en migracion.apartada si una fila sobra o no entra (sale con las que dependen de ella, todas FOR
--   UPDATE). Cada espera dura 200 ms como mucho; después el lote cede y vuelve con menos filas, 40 intentos. Crear esto toma
--   ACCESS SHARE en lo que leen las vistas, que solo choca con quien cambia la tabla misma.
-- Deshacer: fase2 --tags rollback: guarda en migracion.apartada lo que solo proveedor_profesiones tiene, y la vacía con ACCESS
--   EXCLUSIVE en ella y en las que apuntan a ella (20 intentos de 500 ms); vista y funciones se van con la última copia.
-- Repetir: sí, todo es CREATE OR REPLACE, y un lote repetido no cambia nada.

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Qué será de cada fila de provider_professions en proveedor_profesiones: sus valores, o por qué no pasa. La leen las funciones,
--   la prueba y el simulacro.
CREATE OR REPLACE VIEW migracion.v_provider_professions_proveedor_profesiones AS
SELECT l.provider_id AS _k1,
       l.profession_id AS _k2,
       l.ctid AS _lugar,
       l.provider_id::text || '|' || l.profession_id::text AS _clave,
       v.proveedor_id,
       v.profesion_id,
       v.especialidad,
       v.anos_experiencia,
       v.certificaciones,
       v.es_principal,
       v.estado_verificacion,
       v.creado_at,
       f.rechazo AS _rechazo,
       f.rechazo[3] AS _motivo,
       NULL::text AS _fusion,
       (SELECT migracion.fila_entera(row_to_json(x.*), x.tableoid) FROM public.provider_professions x
         WHERE x.ctid = l.ctid) AS _fila
FROM public.provider_professions l
CROSS JOIN LATERAL (SELECT
    l.provider_id AS proveedor_id,
    l.profession_id::integer AS profesion_id,
    l.specialty::character varying(255) AS especialidad,
    coalesce(l.experience_years, '0'::integer)::integer AS anos_experiencia,
    CASE WHEN l.certifications IS NULL THEN '[]'::jsonb ELSE l.certifications END AS certificaciones,
    coalesce(l.is_primary, 'false'::boolean) AS es_principal,
    (coalesce(CASE l.verification_status WHEN 'pending' THEN 'pendiente' WHEN 'verified' THEN 'verificada' WHEN 'rejected'
      THEN 'rechazada' ELSE l.verification_status END, 'pendiente'))::character varying(20) AS estado_verificacion,
    (l.created_at AT TIME ZONE 'UTC') AS creado_at) v
CROSS JOIN LATERAL (SELECT CASE
    WHEN octet_length(l.specialty) > 255 AND char_length(l.specialty) > 255 AND rtrim(substr(l.specialty, 256), ' ') <> ''
      THEN ARRAY['22001', 'specialty', 'specialty pasa de los 255 caracteres que admite especialidad']
    WHEN v.anos_experiencia < 0 THEN ARRAY['23514', 'experience_years',
      'experience_years es menor que 0, el mínimo de anos_experiencia']
    WHEN v.anos_experiencia > 70 THEN ARRAY['23514', 'experience_years',
      'experience_years es mayor que 70, el máximo de anos_experiencia']
    WHEN l.verification_status NOT IN ('pending', 'verified', 'rejected', 'pendiente', 'verificada', 'rechazada')
      THEN ARRAY[CASE WHEN octet_length(l.verification_status) > 20 AND char_length(l.verification_status) > 20
      AND rtrim(substr(l.verification_status, 21), ' ') <> '' THEN '22001' ELSE '23514' END, 'verification_status',
      'verification_status no tiene traducción: ' || quote_literal(left(l.verification_status::text, 40))]
  END AS rechazo) r
LEFT JOIN migracion.v_users_proveedores a1_1 ON a1_1.id = v.proveedor_id
  AND CASE WHEN a1_1._rechazo IS NULL AND a1_1._fusion IS NULL THEN true ELSE false END
  AND a1_1._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
  AND starts_with(c.motivo, 'PostgreSQL la rechaza: '))
LEFT JOIN migracion.v_professions_profesiones a2_1 ON a2_1.id = v.profesion_id
  AND CASE WHEN a2_1._rechazo IS NULL AND a2_1._fusion IS NULL THEN true ELSE false END
  AND a2_1._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions'
  AND c.estado <> 'resuelta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: '))
CROSS JOIN LATERAL (SELECT coalesce(r.rechazo, CASE
    WHEN v.proveedor_id IS NOT NULL AND a1_1.id IS NULL THEN ARRAY['23503', 'provider_id',
      'provider_id apunta a una fila que no está o está en cuarentena en users']
    WHEN v.profesion_id IS NOT NULL AND a2_1.id IS NULL THEN ARRAY['23503', 'profession_id',
      'profession_id apunta a una fila que no está o está en cuarentena en professions']
  END) AS rechazo) f
WHERE (NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.tabla_origen = 'provider_professions' AND c.estado <> 'resuelta'
  AND c.lugar IS NOT NULL) OR (l.tableoid, l.ctid, l.provider_id::text || '|' || l.profession_id::text) NOT IN (SELECT c.tabla,
  c.lugar, c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'provider_professions' AND c.estado <> 'resuelta'
  AND c.lugar IS NOT NULL));

REVOKE ALL ON migracion.v_provider_professions_proveedor_profesiones FROM PUBLIC;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Deja en proveedor_profesiones las filas legacy de esas claves como dice la vista; anota las rechazadas. La llaman copiar, la
--   reparación y ella misma.
CREATE OR REPLACE FUNCTION migracion.llevar_provider_professions_proveedor_profesiones(
  p_k1 uuid[], p_k2 integer[], p_run text, p_lugar tid[] DEFAULT NULL,
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
    SELECT coalesce(array_agg(l._k1), '{}'), coalesce(array_agg(l._k2), '{}'), coalesce(array_agg(l._lugar), '{}') INTO p_k1,
      p_k2, p_lugar FROM (
      SELECT l.provider_id AS _k1, l.profession_id AS _k2, l.ctid AS _lugar FROM public.provider_professions l
        JOIN (SELECT DISTINCT k.* FROM unnest(p_k1, p_k2) AS k(_k1, _k2)) k ON l.provider_id = k._k1 AND l.profession_id = k._k2
      ORDER BY l.provider_id, l.profession_id FOR SHARE OF l) l;
  END IF;
  PERFORM 1 FROM public.users p WHERE p.id IN (SELECT DISTINCT l.provider_id FROM public.provider_professions l
    WHERE l.ctid = ANY (p_lugar)) ORDER BY p.id FOR SHARE OF p;
  PERFORM 1 FROM public.professions p WHERE p.id IN (SELECT DISTINCT l.profession_id FROM public.provider_professions l
    WHERE l.ctid = ANY (p_lugar)) ORDER BY p.id FOR SHARE OF p;
  LOOP
    BEGIN
    -- con EXECUTE cada lote tiene su plan
    EXECUTE $lote$
    WITH f AS MATERIALIZED (
      SELECT f._k1, f._k2, f._clave, f.proveedor_id, f.profesion_id, f.especialidad, f.anos_experiencia, f.certificaciones,
        f.es_principal, f.estado_verificacion, f.creado_at, f._rechazo, f._fusion,
        t.proveedor_id IS NOT NULL AS _esta, CASE WHEN t.proveedor_id IS NOT NULL
          THEN ROW(t.especialidad, t.anos_experiencia, t.certificaciones, t.es_principal, t.estado_verificacion,
          t.creado_at)::record *<> ROW(f.especialidad, f.anos_experiencia, f.certificaciones, f.es_principal,
          f.estado_verificacion, f.creado_at)::record END AS _distinta
      FROM migracion.v_provider_professions_proveedor_profesiones f LEFT JOIN public.proveedor_profesiones t ON $2
        AND t.proveedor_id = f.proveedor_id AND t.profesion_id = f.profesion_id
      WHERE f._lugar = ANY ($1)
    ), nuevas AS (
      INSERT INTO public.proveedor_profesiones (proveedor_id, profesion_id, especialidad, anos_experiencia, certificaciones,
        es_principal, estado_verificacion, creado_at)
      SELECT f.proveedor_id, f.profesion_id, f.especialidad, f.anos_experiencia, f.certificaciones, f.es_principal,
        f.estado_verificacion, f.creado_at FROM f WHERE NOT f._esta
        AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      RETURNING 1
    ), corregidas AS (
      UPDATE public.proveedor_profesiones t SET especialidad = f.especialidad, anos_experiencia = f.anos_experiencia,
        certificaciones = f.certificaciones, es_principal = f.es_principal, estado_verificacion = f.estado_verificacion,
        creado_at = f.creado_at
      FROM f WHERE f._distinta AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
        AND t.proveedor_id = f.proveedor_id AND t.profesion_id = f.profesion_id
      RETURNING 1
    ), abiertas AS (
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, columna, motivo, origen)
      SELECT 'provider_professions', f._clave, migracion.fila_entera(row_to_json(l.*), l.tableoid), f._rechazo[1], f._rechazo[2],
        f._rechazo[3], 'copia'
      FROM f JOIN public.provider_professions l ON l.provider_id = f._k1 AND l.profession_id = f._k2
      WHERE f._rechazo IS NOT NULL
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = excluded.columna, motivo = excluded.motivo,
          tabla = NULL, lugar = NULL
        WHERE (c.fila, c.motivo) IS DISTINCT FROM (excluded.fila, excluded.motivo)
      RETURNING 1
    ), cerradas AS (
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'corregida'
      WHERE c.tabla_origen = 'provider_professions' AND c.estado <> 'resuelta'
        AND c.clave = ANY (ARRAY(SELECT f._clave FROM f WHERE f._rechazo IS NULL))
        AND EXISTS (SELECT 1 FROM migracion.cuarentena x WHERE x.tabla_origen = 'provider_professions' AND x.estado <> 'resuelta')
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
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor
      FROM migracion.llevar_provider_professions_proveedor_profesiones(p_k1[1:v_mitad], p_k2[1:v_mitad], p_run,
      p_lugar[1:v_mitad]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor
      FROM migracion.llevar_provider_professions_proveedor_profesiones(p_k1[v_mitad + 1:], p_k2[v_mitad + 1:], p_run,
      p_lugar[v_mitad + 1:]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    RETURN;
  END IF;
  -- quien tiene su valor lo confirmó mientras se le esperaba, y la vista ya no la deja pasar: eso se anota
  IF v_estado = '23505' AND NOT EXISTS (SELECT FROM migracion.v_provider_professions_proveedor_profesiones f
    WHERE f._lugar = ANY (p_lugar) AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END) THEN
    SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas
      FROM migracion.llevar_provider_professions_proveedor_profesiones(p_k1, p_k2, p_run) r;
    RETURN;
  END IF;
  -- que falte el padre no es culpa de la fila: la prueba lo dice y la reparación trae a los dos
  IF v_estado = '23503' THEN RETURN; END IF;
  INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
  SELECT 'provider_professions', f._clave, f._fila, v_estado, 'PostgreSQL la rechaza: ' || v_mensaje, 'copia'
  FROM migracion.v_provider_professions_proveedor_profesiones f WHERE f._lugar = ANY (p_lugar)
    AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
  ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
  DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = NULL, motivo = excluded.motivo,
    tabla = NULL, lugar = NULL;
  -- un mismo motivo para tantas filas es de la tabla; fuera de la clase 23 el mensaje puede llevar un valor
  SELECT count(*) INTO v_mas FROM migracion.cuarentena c
  WHERE c.tabla_origen = 'provider_professions' AND c.estado = 'abierta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: ')
    AND c.sqlstate = v_estado
    AND (left(v_estado, 2) <> '23' OR c.motivo = 'PostgreSQL la rechaza: ' || v_mensaje);
  IF v_mas > 20 AND v_mas > 0.01 * (SELECT coalesce(sum(p.filas_previstas), 0)
    FROM migracion.progreso_copia p WHERE p.tabla_origen = 'provider_professions' AND p.tabla_destino = 'proveedor_profesiones')
      THEN
    RAISE EXCEPTION USING ERRCODE = 'TK001', MESSAGE = v_mensaje, DETAIL = v_mas;
  END IF;
  rechazadas := 1;
END $funcion$;

-- Un lote: las filas de provider_professions que siguen en el tramo, por llevar, y el avance en progreso_copia. La llama la copia
--   (table_copy), lote tras lote.
CREATE OR REPLACE FUNCTION migracion.copiar_provider_professions_proveedor_profesiones(
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
  p_k1 uuid[]; v_k1 uuid[];
  p_k2 integer[]; v_k2 integer[];
BEGIN
  SELECT * INTO STRICT v_p FROM migracion.progreso_copia
  WHERE tabla_origen = 'provider_professions' AND tabla_destino = 'proveedor_profesiones' AND tramo = p_tramo
  FOR UPDATE;
  -- cada bloqueo espera a quien escribe; solo hasta el fin que se fijó: lo que llega después lo encuentra la prueba
  PERFORM 1 FROM public.provider_professions l LIMIT 0;  -- retiene la tabla: nadie la reescribe hasta que termine el lote
  IF (v_p.fin->>'archivo')::oid <> pg_relation_filenode('public.provider_professions') THEN
    -- reescrita: desde el principio, por clave; lo ya copiado es igual y se queda
    SELECT NULL, u.fin, n.filas, 0, 0, 0 INTO v_p.posicion, v_p.fin, v_p.filas_previstas, v_p.filas_leidas,
      v_p.filas_copiadas, v_p.filas_cuarentena
    FROM (SELECT count(*) AS filas, max(l.ctid) AS lugar FROM public.provider_professions l) n
    LEFT JOIN (SELECT jsonb_build_array(l.provider_id::text, l.profession_id::text) AS fin FROM public.provider_professions l
      ORDER BY l.provider_id DESC, l.profession_id DESC LIMIT 1) u ON true;
  END IF;
  IF jsonb_typeof(v_p.fin) = 'object' THEN
    v_desde := coalesce(v_p.posicion #>> '{}', '(0,0)');
    v_hasta := LEAST((v_p.fin->>'hasta')::tid, format('(%s,0)', (v_desde::text::point)[0]::bigint
      + 1 + ceil(p_filas / GREATEST((v_p.fin->>'densidad')::numeric, 0.01)))::tid);
    SELECT coalesce(array_agg(s._k1 ORDER BY s._lugar) FILTER (WHERE s.entra), '{}'),
      coalesce(array_agg(s._k2 ORDER BY s._lugar) FILTER (WHERE s.entra), '{}'), count(*), max(s._lugar) FILTER (WHERE s.entra)
    INTO p_k1, p_k2, v_vistas, v_ultimo FROM (
      SELECT l.*, l.fila = 1 OR l.fila <= p_filas AND l.suma <= p_bytes AS entra FROM (
      SELECT l.*, row_number() OVER (ORDER BY l._lugar ROWS UNBOUNDED PRECEDING) AS fila,
        sum(l.peso) OVER (ORDER BY l._lugar ROWS UNBOUNDED PRECEDING) AS suma FROM (
        SELECT l.provider_id AS _k1, l.profession_id AS _k2, l.ctid AS _lugar,
          LEAST(100::bigint
          + coalesce(octet_length(l.specialty), 0)
          + coalesce(pg_column_size(l.certifications)::bigint * CASE WHEN pg_column_compression(l.certifications) IS NULL THEN 1
            ELSE 8 END, 0)
          + coalesce(octet_length(l.verification_status), 0), 1000000000)::integer AS peso
        FROM public.provider_professions l WHERE l.ctid > v_desde AND l.ctid <= v_hasta) l) l) s;
    v_n := cardinality(p_k1);
    cortada := v_n < v_vistas;
    IF cortada THEN v_hasta := v_ultimo; END IF;
    SELECT coalesce(array_agg(l._k1 ORDER BY l._lugar), '{}'), coalesce(array_agg(l._k2 ORDER BY l._lugar), '{}'),
      coalesce(array_agg(l._lugar ORDER BY l._lugar), '{}') INTO v_k1, v_k2, p_lugar FROM (
      SELECT l.provider_id AS _k1, l.profession_id AS _k2, l.ctid AS _lugar
      FROM public.provider_professions l WHERE l.ctid > v_desde AND l.ctid <= v_hasta FOR SHARE OF l) l;
    IF (p_k1, p_k2) IS DISTINCT FROM (v_k1, v_k2) THEN
      -- alguna fila ya no está en su lugar: llevar las bloquea todas por su clave
      p_k1 := p_k1 || v_k1; p_k2 := p_k2 || v_k2; p_lugar := NULL;
    END IF;
    v_p.posicion := to_jsonb(v_hasta);
    terminada := v_hasta = (v_p.fin->>'hasta')::tid;
  ELSE
    EXECUTE $lote$
    SELECT coalesce(array_agg(s._k1 ORDER BY s._k1, s._k2) FILTER (WHERE s.entra), '{}'),
      coalesce(array_agg(s._k2 ORDER BY s._k1, s._k2) FILTER (WHERE s.entra), '{}'),
      coalesce(array_agg(s._lugar ORDER BY s._k1, s._k2) FILTER (WHERE s.entra), '{}'), count(*)
    FROM (
      SELECT l.*, l.fila = 1 OR l.fila <= $3 AND l.suma <= $4 AS entra FROM (
      SELECT l.*, row_number() OVER (ORDER BY l._k1, l._k2 ROWS UNBOUNDED PRECEDING) AS fila,
        sum(l.peso) OVER (ORDER BY l._k1, l._k2 ROWS UNBOUNDED PRECEDING) AS suma FROM (
        SELECT l.provider_id AS _k1, l.profession_id AS _k2, l.ctid AS _lugar,
          LEAST(100::bigint
          + coalesce(octet_length(l.specialty), 0)
          + coalesce(pg_column_size(l.certifications)::bigint * CASE WHEN pg_column_compression(l.certifications) IS NULL THEN 1
            ELSE 8 END, 0)
          + coalesce(octet_length(l.verification_status), 0), 1000000000)::integer AS peso
        FROM public.provider_professions l WHERE ($1 IS NULL OR (l.provider_id, l.profession_id) > (($1->>0)::uuid,
          ($1->>1)::integer)) AND (l.provider_id, l.profession_id) <= (($2->>0)::uuid, ($2->>1)::integer)
        ORDER BY l.provider_id, l.profession_id LIMIT $3 FOR SHARE OF l) l) l) s
    $lote$ INTO p_k1, p_k2, p_lugar, v_vistas USING v_p.posicion, v_p.fin, p_filas, p_bytes;
    v_n := cardinality(p_k1);
    cortada := v_n < v_vistas;
    v_p.posicion := CASE WHEN v_n > 0 THEN jsonb_build_array(p_k1[v_n]::text, p_k2[v_n]::text) ELSE v_p.posicion END;
    terminada := NOT cortada AND v_vistas < p_filas;
  END IF;
  leidas := v_n;
  SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_provider_professions_proveedor_profesiones(p_k1,
    p_k2, p_run, p_lugar) r;
  UPDATE migracion.progreso_copia SET
    posicion = v_p.posicion, fin = v_p.fin, filas_previstas = v_p.filas_previstas,
    ultima_clave = CASE WHEN v_n > 0 THEN p_k1[v_n]::text || '|' || p_k2[v_n]::text ELSE ultima_clave END,
    filas_leidas = v_p.filas_leidas + v_n, filas_copiadas = v_p.filas_copiadas + copiadas,
    filas_cuarentena = v_p.filas_cuarentena + rechazadas, actualizada_at = clock_timestamp(),
    terminada_at = CASE WHEN terminada THEN clock_timestamp() END
  WHERE tabla_origen = v_p.tabla_origen AND tabla_destino = v_p.tabla_destino AND tramo = v_p.tramo;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.llevar_provider_professions_proveedor_profesiones(uuid[], integer[], text, tid[]),
  migracion.copiar_provider_professions_proveedor_profesiones(text, integer, bigint, text) FROM PUBLIC;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Retira de proveedor_profesiones las filas de esas claves que no se deben a ninguna fila legacy, tampoco como última buena de
--   una rechazada, y las guarda en apartada. La llama la reparación.
CREATE OR REPLACE FUNCTION migracion.quitar_proveedor_profesiones(
  p_k1 uuid[], p_k2 integer[], p_run text, OUT apartadas bigint)
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
  SELECT a.apartadas INTO apartadas FROM migracion.apartar('public.proveedor_profesiones'::regclass,
    ARRAY(SELECT t.ctid FROM public.proveedor_profesiones t JOIN unnest(p_k1, p_k2) AS k(_k1, _k2) ON t.proveedor_id = k._k1
      AND t.profesion_id = k._k2
    WHERE NOT (EXISTS (SELECT 1 FROM migracion.v_provider_professions_proveedor_profesiones f
      WHERE f.proveedor_id = t.proveedor_id AND f.profesion_id = t.profesion_id
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
      OR (EXISTS (SELECT 1 FROM migracion.v_provider_professions_proveedor_profesiones f WHERE f.proveedor_id = t.proveedor_id
      AND f.profesion_id = t.profesion_id AND f._rechazo IS NOT NULL OFFSET 0))
      AND (t.proveedor_id IS NULL OR EXISTS (SELECT 1 FROM public.proveedores tp WHERE tp.id = t.proveedor_id
      AND (EXISTS (SELECT 1 FROM migracion.v_users_proveedores f WHERE f.id = tp.id
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END)
      OR (EXISTS (SELECT 1 FROM migracion.v_users_proveedores f WHERE f.id = tp.id AND f._rechazo IS NOT NULL
      AND f._rechazo[1] <> 'P0001'))) OFFSET 0)) AND (t.profesion_id IS NULL
      OR EXISTS (SELECT 1 FROM public.profesiones tp WHERE tp.id = t.profesion_id
      AND (EXISTS (SELECT 1 FROM migracion.v_professions_profesiones f WHERE f.id = tp.id
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END)
      OR (EXISTS (SELECT 1 FROM migracion.v_professions_profesiones f WHERE f.id = tp.id
      AND f._rechazo IS NOT NULL))) OFFSET 0)))), p_run) a;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.quitar_proveedor_profesiones(uuid[], integer[], text) FROM PUBLIC;
