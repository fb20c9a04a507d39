-- Meta: lo que se escriba en provider_professions llega a proveedor_profesiones, y al revés, en la misma transacción. Lo que no
--   puede ir espera en migracion.pendiente o queda en migracion.cuarentena, y la escritura del servicio vale.
-- Necesita: la vista y las funciones de fase2, y ser dueño de las tablas con disparadores o tener TRIGGER en ellas.
-- Bloqueo: SHARE ROW EXCLUSIVE en cada tabla, un disparador por transacción (60 intentos de 50 ms); quien escribe mientras,
--   espera. Sus funciones bloquean filas como se lee en cada una.
-- Deshacer: fase2 --tags rollback; apagarla sin bloquear nada: estado --tags sincronizacion -e sincronizacion=no.
-- Repetir: las funciones sí; un disparador que ya está, no: la fase los compara y hace solo lo que falta.

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Deja en proveedor_profesiones las filas legacy de esas claves (p_k) como dice la vista, y a sus gemelas de antes (p_m); lo que
--   no puede ahora, en pendiente. p_entera: puede cambiar quién se fusiona; p_derivadas: solo lo que viene de otra tabla. La
--   llaman los disparadores de provider_professions, los de quien se lee, y el drenaje.
CREATE OR REPLACE FUNCTION migracion.ida_provider_professions_proveedor_profesiones(
  p_k1 uuid[], p_k2 integer[], p_m1 uuid[], p_m2 integer[], p_entera boolean, p_derivadas boolean) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_modo text; v_tope integer; v_antes text := coalesce(current_setting('migracion.sync', true), ''); v_marca text;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_una boolean := cardinality(p_k1) = 1;
  v_hecho boolean := false; v_nace boolean := false; v_abiertas text[]; v_anotadas text[]; v_filas bigint;
  v_f record; v_t record; r_k1 uuid[]; r_k2 integer[]; r_m1 uuid[]; r_m2 integer[];
BEGIN
  SELECT s.modo, s.propagacion INTO v_modo, v_tope FROM migracion.sincronizacion s WHERE s.tabla_origen = 'provider_professions'
    AND s.tabla_destino = 'proveedor_profesiones';
  IF coalesce(cardinality(p_k1), 0) = 0 OR v_modo IS NULL AND v_firme THEN RETURN; END IF;
  IF v_modo IS DISTINCT FROM 'si' THEN
    -- sin modo: se instaló después de su foto
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'provider_professions', 'proveedor_profesiones', k._k1::text || '|' || k._k2::text, jsonb_build_array(k._m1, k._m2),
      CASE WHEN v_modo IS NULL THEN 'aislamiento' WHEN v_modo = 'claves' THEN 'carga' ELSE 'apagada' END, NULL
      FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2);
    RETURN;
  END IF;
  IF v_firme THEN
    -- primero lo que la vista lee y quien escribe no tiene; cada bloqueo espera, y la sentencia siguiente lee lo confirmado
    PERFORM 1 FROM public.users p WHERE p.id IN (SELECT DISTINCT l.provider_id FROM public.provider_professions l
      WHERE (l.provider_id, l.profession_id) IN (SELECT k._k1, k._k2
      FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2))) ORDER BY p.id FOR SHARE OF p;
    PERFORM 1 FROM public.professions p WHERE p.id IN (SELECT DISTINCT l.profession_id FROM public.provider_professions l
      WHERE (l.provider_id, l.profession_id) IN (SELECT k._k1, k._k2
      FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2))) ORDER BY p.id FOR SHARE OF p;
    IF v_una THEN
      SELECT true AS _esta, t.proveedor_id, t.profesion_id, t.especialidad, t.anos_experiencia, t.certificaciones, t.es_principal,
        t.estado_verificacion, t.creado_at, t.id INTO v_t FROM public.proveedor_profesiones t WHERE t.proveedor_id = p_m1[1]
        AND t.profesion_id = p_m2[1] FOR NO KEY UPDATE OF t;
    ELSE
      PERFORM 1 FROM public.proveedor_profesiones t WHERE (t.proveedor_id, t.profesion_id) IN (SELECT k._m1, k._m2
        FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2)) ORDER BY t.proveedor_id, t.profesion_id
        FOR NO KEY UPDATE OF t;
    END IF;
  ELSE
    -- lo que su foto no ve lo mira el drenaje
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'provider_professions', 'proveedor_profesiones', k._k1::text || '|' || k._k2::text, jsonb_build_array(k._m1, k._m2),
      'aislamiento', NULL FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2);
    SELECT true AS _esta, t.proveedor_id, t.profesion_id, t.especialidad, t.anos_experiencia, t.certificaciones, t.es_principal,
      t.estado_verificacion, t.creado_at, t.id INTO v_t FROM public.proveedor_profesiones t WHERE t.proveedor_id = p_m1[1]
      AND t.profesion_id = p_m2[1];
  END IF;
  IF EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'proveedor_profesiones')
    AND EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'proveedor_profesiones'
      AND p.clave = ANY (ARRAY(SELECT t.id::text FROM public.proveedor_profesiones t
      WHERE (t.proveedor_id, t.profesion_id) IN (SELECT k._m1, k._m2
      FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2))))) THEN
    IF v_firme THEN
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'provider_professions', 'proveedor_profesiones', k._k1::text || '|' || k._k2::text, jsonb_build_array(k._m1, k._m2),
      'espera a la otra', NULL FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2);
    END IF;
    RETURN;
  END IF;
  -- de qué filas hay algo anotado: esas no van por el camino corto
  SELECT ARRAY(SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'provider_professions' AND c.estado <> 'resuelta'
    AND c.clave = ANY (ARRAY(SELECT k._k1::text || '|' || k._k2::text
    FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2)))),
    ARRAY(SELECT m.clave FROM migracion.fusion m WHERE m.tabla_origen = 'provider_professions'
      AND m.tabla_destino = 'proveedor_profesiones' AND m.clave = ANY (ARRAY(SELECT k._k1::text || '|' || k._k2::text
      FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2)))) INTO v_abiertas, v_anotadas;
  IF v_una AND v_abiertas = '{}' AND v_anotadas = '{}' THEN
    SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.proveedor_id, f.profesion_id,
      f.especialidad, f.anos_experiencia, f.certificaciones, f.es_principal, f.estado_verificacion, f.creado_at INTO v_f
      FROM migracion.v_provider_professions_proveedor_profesiones f WHERE f._k1 = p_k1[1] AND f._k2 = p_k2[1]
      AND f.proveedor_id = p_m1[1] AND f.profesion_id = p_m2[1];
    IF FOUND AND v_f._entra THEN
      v_hecho := true; v_nace := v_t._esta IS NULL;
      IF v_nace THEN
        BEGIN
          v_marca := set_config('migracion.sync', 'proveedor_profesiones:' || pg_trigger_depth(), true);
          INSERT INTO public.proveedor_profesiones AS t (proveedor_id, profesion_id, especialidad, anos_experiencia,
            certificaciones, es_principal, estado_verificacion, creado_at) VALUES (v_f.proveedor_id, v_f.profesion_id,
            v_f.especialidad, v_f.anos_experiencia, v_f.certificaciones, v_f.es_principal, v_f.estado_verificacion, v_f.creado_at)
          RETURNING true AS _esta, t.proveedor_id, t.profesion_id, t.especialidad, t.anos_experiencia, t.certificaciones,
            t.es_principal, t.estado_verificacion, t.creado_at, t.id INTO v_t;
          v_marca := set_config('migracion.sync', v_antes, true);
          IF v_t._esta IS NULL THEN
            INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
              SELECT 'provider_professions', 'proveedor_profesiones', k._k1::text || '|' || k._k2::text,
                jsonb_build_array(k._m1, k._m2), 'un disparador de proveedor_profesiones no la deja pasar', NULL
                FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2);
          ELSIF ROW(v_t.proveedor_id, v_t.profesion_id, v_t.especialidad, v_t.anos_experiencia, v_t.certificaciones,
            v_t.es_principal, v_t.estado_verificacion, v_t.creado_at)::record *<> ROW(v_f.proveedor_id, v_f.profesion_id,
            v_f.especialidad, v_f.anos_experiencia, v_f.certificaciones, v_f.es_principal, v_f.estado_verificacion,
            v_f.creado_at)::record THEN
            -- un disparador de la tabla escribió otra cosa: eso vuelve
            PERFORM migracion.volver_proveedor_profesiones('UPDATE', jsonb_populate_record(t,
              jsonb_build_object('proveedor_id', v_f.proveedor_id, 'profesion_id', v_f.profesion_id,
              'especialidad', v_f.especialidad, 'anos_experiencia', v_f.anos_experiencia, 'certificaciones', v_f.certificaciones,
              'es_principal', v_f.es_principal, 'estado_verificacion', v_f.estado_verificacion, 'creado_at', v_f.creado_at)), t)
            FROM public.proveedor_profesiones t WHERE t.proveedor_id = p_m1[1] AND t.profesion_id = p_m2[1];
          END IF;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
          v_hecho := false; v_nace := false;
        END;
      ELSE
      IF ROW(v_t.especialidad, v_t.anos_experiencia, v_t.certificaciones, v_t.es_principal, v_t.estado_verificacion,
        v_t.creado_at)::record *<> ROW(v_f.especialidad, v_f.anos_experiencia, v_f.certificaciones, v_f.es_principal,
        v_f.estado_verificacion, v_f.creado_at)::record THEN
        BEGIN
          v_marca := set_config('migracion.sync', 'proveedor_profesiones:' || pg_trigger_depth(), true);
          UPDATE public.proveedor_profesiones t SET especialidad = v_f.especialidad, anos_experiencia = v_f.anos_experiencia,
            certificaciones = v_f.certificaciones, es_principal = v_f.es_principal, estado_verificacion = v_f.estado_verificacion,
            creado_at = v_f.creado_at WHERE t.proveedor_id = p_m1[1] AND t.profesion_id = p_m2[1]
          RETURNING true AS _esta, t.proveedor_id, t.profesion_id, t.especialidad, t.anos_experiencia, t.certificaciones,
            t.es_principal, t.estado_verificacion, t.creado_at, t.id INTO v_t;
          v_marca := set_config('migracion.sync', v_antes, true);
          IF v_t._esta IS NULL THEN
            INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
              SELECT 'provider_professions', 'proveedor_profesiones', k._k1::text || '|' || k._k2::text,
                jsonb_build_array(k._m1, k._m2), 'un disparador de proveedor_profesiones no la deja pasar', NULL
                FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2);
          ELSIF ROW(v_t.especialidad, v_t.anos_experiencia, v_t.certificaciones, v_t.es_principal, v_t.estado_verificacion,
            v_t.creado_at)::record *<> ROW(v_f.especialidad, v_f.anos_experiencia, v_f.certificaciones, v_f.es_principal,
            v_f.estado_verificacion, v_f.creado_at)::record THEN
            -- un disparador de la tabla escribió otra cosa: eso vuelve
            PERFORM migracion.volver_proveedor_profesiones('UPDATE', jsonb_populate_record(t,
              jsonb_build_object('especialidad', v_f.especialidad, 'anos_experiencia', v_f.anos_experiencia,
              'certificaciones', v_f.certificaciones, 'es_principal', v_f.es_principal,
              'estado_verificacion', v_f.estado_verificacion, 'creado_at', v_f.creado_at)), t)
            FROM public.proveedor_profesiones t WHERE t.proveedor_id = p_m1[1] AND t.profesion_id = p_m2[1];
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
      v_marca := set_config('migracion.sync', 'proveedor_profesiones:' || pg_trigger_depth(), true);
      WITH f AS MATERIALIZED (
        SELECT f._k1, f._k2, f.proveedor_id, f.profesion_id, f.especialidad, f.anos_experiencia, f.certificaciones,
          f.es_principal, f.estado_verificacion, f.creado_at, t.proveedor_id IS NOT NULL AS _esta,
          CASE WHEN t.proveedor_id IS NOT NULL THEN ROW(t.especialidad, t.anos_experiencia, t.certificaciones, t.es_principal,
          t.estado_verificacion, t.creado_at)::record *<> ROW(f.especialidad, f.anos_experiencia, f.certificaciones,
          f.es_principal, f.estado_verificacion, f.creado_at)::record END AS _distinta
        FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2) JOIN migracion.v_provider_professions_proveedor_profesiones f
          ON f._k1 = k._k1 AND f._k2 = k._k2 AND f.proveedor_id = k._m1 AND f.profesion_id = k._m2
          LEFT JOIN public.proveedor_profesiones t ON t.proveedor_id = f.proveedor_id AND t.profesion_id = f.profesion_id
        WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AND f._clave <> ALL (v_abiertas)
          AND f._clave <> ALL (v_anotadas)
      ), nuevas AS (
        INSERT INTO public.proveedor_profesiones (proveedor_id, profesion_id, especialidad, anos_experiencia, certificaciones,
          es_principal, estado_verificacion, creado_at) SELECT f.proveedor_id, f.profesion_id, f.especialidad, f.anos_experiencia,
          f.certificaciones, f.es_principal, f.estado_verificacion, f.creado_at FROM f WHERE NOT f._esta
        RETURNING 1
      ), corregidas AS (
        UPDATE public.proveedor_profesiones t SET especialidad = f.especialidad, anos_experiencia = f.anos_experiencia,
          certificaciones = f.certificaciones, es_principal = f.es_principal, estado_verificacion = f.estado_verificacion,
          creado_at = f.creado_at
        FROM f WHERE f._distinta AND t.proveedor_id = f.proveedor_id AND t.profesion_id = f.profesion_id
      ), k AS (
        SELECT * FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2)
          WHERE NOT EXISTS (SELECT FROM f WHERE f._k1 = k._k1 AND f._k2 = k._k2 AND f.proveedor_id = k._m1
          AND f.profesion_id = k._m2)
      )
      SELECT EXISTS (SELECT FROM nuevas), (SELECT array_agg(k._k1) FROM k), (SELECT array_agg(k._k2) FROM k),
        (SELECT array_agg(k._m1) FROM k), (SELECT array_agg(k._m2) FROM k) INTO v_nace, r_k1, r_k2, r_m1, r_m2;
      v_marca := set_config('migracion.sync', v_antes, true);
      v_hecho := r_k1 IS NULL;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
      v_nace := false; r_k1 := p_k1; r_k2 := p_k2; r_m1 := p_m1; r_m2 := p_m2;
    END;
  ELSE
    r_k1 := p_k1; r_k2 := p_k2; r_m1 := p_m1; r_m2 := p_m2;
  END IF;
  IF NOT v_hecho THEN
    v_marca := set_config('migracion.sync', 'proveedor_profesiones:' || pg_trigger_depth(), true);
    -- lo que un servicio borró se va sin más, si nada cuelga de ello y no estaba retenido
    DELETE FROM public.proveedor_profesiones t USING unnest(r_k1, r_k2, r_m1, r_m2) AS k(_k1, _k2, _m1, _m2)
    WHERE t.proveedor_id = k._m1 AND t.profesion_id = k._m2 AND NOT EXISTS (SELECT FROM public.provider_professions l
      WHERE l.provider_id = k._k1 AND l.profession_id = k._k2) AND k._k1::text || '|' || k._k2::text <> ALL (v_abiertas)
      AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        WHERE g.tgrelid = 'public.proveedor_profesiones'::regclass AND g.tgisinternal);
    GET DIAGNOSTICS v_filas = ROW_COUNT;
    IF v_filas < cardinality(r_k1) THEN
      -- lo que la sincronización lleva puede salir con la fila de la que depende; lo demás la retiene
      v_marca := set_config('migracion.lleva', (coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_array('public',
        m.tabla_destino)) FROM migracion.sincronizacion m), '[]'))::text, true);
      PERFORM migracion.llevar_provider_professions_proveedor_profesiones(array_agg(k._k1), array_agg(k._k2), 'sincronizacion')
      FROM (SELECT DISTINCT k._k1, k._k2 FROM unnest(r_k1, r_k2, r_m1, r_m2) AS k(_k1, _k2, _m1, _m2)) k
        WHERE NOT (NOT EXISTS (SELECT FROM public.provider_professions l WHERE l.provider_id = k._k1
        AND l.profession_id = k._k2)) HAVING count(*) > 0;
      PERFORM migracion.quitar_proveedor_profesiones(array_agg(t.proveedor_id), array_agg(t.profesion_id), 'sincronizacion')
      FROM public.proveedor_profesiones t WHERE (t.proveedor_id, t.profesion_id) IN (SELECT k._m1, k._m2
        FROM unnest(r_k1, r_k2, r_m1, r_m2) AS k(_k1, _k2, _m1, _m2))
        AND NOT (EXISTS (SELECT 1 FROM migracion.v_provider_professions_proveedor_profesiones f
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
        AND f._rechazo IS NOT NULL))) OFFSET 0)))
      HAVING count(*) > 0;
      IF FOUND THEN
        -- a las que retiene una fila ajena: se quedan, y así consta
        INSERT INTO migracion.cuarentena (tabla_origen, clave, fila, sqlstate, motivo, origen)
        SELECT 'proveedor_profesiones', t.id::text, to_jsonb(t.*), '23503',
          'no se retira: ' || h.motivo, 'sincronizacion'
        FROM public.proveedor_profesiones t CROSS JOIN LATERAL (SELECT string_agg(DISTINCT a.motivo, '; ') AS motivo
          FROM migracion.alcance(t.tableoid, ARRAY[t.ctid]) a) h
        WHERE (t.proveedor_id, t.profesion_id) IN (SELECT k._m1, k._m2
          FROM unnest(r_k1, r_k2, r_m1, r_m2) AS k(_k1, _k2, _m1, _m2)) AND h.motivo IS NOT NULL
          AND NOT (EXISTS (SELECT 1 FROM migracion.v_provider_professions_proveedor_profesiones f
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
          AND f._rechazo IS NOT NULL))) OFFSET 0)))
        ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO NOTHING;
      END IF;
      -- la vista la deja pasar y no está: falta su padre todavía
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'provider_professions', 'proveedor_profesiones', k._k1::text || '|' || k._k2::text, jsonb_build_array(k._m1, k._m2),
      'falta la fila de la que depende', NULL FROM (SELECT DISTINCT k._k1, k._k2, k._m1, k._m2
      FROM unnest(r_k1, r_k2, r_m1, r_m2) AS k(_k1, _k2, _m1, _m2)) k
      JOIN migracion.v_provider_professions_proveedor_profesiones f ON f._k1 = k._k1 AND f._k2 = k._k2
      WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      AND NOT EXISTS (SELECT FROM public.proveedor_profesiones t WHERE t.proveedor_id = f.proveedor_id
      AND t.profesion_id = f.profesion_id) AND NOT EXISTS (SELECT FROM migracion.cuarentena c
      WHERE c.tabla_origen = 'provider_professions' AND c.estado <> 'resuelta' AND c.clave = f._clave);
    END IF;
    IF v_abiertas <> '{}' THEN
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM unnest(r_k1, r_k2, r_m1, r_m2) AS k(_k1, _k2, _m1, _m2) WHERE c.tabla_origen = 'provider_professions'
        AND c.estado <> 'resuelta' AND c.clave = k._k1::text || '|' || k._k2::text
        AND NOT EXISTS (SELECT FROM public.provider_professions l WHERE l.provider_id = k._k1 AND l.profession_id = k._k2);
    END IF;
    IF v_anotadas <> '{}' THEN
      DELETE FROM migracion.fusion m USING unnest(r_k1, r_k2, r_m1, r_m2) AS k(_k1, _k2, _m1, _m2)
        WHERE m.tabla_origen = 'provider_professions' AND m.tabla_destino = 'proveedor_profesiones'
        AND m.clave = k._k1::text || '|' || k._k2::text
        AND NOT EXISTS (SELECT FROM migracion.v_provider_professions_proveedor_profesiones f WHERE f._k1 = k._k1 AND f._k2 = k._k2
          AND f._fusion IS NOT NULL);
    END IF;
    v_marca := set_config('migracion.sync', v_antes, true);
  END IF;
    IF cardinality(p_k1) > 1 AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = 'public.proveedor_profesiones'::regclass
      AND NOT g.tgisinternal AND g.tgfoid <> 'migracion.tocar_actualizado'::regproc
      AND g.tgtype & 3 = 3 AND g.tgenabled <> 'D') THEN
      -- un disparador de un servicio puede haber escrito otra cosa: se mira una a una
      PERFORM migracion.ida_provider_professions_proveedor_profesiones(ARRAY[k._k1], ARRAY[k._k2], ARRAY[k._m1], ARRAY[k._m2],
        false, p_derivadas) FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2);
    END IF;
  -- si una fila sigue pasando nadie más lo nota
  IF NOT (p_entera OR v_nace) THEN
    IF NOT v_hecho THEN v_abiertas := v_abiertas || ARRAY(SELECT c.clave FROM migracion.cuarentena c,
      unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2) WHERE c.tabla_origen = 'provider_professions'
      AND c.estado <> 'resuelta' AND c.clave = k._k1::text || '|' || k._k2::text); END IF;
    IF v_abiertas = '{}' THEN RETURN; END IF;
    SELECT array_agg(k._k1), array_agg(k._k2), array_agg(k._m1), array_agg(k._m2) INTO p_k1, p_k2, p_m1, p_m2
      FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2) WHERE k._k1::text || '|' || k._k2::text = ANY (v_abiertas);
  END IF;
END $funcion$;

-- Nombra las filas de provider_professions que una sentencia tocó y llama a ida. La llaman los disparadores de
--   provider_professions.
CREATE OR REPLACE FUNCTION migracion.sinc_provider_professions_proveedor_profesiones() RETURNS trigger
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
  p_k1 uuid[]; p_k2 integer[]; p_m1 uuid[]; p_m2 integer[]; v_entera boolean := TG_OP <> 'UPDATE';
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_nada text; v_estado text; v_mensaje text; v_detalle text;
BEGIN
  v_nada := migracion.anotar_escritura('provider_professions');
  IF TG_OP = 'TRUNCATE' THEN
    SELECT array_agg(k._k1), array_agg(k._k2), array_agg(k._m1), array_agg(k._m2) INTO p_k1, p_k2, p_m1, p_m2
      FROM (SELECT t.proveedor_id::uuid AS _k1, t.profesion_id::integer AS _k2, t.proveedor_id AS _m1, t.profesion_id AS _m2
      FROM public.proveedor_profesiones t) k;
    -- también de lo que no pasaba
    UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
    WHERE c.tabla_origen = 'provider_professions' AND c.estado <> 'resuelta'
      AND NOT EXISTS (SELECT FROM public.provider_professions l);
    DELETE FROM migracion.fusion m WHERE m.tabla_origen = 'provider_professions' AND m.tabla_destino = 'proveedor_profesiones'
      AND NOT EXISTS (SELECT FROM public.provider_professions l);
  ELSIF TG_OP = 'INSERT' THEN
    SELECT array_agg(k._k1), array_agg(k._k2), array_agg(k._m1), array_agg(k._m2) INTO p_k1, p_k2, p_m1, p_m2
      FROM (SELECT n.provider_id AS _k1, n.profession_id AS _k2, n.provider_id AS _m1, n.profession_id::integer AS _m2
      FROM nuevas n) k;
  ELSIF TG_OP = 'DELETE' THEN
    SELECT array_agg(k._k1), array_agg(k._k2), array_agg(k._m1), array_agg(k._m2) INTO p_k1, p_k2, p_m1, p_m2
      FROM (SELECT o.provider_id AS _k1, o.profession_id AS _k2, o.provider_id AS _m1, o.profession_id::integer AS _m2
      FROM viejas o) k;
  ELSE
    -- quién es cada una antes y después: casi siempre la misma
    SELECT array_agg(k._k1), array_agg(k._k2), array_agg(k._m1), array_agg(k._m2),
      EXISTS (SELECT o.provider_id, o.profession_id FROM viejas o EXCEPT SELECT n.provider_id, n.profession_id FROM nuevas n)
      INTO p_k1, p_k2, p_m1, p_m2, v_entera FROM (SELECT o.provider_id AS _k1, o.profession_id AS _k2, o.provider_id AS _m1,
      o.profession_id::integer AS _m2 FROM viejas o) k;
    IF v_entera THEN
      SELECT array_agg(k._k1), array_agg(k._k2), array_agg(k._m1), array_agg(k._m2) INTO p_k1, p_k2, p_m1, p_m2
        FROM (SELECT o.provider_id AS _k1, o.profession_id AS _k2, o.provider_id AS _m1, o.profession_id::integer AS _m2
        FROM viejas o UNION SELECT n.provider_id AS _k1, n.profession_id AS _k2, n.provider_id AS _m1,
        n.profession_id::integer AS _m2 FROM nuevas n) k;
      -- con otra clave legacy la fila en español será otra: lo que solo esta tenía se guarda
      INSERT INTO migracion.apartada (run_id, tabla, clave, fila)
      SELECT 'sincronizacion', 'proveedor_profesiones', t.id::text, to_jsonb(t.*)
      FROM (SELECT o.provider_id AS _k1, o.profession_id AS _k2, o.provider_id AS _m1, o.profession_id::integer AS _m2
        FROM viejas o) k JOIN public.proveedor_profesiones t ON t.proveedor_id = k._m1 AND t.profesion_id = k._m2
      WHERE NOT EXISTS (SELECT FROM nuevas n WHERE n.provider_id = k._k1 AND n.profession_id = k._k2)
        AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        WHERE g.tgrelid = 'public.proveedor_profesiones'::regclass AND g.tgisinternal);
    END IF;
  END IF;
  IF p_k1 IS NULL THEN RETURN NULL; END IF;
  -- las que comparten clave en español: una gana
  SELECT array_agg(k._k1), array_agg(k._k2), array_agg(k._m1), array_agg(k._m2) INTO p_k1, p_k2, p_m1, p_m2
    FROM (SELECT k._k1, k._k2, k._m1, k._m2 FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2)
    UNION SELECT l.provider_id AS _k1, l.profession_id AS _k2, l.provider_id AS _m1, l.profession_id::integer AS _m2
      FROM public.provider_professions l JOIN unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2)
      ON l.provider_id = k._m1::uuid AND l.profession_id = k._m2::integer) k;
  v_nada := migracion.ida_provider_professions_proveedor_profesiones(p_k1, p_k2, p_m1, p_m2, v_entera, false);
  RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)
  IF left(v_estado, 2) IN ('53', '55', '57')
    OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
    IF coalesce(current_setting('migracion.sync', true), '') = '' THEN
      PERFORM nextval(to_regclass('migracion.conflictos_provider_professions'));
    END IF;
    RAISE;
  END IF;
  INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'provider_professions', 'proveedor_profesiones', k._k1::text || '|' || k._k2::text, jsonb_build_array(k._m1, k._m2),
      v_mensaje, v_estado FROM unnest(p_k1, p_k2, p_m1, p_m2) AS k(_k1, _k2, _m1, _m2);
  IF p_k1 IS NULL THEN
    -- alguien cambió el nombre de una columna de la clave
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, motivo, sqlstate)
    VALUES ('provider_professions', 'proveedor_profesiones', '*', v_mensaje, v_estado);
  END IF;
  RETURN NULL;
END $funcion$;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Lleva a las tablas legacy lo que un servicio escribió en una fila de proveedor_profesiones: p_vieja y p_nueva son la fila antes
--   y después. La llaman los disparadores de la tabla y el drenaje.
CREATE OR REPLACE FUNCTION migracion.volver_proveedor_profesiones(
  p_orden text, p_vieja public.proveedor_profesiones, p_nueva public.proveedor_profesiones) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
AS $funcion$
#variable_conflict use_variable
DECLARE
  v_modos text[]; v_antes text := coalesce(current_setting('migracion.sync', true),
    ''); v_clave text; v_hay boolean := false; v_casa integer := 0;
  v_filas bigint; v_ya text; v_nueva text; v_aqui text; v_alli text; v_otra jsonb; v_escritas text[]; v_marca text;
  v_estado text; v_mensaje text; v_detalle text; v_poner jsonb := '{}'; v_f record; v_g record;
  s public.proveedor_profesiones; v_l public.proveedor_profesiones;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
BEGIN
  SELECT array_agg(m.modo) INTO v_modos FROM migracion.sincronizacion m
  WHERE m.tabla_destino = 'proveedor_profesiones' AND ((m.tabla_origen = 'provider_professions'));
  IF v_modos IS NULL AND v_firme THEN RETURN; END IF;
  BEGIN
    v_clave := CASE p_orden WHEN 'INSERT' THEN p_nueva.id::text
      ELSE p_vieja.id::text END;
    v_nueva := CASE p_orden WHEN 'UPDATE' THEN p_nueva.id::text END;
    v_aqui := coalesce(v_nueva, v_clave); v_alli := v_clave;
    IF v_nueva <> v_clave THEN
      UPDATE migracion.cuarentena c SET clave = v_nueva, fila = c.fila || jsonb_build_object('id', p_nueva.id)
      WHERE c.tabla_origen = 'proveedor_profesiones' AND c.estado <> 'resuelta' AND c.clave = v_clave
        AND NOT EXISTS (SELECT FROM migracion.cuarentena o WHERE o.tabla_origen = 'proveedor_profesiones'
          AND o.estado <> 'resuelta' AND o.clave = v_nueva);
    END IF;
    IF v_modos IS NULL OR v_modos && ARRAY['no', 'claves'] THEN
      -- sin modo: se instaló después de su foto
      IF v_nueva <> v_clave THEN
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'proveedor_profesiones' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('proveedor_profesiones', NULL, v_clave, 'CLAVE', NULL,
        CASE WHEN v_modos IS NULL THEN 'aislamiento' ELSE 'apagada' END, NULL);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('proveedor_profesiones', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, CASE WHEN v_modos IS NULL THEN 'aislamiento' ELSE 'apagada' END,
      NULL);
      RETURN;
    END IF;
    s := p_nueva;
    v_escritas := array_remove(ARRAY[CASE WHEN p_orden <> 'UPDATE'
      OR p_vieja.proveedor_id::text IS DISTINCT FROM p_nueva.proveedor_id::text THEN 'proveedor_id' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.profesion_id::text IS DISTINCT FROM p_nueva.profesion_id::text
      THEN 'profesion_id' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.especialidad::text IS DISTINCT FROM p_nueva.especialidad::text
      THEN 'especialidad' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.anos_experiencia::text IS DISTINCT FROM p_nueva.anos_experiencia::text
      THEN 'anos_experiencia' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.certificaciones::text IS DISTINCT FROM p_nueva.certificaciones::text
      THEN 'certificaciones' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.es_principal::text IS DISTINCT FROM p_nueva.es_principal::text
      THEN 'es_principal' END,
      CASE WHEN p_orden <> 'UPDATE' OR p_vieja.estado_verificacion::text IS DISTINCT FROM p_nueva.estado_verificacion::text
      THEN 'estado_verificacion' END, CASE WHEN p_orden <> 'UPDATE'
      OR p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text THEN 'creado_at' END]::text[], NULL);
    IF p_orden <> 'INSERT' THEN
      -- la clave que tiene no la tomó legacy: allí es la de antes
      SELECT c.antes INTO v_otra FROM migracion.cuarentena c WHERE c.tabla_origen = 'proveedor_profesiones' AND c.clave = v_aqui
        AND c.estado <> 'resuelta' AND c.antes IS NOT NULL;
      IF FOUND THEN
        p_vieja := jsonb_populate_record(p_vieja, v_otra); v_alli := p_vieja.id::text;
      END IF;
    END IF;
    IF v_casa = 0 AND p_orden <> 'INSERT' THEN
      FOR v_vez IN 1 .. 40 LOOP
        PERFORM 1 FROM public.provider_professions l WHERE l.provider_id = (p_vieja.proveedor_id)::uuid
          AND l.profession_id = (p_vieja.profesion_id)::integer FOR NO KEY UPDATE OF l SKIP LOCKED;
        v_hay := FOUND;
        EXIT WHEN v_hay OR NOT EXISTS (SELECT FROM public.provider_professions l
          WHERE l.provider_id = (p_vieja.proveedor_id)::uuid AND l.profession_id = (p_vieja.profesion_id)::integer);
        PERFORM pg_sleep(0.005);
      END LOOP;
      IF NOT v_hay AND EXISTS (
        WITH RECURSIVE esperan AS (
          SELECT pg_backend_pid() AS pid
          UNION SELECT w.pid FROM esperan e JOIN pg_locks w ON NOT w.granted AND e.pid = ANY (pg_blocking_pids(w.pid))),
        tienen AS (
          SELECT h.pid FROM pg_locks h WHERE h.locktype = 'transactionid' AND h.granted
            AND h.transactionid IN (SELECT l.xmax FROM public.provider_professions l
              WHERE l.provider_id = (p_vieja.proveedor_id)::uuid AND l.profession_id = (p_vieja.profesion_id)::integer))
        SELECT FROM esperan e WHERE e.pid <> pg_backend_pid()
          AND (e.pid IN (SELECT x.pid FROM tienen x) OR NOT EXISTS (SELECT FROM tienen))) THEN
        RAISE EXCEPTION USING ERRCODE = '40001',
          MESSAGE = 'otra transacción tiene la fila de provider_professions y espera a esta; repita la suya';
      END IF;
      IF NOT v_hay THEN
        PERFORM 1 FROM public.provider_professions l WHERE l.provider_id = (p_vieja.proveedor_id)::uuid
          AND l.profession_id = (p_vieja.profesion_id)::integer FOR NO KEY UPDATE OF l;
        v_hay := FOUND;
      END IF;
      IF v_hay THEN v_casa := 1; END IF;
    END IF;
    IF p_orden = 'UPDATE' AND v_casa = 0 AND EXISTS (SELECT FROM migracion.cuarentena c
      WHERE c.tabla_origen = 'proveedor_profesiones' AND c.clave = v_aqui AND c.estado <> 'resuelta') OR p_orden = 'UPDATE'
      AND v_casa = 0 AND v_nueva <> v_clave
      AND NOT EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'provider_professions' AND p.clave IN (
        (p_vieja.proveedor_id)::uuid::text || '|' || (p_vieja.profesion_id)::integer::text,
        (p_nueva.proveedor_id)::uuid::text || '|' || (p_nueva.profesion_id)::integer::text)) THEN
      -- una que no nació aún, y ya tiene otra clave
      p_orden := 'INSERT'; v_escritas := ARRAY['proveedor_id', 'profesion_id', 'especialidad', 'anos_experiencia',
        'certificaciones', 'es_principal', 'estado_verificacion', 'creado_at'];
    END IF;
    -- mientras una clave legacy de la fila espera, esta espera con ella
    IF EXISTS (SELECT FROM migracion.pendiente p WHERE (p.tabla_origen = 'provider_professions' AND p.clave IN (
        (p_vieja.proveedor_id)::uuid::text || '|' || (p_vieja.profesion_id)::integer::text,
        (p_nueva.proveedor_id)::uuid::text || '|' || (p_nueva.profesion_id)::integer::text))
      AND p.motivo <> 'aislamiento') AND coalesce(current_setting('migracion.drenaje', true), '') = '' THEN
      IF v_nueva <> v_clave THEN
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'proveedor_profesiones' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('proveedor_profesiones', NULL, v_clave, 'CLAVE', NULL, 'espera a la otra', NULL);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('proveedor_profesiones', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, 'espera a la otra', NULL);
      RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid IN ('public.provider_professions'::regclass) AND g.tgdeferrable) THEN
      SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO v_ya
      FROM pg_trigger g JOIN pg_constraint c ON c.oid = g.tgconstraint JOIN pg_namespace n ON n.oid = c.connamespace
      WHERE g.tgrelid IN ('public.provider_professions'::regclass) AND g.tgdeferrable AND c.contype <> 't';
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
    v_marca := set_config('migracion.sync', 'proveedor_profesiones:' || pg_trigger_depth(), true);
    IF p_orden = 'DELETE' THEN
      WITH d0 AS (DELETE FROM public.provider_professions l WHERE l.provider_id = (p_vieja.proveedor_id)::uuid
        AND l.profession_id = (p_vieja.profesion_id)::integer
        AND NOT (l.provider_id IS DISTINCT FROM (p_vieja.proveedor_id)::uuid
          AND NOT EXISTS (SELECT FROM public.proveedores t WHERE t.id = p_vieja.proveedor_id))
        AND NOT (l.profession_id IS DISTINCT FROM (p_vieja.profesion_id)::integer
          AND NOT EXISTS (SELECT FROM public.profesiones t
          WHERE t.id = p_vieja.profesion_id)) RETURNING 'provider_professions' AS tabla,
          l.provider_id::text || '|' || l.profession_id::text AS clave)
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      WHERE (c.tabla_origen, c.clave) IN (SELECT * FROM d0 UNION ALL SELECT 'proveedor_profesiones', v_aqui)
        AND c.estado <> 'resuelta';
      IF EXISTS (SELECT FROM public.provider_professions l WHERE l.provider_id = (p_vieja.proveedor_id)::uuid
        AND l.profession_id = (p_vieja.profesion_id)::integer
        AND NOT (l.provider_id IS DISTINCT FROM (p_vieja.proveedor_id)::uuid
          AND NOT EXISTS (SELECT FROM public.proveedores t WHERE t.id = p_vieja.proveedor_id))
        AND NOT (l.profession_id IS DISTINCT FROM (p_vieja.profesion_id)::integer
          AND NOT EXISTS (SELECT FROM public.profesiones t WHERE t.id = p_vieja.profesion_id)))
          AND NOT EXISTS (SELECT FROM public.proveedor_profesiones t WHERE t.id = p_vieja.id) THEN
        RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'un disparador de provider_professions no la deja pasar';
      END IF;
      DELETE FROM migracion.fusion m
      WHERE m.tabla_destino = 'proveedor_profesiones' AND m.clave_destino = v_alli;
    ELSIF p_orden = 'INSERT' THEN
      SELECT t.* INTO s FROM public.proveedor_profesiones t WHERE t.id = p_nueva.id;
      IF FOUND THEN
      INSERT INTO public.provider_professions (provider_id, profession_id, specialty, experience_years, certifications,
        is_primary, verification_status, created_at) VALUES ((s.proveedor_id)::uuid, (s.profesion_id)::integer,
        (s.especialidad)::text, (s.anos_experiencia)::integer, (s.certificaciones)::jsonb, (s.es_principal)::boolean,
        (CASE s.estado_verificacion WHEN 'pendiente' THEN 'pending' WHEN 'verificada' THEN 'verified' WHEN 'rechazada'
        THEN 'rejected' ELSE s.estado_verificacion::text END)::text, (s.creado_at AT TIME ZONE 'UTC')::timestamp with time zone);
      v_marca := set_config('migracion.sync', v_antes, true);
      SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.proveedor_id,
        f.profesion_id, f.especialidad, f.anos_experiencia, f.certificaciones, f.es_principal, f.estado_verificacion, f.creado_at
        INTO v_f FROM migracion.v_provider_professions_proveedor_profesiones f JOIN public.provider_professions l
        ON l.provider_id = f._k1 AND l.profession_id = f._k2 WHERE l.provider_id = (s.proveedor_id)::uuid
        AND l.profession_id = (s.profesion_id)::integer;
      IF NOT FOUND OR NOT v_firme OR NOT v_f._entra OR ROW(s.proveedor_id, s.profesion_id, s.especialidad, s.anos_experiencia,
        s.certificaciones, s.es_principal, s.estado_verificacion, s.creado_at)::record *<> ROW(v_f.proveedor_id, v_f.profesion_id,
        v_f.especialidad, v_f.anos_experiencia, v_f.certificaciones, v_f.es_principal, v_f.estado_verificacion,
        v_f.creado_at)::record THEN
      PERFORM migracion.ida_provider_professions_proveedor_profesiones(array_agg(l.provider_id), array_agg(l.profession_id),
        array_agg(s.proveedor_id), array_agg(s.profesion_id), true, false)
      FROM public.provider_professions l WHERE l.provider_id = (s.proveedor_id)::uuid
        AND l.profession_id = (s.profesion_id)::integer HAVING count(*) > 0;
      IF NOT FOUND THEN RAISE EXCEPTION
        USING ERRCODE = 'P0001', MESSAGE = 'un disparador de provider_professions no la deja pasar'; END IF;
      END IF;
      END IF;
    ELSIF v_casa = 0 THEN
      NULL;  -- la fila legacy ya no está: quien la borró se lleva a esta
    ELSIF v_casa = 1 THEN
      SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.proveedor_id,
        f.profesion_id, f.especialidad, f.anos_experiencia, f.certificaciones, f.es_principal, f.estado_verificacion, f.creado_at
        INTO v_f FROM migracion.v_provider_professions_proveedor_profesiones f JOIN public.provider_professions l
        ON l.provider_id = f._k1 AND l.profession_id = f._k2 WHERE l.provider_id = (p_vieja.proveedor_id)::uuid
        AND l.profession_id = (p_vieja.profesion_id)::integer;
      SELECT t.* INTO s FROM public.proveedor_profesiones t WHERE t.id = p_nueva.id;
      IF FOUND THEN
        v_l := CASE WHEN v_otra IS NOT NULL AND v_nueva = v_clave THEN jsonb_populate_record(s, v_otra) ELSE s END;
        IF p_vieja.proveedor_id::text IS DISTINCT FROM p_nueva.proveedor_id::text
          AND v_f.proveedor_id::text IS DISTINCT FROM s.proveedor_id::text THEN
          v_poner := v_poner || jsonb_build_object('provider_id', '(n.proveedor_id)::uuid');
        END IF;
        IF p_vieja.profesion_id::text IS DISTINCT FROM p_nueva.profesion_id::text
          AND v_f.profesion_id::text IS DISTINCT FROM s.profesion_id::text THEN
          v_poner := v_poner || jsonb_build_object('profession_id', '(n.profesion_id)::integer');
        END IF;
        IF p_vieja.especialidad::text IS DISTINCT FROM p_nueva.especialidad::text
          AND v_f.especialidad::text IS DISTINCT FROM s.especialidad::text THEN
          v_poner := v_poner || jsonb_build_object('specialty', '(n.especialidad)::text');
        END IF;
        IF p_vieja.anos_experiencia::text IS DISTINCT FROM p_nueva.anos_experiencia::text
          AND v_f.anos_experiencia::text IS DISTINCT FROM s.anos_experiencia::text THEN
          v_poner := v_poner || jsonb_build_object('experience_years', '(n.anos_experiencia)::integer');
        END IF;
        IF p_vieja.certificaciones::text IS DISTINCT FROM p_nueva.certificaciones::text
          AND v_f.certificaciones::text IS DISTINCT FROM s.certificaciones::text THEN
          v_poner := v_poner || jsonb_build_object('certifications', '(n.certificaciones)::jsonb');
        END IF;
        IF p_vieja.es_principal::text IS DISTINCT FROM p_nueva.es_principal::text
          AND v_f.es_principal::text IS DISTINCT FROM s.es_principal::text THEN
          v_poner := v_poner || jsonb_build_object('is_primary', '(n.es_principal)::boolean');
        END IF;
        IF p_vieja.estado_verificacion::text IS DISTINCT FROM p_nueva.estado_verificacion::text
          AND v_f.estado_verificacion::text IS DISTINCT FROM s.estado_verificacion::text THEN
          v_poner := v_poner || jsonb_build_object('verification_status',
            '(CASE n.estado_verificacion WHEN ''pendiente'' THEN ''pending'' WHEN ''verificada'' THEN ''verified'' WHEN ''rechazada'' THEN ''rejected'' ELSE n.estado_verificacion::text END)::text');
        END IF;
        IF p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
          AND v_f.creado_at::text IS DISTINCT FROM s.creado_at::text THEN
          v_poner := v_poner || jsonb_build_object('created_at', '(n.creado_at AT TIME ZONE ''UTC'')::timestamp with time zone');
        END IF;
        IF v_poner <> '{}' THEN
          EXECUTE 'UPDATE public.provider_professions l SET ' || (SELECT string_agg(format('%I = %s', p.key, p.value), ', ')
            FROM jsonb_each_text(v_poner) p) || ' FROM (SELECT ($2).*) n WHERE l.provider_id = (($1).proveedor_id)::uuid AND l.profession_id = (($1).profesion_id)::integer'
              USING p_vieja, s;
          GET DIAGNOSTICS v_filas = ROW_COUNT;
          IF v_filas = 0 THEN RAISE EXCEPTION
            USING ERRCODE = 'P0001', MESSAGE = 'un disparador de provider_professions no la deja pasar'; END IF;
          SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.proveedor_id,
            f.profesion_id, f.especialidad, f.anos_experiencia, f.certificaciones, f.es_principal, f.estado_verificacion,
            f.creado_at INTO v_g FROM migracion.v_provider_professions_proveedor_profesiones f JOIN public.provider_professions l
            ON l.provider_id = f._k1 AND l.profession_id = f._k2 WHERE l.provider_id = (v_l.proveedor_id)::uuid
            AND l.profession_id = (v_l.profesion_id)::integer;
          IF NOT FOUND OR NOT v_g._entra OR NOT v_f._entra THEN
            v_marca := set_config('migracion.sync', v_antes, true);
            PERFORM migracion.ida_provider_professions_proveedor_profesiones(array_agg(l.provider_id), array_agg(l.profession_id),
              array_agg(v_l.proveedor_id), array_agg(v_l.profesion_id), true, false)
            FROM public.provider_professions l WHERE l.provider_id = (v_l.proveedor_id)::uuid
              AND l.profession_id = (v_l.profesion_id)::integer HAVING count(*) > 0;
          ELSIF (p_vieja.proveedor_id::text IS DISTINCT FROM p_nueva.proveedor_id::text
            OR v_g.proveedor_id::text IS DISTINCT FROM v_f.proveedor_id::text)
            AND v_g.proveedor_id::text IS DISTINCT FROM s.proveedor_id::text
            OR (p_vieja.profesion_id::text IS DISTINCT FROM p_nueva.profesion_id::text
            OR v_g.profesion_id::text IS DISTINCT FROM v_f.profesion_id::text)
            AND v_g.profesion_id::text IS DISTINCT FROM s.profesion_id::text
            OR (p_vieja.especialidad::text IS DISTINCT FROM p_nueva.especialidad::text
            OR v_g.especialidad::text IS DISTINCT FROM v_f.especialidad::text)
            AND v_g.especialidad::text IS DISTINCT FROM s.especialidad::text
            OR (p_vieja.anos_experiencia::text IS DISTINCT FROM p_nueva.anos_experiencia::text
            OR v_g.anos_experiencia::text IS DISTINCT FROM v_f.anos_experiencia::text)
            AND v_g.anos_experiencia::text IS DISTINCT FROM s.anos_experiencia::text
            OR (p_vieja.certificaciones::text IS DISTINCT FROM p_nueva.certificaciones::text
            OR v_g.certificaciones::text IS DISTINCT FROM v_f.certificaciones::text)
            AND v_g.certificaciones::text IS DISTINCT FROM s.certificaciones::text
            OR (p_vieja.es_principal::text IS DISTINCT FROM p_nueva.es_principal::text
            OR v_g.es_principal::text IS DISTINCT FROM v_f.es_principal::text)
            AND v_g.es_principal::text IS DISTINCT FROM s.es_principal::text
            OR (p_vieja.estado_verificacion::text IS DISTINCT FROM p_nueva.estado_verificacion::text
            OR v_g.estado_verificacion::text IS DISTINCT FROM v_f.estado_verificacion::text)
            AND v_g.estado_verificacion::text IS DISTINCT FROM s.estado_verificacion::text
            OR (p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
            OR v_g.creado_at::text IS DISTINCT FROM v_f.creado_at::text)
            AND v_g.creado_at::text IS DISTINCT FROM s.creado_at::text THEN
            -- legacy lo lee de otro modo, o un disparador suyo cambió algo más: eso vuelve aquí
            UPDATE public.proveedor_profesiones t SET proveedor_id = CASE
              WHEN (p_vieja.proveedor_id::text IS DISTINCT FROM p_nueva.proveedor_id::text
              OR v_g.proveedor_id::text IS DISTINCT FROM v_f.proveedor_id::text) THEN v_g.proveedor_id ELSE t.proveedor_id END,
              profesion_id = CASE WHEN (p_vieja.profesion_id::text IS DISTINCT FROM p_nueva.profesion_id::text
              OR v_g.profesion_id::text IS DISTINCT FROM v_f.profesion_id::text) THEN v_g.profesion_id ELSE t.profesion_id END,
              especialidad = CASE WHEN (p_vieja.especialidad::text IS DISTINCT FROM p_nueva.especialidad::text
              OR v_g.especialidad::text IS DISTINCT FROM v_f.especialidad::text) THEN v_g.especialidad ELSE t.especialidad END,
              anos_experiencia = CASE WHEN (p_vieja.anos_experiencia::text IS DISTINCT FROM p_nueva.anos_experiencia::text
              OR v_g.anos_experiencia::text IS DISTINCT FROM v_f.anos_experiencia::text) THEN v_g.anos_experiencia
              ELSE t.anos_experiencia END,
              certificaciones = CASE WHEN (p_vieja.certificaciones::text IS DISTINCT FROM p_nueva.certificaciones::text
              OR v_g.certificaciones::text IS DISTINCT FROM v_f.certificaciones::text) THEN v_g.certificaciones
              ELSE t.certificaciones END,
              es_principal = CASE WHEN (p_vieja.es_principal::text IS DISTINCT FROM p_nueva.es_principal::text
              OR v_g.es_principal::text IS DISTINCT FROM v_f.es_principal::text) THEN v_g.es_principal ELSE t.es_principal END,
              estado_verificacion = CASE
              WHEN (p_vieja.estado_verificacion::text IS DISTINCT FROM p_nueva.estado_verificacion::text
              OR v_g.estado_verificacion::text IS DISTINCT FROM v_f.estado_verificacion::text) THEN v_g.estado_verificacion
              ELSE t.estado_verificacion END,
              creado_at = CASE WHEN (p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
              OR v_g.creado_at::text IS DISTINCT FROM v_f.creado_at::text) THEN v_g.creado_at ELSE t.creado_at END
              WHERE t.id = s.id RETURNING t.* INTO s;
            IF (p_vieja.proveedor_id::text IS DISTINCT FROM p_nueva.proveedor_id::text
              OR v_g.proveedor_id::text IS DISTINCT FROM v_f.proveedor_id::text)
              AND v_g.proveedor_id::text IS DISTINCT FROM s.proveedor_id::text
              OR (p_vieja.profesion_id::text IS DISTINCT FROM p_nueva.profesion_id::text
              OR v_g.profesion_id::text IS DISTINCT FROM v_f.profesion_id::text)
              AND v_g.profesion_id::text IS DISTINCT FROM s.profesion_id::text
              OR (p_vieja.especialidad::text IS DISTINCT FROM p_nueva.especialidad::text
              OR v_g.especialidad::text IS DISTINCT FROM v_f.especialidad::text)
              AND v_g.especialidad::text IS DISTINCT FROM s.especialidad::text
              OR (p_vieja.anos_experiencia::text IS DISTINCT FROM p_nueva.anos_experiencia::text
              OR v_g.anos_experiencia::text IS DISTINCT FROM v_f.anos_experiencia::text)
              AND v_g.anos_experiencia::text IS DISTINCT FROM s.anos_experiencia::text
              OR (p_vieja.certificaciones::text IS DISTINCT FROM p_nueva.certificaciones::text
              OR v_g.certificaciones::text IS DISTINCT FROM v_f.certificaciones::text)
              AND v_g.certificaciones::text IS DISTINCT FROM s.certificaciones::text
              OR (p_vieja.es_principal::text IS DISTINCT FROM p_nueva.es_principal::text
              OR v_g.es_principal::text IS DISTINCT FROM v_f.es_principal::text)
              AND v_g.es_principal::text IS DISTINCT FROM s.es_principal::text
              OR (p_vieja.estado_verificacion::text IS DISTINCT FROM p_nueva.estado_verificacion::text
              OR v_g.estado_verificacion::text IS DISTINCT FROM v_f.estado_verificacion::text)
              AND v_g.estado_verificacion::text IS DISTINCT FROM s.estado_verificacion::text
              OR (p_vieja.creado_at::text IS DISTINCT FROM p_nueva.creado_at::text
              OR v_g.creado_at::text IS DISTINCT FROM v_f.creado_at::text)
              AND v_g.creado_at::text IS DISTINCT FROM s.creado_at::text THEN
              RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'los disparadores de las dos tablas no se ponen de acuerdo';
            END IF;
          END IF;
          IF v_poner ?| ARRAY['provider_id', 'profession_id'] THEN
            -- la siguiente de las que repetían la clave que tenía
            v_marca := set_config('migracion.sync', v_antes, true);
            PERFORM migracion.ida_provider_professions_proveedor_profesiones(array_agg(k._k1), array_agg(k._k2), array_agg(k._m1),
              array_agg(k._m2), true, false)
            FROM (SELECT l.provider_id AS _k1, l.profession_id AS _k2, l.provider_id AS _m1, l.profession_id::integer AS _m2
              FROM public.provider_professions l WHERE l.provider_id = p_vieja.proveedor_id
              AND l.profession_id = p_vieja.profesion_id) k HAVING count(*) > 0;
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
    WHERE c.tabla_origen = 'proveedor_profesiones' AND c.clave = v_aqui AND c.estado <> 'resuelta'
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
      WHERE c.tabla_origen = 'proveedor_profesiones' AND c.estado <> 'resuelta' AND c.clave = v_clave
        AND NOT EXISTS (SELECT FROM migracion.cuarentena o WHERE o.tabla_origen = 'proveedor_profesiones'
          AND o.estado <> 'resuelta' AND o.clave = v_nueva);
    END IF;
    IF left(v_estado, 2) IN ('22', '23', '54') OR v_estado = 'P0001' THEN
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen, columnas, antes)
      VALUES ('proveedor_profesiones', v_aqui, to_jsonb(CASE p_orden WHEN 'DELETE' THEN p_vieja ELSE p_nueva END), v_estado,
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
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'proveedor_profesiones' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('proveedor_profesiones', NULL, v_clave, 'CLAVE', NULL, v_mensaje, v_estado);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('proveedor_profesiones', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, v_mensaje, v_estado);
    END IF;
  END;
END $funcion$;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Nombra a volver la fila de proveedor_profesiones que un servicio escribió. La llaman los disparadores de la tabla.
CREATE OR REPLACE FUNCTION migracion.vuelta_proveedor_profesiones() RETURNS trigger
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
  IF TG_OP = 'DELETE' THEN
    IF coalesce(current_setting('migracion.sync', true), '') IN ('proveedores:' || (pg_trigger_depth() - 2),
      'profesiones:' || (pg_trigger_depth() - 2)) AND (NOT EXISTS (SELECT FROM public.proveedores x WHERE x.id = OLD.proveedor_id)
      OR NOT EXISTS (SELECT FROM public.profesiones x WHERE x.id = OLD.profesion_id)) THEN
      -- cayó con una fila que retiramos
      RETURN NULL;
    END IF;
  END IF;
  v_nada := migracion.anotar_escritura('proveedor_profesiones');
  IF TG_OP = 'TRUNCATE' THEN
    -- lo que legacy no dejaba pasar se queda
    BEGIN
      IF EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid IN ('public.provider_professions'::regclass) AND g.tgdeferrable) THEN
        SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO v_ya
        FROM pg_trigger g JOIN pg_constraint c ON c.oid = g.tgconstraint JOIN pg_namespace n ON n.oid = c.connamespace
        WHERE g.tgrelid IN ('public.provider_professions'::regclass) AND g.tgdeferrable AND c.contype <> 't';
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
      DELETE FROM public.provider_professions l USING migracion.v_provider_professions_proveedor_profesiones f
      WHERE l.provider_id = f._k1 AND l.profession_id = f._k2 AND (CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true
        ELSE false END OR f._fusion IS NOT NULL);
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
        INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
        VALUES ('proveedor_profesiones', '*', '{}', SQLSTATE, 'provider_professions no se vacía: ' || SQLERRM, 'sincronizacion')
        ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO UPDATE SET motivo = excluded.motivo;
      ELSE
        INSERT INTO migracion.pendiente (tabla_origen, clave, operacion, motivo, sqlstate)
        VALUES ('proveedor_profesiones', '*', TG_OP, v_mensaje, v_estado);
      END IF;
    END;
    RETURN NULL;
  END IF;
  v_nada := migracion.volver_proveedor_profesiones(TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN OLD END,
    CASE WHEN TG_OP <> 'DELETE' THEN NEW END);
  RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)
  IF left(v_estado, 2) IN ('53', '55', '57')
    OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
    IF coalesce(current_setting('migracion.sync', true), '') = '' THEN
      PERFORM nextval(to_regclass('migracion.conflictos_proveedor_profesiones'));
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
      UPDATE migracion.pendiente q SET clave = v_nueva WHERE q.tabla_origen = 'proveedor_profesiones' AND q.clave = v_clave;
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
      VALUES ('proveedor_profesiones', NULL, v_clave, 'CLAVE', NULL, v_mensaje, v_estado);
    END IF;
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)
    VALUES ('proveedor_profesiones', NULL, coalesce(v_nueva, v_clave, '*'), p_orden,
      CASE WHEN p_orden <> 'INSERT' THEN v_vieja END, v_mensaje, v_estado);
  RETURN NULL;
END $funcion$;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_provider_professions;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_proveedor_profesiones;

REVOKE ALL ON FUNCTION migracion.ida_provider_professions_proveedor_profesiones,
  migracion.sinc_provider_professions_proveedor_profesiones, migracion.volver_proveedor_profesiones,
  migracion.vuelta_proveedor_profesiones FROM PUBLIC;

CREATE TRIGGER sinc_provider_professions_proveedor_profesiones_i AFTER INSERT
  ON public.provider_professions REFERENCING NEW TABLE AS nuevas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'proveedor_profesiones:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_provider_professions_proveedor_profesiones();

CREATE TRIGGER sinc_provider_professions_proveedor_profesiones_u AFTER UPDATE
  ON public.provider_professions REFERENCING OLD TABLE AS viejas NEW TABLE AS nuevas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'proveedor_profesiones:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_provider_professions_proveedor_profesiones();

CREATE TRIGGER sinc_provider_professions_proveedor_profesiones_d AFTER DELETE
  ON public.provider_professions REFERENCING OLD TABLE AS viejas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'proveedor_profesiones:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_provider_professions_proveedor_profesiones();

CREATE TRIGGER sinc_provider_professions_proveedor_profesiones_t AFTER TRUNCATE ON public.provider_professions
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'proveedor_profesiones:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_provider_professions_proveedor_profesiones();

CREATE TRIGGER vuelta_proveedor_profesiones_i AFTER INSERT ON public.proveedor_profesiones
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'proveedor_profesiones:' || pg_trigger_depth(), 'proveedores:' || pg_trigger_depth(), 'profesiones:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_proveedor_profesiones();

CREATE TRIGGER vuelta_proveedor_profesiones_u AFTER UPDATE ON public.proveedor_profesiones
  FOR EACH ROW WHEN (OLD *<> NEW AND coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'proveedor_profesiones:' || pg_trigger_depth(), 'proveedores:' || pg_trigger_depth(), 'profesiones:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_proveedor_profesiones();

CREATE TRIGGER vuelta_proveedor_profesiones_d AFTER DELETE ON public.proveedor_profesiones
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'proveedor_profesiones:' || pg_trigger_depth(), 'proveedores:' || pg_trigger_depth(), 'profesiones:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_proveedor_profesiones();

CREATE TRIGGER vuelta_proveedor_profesiones_t AFTER TRUNCATE ON public.proveedor_profesiones
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true), '') NOT IN ('copia',
    'proveedor_profesiones:' || pg_trigger_depth(), 'proveedores:' || pg_trigger_depth(), 'profesiones:' || pg_trigger_depth()))
  EXECUTE FUNCTION migracion.vuelta_proveedor_profesiones();
