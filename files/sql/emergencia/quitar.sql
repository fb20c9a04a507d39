-- Meta: quitar todos los disparadores de la sincronización, solo donde apagar.sql no basta: desde entonces nadie sabe qué se
--   escribió, y los servicios no pueden volver a legacy hasta que se repongan.
-- Necesita: ser dueño de las tablas. Con psql, sin ON_ERROR_STOP.
-- Bloqueo: ACCESS EXCLUSIVE en cada tabla, un disparador por transacción; cada espera dura 50 ms como mucho, y el que no se pudo
--   quitar sigue: repita.
-- Deshacer: estado --tags sincronizacion -e sincronizacion=si -e manda=legacy los repone, y vale lo que hay en legacy; con
--   manda=espanol, lo que hay en español. Con --check dice antes qué haría.
-- Repetir: sí, hasta que no dé errores.

-- quien escribe no espera más que esto
SET lock_timeout = 50;

DROP TRIGGER IF EXISTS sinc_professions_profesiones_i ON public.professions;

DROP TRIGGER IF EXISTS sinc_professions_profesiones_u ON public.professions;

DROP TRIGGER IF EXISTS sinc_professions_profesiones_d ON public.professions;

DROP TRIGGER IF EXISTS sinc_professions_profesiones_t ON public.professions;

DROP TRIGGER IF EXISTS sinc_customers_clientes_i ON public.customers;

DROP TRIGGER IF EXISTS sinc_customers_clientes_u ON public.customers;

DROP TRIGGER IF EXISTS sinc_customers_clientes_d ON public.customers;

DROP TRIGGER IF EXISTS sinc_customers_clientes_t ON public.customers;

DROP TRIGGER IF EXISTS sinc_users_proveedores_i ON public.users;

DROP TRIGGER IF EXISTS sinc_users_proveedores_u ON public.users;

DROP TRIGGER IF EXISTS sinc_users_proveedores_d ON public.users;

DROP TRIGGER IF EXISTS sinc_users_proveedores_t ON public.users;

DROP TRIGGER IF EXISTS sinc_users_clientes_i ON public.users;

DROP TRIGGER IF EXISTS sinc_users_clientes_u ON public.users;

DROP TRIGGER IF EXISTS sinc_users_clientes_d ON public.users;

DROP TRIGGER IF EXISTS sinc_users_clientes_t ON public.users;

DROP TRIGGER IF EXISTS sinc_provider_professions_proveedor_profesiones_i ON public.provider_professions;

DROP TRIGGER IF EXISTS sinc_provider_professions_proveedor_profesiones_u ON public.provider_professions;

DROP TRIGGER IF EXISTS sinc_provider_professions_proveedor_profesiones_d ON public.provider_professions;

DROP TRIGGER IF EXISTS sinc_provider_professions_proveedor_profesiones_t ON public.provider_professions;

DROP TRIGGER IF EXISTS sinc_provider_services_servicios_proveedor_i ON public.provider_services;

DROP TRIGGER IF EXISTS sinc_provider_services_servicios_proveedor_u ON public.provider_services;

DROP TRIGGER IF EXISTS sinc_provider_services_servicios_proveedor_d ON public.provider_services;

DROP TRIGGER IF EXISTS sinc_provider_services_servicios_proveedor_t ON public.provider_services;

DROP TRIGGER IF EXISTS sinc_service_requests_solicitudes_servicio_i ON public.service_requests;

DROP TRIGGER IF EXISTS sinc_service_requests_solicitudes_servicio_u ON public.service_requests;

DROP TRIGGER IF EXISTS sinc_service_requests_solicitudes_servicio_d ON public.service_requests;

DROP TRIGGER IF EXISTS sinc_service_requests_solicitudes_servicio_t ON public.service_requests;

DROP TRIGGER IF EXISTS sinc_messages_mensajes_i ON public.messages;

DROP TRIGGER IF EXISTS sinc_messages_mensajes_u ON public.messages;

DROP TRIGGER IF EXISTS sinc_messages_mensajes_d ON public.messages;

DROP TRIGGER IF EXISTS sinc_messages_mensajes_t ON public.messages;

DROP TRIGGER IF EXISTS sigue_messages_mensajes_3_i ON public.users;

DROP TRIGGER IF EXISTS sigue_messages_mensajes_3_d ON public.users;

DROP TRIGGER IF EXISTS sigue_messages_mensajes_3_u ON public.users;

DROP TRIGGER IF EXISTS sinc_sessions_sesiones_i ON public.sessions;

DROP TRIGGER IF EXISTS sinc_sessions_sesiones_u ON public.sessions;

DROP TRIGGER IF EXISTS sinc_sessions_sesiones_d ON public.sessions;

DROP TRIGGER IF EXISTS sinc_sessions_sesiones_t ON public.sessions;

DROP TRIGGER IF EXISTS sigue_sessions_sesiones_2_i ON public.users;

DROP TRIGGER IF EXISTS sigue_sessions_sesiones_2_d ON public.users;

DROP TRIGGER IF EXISTS sigue_sessions_sesiones_2_u ON public.users;

DROP TRIGGER IF EXISTS sinc_task_queue_tareas_programadas_i ON public.task_queue;

DROP TRIGGER IF EXISTS sinc_task_queue_tareas_programadas_u ON public.task_queue;

DROP TRIGGER IF EXISTS sinc_task_queue_tareas_programadas_d ON public.task_queue;

DROP TRIGGER IF EXISTS sinc_task_queue_tareas_programadas_t ON public.task_queue;

DROP TRIGGER IF EXISTS vuelta_profesiones_i ON public.profesiones;

DROP TRIGGER IF EXISTS vuelta_profesiones_u ON public.profesiones;

DROP TRIGGER IF EXISTS vuelta_profesiones_d ON public.profesiones;

DROP TRIGGER IF EXISTS vuelta_profesiones_t ON public.profesiones;

DROP TRIGGER IF EXISTS vuelta_clientes_i ON public.clientes;

DROP TRIGGER IF EXISTS vuelta_clientes_u ON public.clientes;

DROP TRIGGER IF EXISTS vuelta_clientes_d ON public.clientes;

DROP TRIGGER IF EXISTS vuelta_clientes_t ON public.clientes;

DROP TRIGGER IF EXISTS vuelta_proveedores_i ON public.proveedores;

DROP TRIGGER IF EXISTS vuelta_proveedores_u ON public.proveedores;

DROP TRIGGER IF EXISTS vuelta_proveedores_d ON public.proveedores;

DROP TRIGGER IF EXISTS vuelta_proveedores_t ON public.proveedores;

DROP TRIGGER IF EXISTS vuelta_proveedor_profesiones_i ON public.proveedor_profesiones;

DROP TRIGGER IF EXISTS vuelta_proveedor_profesiones_u ON public.proveedor_profesiones;

DROP TRIGGER IF EXISTS vuelta_proveedor_profesiones_d ON public.proveedor_profesiones;

DROP TRIGGER IF EXISTS vuelta_proveedor_profesiones_t ON public.proveedor_profesiones;

DROP TRIGGER IF EXISTS vuelta_servicios_proveedor_i ON public.servicios_proveedor;

DROP TRIGGER IF EXISTS vuelta_servicios_proveedor_u ON public.servicios_proveedor;

DROP TRIGGER IF EXISTS vuelta_servicios_proveedor_d ON public.servicios_proveedor;

DROP TRIGGER IF EXISTS vuelta_servicios_proveedor_t ON public.servicios_proveedor;

DROP TRIGGER IF EXISTS sigue_service_requests_solicitudes_servicio_2_i ON public.clientes;

DROP TRIGGER IF EXISTS sigue_service_requests_solicitudes_servicio_2_d ON public.clientes;

DROP TRIGGER IF EXISTS sigue_service_requests_solicitudes_servicio_2_u ON public.clientes;

DROP TRIGGER IF EXISTS vuelta_solicitudes_servicio_i ON public.solicitudes_servicio;

DROP TRIGGER IF EXISTS vuelta_solicitudes_servicio_u ON public.solicitudes_servicio;

DROP TRIGGER IF EXISTS vuelta_solicitudes_servicio_d ON public.solicitudes_servicio;

DROP TRIGGER IF EXISTS vuelta_solicitudes_servicio_t ON public.solicitudes_servicio;

DROP TRIGGER IF EXISTS vuelta_mensajes_i ON public.mensajes;

DROP TRIGGER IF EXISTS vuelta_mensajes_u ON public.mensajes;

DROP TRIGGER IF EXISTS vuelta_mensajes_d ON public.mensajes;

DROP TRIGGER IF EXISTS vuelta_mensajes_t ON public.mensajes;

DROP TRIGGER IF EXISTS vuelta_sesiones_i ON public.sesiones;

DROP TRIGGER IF EXISTS vuelta_sesiones_u ON public.sesiones;

DROP TRIGGER IF EXISTS vuelta_sesiones_d ON public.sesiones;

DROP TRIGGER IF EXISTS vuelta_sesiones_t ON public.sesiones;

DROP TRIGGER IF EXISTS vuelta_tareas_programadas_i ON public.tareas_programadas;

DROP TRIGGER IF EXISTS vuelta_tareas_programadas_u ON public.tareas_programadas;

DROP TRIGGER IF EXISTS vuelta_tareas_programadas_d ON public.tareas_programadas;

DROP TRIGGER IF EXISTS vuelta_tareas_programadas_t ON public.tareas_programadas;
