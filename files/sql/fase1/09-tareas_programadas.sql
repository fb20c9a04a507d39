-- Meta: crear la tabla tareas_programadas con la estructura de destino y los permisos de task_queue.
-- Necesita: fase0; CREATE en public.
-- Bloqueo: ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios. En fase1 cada espera dura 500 ms
--   como mucho; 20 intentos.
-- Deshacer: fase1 --tags rollback: DROP TABLE tareas_programadas (nunca CASCADE), con la tabla vacía.
-- Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.
-- Seguridad por fila: activa como en task_queue, con las políticas que se pueden trasladar.

CREATE TABLE public.tareas_programadas (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  tipo_tarea character varying(50) NOT NULL,
  payload jsonb NOT NULL,
  estado character varying(20) DEFAULT 'pendiente',
  prioridad integer DEFAULT 0,
  programada_at timestamp without time zone NOT NULL,
  iniciada_at timestamp without time zone,
  completada_at timestamp without time zone,
  mensaje_error text,
  intentos integer DEFAULT 0,
  max_intentos integer DEFAULT 3,
  creado_at timestamp without time zone DEFAULT timezone('utc', now()),
  CONSTRAINT tareas_programadas_pkey PRIMARY KEY (id),
  CONSTRAINT tareas_programadas_tipo_tarea_check CHECK (tipo_tarea IN ('enviar_whatsapp', 'recordatorio', 'seguimiento',
    'feedback', 'notificacion')),
  CONSTRAINT tareas_programadas_estado_check CHECK (estado IN ('pendiente', 'en_progreso', 'completada', 'fallida', 'cancelada')),
  CONSTRAINT tareas_programadas_prioridad_check CHECK (prioridad BETWEEN 0 AND 10),
  CONSTRAINT tareas_programadas_intentos_check CHECK (intentos >= 0),
  CONSTRAINT tareas_programadas_max_intentos_check CHECK (max_intentos >= 1)
);

CREATE INDEX idx_tareas_programadas_estado ON public.tareas_programadas (estado);

CREATE INDEX idx_tareas_programadas_tipo_tarea ON public.tareas_programadas (tipo_tarea);

CREATE INDEX idx_tareas_programadas_programada_at ON public.tareas_programadas (programada_at);

CREATE INDEX idx_tareas_programadas_prioridad ON public.tareas_programadas (prioridad);

COMMENT ON TABLE public.tareas_programadas IS 'Tareas que el planificador ejecuta a su hora';

ALTER TABLE public.tareas_programadas ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tareas_programadas NO FORCE ROW LEVEL SECURITY;

REVOKE ALL ON TABLE public.tareas_programadas FROM PUBLIC, anon, authenticated, service_role;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.tareas_programadas TO anon;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.tareas_programadas TO authenticated;

GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON TABLE public.tareas_programadas TO service_role;
