-- Meta: crear la tabla proveedor_profesiones con la estructura de destino y los permisos de provider_professions.
-- Necesita: fase0; CREATE en public; ser dueño de proveedores y profesiones, que hace antes fase1.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios; SHARE ROW EXCLUSIVE en
--   proveedores y profesiones (claves foráneas), igual de nuevas. En fase1 cada espera dura 500 ms como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE proveedor_profesiones (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.

CREATE SEQUENCE public.proveedor_profesiones_id_seq AS integer;
CREATE TABLE public.proveedor_profesiones (
  id integer NOT NULL DEFAULT nextval('public.proveedor_profesiones_id_seq'::regclass),
  proveedor_id uuid,
  profesion_id integer,
  especialidad character varying(255),
  anos_experiencia integer DEFAULT 0,
  certificaciones jsonb DEFAULT '[]'::jsonb,
  es_principal boolean DEFAULT false,
  estado_verificacion character varying(20) DEFAULT 'pendiente',
  creado_at timestamp without time zone DEFAULT timezone('utc', now()),
  CONSTRAINT proveedor_profesiones_pkey PRIMARY KEY (id),
  CONSTRAINT proveedor_profesiones_proveedor_id_profesion_id_key UNIQUE (proveedor_id, profesion_id),
  CONSTRAINT proveedor_profesiones_anos_experiencia_check CHECK (anos_experiencia BETWEEN 0 AND 70),
  CONSTRAINT proveedor_profesiones_estado_verificacion_check CHECK (estado_verificacion IN ('pendiente', 'verificada',
    'rechazada')),
  CONSTRAINT proveedor_profesiones_proveedor_id_fkey FOREIGN KEY (proveedor_id) REFERENCES public.proveedores (id)
    ON DELETE CASCADE,
  CONSTRAINT proveedor_profesiones_profesion_id_fkey FOREIGN KEY (profesion_id) REFERENCES public.profesiones (id)
    ON DELETE CASCADE
);
ALTER SEQUENCE public.proveedor_profesiones_id_seq OWNED BY public.proveedor_profesiones.id;

CREATE INDEX idx_proveedor_profesiones_proveedor_id ON public.proveedor_profesiones (proveedor_id);

CREATE INDEX idx_proveedor_profesiones_profesion_id ON public.proveedor_profesiones (profesion_id);

CREATE INDEX idx_proveedor_profesiones_estado_verificacion ON public.proveedor_profesiones (estado_verificacion);

COMMENT ON TABLE public.proveedor_profesiones IS 'Qué profesiones ejerce cada proveedor';

ALTER TABLE public.proveedor_profesiones DISABLE ROW LEVEL SECURITY;

ALTER TABLE public.proveedor_profesiones NO FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.proveedor_profesiones FROM PUBLIC, anon, authenticated, service_role;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.proveedor_profesiones TO anon;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.proveedor_profesiones TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.proveedor_profesiones TO service_role;

REVOKE ALL ON SEQUENCE public.proveedor_profesiones_id_seq FROM PUBLIC, anon, authenticated, service_role;

GRANT USAGE, SELECT ON SEQUENCE public.proveedor_profesiones_id_seq TO anon, authenticated, service_role;
