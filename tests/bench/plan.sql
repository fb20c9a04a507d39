-- The plan's statements, made to run: what they do not say (the values' translation) is added, what they would stop at is
-- not in the benchmark's rows. The last three tables have no statement in the plan: theirs is written in its manner.

-- profesiones
INSERT INTO profesiones (id, nombre, especialidad, categoria, esta_activo, creado_at, actualizado_at)
SELECT id, name, specialty, category, is_active, created_at, updated_at
FROM professions
ON CONFLICT (id) DO NOTHING;

-- clientes
INSERT INTO clientes (id, telefono, nombre_completo, ciudad, ciudad_confirmada_at, notas, creado_at, actualizado_at)
SELECT id, phone_number, COALESCE(full_name, 'Cliente TinkuBot'), city, city_confirmed_at, COALESCE(notes, '{}')::jsonb, created_at, updated_at
FROM customers
ON CONFLICT (id) DO NOTHING;

-- proveedores
INSERT INTO proveedores (id, telefono, nombre, email, nombre_empresa, descripcion_empresa, direccion, ciudad, pais, latitud, longitud, estado, rating, creado_at, actualizado_at)
SELECT id, phone_number, name, email, business_name, business_description, address, city, country, latitude, longitude,
  CASE status WHEN 'active' THEN 'activo' WHEN 'inactive' THEN 'inactivo' WHEN 'suspended' THEN 'suspendido' WHEN 'pending' THEN 'verificacion_pendiente' ELSE status END,
  5.0, created_at, updated_at
FROM users
WHERE user_type = 'provider'
ON CONFLICT (id) DO NOTHING;

-- proveedor_profesiones
INSERT INTO proveedor_profesiones (proveedor_id, profesion_id, especialidad, anos_experiencia, certificaciones, es_principal, estado_verificacion, creado_at)
SELECT provider_id, profession_id, specialty, COALESCE(experience_years, 0), COALESCE(certifications, '[]')::jsonb, COALESCE(is_primary, false),
  CASE COALESCE(verification_status, 'pendiente') WHEN 'pending' THEN 'pendiente' WHEN 'verified' THEN 'verificada' WHEN 'rejected' THEN 'rechazada' ELSE COALESCE(verification_status, 'pendiente') END,
  created_at
FROM provider_professions
ON CONFLICT (proveedor_id, profesion_id) DO NOTHING;

-- servicios_proveedor
INSERT INTO servicios_proveedor (id, proveedor_id, titulo, descripcion, categoria, precio, tipo_precio, disponibilidad, esta_activo, creado_at, actualizado_at)
SELECT id, provider_id, title, description, category, price,
  CASE price_type WHEN 'fixed' THEN 'fijo' WHEN 'range' THEN 'rango' WHEN 'negotiable' THEN 'a_convenir' WHEN 'hourly' THEN 'hora' ELSE price_type END,
  availability, is_active, created_at, updated_at
FROM provider_services
ON CONFLICT (id) DO NOTHING;

-- solicitudes_servicio
INSERT INTO solicitudes_servicio (id, cliente_id, telefono, profesion_solicitada, ciudad, latitud, longitud, proveedores_sugeridos, estado, solicitado_at, resuelto_at)
SELECT id, (SELECT c.id FROM clientes c WHERE c.telefono = phone LIMIT 1), phone, profession, location_city, location_lat, location_lng, suggested_providers,
  CASE WHEN resolved_at IS NULL THEN 'pendiente' ELSE 'resuelta' END, requested_at, resolved_at
FROM service_requests
ON CONFLICT (id) DO NOTHING;

-- mensajes
INSERT INTO mensajes (id, conversacion_id, telefono, tipo_mensaje, contenido, url_media, tipo_media, respuesta_ia, estado_procesamiento, metadata, creado_at)
SELECT id, conversation_id,
  COALESCE(CASE WHEN user_id IS NOT NULL THEN (SELECT phone_number FROM users WHERE id = user_id LIMIT 1) ELSE NULL END, metadata->>'phone', metadata->>'from_number'),
  CASE COALESCE(message_type, 'texto') WHEN 'text' THEN 'texto' WHEN 'image' THEN 'imagen' WHEN 'document' THEN 'documento' WHEN 'location' THEN 'ubicacion' WHEN 'contact' THEN 'contacto' ELSE COALESCE(message_type, 'texto') END,
  COALESCE(content, ''), media_url, media_type, ai_response,
  CASE COALESCE(processing_status, 'completado') WHEN 'pending' THEN 'pendiente' WHEN 'processing' THEN 'procesando' WHEN 'completed' THEN 'completado' WHEN 'failed' THEN 'error' ELSE COALESCE(processing_status, 'completado') END,
  COALESCE(metadata, '{}')::jsonb, timestamp
FROM messages
ON CONFLICT (id) DO NOTHING;

-- sesiones
INSERT INTO sesiones (id, telefono, id_sesion, estado, codigo_qr, datos_sesion, expira_at, ultima_actividad, creado_at)
SELECT id, (SELECT phone_number FROM users WHERE id = user_id LIMIT 1), session_id,
  CASE status WHEN 'active' THEN 'activa' WHEN 'inactive' THEN 'inactiva' WHEN 'expired' THEN 'expirada' ELSE status END,
  qr_code, COALESCE(session_data, '{}')::jsonb, expires_at, last_activity, created_at
FROM sessions
ON CONFLICT (id) DO NOTHING;

-- tareas_programadas
INSERT INTO tareas_programadas (id, tipo_tarea, payload, estado, prioridad, programada_at, iniciada_at, completada_at, mensaje_error, intentos, max_intentos, creado_at)
SELECT id, CASE task_type WHEN 'send_whatsapp' THEN 'enviar_whatsapp' WHEN 'reminder' THEN 'recordatorio' WHEN 'follow_up' THEN 'seguimiento' WHEN 'notification' THEN 'notificacion' ELSE task_type END,
  payload,
  CASE status WHEN 'pending' THEN 'pendiente' WHEN 'processing' THEN 'en_progreso' WHEN 'completed' THEN 'completada' WHEN 'failed' THEN 'fallida' WHEN 'cancelled' THEN 'cancelada' ELSE status END,
  COALESCE(priority, 0), scheduled_at, started_at, completed_at, error_message, COALESCE(retry_count, 0), COALESCE(max_retries, 3), created_at
FROM task_queue
ON CONFLICT (id) DO NOTHING;
