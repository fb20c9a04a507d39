-- Meta: lo que se escriba en users llega a clientes, y al revés, en la misma transacción. Lo que no puede ir espera en
--   migracion.pendiente o queda en migracion.cuarentena, y la escritura del servicio vale.
-- Necesita: la vista y las funciones de fase2, y ser dueño de las tablas con disparadores o tener TRIGGER en ellas.
-- Bloqueo: SHARE ROW EXCLUSIVE en cada tabla, un disparador por transacción (60 intentos de 50 ms); quien escribe mientras,
--   espera. Sus funciones bloquean filas como se lee en cada una.
-- Deshacer: fase2 --tags rollback; apagarla sin bloquear nada: estado --tags sincronizacion -e sincronizacion=no.
-- Repetir: las funciones sí; un disparador que ya está, no: la fase los compara y hace solo lo que falta.

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Deja en clientes las filas legacy de esas claves (p_k) como dice la vista, y a sus gemelas de antes (p_m); lo que no puede
--   ahora, en pendiente. p_entera: puede cambiar quién se fusiona; p_derivadas: solo lo que viene de otra tabla. La llaman los
--   disparadores de users, los de quien se lee, y el drenaje.
CREATE OR REPLACE FUNCTION migracion.ida_users_clientes(
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
  SELECT s.modo, s.propagacion INTO v_modo, v_tope FROM migracion.sincronizacion s WHERE s.tabla_origen = 'users'
    AND s.tabla_destino = 'clientes';
  IF coalesce(cardinality(p_k1), 0) = 0 OR v_modo IS NULL AND v_firme THEN RETURN; END IF;
  IF v_modo IS DISTINCT FROM 'si' THEN
    -- sin modo: se instaló después de su foto
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'users', 'clientes', k._k1::text, jsonb_build_array(k._m1),
      CASE WHEN v_modo IS NULL THEN 'aislamiento' WHEN v_modo = 'claves' THEN 'carga' ELSE 'apagada' END, NULL
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    RETURN;
  END IF;
  IF v_firme THEN
    -- primero lo que la vista lee y quien escribe no tiene; cada bloqueo espera, y la sentencia siguiente lee lo confirmado
    PERFORM 1 FROM public.customers c WHERE c.phone_number = ANY (ARRAY(SELECT (l.phone_number COLLATE "default")
      FROM public.users l JOIN unnest(p_k1, p_m1) AS k(_k1, _m1) ON l.id = k._k1)) ORDER BY c.id FOR KEY SHARE OF c;
    PERFORM 1 FROM public.customers c WHERE c.id = ANY (p_m1::uuid[]) ORDER BY c.id FOR KEY SHARE OF c;
    IF v_una THEN
      SELECT true AS _esta, t.id, t.telefono, t.nombre_completo, t.ciudad, t.estado, t.tiene_consentimiento, t.creado_at,
        t.actualizado_at INTO v_t FROM public.clientes t WHERE t.id = p_m1[1] FOR NO KEY UPDATE OF t;
    ELSE
      PERFORM 1 FROM public.clientes t WHERE t.id = ANY (p_m1) ORDER BY t.id FOR NO KEY UPDATE OF t;
    END IF;
  ELSE
    -- lo que su foto no ve lo mira el drenaje
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'users', 'clientes', k._k1::text, jsonb_build_array(k._m1), 'aislamiento', NULL FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    SELECT true AS _esta, t.id, t.telefono, t.nombre_completo, t.ciudad, t.estado, t.tiene_consentimiento, t.creado_at,
      t.actualizado_at INTO v_t FROM public.clientes t WHERE t.id = p_m1[1];
  END IF;
  IF EXISTS (SELECT FROM migracion.cuarentena c, unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'clientes'
    AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1)) THEN
    -- en español tienen una clave que legacy no tomó: lo escrito aquí prevalece
    v_marca := set_config('migracion.sync', 'clientes:' || pg_trigger_depth(), true);
    UPDATE public.clientes t SET id = k._m1 FROM unnest(p_k1, p_m1) AS k(_k1, _m1) JOIN migracion.cuarentena c
      ON c.tabla_origen = 'clientes' AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1)
    WHERE t.id = (c.fila ->> 'id')::uuid AND NOT EXISTS (SELECT FROM public.clientes o WHERE o.id = k._m1);
    v_marca := set_config('migracion.sync', v_antes, true);
    UPDATE migracion.cuarentena c SET clave = k._m1::text, antes = NULL, sobrescrita_at = now()
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1)
    WHERE c.tabla_origen = 'clientes' AND c.estado <> 'resuelta' AND c.antes = jsonb_build_object('id', k._m1);
    SELECT true AS _esta, t.id, t.telefono, t.nombre_completo, t.ciudad, t.estado, t.tiene_consentimiento, t.creado_at,
      t.actualizado_at INTO v_t FROM public.clientes t WHERE t.id = p_m1[1];
  END IF;
  IF EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'clientes')
    AND EXISTS (SELECT FROM migracion.pendiente p WHERE p.tabla_origen = 'clientes'
      AND p.clave = ANY (ARRAY(SELECT k._m1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1)))) THEN
    IF v_firme THEN
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'users', 'clientes', k._k1::text, jsonb_build_array(k._m1), 'espera a la otra', NULL
      FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    END IF;
    RETURN;
  END IF;
  -- de qué filas hay algo anotado: esas no van por el camino corto
  SELECT ARRAY(SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
    AND c.clave = ANY (ARRAY(SELECT k._k1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1)))),
    ARRAY(SELECT m.clave FROM migracion.fusion m WHERE m.tabla_origen = 'users' AND m.tabla_destino = 'clientes'
      AND m.clave = ANY (ARRAY(SELECT k._k1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1))))
    || ARRAY(SELECT k._k1::text FROM unnest(p_k1, p_m1) AS k(_k1, _m1), migracion.cuarentena c WHERE c.tabla_origen = 'clientes'
      AND c.estado <> 'resuelta' AND c.clave = k._m1::text) INTO v_abiertas, v_anotadas;
  IF v_una AND v_abiertas = '{}' AND v_anotadas = '{}' THEN
    SELECT CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AS _entra, f.id, f.telefono,
      f.nombre_completo, f.ciudad, f.estado, f.tiene_consentimiento, f.creado_at, f.actualizado_at INTO v_f
      FROM migracion.v_users_clientes f WHERE f._k1 = p_k1[1] AND f.id = p_m1[1];
    IF FOUND AND v_f._entra THEN
      v_hecho := true; v_nace := v_t._esta IS NULL;
      IF v_nace THEN
        BEGIN
          v_marca := set_config('migracion.sync', 'clientes:' || pg_trigger_depth(), true);
          INSERT INTO public.clientes AS t (id, telefono, nombre_completo, ciudad, estado, tiene_consentimiento, creado_at,
            actualizado_at) VALUES (v_f.id, v_f.telefono, v_f.nombre_completo, v_f.ciudad, v_f.estado, v_f.tiene_consentimiento,
            v_f.creado_at, v_f.actualizado_at)
          RETURNING true AS _esta, t.id, t.telefono, t.nombre_completo, t.ciudad, t.estado, t.tiene_consentimiento, t.creado_at,
            t.actualizado_at INTO v_t;
          v_marca := set_config('migracion.sync', v_antes, true);
          IF v_t._esta IS NULL THEN
            INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
              SELECT 'users', 'clientes', k._k1::text, jsonb_build_array(k._m1),
                'un disparador de clientes no la deja pasar', NULL FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
          ELSIF ROW(v_t.id, v_t.telefono, v_t.nombre_completo, v_t.ciudad, v_t.estado, v_t.tiene_consentimiento, v_t.creado_at,
            v_t.actualizado_at)::record *<> ROW(v_f.id, v_f.telefono, v_f.nombre_completo, v_f.ciudad, v_f.estado,
            v_f.tiene_consentimiento, v_f.creado_at, v_f.actualizado_at)::record THEN
            -- un disparador de la tabla escribió otra cosa: eso vuelve
            PERFORM migracion.volver_clientes('UPDATE', jsonb_populate_record(t,
              jsonb_build_object('id', v_f.id, 'telefono', v_f.telefono, 'nombre_completo', v_f.nombre_completo,
              'ciudad', v_f.ciudad, 'estado', v_f.estado, 'tiene_consentimiento', v_f.tiene_consentimiento,
              'creado_at', v_f.creado_at, 'actualizado_at', v_f.actualizado_at)), t)
            FROM public.clientes t WHERE t.id = p_m1[1];
          END IF;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
          v_hecho := false; v_nace := false;
        END;
      ELSE
      IF ROW(v_t.telefono, v_t.nombre_completo, v_t.ciudad, v_t.estado, v_t.tiene_consentimiento, v_t.creado_at,
        v_t.actualizado_at)::record *<> ROW(v_f.telefono, v_f.nombre_completo, v_f.ciudad, v_f.estado, v_f.tiene_consentimiento,
        v_f.creado_at, v_f.actualizado_at)::record THEN
        BEGIN
          v_marca := set_config('migracion.sync', 'clientes:' || pg_trigger_depth(), true);
          UPDATE public.clientes t SET telefono = v_f.telefono, nombre_completo = v_f.nombre_completo, ciudad = v_f.ciudad,
            estado = v_f.estado, tiene_consentimiento = v_f.tiene_consentimiento, creado_at = v_f.creado_at,
            actualizado_at = v_f.actualizado_at WHERE t.id = p_m1[1]
          RETURNING true AS _esta, t.id, t.telefono, t.nombre_completo, t.ciudad, t.estado, t.tiene_consentimiento, t.creado_at,
            t.actualizado_at INTO v_t;
          v_marca := set_config('migracion.sync', v_antes, true);
          IF v_t._esta IS NULL THEN
            INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
              SELECT 'users', 'clientes', k._k1::text, jsonb_build_array(k._m1),
                'un disparador de clientes no la deja pasar', NULL FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
          ELSIF ROW(v_t.telefono, v_t.nombre_completo, v_t.ciudad, v_t.estado, v_t.tiene_consentimiento, v_t.creado_at,
            v_t.actualizado_at)::record *<> ROW(v_f.telefono, v_f.nombre_completo, v_f.ciudad, v_f.estado,
            v_f.tiene_consentimiento, v_f.creado_at, v_f.actualizado_at)::record THEN
            -- un disparador de la tabla escribió otra cosa: eso vuelve
            PERFORM migracion.volver_clientes('UPDATE', jsonb_populate_record(t,
              jsonb_build_object('telefono', v_f.telefono, 'nombre_completo', v_f.nombre_completo, 'ciudad', v_f.ciudad,
              'estado', v_f.estado, 'tiene_consentimiento', v_f.tiene_consentimiento, 'creado_at', v_f.creado_at,
              'actualizado_at', v_f.actualizado_at)), t)
            FROM public.clientes t WHERE t.id = p_m1[1];
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
      v_marca := set_config('migracion.sync', 'clientes:' || pg_trigger_depth(), true);
      WITH f AS MATERIALIZED (
        SELECT f._k1, f.id, f.telefono, f.nombre_completo, f.ciudad, f.estado, f.tiene_consentimiento, f.creado_at,
          f.actualizado_at, t.id IS NOT NULL AS _esta, CASE WHEN t.id IS NOT NULL
          THEN ROW(t.telefono, t.nombre_completo, t.ciudad, t.estado, t.tiene_consentimiento, t.creado_at,
          t.actualizado_at)::record *<> ROW(f.telefono, f.nombre_completo, f.ciudad, f.estado, f.tiene_consentimiento,
          f.creado_at, f.actualizado_at)::record END AS _distinta
        FROM unnest(p_k1, p_m1) AS k(_k1, _m1) JOIN migracion.v_users_clientes f ON f._k1 = k._k1 AND f.id = k._m1
          LEFT JOIN public.clientes t ON t.id = f.id
        WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AND f._clave <> ALL (v_abiertas)
          AND f._clave <> ALL (v_anotadas)
      ), nuevas AS (
        INSERT INTO public.clientes (id, telefono, nombre_completo, ciudad, estado, tiene_consentimiento, creado_at,
          actualizado_at) SELECT f.id, f.telefono, f.nombre_completo, f.ciudad, f.estado, f.tiene_consentimiento, f.creado_at,
          f.actualizado_at FROM f WHERE NOT f._esta
        RETURNING 1
      ), corregidas AS (
        UPDATE public.clientes t SET telefono = f.telefono, nombre_completo = f.nombre_completo, ciudad = f.ciudad,
          estado = f.estado, tiene_consentimiento = f.tiene_consentimiento, creado_at = f.creado_at,
          actualizado_at = f.actualizado_at
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
    v_marca := set_config('migracion.sync', 'clientes:' || pg_trigger_depth(), true);
    -- lo que un servicio borró se va sin más, si nada cuelga de ello y no estaba retenido
    PERFORM 1 FROM public.clientes t JOIN unnest(r_k1, r_m1) AS k(_k1, _m1) ON t.id = k._m1
      WHERE NOT EXISTS (SELECT FROM public.users l WHERE l.id = k._k1)
      ORDER BY t.id FOR UPDATE OF t;
    DELETE FROM public.clientes t USING unnest(r_k1, r_m1) AS k(_k1, _m1)
    WHERE t.id = k._m1 AND NOT EXISTS (SELECT FROM public.users l WHERE l.id = k._k1) AND k._k1::text <> ALL (v_abiertas)
      AND NOT (EXISTS (SELECT 1 FROM migracion.v_customers_clientes f WHERE f.id = t.id
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
      OR (EXISTS (SELECT 1 FROM migracion.v_customers_clientes f WHERE f.id = t.id AND f._rechazo IS NOT NULL OFFSET 0)))
      AND NOT EXISTS (SELECT FROM public.solicitudes_servicio h WHERE h.cliente_id = t.id)
      AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        AND x.conrelid NOT IN ('public.solicitudes_servicio'::regclass)
        WHERE g.tgrelid = 'public.clientes'::regclass AND g.tgisinternal);
    GET DIAGNOSTICS v_filas = ROW_COUNT;
    IF v_filas < cardinality(r_k1) THEN
      -- lo que la sincronización lleva puede salir con la fila de la que depende; lo demás la retiene
      v_marca := set_config('migracion.lleva', (coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_array('public',
        m.tabla_destino)) FROM migracion.sincronizacion m), '[]') || jsonb_build_array(jsonb_build_array('public',
          'solicitudes_servicio', 'cliente_id')))::text, true);
      PERFORM migracion.llevar_users_clientes(array_agg(k._k1), 'sincronizacion')
      FROM (SELECT DISTINCT k._k1 FROM unnest(r_k1, r_m1) AS k(_k1, _m1)) k
        WHERE NOT (NOT EXISTS (SELECT FROM public.users l WHERE l.id = k._k1)) HAVING count(*) > 0;
      PERFORM migracion.quitar_clientes(array_agg(t.id), 'sincronizacion')
      FROM public.clientes t WHERE t.id = ANY (r_m1) AND NOT (EXISTS (SELECT 1 FROM migracion.v_customers_clientes f
        WHERE f.id = t.id AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
        OR EXISTS (SELECT 1 FROM migracion.v_users_clientes f WHERE f.id = t.id
        AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
        OR (EXISTS (SELECT 1 FROM migracion.v_customers_clientes f WHERE f.id = t.id AND f._rechazo IS NOT NULL OFFSET 0)
        OR EXISTS (SELECT 1 FROM migracion.v_users_clientes f WHERE f.id = t.id AND f._rechazo IS NOT NULL OFFSET 0)))
      HAVING count(*) > 0;
      IF FOUND THEN
        -- a las que retiene una fila ajena: se quedan, y así consta
        INSERT INTO migracion.cuarentena (tabla_origen, clave, fila, sqlstate, motivo, origen)
        SELECT 'clientes', t.id::text, to_jsonb(t.*), '23503',
          'no se retira: ' || h.motivo, 'sincronizacion'
        FROM public.clientes t CROSS JOIN LATERAL (SELECT string_agg(DISTINCT a.motivo, '; ') AS motivo
          FROM migracion.alcance(t.tableoid, ARRAY[t.ctid]) a) h
        WHERE t.id = ANY (r_m1) AND h.motivo IS NOT NULL AND NOT (EXISTS (SELECT 1 FROM migracion.v_customers_clientes f
          WHERE f.id = t.id AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
          OR EXISTS (SELECT 1 FROM migracion.v_users_clientes f WHERE f.id = t.id
          AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
          OR (EXISTS (SELECT 1 FROM migracion.v_customers_clientes f WHERE f.id = t.id AND f._rechazo IS NOT NULL OFFSET 0)
          OR EXISTS (SELECT 1 FROM migracion.v_users_clientes f WHERE f.id = t.id AND f._rechazo IS NOT NULL OFFSET 0)))
        ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO NOTHING;
      END IF;
      -- la vista la deja pasar y no está: falta su padre todavía
      INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'users', 'clientes', k._k1::text, jsonb_build_array(k._m1), 'falta la fila de la que depende', NULL
      FROM (SELECT DISTINCT k._k1, k._m1 FROM unnest(r_k1, r_m1) AS k(_k1, _m1)) k JOIN migracion.v_users_clientes f
      ON f._k1 = k._k1 WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      AND NOT EXISTS (SELECT FROM public.clientes t WHERE t.id = f.id)
      AND NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
      AND c.clave = f._clave);
    END IF;
    IF v_abiertas <> '{}' THEN
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta' AND c.clave = k._k1::text
        AND NOT EXISTS (SELECT FROM public.users l WHERE l.id = k._k1);
    END IF;
    IF v_anotadas <> '{}' THEN
      DELETE FROM migracion.fusion m USING unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE m.tabla_origen = 'users'
        AND m.tabla_destino = 'clientes' AND m.clave = k._k1::text
        AND NOT EXISTS (SELECT FROM migracion.v_users_clientes f WHERE f._k1 = k._k1 AND f._fusion IS NOT NULL);
      UPDATE migracion.cuarentena c SET sobrescrita_at = now(),
        estado = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN 'resuelta' ELSE c.estado END,
          resuelta_at = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN now() END,
        resolucion = CASE WHEN starts_with(c.motivo, 'no se retira: ') THEN 'la fila vuelve a deberse a legacy' END
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) JOIN migracion.v_users_clientes f ON f._k1 = k._k1
      WHERE c.tabla_origen = 'clientes' AND c.estado <> 'resuelta' AND c.clave = k._m1::text AND c.sobrescrita_at IS NULL
        AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
        AND EXISTS (SELECT FROM public.clientes t WHERE t.id = k._m1
        AND NOT (ROW(t.telefono, t.nombre_completo, t.ciudad, t.estado, t.tiene_consentimiento, t.creado_at,
        t.actualizado_at)::record *<> ROW(f.telefono, f.nombre_completo, f.ciudad, f.estado, f.tiene_consentimiento, f.creado_at,
        f.actualizado_at)::record));
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM unnest(r_k1, r_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'clientes' AND c.estado <> 'resuelta'
        AND c.clave = k._m1::text AND NOT EXISTS (SELECT FROM public.clientes t WHERE t.id = k._m1)
        AND NOT EXISTS (SELECT FROM public.users l WHERE l.id = k._k1);
    END IF;
    v_marca := set_config('migracion.sync', v_antes, true);
  END IF;
    IF cardinality(p_k1) > 1 AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = 'public.clientes'::regclass
      AND NOT g.tgisinternal AND g.tgfoid <> 'migracion.tocar_actualizado'::regproc
      AND g.tgtype & 3 = 3 AND g.tgenabled <> 'D') THEN
      -- un disparador de un servicio puede haber escrito otra cosa: se mira una a una
      PERFORM migracion.ida_users_clientes(ARRAY[k._k1], ARRAY[k._m1], false, p_derivadas) FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
    END IF;
  -- si una fila sigue pasando nadie más lo nota
  IF NOT (p_entera OR v_nace) THEN
    IF NOT v_hecho THEN v_abiertas := v_abiertas || ARRAY(SELECT c.clave FROM migracion.cuarentena c,
      unnest(p_k1, p_m1) AS k(_k1, _m1) WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
      AND c.clave = k._k1::text); END IF;
    IF v_abiertas = '{}' THEN RETURN; END IF;
    SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM unnest(p_k1, p_m1) AS k(_k1, _m1)
      WHERE k._k1::text = ANY (v_abiertas);
  END IF;
END $funcion$;

-- Nombra las filas de users que una sentencia tocó y llama a ida. La llaman los disparadores de users.
CREATE OR REPLACE FUNCTION migracion.sinc_users_clientes() RETURNS trigger
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
  v_nada text; v_estado text; v_mensaje text; v_detalle text; v_libres jsonb[];
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT t.id::uuid AS _k1, t.id AS _m1
      FROM public.clientes t) k;
    -- también de lo que no pasaba
    UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
    WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
      AND NOT EXISTS (SELECT FROM public.users l);
    DELETE FROM migracion.fusion m WHERE m.tabla_origen = 'users' AND m.tabla_destino = 'clientes'
      AND NOT EXISTS (SELECT FROM public.users l);
  ELSIF TG_OP = 'INSERT' THEN
    SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT n.id AS _k1, n.id AS _m1 FROM nuevas n
      WHERE n.user_type::text = 'client') k;
  ELSIF TG_OP = 'DELETE' THEN
    SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT o.id AS _k1, o.id AS _m1 FROM viejas o
      WHERE o.user_type::text = 'client') k;
    SELECT array_agg(u.v) INTO v_libres FROM (SELECT jsonb_build_array(1, o.phone_number::character varying(20)) AS v
      FROM viejas o WHERE o.user_type::text = 'client') u;
  ELSE
    -- quién es cada una antes y después: casi siempre la misma
    SELECT array_agg(k._k1), array_agg(k._m1), EXISTS (SELECT o.id, o.phone_number, o.user_type FROM viejas o EXCEPT SELECT n.id,
      n.phone_number, n.user_type FROM nuevas n) INTO p_k1, p_m1, v_entera
      FROM (SELECT o.id AS _k1, o.id AS _m1 FROM viejas o WHERE o.user_type::text = 'client') k;
    IF v_entera THEN
      SELECT array_agg(k._k1), array_agg(k._m1) INTO p_k1, p_m1 FROM (SELECT o.id AS _k1, o.id AS _m1 FROM viejas o
        WHERE o.user_type::text = 'client' UNION SELECT n.id AS _k1, n.id AS _m1 FROM nuevas n
        WHERE n.user_type::text = 'client') k;
      -- con otra clave legacy la fila en español será otra: lo que solo esta tenía se guarda
      INSERT INTO migracion.apartada (run_id, tabla, clave, fila)
      SELECT 'sincronizacion', 'clientes', t.id::text, to_jsonb(t.*)
      FROM (SELECT o.id AS _k1, o.id AS _m1 FROM viejas o WHERE o.user_type::text = 'client') k JOIN public.clientes t
        ON t.id = k._m1
      WHERE NOT EXISTS (SELECT FROM nuevas n WHERE n.id = k._k1)
        AND NOT EXISTS (SELECT FROM public.solicitudes_servicio h WHERE h.cliente_id = t.id)
      AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        AND x.conrelid NOT IN ('public.solicitudes_servicio'::regclass)
        WHERE g.tgrelid = 'public.clientes'::regclass AND g.tgisinternal);
      SELECT array_agg(u.v) INTO v_libres FROM ((SELECT jsonb_build_array(1, o.phone_number::character varying(20)) AS v
        FROM viejas o WHERE o.user_type::text = 'client') EXCEPT (SELECT jsonb_build_array(1,
        n.phone_number::character varying(20)) AS v FROM nuevas n WHERE n.user_type::text = 'client')) u;
    END IF;
  END IF;
  IF p_k1 IS NULL THEN RETURN NULL; END IF;
  v_nada := migracion.ida_users_clientes(p_k1, p_m1, v_entera, false);
  IF v_libres IS NOT NULL OR TG_OP = 'TRUNCATE' THEN
    PERFORM migracion.cede_clientes(v_libres);
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
  -- lo que retiene otro, o falta de recursos, es de quien escribe; también lo que decide SERIALIZABLE (lleva detalle)
  IF left(v_estado, 2) IN ('53', '55', '57')
    OR left(v_estado, 2) = '40' AND (v_firme OR v_estado <> '40001' OR v_detalle <> '') THEN
    IF coalesce(current_setting('migracion.sync', true), '') = '' THEN
      PERFORM nextval(to_regclass('migracion.conflictos_users'));
    END IF;
    RAISE;
  END IF;
  INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, fila, motivo, sqlstate)
    SELECT 'users', 'clientes', k._k1::text, jsonb_build_array(k._m1), v_mensaje, v_estado FROM unnest(p_k1, p_m1) AS k(_k1, _m1);
  IF p_k1 IS NULL THEN
    -- alguien cambió el nombre de una columna de la clave
    INSERT INTO migracion.pendiente (tabla_origen, tabla_destino, clave, motivo, sqlstate)
    VALUES ('users', 'clientes', '*', v_mensaje, v_estado);
  END IF;
  RETURN NULL;
END $funcion$;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_users;

CREATE SEQUENCE IF NOT EXISTS migracion.conflictos_clientes;

REVOKE ALL ON FUNCTION migracion.ida_users_clientes, migracion.sinc_users_clientes FROM PUBLIC;

CREATE TRIGGER sinc_users_clientes_i AFTER INSERT ON public.users REFERENCING NEW TABLE AS nuevas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'clientes:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_users_clientes();

CREATE TRIGGER sinc_users_clientes_u AFTER UPDATE ON public.users REFERENCING OLD TABLE AS viejas NEW TABLE AS nuevas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'clientes:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_users_clientes();

CREATE TRIGGER sinc_users_clientes_d AFTER DELETE ON public.users REFERENCING OLD TABLE AS viejas
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'clientes:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_users_clientes();

CREATE TRIGGER sinc_users_clientes_t AFTER TRUNCATE ON public.users
  FOR EACH STATEMENT WHEN (coalesce(current_setting('migracion.sync', true),
    '') IS DISTINCT FROM 'clientes:' || pg_trigger_depth())
  EXECUTE FUNCTION migracion.sinc_users_clientes();
