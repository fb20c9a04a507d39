-- Meta: crear la tabla proveedores con la estructura de destino y los permisos de users.
-- Necesita: fase0 (migracion.tocar_actualizado); CREATE en public.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios. En fase1 cada espera dura 500 ms
--   como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE proveedores (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.
-- Seguridad por fila: activa como en users, con las políticas que se pueden trasladar.
-- Política que no se traslada, así que cerrada: «Proveedores activos» (SELECT): usa user_type, sin columna en proveedores

CREATE TABLE public.proveedores (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  telefono character varying(20) NOT NULL,
  nombre character varying(255) NOT NULL,
  email character varying(255),
  nombre_empresa character varying(255),
  descripcion_empresa text,
  direccion text,
  ciudad character varying(100),
  pais character varying(100) DEFAULT 'ECUADOR',
  latitud numeric(10,8),
  longitud numeric(11,8),
  estado character varying(30) DEFAULT 'activo',
  nivel_verificacion character varying(20) DEFAULT 'basico',
  rating numeric(3,2) DEFAULT 5.0,
  tiene_consentimiento boolean,
  creado_at timestamp without time zone DEFAULT timezone('utc', now()),
  actualizado_at timestamp without time zone DEFAULT timezone('utc', now()),
  CONSTRAINT proveedores_pkey PRIMARY KEY (id),
  CONSTRAINT proveedores_telefono_key UNIQUE (telefono),
  CONSTRAINT proveedores_estado_check CHECK (estado IN ('activo', 'inactivo', 'suspendido', 'verificacion_pendiente')),
  CONSTRAINT proveedores_nivel_verificacion_check CHECK (nivel_verificacion IN ('basico', 'verificado', 'premium',
    'institucional')),
  CONSTRAINT proveedores_rating_check CHECK (rating BETWEEN 0 AND 5)
);

CREATE INDEX idx_proveedores_ciudad ON public.proveedores (ciudad);

CREATE INDEX idx_proveedores_estado ON public.proveedores (estado);

CREATE INDEX idx_proveedores_rating ON public.proveedores (rating);

CREATE INDEX idx_proveedores_nivel_verificacion ON public.proveedores (nivel_verificacion);

CREATE INDEX idx_proveedores_creado_at ON public.proveedores (creado_at);

CREATE TRIGGER migracion_tocar_proveedores BEFORE UPDATE ON public.proveedores
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') = '')
  EXECUTE FUNCTION migracion.tocar_actualizado('actualizado_at');

COMMENT ON TABLE public.proveedores IS 'Personas y empresas que ofrecen servicios';

COMMENT ON COLUMN public.proveedores.rating IS 'Calificación de 0 a 5';

COMMENT ON COLUMN public.proveedores.tiene_consentimiento IS 'Si aceptó el tratamiento de sus datos';

ALTER TABLE public.proveedores ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.proveedores NO FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.proveedores FROM PUBLIC, anon, authenticated, service_role;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.proveedores TO anon;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.proveedores TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.proveedores TO service_role;

CREATE POLICY "Cada quien edita su fila" ON public.proveedores
  AS PERMISSIVE FOR UPDATE TO authenticated
  USING ((( SELECT auth.uid() AS uid) = id))
  WITH CHECK ((( SELECT auth.uid() AS uid) = id));

CREATE POLICY "Cada quien ve su fila" ON public.proveedores
  AS PERMISSIVE FOR SELECT TO authenticated
  USING ((auth.uid() = id));
