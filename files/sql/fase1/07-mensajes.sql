-- Meta: crear la tabla mensajes con la estructura de destino y los permisos de messages.
-- Necesita: fase0; CREATE en public.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios. En fase1 cada espera dura 500 ms
--   como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE mensajes (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.
-- Seguridad por fila: activa como en messages, con las políticas que se pueden trasladar.
-- Política que no se traslada, así que cerrada: «Mensajes propios» (SELECT): usa user_id, sin columna en mensajes
-- Política que no se traslada, así que cerrada: «Sin fallidos» (SELECT, restrictiva: cierra del todo): usa processing_status,
--   cuyos valores cambian en mensajes

CREATE TABLE public.mensajes (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  conversacion_id uuid,
  telefono character varying(20) NOT NULL,
  tipo_mensaje character varying(50) NOT NULL,
  contenido text NOT NULL,
  url_media character varying(500),
  tipo_media character varying(20),
  respuesta_ia text,
  estado_procesamiento character varying(20) DEFAULT 'pendiente',
  metadata jsonb DEFAULT '{}'::jsonb,
  creado_at timestamp without time zone DEFAULT timezone('utc', now()),
  CONSTRAINT mensajes_pkey PRIMARY KEY (id),
  CONSTRAINT mensajes_tipo_mensaje_check CHECK (tipo_mensaje IN ('texto', 'imagen', 'audio', 'video', 'documento', 'ubicacion',
    'contacto')),
  CONSTRAINT mensajes_estado_procesamiento_check CHECK (estado_procesamiento IN ('pendiente', 'procesando', 'completado',
    'error'))
);

CREATE INDEX idx_mensajes_conversacion_id ON public.mensajes (conversacion_id);

CREATE INDEX idx_mensajes_telefono ON public.mensajes (telefono);

CREATE INDEX idx_mensajes_tipo_mensaje ON public.mensajes (tipo_mensaje);

CREATE INDEX idx_mensajes_estado_procesamiento ON public.mensajes (estado_procesamiento);

CREATE INDEX idx_mensajes_creado_at ON public.mensajes (creado_at);

COMMENT ON TABLE public.mensajes IS 'Mensajes de WhatsApp y la respuesta de la IA';

ALTER TABLE public.mensajes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.mensajes NO FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.mensajes FROM PUBLIC, anon, authenticated, service_role;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.mensajes TO anon;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.mensajes TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.mensajes TO service_role;

CREATE POLICY "Sin fallidos" ON public.mensajes
  AS RESTRICTIVE FOR SELECT TO authenticated
  USING (false);
