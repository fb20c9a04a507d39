-- Meta: lo que se escriba en service_requests llega a solicitudes_servicio, y al revés, en la misma transacción. Lo que no puede
--   ir espera en migracion.pendiente o queda en migracion.cuarentena, y la escritura del servicio vale.
-- Necesita: la vista y las funciones de fase3, y ser dueño de las tablas con disparadores o tener TRIGGER en ellas.
-- Bloqueo: SHARE ROW EXCLUSIVE en cada tabla, un disparador por transacción (60 intentos de 50 ms); quien escribe mientras,
--   espera. Sus funciones bloquean filas como se lee en cada una.
-- Deshacer: fase3 --tags rollback; apagarla sin bloquear nada: estado --tags sincronizacion -e sincronizacion=no.
-- Repetir: las funciones sí; un disparador que ya está, no: la fase los compara y hace solo lo que falta.

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Deja en solicitudes_servicio las filas legacy de esas claves (p_k) como dice la vista, y a sus gemelas de antes (p_m); lo que
--   no puede ahora, en pendiente. p_entera: puede cambiar quién se fusiona; p_derivadas: solo lo que viene de otra tabla. La
--   llaman los disparadores de service_requests, los de quien se lee, y el drenaje.
CREATE OR REPLACE FUNCTION migracion.ida_service_requests_solicitudes_servicio(
  p_k1 uuid[], p_m1 uuid[], p_entera boolean, p_derivadas boolean) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_modo text; v_tope integer; v_antes text := coalesce(current_setting('migracion.sync', true), ''); v_marca text;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_una boolean := cardinality(p_k1) = 1;
  v_hecho boolean := false; v_nace boolean := false; v_abiertas text[]; v_anotadas text[]; v_filas bigint;
  v_f record; v_t record; r_k1 uuid[]; r_m1 uuid[];
BEGIN
  SELECT s.modo, s.propagacion INTO v_modo, v_tope FROM migracion.sincronizacion s WHERE s.tabla_origen = 'service_requests'
    AND s.tabla_destino = 'solicitudes_servicio';
  IF coalesce(cardinality(p_k1), 0) = 0 OR v_modo IS NULL AND v_firme THEN RETURN; END IF;
  IF v_modo = 'claves'
    OR strpos(coalesce(current_setting('migracion.claves', true), ''), '|service_requests>solicitudes_servicio|') > 0 THEN
    v_modo := 'claves';
    PERFORM set_config('migracion.claves', coalesce(current_setting('migracion.claves', true),
      '') || '|service_requests>solicitudes_servicio|', true) WHERE NOT strpos(coalesce(current_setting('migracion.claves', true),
      ''), '|service_requests>solicitudes_servicio|') > 0;
  END IF;
  IF v_modo IS DISTINCT FROM 'si' THEN
    -- sin modo: se instaló después de su foto
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1),
      CASE WHEN v_modo IS NULL THEN 'aislamiento' WHEN v_modo = 'claves' THEN 'carga' ELSE 'apagada' END, NULL
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    RETURN;
  END IF;
  IF v_firme THEN
    -- primero lo que la vista lee y quien escribe no tiene; cada bloqueo espera, y la sentencia siguiente lee lo confirmado
    PERFORM pg_advisory_xact_lock_shared(hashtext('clientes.telefono'), v.n) FROM (SELECT DISTINCT hashtext(x.v::text) & 255 AS n
      FROM (SELECT DISTINCT l.phone FROM public.service_requests l WHERE l.id = ANY (p_k1)) x(v) WHERE x.v IS NOT NULL
        ORDER BY 1 OFFSET 0) v;
    IF v_una THEN
      SELECT true AS _esta, t.id, t.cliente_id, t.telefono, t.tipo_solicitud, t.profesion_solicitada, t.ciudad, t.latitud,
        t.longitud, t.proveedores_sugeridos, t.estado, t.solicitado_at, t.resuelto_at INTO v_t FROM public.solicitudes_servicio t
        WHERE t.id = p_m1[1] FOR NO KEY UPDATE OF t;
    ELSE
      PERFORM 1 FROM public.solicitudes_servicio t WHERE t.id = ANY (p_m1) ORDER BY t.id FOR NO KEY UPDATE OF t;
    END IF;
  ELSE
    -- lo que su foto no ve lo mira el drenaje
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1), 'aislamiento', NULL
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    SELECT true AS _esta, t.id, t.cliente_id, t.telefono, t.tipo_solicitud, t.profesion_solicitada, t.ciudad, t.latitud,
      t.longitud, t.proveedores_sugeridos, t.estado, t.solicitado_at, t.resuelto_at INTO v_t FROM public.solicitudes_servicio t
      WHERE t.id = p_m1[1];
  END IF;
  IF EXISTS (SELECT FROM migracion.cuarentena c, unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'solicitudes_servicio'
    AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1)) THEN
    -- en español tienen una clave que legacy no tomó: lo escrito aquí prevalece
    v_marca := set_config('migracion.sync', 'solicitudes_servicio:' || pg_trigger_depth(), true);
    UPDATE public.solicitudes_servicio t SET id = k._m1 FROM unnest(p_k1, p_m1) AS k(_k1, _m1) JOIN migracion.cuarentena c
      ON c.tabla_origen = 'solicitudes_servicio' AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1)
    WHERE t.id = (c.fila ->> 'id')::uuid AND NOT EXISTS (SELECT FROM public.solicitudes_servicio o WHERE o.id = k._m1);
    v_marca := set_config('migracion.sync', v_antes, true);
    UPDATE migracion.se_queda q SET clave = k._m1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1) JOIN migracion.cuarentena c
      ON c.tabla_origen = 'solicitudes_servicio' AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1)
    WHERE q.tabla = 'solicitudes_servicio' AND q.clave = c.clave;
    UPDATE migracion.cuarentena c SET clave = k._m1::text, antes = NULL, sobrescrita_at = now()
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1)
    WHERE c.tabla_origen = 'solicitudes_servicio' AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1);
    SELECT true AS _esta, t.id, t.cliente_id, t.telefono, t.tipo_solicitud, t.profesion_solicitada, t.ciudad, t.latitud,
      t.longitud, t.proveedores_sugeridos, t.estado, t.solicitado_at, t.resuelto_at INTO v_t FROM public.solicitudes_servicio t
      WHERE t.id = p_m1[1];
  END IF;
  IF EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'solicitudes_servicio')
    AND EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'solicitudes_servicio'
      AND p.clave = ANY (ARRAY(SELECT k._m1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1)))) THEN
    IF v_firme THEN
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1), 'espera a la otra', NULL
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    END IF;
    RETURN;
  END IF;
  -- de qué filas hay algo anotado: esas no van por el camino corto
  SELECT ARRAY(SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'service_requests' AND c.estado <> 'resuelta'
    AND c.clave = ANY (ARRAY(SELECT k._k1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1)))),
    ARRAY(SELECT m.clave FROM migracion.fusion m WHERE m.tabla_origen = 'service_requests'
      AND m.tabla_destino = 'solicitudes_servicio' AND m.clave = ANY (ARRAY(SELECT k._k1::text
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1))))
    || ARRAY(SELECT k._k1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1), migracion.cuarentena c
      WHERE c.tabla_origen = 'solicitudes_servicio' AND c.estado <> 'resuelta' AND c.clave = k._m1::text) INTO v_abiertas,
      v_anotadas;
  IF v_una AND v_abiertas = '{}' AND v_anotadas = '{}' THEN
    SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.cliente_id, f.telefono,
      f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud, f.proveedores_sugeridos, f.estado,
      f.solicitado_at, f.resuelto_at INTO v_f FROM migracion.v_service_requests_solicitudes_servicio f WHERE f._k1 = p_k1[1]
      AND f.id = p_m1[1];
    IF FOUND AND v_f._entra THEN
      v_hecho := true; v_nace := v_t._esta IS NULL;
      IF v_nace THEN
        BEGIN
          v_marca := set_config('migracion.sync', 'solicitudes_servicio:' || pg_trigger_depth(), true);
          INSERT INTO public.solicitudes_servicio AS t (id, cliente_id, telefono, tipo_solicitud, profesion_solicitada, ciudad,
            latitud, longitud, proveedores_sugeridos, estado, solicitado_at, resuelto_at) VALUES (v_f.id, v_f.cliente_id,
            v_f.telefono, v_f.tipo_solicitud, v_f.profesion_solicitada, v_f.ciudad, v_f.latitud, v_f.longitud,
            v_f.proveedores_sugeridos, v_f.estado, v_f.solicitado_at, v_f.resuelto_at)
          RETURNING true AS _esta, t.id, t.cliente_id, t.telefono, t.tipo_solicitud, t.profesion_solicitada, t.ciudad, t.latitud,
            t.longitud, t.proveedores_sugeridos, t.estado, t.solicitado_at, t.resuelto_at INTO v_t;
          v_marca := set_config('migracion.sync', v_antes, true);
          IF v_t._esta IS NULL THEN
            INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
              SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1),
                'un disparador de solicitudes_servicio no la deja pasar', NULL FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
          ELSIF ROW(v_t.id, v_t.cliente_id, v_t.telefono, v_t.tipo_solicitud, v_t.profesion_solicitada, v_t.ciudad, v_t.latitud,
            v_t.longitud, v_t.proveedores_sugeridos, v_t.estado, v_t.solicitado_at, v_t.resuelto_at)::record *<> ROW(v_f.id,
            (CASE WHEN v_t.cliente_id IS DISTINCT FROM v_f.cliente_id
            AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = v_t.id::text
            AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM v_t.cliente_id::text
            AND q.buscado IS NOT DISTINCT FROM v_f.telefono::text) THEN v_t.cliente_id ELSE v_f.cliente_id END), v_f.telefono,
            v_f.tipo_solicitud, v_f.profesion_solicitada, v_f.ciudad, v_f.latitud, v_f.longitud, v_f.proveedores_sugeridos,
            (CASE WHEN v_t.estado IN ('en_progreso', 'cancelada') AND v_f.estado = 'pendiente' THEN v_t.estado
            ELSE v_f.estado END), v_f.solicitado_at, v_f.resuelto_at)::record THEN
            -- un disparador de la tabla escribió otra cosa: eso vuelve
            PERFORM migracion.volver_solicitudes_servicio('UPDATE', jsonb_populate_record(t,
              jsonb_build_object('id', v_f.id, 'telefono', v_f.telefono, 'tipo_solicitud', v_f.tipo_solicitud,
              'profesion_solicitada', v_f.profesion_solicitada, 'ciudad', v_f.ciudad, 'latitud', v_f.latitud,
              'longitud', v_f.longitud, 'proveedores_sugeridos', v_f.proveedores_sugeridos, 'solicitado_at', v_f.solicitado_at,
              'resuelto_at', v_f.resuelto_at)), t)
            FROM public.solicitudes_servicio t WHERE t.id = p_m1[1];
          END IF;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
          v_hecho := false; v_nace := false;
        END;
      ELSE
      IF p_derivadas THEN
        IF ROW(v_t.cliente_id)::record *<> ROW((CASE WHEN v_t.cliente_id IS DISTINCT FROM v_f.cliente_id
          AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = v_t.id::text
          AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM v_t.cliente_id::text
          AND q.buscado IS NOT DISTINCT FROM v_f.telefono::text) THEN v_t.cliente_id ELSE v_f.cliente_id END))::record THEN
          BEGIN
            v_marca := set_config('migracion.sync', 'solicitudes_servicio:' || pg_trigger_depth(), true);
            UPDATE public.solicitudes_servicio t SET cliente_id = (CASE WHEN t.cliente_id IS DISTINCT FROM v_f.cliente_id
              AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = t.id::text
              AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM t.cliente_id::text
              AND q.buscado IS NOT DISTINCT FROM v_f.telefono::text) THEN t.cliente_id ELSE v_f.cliente_id END)
              WHERE t.id = p_m1[1]
            RETURNING true AS _esta, t.id, t.cliente_id, t.telefono, t.tipo_solicitud, t.profesion_solicitada, t.ciudad,
              t.latitud, t.longitud, t.proveedores_sugeridos, t.estado, t.solicitado_at, t.resuelto_at INTO v_t;
            v_marca := set_config('migracion.sync', v_antes, true);
            IF v_t._esta IS NULL THEN
              INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
                SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1),
                  'un disparador de solicitudes_servicio no la deja pasar', NULL FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
            ELSIF ROW(v_t.cliente_id)::record *<> ROW((CASE WHEN v_t.cliente_id IS DISTINCT FROM v_f.cliente_id
              AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = v_t.id::text
              AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM v_t.cliente_id::text
              AND q.buscado IS NOT DISTINCT FROM v_f.telefono::text) THEN v_t.cliente_id ELSE v_f.cliente_id END))::record THEN
              -- un disparador de la tabla escribió otra cosa: eso vuelve
              PERFORM migracion.volver_solicitudes_servicio('UPDATE', jsonb_populate_record(t, jsonb_build_object()), t)
              FROM public.solicitudes_servicio t WHERE t.id = p_m1[1];
            END IF;
          EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
            v_hecho := false;
          END;
        END IF;
      ELSE
        IF ROW(v_t.cliente_id, v_t.telefono, v_t.tipo_solicitud, v_t.profesion_solicitada, v_t.ciudad, v_t.latitud, v_t.longitud,
          v_t.proveedores_sugeridos, v_t.estado, v_t.solicitado_at,
          v_t.resuelto_at)::record *<> ROW((CASE WHEN v_t.cliente_id IS DISTINCT FROM v_f.cliente_id
          AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = v_t.id::text
          AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM v_t.cliente_id::text
          AND q.buscado IS NOT DISTINCT FROM v_f.telefono::text) THEN v_t.cliente_id ELSE v_f.cliente_id END), v_f.telefono,
          v_f.tipo_solicitud, v_f.profesion_solicitada, v_f.ciudad, v_f.latitud, v_f.longitud, v_f.proveedores_sugeridos,
          (CASE WHEN v_t.estado IN ('en_progreso', 'cancelada') AND v_f.estado = 'pendiente' THEN v_t.estado ELSE v_f.estado END),
          v_f.solicitado_at, v_f.resuelto_at)::record THEN
          BEGIN
            v_marca := set_config('migracion.sync', 'solicitudes_servicio:' || pg_trigger_depth(), true);
            UPDATE public.solicitudes_servicio t SET cliente_id = (CASE WHEN t.cliente_id IS DISTINCT FROM v_f.cliente_id
              AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = t.id::text
              AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM t.cliente_id::text
              AND q.buscado IS NOT DISTINCT FROM v_f.telefono::text) THEN t.cliente_id ELSE v_f.cliente_id END),
              telefono = v_f.telefono, tipo_solicitud = v_f.tipo_solicitud, profesion_solicitada = v_f.profesion_solicitada,
              ciudad = v_f.ciudad, latitud = v_f.latitud, longitud = v_f.longitud,
              proveedores_sugeridos = v_f.proveedores_sugeridos, estado = (CASE WHEN t.estado IN ('en_progreso', 'cancelada')
              AND v_f.estado = 'pendiente' THEN t.estado ELSE v_f.estado END), solicitado_at = v_f.solicitado_at,
              resuelto_at = v_f.resuelto_at WHERE t.id = p_m1[1]
            RETURNING true AS _esta, t.id, t.cliente_id, t.telefono, t.tipo_solicitud, t.profesion_solicitada, t.ciudad,
              t.latitud, t.longitud, t.proveedores_sugeridos, t.estado, t.solicitado_at, t.resuelto_at INTO v_t;
            v_marca := set_config('migracion.sync', v_antes, true);
            IF v_t._esta IS NULL THEN
              INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
                SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1),
                  'un disparador de solicitudes_servicio no la deja pasar', NULL FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
            ELSIF ROW(v_t.cliente_id, v_t.telefono, v_t.tipo_solicitud, v_t.profesion_solicitada, v_t.ciudad, v_t.latitud,
              v_t.longitud, v_t.proveedores_sugeridos, v_t.estado, v_t.solicitado_at,
              v_t.resuelto_at)::record *<> ROW((CASE WHEN v_t.cliente_id IS DISTINCT FROM v_f.cliente_id
              AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = v_t.id::text
              AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM v_t.cliente_id::text
              AND q.buscado IS NOT DISTINCT FROM v_f.telefono::text) THEN v_t.cliente_id ELSE v_f.cliente_id END), v_f.telefono,
              v_f.tipo_solicitud, v_f.profesion_solicitada, v_f.ciudad, v_f.latitud, v_f.longitud, v_f.proveedores_sugeridos,
              (CASE WHEN v_t.estado IN ('en_progreso', 'cancelada') AND v_f.estado = 'pendiente' THEN v_t.estado
              ELSE v_f.estado END), v_f.solicitado_at, v_f.resuelto_at)::record THEN
              -- un disparador de la tabla escribió otra cosa: eso vuelve
              PERFORM migracion.volver_solicitudes_servicio('UPDATE', jsonb_populate_record(t,
                jsonb_build_object('telefono', v_f.telefono, 'tipo_solicitud', v_f.tipo_solicitud,
                'profesion_solicitada', v_f.profesion_solicitada, 'ciudad', v_f.ciudad, 'latitud', v_f.latitud,
                'longitud', v_f.longitud, 'proveedores_sugeridos', v_f.proveedores_sugeridos, 'solicitado_at', v_f.solicitado_at,
                'resuelto_at', v_f.resuelto_at)), t)
              FROM public.solicitudes_servicio t WHERE t.id = p_m1[1];
            END IF;
          EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
            v_hecho := false;
          END;
        END IF;
      END IF;
      END IF;
    END IF;
  END IF;
  IF NOT v_una THEN
    BEGIN
      v_marca := set_config('migracion.sync', 'solicitudes_servicio:' || pg_trigger_depth(), true);
      IF p_derivadas THEN
        WITH f AS MATERIALIZED (
          SELECT f._k1, f.id, f.cliente_id, f.telefono, f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud,
            f.proveedores_sugeridos, f.estado, f.solicitado_at, f.resuelto_at, t.id IS NOT NULL AS _esta,
            CASE WHEN t.id IS NOT NULL THEN ROW(t.cliente_id)::record *<> ROW((CASE
            WHEN t.cliente_id IS DISTINCT FROM f.cliente_id AND EXISTS (SELECT FROM migracion.se_queda q
            WHERE q.tabla = 'solicitudes_servicio' AND q.clave = t.id::text AND q.columna = 'cliente_id'
            AND q.valor IS NOT DISTINCT FROM t.cliente_id::text AND q.buscado IS NOT DISTINCT FROM f.telefono::text)
            THEN t.cliente_id ELSE f.cliente_id END))::record END AS _distinta
          FROM unnest(p_k1, p_m1) AS k(_k1, _m1) JOIN migracion.v_service_requests_solicitudes_servicio f ON f._k1 = k._k1
            AND f.id = k._m1 LEFT JOIN public.solicitudes_servicio t ON t.id = f.id
          WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AND f._clave <> ALL (v_abiertas)
            AND f._clave <> ALL (v_anotadas)
        ), nuevas AS (
          INSERT INTO public.solicitudes_servicio (id, cliente_id, telefono, tipo_solicitud, profesion_solicitada, ciudad,
            latitud, longitud, proveedores_sugeridos, estado, solicitado_at, resuelto_at) SELECT f.id, f.cliente_id, f.telefono,
            f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud, f.proveedores_sugeridos, f.estado,
            f.solicitado_at, f.resuelto_at FROM f WHERE NOT f._esta
          RETURNING 1
        ), corregidas AS (
          UPDATE public.solicitudes_servicio t SET cliente_id = (CASE WHEN t.cliente_id IS DISTINCT FROM f.cliente_id
            AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = t.id::text
            AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM t.cliente_id::text
            AND q.buscado IS NOT DISTINCT FROM f.telefono::text) THEN t.cliente_id ELSE f.cliente_id END)
          FROM f WHERE f._distinta AND t.id = f.id
        ), k AS (
          SELECT * FROM unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE NOT EXISTS (SELECT FROM f WHERE f._k1 = k._k1 AND f.id = k._m1)
        )
        SELECT EXISTS (SELECT FROM nuevas), (SELECT array_agg(k._k1) FROM k), (SELECT array_agg(k._m1) FROM k) INTO v_nace, r_k1,
          r_m1;
      ELSE
        WITH f AS MATERIALIZED (
          SELECT f._k1, f.id, f.cliente_id, f.telefono, f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud,
            f.proveedores_sugeridos, f.estado, f.solicitado_at, f.resuelto_at, t.id IS NOT NULL AS _esta,
            CASE WHEN t.id IS NOT NULL THEN ROW(t.cliente_id, t.telefono, t.tipo_solicitud, t.profesion_solicitada, t.ciudad,
            t.latitud, t.longitud, t.proveedores_sugeridos, t.estado, t.solicitado_at,
            t.resuelto_at)::record *<> ROW((CASE WHEN t.cliente_id IS DISTINCT FROM f.cliente_id
            AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = t.id::text
            AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM t.cliente_id::text
            AND q.buscado IS NOT DISTINCT FROM f.telefono::text) THEN t.cliente_id ELSE f.cliente_id END), f.telefono,
            f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud, f.proveedores_sugeridos,
            (CASE WHEN t.estado IN ('en_progreso', 'cancelada') AND f.estado = 'pendiente' THEN t.estado ELSE f.estado END),
            f.solicitado_at, f.resuelto_at)::record END AS _distinta
          FROM unnest(p_k1, p_m1) AS k(_k1, _m1) JOIN migracion.v_service_requests_solicitudes_servicio f ON f._k1 = k._k1
            AND f.id = k._m1 LEFT JOIN public.solicitudes_servicio t ON t.id = f.id
          WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AND f._clave <> ALL (v_abiertas)
            AND f._clave <> ALL (v_anotadas)
        ), nuevas AS (
          INSERT INTO public.solicitudes_servicio (id, cliente_id, telefono, tipo_solicitud, profesion_solicitada, ciudad,
            latitud, longitud, proveedores_sugeridos, estado, solicitado_at, resuelto_at) SELECT f.id, f.cliente_id, f.telefono,
            f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud, f.proveedores_sugeridos, f.estado,
            f.solicitado_at, f.resuelto_at FROM f WHERE NOT f._esta
          RETURNING 1
        ), corregidas AS (
          UPDATE public.solicitudes_servicio t SET cliente_id = (CASE WHEN t.cliente_id IS DISTINCT FROM f.cliente_id
            AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = t.id::text
            AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM t.cliente_id::text
            AND q.buscado IS NOT DISTINCT FROM f.telefono::text) THEN t.cliente_id ELSE f.cliente_id END), telefono = f.telefono,
            tipo_solicitud = f.tipo_solicitud, profesion_solicitada = f.profesion_solicitada, ciudad = f.ciudad,
            latitud = f.latitud, longitud = f.longitud, proveedores_sugeridos = f.proveedores_sugeridos,
            estado = (CASE WHEN t.estado IN ('en_progreso', 'cancelada') AND f.estado = 'pendiente' THEN t.estado
            ELSE f.estado END), solicitado_at = f.solicitado_at, resuelto_at = f.resuelto_at
          FROM f WHERE f._distinta AND t.id = f.id
        ), k AS (
          SELECT * FROM unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE NOT EXISTS (SELECT FROM f WHERE f._k1 = k._k1 AND f.id = k._m1)
        )
        SELECT EXISTS (SELECT FROM nuevas), (SELECT array_agg(k._k1) FROM k), (SELECT array_agg(k._m1) FROM k) INTO v_nace, r_k1,
          r_m1;
      END IF;
      v_marca := set_config('migracion.sync', v_antes, true);
      v_hecho := r_k1 IS NULL;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
      v_nace := false; r_k1 := p_k1; r_m1 := p_m1;
    END;
  ELSE
    r_k1 := p_k1; r_m1 := p_m1;
  END IF;
  IF NOT v_hecho THEN
    v_marca := set_config('migracion.sync', 'solicitudes_servicio:' || pg_trigger_depth(), true);
    -- lo que un servicio borró se va sin más, si nada cuelga de ello y no estaba retenido
    DELETE FROM public.solicitudes_servicio t USING unnest(r_k1, r_m1) AS k(_k1, _m1)
    WHERE t.id = k._m1 AND NOT EXISTS (SELECT FROM public.service_requests l WHERE l.id = k._k1)
      AND k._k1::text <> ALL (v_abiertas)
      AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        WHERE g.tgrelid = 'public.solicitudes_servicio'::regclass AND g.tgisinternal);
    GET DIAGNOSTICS v_filas = ROW_COUNT;
    IF v_filas < cardinality(r_k1) THEN
      -- lo que la sincronización lleva puede salir con la fila de la que depende; lo demás la retiene
      v_marca := set_config('migracion.lleva', (coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_array('public',
        m.tabla_destino)) FROM migracion.sincronizacion m), '[]'))::text, true);
      PERFORM migracion.llevar_service_requests_solicitudes_servicio(array_agg(k._k1), 'sincronizacion')
      FROM (SELECT DISTINCT k._k1 FROM unnest(r_k1, r_m1) AS k(_k1, _m1)) k
        WHERE NOT (NOT EXISTS (SELECT FROM public.service_requests l WHERE l.id = k._k1)) HAVING count(*) > 0;
      PERFORM migracion.quitar_solicitudes_servicio(array_agg(t.id), 'sincronizacion')
      FROM public.solicitudes_servicio t WHERE t.id = ANY (r_m1) AND NOT (EXISTS (SELECT 1
        FROM migracion.v_service_requests_solicitudes_servicio f WHERE f.id = t.id
        AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
        OR (EXISTS (SELECT 1 FROM migracion.v_service_requests_solicitudes_servicio f WHERE f.id = t.id
        AND f._rechazo IS NOT NULL OFFSET 0)))
      HAVING count(*) > 0;
      IF FOUND THEN
        -- a las que retiene una fila ajena: se quedan, y así consta
        INSERT INTO migracion.cuarentena (tabla_origen, clave, fila, sqlstate, motivo, origen)
        SELECT 'solicitudes_servicio', t.id::text, to_jsonb(t.*), '23503',
          'no se retira: ' || h.motivo, 'sincronizacion'
        FROM public.solicitudes_servicio t CROSS JOIN LATERAL (SELECT string_agg(DISTINCT a.motivo, '; ') AS motivo
          FROM migracion.alcance(t.tableoid, ARRAY[t.ctid]) a) h
        WHERE t.id = ANY (r_m1) AND h.motivo IS NOT NULL AND NOT (EXISTS (SELECT 1
          FROM migracion.v_service_requests_solicitudes_servicio f WHERE f.id = t.id
          AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
          OR (EXISTS (SELECT 1 FROM migracion.v_service_requests_solicitudes_servicio f WHERE f.id = t.id
          AND f._rechazo IS NOT NULL OFFSET 0)))
        ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO NOTHING;
      END IF;
      -- la vista la deja pasar y no está: falta su padre todavía
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1),
      'falta la fila de la que depende', NULL FROM (SELECT DISTINCT k._k1, k._m1 FROM unnest(r_k1, r_m1) AS k(_k1, _m1)) k
      JOIN migracion.v_service_requests_solicitudes_servicio f ON f._k1 = k._k1
      WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      AND NOT EXISTS (SELECT FROM public.solicitudes_servicio t WHERE t.id = f.id)
      AND NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.tabla_origen = 'service_requests' AND c.estado <> 'resuelta'
      AND c.clave = f._clave);
    END IF;
    IF v_abiertas <> '{}' THEN
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'service_requests' AND c.estado <> 'resuelta'
        AND c.clave = k._k1::text AND NOT EXISTS (SELECT FROM public.service_requests l WHERE l.id = k._k1);
    END IF;
    IF v_anotadas <> '{}' THEN
      DELETE FROM migracion.fusion m USING unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE m.tabla_origen = 'service_requests'
        AND m.tabla_destino = 'solicitudes_servicio' AND m.clave = k._k1::text
        AND NOT EXISTS (SELECT FROM migracion.v_service_requests_solicitudes_servicio f WHERE f._k1 = k._k1
          AND f._fusion IS NOT NULL);
      UPDATE migracion.cuarentena c SET sobrescrita_at = now(),
        estado = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN 'resuelta' ELSE c.estado END,
          resuelta_at = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN now() END,
        resolucion = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN 'la fila vuelve a deberse a legacy' END
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) JOIN migracion.v_service_requests_solicitudes_servicio f ON f._k1 = k._k1
      WHERE c.tabla_origen = 'solicitudes_servicio' AND c.estado <> 'resuelta' AND c.clave = k._m1::text
        AND c.sobrescrita_at IS NULL AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
        AND EXISTS (SELECT FROM public.solicitudes_servicio t WHERE t.id = k._m1
        AND NOT (ROW(t.cliente_id, t.telefono, t.tipo_solicitud, t.profesion_solicitada, t.ciudad, t.latitud, t.longitud,
        t.proveedores_sugeridos, t.estado, t.solicitado_at, t.resuelto_at)::record *<> ROW((CASE
        WHEN t.cliente_id IS DISTINCT FROM f.cliente_id AND EXISTS (SELECT FROM migracion.se_queda q
        WHERE q.tabla = 'solicitudes_servicio' AND q.clave = t.id::text AND q.columna = 'cliente_id'
        AND q.valor IS NOT DISTINCT FROM t.cliente_id::text AND q.buscado IS NOT DISTINCT FROM f.telefono::text) THEN t.cliente_id
        ELSE f.cliente_id END), f.telefono, f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud,
        f.proveedores_sugeridos, (CASE WHEN t.estado IN ('en_progreso', 'cancelada') AND f.estado = 'pendiente' THEN t.estado
        ELSE f.estado END), f.solicitado_at, f.resuelto_at)::record));
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'solicitudes_servicio' AND c.estado <> 'resuelta'
        AND c.clave = k._m1::text AND NOT EXISTS (SELECT FROM public.solicitudes_servicio t WHERE t.id = k._m1)
        AND NOT EXISTS (SELECT FROM public.service_requests l WHERE l.id = k._k1);
    END IF;
    v_marca := set_config('migracion.sync', v_antes, true);
  END IF;
    IF cardinality(p_k1) > 1 AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = 'public.solicitudes_servicio'::regclass
      AND NOT g.tgisinternal AND g.tgfoid <> 'migracion.tocar_actualizado'::regproc
      AND g.tgtype & 3 = 3 AND g.tgenabled <> 'D') THEN
      -- un disparador de un servicio puede haber escrito otra cosa: se mira una a una
      PERFORM migracion.ida_service_requests_solicitudes_servicio(ARRAY[k._k1], ARRAY[k._m1], false, p_derivadas)
        FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    END IF;
  -- si una fila sigue pasando nadie más lo nota
  IF NOT (p_entera OR v_nace) THEN
    IF NOT v_hecho THEN v_abiertas := v_abiertas || ARRAY(SELECT c.clave FROM migracion.cuarentena c,
      unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'service_requests' AND c.estado <> 'resuelta'
      AND c.clave = k._k1::text); END IF;
    IF v_abiertas = '{}' THEN RETURN; END IF;
    SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM unnest(p_k1, p_m1) AS k(_k1, _m1)
      WHERE k._k1::text = ANY (v_abiertas);
  END IF;
END $funcion$;

-- Nombra las filas de service_requests que una sentencia tocó y llama a ida. La llaman los disparadores de service_requests.
CREATE OR REPLACE FUNCTION migracion.sinc_service_requests_solicitudes_servicio() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- cada fila se busca por su clave, también por un plan que se hizo con la tabla vacía
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
-- compilar tardaría más que la sentencia
SET jit = off
AS $funcion$
#variable_conflict use_variable
DECLARE
  p_k1 uuid[]; p_m1 uuid[]; v_entera boolean := TG_OP <> 'UPDATE';
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_nada text; v_estado text; v_mensaje text; v_detalle text;
BEGIN
  v_nada := migracion.anotar_escritura('service_requests');
  IF TG_OP = 'TRUNCATE' THEN
    IF (EXISTS (SELECT FROM migracion.sincronizacion s WHERE s.tabla_origen = 'service_requests'
      AND s.tabla_destino = 'solicitudes_servicio' AND s.modo = 'claves')
      OR strpos(coalesce(current_setting('migracion.claves', true), ''), '|service_requests>solicitudes_servicio|') > 0) THEN
      PERFORM set_config('migracion.claves', coalesce(current_setting('migracion.claves', true),
        '') || '|service_requests>solicitudes_servicio|', true)
        WHERE NOT strpos(coalesce(current_setting('migracion.claves', true), ''), '|service_requests>solicitudes_servicio|') > 0;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, motivo, sqlstate)
    VALUES ('service_requests', 'solicitudes_servicio', '*', 'carga', NULL);
    ELSE
      SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT t.id::uuid AS _k1, t.id AS _m1
        FROM public.solicitudes_servicio t) k;
    END IF;
    -- también de lo que no pasaba
    UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
    WHERE c.tabla_origen = 'service_requests' AND c.estado <> 'resuelta'
      AND NOT EXISTS (SELECT FROM public.service_requests l);
    DELETE FROM migracion.fusion m WHERE m.tabla_origen = 'service_requests' AND m.tabla_destino = 'solicitudes_servicio'
      AND NOT EXISTS (SELECT FROM public.service_requests l);
  ELSIF TG_OP = 'INSERT' THEN
    SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT n.id AS _k1, n.id AS _m1 FROM nuevas n) k;
  ELSIF TG_OP = 'DELETE' THEN
    SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT o.id AS _k1, o.id AS _m1 FROM viejas o) k;
  ELSE
    -- quién es cada una antes y después: casi siempre la misma
    SELECT array_agg(k._k1), array_agg(k._m1), EXISTS (SELECT o.id FROM viejas o EXCEPT SELECT n.id FROM nuevas n) INTO p_k1,
      p_m1, v_entera FROM (SELECT o.id AS _k1, o.id AS _m1 FROM viejas o) k;
    IF v_entera THEN
      SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT o.id AS _k1, o.id AS _m1
        FROM viejas o UNION SELECT n.id AS _k1, n.id AS _m1 FROM nuevas n) k;
      -- con otra clave legacy la fila en español será otra: lo que solo esta tenía se guarda
      INSERT INTO migracion.apartada (run_id, tabla, clave, fila)
      SELECT 'sincronizacion', 'solicitudes_servicio', t.id::text, to_jsonb(t.*)
      FROM (SELECT o.id AS _k1, o.id AS _m1 FROM viejas o) k JOIN public.solicitudes_servicio t ON t.id = k._m1
      WHERE NOT EXISTS (SELECT FROM nuevas n WHERE n.id = k._k1)
        AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        WHERE g.tgrelid = 'public.solicitudes_servicio'::regclass AND g.tgisinternal);
    END IF;
  END IF;
  IF p_k1 IS NULL THEN RETURN NULL; END IF;
  v_nada := migracion.ida_service_requests_solicitudes_servicio(p_k1, p_m1, v_entera, false);
  RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)
  IF left(v_estado, 2) IN ('53', '55', '57')
    OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
    IF coalesce(current_setting('migracion.sync', true), '') = '' THEN
      PERFORM nextval(to_regclass('migracion.conflictos_service_requests'));
    END IF;
    RAISE;
  END IF;
  INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1), v_mensaje, v_estado
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
  IF p_k1 IS NULL THEN
    -- alguien cambió el nombre de una columna de la clave
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, motivo, sqlstate)
    VALUES ('service_requests', 'solicitudes_servicio', '*', v_mensaje, v_estado);
  END IF;
  RETURN NULL;
END $funcion$;

-- Lleva de nuevo las filas de service_requests que leen cliente_id en una fila que cambió. La llaman los disparadores de
--   clientes.
CREATE OR REPLACE FUNCTION migracion.sigue_service_requests_solicitudes_servicio_2() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- cada fila se busca por su clave, también por un plan que se hizo con la tabla vacía
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
-- compilar tardaría más que la sentencia
SET jit = off
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_valores text[]; v_estado text; v_mensaje text; v_detalle text;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    v_valores := ARRAY[NEW.telefono::text, OLD.telefono::text];
  ELSIF TG_OP = 'INSERT' THEN
    v_valores := ARRAY(SELECT n.telefono::text FROM nuevas n);
  ELSE
    v_valores := ARRAY(SELECT o.telefono::text FROM viejas o);
  END IF;
  IF v_valores = '{}' THEN RETURN NULL; END IF;
  IF NOT (EXISTS (SELECT FROM migracion.sincronizacion s WHERE s.tabla_origen = 'service_requests'
    AND s.tabla_destino = 'solicitudes_servicio' AND s.modo = 'claves')
    OR strpos(coalesce(current_setting('migracion.claves', true), ''), '|service_requests>solicitudes_servicio|') > 0) THEN
    PERFORM pg_advisory_xact_lock(hashtext('clientes.telefono'), v.n) FROM (SELECT DISTINCT hashtext(x.v::text) & 255 AS n
      FROM unnest(v_valores) x(v) WHERE x.v IS NOT NULL ORDER BY 1 OFFSET 0) v;
  END IF;
  IF TG_OP = 'DELETE' THEN
    v_valores := v_valores || ARRAY(SELECT q.buscado::text FROM migracion.se_queda q
      WHERE q.tabla = 'solicitudes_servicio' AND q.columna = 'cliente_id' AND q.valor IN (SELECT o.id::text FROM viejas o));
  END IF;
    DECLARE h_k1 uuid[]; h_m1 uuid[]; h_tope integer; h_modo text;
    BEGIN
      SELECT s.propagacion, s.modo INTO h_tope, h_modo FROM migracion.sincronizacion s WHERE s.tabla_origen = 'service_requests'
        AND s.tabla_destino = 'solicitudes_servicio';
      IF h_modo = 'claves'
        OR strpos(coalesce(current_setting('migracion.claves', true), ''), '|service_requests>solicitudes_servicio|') > 0 THEN
        -- se carga: qué filas son se pregunta al drenar
        PERFORM set_config('migracion.claves', coalesce(current_setting('migracion.claves', true),
          '') || '|service_requests>solicitudes_servicio|', true)
          WHERE NOT strpos(coalesce(current_setting('migracion.claves', true), ''),
          '|service_requests>solicitudes_servicio|') > 0;
        INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo)
    VALUES ('service_requests', 'solicitudes_servicio', '*phone', 'SIGUE', to_jsonb(v_valores), 'carga');
      ELSIF h_modo IS NOT NULL THEN
        SELECT array_agg(k._k1), array_agg(k._m1) INTO h_k1, h_m1 FROM (SELECT l.id AS _k1, l.id AS _m1
          FROM public.service_requests l WHERE l.phone = ANY (v_valores) LIMIT h_tope + 1) k;
        IF cardinality(h_k1) > h_tope THEN
          INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1), 'son demasiadas', NULL
      FROM (SELECT l.id AS _k1, l.id AS _m1 FROM public.service_requests l WHERE l.phone = ANY (v_valores)) k;
        ELSIF h_k1 IS NOT NULL THEN
          IF v_firme THEN
            PERFORM 1 FROM public.service_requests l JOIN unnest(h_k1, h_m1) AS k(_k1, _m1) ON l.id = k._k1 ORDER BY l.id
              FOR SHARE OF l;
          END IF;
          PERFORM migracion.ida_service_requests_solicitudes_servicio(h_k1, h_m1, false, true);
        END IF;
      ELSIF NOT v_firme AND to_regproc('migracion.ida_service_requests_solicitudes_servicio') IS NOT NULL THEN
        -- se instaló después de su foto, en la que pueden faltar
        INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo)
    VALUES ('service_requests', 'solicitudes_servicio', '*phone', 'SIGUE', to_jsonb(v_valores), 'aislamiento');
      END IF;
    END;
  RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)
  IF left(v_estado, 2) IN ('53', '55', '57')
    OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
    IF coalesce(current_setting('migracion.sync', true), '') = '' THEN
      PERFORM nextval(to_regclass('migracion.conflictos_clientes'));
    END IF;
    RAISE;
  END IF;
  BEGIN
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1), v_mensaje, v_estado
      FROM (SELECT l.id AS _k1, l.id AS _m1 FROM public.service_requests l WHERE l.phone = ANY (v_valores)) k;
  EXCEPTION WHEN OTHERS THEN
    v_valores := NULL;
  END;
  IF v_valores IS NULL THEN
    -- alguien cambió el nombre de una columna por la que se busca
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, motivo, sqlstate)
    VALUES ('service_requests', 'solicitudes_servicio', '*', v_mensaje, v_estado);
  END IF;
  RETURN NULL;
END $funcion$;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Lleva a las tablas legacy lo que un servicio escribió en una fila de solicitudes_servicio: p_vieja y p_nueva son la fila antes
--   y después. La llaman los disparadores de la tabla y el drenaje.
CREATE OR REPLACE FUNCTION migracion.volver_solicitudes_servicio(
  p_orden text, p_vieja public.solicitudes_servicio, p_nueva public.solicitudes_servicio) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_modos text[]; v_antes text := coalesce(current_setting('migracion.sync', true),
    ''); v_clave text; v_hay boolean := false; v_casa integer := 0;
  v_filas bigint; v_ya text; v_nueva text; v_aqui text; v_alli text; v_otra jsonb; v_escritas text[]; v_marca text;
  v_estado text; v_mensaje text; v_detalle text; v_poner jsonb := '{}'; v_f record; v_g record;
  s public.solicitudes_servicio; v_l public.solicitudes_servicio;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
BEGIN
  SELECT array_agg(m.modo) INTO v_modos FROM migracion.sincronizacion m
  WHERE m.tabla_destino = 'solicitudes_servicio' AND ((m.tabla_origen = 'service_requests'));
  IF v_modos IS NULL AND v_firme THEN RETURN; END IF;
  BEGIN
    v_clave := CASE p_orden WHEN 'INSERT' THEN p_nueva.id::text
      ELSE p_vieja.id::text END;
    v_nueva := CASE p_orden WHEN 'UPDATE' THEN p_nueva.id::text END;
    v_aqui := coalesce(v_nueva, v_clave); v_alli := v_clave;
    IF v_nueva <> v_clave THEN
      UPDATE migracion.cuarentena c SET clave = v_nueva, fila = c.fila || jsonb_build_object('id', p_nueva.id)
      WHERE c.tabla_origen = 'solicitudes_servicio' AND c.estado <> 'resuelta' AND c.clave = v_clave
        AND NOT EXISTS (SELECT FROM migracion.cuarentena o WHERE o.tabla_origen = 'solicitudes_servicio'
          AND o.estado <> 'resuelta' AND o.clave = v_nueva);
      UPDATE migracion.se_queda q SET clave = v_nueva WHERE q.tabla = 'solicitudes_servicio' AND q.clave = v_clave;
    END IF;
    IF v_modos IS NULL OR v_modos && ARRAY['no', 'claves'] THEN
      -- sin modo: se instaló después de su foto
      IF v_nueva <> v_clave THEN
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'solicitudes_servicio' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('solicitudes_servicio', NULL, v_clave, 'CLAVE', NULL,
        CASE WHEN v_modos IS NULL THEN 'aislamiento' ELSE 'apagada' END, NULL);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('solicitudes_servicio', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, CASE WHEN v_modos IS NULL THEN 'aislamiento' ELSE 'apagada' END,
      NULL);
      RETURN;
    END IF;
    s := p_nueva;
    v_escritas := array_remove(ARRAY[CASE WHEN p_orden <> 'UPDATE' OR p_vieja.id::text IS DISTINCT FROM p_nueva.id::text
      THEN 'id' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.cliente_id::text IS DISTINCT FROM p_nueva.cliente_id::text
      THEN 'cliente_id' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.telefono::text IS DISTINCT FROM p_nueva.telefono::text
      THEN 'telefono' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.tipo_solicitud::text IS DISTINCT FROM p_nueva.tipo_solicitud::text
      THEN 'tipo_solicitud' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.profesion_solicitada::text IS DISTINCT FROM p_nueva.profesion_solicitada::text
      THEN 'profesion_solicitada' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.ciudad::text IS DISTINCT FROM p_nueva.ciudad::text
      THEN 'ciudad' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.latitud::text IS DISTINCT FROM p_nueva.latitud::text
      THEN 'latitud' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.longitud::text IS DISTINCT FROM p_nueva.longitud::text
      THEN 'longitud' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.proveedores_sugeridos::text IS DISTINCT FROM p_nueva.proveedores_sugeridos::text
      THEN 'proveedores_sugeridos' END, CASE WHEN p_orden <> 'UPDATE'
      OR p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text THEN 'estado' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.solicitado_at::text IS DISTINCT FROM p_nueva.solicitado_at::text
      THEN 'solicitado_at' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.resuelto_at::text IS DISTINCT FROM p_nueva.resuelto_at::text
      THEN 'resuelto_at' END]::text[], NULL);
    IF p_orden <> 'INSERT' THEN
      -- la clave que tiene no la tomó legacy: allí es la de antes
      SELECT c.antes INTO v_otra FROM migracion.cuarentena c WHERE c.tabla_origen = 'solicitudes_servicio' AND c.clave = v_aqui
        AND c.estado <> 'resuelta' AND c.antes IS NOT NULL;
      IF FOUND THEN
        p_vieja := jsonb_populate_record(p_vieja, v_otra); v_alli := p_vieja.id::text;
      END IF;
    END IF;
    IF v_casa = 0 AND p_orden <> 'INSERT' THEN
      FOR v_vez IN 1 .. 40 LOOP
        PERFORM 1 FROM public.service_requests l WHERE l.id = (p_vieja.id)::uuid FOR NO KEY UPDATE OF l SKIP LOCKED;
        v_hay := FOUND;
        EXIT WHEN v_hay OR NOT EXISTS (SELECT FROM public.service_requests l WHERE l.id = (p_vieja.id)::uuid);
        PERFORM pg_sleep(0.005);
      END LOOP;
      IF NOT v_hay AND EXISTS (
        WITH RECURSIVE esperan AS (
          SELECT pg_backend_pid() AS pid
          UNION SELECT w.pid FROM esperan e JOIN pg_locks w ON NOT w.granted AND e.pid = ANY (pg_blocking_pids(w.pid))),
        tienen AS (
          SELECT h.pid FROM pg_locks h WHERE h.locktype = 'transactionid' AND h.granted
            AND h.transactionid IN (SELECT l.xmax FROM public.service_requests l WHERE l.id = (p_vieja.id)::uuid))
        SELECT FROM esperan e WHERE e.pid <> pg_backend_pid()
          AND (e.pid IN (SELECT x.pid FROM tienen x) OR NOT EXISTS (SELECT FROM tienen))) THEN
        RAISE EXCEPTION USING ERRCODE = '40001',
          MESSAGE = 'otra transacción tiene la fila de service_requests y espera a esta; repita la suya';
      END IF;
      IF NOT v_hay THEN
        PERFORM 1 FROM public.service_requests l WHERE l.id = (p_vieja.id)::uuid FOR NO KEY UPDATE OF l;
        v_hay := FOUND;
      END IF;
      IF v_hay THEN v_casa := 1; END IF;
    END IF;
    IF p_orden = 'UPDATE' AND v_casa = 0 AND EXISTS (SELECT FROM migracion.cuarentena c
      WHERE c.tabla_origen = 'solicitudes_servicio' AND c.clave = v_aqui AND c.estado <> 'resuelta') OR p_orden = 'UPDATE'
      AND v_casa = 0 AND v_nueva <> v_clave
      AND NOT EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'service_requests' AND p.clave IN (
        (p_vieja.id)::uuid::text,
        (p_nueva.id)::uuid::text)) THEN
      -- una que no nació aún, y ya tiene otra clave
      p_orden := 'INSERT'; v_escritas := ARRAY['id', 'cliente_id', 'telefono', 'tipo_solicitud', 'profesion_solicitada', 'ciudad',
        'latitud', 'longitud', 'proveedores_sugeridos', 'estado', 'solicitado_at', 'resuelto_at'];
    END IF;
    -- mientras una clave legacy de la fila espera, esta espera con ella
    IF EXISTS (SELECT FROM migracion.pendiente p WHERE (p.tabla_origen = 'service_requests' AND p.clave IN (
        (p_vieja.id)::uuid::text,
        (p_nueva.id)::uuid::text))
      AND p.motivo <> 'aislamiento') AND coalesce(current_setting('migracion.drenaje', true), '') = '' THEN
      IF v_nueva <> v_clave THEN
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'solicitudes_servicio' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('solicitudes_servicio', NULL, v_clave, 'CLAVE', NULL, 'espera a la otra', NULL);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('solicitudes_servicio', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, 'espera a la otra', NULL);
      RETURN;
    END IF;
    IF v_firme AND p_orden = 'UPDATE' AND p_vieja.telefono IS DISTINCT FROM p_nueva.telefono THEN
      PERFORM pg_advisory_xact_lock_shared(hashtext('clientes.telefono'), v.n)
        FROM (SELECT DISTINCT hashtext(x.v::text) & 255 AS n
      FROM (SELECT p_nueva.telefono) x(v) WHERE x.v IS NOT NULL ORDER BY 1 OFFSET 0) v;
    END IF;
    IF EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid IN ('public.service_requests'::regclass) AND g.tgdeferrable) THEN
      SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO v_ya
      FROM pg_trigger g JOIN pg_constraint c ON c.oid = g.tgconstraint JOIN pg_namespace n ON n.oid = c.connamespace
      WHERE g.tgrelid IN ('public.service_requests'::regclass) AND g.tgdeferrable AND c.contype <> 't';
    END IF;
    IF v_ya IS NOT NULL THEN
      BEGIN
        IF v_ya IS NOT NULL THEN
          -- lo que legacy comprobaría al confirmar: lo que rechace queda aquí, y cada restricción como el servicio la tenía
          BEGIN
            EXECUTE 'SET CONSTRAINTS ' || v_ya || ' IMMEDIATE';
            RAISE EXCEPTION USING ERRCODE = 'TK003';
          EXCEPTION WHEN SQLSTATE 'TK003' THEN
            NULL;
          END;
        END IF;
      EXCEPTION WHEN integrity_constraint_violation THEN
        v_ya := NULL;  -- el servicio debe algo todavía: se comprueba cuando confirme
      END;
    END IF;
    v_marca := set_config('migracion.sync', 'solicitudes_servicio:' || pg_trigger_depth(), true);
    IF p_orden = 'DELETE' THEN
      WITH d0 AS (DELETE FROM public.service_requests l WHERE l.id = (p_vieja.id)::uuid RETURNING 'service_requests' AS tabla,
        l.id::text AS clave)
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      WHERE (c.tabla_origen, c.clave) IN (SELECT * FROM d0 UNION ALL SELECT 'solicitudes_servicio', v_aqui)
        AND c.estado <> 'resuelta';
      IF EXISTS (SELECT FROM public.service_requests l WHERE l.id = (p_vieja.id)::uuid)
        AND NOT EXISTS (SELECT FROM public.solicitudes_servicio t WHERE t.id = p_vieja.id) THEN
        RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'un disparador de service_requests no la deja pasar';
      END IF;
      DELETE FROM migracion.fusion m
      WHERE m.tabla_destino = 'solicitudes_servicio' AND m.clave_destino = v_alli;
      DELETE FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = v_clave;
    ELSIF p_orden = 'INSERT' THEN
      SELECT t.* INTO s FROM public.solicitudes_servicio t WHERE t.id = p_nueva.id;
      IF FOUND THEN
      INSERT INTO public.service_requests (id, phone, intent, profession, location_city, location_lat, location_lng,
        suggested_providers, requested_at, resolved_at) VALUES ((s.id)::uuid, (s.telefono)::text,
        (CASE s.tipo_solicitud WHEN 'servicio' THEN 'service_request' ELSE s.tipo_solicitud::text END)::text,
        (s.profesion_solicitada)::text, (s.ciudad)::text, (s.latitud)::numeric, (s.longitud)::numeric,
        (s.proveedores_sugeridos)::jsonb, (s.solicitado_at AT TIME ZONE 'UTC')::timestamp with time zone,
        CASE WHEN s.estado = 'resuelta' THEN coalesce((s.resuelto_at AT TIME ZONE 'UTC')::timestamp with time zone,
        now()::timestamp with time zone) END);
      -- cliente_id: otro valor que el buscado lo dijo un servicio, y se queda
      IF s.cliente_id IS NOT DISTINCT FROM (SELECT x.id FROM public.clientes x WHERE x.telefono = s.telefono) THEN
        DELETE FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = s.id::text
          AND q.columna = 'cliente_id';
      ELSIF p_orden = 'INSERT' AND s.cliente_id IS NOT NULL OR p_orden <> 'INSERT'
        AND p_vieja.cliente_id IS DISTINCT FROM s.cliente_id OR EXISTS (SELECT FROM migracion.se_queda q
        WHERE q.tabla = 'solicitudes_servicio' AND q.clave = s.id::text AND q.columna = 'cliente_id'
        AND q.valor IS NOT DISTINCT FROM s.cliente_id::text) THEN
        INSERT INTO migracion.se_queda AS q (tabla, clave, columna, valor, buscado) VALUES ('solicitudes_servicio', s.id::text,
          'cliente_id', s.cliente_id::text, s.telefono::text)
        ON CONFLICT (tabla, clave, columna)
        DO UPDATE SET valor = excluded.valor, buscado = excluded.buscado, momento = excluded.momento;
      END IF;
      v_marca := set_config('migracion.sync', v_antes, true);
      SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.cliente_id,
        f.telefono, f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud, f.proveedores_sugeridos, f.estado,
        f.solicitado_at, f.resuelto_at INTO v_f FROM migracion.v_service_requests_solicitudes_servicio f
        JOIN public.service_requests l ON l.id = f._k1 WHERE l.id = (s.id)::uuid;
      IF NOT FOUND OR NOT v_firme OR NOT v_f._entra OR ROW(s.id, s.cliente_id, s.telefono, s.tipo_solicitud,
        s.profesion_solicitada, s.ciudad, s.latitud, s.longitud, s.proveedores_sugeridos, s.estado, s.solicitado_at,
        s.resuelto_at)::record *<> ROW(v_f.id, (CASE WHEN s.cliente_id IS DISTINCT FROM v_f.cliente_id
        AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = s.id::text
        AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM s.cliente_id::text
        AND q.buscado IS NOT DISTINCT FROM v_f.telefono::text) THEN s.cliente_id ELSE v_f.cliente_id END), v_f.telefono,
        v_f.tipo_solicitud, v_f.profesion_solicitada, v_f.ciudad, v_f.latitud, v_f.longitud, v_f.proveedores_sugeridos,
        (CASE WHEN s.estado IN ('en_progreso', 'cancelada') AND v_f.estado = 'pendiente' THEN s.estado ELSE v_f.estado END),
        v_f.solicitado_at, v_f.resuelto_at)::record THEN
      PERFORM migracion.ida_service_requests_solicitudes_servicio(array_agg(l.id), array_agg(s.id), true, false)
      FROM public.service_requests l WHERE l.id = (s.id)::uuid HAVING count(*) > 0;
      IF NOT FOUND THEN RAISE EXCEPTION
        USING ERRCODE = 'P0001', MESSAGE = 'un disparador de service_requests no la deja pasar'; END IF;
      END IF;
      END IF;
    ELSIF v_casa = 0 THEN
      NULL;  -- la fila legacy ya no está: quien la borró se lleva a esta
    ELSIF v_casa = 1 THEN
      SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.cliente_id,
        f.telefono, f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud, f.proveedores_sugeridos, f.estado,
        f.solicitado_at, f.resuelto_at INTO v_f FROM migracion.v_service_requests_solicitudes_servicio f
        JOIN public.service_requests l ON l.id = f._k1 WHERE l.id = (p_vieja.id)::uuid;
      SELECT t.* INTO s FROM public.solicitudes_servicio t WHERE t.id = p_nueva.id;
      IF FOUND THEN
        v_l := CASE WHEN v_otra IS NOT NULL AND v_nueva = v_clave THEN jsonb_populate_record(s, v_otra) ELSE s END;
      -- cliente_id: otro valor que el buscado lo dijo un servicio, y se queda
      IF s.cliente_id IS NOT DISTINCT FROM (SELECT x.id FROM public.clientes x WHERE x.telefono = s.telefono) THEN
        DELETE FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = s.id::text
          AND q.columna = 'cliente_id';
      ELSIF p_orden = 'INSERT' AND s.cliente_id IS NOT NULL OR p_orden <> 'INSERT'
        AND p_vieja.cliente_id IS DISTINCT FROM s.cliente_id OR EXISTS (SELECT FROM migracion.se_queda q
        WHERE q.tabla = 'solicitudes_servicio' AND q.clave = s.id::text AND q.columna = 'cliente_id'
        AND q.valor IS NOT DISTINCT FROM s.cliente_id::text) THEN
        INSERT INTO migracion.se_queda AS q (tabla, clave, columna, valor, buscado) VALUES ('solicitudes_servicio', s.id::text,
          'cliente_id', s.cliente_id::text, s.telefono::text)
        ON CONFLICT (tabla, clave, columna)
        DO UPDATE SET valor = excluded.valor, buscado = excluded.buscado, momento = excluded.momento;
      END IF;
        IF (v_otra IS NULL OR v_nueva <> v_clave) AND p_vieja.id::text IS DISTINCT FROM p_nueva.id::text
          AND v_f.id::text IS DISTINCT FROM s.id::text THEN
          v_poner := v_poner || jsonb_build_object('id', '(n.id)::uuid');
        END IF;
        IF p_vieja.telefono::text IS DISTINCT FROM p_nueva.telefono::text AND v_f.telefono::text IS DISTINCT FROM s.telefono::text
          THEN
          v_poner := v_poner || jsonb_build_object('phone', '(n.telefono)::text');
        END IF;
        IF p_vieja.tipo_solicitud::text IS DISTINCT FROM p_nueva.tipo_solicitud::text
          AND v_f.tipo_solicitud::text IS DISTINCT FROM s.tipo_solicitud::text THEN
          v_poner := v_poner || jsonb_build_object('intent',
            '(CASE n.tipo_solicitud WHEN ''servicio'' THEN ''service_request'' ELSE n.tipo_solicitud::text END)::text');
        END IF;
        IF p_vieja.profesion_solicitada::text IS DISTINCT FROM p_nueva.profesion_solicitada::text
          AND v_f.profesion_solicitada::text IS DISTINCT FROM s.profesion_solicitada::text THEN
          v_poner := v_poner || jsonb_build_object('profession', '(n.profesion_solicitada)::text');
        END IF;
        IF p_vieja.ciudad::text IS DISTINCT FROM p_nueva.ciudad::text AND v_f.ciudad::text IS DISTINCT FROM s.ciudad::text THEN
          v_poner := v_poner || jsonb_build_object('location_city', '(n.ciudad)::text');
        END IF;
        IF p_vieja.latitud::text IS DISTINCT FROM p_nueva.latitud::text AND v_f.latitud::text IS DISTINCT FROM s.latitud::text
          THEN
          v_poner := v_poner || jsonb_build_object('location_lat', '(n.latitud)::numeric');
        END IF;
        IF p_vieja.longitud::text IS DISTINCT FROM p_nueva.longitud::text AND v_f.longitud::text IS DISTINCT FROM s.longitud::text
          THEN
          v_poner := v_poner || jsonb_build_object('location_lng', '(n.longitud)::numeric');
        END IF;
        IF p_vieja.proveedores_sugeridos::text IS DISTINCT FROM p_nueva.proveedores_sugeridos::text
          AND v_f.proveedores_sugeridos::text IS DISTINCT FROM s.proveedores_sugeridos::text THEN
          v_poner := v_poner || jsonb_build_object('suggested_providers', '(n.proveedores_sugeridos)::jsonb');
        END IF;
        IF p_vieja.solicitado_at::text IS DISTINCT FROM p_nueva.solicitado_at::text
          AND v_f.solicitado_at::text IS DISTINCT FROM s.solicitado_at::text THEN
          v_poner := v_poner || jsonb_build_object('requested_at',
            '(n.solicitado_at AT TIME ZONE ''UTC'')::timestamp with time zone');
        END IF;
        IF p_vieja.resuelto_at::text IS DISTINCT FROM p_nueva.resuelto_at::text
          AND v_f.resuelto_at::text IS DISTINCT FROM s.resuelto_at::text THEN
          v_poner := v_poner || jsonb_build_object('resolved_at',
            '(n.resuelto_at AT TIME ZONE ''UTC'')::timestamp with time zone');
        END IF;
        IF p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text
          AND (CASE WHEN s.estado IN ('en_progreso', 'cancelada') AND v_f.estado = 'pendiente' THEN s.estado
          ELSE v_f.estado END)::text IS DISTINCT FROM s.estado::text
          OR p_vieja.resuelto_at::text IS DISTINCT FROM p_nueva.resuelto_at::text AND s.estado = 'resuelta' THEN
          v_poner := v_poner || jsonb_build_object('resolved_at',
            'CASE WHEN n.estado = ''resuelta'' THEN coalesce((n.resuelto_at AT TIME ZONE ''UTC'')::timestamp with time zone, nullif(l.resolved_at::text, '''')::timestamp with time zone, now()::timestamp with time zone) END');
        END IF;
        IF v_poner <> '{}' THEN
          EXECUTE 'UPDATE public.service_requests l SET ' || (SELECT string_agg(format('%I = %s', p.key, p.value), ', ')
            FROM jsonb_each_text(v_poner) p) || ' FROM (SELECT ($2).*) n WHERE l.id = (($1).id)::uuid' USING p_vieja, s;
          GET DIAGNOSTICS v_filas = ROW_COUNT;
          IF v_filas = 0 THEN RAISE EXCEPTION
            USING ERRCODE = 'P0001', MESSAGE = 'un disparador de service_requests no la deja pasar'; END IF;
          SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.cliente_id,
            f.telefono, f.tipo_solicitud, f.profesion_solicitada, f.ciudad, f.latitud, f.longitud, f.proveedores_sugeridos,
            f.estado, f.solicitado_at, f.resuelto_at INTO v_g FROM migracion.v_service_requests_solicitudes_servicio f
            JOIN public.service_requests l ON l.id = f._k1 WHERE l.id = (v_l.id)::uuid;
          IF NOT FOUND OR NOT v_g._entra OR NOT v_f._entra THEN
            v_marca := set_config('migracion.sync', v_antes, true);
            PERFORM migracion.ida_service_requests_solicitudes_servicio(array_agg(l.id), array_agg(v_l.id), true, false)
            FROM public.service_requests l WHERE l.id = (v_l.id)::uuid HAVING count(*) > 0;
          ELSIF v_g.id::text IS DISTINCT FROM v_f.id::text AND v_g.id::text IS DISTINCT FROM s.id::text
            OR (p_vieja.cliente_id::text IS DISTINCT FROM p_nueva.cliente_id::text
            OR v_g.cliente_id::text IS DISTINCT FROM v_f.cliente_id::text)
            AND (CASE WHEN s.cliente_id IS DISTINCT FROM v_g.cliente_id
            AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = s.id::text
            AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM s.cliente_id::text
            AND q.buscado IS NOT DISTINCT FROM v_g.telefono::text) THEN s.cliente_id
            ELSE v_g.cliente_id END)::text IS DISTINCT FROM s.cliente_id::text
            OR (p_vieja.telefono::text IS DISTINCT FROM p_nueva.telefono::text
            OR v_g.telefono::text IS DISTINCT FROM v_f.telefono::text) AND v_g.telefono::text IS DISTINCT FROM s.telefono::text
            OR (p_vieja.tipo_solicitud::text IS DISTINCT FROM p_nueva.tipo_solicitud::text
            OR v_g.tipo_solicitud::text IS DISTINCT FROM v_f.tipo_solicitud::text)
            AND v_g.tipo_solicitud::text IS DISTINCT FROM s.tipo_solicitud::text
            OR (p_vieja.profesion_solicitada::text IS DISTINCT FROM p_nueva.profesion_solicitada::text
            OR v_g.profesion_solicitada::text IS DISTINCT FROM v_f.profesion_solicitada::text)
            AND v_g.profesion_solicitada::text IS DISTINCT FROM s.profesion_solicitada::text
            OR (p_vieja.ciudad::text IS DISTINCT FROM p_nueva.ciudad::text OR v_g.ciudad::text IS DISTINCT FROM v_f.ciudad::text)
            AND v_g.ciudad::text IS DISTINCT FROM s.ciudad::text OR (p_vieja.latitud::text IS DISTINCT FROM p_nueva.latitud::text
            OR v_g.latitud::text IS DISTINCT FROM v_f.latitud::text) AND v_g.latitud::text IS DISTINCT FROM s.latitud::text
            OR (p_vieja.longitud::text IS DISTINCT FROM p_nueva.longitud::text
            OR v_g.longitud::text IS DISTINCT FROM v_f.longitud::text) AND v_g.longitud::text IS DISTINCT FROM s.longitud::text
            OR (p_vieja.proveedores_sugeridos::text IS DISTINCT FROM p_nueva.proveedores_sugeridos::text
            OR v_g.proveedores_sugeridos::text IS DISTINCT FROM v_f.proveedores_sugeridos::text)
            AND v_g.proveedores_sugeridos::text IS DISTINCT FROM s.proveedores_sugeridos::text
            OR (p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text OR v_g.estado::text IS DISTINCT FROM v_f.estado::text)
            AND (CASE WHEN s.estado IN ('en_progreso', 'cancelada') AND v_g.estado = 'pendiente' THEN s.estado
            ELSE v_g.estado END)::text IS DISTINCT FROM s.estado::text
            OR (p_vieja.solicitado_at::text IS DISTINCT FROM p_nueva.solicitado_at::text
            OR v_g.solicitado_at::text IS DISTINCT FROM v_f.solicitado_at::text)
            AND v_g.solicitado_at::text IS DISTINCT FROM s.solicitado_at::text
            OR (p_vieja.resuelto_at::text IS DISTINCT FROM p_nueva.resuelto_at::text
            OR v_g.resuelto_at::text IS DISTINCT FROM v_f.resuelto_at::text)
            AND v_g.resuelto_at::text IS DISTINCT FROM s.resuelto_at::text THEN
            -- legacy lo lee de otro modo, o un disparador suyo cambió algo más: eso vuelve aquí
            UPDATE public.solicitudes_servicio t SET id = CASE WHEN v_g.id::text IS DISTINCT FROM v_f.id::text THEN v_g.id
              ELSE t.id END, cliente_id = CASE WHEN (p_vieja.cliente_id::text IS DISTINCT FROM p_nueva.cliente_id::text
              OR v_g.cliente_id::text IS DISTINCT FROM v_f.cliente_id::text)
              THEN (CASE WHEN s.cliente_id IS DISTINCT FROM v_g.cliente_id
              AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = s.id::text
              AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM s.cliente_id::text
              AND q.buscado IS NOT DISTINCT FROM v_g.telefono::text) THEN s.cliente_id ELSE v_g.cliente_id END)
              ELSE t.cliente_id END, telefono = CASE WHEN (p_vieja.telefono::text IS DISTINCT FROM p_nueva.telefono::text
              OR v_g.telefono::text IS DISTINCT FROM v_f.telefono::text) THEN v_g.telefono ELSE t.telefono END,
              tipo_solicitud = CASE WHEN (p_vieja.tipo_solicitud::text IS DISTINCT FROM p_nueva.tipo_solicitud::text
              OR v_g.tipo_solicitud::text IS DISTINCT FROM v_f.tipo_solicitud::text) THEN v_g.tipo_solicitud
              ELSE t.tipo_solicitud END, profesion_solicitada = CASE
              WHEN (p_vieja.profesion_solicitada::text IS DISTINCT FROM p_nueva.profesion_solicitada::text
              OR v_g.profesion_solicitada::text IS DISTINCT FROM v_f.profesion_solicitada::text) THEN v_g.profesion_solicitada
              ELSE t.profesion_solicitada END, ciudad = CASE WHEN (p_vieja.ciudad::text IS DISTINCT FROM p_nueva.ciudad::text
              OR v_g.ciudad::text IS DISTINCT FROM v_f.ciudad::text) THEN v_g.ciudad ELSE t.ciudad END,
              latitud = CASE WHEN (p_vieja.latitud::text IS DISTINCT FROM p_nueva.latitud::text
              OR v_g.latitud::text IS DISTINCT FROM v_f.latitud::text) THEN v_g.latitud ELSE t.latitud END,
              longitud = CASE WHEN (p_vieja.longitud::text IS DISTINCT FROM p_nueva.longitud::text
              OR v_g.longitud::text IS DISTINCT FROM v_f.longitud::text) THEN v_g.longitud ELSE t.longitud END,
              proveedores_sugeridos = CASE
              WHEN (p_vieja.proveedores_sugeridos::text IS DISTINCT FROM p_nueva.proveedores_sugeridos::text
              OR v_g.proveedores_sugeridos::text IS DISTINCT FROM v_f.proveedores_sugeridos::text) THEN v_g.proveedores_sugeridos
              ELSE t.proveedores_sugeridos END, estado = CASE WHEN (p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text
              OR v_g.estado::text IS DISTINCT FROM v_f.estado::text)
              THEN (CASE WHEN s.estado IN ('en_progreso', 'cancelada') AND v_g.estado = 'pendiente' THEN s.estado
              ELSE v_g.estado END) ELSE t.estado END, solicitado_at = CASE
              WHEN (p_vieja.solicitado_at::text IS DISTINCT FROM p_nueva.solicitado_at::text
              OR v_g.solicitado_at::text IS DISTINCT FROM v_f.solicitado_at::text) THEN v_g.solicitado_at
              ELSE t.solicitado_at END,
              resuelto_at = CASE WHEN (p_vieja.resuelto_at::text IS DISTINCT FROM p_nueva.resuelto_at::text
              OR v_g.resuelto_at::text IS DISTINCT FROM v_f.resuelto_at::text) THEN v_g.resuelto_at ELSE t.resuelto_at END
              WHERE t.id = s.id RETURNING t.* INTO s;
            IF v_g.id::text IS DISTINCT FROM v_f.id::text AND v_g.id::text IS DISTINCT FROM s.id::text
              OR (p_vieja.cliente_id::text IS DISTINCT FROM p_nueva.cliente_id::text
              OR v_g.cliente_id::text IS DISTINCT FROM v_f.cliente_id::text)
              AND (CASE WHEN s.cliente_id IS DISTINCT FROM v_g.cliente_id
              AND EXISTS (SELECT FROM migracion.se_queda q WHERE q.tabla = 'solicitudes_servicio' AND q.clave = s.id::text
              AND q.columna = 'cliente_id' AND q.valor IS NOT DISTINCT FROM s.cliente_id::text
              AND q.buscado IS NOT DISTINCT FROM v_g.telefono::text) THEN s.cliente_id
              ELSE v_g.cliente_id END)::text IS DISTINCT FROM s.cliente_id::text
              OR (p_vieja.telefono::text IS DISTINCT FROM p_nueva.telefono::text
              OR v_g.telefono::text IS DISTINCT FROM v_f.telefono::text) AND v_g.telefono::text IS DISTINCT FROM s.telefono::text
              OR (p_vieja.tipo_solicitud::text IS DISTINCT FROM p_nueva.tipo_solicitud::text
              OR v_g.tipo_solicitud::text IS DISTINCT FROM v_f.tipo_solicitud::text)
              AND v_g.tipo_solicitud::text IS DISTINCT FROM s.tipo_solicitud::text
              OR (p_vieja.profesion_solicitada::text IS DISTINCT FROM p_nueva.profesion_solicitada::text
              OR v_g.profesion_solicitada::text IS DISTINCT FROM v_f.profesion_solicitada::text)
              AND v_g.profesion_solicitada::text IS DISTINCT FROM s.profesion_solicitada::text
              OR (p_vieja.ciudad::text IS DISTINCT FROM p_nueva.ciudad::text
              OR v_g.ciudad::text IS DISTINCT FROM v_f.ciudad::text) AND v_g.ciudad::text IS DISTINCT FROM s.ciudad::text
              OR (p_vieja.latitud::text IS DISTINCT FROM p_nueva.latitud::text
              OR v_g.latitud::text IS DISTINCT FROM v_f.latitud::text) AND v_g.latitud::text IS DISTINCT FROM s.latitud::text
              OR (p_vieja.longitud::text IS DISTINCT FROM p_nueva.longitud::text
              OR v_g.longitud::text IS DISTINCT FROM v_f.longitud::text) AND v_g.longitud::text IS DISTINCT FROM s.longitud::text
              OR (p_vieja.proveedores_sugeridos::text IS DISTINCT FROM p_nueva.proveedores_sugeridos::text
              OR v_g.proveedores_sugeridos::text IS DISTINCT FROM v_f.proveedores_sugeridos::text)
              AND v_g.proveedores_sugeridos::text IS DISTINCT FROM s.proveedores_sugeridos::text
              OR (p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text
              OR v_g.estado::text IS DISTINCT FROM v_f.estado::text)
              AND (CASE WHEN s.estado IN ('en_progreso', 'cancelada') AND v_g.estado = 'pendiente' THEN s.estado
              ELSE v_g.estado END)::text IS DISTINCT FROM s.estado::text
              OR (p_vieja.solicitado_at::text IS DISTINCT FROM p_nueva.solicitado_at::text
              OR v_g.solicitado_at::text IS DISTINCT FROM v_f.solicitado_at::text)
              AND v_g.solicitado_at::text IS DISTINCT FROM s.solicitado_at::text
              OR (p_vieja.resuelto_at::text IS DISTINCT FROM p_nueva.resuelto_at::text
              OR v_g.resuelto_at::text IS DISTINCT FROM v_f.resuelto_at::text)
              AND v_g.resuelto_at::text IS DISTINCT FROM s.resuelto_at::text THEN
              RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'los disparadores de las dos tablas no se ponen de acuerdo';
            END IF;
          END IF;
          IF NOT v_firme AND v_poner ?| ARRAY['phone'] THEN
            -- lo que su foto no ve lo mira el drenaje
            INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'service_requests', 'solicitudes_servicio', k._k1::text, jsonb_build_array(k._m1), 'aislamiento', NULL
      FROM (SELECT l.id AS _k1, l.id AS _m1 FROM public.service_requests l WHERE l.id = (v_l.id)::uuid) k;
          END IF;
        END IF;
      END IF;
    END IF;
    IF v_ya IS NOT NULL THEN
      -- lo que legacy comprobaría al confirmar: lo que rechace queda aquí, y cada restricción como el servicio la tenía
      BEGIN
        EXECUTE 'SET CONSTRAINTS ' || v_ya || ' IMMEDIATE';
        RAISE EXCEPTION USING ERRCODE = 'TK003';
      EXCEPTION WHEN SQLSTATE 'TK003' THEN
        NULL;
      END;
    END IF;
    UPDATE migracion.cuarentena c SET
      columnas = ARRAY(SELECT x FROM unnest(c.columnas) x WHERE x <> ALL (v_escritas)),
      antes = CASE WHEN v_nueva = v_clave THEN c.antes END,
      estado = CASE WHEN c.columnas <@ v_escritas THEN 'resuelta' ELSE c.estado END,
      resuelta_at = CASE WHEN c.columnas <@ v_escritas THEN now() END,
      resolucion = CASE WHEN c.columnas <@ v_escritas THEN 'legacy tomó lo escrito después' END
    WHERE c.tabla_origen = 'solicitudes_servicio' AND c.clave = v_aqui AND c.estado <> 'resuelta'
      AND p_orden <> 'DELETE' AND c.columnas IS NOT NULL;
    v_marca := set_config('migracion.sync', v_antes, true);
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
    IF v_clave IS NULL OR left(v_estado, 2) IN ('53', '55', '57')
      OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
      RAISE;
    END IF;
    IF v_nueva <> v_clave THEN
      UPDATE migracion.cuarentena c SET clave = v_nueva, fila = c.fila || jsonb_build_object('id', p_nueva.id)
      WHERE c.tabla_origen = 'solicitudes_servicio' AND c.estado <> 'resuelta' AND c.clave = v_clave
        AND NOT EXISTS (SELECT FROM migracion.cuarentena o WHERE o.tabla_origen = 'solicitudes_servicio'
          AND o.estado <> 'resuelta' AND o.clave = v_nueva);
      UPDATE migracion.se_queda q SET clave = v_nueva WHERE q.tabla = 'solicitudes_servicio' AND q.clave = v_clave;
    END IF;
    IF left(v_estado, 2) IN ('22', '23', '54') OR v_estado = 'P0001' THEN
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen, columnas, antes)
      VALUES ('solicitudes_servicio', v_aqui, to_jsonb(CASE p_orden WHEN 'DELETE' THEN p_vieja ELSE p_nueva END), v_estado,
        'legacy la rechaza: ' || v_mensaje, 'sincronizacion', v_escritas,
          CASE WHEN v_aqui <> v_alli THEN jsonb_build_object('id', p_vieja.id) END)
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila || CASE WHEN c.sobrescrita_at IS NULL THEN '{}' ELSE (
          SELECT coalesce(jsonb_object_agg(x, c.fila -> x), '{}') FROM unnest(c.columnas) x
          WHERE x <> ALL (excluded.columnas)) END,
        sqlstate = excluded.sqlstate, motivo = excluded.motivo, columna = NULL, sobrescrita_at = NULL, antes = excluded.antes,
        columnas = ARRAY(SELECT x FROM unnest(c.columnas) x UNION SELECT x FROM unnest(excluded.columnas) x ORDER BY 1);
    ELSE
      IF v_nueva <> v_clave THEN
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'solicitudes_servicio' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('solicitudes_servicio', NULL, v_clave, 'CLAVE', NULL, v_mensaje, v_estado);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('solicitudes_servicio', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, v_mensaje, v_estado);
    END IF;
  END;
END $funcion$;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Nombra a volver la fila de solicitudes_servicio que un servicio escribió. La llaman los disparadores de la tabla.
CREATE OR REPLACE FUNCTION migracion.vuelta_solicitudes_servicio() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- cada fila se busca por su clave, también por un plan que se hizo con la tabla vacía
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
-- compilar tardaría más que la sentencia
SET jit = off
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_nada text; v_ya text; v_lote record; v_estado text; v_mensaje text; v_detalle text;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  p_orden text := TG_OP; v_vieja jsonb; v_ahora jsonb; v_clave text; v_nueva text;
BEGIN
  v_nada := migracion.anotar_escritura('solicitudes_servicio');
  IF TG_OP = 'TRUNCATE' THEN
    IF EXISTS (SELECT FROM migracion.sincronizacion m WHERE m.tabla_origen = 'service_requests'
      AND m.tabla_destino = 'solicitudes_servicio' AND m.modo <> 'si') THEN
      INSERT INTO migracion.pendiente (tabla_origen, clave, operacion, fila, motivo)
      SELECT 'solicitudes_servicio', f.id::text, 'DELETE', jsonb_build_object('id', f.id, 'cliente_id', f.cliente_id,
        'telefono', f.telefono, 'tipo_solicitud', f.tipo_solicitud, 'profesion_solicitada', f.profesion_solicitada,
        'ciudad', f.ciudad, 'latitud', f.latitud, 'longitud', f.longitud, 'proveedores_sugeridos', f.proveedores_sugeridos,
        'estado', f.estado, 'solicitado_at', f.solicitado_at, 'resuelto_at', f.resuelto_at), 'apagada'
      FROM migracion.v_service_requests_solicitudes_servicio f WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true
        ELSE false END;
    END IF;
    -- lo que legacy no dejaba pasar se queda
    BEGIN
      IF EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid IN ('public.service_requests'::regclass) AND g.tgdeferrable) THEN
        SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO v_ya
        FROM pg_trigger g JOIN pg_constraint c ON c.oid = g.tgconstraint JOIN pg_namespace n ON n.oid = c.connamespace
        WHERE g.tgrelid IN ('public.service_requests'::regclass) AND g.tgdeferrable AND c.contype <> 't';
      END IF;
      IF v_ya IS NOT NULL THEN
        BEGIN
          IF v_ya IS NOT NULL THEN
            -- lo que legacy comprobaría al confirmar: lo que rechace queda aquí, y cada restricción como el servicio la tenía
            BEGIN
              EXECUTE 'SET CONSTRAINTS ' || v_ya || ' IMMEDIATE';
              RAISE EXCEPTION USING ERRCODE = 'TK003';
            EXCEPTION WHEN SQLSTATE 'TK003' THEN
              NULL;
            END;
          END IF;
        EXCEPTION WHEN integrity_constraint_violation THEN
          v_ya := NULL;  -- el servicio debe algo todavía: se comprueba cuando confirme
        END;
      END IF;
      DELETE FROM public.service_requests l USING migracion.v_service_requests_solicitudes_servicio f
      WHERE l.id = f._k1 AND (CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
        OR f._fusion IS NOT NULL) AND NOT EXISTS (SELECT FROM migracion.sincronizacion m WHERE m.tabla_origen = 'service_requests'
        AND m.tabla_destino = 'solicitudes_servicio' AND m.modo <> 'si');
      IF v_ya IS NOT NULL THEN
        -- lo que legacy comprobaría al confirmar: lo que rechace queda aquí, y cada restricción como el servicio la tenía
        BEGIN
          EXECUTE 'SET CONSTRAINTS ' || v_ya || ' IMMEDIATE';
          RAISE EXCEPTION USING ERRCODE = 'TK003';
        EXCEPTION WHEN SQLSTATE 'TK003' THEN
          NULL;
        END;
      END IF;
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
      IF left(v_estado, 2) IN ('53', '55', '57')
        OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
        RAISE;
      ELSIF left(v_estado, 2) IN ('22', '23', '54') OR v_estado = 'P0001' THEN
        -- no los deja ir a todos: por partes, y donde no, uno a uno
        FOR v_lote IN SELECT array_agg(x._k1) AS _k1 FROM (
          SELECT f._k1, (row_number() OVER () - 1) / 1000 AS n
          FROM migracion.v_service_requests_solicitudes_servicio f
            WHERE (CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
            OR f._fusion IS NOT NULL)) x GROUP BY x.n LOOP
          BEGIN
            DELETE FROM public.service_requests l USING unnest(v_lote._k1) AS k(_k1) WHERE l.id = k._k1;
            IF v_ya IS NOT NULL THEN
              -- lo que legacy comprobaría al confirmar: lo que rechace queda aquí, y cada restricción como el servicio la tenía
              BEGIN
                EXECUTE 'SET CONSTRAINTS ' || v_ya || ' IMMEDIATE';
                RAISE EXCEPTION USING ERRCODE = 'TK003';
              EXCEPTION WHEN SQLSTATE 'TK003' THEN
                NULL;
              END;
            END IF;
          EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
            PERFORM migracion.volver_solicitudes_servicio('DELETE',
              jsonb_populate_record(NULL::public.solicitudes_servicio,
                jsonb_build_object('id', f.id, 'cliente_id', f.cliente_id, 'telefono', f.telefono,
                'tipo_solicitud', f.tipo_solicitud, 'profesion_solicitada', f.profesion_solicitada, 'ciudad', f.ciudad,
                'latitud', f.latitud, 'longitud', f.longitud, 'proveedores_sugeridos', f.proveedores_sugeridos,
                'estado', f.estado, 'solicitado_at', f.solicitado_at, 'resuelto_at', f.resuelto_at)), NULL)
            FROM migracion.v_service_requests_solicitudes_servicio f JOIN unnest(v_lote._k1) AS k(_k1) ON f._k1 = k._k1
              WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END;
          END;
        END LOOP;
      ELSE
        INSERT INTO migracion.pendiente (tabla_origen, clave, operacion, motivo, sqlstate)
        VALUES ('solicitudes_servicio', '*', TG_OP, v_mensaje, v_estado);
      END IF;
    END;
    RETURN NULL;
  END IF;
  v_nada := migracion.volver_solicitudes_servicio(TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN OLD END,
    CASE WHEN TG_OP <> 'DELETE' THEN NEW END);
  RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)
  IF left(v_estado, 2) IN ('53', '55', '57')
    OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
    IF coalesce(current_setting('migracion.sync', true), '') = '' THEN
      PERFORM nextval(to_regclass('migracion.conflictos_solicitudes_servicio'));
    END IF;
    RAISE;
  END IF;
  IF TG_OP IN ('UPDATE', 'DELETE') THEN v_vieja := to_jsonb(OLD); END IF;
  IF TG_OP IN ('INSERT', 'UPDATE') THEN v_ahora := to_jsonb(NEW); END IF;
  -- la clave, por su sitio en la tabla: sus columnas pueden tener otro nombre
  SELECT string_agg(replace(replace(v_vieja ->> a.attname, E'\\', E'\\\\'), '|', E'\\|'), '|' ORDER BY k.n),
    string_agg(replace(replace(v_ahora ->> a.attname, E'\\', E'\\\\'), '|', E'\\|'), '|' ORDER BY k.n),
    v_vieja || jsonb_object_agg((ARRAY['id'])[k.n], v_vieja -> a.attname::text)
  INTO v_clave, v_nueva, v_vieja
  FROM pg_index i CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY k(columna, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.columna WHERE i.indrelid = TG_RELID AND i.indisprimary;
  v_clave := coalesce(v_clave, v_nueva);
  IF v_nueva <> v_clave THEN
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'solicitudes_servicio' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('solicitudes_servicio', NULL, v_clave, 'CLAVE', NULL, v_mensaje, v_estado);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('solicitudes_servicio', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN v_vieja END, v_mensaje, v_estado);
  RETURN NULL;
END $funcion$;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_service_requests;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_clientes;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_solicitudes_servicio;

REVOKE ALL ON FUNCTION migracion.ida_service_requests_solicitudes_servicio, migracion.sinc_service_requests_solicitudes_servicio,
  migracion.sigue_service_requests_solicitudes_servicio_2, migracion.volver_solicitudes_servicio,
  migracion.vuelta_solicitudes_servicio FROM PUBLIC;

CREATE TRIGGER sinc_service_requests_solicitudes_servicio_i AFTER INSERT
  ON public.service_requests REFERENCING NEW TABLE AS nuevas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'solicitudes_servicio:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_service_requests_solicitudes_servicio();

CREATE TRIGGER sinc_service_requests_solicitudes_servicio_u AFTER UPDATE
  ON public.service_requests REFERENCING OLD TABLE AS viejas NEW TABLE AS nuevas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'solicitudes_servicio:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_service_requests_solicitudes_servicio();

CREATE TRIGGER sinc_service_requests_solicitudes_servicio_d AFTER DELETE
  ON public.service_requests REFERENCING OLD TABLE AS viejas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'solicitudes_servicio:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_service_requests_solicitudes_servicio();

CREATE TRIGGER sinc_service_requests_solicitudes_servicio_t AFTER TRUNCATE ON public.service_requests
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'solicitudes_servicio:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_service_requests_solicitudes_servicio();

CREATE TRIGGER sigue_service_requests_solicitudes_servicio_2_i AFTER INSERT ON public.clientes
  REFERENCING NEW TABLE AS nuevas
  FOR EACH STATEMENT
  EXECUTE FUNCTION migracion.sigue_service_requests_solicitudes_servicio_2();

CREATE TRIGGER sigue_service_requests_solicitudes_servicio_2_d AFTER DELETE ON public.clientes
  REFERENCING OLD TABLE AS viejas
  FOR EACH STATEMENT
  EXECUTE FUNCTION migracion.sigue_service_requests_solicitudes_servicio_2();

CREATE TRIGGER sigue_service_requests_solicitudes_servicio_2_u AFTER UPDATE ON public.clientes
  FOR EACH ROW WHEN (OLD.telefono IS DISTINCT FROM NEW.telefono OR OLD.id IS DISTINCT FROM NEW.id)
  EXECUTE FUNCTION migracion.sigue_service_requests_solicitudes_servicio_2();

CREATE TRIGGER vuelta_solicitudes_servicio_i AFTER INSERT ON public.solicitudes_servicio
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'solicitudes_servicio:' || pg_trigger_depth(), 'clientes:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_solicitudes_servicio();

CREATE TRIGGER vuelta_solicitudes_servicio_u AFTER UPDATE ON public.solicitudes_servicio
  FOR EACH ROW WHEN (OLD *<> NEW AND coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'solicitudes_servicio:' || pg_trigger_depth(), 'clientes:' || pg_trigger_depth())
    AND NOT (coalesce(current_setting('migracion.sync', true), '') IN ('clientes:' || (pg_trigger_depth() - 1))
    AND (OLD.cliente_id IS NOT NULL AND NEW.cliente_id IS NULL AND to_jsonb(OLD) - 'cliente_id' = to_jsonb(NEW) - 'cliente_id')))
  EXECUTE FUNCTION migracion.vuelta_solicitudes_servicio();

CREATE TRIGGER vuelta_solicitudes_servicio_d AFTER DELETE ON public.solicitudes_servicio
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'solicitudes_servicio:' || pg_trigger_depth(), 'clientes:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_solicitudes_servicio();

CREATE TRIGGER vuelta_solicitudes_servicio_t AFTER TRUNCATE ON public.solicitudes_servicio
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'solicitudes_servicio:' || pg_trigger_depth(), 'clientes:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_solicitudes_servicio();
