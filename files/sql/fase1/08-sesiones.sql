-- Meta: crear la tabla sesiones con la estructura de destino y los permisos de sessions.
-- Necesita: fase0; CREATE en public.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios. En fase1 cada espera dura 500 ms
--   como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE sesiones (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.
-- Seguridad por fila: activa como en sessions, con las políticas que se pueden trasladar.

CREATE TABLE public.sesiones (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  telefono character varying(20) NOT NULL,
  id_sesion character varying(255) NOT NULL,
  estado character varying(20) DEFAULT 'activa',
  codigo_qr text,
  datos_sesion jsonb DEFAULT '{}'::jsonb,
  expira_at timestamp without time zone,
  ultima_actividad timestamp without time zone DEFAULT timezone('utc', now()),
  creado_at timestamp without time zone DEFAULT timezone('utc', now()),
  CONSTRAINT sesiones_pkey PRIMARY KEY (id),
  CONSTRAINT sesiones_estado_check CHECK (estado IN ('activa', 'inactiva', 'expirada', 'error'))
);

CREATE INDEX idx_sesiones_telefono ON public.sesiones (telefono);

CREATE INDEX idx_sesiones_id_sesion ON public.sesiones (id_sesion);

CREATE INDEX idx_sesiones_estado ON public.sesiones (estado);

CREATE INDEX idx_sesiones_expira_at ON public.sesiones (expira_at);

CREATE INDEX idx_sesiones_ultima_actividad ON public.sesiones (ultima_actividad);

COMMENT ON TABLE public.sesiones IS 'Sesiones de WhatsApp de cada teléfono';

ALTER TABLE public.sesiones ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.sesiones FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.sesiones FROM PUBLIC, anon, authenticated, service_role;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.sesiones TO anon;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.sesiones TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.sesiones TO service_role;
