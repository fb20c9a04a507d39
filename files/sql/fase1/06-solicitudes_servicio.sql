-- Meta: crear la tabla solicitudes_servicio con la estructura de destino y los permisos de service_requests.
-- Necesita: fase0; CREATE en public; ser dueño de clientes, que hace antes fase1.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios; SHARE ROW EXCLUSIVE en clientes
--   (claves foráneas), igual de nuevas. En fase1 cada espera dura 500 ms como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE solicitudes_servicio (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.

CREATE TABLE public.solicitudes_servicio (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  cliente_id uuid,
  telefono character varying(20) NOT NULL,
  tipo_solicitud character varying(50) DEFAULT 'servicio',
  profesion_solicitada character varying(100),
  ciudad character varying(100),
  latitud numeric(10,8),
  longitud numeric(11,8),
  proveedores_sugeridos jsonb DEFAULT '[]'::jsonb,
  estado character varying(20) DEFAULT 'pendiente',
  solicitado_at timestamp without time zone DEFAULT timezone('utc', now()),
  resuelto_at timestamp without time zone,
  CONSTRAINT solicitudes_servicio_pkey PRIMARY KEY (id),
  CONSTRAINT solicitudes_servicio_tipo_solicitud_check CHECK (tipo_solicitud IN ('servicio', 'consulta', 'queja', 'sugerencia')),
  CONSTRAINT solicitudes_servicio_estado_check CHECK (estado IN ('pendiente', 'en_progreso', 'resuelta', 'cancelada')),
  CONSTRAINT solicitudes_servicio_cliente_id_fkey FOREIGN KEY (cliente_id) REFERENCES public.clientes (id) ON DELETE SET NULL
);

CREATE INDEX idx_solicitudes_servicio_cliente_id ON public.solicitudes_servicio (cliente_id);

CREATE INDEX idx_solicitudes_servicio_telefono ON public.solicitudes_servicio (telefono);

CREATE INDEX idx_solicitudes_servicio_estado ON public.solicitudes_servicio (estado);

CREATE INDEX idx_solicitudes_servicio_ciudad ON public.solicitudes_servicio (ciudad);

CREATE INDEX idx_solicitudes_servicio_solicitado_at ON public.solicitudes_servicio (solicitado_at);

COMMENT ON TABLE public.solicitudes_servicio IS 'Lo que piden los clientes y a quién se les sugirió';

ALTER TABLE public.solicitudes_servicio DISABLE ROW LEVEL SECURITY;

ALTER TABLE public.solicitudes_servicio NO FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.solicitudes_servicio FROM PUBLIC, anon, authenticated, service_role;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.solicitudes_servicio TO anon;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.solicitudes_servicio TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.solicitudes_servicio TO service_role;
