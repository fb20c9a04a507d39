-- Meta: llevar professions a profesiones. La vista es la única definición: copia, prueba y simulacro la usan.
-- Necesita: fase1; ser dueño de migracion y USAGE en public; SELECT y UPDATE sobre professions; SELECT sobre
--   proveedor_profesiones; SELECT, INSERT, UPDATE y DELETE sobre profesiones; BYPASSRLS, o ser su dueño, donde haya seguridad por
--   fila.
-- Bloqueo: cada lote (5.000 filas, si batch_rows no dice otra cosa, y 8 MB como mucho, o una fila mayor), hasta que termina: FOR
--   SHARE en professions; FOR KEY SHARE en migracion.arriendo; escribe en profesiones, migracion.progreso_copia y
--   migracion.cuarentena, y en migracion.apartada si una fila sobra o no entra (sale con las que dependen de ella, todas FOR
--   UPDATE). Cada espera dura 200 ms como mucho; después el lote cede y vuelve con menos filas, 40 intentos. Crear esto toma
--   ACCESS SHARE en lo que leen las vistas, que solo choca con quien cambia la tabla misma.
-- Deshacer: fase2 --tags rollback: guarda en migracion.apartada lo que solo profesiones tiene, y la vacía con ACCESS EXCLUSIVE en
--   ella y en las que apuntan a ella (20 intentos de 500 ms); vista y funciones se van con la última copia.
-- Repetir: sí, todo es CREATE OR REPLACE, y un lote repetido no cambia nada.

-- Qué será de cada fila de professions en profesiones: sus valores, o por qué no pasa. La leen las funciones, la prueba y el
--   simulacro.
CREATE OR REPLACE VIEW migracion.v_professions_profesiones AS
SELECT l.id AS _k1,
       l.ctid AS _lugar,
       l.id::text AS _clave,
       v.id,
       v.nombre,
       v.especialidad,
       v.categoria,
       v.esta_activo,
       v.creado_at,
       v.actualizado_at,
       f.rechazo AS _rechazo,
       f.rechazo[3] AS _motivo,
       NULL::text AS _fusion,
       (SELECT migracion.fila_entera(row_to_json(x.*), x.tableoid) FROM public.professions x WHERE x.ctid = l.ctid) AS _fila
FROM public.professions l
CROSS JOIN LATERAL (SELECT
    l.id::integer AS id,
    l.name::character varying(100) AS nombre,
    l.specialty::character varying(255) AS especialidad,
    l.category::character varying(100) AS categoria,
    l.is_active AS esta_activo,
    (l.created_at AT TIME ZONE 'UTC') AS creado_at,
    (l.updated_at AT TIME ZONE 'UTC') AS actualizado_at) v
CROSS JOIN LATERAL (SELECT CASE
    WHEN octet_length(l.name) > 100 AND char_length(l.name) > 100 AND rtrim(substr(l.name, 101), ' ') <> ''
      THEN ARRAY['22001', 'name', 'name pasa de los 100 caracteres que admite nombre']
    WHEN v.nombre IS NULL THEN ARRAY['23502', 'name', 'falta name, y nombre es obligatorio']
    WHEN octet_length(l.specialty) > 255 AND char_length(l.specialty) > 255 AND rtrim(substr(l.specialty, 256), ' ') <> ''
      THEN ARRAY['22001', 'specialty', 'specialty pasa de los 255 caracteres que admite especialidad']
    WHEN octet_length(l.category) > 100 AND char_length(l.category) > 100 AND rtrim(substr(l.category, 101), ' ') <> ''
      THEN ARRAY['22001', 'category', 'category pasa de los 100 caracteres que admite categoria']
  END AS rechazo) r
CROSS JOIN LATERAL (SELECT coalesce(r.rechazo, CASE
    WHEN (char_length(v.nombre) = 100) AND (l.id::text) = ANY (ARRAY(
      SELECT d.clave FROM (
        SELECT o.id::text AS clave,
               row_number() OVER (PARTITION BY v.nombre ORDER BY o.id) AS puesto
        FROM public.professions o
        CROSS JOIN LATERAL (SELECT
            o.id::integer AS id,
            o.name::character varying(100) AS nombre,
            o.specialty::character varying(255) AS especialidad,
            o.category::character varying(100) AS categoria,
            o.is_active AS esta_activo,
            (o.created_at AT TIME ZONE 'UTC') AS creado_at,
            (o.updated_at AT TIME ZONE 'UTC') AS actualizado_at) v
        CROSS JOIN LATERAL (SELECT CASE
            WHEN octet_length(o.name) > 100 AND char_length(o.name) > 100 AND rtrim(substr(o.name, 101), ' ') <> ''
              THEN ARRAY['22001', 'name', 'name pasa de los 100 caracteres que admite nombre']
            WHEN v.nombre IS NULL THEN ARRAY['23502', 'name', 'falta name, y nombre es obligatorio']
            WHEN octet_length(o.specialty) > 255 AND char_length(o.specialty) > 255 AND rtrim(substr(o.specialty, 256), ' ') <> ''
              THEN ARRAY['22001', 'specialty', 'specialty pasa de los 255 caracteres que admite especialidad']
            WHEN octet_length(o.category) > 100 AND char_length(o.category) > 100 AND rtrim(substr(o.category, 101), ' ') <> ''
              THEN ARRAY['22001', 'category', 'category pasa de los 100 caracteres que admite categoria']
          END AS rechazo) r
        WHERE (NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions' AND c.estado <> 'resuelta'
          AND c.lugar IS NOT NULL) OR (o.tableoid, o.ctid, o.id::text) NOT IN (SELECT c.tabla, c.lugar, c.clave
          FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions' AND c.estado <> 'resuelta' AND c.lugar IS NOT NULL))
          AND (char_length(v.nombre) = 100) AND r.rechazo IS NULL
          AND v.nombre IS NOT NULL
      ) d WHERE d.puesto > 1)) THEN ARRAY['23505', 'name', 'name repite en nombre el valor de otra fila, que queda']
  END) AS rechazo) f
WHERE (NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions' AND c.estado <> 'resuelta'
  AND c.lugar IS NOT NULL) OR (l.tableoid, l.ctid, l.id::text) NOT IN (SELECT c.tabla, c.lugar, c.clave
  FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions' AND c.estado <> 'resuelta' AND c.lugar IS NOT NULL));

REVOKE ALL ON migracion.v_professions_profesiones FROM PUBLIC;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Deja en profesiones las filas legacy de esas claves como dice la vista; anota las rechazadas. La llaman copiar, la reparación y
--   ella misma.
CREATE OR REPLACE FUNCTION migracion.llevar_professions_profesiones(
  p_k1 integer[], p_run text, p_lugar tid[] DEFAULT NULL,
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
  v_hubo boolean := false;
  p_m1 integer[] := '{}';
BEGIN
  copiadas := 0; rechazadas := 0;
  IF cardinality(p_k1) = 0 THEN RETURN; END IF;
  PERFORM set_config('migracion.sync', coalesce(nullif(current_setting('migracion.sync', true), ''), 'copia'), true);
  -- cada bloqueo espera a quien escribe; la sentencia siguiente lee lo que confirmó
  IF p_lugar IS NULL THEN
    SELECT coalesce(array_agg(l._k1), '{}'), coalesce(array_agg(l._lugar), '{}') INTO p_k1, p_lugar FROM (
      SELECT l.id AS _k1, l.ctid AS _lugar FROM public.professions l JOIN (SELECT DISTINCT k.* FROM unnest(p_k1) AS k(_k1)) k
        ON l.id = k._k1
      ORDER BY l.id FOR SHARE OF l) l;
  END IF;
  LOOP
    BEGIN
    -- con EXECUTE cada lote tiene su plan
    EXECUTE $lote$
    WITH f AS MATERIALIZED (
      SELECT f._k1, f._clave, f.id, f.nombre, f.especialidad, f.categoria, f.esta_activo, f.creado_at, f.actualizado_at,
        f._rechazo, f._fusion,
        t.id IS NOT NULL AS _esta, CASE WHEN t.id IS NOT NULL THEN ROW(t.nombre, t.especialidad, t.categoria, t.esta_activo,
          t.creado_at, t.actualizado_at)::record *<> ROW(f.nombre, f.especialidad, f.categoria, f.esta_activo, f.creado_at,
          f.actualizado_at)::record END AS _distinta
      FROM migracion.v_professions_profesiones f LEFT JOIN public.profesiones t ON $2 AND t.id = f.id
      WHERE f._lugar = ANY ($1)
    ), nuevas AS (
      INSERT INTO public.profesiones (id, nombre, especialidad, categoria, esta_activo, creado_at, actualizado_at)
      SELECT f.id, f.nombre, f.especialidad, f.categoria, f.esta_activo, f.creado_at, f.actualizado_at FROM f WHERE NOT f._esta
        AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      RETURNING 1
    ), corregidas AS (
      UPDATE public.profesiones t SET nombre = f.nombre, especialidad = f.especialidad, categoria = f.categoria,
        esta_activo = f.esta_activo, creado_at = f.creado_at, actualizado_at = f.actualizado_at
      FROM f WHERE f._distinta AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AND t.id = f.id
        AND CASE WHEN (t.nombre) IS DISTINCT FROM (f.nombre) THEN NOT EXISTS (SELECT
          FROM migracion.alcance(t.tableoid, ARRAY[t.ctid], ARRAY['nombre']) a WHERE a.motivo IS NOT NULL) ELSE true END
      RETURNING 1
    ), abiertas AS (
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, columna, motivo, origen)
      SELECT 'professions', f._clave, migracion.fila_entera(row_to_json(l.*), l.tableoid), f._rechazo[1], f._rechazo[2],
        f._rechazo[3], 'copia'
      FROM f JOIN public.professions l ON l.id = f._k1
      WHERE f._rechazo IS NOT NULL
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = excluded.columna, motivo = excluded.motivo,
          tabla = NULL, lugar = NULL
        WHERE (c.fila, c.motivo) IS DISTINCT FROM (excluded.fila, excluded.motivo)
      RETURNING 1
    ), cerradas AS (
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'corregida'
      WHERE c.tabla_origen = 'professions' AND c.estado <> 'resuelta'
        AND c.clave = ANY (ARRAY(SELECT f._clave FROM f WHERE f._rechazo IS NULL))
        AND EXISTS (SELECT 1 FROM migracion.cuarentena x WHERE x.tabla_origen = 'professions' AND x.estado <> 'resuelta')
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
  IF v_estado = '23505' THEN
    -- quien tiene el valor sin fila legacy que se lo dé sale, también la última buena de una rechazada
    SELECT a.apartadas INTO v_mas FROM migracion.apartar('public.profesiones'::regclass,
    ARRAY(SELECT t.ctid FROM unnest(p_k1) AS k(_k1) JOIN migracion.v_professions_profesiones f ON f._k1 = k._k1
      JOIN public.profesiones t ON t.nombre = f.nombre AND NOT (f.id = t.id)
    WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      AND NOT (EXISTS (SELECT 1 FROM migracion.v_professions_profesiones g WHERE g.id = t.id
      AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
      AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions'
      AND c.estado <> 'resuelta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: '))))), p_run) a;
    v_hubo := v_hubo OR v_mas > 0;
    -- quien va atrasado hace sitio y se lleva después
    -- a quien retiene algo que la ejecución no lleva no se le cambia nada
    WITH h AS (
      UPDATE public.profesiones t SET nombre = left('~' || md5(t.id::text), 33)
      FROM (SELECT t.id AS _m1
      FROM unnest(p_k1) AS k(_k1) JOIN migracion.v_professions_profesiones f ON f._k1 = k._k1
      JOIN public.profesiones t ON t.nombre = f.nombre AND NOT (f.id = t.id)
        WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END) h WHERE t.id = h._m1
        AND NOT (EXISTS (SELECT 1 FROM migracion.v_professions_profesiones g WHERE g.id = h._m1
        AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
        AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions'
        AND c.estado <> 'resuelta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: ')) AND g.nombre = t.nombre))
        AND (EXISTS (SELECT 1 FROM migracion.v_professions_profesiones g WHERE g.id = h._m1
          AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
          AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions'
          AND c.estado <> 'resuelta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: '))))
          AND CASE WHEN h._m1 IS NOT NULL THEN NOT EXISTS (SELECT FROM migracion.alcance(t.tableoid, ARRAY[t.ctid],
          ARRAY['nombre']) a WHERE a.motivo IS NOT NULL) END
      RETURNING t.id AS _m1
    )
    SELECT p_m1 || coalesce(array_agg(h._m1), '{}'), v_hubo OR count(*) > 0
    INTO p_m1, v_hubo FROM h;
    IF v_hubo THEN
      SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas
      FROM migracion.llevar_professions_profesiones(p_k1, p_run) r;
      PERFORM migracion.llevar_professions_profesiones(coalesce(array_agg(g._k1), '{}'), p_run)
      FROM unnest(p_m1) AS k(_m1) JOIN migracion.v_professions_profesiones g ON g.id = k._m1;
      RETURN;
    END IF;
  END IF;
  -- red bajo los rechazos de la vista: partir en dos hasta que la fila que no entra quede sola
  IF cardinality(p_k1) > 1 THEN
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.llevar_professions_profesiones(p_k1[1:v_mitad], p_run,
      p_lugar[1:v_mitad]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.llevar_professions_profesiones(p_k1[v_mitad + 1:], p_run,
      p_lugar[v_mitad + 1:]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    RETURN;
  END IF;
  -- quien tiene su valor lo confirmó mientras se le esperaba, y la vista ya no la deja pasar: eso se anota
  IF v_estado = '23505' AND NOT EXISTS (SELECT FROM migracion.v_professions_profesiones f WHERE f._lugar = ANY (p_lugar)
    AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END) THEN
    SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_professions_profesiones(p_k1, p_run) r;
    RETURN;
  END IF;
  -- que falte el padre no es culpa de la fila: la prueba lo dice y la reparación trae a los dos
  IF v_estado = '23503' THEN RETURN; END IF;
  -- ni que una fila en español retenga un valor que ya no es suyo, porque aún no puede salir ni cambiar
  IF v_estado = '23505' AND (EXISTS (SELECT FROM unnest(p_k1) AS k(_k1) JOIN migracion.v_professions_profesiones f
    ON f._k1 = k._k1
      JOIN public.profesiones t ON t.nombre = f.nombre AND NOT (f.id = t.id)
        WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
        AND NOT (EXISTS (SELECT 1 FROM migracion.v_professions_profesiones g WHERE g.id = t.id
        AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
        AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions'
        AND c.estado <> 'resuelta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: ')) AND g.nombre = t.nombre))
        AND EXISTS (SELECT FROM migracion.alcance(t.tableoid, ARRAY[t.ctid],
        CASE WHEN EXISTS (SELECT 1 FROM migracion.v_professions_profesiones g WHERE g.id = t.id
        AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
        AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'professions'
        AND c.estado <> 'resuelta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: '))) THEN ARRAY['nombre'] END) a
        WHERE a.motivo IS NOT NULL))) THEN RETURN; END IF;
  INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
  SELECT 'professions', f._clave, f._fila, v_estado, 'PostgreSQL la rechaza: ' || v_mensaje, 'copia'
  FROM migracion.v_professions_profesiones f WHERE f._lugar = ANY (p_lugar)
    AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
  ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
  DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = NULL, motivo = excluded.motivo,
    tabla = NULL, lugar = NULL;
  -- lo que fue antes se queda, salvo la que hizo sitio a otra y no vuelve a entrar
  SELECT a.apartadas INTO v_mas FROM migracion.apartar('public.profesiones'::regclass,
    ARRAY(SELECT t.ctid FROM public.profesiones t JOIN migracion.v_professions_profesiones f ON t.id = f.id
    WHERE f._lugar = ANY (p_lugar) AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      AND (t.nombre = left('~' || md5(t.id::text), 33))), p_run) a;
  -- un mismo motivo para tantas filas es de la tabla; fuera de la clase 23 el mensaje puede llevar un valor
  SELECT count(*) INTO v_mas FROM migracion.cuarentena c
  WHERE c.tabla_origen = 'professions' AND c.estado = 'abierta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: ')
    AND c.sqlstate = v_estado
    AND (left(v_estado, 2) <> '23' OR c.motivo = 'PostgreSQL la rechaza: ' || v_mensaje);
  IF v_mas > 20 AND v_mas > 0.01 * (SELECT coalesce(sum(p.filas_previstas), 0)
    FROM migracion.progreso_copia p WHERE p.tabla_origen = 'professions' AND p.tabla_destino = 'profesiones') THEN
    RAISE EXCEPTION USING ERRCODE = 'TK001', MESSAGE = v_mensaje, DETAIL = v_mas;
  END IF;
  rechazadas := 1;
END $funcion$;

-- Un lote: las filas de professions que siguen en el tramo, por llevar, y el avance en progreso_copia. La llama la copia
--   (table_copy), lote tras lote.
CREATE OR REPLACE FUNCTION migracion.copiar_professions_profesiones(
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
  p_k1 integer[]; v_k1 integer[];
BEGIN
  SELECT * INTO STRICT v_p FROM migracion.progreso_copia
  WHERE tabla_origen = 'professions' AND tabla_destino = 'profesiones' AND tramo = p_tramo
  FOR UPDATE;
  -- cada bloqueo espera a quien escribe; solo hasta el fin que se fijó: lo que llega después lo encuentra la prueba
  PERFORM 1 FROM public.professions l LIMIT 0;  -- retiene la tabla: nadie la reescribe hasta que termine el lote
  IF (v_p.fin->>'archivo')::oid <> pg_relation_filenode('public.professions') THEN
    -- reescrita: desde el principio, por clave; lo ya copiado es igual y se queda
    SELECT NULL, u.fin, n.filas, 0, 0, 0 INTO v_p.posicion, v_p.fin, v_p.filas_previstas, v_p.filas_leidas,
      v_p.filas_copiadas, v_p.filas_cuarentena
    FROM (SELECT count(*) AS filas, max(l.ctid) AS lugar FROM public.professions l) n
    LEFT JOIN (SELECT jsonb_build_array(l.id::text) AS fin FROM public.professions l ORDER BY l.id DESC LIMIT 1) u ON true;
  END IF;
  IF jsonb_typeof(v_p.fin) = 'object' THEN
    v_desde := coalesce(v_p.posicion #>> '{}', '(0,0)');
    v_hasta := LEAST((v_p.fin->>'hasta')::tid, format('(%s,0)', (v_desde::text::point)[0]::bigint
      + 1 + ceil(p_filas / GREATEST((v_p.fin->>'densidad')::numeric, 0.01)))::tid);
    SELECT coalesce(array_agg(s._k1 ORDER BY s._lugar) FILTER (WHERE s.entra), '{}'), count(*), max(s._lugar)
      FILTER (WHERE s.entra)
    INTO p_k1, v_vistas, v_ultimo FROM (
      SELECT l.*, l.fila = 1 OR l.fila <= p_filas AND l.suma <= p_bytes AS entra FROM (
      SELECT l.*, row_number() OVER (ORDER BY l._lugar ROWS UNBOUNDED PRECEDING) AS fila,
        sum(l.peso) OVER (ORDER BY l._lugar ROWS UNBOUNDED PRECEDING) AS suma FROM (
        SELECT l.id AS _k1, l.ctid AS _lugar,
          LEAST(100::bigint
          + coalesce(octet_length(l.name), 0)
          + coalesce(octet_length(l.specialty), 0)
          + coalesce(octet_length(l.category), 0), 1000000000)::integer AS peso
        FROM public.professions l WHERE l.ctid > v_desde AND l.ctid <= v_hasta) l) l) s;
    v_n := cardinality(p_k1);
    cortada := v_n < v_vistas;
    IF cortada THEN v_hasta := v_ultimo; END IF;
    SELECT coalesce(array_agg(l._k1 ORDER BY l._lugar), '{}'), coalesce(array_agg(l._lugar ORDER BY l._lugar), '{}') INTO v_k1,
      p_lugar FROM (
      SELECT l.id AS _k1, l.ctid AS _lugar
      FROM public.professions l WHERE l.ctid > v_desde AND l.ctid <= v_hasta FOR SHARE OF l) l;
    IF (p_k1) IS DISTINCT FROM (v_k1) THEN
      -- alguna fila ya no está en su lugar: llevar las bloquea todas por su clave
      p_k1 := p_k1 || v_k1; p_lugar := NULL;
    END IF;
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
          + coalesce(octet_length(l.name), 0)
          + coalesce(octet_length(l.specialty), 0)
          + coalesce(octet_length(l.category), 0), 1000000000)::integer AS peso
        FROM public.professions l WHERE ($1 IS NULL OR (l.id) > (($1->>0)::integer)) AND (l.id) <= (($2->>0)::integer)
        ORDER BY l.id LIMIT $3 FOR SHARE OF l) l) l) s
    $lote$ INTO p_k1, p_lugar, v_vistas USING v_p.posicion, v_p.fin, p_filas, p_bytes;
    v_n := cardinality(p_k1);
    cortada := v_n < v_vistas;
    v_p.posicion := CASE WHEN v_n > 0 THEN jsonb_build_array(p_k1[v_n]::text) ELSE v_p.posicion END;
    terminada := NOT cortada AND v_vistas < p_filas;
  END IF;
  leidas := v_n;
  SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_professions_profesiones(p_k1, p_run, p_lugar) r;
  UPDATE migracion.progreso_copia SET
    posicion = v_p.posicion, fin = v_p.fin, filas_previstas = v_p.filas_previstas,
    ultima_clave = CASE WHEN v_n > 0 THEN p_k1[v_n]::text ELSE ultima_clave END,
    filas_leidas = v_p.filas_leidas + v_n, filas_copiadas = v_p.filas_copiadas + copiadas,
    filas_cuarentena = v_p.filas_cuarentena + rechazadas, actualizada_at = clock_timestamp(),
    terminada_at = CASE WHEN terminada THEN clock_timestamp() END
  WHERE tabla_origen = v_p.tabla_origen AND tabla_destino = v_p.tabla_destino AND tramo = v_p.tramo;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.llevar_professions_profesiones(integer[], text, tid[]),
  migracion.copiar_professions_profesiones(text, integer, bigint, text) FROM PUBLIC;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Retira de profesiones las filas de esas claves que no se deben a ninguna fila legacy, tampoco como última buena de una
--   rechazada, y las guarda en apartada. La llama la reparación.
CREATE OR REPLACE FUNCTION migracion.quitar_profesiones(
  p_k1 integer[], p_run text, OUT apartadas bigint)
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
  SELECT a.apartadas INTO apartadas FROM migracion.apartar('public.profesiones'::regclass,
    ARRAY(SELECT t.ctid FROM public.profesiones t JOIN unnest(p_k1) AS k(_k1) ON t.id = k._k1
    WHERE NOT (EXISTS (SELECT 1 FROM migracion.v_professions_profesiones f WHERE f.id = t.id
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
      OR (EXISTS (SELECT 1 FROM migracion.v_professions_profesiones f WHERE f.id = t.id AND f._rechazo IS NOT NULL OFFSET 0)))),
      p_run) a;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.quitar_profesiones(integer[], text) FROM PUBLIC;
