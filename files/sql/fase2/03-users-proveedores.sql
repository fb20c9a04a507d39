-- Meta: llevar users a proveedores. La vista es la única definición: copia, prueba y simulacro la usan.
-- Necesita: fase1; ser dueño de migracion y USAGE en public; SELECT y UPDATE sobre users; SELECT sobre proveedor_profesiones y
--   servicios_proveedor; SELECT, INSERT, UPDATE y DELETE sobre proveedores; BYPASSRLS, o ser su dueño, donde haya seguridad por
--   fila.
-- Bloqueo: cada lote (5.000 filas, si batch_rows no dice otra cosa, y 8 MB como mucho, o una fila mayor), hasta que termina: FOR
--   SHARE en users; FOR KEY SHARE en migracion.arriendo; escribe en proveedores, migracion.progreso_copia y migracion.cuarentena,
--   y en migracion.apartada si una fila sobra o no entra (sale con las que dependen de ella, todas FOR UPDATE). Cada espera dura
--   200 ms como mucho; después el lote cede y vuelve con menos filas, 40 intentos. Crear esto toma ACCESS SHARE en lo que leen
--   las vistas, que solo choca con quien cambia la tabla misma.
-- Deshacer: fase2 --tags rollback: guarda en migracion.apartada lo que solo proveedores tiene, y la vacía con ACCESS EXCLUSIVE en
--   ella y en las que apuntan a ella (20 intentos de 500 ms); vista y funciones se van con la última copia.
-- Repetir: sí, todo es CREATE OR REPLACE, y un lote repetido no cambia nada.

-- Qué será de cada fila de users en proveedores: sus valores, o por qué no pasa. La leen las funciones, la prueba y el simulacro.
CREATE OR REPLACE VIEW migracion.v_users_proveedores AS
SELECT l.id AS _k1,
       l.ctid AS _lugar,
       l.id::text AS _clave,
       v.id,
       v.telefono,
       v.nombre,
       v.email,
       v.nombre_empresa,
       v.descripcion_empresa,
       v.direccion,
       v.ciudad,
       v.pais,
       v.latitud,
       v.longitud,
       v.estado,
       v.tiene_consentimiento,
       v.creado_at,
       v.actualizado_at,
       f.rechazo AS _rechazo,
       f.rechazo[3] AS _motivo,
       NULL::text AS _fusion,
       (SELECT migracion.fila_entera(row_to_json(x.*), x.tableoid) FROM public.users x WHERE x.ctid = l.ctid) AS _fila
FROM public.users l
CROSS JOIN LATERAL (SELECT
    l.id AS id,
    l.phone_number::character varying(20) AS telefono,
    l.name::character varying(255) AS nombre,
    l.email::character varying(255) AS email,
    l.business_name::character varying(255) AS nombre_empresa,
    l.business_description::text AS descripcion_empresa,
    l.address::text AS direccion,
    l.city::character varying(100) AS ciudad,
    l.country::character varying(100) AS pais,
    CASE WHEN (l.latitude = 'NaN' OR abs(round(l.latitude, 8)) < 1e2::numeric) THEN l.latitude::numeric(10,8) END AS latitud,
    CASE WHEN (l.longitude = 'NaN' OR abs(round(l.longitude, 8)) < 1e3::numeric) THEN l.longitude::numeric(11,8) END AS longitud,
    (CASE l.status WHEN 'active' THEN 'activo' WHEN 'inactive' THEN 'inactivo' WHEN 'suspended' THEN 'suspendido' WHEN 'pending'
      THEN 'verificacion_pendiente' ELSE l.status END)::character varying(30) AS estado,
    l.has_consent AS tiene_consentimiento,
    (l.created_at AT TIME ZONE 'UTC') AS creado_at,
    (l.updated_at AT TIME ZONE 'UTC') AS actualizado_at) v
CROSS JOIN LATERAL (SELECT CASE
    WHEN NOT (l.user_type::text = 'provider') IS TRUE THEN ARRAY['P0001', 'user_type',
      'user_type no es provider ni client: ' || coalesce(quote_literal(left(l.user_type::text, 40)), 'NULL')]
    WHEN octet_length(l.phone_number) > 20 AND char_length(l.phone_number) > 20 AND rtrim(substr(l.phone_number, 21), ' ') <> ''
      THEN ARRAY['22001', 'phone_number', 'phone_number pasa de los 20 caracteres que admite telefono']
    WHEN v.telefono IS NULL THEN ARRAY['23502', 'phone_number', 'falta phone_number, y telefono es obligatorio']
    WHEN octet_length(l.name) > 255 AND char_length(l.name) > 255 AND rtrim(substr(l.name, 256), ' ') <> ''
      THEN ARRAY['22001', 'name', 'name pasa de los 255 caracteres que admite nombre']
    WHEN v.nombre IS NULL THEN ARRAY['23502', 'name', 'falta name, y nombre es obligatorio']
    WHEN octet_length(l.email) > 255 AND char_length(l.email) > 255 AND rtrim(substr(l.email, 256), ' ') <> ''
      THEN ARRAY['22001', 'email', 'email pasa de los 255 caracteres que admite email']
    WHEN octet_length(l.business_name) > 255 AND char_length(l.business_name) > 255
      AND rtrim(substr(l.business_name, 256), ' ') <> '' THEN ARRAY['22001', 'business_name',
      'business_name pasa de los 255 caracteres que admite nombre_empresa']
    WHEN octet_length(l.city) > 100 AND char_length(l.city) > 100 AND rtrim(substr(l.city, 101), ' ') <> ''
      THEN ARRAY['22001', 'city', 'city pasa de los 100 caracteres que admite ciudad']
    WHEN octet_length(l.country) > 100 AND char_length(l.country) > 100 AND rtrim(substr(l.country, 101), ' ') <> ''
      THEN ARRAY['22001', 'country', 'country pasa de los 100 caracteres que admite pais']
    WHEN NOT (l.latitude = 'NaN' OR abs(round(l.latitude, 8)) < 1e2::numeric)
      THEN ARRAY['22003', 'latitude', 'latitude no cabe en numeric(10,8) (latitud)']
    WHEN NOT (l.longitude = 'NaN' OR abs(round(l.longitude, 8)) < 1e3::numeric)
      THEN ARRAY['22003', 'longitude', 'longitude no cabe en numeric(11,8) (longitud)']
    WHEN l.status NOT IN ('active', 'inactive', 'suspended', 'pending', 'activo', 'inactivo', 'suspendido',
      'verificacion_pendiente') THEN ARRAY[CASE WHEN octet_length(l.status) > 30 AND char_length(l.status) > 30
      AND rtrim(substr(l.status, 31), ' ') <> '' THEN '22001' ELSE '23514' END, 'status',
      'status no tiene traducción: ' || quote_literal(left(l.status::text, 40))]
  END AS rechazo) r
CROSS JOIN LATERAL (SELECT coalesce(r.rechazo, CASE
    WHEN (char_length(v.telefono) = 20) AND (l.id::text) = ANY (ARRAY(
      SELECT d.clave FROM (
        SELECT o.id::text AS clave,
               row_number() OVER (PARTITION BY v.telefono ORDER BY o.id) AS puesto
        FROM public.users o
        CROSS JOIN LATERAL (SELECT
            o.id AS id,
            o.phone_number::character varying(20) AS telefono,
            o.name::character varying(255) AS nombre,
            o.email::character varying(255) AS email,
            o.business_name::character varying(255) AS nombre_empresa,
            o.business_description::text AS descripcion_empresa,
            o.address::text AS direccion,
            o.city::character varying(100) AS ciudad,
            o.country::character varying(100) AS pais,
            CASE WHEN (o.latitude = 'NaN' OR abs(round(o.latitude, 8)) < 1e2::numeric)
              THEN o.latitude::numeric(10,8) END AS latitud,
            CASE WHEN (o.longitude = 'NaN' OR abs(round(o.longitude, 8)) < 1e3::numeric)
              THEN o.longitude::numeric(11,8) END AS longitud,
            (CASE o.status WHEN 'active' THEN 'activo' WHEN 'inactive' THEN 'inactivo' WHEN 'suspended' THEN 'suspendido'
              WHEN 'pending' THEN 'verificacion_pendiente' ELSE o.status END)::character varying(30) AS estado,
            o.has_consent AS tiene_consentimiento,
            (o.created_at AT TIME ZONE 'UTC') AS creado_at,
            (o.updated_at AT TIME ZONE 'UTC') AS actualizado_at) v
        CROSS JOIN LATERAL (SELECT CASE
            WHEN NOT (o.user_type::text = 'provider') IS TRUE THEN ARRAY['P0001', 'user_type',
              'user_type no es provider ni client: ' || coalesce(quote_literal(left(o.user_type::text, 40)), 'NULL')]
            WHEN octet_length(o.phone_number) > 20 AND char_length(o.phone_number) > 20
              AND rtrim(substr(o.phone_number, 21), ' ') <> '' THEN ARRAY['22001', 'phone_number',
              'phone_number pasa de los 20 caracteres que admite telefono']
            WHEN v.telefono IS NULL THEN ARRAY['23502', 'phone_number', 'falta phone_number, y telefono es obligatorio']
            WHEN octet_length(o.name) > 255 AND char_length(o.name) > 255 AND rtrim(substr(o.name, 256), ' ') <> ''
              THEN ARRAY['22001', 'name', 'name pasa de los 255 caracteres que admite nombre']
            WHEN v.nombre IS NULL THEN ARRAY['23502', 'name', 'falta name, y nombre es obligatorio']
            WHEN octet_length(o.email) > 255 AND char_length(o.email) > 255 AND rtrim(substr(o.email, 256), ' ') <> ''
              THEN ARRAY['22001', 'email', 'email pasa de los 255 caracteres que admite email']
            WHEN octet_length(o.business_name) > 255 AND char_length(o.business_name) > 255
              AND rtrim(substr(o.business_name, 256), ' ') <> '' THEN ARRAY['22001', 'business_name',
              'business_name pasa de los 255 caracteres que admite nombre_empresa']
            WHEN octet_length(o.city) > 100 AND char_length(o.city) > 100 AND rtrim(substr(o.city, 101), ' ') <> ''
              THEN ARRAY['22001', 'city', 'city pasa de los 100 caracteres que admite ciudad']
            WHEN octet_length(o.country) > 100 AND char_length(o.country) > 100 AND rtrim(substr(o.country, 101), ' ') <> ''
              THEN ARRAY['22001', 'country', 'country pasa de los 100 caracteres que admite pais']
            WHEN NOT (o.latitude = 'NaN' OR abs(round(o.latitude, 8)) < 1e2::numeric)
              THEN ARRAY['22003', 'latitude', 'latitude no cabe en numeric(10,8) (latitud)']
            WHEN NOT (o.longitude = 'NaN' OR abs(round(o.longitude, 8)) < 1e3::numeric)
              THEN ARRAY['22003', 'longitude', 'longitude no cabe en numeric(11,8) (longitud)']
            WHEN o.status NOT IN ('active', 'inactive', 'suspended', 'pending', 'activo', 'inactivo', 'suspendido',
              'verificacion_pendiente') THEN ARRAY[CASE WHEN octet_length(o.status) > 30 AND char_length(o.status) > 30
              AND rtrim(substr(o.status, 31), ' ') <> '' THEN '22001' ELSE '23514' END, 'status',
              'status no tiene traducción: ' || quote_literal(left(o.status::text, 40))]
          END AS rechazo) r
        WHERE (o.user_type::text = 'client') IS NOT TRUE AND (NOT EXISTS (SELECT FROM migracion.cuarentena c
          WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta' AND c.lugar IS NOT NULL)
          OR (o.tableoid, o.ctid, o.id::text) NOT IN (SELECT c.tabla, c.lugar, c.clave FROM migracion.cuarentena c
          WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta' AND c.lugar IS NOT NULL)) AND (char_length(v.telefono) = 20)
          AND r.rechazo IS NULL
          AND v.telefono IS NOT NULL
      ) d WHERE d.puesto > 1)) THEN ARRAY['23505', 'phone_number',
        'phone_number repite en telefono el valor de otra fila, que queda']
  END) AS rechazo) f
WHERE (l.user_type::text = 'client') IS NOT TRUE AND (NOT EXISTS (SELECT FROM migracion.cuarentena c
  WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta' AND c.lugar IS NOT NULL)
  OR (l.tableoid, l.ctid, l.id::text) NOT IN (SELECT c.tabla, c.lugar, c.clave FROM migracion.cuarentena c
  WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta' AND c.lugar IS NOT NULL));

REVOKE ALL ON migracion.v_users_proveedores FROM PUBLIC;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Deja en proveedores las filas legacy de esas claves como dice la vista; anota las rechazadas. La llaman copiar, la reparación y
--   ella misma.
CREATE OR REPLACE FUNCTION migracion.llevar_users_proveedores(
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
  v_hubo boolean := false;
  p_m1 uuid[] := '{}';
BEGIN
  copiadas := 0; rechazadas := 0;
  IF cardinality(p_k1) = 0 THEN RETURN; END IF;
  PERFORM set_config('migracion.sync', coalesce(nullif(current_setting('migracion.sync', true), ''), 'copia'), true);
  -- cada bloqueo espera a quien escribe; la sentencia siguiente lee lo que confirmó
  IF p_lugar IS NULL THEN
    SELECT coalesce(array_agg(l._k1), '{}'), coalesce(array_agg(l._lugar), '{}') INTO p_k1, p_lugar FROM (
      SELECT l.id AS _k1, l.ctid AS _lugar FROM public.users l JOIN (SELECT DISTINCT k.* FROM unnest(p_k1) AS k(_k1)) k
        ON l.id = k._k1
      ORDER BY l.id FOR SHARE OF l) l;
  END IF;
  LOOP
    BEGIN
    -- con EXECUTE cada lote tiene su plan
    EXECUTE $lote$
    WITH f AS MATERIALIZED (
      SELECT f._k1, f._clave, f.id, f.telefono, f.nombre, f.email, f.nombre_empresa, f.descripcion_empresa, f.direccion, f.ciudad,
        f.pais, f.latitud, f.longitud, f.estado, f.tiene_consentimiento, f.creado_at, f.actualizado_at, f._rechazo, f._fusion,
        t.id IS NOT NULL AS _esta, CASE WHEN t.id IS NOT NULL THEN ROW(t.telefono, t.nombre, t.email, t.nombre_empresa,
          t.descripcion_empresa, t.direccion, t.ciudad, t.pais, t.latitud, t.longitud, t.estado, t.tiene_consentimiento,
          t.creado_at, t.actualizado_at)::record *<> ROW(f.telefono, f.nombre, f.email, f.nombre_empresa, f.descripcion_empresa,
          f.direccion, f.ciudad, f.pais, f.latitud, f.longitud, f.estado, f.tiene_consentimiento, f.creado_at,
          f.actualizado_at)::record END AS _distinta
      FROM migracion.v_users_proveedores f LEFT JOIN public.proveedores t ON $2 AND t.id = f.id
      WHERE f._lugar = ANY ($1)
    ), nuevas AS (
      INSERT INTO public.proveedores (id, telefono, nombre, email, nombre_empresa, descripcion_empresa, direccion, ciudad, pais,
        latitud, longitud, estado, tiene_consentimiento, creado_at, actualizado_at)
      SELECT f.id, f.telefono, f.nombre, f.email, f.nombre_empresa, f.descripcion_empresa, f.direccion, f.ciudad, f.pais,
        f.latitud, f.longitud, f.estado, f.tiene_consentimiento, f.creado_at, f.actualizado_at FROM f WHERE NOT f._esta
        AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      RETURNING 1
    ), corregidas AS (
      UPDATE public.proveedores t SET telefono = f.telefono, nombre = f.nombre, email = f.email,
        nombre_empresa = f.nombre_empresa, descripcion_empresa = f.descripcion_empresa, direccion = f.direccion,
        ciudad = f.ciudad, pais = f.pais, latitud = f.latitud, longitud = f.longitud, estado = f.estado,
        tiene_consentimiento = f.tiene_consentimiento, creado_at = f.creado_at, actualizado_at = f.actualizado_at
      FROM f WHERE f._distinta AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END AND t.id = f.id
        AND CASE WHEN (t.telefono) IS DISTINCT FROM (f.telefono) THEN NOT EXISTS (SELECT
          FROM migracion.alcance(t.tableoid, ARRAY[t.ctid], ARRAY['telefono']) a WHERE a.motivo IS NOT NULL) ELSE true END
      RETURNING 1
    ), abiertas AS (
      INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, columna, motivo, origen)
      SELECT 'users', f._clave, migracion.fila_entera(row_to_json(l.*), l.tableoid), f._rechazo[1], f._rechazo[2], f._rechazo[3],
        'copia'
      FROM f JOIN public.users l ON l.id = f._k1
      WHERE f._rechazo IS NOT NULL
      ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
      DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = excluded.columna, motivo = excluded.motivo,
          tabla = NULL, lugar = NULL
        WHERE (c.fila, c.motivo) IS DISTINCT FROM (excluded.fila, excluded.motivo)
      RETURNING 1
    ), cerradas AS (
      UPDATE migracion.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'corregida'
      WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
        AND c.clave = ANY (ARRAY(SELECT f._clave FROM f WHERE f._rechazo IS NULL))
        AND EXISTS (SELECT 1 FROM migracion.cuarentena x WHERE x.tabla_origen = 'users' AND x.estado <> 'resuelta')
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
    SELECT a.apartadas INTO v_mas FROM migracion.apartar('public.proveedores'::regclass,
    ARRAY(SELECT t.ctid FROM unnest(p_k1) AS k(_k1) JOIN migracion.v_users_proveedores f ON f._k1 = k._k1
      JOIN public.proveedores t ON t.telefono = f.telefono AND NOT (f.id = t.id)
    WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      AND NOT (EXISTS (SELECT 1 FROM migracion.v_users_proveedores g WHERE g.id = t.id
      AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
      AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
      AND starts_with(c.motivo, 'PostgreSQL la rechaza: '))))), p_run) a;
    v_hubo := v_hubo OR v_mas > 0;
    -- quien va atrasado hace sitio y se lleva después
    -- a quien retiene algo que la ejecución no lleva no se le cambia nada
    WITH h AS (
      UPDATE public.proveedores t SET telefono = left('~' || md5(t.id::text), 20)
      FROM (SELECT t.id AS _m1
      FROM unnest(p_k1) AS k(_k1) JOIN migracion.v_users_proveedores f ON f._k1 = k._k1
      JOIN public.proveedores t ON t.telefono = f.telefono AND NOT (f.id = t.id)
        WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END) h WHERE t.id = h._m1
        AND NOT (EXISTS (SELECT 1 FROM migracion.v_users_proveedores g WHERE g.id = h._m1
        AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
        AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
        AND starts_with(c.motivo, 'PostgreSQL la rechaza: ')) AND g.telefono = t.telefono))
        AND (EXISTS (SELECT 1 FROM migracion.v_users_proveedores g WHERE g.id = h._m1
          AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
          AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'users'
          AND c.estado <> 'resuelta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: '))))
          AND CASE WHEN h._m1 IS NOT NULL THEN NOT EXISTS (SELECT FROM migracion.alcance(t.tableoid, ARRAY[t.ctid],
          ARRAY['telefono']) a WHERE a.motivo IS NOT NULL) END
      RETURNING t.id AS _m1
    )
    SELECT p_m1 || coalesce(array_agg(h._m1), '{}'), v_hubo OR count(*) > 0
    INTO p_m1, v_hubo FROM h;
    IF v_hubo THEN
      SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas
      FROM migracion.llevar_users_proveedores(p_k1, p_run) r;
      PERFORM migracion.llevar_users_proveedores(coalesce(array_agg(g._k1), '{}'), p_run)
      FROM unnest(p_m1) AS k(_m1) JOIN migracion.v_users_proveedores g ON g.id = k._m1;
      RETURN;
    END IF;
  END IF;
  -- red bajo los rechazos de la vista: partir en dos hasta que la fila que no entra quede sola
  IF cardinality(p_k1) > 1 THEN
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.llevar_users_proveedores(p_k1[1:v_mitad], p_run,
      p_lugar[1:v_mitad]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    SELECT r.copiadas, r.rechazadas INTO v_mas, v_peor FROM migracion.llevar_users_proveedores(p_k1[v_mitad + 1:], p_run,
      p_lugar[v_mitad + 1:]) r;
    copiadas := copiadas + v_mas; rechazadas := rechazadas + v_peor;
    RETURN;
  END IF;
  -- quien tiene su valor lo confirmó mientras se le esperaba, y la vista ya no la deja pasar: eso se anota
  IF v_estado = '23505' AND NOT EXISTS (SELECT FROM migracion.v_users_proveedores f WHERE f._lugar = ANY (p_lugar)
    AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END) THEN
    SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_users_proveedores(p_k1, p_run) r;
    RETURN;
  END IF;
  -- que falte el padre no es culpa de la fila: la prueba lo dice y la reparación trae a los dos
  IF v_estado = '23503' THEN RETURN; END IF;
  -- ni que una fila en español retenga un valor que ya no es suyo, porque aún no puede salir ni cambiar
  IF v_estado = '23505' AND (EXISTS (SELECT FROM unnest(p_k1) AS k(_k1) JOIN migracion.v_users_proveedores f ON f._k1 = k._k1
      JOIN public.proveedores t ON t.telefono = f.telefono AND NOT (f.id = t.id)
        WHERE CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
        AND NOT (EXISTS (SELECT 1 FROM migracion.v_users_proveedores g WHERE g.id = t.id
        AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
        AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
        AND starts_with(c.motivo, 'PostgreSQL la rechaza: ')) AND g.telefono = t.telefono))
        AND EXISTS (SELECT FROM migracion.alcance(t.tableoid, ARRAY[t.ctid],
        CASE WHEN EXISTS (SELECT 1 FROM migracion.v_users_proveedores g WHERE g.id = t.id
        AND CASE WHEN g._rechazo IS NULL AND g._fusion IS NULL THEN true ELSE false END
        AND g._clave NOT IN (SELECT c.clave FROM migracion.cuarentena c WHERE c.tabla_origen = 'users' AND c.estado <> 'resuelta'
        AND starts_with(c.motivo, 'PostgreSQL la rechaza: '))) THEN ARRAY['telefono'] END) a WHERE a.motivo IS NOT NULL)))
        THEN RETURN; END IF;
  INSERT INTO migracion.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
  SELECT 'users', f._clave, f._fila, v_estado, 'PostgreSQL la rechaza: ' || v_mensaje, 'copia'
  FROM migracion.v_users_proveedores f WHERE f._lugar = ANY (p_lugar)
    AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
  ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta'
  DO UPDATE SET fila = excluded.fila, sqlstate = excluded.sqlstate, columna = NULL, motivo = excluded.motivo,
    tabla = NULL, lugar = NULL;
  -- lo que fue antes se queda, salvo la que hizo sitio a otra y no vuelve a entrar
  SELECT a.apartadas INTO v_mas FROM migracion.apartar('public.proveedores'::regclass,
    ARRAY(SELECT t.ctid FROM public.proveedores t JOIN migracion.v_users_proveedores f ON t.id = f.id
    WHERE f._lugar = ANY (p_lugar) AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END
      AND (t.telefono = left('~' || md5(t.id::text), 20))), p_run) a;
  -- un mismo motivo para tantas filas es de la tabla; fuera de la clase 23 el mensaje puede llevar un valor
  SELECT count(*) INTO v_mas FROM migracion.cuarentena c
  WHERE c.tabla_origen = 'users' AND c.estado = 'abierta' AND starts_with(c.motivo, 'PostgreSQL la rechaza: ')
    AND c.sqlstate = v_estado
    AND (left(v_estado, 2) <> '23' OR c.motivo = 'PostgreSQL la rechaza: ' || v_mensaje);
  IF v_mas > 20 AND v_mas > 0.01 * (SELECT coalesce(sum(p.filas_previstas), 0)
    FROM migracion.progreso_copia p WHERE p.tabla_origen = 'users' AND p.tabla_destino = 'proveedores') THEN
    RAISE EXCEPTION USING ERRCODE = 'TK001', MESSAGE = v_mensaje, DETAIL = v_mas;
  END IF;
  rechazadas := 1;
END $funcion$;

-- Un lote: las filas de users que siguen en el tramo, por llevar, y el avance en progreso_copia. La llama la copia (table_copy),
--   lote tras lote.
CREATE OR REPLACE FUNCTION migracion.copiar_users_proveedores(
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
BEGIN
  SELECT * INTO STRICT v_p FROM migracion.progreso_copia
  WHERE tabla_origen = 'users' AND tabla_destino = 'proveedores' AND tramo = p_tramo
  FOR UPDATE;
  -- cada bloqueo espera a quien escribe; solo hasta el fin que se fijó: lo que llega después lo encuentra la prueba
  PERFORM 1 FROM public.users l LIMIT 0;  -- retiene la tabla: nadie la reescribe hasta que termine el lote
  IF (v_p.fin->>'archivo')::oid <> pg_relation_filenode('public.users') THEN
    -- reescrita: desde el principio, por clave; lo ya copiado es igual y se queda
    SELECT NULL, u.fin, n.filas, 0, 0, 0 INTO v_p.posicion, v_p.fin, v_p.filas_previstas, v_p.filas_leidas,
      v_p.filas_copiadas, v_p.filas_cuarentena
    FROM (SELECT count(*) AS filas, max(l.ctid) AS lugar FROM public.users l WHERE (l.user_type::text = 'client') IS NOT TRUE) n
    LEFT JOIN (SELECT jsonb_build_array(l.id::text) AS fin FROM public.users l ORDER BY l.id DESC LIMIT 1) u ON true;
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
          + coalesce(octet_length(l.phone_number), 0)
          + coalesce(octet_length(l.name), 0)
          + coalesce(octet_length(l.user_type), 0)
          + coalesce(octet_length(l.email), 0)
          + coalesce(octet_length(l.business_name), 0)
          + coalesce(octet_length(l.business_description), 0)
          + coalesce(octet_length(l.address), 0)
          + coalesce(octet_length(l.city), 0)
          + coalesce(octet_length(l.country), 0)
          + coalesce(octet_length(l.status), 0), 1000000000)::integer AS peso
        FROM public.users l WHERE (l.user_type::text = 'client') IS NOT TRUE AND l.ctid > v_desde AND l.ctid <= v_hasta) l) l) s;
    v_n := cardinality(p_k1);
    cortada := v_n < v_vistas;
    IF cortada THEN v_hasta := v_ultimo; END IF;
    SELECT coalesce(array_agg(l._k1 ORDER BY l._lugar), '{}'), coalesce(array_agg(l._lugar ORDER BY l._lugar), '{}') INTO v_k1,
      p_lugar FROM (
      SELECT l.id AS _k1, l.ctid AS _lugar
      FROM public.users l WHERE (l.user_type::text = 'client') IS NOT TRUE AND l.ctid > v_desde AND l.ctid <= v_hasta
        FOR SHARE OF l) l;
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
          + coalesce(octet_length(l.phone_number), 0)
          + coalesce(octet_length(l.name), 0)
          + coalesce(octet_length(l.user_type), 0)
          + coalesce(octet_length(l.email), 0)
          + coalesce(octet_length(l.business_name), 0)
          + coalesce(octet_length(l.business_description), 0)
          + coalesce(octet_length(l.address), 0)
          + coalesce(octet_length(l.city), 0)
          + coalesce(octet_length(l.country), 0)
          + coalesce(octet_length(l.status), 0), 1000000000)::integer AS peso
        FROM public.users l WHERE (l.user_type::text = 'client') IS NOT TRUE AND ($1 IS NULL OR (l.id) > (($1->>0)::uuid))
          AND (l.id) <= (($2->>0)::uuid)
        ORDER BY l.id LIMIT $3 FOR SHARE OF l) l) l) s
    $lote$ INTO p_k1, p_lugar, v_vistas USING v_p.posicion, v_p.fin, p_filas, p_bytes;
    v_n := cardinality(p_k1);
    cortada := v_n < v_vistas;
    v_p.posicion := CASE WHEN v_n > 0 THEN jsonb_build_array(p_k1[v_n]::text) ELSE v_p.posicion END;
    terminada := NOT cortada AND v_vistas < p_filas;
  END IF;
  leidas := v_n;
  SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM migracion.llevar_users_proveedores(p_k1, p_run, p_lugar) r;
  UPDATE migracion.progreso_copia SET
    posicion = v_p.posicion, fin = v_p.fin, filas_previstas = v_p.filas_previstas,
    ultima_clave = CASE WHEN v_n > 0 THEN p_k1[v_n]::text ELSE ultima_clave END,
    filas_leidas = v_p.filas_leidas + v_n, filas_copiadas = v_p.filas_copiadas + copiadas,
    filas_cuarentena = v_p.filas_cuarentena + rechazadas, actualizada_at = clock_timestamp(),
    terminada_at = CASE WHEN terminada THEN clock_timestamp() END
  WHERE tabla_origen = v_p.tabla_origen AND tabla_destino = v_p.tabla_destino AND tramo = v_p.tramo;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.llevar_users_proveedores(uuid[], text, tid[]),
  migracion.copiar_users_proveedores(text, integer, bigint, text) FROM PUBLIC;

-- CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200.
-- Retira de proveedores las filas de esas claves que no se deben a ninguna fila legacy, tampoco como última buena de una
--   rechazada, y las guarda en apartada. La llama la reparación.
CREATE OR REPLACE FUNCTION migracion.quitar_proveedores(
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
  SELECT a.apartadas INTO apartadas FROM migracion.apartar('public.proveedores'::regclass,
    ARRAY(SELECT t.ctid FROM public.proveedores t JOIN unnest(p_k1) AS k(_k1) ON t.id = k._k1
    WHERE NOT (EXISTS (SELECT 1 FROM migracion.v_users_proveedores f WHERE f.id = t.id
      AND CASE WHEN f._rechazo IS NULL AND f._fusion IS NULL THEN true ELSE false END OFFSET 0)
      OR (EXISTS (SELECT 1 FROM migracion.v_users_proveedores f WHERE f.id = t.id AND f._rechazo IS NOT NULL
      AND f._rechazo[1] <> 'P0001' OFFSET 0)))), p_run) a;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.quitar_proveedores(uuid[], text) FROM PUBLIC;
