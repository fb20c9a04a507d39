-- Meta: crear la tabla profesiones con la estructura de destino y los permisos de professions.
-- Necesita: fase0 (migracion.tocar_actualizado); CREATE en public; USAGE sobre la secuencia public.professions_id_seq, que
--   comparte.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios. En fase1 cada espera dura 500 ms
--   como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE profesiones (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.
-- Seguridad por fila: activa como en professions, con las políticas que se pueden trasladar.

CREATE TABLE public.profesiones (
  id integer NOT NULL DEFAULT nextval('public.professions_id_seq'::regclass),
  nombre character varying(100) NOT NULL,
  especialidad character varying(255),
  categoria character varying(100),
  esta_activo boolean DEFAULT true,
  creado_at timestamp without time zone DEFAULT timezone('utc', now()),
  actualizado_at timestamp without time zone DEFAULT timezone('utc', now()),
  CONSTRAINT profesiones_pkey PRIMARY KEY (id),
  CONSTRAINT profesiones_nombre_key UNIQUE (nombre)
);

CREATE INDEX idx_profesiones_categoria ON public.profesiones (categoria);

CREATE INDEX idx_profesiones_esta_activo ON public.profesiones (esta_activo);

CREATE TRIGGER migracion_tocar_profesiones BEFORE UPDATE ON public.profesiones
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') = '')
  EXECUTE FUNCTION migracion.tocar_actualizado('actualizado_at');

COMMENT ON TABLE public.profesiones IS 'Oficios que los clientes pueden pedir';

ALTER TABLE public.profesiones ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.profesiones NO FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.profesiones FROM PUBLIC, anon, authenticated, service_role, tinkubot_reportes;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.profesiones TO anon;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.profesiones TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.profesiones TO service_role;

GRANT SELECT ON TABLE public.profesiones TO tinkubot_reportes;

CREATE POLICY "Profesiones activas" ON public.profesiones
  AS PERMISSIVE FOR SELECT TO anon, authenticated
  USING (esta_activo);
