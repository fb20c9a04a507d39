-- What the services write: a row on either side, and many rows of a legacy table in one statement.
-- %(id)s is the row's key, %(phone)s a number of its own, %(other)s and %(its_phone)s those of a provider that is there.
-- A name is table, statement and, of many rows, "bulk"; %(rows)s says how many.

-- messages insert
INSERT INTO messages (id, conversation_id, user_id, message_type, content, processing_status, metadata)
VALUES (%(id)s, %(other)s, %(other)s, 'text', 'Necesito un plomero', 'pending', '{"origen": "whatsapp"}');

-- messages update
UPDATE messages SET processing_status = 'completed', ai_response = 'Le busco uno' WHERE id = %(id)s;

-- messages delete
DELETE FROM messages WHERE id = %(id)s;

-- mensajes insert
INSERT INTO mensajes (id, conversacion_id, telefono, tipo_mensaje, contenido, estado_procesamiento, metadata)
VALUES (%(id)s, %(other)s, %(its_phone)s, 'texto', 'Necesito un plomero', 'pendiente', '{"origen": "whatsapp"}');

-- mensajes update
UPDATE mensajes SET estado_procesamiento = 'completado', respuesta_ia = 'Le busco uno' WHERE id = %(id)s;

-- mensajes delete
DELETE FROM mensajes WHERE id = %(id)s;

-- customers insert
INSERT INTO customers (id, phone_number, full_name, city, notes)
VALUES (%(id)s, %(phone)s, 'Ana Paredes', 'Quito', '{"canal": "whatsapp"}');

-- customers update
UPDATE customers SET city = 'Cuenca', full_name = 'Ana María Paredes' WHERE id = %(id)s;

-- customers delete
DELETE FROM customers WHERE id = %(id)s;

-- clientes insert
INSERT INTO clientes (id, telefono, nombre_completo, ciudad, notas)
VALUES (%(id)s, %(phone)s, 'Ana Paredes', 'Quito', '{"canal": "whatsapp"}');

-- clientes update
UPDATE clientes SET ciudad = 'Cuenca', nombre_completo = 'Ana María Paredes' WHERE id = %(id)s;

-- clientes delete
DELETE FROM clientes WHERE id = %(id)s;

-- users insert
INSERT INTO users (id, phone_number, name, user_type, city, status)
VALUES (%(id)s, %(phone)s, 'Taller Paredes', 'provider', 'Quito', 'active');

-- users update
UPDATE users SET city = 'Cuenca', name = 'Taller Paredes e Hijos' WHERE id = %(id)s;

-- users delete
DELETE FROM users WHERE id = %(id)s;

-- proveedores insert
INSERT INTO proveedores (id, telefono, nombre, ciudad, estado)
VALUES (%(id)s, %(phone)s, 'Taller Paredes', 'Quito', 'activo');

-- proveedores update
UPDATE proveedores SET ciudad = 'Cuenca', nombre = 'Taller Paredes e Hijos' WHERE id = %(id)s;

-- proveedores delete
DELETE FROM proveedores WHERE id = %(id)s;

-- messages bulk insert
INSERT INTO messages (id, conversation_id, user_id, message_type, content, processing_status, metadata)
SELECT md5('muchos' || n)::uuid, %(other)s, %(other)s, 'text', 'Mensaje ' || n, 'pending', '{"origen": "carga"}'
FROM generate_series(1, %(rows)s) n;

-- messages bulk update
UPDATE messages SET processing_status = 'completed' WHERE id IN (SELECT md5('muchos' || n)::uuid FROM generate_series(1, %(rows)s) n);

-- messages bulk delete
DELETE FROM messages WHERE id IN (SELECT md5('muchos' || n)::uuid FROM generate_series(1, %(rows)s) n);

-- customers bulk insert
INSERT INTO customers (id, phone_number, full_name, city)
SELECT md5('muchos' || n)::uuid, '5938' || lpad(n::text, 8, '0'), 'Cliente ' || n, 'Quito' FROM generate_series(1, %(rows)s) n;

-- customers bulk update
UPDATE customers SET city = 'Cuenca' WHERE id IN (SELECT md5('muchos' || n)::uuid FROM generate_series(1, %(rows)s) n);

-- customers bulk delete
DELETE FROM customers WHERE id IN (SELECT md5('muchos' || n)::uuid FROM generate_series(1, %(rows)s) n);

-- users bulk insert
INSERT INTO users (id, phone_number, name, user_type, city, status)
SELECT md5('muchos' || n)::uuid, '5938' || lpad(n::text, 8, '0'), 'Taller ' || n, 'provider', 'Quito', 'active'
FROM generate_series(1, %(rows)s) n;

-- users bulk update
UPDATE users SET city = 'Cuenca' WHERE id IN (SELECT md5('muchos' || n)::uuid FROM generate_series(1, %(rows)s) n);

-- users bulk delete
DELETE FROM users WHERE id IN (SELECT md5('muchos' || n)::uuid FROM generate_series(1, %(rows)s) n);

-- users phone
UPDATE users SET phone_number = %(phone)s WHERE id = %(other)s;

-- proveedores phone
WITH p AS (SELECT telefono FROM proveedores WHERE id = %(other)s),
m AS (UPDATE mensajes SET telefono = %(phone)s WHERE telefono = (SELECT telefono FROM p))
UPDATE proveedores SET telefono = %(phone)s WHERE id = %(other)s;

-- messages copied
INSERT INTO mensajes (id, conversacion_id, telefono, tipo_mensaje, contenido, respuesta_ia, estado_procesamiento, metadata, creado_at)
SELECT NEW.id, NEW.conversation_id, u.phone_number, 'texto', NEW.content, NEW.ai_response, 'pendiente', NEW.metadata,
  NEW."timestamp" AT TIME ZONE 'UTC' FROM users u WHERE u.id = NEW.user_id
ON CONFLICT (id) DO UPDATE SET contenido = excluded.contenido, respuesta_ia = excluded.respuesta_ia, metadata = excluded.metadata;

-- customers copied
INSERT INTO clientes (id, telefono, nombre_completo, ciudad, notas, creado_at, actualizado_at)
SELECT NEW.id, NEW.phone_number, NEW.full_name, NEW.city, NEW.notes, NEW.created_at AT TIME ZONE 'UTC',
  NEW.updated_at AT TIME ZONE 'UTC'
ON CONFLICT (id) DO UPDATE SET telefono = excluded.telefono, nombre_completo = excluded.nombre_completo,
  ciudad = excluded.ciudad, notas = excluded.notas;

-- users copied
INSERT INTO proveedores (id, telefono, nombre, ciudad, estado, creado_at, actualizado_at)
SELECT NEW.id, NEW.phone_number, NEW.name, NEW.city, 'activo', NEW.created_at AT TIME ZONE 'UTC', NEW.updated_at AT TIME ZONE 'UTC'
ON CONFLICT (id) DO UPDATE SET telefono = excluded.telefono, nombre = excluded.nombre, ciudad = excluded.ciudad;
