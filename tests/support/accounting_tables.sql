-- The nine Spanish tables as the target schema has them, in the session's temporary schema and empty: PostgreSQL itself says there
-- which row goes in. Typed from that page and nothing else; prefix e_ (esperado), because a temporary table would hide its model.

CREATE TEMPORARY TABLE e_profesiones (
    id integer PRIMARY KEY, nombre varchar(100) NOT NULL UNIQUE, especialidad varchar(255), categoria varchar(100),
    esta_activo boolean DEFAULT true, creado_at timestamp, actualizado_at timestamp);

CREATE TEMPORARY TABLE e_clientes (
    id uuid PRIMARY KEY, telefono varchar(20) NOT NULL UNIQUE, nombre_completo varchar(255) NOT NULL, ciudad varchar(100),
    ciudad_confirmada_at timestamp, notas jsonb DEFAULT '{}',
    estado varchar(20) DEFAULT 'activo' CHECK (estado IN ('activo', 'inactivo', 'suspendido')),
    tiene_consentimiento boolean, creado_at timestamp, actualizado_at timestamp);

CREATE TEMPORARY TABLE e_proveedores (
    id uuid PRIMARY KEY, telefono varchar(20) NOT NULL UNIQUE, nombre varchar(255) NOT NULL, email varchar(255),
    nombre_empresa varchar(255), descripcion_empresa text, direccion text, ciudad varchar(100), pais varchar(100),
    latitud numeric(10,8), longitud numeric(11,8),
    estado varchar(30) CHECK (estado IN ('activo', 'inactivo', 'suspendido', 'verificacion_pendiente')),
    nivel_verificacion varchar(20) DEFAULT 'basico'
        CHECK (nivel_verificacion IN ('basico', 'verificado', 'premium', 'institucional')),
    rating numeric(3,2) DEFAULT 5.0 CHECK (rating BETWEEN 0 AND 5),
    tiene_consentimiento boolean, creado_at timestamp, actualizado_at timestamp);

-- The key is the pair: one installation has no legacy id to keep, and what id its rows get nobody can foretell.
CREATE TEMPORARY TABLE e_proveedor_profesiones (
    id integer UNIQUE, proveedor_id uuid REFERENCES e_proveedores, profesion_id integer REFERENCES e_profesiones,
    especialidad varchar(255), anos_experiencia integer CHECK (anos_experiencia BETWEEN 0 AND 70), certificaciones jsonb,
    es_principal boolean,
    estado_verificacion varchar(20) CHECK (estado_verificacion IN ('pendiente', 'verificada', 'rechazada')),
    creado_at timestamp, UNIQUE (proveedor_id, profesion_id));

CREATE TEMPORARY TABLE e_servicios_proveedor (
    id uuid PRIMARY KEY, proveedor_id uuid REFERENCES e_proveedores, titulo varchar(255) NOT NULL, descripcion text,
    categoria varchar(100), precio numeric(10,2),
    tipo_precio varchar(20) CHECK (tipo_precio IN ('fijo', 'rango', 'a_convenir', 'hora')),
    disponibilidad jsonb, esta_activo boolean, creado_at timestamp, actualizado_at timestamp);

CREATE TEMPORARY TABLE e_solicitudes_servicio (
    id uuid PRIMARY KEY, cliente_id uuid, telefono varchar(20) NOT NULL,
    tipo_solicitud varchar(50) CHECK (tipo_solicitud IN ('servicio', 'consulta', 'queja', 'sugerencia')),
    profesion_solicitada varchar(100), ciudad varchar(100), latitud numeric(10,8), longitud numeric(11,8),
    proveedores_sugeridos jsonb, estado varchar(20) CHECK (estado IN ('pendiente', 'en_progreso', 'resuelta', 'cancelada')),
    solicitado_at timestamp, resuelto_at timestamp);

CREATE TEMPORARY TABLE e_mensajes (
    id uuid PRIMARY KEY, conversacion_id uuid, telefono varchar(20) NOT NULL,
    tipo_mensaje varchar(50) NOT NULL
        CHECK (tipo_mensaje IN ('texto', 'imagen', 'audio', 'video', 'documento', 'ubicacion', 'contacto')),
    contenido text NOT NULL, url_media varchar(500), tipo_media varchar(20), respuesta_ia text,
    estado_procesamiento varchar(20) CHECK (estado_procesamiento IN ('pendiente', 'procesando', 'completado', 'error')),
    metadata jsonb, creado_at timestamp);

CREATE TEMPORARY TABLE e_sesiones (
    id uuid PRIMARY KEY, telefono varchar(20) NOT NULL, id_sesion varchar(255) NOT NULL,
    estado varchar(20) CHECK (estado IN ('activa', 'inactiva', 'expirada', 'error')), codigo_qr text, datos_sesion jsonb,
    expira_at timestamp, ultima_actividad timestamp, creado_at timestamp);

CREATE TEMPORARY TABLE e_tareas_programadas (
    id uuid PRIMARY KEY,
    tipo_tarea varchar(50) NOT NULL
        CHECK (tipo_tarea IN ('enviar_whatsapp', 'recordatorio', 'seguimiento', 'feedback', 'notificacion')),
    payload jsonb NOT NULL,
    estado varchar(20) CHECK (estado IN ('pendiente', 'en_progreso', 'completada', 'fallida', 'cancelada')),
    prioridad integer CHECK (prioridad BETWEEN 0 AND 10), programada_at timestamp NOT NULL, iniciada_at timestamp,
    completada_at timestamp, mensaje_error text, intentos integer CHECK (intentos >= 0),
    max_intentos integer CHECK (max_intentos > 0), creado_at timestamp);

-- Where every legacy row that is not carried must be found.
CREATE TEMPORARY TABLE e_cuarentena (origen text, clave text, sqlstate text, mensaje text, PRIMARY KEY (origen, clave));
CREATE TEMPORARY TABLE e_fusion (origen text, clave text, destino text, clave_destino text, PRIMARY KEY (origen, clave, destino));

-- Notes: what jsonb accepts as it is, JSON null and NULL as {}, all else wrapped.
CREATE FUNCTION pg_temp.nota(v text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    leida jsonb;
BEGIN
    BEGIN
        leida := v;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
        RETURN jsonb_build_object('texto', v);
    END;
    RETURN CASE WHEN leida IS NULL OR leida = 'null' THEN '{}' ELSE leida END;
END $$;

-- A text date: '' is NULL, without an offset it means UTC; a word that means another instant every day is no date.
CREATE FUNCTION pg_temp.momento(v text) RETURNS timestamp LANGUAGE plpgsql AS $$
BEGIN
    IF lower(v) ~ 'now|today|tomorrow|yesterday' THEN
        RAISE invalid_datetime_format USING MESSAGE = 'changes every day: ' || v;
    END IF;
    RETURN nullif(v, '')::timestamptz AT TIME ZONE 'UTC';
END $$;

-- Inserts the rows numbered from .. to; where PostgreSQL refuses them, halves, until the refused row stands alone.
-- Lower numbers go first, so of two rows that meet in a unique column the lower key wins.
CREATE FUNCTION pg_temp.mete(origen text, orden text, desde bigint, hasta bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    mitad bigint := (desde + hasta) / 2;
    estado text;
    mensaje text;
BEGIN
    IF desde > hasta THEN
        RETURN;
    END IF;
    BEGIN
        EXECUTE orden USING desde, hasta;
        RETURN;
    EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
        GET STACKED DIAGNOSTICS estado = RETURNED_SQLSTATE, mensaje = MESSAGE_TEXT;
    END;
    IF desde = hasta THEN
        EXECUTE format('INSERT INTO e_cuarentena SELECT %L, clave, %L, %L FROM paso WHERE n = %s', origen, estado, mensaje, desde);
    ELSE
        PERFORM pg_temp.mete(origen, orden, desde, mitad), pg_temp.mete(origen, orden, mitad + 1, hasta);
    END IF;
END $$;
