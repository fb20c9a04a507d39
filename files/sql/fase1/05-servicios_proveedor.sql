-- Meta: crear la tabla servicios_proveedor con la estructura de destino y los permisos de provider_services.
-- Necesita: fase0 (migracion.tocar_actualizado); CREATE en public; ser dueño de proveedores, que hace antes fase1.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios; SHARE ROW EXCLUSIVE en
--   proveedores (claves foráneas), igual de nuevas. En fase1 cada espera dura 500 ms como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE servicios_proveedor (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.
-- Seguridad por fila: activa como en provider_services, con las políticas que se pueden trasladar.

CREATE TABLE public.servicios_proveedor (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  proveedor_id uuid,
  titulo character varying(255) NOT NULL,
  descripcion text,
  categoria character varying(100),
  precio numeric(10,2),
  tipo_precio character varying(20) DEFAULT 'fijo',
  disponibilidad jsonb DEFAULT '{}'::jsonb,
  esta_activo boolean DEFAULT true,
  creado_at timestamp without time zone DEFAULT timezone('utc', now()),
  actualizado_at timestamp without time zone DEFAULT timezone('utc', now()),
  CONSTRAINT servicios_proveedor_pkey PRIMARY KEY (id),
  CONSTRAINT servicios_proveedor_tipo_precio_check CHECK (tipo_precio IN ('fijo', 'rango', 'a_convenir', 'hora')),
  CONSTRAINT servicios_proveedor_proveedor_id_fkey FOREIGN KEY (proveedor_id) REFERENCES public.proveedores (id) ON DELETE CASCADE
);

CREATE INDEX idx_servicios_proveedor_proveedor_id ON public.servicios_proveedor (proveedor_id);

CREATE INDEX idx_servicios_proveedor_categoria ON public.servicios_proveedor (categoria);

CREATE INDEX idx_servicios_proveedor_esta_activo ON public.servicios_proveedor (esta_activo);

CREATE TRIGGER migracion_tocar_servicios_proveedor BEFORE UPDATE ON public.servicios_proveedor
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') = '')
  EXECUTE FUNCTION migracion.tocar_actualizado('actualizado_at');

COMMENT ON TABLE public.servicios_proveedor IS 'Servicios que ofrece cada proveedor, con su precio';

ALTER TABLE public.servicios_proveedor ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.servicios_proveedor NO FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.servicios_proveedor FROM PUBLIC, anon, authenticated, service_role;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.servicios_proveedor TO anon;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.servicios_proveedor TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.servicios_proveedor TO service_role;

CREATE POLICY "Servicios activos" ON public.servicios_proveedor
  AS PERMISSIVE FOR SELECT TO PUBLIC
  USING (esta_activo);
