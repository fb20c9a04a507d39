-- Meta: crear la tabla clientes con la estructura de destino y los permisos de customers.
-- Necesita: fase0 (migracion.tocar_actualizado); CREATE en public.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios. En fase1 cada espera dura 500 ms
--   como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE clientes (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.
-- Seguridad por fila: activa como en customers, con las políticas que se pueden trasladar.
-- Política que no se traslada, así que cerrada: «Proveedores de la ciudad» (SELECT): nombra users, que también se migra

CREATE TABLE public.clientes (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  telefono character varying(20) NOT NULL,
  nombre_completo character varying(255) NOT NULL,
  ciudad character varying(100),
  ciudad_confirmada_at timestamp without time zone,
  notas jsonb DEFAULT '{}'::jsonb,
  estado character varying(20) DEFAULT 'activo',
  tiene_consentimiento boolean,
  creado_at timestamp without time zone DEFAULT timezone('utc', now()),
  actualizado_at timestamp without time zone DEFAULT timezone('utc', now()),
  CONSTRAINT clientes_pkey PRIMARY KEY (id),
  CONSTRAINT clientes_telefono_key UNIQUE (telefono),
  CONSTRAINT clientes_estado_check CHECK (estado IN ('activo', 'inactivo', 'suspendido'))
);

CREATE INDEX idx_clientes_ciudad ON public.clientes (ciudad);

CREATE INDEX idx_clientes_estado ON public.clientes (estado);

CREATE INDEX idx_clientes_creado_at ON public.clientes (creado_at);

CREATE TRIGGER migracion_tocar_clientes BEFORE UPDATE ON public.clientes
  FOR EACH ROW WHEN (coalesce(current_setting('migracion.sync', true), '') = '')
  EXECUTE FUNCTION migracion.tocar_actualizado('actualizado_at');

COMMENT ON TABLE public.clientes IS 'Personas que piden servicios por WhatsApp';

COMMENT ON COLUMN public.clientes.ciudad_confirmada_at IS 'Cuándo confirmó el cliente su ciudad';

COMMENT ON COLUMN public.clientes.tiene_consentimiento IS 'Si aceptó el tratamiento de sus datos';

ALTER TABLE public.clientes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.clientes NO FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.clientes FROM PUBLIC, anon, authenticated, service_role, tinkubot_reportes;

GRANT UPDATE (ciudad) ON TABLE public.clientes TO authenticated;

GRANT UPDATE (nombre_completo) ON TABLE public.clientes TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE ON TABLE public.clientes TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.clientes TO service_role;

GRANT SELECT (ciudad) ON TABLE public.clientes TO tinkubot_reportes;

GRANT SELECT (ciudad_confirmada_at) ON TABLE public.clientes TO tinkubot_reportes;

GRANT SELECT (creado_at) ON TABLE public.clientes TO tinkubot_reportes;

GRANT SELECT (id) ON TABLE public.clientes TO tinkubot_reportes;

CREATE POLICY "El cliente edita su fila" ON public.clientes
  AS PERMISSIVE FOR UPDATE TO authenticated
  USING ((auth.uid() = id))
  WITH CHECK (((auth.uid() = id) AND (ciudad IS NOT NULL)));

CREATE POLICY "El cliente ve su fila" ON public.clientes
  AS PERMISSIVE FOR SELECT TO authenticated
  USING ((auth.uid() = id));

CREATE POLICY "Solo Ecuador" ON public.clientes
  AS RESTRICTIVE FOR SELECT TO authenticated
  USING ((telefono ~~ '593%'::text));
