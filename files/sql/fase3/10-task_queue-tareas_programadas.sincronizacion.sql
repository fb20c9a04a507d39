-- Meta: lo que se escriba en task_queue llega a tareas_programadas, y al revés, en la misma transacción. Lo que no puede ir
--   espera en migracion.pendiente o queda en migracion.cuarentena, y la escritura del servicio vale.
-- Necesita: la vista y las funciones de fase3, y ser dueño de las tablas con disparadores o tener TRIGGER en ellas.
-- Bloqueo: SHARE ROW EXCLUSIVE en cada tabla, un disparador por transacción (60 intentos de 50 ms); quien escribe mientras,
--   espera. Sus funciones bloquean filas como se lee en cada una.
-- Deshacer: fase3 --tags rollback; apagarla sin bloquear nada: estado --tags sincronizacion -e sincronizacion=no.
-- Repetir: las funciones sí; un disparador que ya está, no: la fase los compara y hace solo lo que falta.

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Deja en tareas_programadas las filas legacy de esas claves (p_k) como dice la vista, y a sus gemelas de antes (p_m); lo que no
--   puede ahora, en pendiente. p_entera: puede cambiar quién se fusiona; p_derivadas: solo lo que viene de otra tabla. La llaman
--   los disparadores de task_queue, los de quien se lee, y el drenaje.
CREATE OR REPLACE FUNCTION migracion.ida_task_queue_tareas_programadas(
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
  SELECT s.modo, s.propagacion INTO v_modo, v_tope FROM migracion.sincronizacion s WHERE s.tabla_origen = 'task_queue'
    AND s.tabla_destino = 'tareas_programadas';
  IF coalesce(cardinality(p_k1), 0) = 0 OR v_modo IS NULL AND v_firme THEN RETURN; END IF;
  IF v_modo = 'claves'
    OR strpos(coalesce(current_setting('migracion.claves', true), ''), '|task_queue>tareas_programadas|') > 0 THEN
    v_modo := 'claves';
    PERFORM set_config('migracion.claves', coalesce(current_setting('migracion.claves', true),
      '') || '|task_queue>tareas_programadas|', true) WHERE NOT strpos(coalesce(current_setting('migracion.claves', true), ''),
      '|task_queue>tareas_programadas|') > 0;
  END IF;
  IF v_modo IS DISTINCT FROM 'si' THEN
    -- sin modo: se instaló después de su foto
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'task_queue', 'tareas_programadas', k._k1::text, jsonb_build_array(k._m1),
      CASE WHEN v_modo IS NULL THEN 'aislamiento' WHEN v_modo = 'claves' THEN 'carga' ELSE 'apagada' END, NULL
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    RETURN;
  END IF;
  IF v_firme THEN
    -- primero lo que la vista lee y quien escribe no tiene; cada bloqueo espera, y la sentencia siguiente lee lo confirmado
    IF v_una THEN
      SELECT true AS _esta, t.id, t.tipo_tarea, t.payload, t.estado, t.prioridad, t.programada_at, t.iniciada_at, t.completada_at,
        t.mensaje_error, t.intentos, t.max_intentos, t.creado_at INTO v_t FROM public.tareas_programadas t WHERE t.id = p_m1[1]
        FOR NO KEY UPDATE OF t;
    ELSE
      PERFORM 1 FROM public.tareas_programadas t WHERE t.id = ANY (p_m1) ORDER BY t.id FOR NO KEY UPDATE OF t;
    END IF;
  ELSE
    -- lo que su foto no ve lo mira el drenaje
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'task_queue', 'tareas_programadas', k._k1::text, jsonb_build_array(k._m1), 'aislamiento', NULL
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    SELECT true AS _esta, t.id, t.tipo_tarea, t.payload, t.estado, t.prioridad, t.programada_at, t.iniciada_at, t.completada_at,
      t.mensaje_error, t.intentos, t.max_intentos, t.creado_at INTO v_t FROM public.tareas_programadas t WHERE t.id = p_m1[1];
  END IF;
  IF EXISTS (SELECT FROM migracion.cuarentena c, unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'tareas_programadas'
    AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1)) THEN
    -- en español tienen una clave que legacy no tomó: lo escrito aquí prevalece
    v_marca := set_config('migracion.sync', 'tareas_programadas:' || pg_trigger_depth(), true);
    UPDATE public.tareas_programadas t SET id = k._m1 FROM unnest(p_k1, p_m1) AS k(_k1, _m1) JOIN migracion.cuarentena c
      ON c.tabla_origen = 'tareas_programadas' AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1)
    WHERE t.id = (c.fila ->> 'id')::uuid AND NOT EXISTS (SELECT FROM public.tareas_programadas o WHERE o.id = k._m1);
    v_marca := set_config('migracion.sync', v_antes, true);
    UPDATE migracion.cuarentena c SET clave = k._m1::text, antes = NULL, sobrescrita_at = now()
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1)
    WHERE c.tabla_origen = 'tareas_programadas' AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1);
    SELECT true AS _esta, t.id, t.tipo_tarea, t.payload, t.estado, t.prioridad, t.programada_at, t.iniciada_at, t.completada_at,
      t.mensaje_error, t.intentos, t.max_intentos, t.creado_at INTO v_t FROM public.tareas_programadas t WHERE t.id = p_m1[1];
  END IF;
  IF EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'tareas_programadas')
    AND EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'tareas_programadas'
      AND p.clave = ANY (ARRAY(SELECT k._m1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1)))) THEN
    IF v_firme THEN
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'task_queue', 'tareas_programadas', k._k1::text, jsonb_build_array(k._m1), 'espera a la otra', NULL
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    END IF;
    RETURN;
  END IF;
  -- de qué filas hay algo anotado: esas no van por el camino corto
  SELECT ARRAY(SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'task_queue' AND c.estado <> 'resuelta'
    AND c.clave = ANY (ARRAY(SELECT k._k1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1)))),
    ARRAY(SELECT m.clave FROM migracion.fusion m WHERE m.tabla_origen = 'task_queue' AND m.tabla_destino = 'tareas_programadas'
      AND m.clave = ANY (ARRAY(SELECT k._k1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1))))
    || ARRAY(SELECT k._k1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1), migracion.cuarentena c
      WHERE c.tabla_origen = 'tareas_programadas' AND c.estado <> 'resuelta' AND c.clave = k._m1::text) INTO v_abiertas,
      v_anotadas;
  IF v_una AND v_abiertas = '{}' AND v_anotadas = '{}' THEN
    SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.tipo_tarea, f.payload,
      f.estado, f.prioridad, f.programada_at, f.iniciada_at, f.completada_at, f.mensaje_error, f.intentos, f.max_intentos,
      f.creado_at INTO v_f FROM migracion.v_task_queue_tareas_programadas f WHERE f._k1 = p_k1[1] AND f.id = p_m1[1];
    IF FOUND AND v_f._entra THEN
      v_hecho := true; v_nace := v_t._esta IS NULL;
      IF v_nace THEN
        BEGIN
          v_marca := set_config('migracion.sync', 'tareas_programadas:' || pg_trigger_depth(), true);
          INSERT INTO public.tareas_programadas AS t (id, tipo_tarea, payload, estado, prioridad, programada_at, iniciada_at,
            completada_at, mensaje_error, intentos, max_intentos, creado_at) VALUES (v_f.id, v_f.tipo_tarea, v_f.payload,
            v_f.estado, v_f.prioridad, v_f.programada_at, v_f.iniciada_at, v_f.completada_at, v_f.mensaje_error, v_f.intentos,
            v_f.max_intentos, v_f.creado_at)
          RETURNING true AS _esta, t.id, t.tipo_tarea, t.payload, t.estado, t.prioridad, t.programada_at, t.iniciada_at,
            t.completada_at, t.mensaje_error, t.intentos, t.max_intentos, t.creado_at INTO v_t;
          v_marca := set_config('migracion.sync', v_antes, true);
          IF v_t._esta IS NULL THEN
            INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
              SELECT 'task_queue', 'tareas_programadas', k._k1::text, jsonb_build_array(k._m1),
                'un disparador de tareas_programadas no la deja pasar', NULL FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
          ELSIF ROW(v_t.id, v_t.tipo_tarea, v_t.payload, v_t.estado, v_t.prioridad, v_t.programada_at, v_t.iniciada_at,
            v_t.completada_at, v_t.mensaje_error, v_t.intentos, v_t.max_intentos, v_t.creado_at)::record *<> ROW(v_f.id,
            v_f.tipo_tarea, v_f.payload, v_f.estado, v_f.prioridad, v_f.programada_at, v_f.iniciada_at, v_f.completada_at,
            v_f.mensaje_error, v_f.intentos, v_f.max_intentos, v_f.creado_at)::record THEN
            -- un disparador de la tabla escribió otra cosa: eso vuelve
            PERFORM migracion.volver_tareas_programadas('UPDATE', jsonb_populate_record(t,
              jsonb_build_object('id', v_f.id, 'tipo_tarea', v_f.tipo_tarea, 'payload', v_f.payload, 'estado', v_f.estado,
              'prioridad', v_f.prioridad, 'programada_at', v_f.programada_at, 'iniciada_at', v_f.iniciada_at,
              'completada_at', v_f.completada_at, 'mensaje_error', v_f.mensaje_error, 'intentos', v_f.intentos,
              'max_intentos', v_f.max_intentos, 'creado_at', v_f.creado_at)), t)
            FROM public.tareas_programadas t WHERE t.id = p_m1[1];
          END IF;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
          v_hecho := false; v_nace := false;
        END;
      ELSE
      IF ROW(v_t.tipo_tarea, v_t.payload, v_t.estado, v_t.prioridad, v_t.programada_at, v_t.iniciada_at, v_t.completada_at,
        v_t.mensaje_error, v_t.intentos, v_t.max_intentos, v_t.creado_at)::record *<> ROW(v_f.tipo_tarea, v_f.payload, v_f.estado,
        v_f.prioridad, v_f.programada_at, v_f.iniciada_at, v_f.completada_at, v_f.mensaje_error, v_f.intentos, v_f.max_intentos,
        v_f.creado_at)::record THEN
        BEGIN
          v_marca := set_config('migracion.sync', 'tareas_programadas:' || pg_trigger_depth(), true);
          UPDATE public.tareas_programadas t SET tipo_tarea = v_f.tipo_tarea, payload = v_f.payload, estado = v_f.estado,
            prioridad = v_f.prioridad, programada_at = v_f.programada_at, iniciada_at = v_f.iniciada_at,
            completada_at = v_f.completada_at, mensaje_error = v_f.mensaje_error, intentos = v_f.intentos,
            max_intentos = v_f.max_intentos, creado_at = v_f.creado_at WHERE t.id = p_m1[1]
          RETURNING true AS _esta, t.id, t.tipo_tarea, t.payload, t.estado, t.prioridad, t.programada_at, t.iniciada_at,
            t.completada_at, t.mensaje_error, t.intentos, t.max_intentos, t.creado_at INTO v_t;
          v_marca := set_config('migracion.sync', v_antes, true);
          IF v_t._esta IS NULL THEN
            INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
              SELECT 'task_queue', 'tareas_programadas', k._k1::text, jsonb_build_array(k._m1),
                'un disparador de tareas_programadas no la deja pasar', NULL FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
          ELSIF ROW(v_t.tipo_tarea, v_t.payload, v_t.estado, v_t.prioridad, v_t.programada_at, v_t.iniciada_at, v_t.completada_at,
            v_t.mensaje_error, v_t.intentos, v_t.max_intentos, v_t.creado_at)::record *<> ROW(v_f.tipo_tarea, v_f.payload,
            v_f.estado, v_f.prioridad, v_f.programada_at, v_f.iniciada_at, v_f.completada_at, v_f.mensaje_error, v_f.intentos,
            v_f.max_intentos, v_f.creado_at)::record THEN
            -- un disparador de la tabla escribió otra cosa: eso vuelve
            PERFORM migracion.volver_tareas_programadas('UPDATE', jsonb_populate_record(t,
              jsonb_build_object('tipo_tarea', v_f.tipo_tarea, 'payload', v_f.payload, 'estado', v_f.estado,
              'prioridad', v_f.prioridad, 'programada_at', v_f.programada_at, 'iniciada_at', v_f.iniciada_at,
              'completada_at', v_f.completada_at, 'mensaje_error', v_f.mensaje_error, 'intentos', v_f.intentos,
              'max_intentos', v_f.max_intentos, 'creado_at', v_f.creado_at)), t)
            FROM public.tareas_programadas t WHERE t.id = p_m1[1];
          END IF;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
          v_hecho := false;
        END;
      END IF;
      END IF;
    END IF;
  END IF;
  IF NOT v_una THEN
    BEGIN
      v_marca := set_config('migracion.sync', 'tareas_programadas:' || pg_trigger_depth(), true);
      WITH f AS MATERIALIZED (
        SELECT f._k1, f.id, f.tipo_tarea, f.payload, f.estado, f.prioridad, f.programada_at, f.iniciada_at, f.completada_at,
          f.mensaje_error, f.intentos, f.max_intentos, f.creado_at, t.id IS NOT NULL AS _esta,
          CASE WHEN t.id IS NOT NULL THEN ROW(t.tipo_tarea, t.payload, t.estado, t.prioridad, t.programada_at, t.iniciada_at,
          t.completada_at, t.mensaje_error, t.intentos, t.max_intentos, t.creado_at)::record *<> ROW(f.tipo_tarea, f.payload,
          f.estado, f.prioridad, f.programada_at, f.iniciada_at, f.completada_at, f.mensaje_error, f.intentos, f.max_intentos,
          f.creado_at)::record END AS _distinta
        FROM unnest(p_k1, p_m1) AS k(_k1, _m1) JOIN migracion.v_task_queue_tareas_programadas f ON f._k1 = k._k1 AND f.id = k._m1
          LEFT JOIN public.tareas_programadas t ON t.id = f.id
        WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AND f._clave <> ALL (v_abiertas)
          AND f._clave <> ALL (v_anotadas)
      ), nuevas AS (
        INSERT INTO public.tareas_programadas (id, tipo_tarea, payload, estado, prioridad, programada_at, iniciada_at,
          completada_at, mensaje_error, intentos, max_intentos, creado_at) SELECT f.id, f.tipo_tarea, f.payload, f.estado,
          f.prioridad, f.programada_at, f.iniciada_at, f.completada_at, f.mensaje_error, f.intentos, f.max_intentos, f.creado_at
          FROM f WHERE NOT f._esta
        RETURNING 1
      ), corregidas AS (
        UPDATE public.tareas_programadas t SET tipo_tarea = f.tipo_tarea, payload = f.payload, estado = f.estado,
          prioridad = f.prioridad, programada_at = f.programada_at, iniciada_at = f.iniciada_at, completada_at = f.completada_at,
          mensaje_error = f.mensaje_error, intentos = f.intentos, max_intentos = f.max_intentos, creado_at = f.creado_at
        FROM f WHERE f._distinta AND t.id = f.id
      ), k AS (
        SELECT * FROM unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE NOT EXISTS (SELECT FROM f WHERE f._k1 = k._k1 AND f.id = k._m1)
      )
      SELECT EXISTS (SELECT FROM nuevas), (SELECT array_agg(k._k1) FROM k), (SELECT array_agg(k._m1) FROM k) INTO v_nace, r_k1,
        r_m1;
      v_marca := set_config('migracion.sync', v_antes, true);
      v_hecho := r_k1 IS NULL;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
      v_nace := false; r_k1 := p_k1; r_m1 := p_m1;
    END;
  ELSE
    r_k1 := p_k1; r_m1 := p_m1;
  END IF;
  IF NOT v_hecho THEN
    v_marca := set_config('migracion.sync', 'tareas_programadas:' || pg_trigger_depth(), true);
    -- lo que un servicio borró se va sin más, si nada cuelga de ello y no estaba retenido
    DELETE FROM public.tareas_programadas t USING unnest(r_k1, r_m1) AS k(_k1, _m1)
    WHERE t.id = k._m1 AND NOT EXISTS (SELECT FROM public.task_queue l WHERE l.id = k._k1) AND k._k1::text <> ALL (v_abiertas)
      AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        WHERE g.tgrelid = 'public.tareas_programadas'::regclass AND g.tgisinternal);
    GET DIAGNOSTICS v_filas = ROW_COUNT;
    IF v_filas < cardinality(r_k1) THEN
      -- lo que la sincronización lleva puede salir con la fila de la que depende; lo demás la retiene
      v_marca := set_config('migracion.lleva', (coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_array('public',
        m.tabla_destino)) FROM migracion.sincronizacion m), '[]'))::text, true);
      PERFORM migracion.llevar_task_queue_tareas_programadas(array_agg(k._k1), 'sincronizacion')
      FROM (SELECT DISTINCT k._k1 FROM unnest(r_k1, r_m1) AS k(_k1, _m1)) k
        WHERE NOT (NOT EXISTS (SELECT FROM public.task_queue l WHERE l.id = k._k1)) HAVING count(*) > 0;
      PERFORM migracion.quitar_tareas_programadas(array_agg(t.id), 'sincronizacion')
      FROM public.tareas_programadas t WHERE t.id = ANY (r_m1) AND NOT (EXISTS (SELECT 1
        FROM migracion.v_task_queue_tareas_programadas f WHERE f.id = t.id
        AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
        OR (EXISTS (SELECT 1 FROM migracion.v_task_queue_tareas_programadas f WHERE f.id = t.id
        AND f._rechazo IS NOT NULL OFFSET 0)))
      HAVING count(*) > 0;
      IF FOUND THEN
        -- a las que retiene una fila ajena: se quedan, y así consta
        INSERT INTO migracion.cuarentena (tabla_origen, clave, fila, sqlstate, motivo, origen)
        SELECT 'tareas_programadas', t.id::text, to_jsonb(t.*), '23503',
          'no se retira: ' || h.motivo, 'sincronizacion'
        FROM public.tareas_programadas t CROSS JOIN LATERAL (SELECT string_agg(DISTINCT a.motivo, '; ') AS motivo
          FROM migracion.alcance(t.tableoid, ARRAY[t.ctid]) a) h
        WHERE t.id = ANY (r_m1) AND h.motivo IS NOT NULL AND NOT (EXISTS (SELECT 1
          FROM migracion.v_task_queue_tareas_programadas f WHERE f.id = t.id
          AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
          OR (EXISTS (SELECT 1 FROM migracion.v_task_queue_tareas_programadas f WHERE f.id = t.id
          AND f._rechazo IS NOT NULL OFFSET 0)))
        ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO NOTHING;
      END IF;
      -- la vista la deja pasar y no está: falta su padre todavía
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'task_queue', 'tareas_programadas', k._k1::text, jsonb_build_array(k._m1), 'falta la fila de la que depende', NULL
      FROM (SELECT DISTINCT k._k1, k._m1 FROM unnest(r_k1, r_m1) AS k(_k1, _m1)) k
      JOIN migracion.v_task_queue_tareas_programadas f ON f._k1 = k._k1
      WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      AND NOT EXISTS (SELECT FROM public.tareas_programadas t WHERE t.id = f.id)
      AND NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.tabla_origen = 'task_queue' AND c.estado <> 'resuelta'
      AND c.clave = f._clave);
    END IF;
    IF v_abiertas <> '{}' THEN
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'task_queue' AND c.estado <> 'resuelta'
        AND c.clave = k._k1::text AND NOT EXISTS (SELECT FROM public.task_queue l WHERE l.id = k._k1);
    END IF;
    IF v_anotadas <> '{}' THEN
      DELETE FROM migracion.fusion m USING unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE m.tabla_origen = 'task_queue'
        AND m.tabla_destino = 'tareas_programadas' AND m.clave = k._k1::text
        AND NOT EXISTS (SELECT FROM migracion.v_task_queue_tareas_programadas f WHERE f._k1 = k._k1 AND f._fusion IS NOT NULL);
      UPDATE migracion.cuarentena c SET sobrescrita_at = now(),
        estado = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN 'resuelta' ELSE c.estado END,
          resuelta_at = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN now() END,
        resolucion = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN 'la fila vuelve a deberse a legacy' END
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) JOIN migracion.v_task_queue_tareas_programadas f ON f._k1 = k._k1
      WHERE c.tabla_origen = 'tareas_programadas' AND c.estado <> 'resuelta' AND c.clave = k._m1::text
        AND c.sobrescrita_at IS NULL AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
        AND EXISTS (SELECT FROM public.tareas_programadas t WHERE t.id = k._m1
        AND NOT (ROW(t.tipo_tarea, t.payload, t.estado, t.prioridad, t.programada_at, t.iniciada_at, t.completada_at,
        t.mensaje_error, t.intentos, t.max_intentos, t.creado_at)::record *<> ROW(f.tipo_tarea, f.payload, f.estado, f.prioridad,
        f.programada_at, f.iniciada_at, f.completada_at, f.mensaje_error, f.intentos, f.max_intentos, f.creado_at)::record));
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'tareas_programadas' AND c.estado <> 'resuelta'
        AND c.clave = k._m1::text AND NOT EXISTS (SELECT FROM public.tareas_programadas t WHERE t.id = k._m1)
        AND NOT EXISTS (SELECT FROM public.task_queue l WHERE l.id = k._k1);
    END IF;
    v_marca := set_config('migracion.sync', v_antes, true);
  END IF;
    IF cardinality(p_k1) > 1 AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = 'public.tareas_programadas'::regclass
      AND NOT g.tgisinternal AND g.tgfoid <> 'migracion.tocar_actualizado'::regproc
      AND g.tgtype & 3 = 3 AND g.tgenabled <> 'D') THEN
      -- un disparador de un servicio puede haber escrito otra cosa: se mira una a una
      PERFORM migracion.ida_task_queue_tareas_programadas(ARRAY[k._k1], ARRAY[k._m1], false, p_derivadas)
        FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    END IF;
  -- si una fila sigue pasando nadie más lo nota
  IF NOT (p_entera OR v_nace) THEN
    IF NOT v_hecho THEN v_abiertas := v_abiertas || ARRAY(SELECT c.clave FROM migracion.cuarentena c,
      unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'task_queue' AND c.estado <> 'resuelta'
      AND c.clave = k._k1::text); END IF;
    IF v_abiertas = '{}' THEN RETURN; END IF;
    SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM unnest(p_k1, p_m1) AS k(_k1, _m1)
      WHERE k._k1::text = ANY (v_abiertas);
  END IF;
END $funcion$;

-- Nombra las filas de task_queue que una sentencia tocó y llama a ida. La llaman los disparadores de task_queue.
CREATE OR REPLACE FUNCTION migracion.sinc_task_queue_tareas_programadas() RETURNS trigger
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
  v_nada := migracion.anotar_escritura('task_queue');
  IF TG_OP = 'TRUNCATE' THEN
    IF (EXISTS (SELECT FROM migracion.sincronizacion s WHERE s.tabla_origen = 'task_queue'
      AND s.tabla_destino = 'tareas_programadas' AND s.modo = 'claves')
      OR strpos(coalesce(current_setting('migracion.claves', true), ''), '|task_queue>tareas_programadas|') > 0) THEN
      PERFORM set_config('migracion.claves', coalesce(current_setting('migracion.claves', true),
        '') || '|task_queue>tareas_programadas|', true) WHERE NOT strpos(coalesce(current_setting('migracion.claves', true), ''),
        '|task_queue>tareas_programadas|') > 0;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, motivo, sqlstate)
    VALUES ('task_queue', 'tareas_programadas', '*', 'carga', NULL);
    ELSE
      SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT t.id::uuid AS _k1, t.id AS _m1
        FROM public.tareas_programadas t) k;
    END IF;
    -- también de lo que no pasaba
    UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
    WHERE c.tabla_origen = 'task_queue' AND c.estado <> 'resuelta'
      AND NOT EXISTS (SELECT FROM public.task_queue l);
    DELETE FROM migracion.fusion m WHERE m.tabla_origen = 'task_queue' AND m.tabla_destino = 'tareas_programadas'
      AND NOT EXISTS (SELECT FROM public.task_queue l);
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
      SELECT 'sincronizacion', 'tareas_programadas', t.id::text, to_jsonb(t.*)
      FROM (SELECT o.id AS _k1, o.id AS _m1 FROM viejas o) k JOIN public.tareas_programadas t ON t.id = k._m1
      WHERE NOT EXISTS (SELECT FROM nuevas n WHERE n.id = k._k1)
        AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        WHERE g.tgrelid = 'public.tareas_programadas'::regclass AND g.tgisinternal);
    END IF;
  END IF;
  IF p_k1 IS NULL THEN RETURN NULL; END IF;
  v_nada := migracion.ida_task_queue_tareas_programadas(p_k1, p_m1, v_entera, false);
  RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)
  IF left(v_estado, 2) IN ('53', '55', '57')
    OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
    IF coalesce(current_setting('migracion.sync', true), '') = '' THEN
      PERFORM nextval(to_regclass('migracion.conflictos_task_queue'));
    END IF;
    RAISE;
  END IF;
  INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'task_queue', 'tareas_programadas', k._k1::text, jsonb_build_array(k._m1), v_mensaje, v_estado
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
  IF p_k1 IS NULL THEN
    -- alguien cambió el nombre de una columna de la clave
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, motivo, sqlstate)
    VALUES ('task_queue', 'tareas_programadas', '*', v_mensaje, v_estado);
  END IF;
  RETURN NULL;
END $funcion$;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Lleva a las tablas legacy lo que un servicio escribió en una fila de tareas_programadas: p_vieja y p_nueva son la fila antes y
--   después. La llaman los disparadores de la tabla y el drenaje.
CREATE OR REPLACE FUNCTION migracion.volver_tareas_programadas(
  p_orden text, p_vieja public.tareas_programadas, p_nueva public.tareas_programadas) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_modos text[]; v_antes text := coalesce(current_setting('migracion.sync', true),
    ''); v_clave text; v_hay boolean := false; v_casa integer := 0;
  v_filas bigint; v_ya text; v_nueva text; v_aqui text; v_alli text; v_otra jsonb; v_escritas text[]; v_marca text;
  v_estado text; v_mensaje text; v_detalle text; v_poner jsonb := '{}'; v_f record; v_g record;
  s public.tareas_programadas; v_l public.tareas_programadas;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
BEGIN
  SELECT array_agg(m.modo) INTO v_modos FROM migracion.sincronizacion m
  WHERE m.tabla_destino = 'tareas_programadas' AND ((m.tabla_origen = 'task_queue'));
  IF v_modos IS NULL AND v_firme THEN RETURN; END IF;
  BEGIN
    v_clave := CASE p_orden WHEN 'INSERT' THEN p_nueva.id::text
      ELSE p_vieja.id::text END;
    v_nueva := CASE p_orden WHEN 'UPDATE' THEN p_nueva.id::text END;
    v_aqui := coalesce(v_nueva, v_clave); v_alli := v_clave;
    IF v_nueva <> v_clave THEN
      UPDATE migracion.cuarentena c SET clave = v_nueva, fila = c.fila || jsonb_build_object('id', p_nueva.id)
      WHERE c.tabla_origen = 'tareas_programadas' AND c.estado <> 'resuelta' AND c.clave = v_clave
        AND NOT EXISTS (SELECT FROM migracion.cuarentena o WHERE o.tabla_origen = 'tareas_programadas' AND o.estado <> 'resuelta'
          AND o.clave = v_nueva);
    END IF;
    IF v_modos IS NULL OR v_modos && ARRAY['no', 'claves'] THEN
      -- sin modo: se instaló después de su foto
      IF v_nueva <> v_clave THEN
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'tareas_programadas' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('tareas_programadas', NULL, v_clave, 'CLAVE', NULL, CASE WHEN v_modos IS NULL THEN 'aislamiento' ELSE 'apagada' END,
        NULL);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('tareas_programadas', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, CASE WHEN v_modos IS NULL THEN 'aislamiento' ELSE 'apagada' END,
      NULL);
      RETURN;
    END IF;
    s := p_nueva;
    v_escritas := array_remove(ARRAY[CASE WHEN p_orden <> 'UPDATE' OR p_vieja.id::text IS DISTINCT FROM p_nueva.id::text
      THEN 'id' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.tipo_tarea::text IS DISTINCT FROM p_nueva.tipo_tarea::text
      THEN 'tipo_tarea' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.payload::text IS DISTINCT FROM p_nueva.payload::text
      THEN 'payload' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text
      THEN 'estado' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.prioridad::text IS DISTINCT FROM p_nueva.prioridad::text
      THEN 'prioridad' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.programada_at::text IS DISTINCT FROM p_nueva.programada_at::text
      THEN 'programada_at' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.iniciada_at::text IS DISTINCT FROM p_nueva.iniciada_at::text
      THEN 'iniciada_at' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.completada_at::text IS DISTINCT FROM p_nueva.completada_at::text
      THEN 'completada_at' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.mensaje_error::text IS DISTINCT FROM p_nueva.mensaje_error::text
      THEN 'mensaje_error' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.intentos::text IS DISTINCT FROM p_nueva.intentos::text
      THEN 'intentos' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.max_intentos::text IS DISTINCT FROM p_nueva.max_intentos::text
      THEN 'max_intentos' END, CASE WHEN p_orden <> 'UPDATE' OR p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
      THEN 'creado_at' END]::text[], NULL);
    IF p_orden <> 'INSERT' THEN
      -- la clave que tiene no la tomó legacy: allí es la de antes
      SELECT c.antes INTO v_otra FROM migracion.cuarentena c WHERE c.tabla_origen = 'tareas_programadas' AND c.clave = v_aqui
        AND c.estado <> 'resuelta' AND c.antes IS NOT NULL;
      IF FOUND THEN
        p_vieja := jsonb_populate_record(p_vieja, v_otra); v_alli := p_vieja.id::text;
      END IF;
    END IF;
    IF v_casa = 0 AND p_orden <> 'INSERT' THEN
      FOR v_vez IN 1 .. 40 LOOP
        PERFORM 1 FROM public.task_queue l WHERE l.id = (p_vieja.id)::uuid FOR NO KEY UPDATE OF l SKIP LOCKED;
        v_hay := FOUND;
        EXIT WHEN v_hay OR NOT EXISTS (SELECT FROM public.task_queue l WHERE l.id = (p_vieja.id)::uuid);
        PERFORM pg_sleep(0.005);
      END LOOP;
      IF NOT v_hay AND EXISTS (
        WITH RECURSIVE esperan AS (
          SELECT pg_backend_pid() AS pid
          UNION SELECT w.pid FROM esperan e JOIN pg_locks w ON NOT w.granted AND e.pid = ANY (pg_blocking_pids(w.pid))),
        tienen AS (
          SELECT h.pid FROM pg_locks h WHERE h.locktype = 'transactionid' AND h.granted
            AND h.transactionid IN (SELECT l.xmax FROM public.task_queue l WHERE l.id = (p_vieja.id)::uuid))
        SELECT FROM esperan e WHERE e.pid <> pg_backend_pid()
          AND (e.pid IN (SELECT x.pid FROM tienen x) OR NOT EXISTS (SELECT FROM tienen))) THEN
        RAISE EXCEPTION USING ERRCODE = '40001',
          MESSAGE = 'otra transacción tiene la fila de task_queue y espera a esta; repita la suya';
      END IF;
      IF NOT v_hay THEN
        PERFORM 1 FROM public.task_queue l WHERE l.id = (p_vieja.id)::uuid FOR NO KEY UPDATE OF l;
        v_hay := FOUND;
      END IF;
      IF v_hay THEN v_casa := 1; END IF;
    END IF;
    IF p_orden = 'UPDATE' AND v_casa = 0 AND EXISTS (SELECT FROM migracion.cuarentena c
      WHERE c.tabla_origen = 'tareas_programadas' AND c.clave = v_aqui AND c.estado <> 'resuelta') OR p_orden = 'UPDATE'
      AND v_casa = 0 AND v_nueva <> v_clave
      AND NOT EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'task_queue' AND p.clave IN (
        (p_vieja.id)::uuid::text,
        (p_nueva.id)::uuid::text)) THEN
      -- una que no nació aún, y ya tiene otra clave
      p_orden := 'INSERT'; v_escritas := ARRAY['id', 'tipo_tarea', 'payload', 'estado', 'prioridad', 'programada_at',
        'iniciada_at', 'completada_at', 'mensaje_error', 'intentos', 'max_intentos', 'creado_at'];
    END IF;
    -- mientras una clave legacy de la fila espera, esta espera con ella
    IF EXISTS (SELECT FROM migracion.pendiente p WHERE (p.tabla_origen = 'task_queue' AND p.clave IN (
        (p_vieja.id)::uuid::text,
        (p_nueva.id)::uuid::text))
      AND p.motivo <> 'aislamiento') AND coalesce(current_setting('migracion.drenaje', true), '') = '' THEN
      IF v_nueva <> v_clave THEN
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'tareas_programadas' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('tareas_programadas', NULL, v_clave, 'CLAVE', NULL, 'espera a la otra', NULL);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('tareas_programadas', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, 'espera a la otra', NULL);
      RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid IN ('public.task_queue'::regclass) AND g.tgdeferrable) THEN
      SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO v_ya
      FROM pg_trigger g JOIN pg_constraint c ON c.oid = g.tgconstraint JOIN pg_namespace n ON n.oid = c.connamespace
      WHERE g.tgrelid IN ('public.task_queue'::regclass) AND g.tgdeferrable AND c.contype <> 't';
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
    v_marca := set_config('migracion.sync', 'tareas_programadas:' || pg_trigger_depth(), true);
    IF p_orden = 'DELETE' THEN
      WITH d0 AS (DELETE FROM public.task_queue l WHERE l.id = (p_vieja.id)::uuid RETURNING 'task_queue' AS tabla,
        l.id::text AS clave)
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      WHERE (c.tabla_origen, c.clave) IN (SELECT * FROM d0 UNION ALL SELECT 'tareas_programadas', v_aqui)
        AND c.estado <> 'resuelta';
      IF EXISTS (SELECT FROM public.task_queue l WHERE l.id = (p_vieja.id)::uuid)
        AND NOT EXISTS (SELECT FROM public.tareas_programadas t WHERE t.id = p_vieja.id) THEN
        RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'un disparador de task_queue no la deja pasar';
      END IF;
      DELETE FROM migracion.fusion m
      WHERE m.tabla_destino = 'tareas_programadas' AND m.clave_destino = v_alli;
    ELSIF p_orden = 'INSERT' THEN
      SELECT t.* INTO s FROM public.tareas_programadas t WHERE t.id = p_nueva.id;
      IF FOUND THEN
      INSERT INTO public.task_queue (id, task_type, payload, status, priority, scheduled_at, started_at, completed_at,
        error_message, retry_count, max_retries, created_at) VALUES ((s.id)::uuid,
        (CASE s.tipo_tarea WHEN 'enviar_whatsapp' THEN 'send_whatsapp' WHEN 'recordatorio' THEN 'reminder' WHEN 'seguimiento'
        THEN 'follow_up' WHEN 'notificacion' THEN 'notification' ELSE s.tipo_tarea::text END)::text, (s.payload)::jsonb,
        (CASE s.estado WHEN 'pendiente' THEN 'pending' WHEN 'en_progreso' THEN 'processing' WHEN 'completada' THEN 'completed'
        WHEN 'fallida' THEN 'failed' WHEN 'cancelada' THEN 'cancelled' ELSE s.estado::text END)::text, (s.prioridad)::integer,
        (s.programada_at AT TIME ZONE 'UTC')::timestamp with time zone,
        (s.iniciada_at AT TIME ZONE 'UTC')::timestamp with time zone,
        (s.completada_at AT TIME ZONE 'UTC')::timestamp with time zone, (s.mensaje_error)::text, (s.intentos)::integer,
        (s.max_intentos)::integer, (s.creado_at AT TIME ZONE 'UTC')::timestamp with time zone);
      v_marca := set_config('migracion.sync', v_antes, true);
      SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.tipo_tarea, f.payload,
        f.estado, f.prioridad, f.programada_at, f.iniciada_at, f.completada_at, f.mensaje_error, f.intentos, f.max_intentos,
        f.creado_at INTO v_f FROM migracion.v_task_queue_tareas_programadas f JOIN public.task_queue l ON l.id = f._k1
        WHERE l.id = (s.id)::uuid;
      IF NOT FOUND OR NOT v_firme OR NOT v_f._entra OR ROW(s.id, s.tipo_tarea, s.payload, s.estado, s.prioridad, s.programada_at,
        s.iniciada_at, s.completada_at, s.mensaje_error, s.intentos, s.max_intentos, s.creado_at)::record *<> ROW(v_f.id,
        v_f.tipo_tarea, v_f.payload, v_f.estado, v_f.prioridad, v_f.programada_at, v_f.iniciada_at, v_f.completada_at,
        v_f.mensaje_error, v_f.intentos, v_f.max_intentos, v_f.creado_at)::record THEN
      PERFORM migracion.ida_task_queue_tareas_programadas(array_agg(l.id), array_agg(s.id), true, false)
      FROM public.task_queue l WHERE l.id = (s.id)::uuid HAVING count(*) > 0;
      IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'un disparador de task_queue no la deja pasar'; END IF;
      END IF;
      END IF;
    ELSIF v_casa = 0 THEN
      NULL;  -- la fila legacy ya no está: quien la borró se lleva a esta
    ELSIF v_casa = 1 THEN
      SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.tipo_tarea, f.payload,
        f.estado, f.prioridad, f.programada_at, f.iniciada_at, f.completada_at, f.mensaje_error, f.intentos, f.max_intentos,
        f.creado_at INTO v_f FROM migracion.v_task_queue_tareas_programadas f JOIN public.task_queue l ON l.id = f._k1
        WHERE l.id = (p_vieja.id)::uuid;
      SELECT t.* INTO s FROM public.tareas_programadas t WHERE t.id = p_nueva.id;
      IF FOUND THEN
        v_l := CASE WHEN v_otra IS NOT NULL AND v_nueva = v_clave THEN jsonb_populate_record(s, v_otra) ELSE s END;
        IF (v_otra IS NULL OR v_nueva <> v_clave) AND p_vieja.id::text IS DISTINCT FROM p_nueva.id::text
          AND v_f.id::text IS DISTINCT FROM s.id::text THEN
          v_poner := v_poner || jsonb_build_object('id', '(n.id)::uuid');
        END IF;
        IF p_vieja.tipo_tarea::text IS DISTINCT FROM p_nueva.tipo_tarea::text
          AND v_f.tipo_tarea::text IS DISTINCT FROM s.tipo_tarea::text THEN
          v_poner := v_poner || jsonb_build_object('task_type',
            '(CASE n.tipo_tarea WHEN ''enviar_whatsapp'' THEN ''send_whatsapp'' WHEN ''recordatorio'' THEN ''reminder'' WHEN ''seguimiento'' THEN ''follow_up'' WHEN ''notificacion'' THEN ''notification'' ELSE n.tipo_tarea::text END)::text');
        END IF;
        IF p_vieja.payload::text IS DISTINCT FROM p_nueva.payload::text AND v_f.payload::text IS DISTINCT FROM s.payload::text
          THEN
          v_poner := v_poner || jsonb_build_object('payload', '(n.payload)::jsonb');
        END IF;
        IF p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text AND v_f.estado::text IS DISTINCT FROM s.estado::text THEN
          v_poner := v_poner || jsonb_build_object('status',
            '(CASE n.estado WHEN ''pendiente'' THEN ''pending'' WHEN ''en_progreso'' THEN ''processing'' WHEN ''completada'' THEN ''completed'' WHEN ''fallida'' THEN ''failed'' WHEN ''cancelada'' THEN ''cancelled'' ELSE n.estado::text END)::text');
        END IF;
        IF p_vieja.prioridad::text IS DISTINCT FROM p_nueva.prioridad::text
          AND v_f.prioridad::text IS DISTINCT FROM s.prioridad::text THEN
          v_poner := v_poner || jsonb_build_object('priority', '(n.prioridad)::integer');
        END IF;
        IF p_vieja.programada_at::text IS DISTINCT FROM p_nueva.programada_at::text
          AND v_f.programada_at::text IS DISTINCT FROM s.programada_at::text THEN
          v_poner := v_poner || jsonb_build_object('scheduled_at',
            '(n.programada_at AT TIME ZONE ''UTC'')::timestamp with time zone');
        END IF;
        IF p_vieja.iniciada_at::text IS DISTINCT FROM p_nueva.iniciada_at::text
          AND v_f.iniciada_at::text IS DISTINCT FROM s.iniciada_at::text THEN
          v_poner := v_poner || jsonb_build_object('started_at',
            '(n.iniciada_at AT TIME ZONE ''UTC'')::timestamp with time zone');
        END IF;
        IF p_vieja.completada_at::text IS DISTINCT FROM p_nueva.completada_at::text
          AND v_f.completada_at::text IS DISTINCT FROM s.completada_at::text THEN
          v_poner := v_poner || jsonb_build_object('completed_at',
            '(n.completada_at AT TIME ZONE ''UTC'')::timestamp with time zone');
        END IF;
        IF p_vieja.mensaje_error::text IS DISTINCT FROM p_nueva.mensaje_error::text
          AND v_f.mensaje_error::text IS DISTINCT FROM s.mensaje_error::text THEN
          v_poner := v_poner || jsonb_build_object('error_message', '(n.mensaje_error)::text');
        END IF;
        IF p_vieja.intentos::text IS DISTINCT FROM p_nueva.intentos::text AND v_f.intentos::text IS DISTINCT FROM s.intentos::text
          THEN
          v_poner := v_poner || jsonb_build_object('retry_count', '(n.intentos)::integer');
        END IF;
        IF p_vieja.max_intentos::text IS DISTINCT FROM p_nueva.max_intentos::text
          AND v_f.max_intentos::text IS DISTINCT FROM s.max_intentos::text THEN
          v_poner := v_poner || jsonb_build_object('max_retries', '(n.max_intentos)::integer');
        END IF;
        IF p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
          AND v_f.creado_at::text IS DISTINCT FROM s.creado_at::text THEN
          v_poner := v_poner || jsonb_build_object('created_at', '(n.creado_at AT TIME ZONE ''UTC'')::timestamp with time zone');
        END IF;
        IF v_poner <> '{}' THEN
          EXECUTE 'UPDATE public.task_queue l SET ' || (SELECT string_agg(format('%I = %s', p.key, p.value), ', ')
            FROM jsonb_each_text(v_poner) p) || ' FROM (SELECT ($2).*) n WHERE l.id = (($1).id)::uuid' USING p_vieja, s;
          GET DIAGNOSTICS v_filas = ROW_COUNT;
          IF v_filas = 0 THEN RAISE EXCEPTION
            USING ERRCODE = 'P0001', MESSAGE = 'un disparador de task_queue no la deja pasar'; END IF;
          SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.tipo_tarea,
            f.payload, f.estado, f.prioridad, f.programada_at, f.iniciada_at, f.completada_at, f.mensaje_error, f.intentos,
            f.max_intentos, f.creado_at INTO v_g FROM migracion.v_task_queue_tareas_programadas f JOIN public.task_queue l
            ON l.id = f._k1 WHERE l.id = (v_l.id)::uuid;
          IF NOT FOUND OR NOT v_g._entra OR NOT v_f._entra THEN
            v_marca := set_config('migracion.sync', v_antes, true);
            PERFORM migracion.ida_task_queue_tareas_programadas(array_agg(l.id), array_agg(v_l.id), true, false)
            FROM public.task_queue l WHERE l.id = (v_l.id)::uuid HAVING count(*) > 0;
          ELSIF v_g.id::text IS DISTINCT FROM v_f.id::text AND v_g.id::text IS DISTINCT FROM s.id::text
            OR (p_vieja.tipo_tarea::text IS DISTINCT FROM p_nueva.tipo_tarea::text
            OR v_g.tipo_tarea::text IS DISTINCT FROM v_f.tipo_tarea::text)
            AND v_g.tipo_tarea::text IS DISTINCT FROM s.tipo_tarea::text
            OR (p_vieja.payload::text IS DISTINCT FROM p_nueva.payload::text
            OR v_g.payload::text IS DISTINCT FROM v_f.payload::text) AND v_g.payload::text IS DISTINCT FROM s.payload::text
            OR (p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text OR v_g.estado::text IS DISTINCT FROM v_f.estado::text)
            AND v_g.estado::text IS DISTINCT FROM s.estado::text
            OR (p_vieja.prioridad::text IS DISTINCT FROM p_nueva.prioridad::text
            OR v_g.prioridad::text IS DISTINCT FROM v_f.prioridad::text)
            AND v_g.prioridad::text IS DISTINCT FROM s.prioridad::text
            OR (p_vieja.programada_at::text IS DISTINCT FROM p_nueva.programada_at::text
            OR v_g.programada_at::text IS DISTINCT FROM v_f.programada_at::text)
            AND v_g.programada_at::text IS DISTINCT FROM s.programada_at::text
            OR (p_vieja.iniciada_at::text IS DISTINCT FROM p_nueva.iniciada_at::text
            OR v_g.iniciada_at::text IS DISTINCT FROM v_f.iniciada_at::text)
            AND v_g.iniciada_at::text IS DISTINCT FROM s.iniciada_at::text
            OR (p_vieja.completada_at::text IS DISTINCT FROM p_nueva.completada_at::text
            OR v_g.completada_at::text IS DISTINCT FROM v_f.completada_at::text)
            AND v_g.completada_at::text IS DISTINCT FROM s.completada_at::text
            OR (p_vieja.mensaje_error::text IS DISTINCT FROM p_nueva.mensaje_error::text
            OR v_g.mensaje_error::text IS DISTINCT FROM v_f.mensaje_error::text)
            AND v_g.mensaje_error::text IS DISTINCT FROM s.mensaje_error::text
            OR (p_vieja.intentos::text IS DISTINCT FROM p_nueva.intentos::text
            OR v_g.intentos::text IS DISTINCT FROM v_f.intentos::text) AND v_g.intentos::text IS DISTINCT FROM s.intentos::text
            OR (p_vieja.max_intentos::text IS DISTINCT FROM p_nueva.max_intentos::text
            OR v_g.max_intentos::text IS DISTINCT FROM v_f.max_intentos::text)
            AND v_g.max_intentos::text IS DISTINCT FROM s.max_intentos::text
            OR (p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
            OR v_g.creado_at::text IS DISTINCT FROM v_f.creado_at::text)
            AND v_g.creado_at::text IS DISTINCT FROM s.creado_at::text THEN
            -- legacy lo lee de otro modo, o un disparador suyo cambió algo más: eso vuelve aquí
            UPDATE public.tareas_programadas t SET id = CASE WHEN v_g.id::text IS DISTINCT FROM v_f.id::text THEN v_g.id
              ELSE t.id END, tipo_tarea = CASE WHEN (p_vieja.tipo_tarea::text IS DISTINCT FROM p_nueva.tipo_tarea::text
              OR v_g.tipo_tarea::text IS DISTINCT FROM v_f.tipo_tarea::text) THEN v_g.tipo_tarea ELSE t.tipo_tarea END,
              payload = CASE WHEN (p_vieja.payload::text IS DISTINCT FROM p_nueva.payload::text
              OR v_g.payload::text IS DISTINCT FROM v_f.payload::text) THEN v_g.payload ELSE t.payload END,
              estado = CASE WHEN (p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text
              OR v_g.estado::text IS DISTINCT FROM v_f.estado::text) THEN v_g.estado ELSE t.estado END,
              prioridad = CASE WHEN (p_vieja.prioridad::text IS DISTINCT FROM p_nueva.prioridad::text
              OR v_g.prioridad::text IS DISTINCT FROM v_f.prioridad::text) THEN v_g.prioridad ELSE t.prioridad END,
              programada_at = CASE WHEN (p_vieja.programada_at::text IS DISTINCT FROM p_nueva.programada_at::text
              OR v_g.programada_at::text IS DISTINCT FROM v_f.programada_at::text) THEN v_g.programada_at
              ELSE t.programada_at END,
              iniciada_at = CASE WHEN (p_vieja.iniciada_at::text IS DISTINCT FROM p_nueva.iniciada_at::text
              OR v_g.iniciada_at::text IS DISTINCT FROM v_f.iniciada_at::text) THEN v_g.iniciada_at ELSE t.iniciada_at END,
              completada_at = CASE WHEN (p_vieja.completada_at::text IS DISTINCT FROM p_nueva.completada_at::text
              OR v_g.completada_at::text IS DISTINCT FROM v_f.completada_at::text) THEN v_g.completada_at
              ELSE t.completada_at END,
              mensaje_error = CASE WHEN (p_vieja.mensaje_error::text IS DISTINCT FROM p_nueva.mensaje_error::text
              OR v_g.mensaje_error::text IS DISTINCT FROM v_f.mensaje_error::text) THEN v_g.mensaje_error
              ELSE t.mensaje_error END, intentos = CASE WHEN (p_vieja.intentos::text IS DISTINCT FROM p_nueva.intentos::text
              OR v_g.intentos::text IS DISTINCT FROM v_f.intentos::text) THEN v_g.intentos ELSE t.intentos END,
              max_intentos = CASE WHEN (p_vieja.max_intentos::text IS DISTINCT FROM p_nueva.max_intentos::text
              OR v_g.max_intentos::text IS DISTINCT FROM v_f.max_intentos::text) THEN v_g.max_intentos ELSE t.max_intentos END,
              creado_at = CASE WHEN (p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
              OR v_g.creado_at::text IS DISTINCT FROM v_f.creado_at::text) THEN v_g.creado_at ELSE t.creado_at END
              WHERE t.id = s.id RETURNING t.* INTO s;
            IF v_g.id::text IS DISTINCT FROM v_f.id::text AND v_g.id::text IS DISTINCT FROM s.id::text
              OR (p_vieja.tipo_tarea::text IS DISTINCT FROM p_nueva.tipo_tarea::text
              OR v_g.tipo_tarea::text IS DISTINCT FROM v_f.tipo_tarea::text)
              AND v_g.tipo_tarea::text IS DISTINCT FROM s.tipo_tarea::text
              OR (p_vieja.payload::text IS DISTINCT FROM p_nueva.payload::text
              OR v_g.payload::text IS DISTINCT FROM v_f.payload::text) AND v_g.payload::text IS DISTINCT FROM s.payload::text
              OR (p_vieja.estado::text IS DISTINCT FROM p_nueva.estado::text
              OR v_g.estado::text IS DISTINCT FROM v_f.estado::text) AND v_g.estado::text IS DISTINCT FROM s.estado::text
              OR (p_vieja.prioridad::text IS DISTINCT FROM p_nueva.prioridad::text
              OR v_g.prioridad::text IS DISTINCT FROM v_f.prioridad::text)
              AND v_g.prioridad::text IS DISTINCT FROM s.prioridad::text
              OR (p_vieja.programada_at::text IS DISTINCT FROM p_nueva.programada_at::text
              OR v_g.programada_at::text IS DISTINCT FROM v_f.programada_at::text)
              AND v_g.programada_at::text IS DISTINCT FROM s.programada_at::text
              OR (p_vieja.iniciada_at::text IS DISTINCT FROM p_nueva.iniciada_at::text
              OR v_g.iniciada_at::text IS DISTINCT FROM v_f.iniciada_at::text)
              AND v_g.iniciada_at::text IS DISTINCT FROM s.iniciada_at::text
              OR (p_vieja.completada_at::text IS DISTINCT FROM p_nueva.completada_at::text
              OR v_g.completada_at::text IS DISTINCT FROM v_f.completada_at::text)
              AND v_g.completada_at::text IS DISTINCT FROM s.completada_at::text
              OR (p_vieja.mensaje_error::text IS DISTINCT FROM p_nueva.mensaje_error::text
              OR v_g.mensaje_error::text IS DISTINCT FROM v_f.mensaje_error::text)
              AND v_g.mensaje_error::text IS DISTINCT FROM s.mensaje_error::text
              OR (p_vieja.intentos::text IS DISTINCT FROM p_nueva.intentos::text
              OR v_g.intentos::text IS DISTINCT FROM v_f.intentos::text) AND v_g.intentos::text IS DISTINCT FROM s.intentos::text
              OR (p_vieja.max_intentos::text IS DISTINCT FROM p_nueva.max_intentos::text
              OR v_g.max_intentos::text IS DISTINCT FROM v_f.max_intentos::text)
              AND v_g.max_intentos::text IS DISTINCT FROM s.max_intentos::text
              OR (p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
              OR v_g.creado_at::text IS DISTINCT FROM v_f.creado_at::text)
              AND v_g.creado_at::text IS DISTINCT FROM s.creado_at::text THEN
              RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'los disparadores de las dos tablas no se ponen de acuerdo';
            END IF;
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
    WHERE c.tabla_origen = 'tareas_programadas' AND c.clave = v_aqui AND c.estado <> 'resuelta'
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
      WHERE c.tabla_origen = 'tareas_programadas' AND c.estado <> 'resuelta' AND c.clave = v_clave
        AND NOT EXISTS (SELECT FROM migracion.cuarentena o WHERE o.tabla_origen = 'tareas_programadas' AND o.estado <> 'resuelta'
          AND o.clave = v_nueva);
    END IF;
    IF left(v_estado, 2) IN ('22', '23', '54') OR v_estado = 'P0001' THEN
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen, columnas, antes)
      VALUES ('tareas_programadas', v_aqui, to_jsonb(CASE p_orden WHEN 'DELETE' THEN p_vieja ELSE p_nueva END), v_estado,
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
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'tareas_programadas' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('tareas_programadas', NULL, v_clave, 'CLAVE', NULL, v_mensaje, v_estado);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('tareas_programadas', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, v_mensaje, v_estado);
    END IF;
  END;
END $funcion$;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Nombra a volver la fila de tareas_programadas que un servicio escribió. La llaman los disparadores de la tabla.
CREATE OR REPLACE FUNCTION migracion.vuelta_tareas_programadas() RETURNS trigger
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
  v_nada := migracion.anotar_escritura('tareas_programadas');
  IF TG_OP = 'TRUNCATE' THEN
    IF EXISTS (SELECT FROM migracion.sincronizacion m WHERE m.tabla_origen = 'task_queue'
      AND m.tabla_destino = 'tareas_programadas' AND m.modo <> 'si') THEN
      INSERT INTO migracion.pendiente (tabla_origen, clave, operacion, fila, motivo)
      SELECT 'tareas_programadas', f.id::text, 'DELETE', jsonb_build_object('id', f.id, 'tipo_tarea', f.tipo_tarea,
        'payload', f.payload, 'estado', f.estado, 'prioridad', f.prioridad, 'programada_at', f.programada_at,
        'iniciada_at', f.iniciada_at, 'completada_at', f.completada_at, 'mensaje_error', f.mensaje_error, 'intentos', f.intentos,
        'max_intentos', f.max_intentos, 'creado_at', f.creado_at), 'apagada'
      FROM migracion.v_task_queue_tareas_programadas f WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true
        ELSE false END;
    END IF;
    -- lo que legacy no dejaba pasar se queda
    BEGIN
      IF EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid IN ('public.task_queue'::regclass) AND g.tgdeferrable) THEN
        SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO v_ya
        FROM pg_trigger g JOIN pg_constraint c ON c.oid = g.tgconstraint JOIN pg_namespace n ON n.oid = c.connamespace
        WHERE g.tgrelid IN ('public.task_queue'::regclass) AND g.tgdeferrable AND c.contype <> 't';
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
      DELETE FROM public.task_queue l USING migracion.v_task_queue_tareas_programadas f
      WHERE l.id = f._k1 AND (CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
        OR f._fusion IS NOT NULL) AND NOT EXISTS (SELECT FROM migracion.sincronizacion m WHERE m.tabla_origen = 'task_queue'
        AND m.tabla_destino = 'tareas_programadas' AND m.modo <> 'si');
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
          FROM migracion.v_task_queue_tareas_programadas f WHERE (CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true
            ELSE false END OR f._fusion IS NOT NULL)) x GROUP BY x.n LOOP
          BEGIN
            DELETE FROM public.task_queue l USING unnest(v_lote._k1) AS k(_k1) WHERE l.id = k._k1;
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
            PERFORM migracion.volver_tareas_programadas('DELETE',
              jsonb_populate_record(NULL::public.tareas_programadas,
                jsonb_build_object('id', f.id, 'tipo_tarea', f.tipo_tarea, 'payload', f.payload, 'estado', f.estado,
                'prioridad', f.prioridad, 'programada_at', f.programada_at, 'iniciada_at', f.iniciada_at,
                'completada_at', f.completada_at, 'mensaje_error', f.mensaje_error, 'intentos', f.intentos,
                'max_intentos', f.max_intentos, 'creado_at', f.creado_at)), NULL)
            FROM migracion.v_task_queue_tareas_programadas f JOIN unnest(v_lote._k1) AS k(_k1) ON f._k1 = k._k1
              WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END;
          END;
        END LOOP;
      ELSE
        INSERT INTO migracion.pendiente (tabla_origen, clave, operacion, motivo, sqlstate)
        VALUES ('tareas_programadas', '*', TG_OP, v_mensaje, v_estado);
      END IF;
    END;
    RETURN NULL;
  END IF;
  v_nada := migracion.volver_tareas_programadas(TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN OLD END,
    CASE WHEN TG_OP <> 'DELETE' THEN NEW END);
  RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)
  IF left(v_estado, 2) IN ('53', '55', '57')
    OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
    IF coalesce(current_setting('migracion.sync', true), '') = '' THEN
      PERFORM nextval(to_regclass('migracion.conflictos_tareas_programadas'));
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
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'tareas_programadas' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('tareas_programadas', NULL, v_clave, 'CLAVE', NULL, v_mensaje, v_estado);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('tareas_programadas', NULL, coalesce(v_nueva, v_clave, '*'), p_orden, CASE WHEN p_orden <> 'INSERT' THEN v_vieja END,
      v_mensaje, v_estado);
  RETURN NULL;
END $funcion$;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_task_queue;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_tareas_programadas;

REVOKE ALL ON FUNCTION migracion.ida_task_queue_tareas_programadas, migracion.sinc_task_queue_tareas_programadas,
  migracion.volver_tareas_programadas, migracion.vuelta_tareas_programadas FROM PUBLIC;

CREATE TRIGGER sinc_task_queue_tareas_programadas_i AFTER INSERT ON public.task_queue REFERENCING NEW TABLE AS nuevas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'tareas_programadas:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_task_queue_tareas_programadas();

CREATE TRIGGER sinc_task_queue_tareas_programadas_u AFTER UPDATE
  ON public.task_queue REFERENCING OLD TABLE AS viejas NEW TABLE AS nuevas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'tareas_programadas:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_task_queue_tareas_programadas();

CREATE TRIGGER sinc_task_queue_tareas_programadas_d AFTER DELETE ON public.task_queue REFERENCING OLD TABLE AS viejas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'tareas_programadas:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_task_queue_tareas_programadas();

CREATE TRIGGER sinc_task_queue_tareas_programadas_t AFTER TRUNCATE ON public.task_queue
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'tareas_programadas:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_task_queue_tareas_programadas();

CREATE TRIGGER vuelta_tareas_programadas_i AFTER INSERT ON public.tareas_programadas
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'tareas_programadas:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_tareas_programadas();

CREATE TRIGGER vuelta_tareas_programadas_u AFTER UPDATE ON public.tareas_programadas
  FOR EACH ROW WHEN (OLD *<> NEW AND coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'tareas_programadas:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_tareas_programadas();

CREATE TRIGGER vuelta_tareas_programadas_d AFTER DELETE ON public.tareas_programadas
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'tareas_programadas:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_tareas_programadas();

CREATE TRIGGER vuelta_tareas_programadas_t AFTER TRUNCATE ON public.tareas_programadas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'tareas_programadas:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_tareas_programadas();
