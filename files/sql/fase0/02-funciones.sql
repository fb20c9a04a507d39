-- Meta: crear las funciones que llaman tablas y vistas, como las pide PostgreSQL 15; para otra versión hay otro texto, que fase0
--   aprueba de nuevo.
-- Necesita: fase0/01 y CREATE en migracion.
-- Bloqueo: ninguno sobre tablas.
-- Deshacer: fase0 --tags rollback no tiene nada que deshacer y lo dice; solo las llaman vistas y disparadores de aquí.
-- Repetir: sí, todo es CREATE OR REPLACE.

-- Dice si jsonb acepta el texto. La llaman las vistas, donde la base guarda JSON como texto.
CREATE OR REPLACE FUNCTION migracion.es_jsonb(texto text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE AS $$
BEGIN
  PERFORM texto::pg_catalog.jsonb;
  RETURN true;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
  RETURN false;
END $$;

-- Da el instante que dice el texto, o NULL si no dice uno que siempre sea el mismo. La llama a_instante.
CREATE OR REPLACE FUNCTION migracion.leer_fecha(texto text) RETURNS timestamptz
-- todo lo que decide qué fecha dice un texto
SET TimeZone = 'UTC' SET DateStyle = 'ISO, MDY' SET timezone_abbreviations = 'Default'
LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE AS $$
BEGIN
  -- lo que cambia cada día no es un instante
  IF texto ~* '(now|today|tomorrow|yesterday)' THEN
    RETURN NULL;
  END IF;
  RETURN texto::pg_catalog.timestamptz;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END $$;

-- Igual, sin cambiar ajustes para las fechas corrientes. La llaman las vistas, donde hay fechas como texto.
CREATE OR REPLACE FUNCTION migracion.a_instante(texto text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL UNSAFE
RETURN CASE WHEN texto ~ '^(19|20)[0-9]{2}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?$'
  AND octet_length(texto) < 60
  THEN (CASE WHEN substr(texto, 11) ~ '[-+]' THEN texto ELSE rtrim(texto, 'Z') || '+00' END)::timestamptz
  ELSE migracion.leer_fecha(texto) END;

-- La fila como jsonb, para guardarla; lo que es json, letra por letra. La llaman las vistas y llevar.
CREATE OR REPLACE FUNCTION migracion.fila_entera(fila json, tabla oid) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (SELECT jsonb_object_agg(v.nombre, CASE WHEN json_typeof(e.value) = 'null' THEN NULL
    WHEN v.nombre IN (SELECT a.attname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_type b ON b.oid = t.typbasetype
      WHERE a.attrelid = tabla AND coalesce(b.typname, t.typname) IN ('json', '_json')) THEN to_jsonb(v.texto)
    ELSE v.texto::jsonb END)
  FROM (SELECT strpos(fila::text, E'\\u') > 0 AS doble) f
  CROSS JOIN json_each(CASE WHEN f.doble THEN replace(replace(replace(fila::text, E'\\\\', chr(1)), E'\\u', E'\\\\' || 'u'),
    chr(1), E'\\\\' || E'\\\\')::json ELSE fila END) e
  CROSS JOIN LATERAL (SELECT CASE WHEN f.doble THEN replace(e.key, E'\\\\', E'\\') ELSE e.key END AS nombre,
    CASE WHEN f.doble THEN replace(replace(replace(e.value::text, E'\\\\' || E'\\\\', chr(1)), E'\\\\' || 'u', E'\\u'), chr(1),
      E'\\\\') ELSE e.value::text END AS texto) v);

-- Anota la hora del cambio en la columna que se le nombra. La llaman los disparadores de fase1, salvo cuando escriben la copia o
--   la sincronización: así cada fila guarda la hora de su origen.
CREATE OR REPLACE FUNCTION migracion.tocar_actualizado() RETURNS trigger
LANGUAGE plpgsql
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0], timezone('utc', now())));
END $$;

REVOKE ALL ON FUNCTION migracion.es_jsonb(text), migracion.leer_fecha(text), migracion.a_instante(text),
  migracion.fila_entera(json, oid), migracion.tocar_actualizado() FROM PUBLIC;

-- Dice hasta dónde llega retirar esas filas de una tabla en español: las que dependen de ellas por claves foráneas, de quien sea
--   la clave, y por qué no se retiran (motivo) cuando una es de una tabla que la ejecución no lleva (migracion.lleva). Solo lee.
--   Con p_columnas, solo lo que toca cambiar esas columnas. La llaman apartar, llevar y la prueba.
CREATE OR REPLACE FUNCTION migracion.alcance(p_tabla oid, p_lugar tid[], p_columnas text[] DEFAULT NULL,
  OUT raiz tid, OUT tabla oid, OUT lugar tid, OUT motivo text) RETURNS SETOF record
LANGUAGE plpgsql STABLE
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- pocas filas, cada una en su lugar o por su índice
SET enable_tidscan = on SET jit = off
AS $funcion$
#variable_conflict use_column
DECLARE
  v_lleva jsonb := coalesce(nullif(current_setting('migracion.lleva', true), ''), '[]');
  -- el nivel que se mira (n), el siguiente (s) y todo lo visto (v): de qué fila parte, de qué tabla es y dónde está
  n_raiz tid[] := p_lugar; n_tabla oid[] := array_fill(p_tabla, ARRAY[cardinality(p_lugar)]); n_lugar tid[] := p_lugar;
  v_raiz tid[] := n_raiz; v_tabla oid[] := n_tabla; v_lugar tid[] := n_lugar;
  s_raiz tid[]; s_tabla oid[]; s_lugar tid[]; m_raiz tid[]; m_tabla oid[]; m_lugar tid[];
  v_de text; k record; v_primero boolean := true;
BEGIN
  WHILE cardinality(n_raiz) > 0 LOOP
    s_raiz := '{}'; s_tabla := '{}'; s_lugar := '{}';
    FOR k IN
      SELECT c.conname, c.conrelid, c.confrelid, format('%I.%I', n.nspname, h.relname) AS hija,
        format('%s%I.%I', CASE h.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END, n.nspname, h.relname) AS filas,
        format('%I.%I', pn.nspname, p.relname) AS padre, u.igual,
        c.conrelid = p_tabla OR jsonb_build_array(n.nspname, h.relname) IN (SELECT jsonb_array_elements(v_lleva)) AS llevada,
        u.legible AND has_schema_privilege(n.oid, 'USAGE') AND NOT row_security_active(c.conrelid) AS legible
      FROM pg_constraint c
      JOIN pg_class h ON h.oid = c.conrelid JOIN pg_namespace n ON n.oid = h.relnamespace
      JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
      CROSS JOIN LATERAL (
        -- con los operadores de la clave y la ordenación del padre, como la comprueba PostgreSQL
        SELECT string_agg(format('p.%I OPERATOR(%I.%s) h.%I%s', pa.attname, pon.nspname, po.oprname, ha.attname,
            CASE WHEN pa.attcollation <> ha.attcollation THEN format(' COLLATE %I.%I', pln.nspname, pl.collname) END), ' AND '
            ORDER BY x.n) AS igual,
          bool_and(has_column_privilege(c.conrelid, ha.attnum, 'SELECT')) AS legible,
          bool_or(pa.attname = ANY (p_columnas)) AS tocada,
          bool_and(jsonb_build_array(n.nspname, h.relname, ha.attname) IN (SELECT jsonb_array_elements(v_lleva))) AS suelta
        FROM unnest(c.conkey, c.confkey, c.conpfeqop) WITH ORDINALITY x(hijo, padre, operador, n)
        JOIN pg_attribute ha ON ha.attrelid = c.conrelid AND ha.attnum = x.hijo
        JOIN pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = x.padre
        JOIN pg_operator po ON po.oid = x.operador JOIN pg_namespace pon ON pon.oid = po.oprnamespace
        LEFT JOIN pg_collation pl ON pl.oid = pa.attcollation LEFT JOIN pg_namespace pln ON pln.oid = pl.collnamespace
      ) u
      WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confrelid = ANY (n_tabla)
        AND (p_columnas IS NULL OR NOT v_primero OR u.tocada) AND NOT (c.confdeltype = 'n' AND u.suelta AND u.legible)
      ORDER BY c.conrelid, c.conname
    LOOP
      v_de := format('FROM unnest($1, $2, $3) a(raiz, tabla, lugar) JOIN ONLY %s p ON a.tabla = %s AND p.ctid = a.lugar'
        ' JOIN %s h ON %s', k.padre, k.confrelid, k.filas, k.igual);
      IF NOT k.legible THEN
        -- lo que no se puede mirar retiene
        RETURN QUERY SELECT DISTINCT a.raiz, k.conrelid, NULL::tid,
          format('%s puede depender de ella por %I, y este rol no ve sus filas', k.hija, k.conname)
        FROM unnest(n_raiz, n_tabla) a(raiz, tabla) WHERE a.tabla = k.confrelid;
      ELSIF NOT k.llevada THEN
        RETURN QUERY EXECUTE format('SELECT a.raiz, %s::oid, NULL::tid, %L || count(*) || '')'' %s GROUP BY a.raiz', k.conrelid,
          format('%s depende de ella por %I (filas: ', k.hija, k.conname), v_de) USING n_raiz, n_tabla, n_lugar;
      ELSE
        EXECUTE format('SELECT coalesce(array_agg(x.raiz), ''{}''), coalesce(array_agg(x.tabla), ''{}''),'
          ' coalesce(array_agg(x.lugar), ''{}'') FROM (SELECT a.raiz, %s::oid AS tabla, h.ctid AS lugar %s'
          ' EXCEPT SELECT * FROM unnest($4, $5, $6)) x', k.conrelid, v_de)
        INTO m_raiz, m_tabla, m_lugar USING n_raiz, n_tabla, n_lugar, v_raiz, v_tabla, v_lugar;
        s_raiz := s_raiz || m_raiz; s_tabla := s_tabla || m_tabla; s_lugar := s_lugar || m_lugar;
        v_raiz := v_raiz || m_raiz; v_tabla := v_tabla || m_tabla; v_lugar := v_lugar || m_lugar;
      END IF;
    END LOOP;
    RETURN QUERY SELECT a.raiz, a.tabla, a.lugar, NULL::text FROM unnest(s_raiz, s_tabla, s_lugar) a(raiz, tabla, lugar);
    n_raiz := s_raiz; n_tabla := s_tabla; n_lugar := s_lugar; v_primero := false;
  END LOOP;
END $funcion$;

-- Retira esas filas y antes las que dependen de ellas, cada una guardada en apartada; deja las que algo ajeno retiene. La llaman
--   quitar y llevar.
CREATE OR REPLACE FUNCTION migracion.apartar(p_tabla oid, p_lugar tid[], p_run text, OUT apartadas bigint)
LANGUAGE plpgsql VOLATILE
-- ningún nombre se toma de otro esquema
SET search_path = pg_catalog, pg_temp
-- pocas filas, cada una en su lugar o por su índice
SET enable_tidscan = on SET jit = off
AS $funcion$
#variable_conflict use_column
DECLARE
  v_raices tid[]; v_quedan tid[]; v_nombre text; v_puestos text; v_guardadas text; t oid;
  h_raiz tid[] := '{}'; h_tabla oid[] := '{}'; h_lugar tid[] := '{}'; h_antes text := '{}';
BEGIN
  apartadas := 0;
  IF cardinality(p_lugar) = 0 THEN RETURN; END IF;
  SELECT format('%I.%I', n.nspname, c.relname) INTO STRICT v_nombre
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = p_tabla;
  -- desde aquí nadie construye una clave foránea hacia la tabla ni añade una fila que dependa de estas
  EXECUTE format('LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE', v_nombre);
  EXECUTE format('SELECT coalesce(array_agg(x.ctid), ''{}'') FROM (SELECT t.ctid FROM ONLY %s t WHERE t.ctid = ANY ($1)'
    ' FOR UPDATE) x', v_nombre) INTO v_raices USING p_lugar;
  LOOP
    SELECT coalesce(array_agg(a.raiz) FILTER (WHERE a.motivo IS NOT NULL), '{}'),
      coalesce(array_agg(a.raiz ORDER BY a.n) FILTER (WHERE a.motivo IS NULL), '{}'),
      coalesce(array_agg(a.tabla ORDER BY a.n) FILTER (WHERE a.motivo IS NULL), '{}'),
      coalesce(array_agg(a.lugar ORDER BY a.n) FILTER (WHERE a.motivo IS NULL), '{}'),
      coalesce(array_agg((a.tabla, a.lugar, a.raiz)::text ORDER BY a.tabla, a.lugar, a.raiz)
        FILTER (WHERE a.motivo IS NULL), '{}')::text
    INTO v_quedan, h_raiz, h_tabla, h_lugar, v_puestos
    FROM migracion.alcance(p_tabla, v_raices) WITH ORDINALITY a(raiz, tabla, lugar, motivo, n);
    EXIT WHEN v_puestos = h_antes;
    h_antes := v_puestos;
    -- también las que dependen: lo que llegó mientras se esperaba se mira otra vez
    FOREACH t IN ARRAY ARRAY(SELECT DISTINCT x FROM unnest(h_tabla) x ORDER BY x) LOOP
      SELECT format('%I.%I', n.nspname, c.relname) INTO STRICT v_nombre
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = t;
      EXECUTE format('LOCK TABLE ONLY %s IN ROW EXCLUSIVE MODE', v_nombre);
      EXECUTE format('SELECT count(*) FROM (SELECT FROM ONLY %s t WHERE t.ctid = ANY ($1) FOR UPDATE) x', v_nombre)
      USING ARRAY(SELECT x.lugar FROM unnest(h_tabla, h_lugar) x(tabla, lugar) WHERE x.tabla = t);
    END LOOP;
  END LOOP;
  -- una sola sentencia: cuando actúan las claves foráneas ya no queda nada que dependa; guardadas, las hijas antes que sus padres
  SELECT array_agg(x.raiz), array_agg(x.tabla ORDER BY x.n), array_agg(x.lugar ORDER BY x.n) INTO h_raiz, h_tabla, h_lugar FROM (
    SELECT l.lugar, p_tabla, l.lugar, 0 FROM unnest(v_raices) l(lugar)
    UNION ALL SELECT * FROM unnest(h_raiz, h_tabla, h_lugar) WITH ORDINALITY) x(raiz, tabla, lugar, n)
  WHERE x.raiz <> ALL (v_quedan);
  SELECT string_agg(format('f%s AS (DELETE FROM ONLY %I.%I t WHERE t.ctid = ANY (ARRAY(SELECT x.lugar FROM unnest($1, $2)'
      ' x(tabla, lugar) WHERE x.tabla = %s)) RETURNING %s AS clave, to_jsonb(t.*) AS fila, %s AS nulos)', r.puesto, n.nspname,
      c.relname, c.oid, coalesce(u.clave, '''?'''), coalesce(j.nulos, '''{}''::text[]')), ', '),
    string_agg(format('SELECT %s, %L, * FROM f%1$s', r.puesto, c.relname), ' UNION ALL ')
  INTO v_puestos, v_guardadas
  FROM (SELECT x.tabla, row_number() OVER (ORDER BY max(x.n) DESC) AS puesto
    FROM unnest(h_tabla) WITH ORDINALITY x(tabla, n) GROUP BY x.tabla) r
  JOIN pg_class c ON c.oid = r.tabla JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
    SELECT string_agg(format('replace(replace(t.%I::text, %L, %L), ''|'', %L)', a.attname, E'\\', E'\\\\', E'\\|'),
      ' || ''|'' || ' ORDER BY k.n) AS clave
    FROM pg_index i, unnest(i.indkey::smallint[]) WITH ORDINALITY k(columna, n)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.columna WHERE i.indrelid = c.oid AND i.indisprimary) u ON true
  LEFT JOIN LATERAL (
    SELECT format('array_remove(ARRAY[%s], NULL)', string_agg(format('CASE WHEN t.%I::text = ''null'' THEN %L::text END',
      a.attname, a.attname), ', ')) AS nulos
    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.atttypid IN ('json'::regtype, 'jsonb'::regtype)
    HAVING count(*) > 0) j ON true;
  IF v_puestos IS NULL THEN RETURN; END IF;
  EXECUTE format('WITH %s INSERT INTO migracion.apartada (run_id, tabla, clave, fila, nulos_json)'
    ' SELECT $3, x.tabla, x.clave, x.fila, x.nulos FROM (%s) x(puesto, tabla, clave, fila, nulos) ORDER BY x.puesto',
    v_puestos, v_guardadas)
  USING h_tabla, h_lugar, p_run;
  GET DIAGNOSTICS apartadas = ROW_COUNT;
END $funcion$;

REVOKE ALL ON FUNCTION migracion.alcance(oid, tid[], text[]), migracion.apartar(oid, tid[], text) FROM PUBLIC;

-- Cuenta una escritura de un servicio en la tabla, por rol y aplicación. La cuenta va en un ajuste de la sesión, sin tocar
--   ninguna tabla, y pasa a migracion.escritura con la primera, tras 1000 o tras 60 s, en una fila que nadie retiene: nunca
--   espera. La llaman los disparadores de la sincronización.
CREATE OR REPLACE FUNCTION migracion.anotar_escritura(p_tabla text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_rol text := coalesce(nullif(current_setting('role'), 'none'), session_user);
  v_ajuste text := 'migracion.escribe_' || md5(concat_ws('|', p_tabla, v_rol, current_setting('application_name')));
  v_antes text := coalesce(current_setting(v_ajuste, true), '');
  v_ahora bigint := extract(epoch FROM statement_timestamp())::bigint;
  v_van integer := 1; v_puesto text;
BEGIN
  -- lo que la sincronización misma escribe, y lo que eso arrastra, no es de ningún servicio
  IF coalesce(current_setting('migracion.sync', true), '') <> '' THEN RETURN; END IF;
  IF v_antes <> '' THEN
    v_van := left(v_antes, 6)::integer + 1;
    IF v_van < 1000 AND v_ahora - right(v_antes, 10)::bigint < 60 THEN
      v_puesto := set_config(v_ajuste, lpad(v_van::text, 6, '0') || right(v_antes, 10), false);
      RETURN;
    END IF;
  END IF;
  BEGIN
    -- con una foto vieja, una fila que otro cambió sería un error
    IF current_setting('transaction_isolation') = 'read committed' THEN
      UPDATE migracion.escritura e SET escrituras = e.escrituras + v_van, ultima = clock_timestamp()
      WHERE e.id = (SELECT x.id FROM migracion.escritura x WHERE x.tabla = p_tabla AND x.rol = v_rol
          AND x.aplicacion = current_setting('application_name') AND x.cliente IS NOT DISTINCT FROM inet_client_addr()
        LIMIT 1 FOR UPDATE SKIP LOCKED);
    END IF;
    IF NOT FOUND THEN
      INSERT INTO migracion.escritura (tabla, rol, aplicacion, cliente, escrituras)
      VALUES (p_tabla, v_rol, current_setting('application_name'), inet_client_addr(), v_van);
    END IF;
  EXCEPTION WHEN syntax_error_or_access_rule_violation OR data_exception OR integrity_constraint_violation THEN
    NULL;  -- quien cuenta no estorba a quien escribe
  END;
  v_puesto := set_config(v_ajuste, '000000' || lpad(v_ahora::text, 10, '0'), false);
END $$;

REVOKE ALL ON FUNCTION migracion.anotar_escritura(text) FROM PUBLIC;
