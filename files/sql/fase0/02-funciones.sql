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
  migracion.tocar_actualizado() FROM PUBLIC;
