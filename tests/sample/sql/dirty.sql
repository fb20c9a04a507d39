-- Rows of fixed keys, one for each way in which real rows are not what the Spanish columns expect. Both installations.

CREATE FUNCTION pg_temp.fixed(kind text, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$SELECT (kind || '0000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid$$;

INSERT INTO professions (id, name, specialty, category, is_active, created_at, updated_at) VALUES
    (901, rpad('Cien caracteres ', 100, 'x'), NULL, NULL, true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (902, rpad('Ciento un caracteres ', 101, 'x'), NULL, 'Hogar', true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (903, rpad('Blancos después de cien', 110, ' '), NULL, NULL, true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    -- These two differ only in blanks that varchar(100) cuts off.
    (904, rpad('Casi iguales', 101, ' '), NULL, NULL, true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (905, rpad('Casi iguales', 102, ' '), NULL, NULL, true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (906, 'Especialidad larga', repeat('muy ', 64) || 'larga', NULL, true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (907, 'Categoría larga', NULL, repeat('muy ', 25) || 'larga', true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (908, 'Sin fechas', NULL, NULL, NULL, NULL, NULL),
    (909, '{{ 7*7 }}<script>' || chr(27) || '[31m', NULL, NULL, true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (910, repeat('Todo largo ', 10), repeat('largo ', 50), repeat('largo ', 20), true, NULL, '2024-03-01 00:00-05'),
    (911, 'Desde siempre', NULL, NULL, true, '-infinity', 'infinity'),
    (912, '', '', '', false, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (913, 'L''Oréal "100%" \ %s', 'C:\temp', NULL, true, '2024-02-29 23:59:59.999999-05', '2024-03-01 00:00-05'),
    (914, repeat('ñ', 100), NULL, NULL, true, '2024-03-01 00:00-05', '2024-03-01 00:00-05'),
    (915, 'Tabulador al final' || repeat(chr(9), 90), NULL, NULL, true, '2024-03-01 00:00-05', '2024-03-01 00:00-05');

INSERT INTO customers (id, phone_number, full_name, city, city_confirmed_at, created_at, updated_at)
SELECT pg_temp.fixed('c', n), phone, name, city, confirmed::timestamptz, created::timestamptz, updated::timestamptz
FROM (VALUES
    (1, '+593 10 000 0001', 'Con signo y espacios', 'Quito', NULL, '2024-01-01 00:30-05', '2024-01-01 00:30-05'),
    (2, '593100000002@c.us', 'Sufijo que cabe', 'Quito', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (3, '593100000003@s.whatsapp.net', 'Sufijo que no cabe', 'Quito', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (4, '593100000004', NULL, NULL, NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (5, '593100000005', '', '', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (6, '593100000006', rpad('Nombre de 256 ', 256, 'n'), 'Loja', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (7, '593100000007', repeat('ñ', 255), 'Loja', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (8, '593100000008', rpad(rpad('Blancos al final ', 250, 'b'), 260, ' '), 'Loja', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (9, '593100000009', rpad('Tabulador al final ', 255, 't') || chr(9), 'Loja', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (10, '593100000010', 'Ciudad de 101', rpad('Santo Domingo ', 101, 'o'), NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (11, '593100000011', 'Ciudad de 100', rpad(rpad('Santo Domingo ', 100, 'o'), 105, ' '), NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    -- These two differ only in blanks that varchar(20) cuts off.
    (12, rpad('593100000012', 21, ' '), 'Casi iguales', NULL, NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (13, rpad('593100000012', 22, ' '), 'Casi iguales', NULL, NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (14, '593100000014@s.whatsapp.net', repeat('Todo largo ', 30), repeat('largo ', 20), NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (15, '593100000015', '{{ 7*7 }}<script>alert(1)</script>' || chr(27) || '[31m', 'Quito', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (16, '593100000016', '{{ 7*7 }}<script>' || chr(27) || '[2J', repeat('{{ 7*7 }}<b>' || chr(27) || '[1A', 8), NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (17, '593100000017', 'Desde siempre', 'Manta', '-infinity', '-infinity', 'infinity'),
    (18, '593100000018', E'Zoe\u0308 👩‍👧 مرحبا \u200b', 'Baños', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (19, '593100000019', 'O''Neil "el 100%" \ %s %(x)s $1; DROP TABLE customers; --', 'Manta', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (20, '593100000020', E'Dos\nlíneas\r\ty tabulador', 'Manta', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (21, '', '   ', 'Manta', NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (22, '593100000022', 'De otro tiempo', 'Manta', '4713-01-01 00:00+00 BC', '1700-01-01 00:00+00', '294276-12-31 23:59:59.999999+00'),
    -- Refused, and its phone is also a client's of users, who then is carried instead.
    (23, '593100000023', 'Rechazado y usuario', rpad('Ciudad ', 101, 'c'), NULL, '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    -- The same person in users by key and phone; the same key with another phone.
    (24, '593100000024', 'Fusión por clave', 'Ibarra', '2024-03-10 02:30-05', '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (25, '593100000025', 'Clave repetida', 'Ibarra', '2024-03-10 02:30-05', '2024-01-02 19:00-05', '2024-01-03 19:00-05'),
    (26, '593100000026', 'Fusión por teléfono', 'Ibarra', '2024-03-10 02:30-05', '2024-01-02 19:00-05', '2024-01-03 19:00-05')
) AS row (n, phone, name, city, confirmed, created, updated);

INSERT INTO users (id, phone_number, name, user_type, email, city, latitude, longitude, status, created_at, updated_at)
SELECT pg_temp.fixed(kind, n), phone, name, type, email, city, latitude::<<coordinate>>, longitude::<<coordinate>>, status,
    timestamptz '2024-01-02 19:00-05', timestamptz '2024-01-03 19:00-05'
FROM (VALUES
    ('a', 1, '593200000001', 'Cliente sin fila', 'client', NULL, 'Quito', NULL, NULL, 'pending'),
    ('a', 2, '593200000002', NULL, 'client', NULL, NULL, NULL, NULL, NULL),
    ('a', 3, '593100000023', 'Rechazado y usuario', 'client', NULL, 'Quito', NULL, NULL, 'active'),
    ('c', 24, '593100000024', 'Fusión por clave', 'client', NULL, 'Quito', NULL, NULL, 'suspended'),
    ('c', 25, '593200000025', 'Clave repetida', 'client', NULL, 'Quito', NULL, NULL, 'active'),
    ('a', 6, '593100000026', 'Fusión por teléfono', 'client', NULL, 'Quito', NULL, NULL, 'inactive'),
    ('a', 7, '593200000007', 'Administradora', 'admin', 'admin@tinkubot.ec', 'Quito', NULL, NULL, 'active'),
    ('a', 8, '593200000008', 'Sin tipo', NULL, NULL, 'Quito', NULL, NULL, 'active'),
    ('a', 9, '593200000009', 'Tipo vacío', '', NULL, 'Quito', NULL, NULL, 'active'),
    ('a', 10, '593200000010', 'Mayúsculas', 'PROVIDER', NULL, 'Quito', NULL, NULL, 'active'),
    ('a', 11, '593200000011', NULL, 'provider', NULL, 'Quito', NULL, NULL, 'active'),
    ('a', 12, '593200000012', 'Estado ajeno', 'provider', NULL, 'Quito', NULL, NULL, 'banned'),
    ('a', 13, '593200000013', 'Estado en español', 'provider', NULL, 'Quito', '-0.22985001', '-78.52494812', 'activo'),
    ('a', 14, '593200000014', 'Sin estado', 'provider', NULL, 'Quito', '-0.2298500123456789', '-78.5249481234567891', NULL),
    ('a', 15, '593200000015', 'Correo largo', 'provider', repeat('x', 250) || '@x.ec', 'Quito', NULL, NULL, 'active'),
    ('a', 16, '593200000016', 'Fuera del mapa', 'provider', NULL, 'Quito', '100.5', '-78.5', 'active'),
    ('a', 17, '593200000017', 'Ningún lugar', 'provider', NULL, 'Quito', 'NaN', 'Infinity', 'active'),
    ('a', 18, '593200000018@s.whatsapp.net', 'Sufijo que no cabe', 'provider', NULL, 'Quito', NULL, NULL, 'active'),
    ('a', 19, '593100000004', 'Cliente y proveedor', 'provider', NULL, 'Quito', NULL, NULL, 'active'),
    ('a', 20, '593200000020', rpad('Nombre de 256 ', 256, 'n'), 'client', NULL, 'Quito', NULL, NULL, 'active')
) AS row (kind, n, phone, name, type, email, city, latitude, longitude, status);

-- Of refused parents (902, a11, a12), out of range, and of values without a translation.
INSERT INTO provider_professions (provider_id, profession_id, experience_years, verification_status, created_at) VALUES
    (pg_temp.fixed('a', 13), 901, 5, 'verified', '2024-04-01 00:00-05'),
    (pg_temp.fixed('a', 13), 902, 5, 'verified', '2024-04-01 00:00-05'),
    (pg_temp.fixed('a', 11), 901, 5, 'pending', '2024-04-01 00:00-05'),
    (pg_temp.fixed('a', 12), 901, 5, 'pending', '2024-04-01 00:00-05'),
    (pg_temp.fixed('a', 14), 901, 71, 'pending', '2024-04-01 00:00-05'),
    (pg_temp.fixed('a', 14), 903, -1, 'pending', '2024-04-01 00:00-05'),
    (pg_temp.fixed('a', 19), 901, NULL, 'en_revision', NULL);

-- Senders: of a refused user, of a stray one, unknown but for metadata, unknown.
INSERT INTO messages (id, user_id, message_type, content, media_url, processing_status, metadata, "timestamp") VALUES
    (pg_temp.fixed('e', 1), pg_temp.fixed('a', 11), 'text', 'Hola', NULL, 'completed', '{}', '2024-05-01 00:00-05'),
    (pg_temp.fixed('e', 2), pg_temp.fixed('a', 8), 'text', 'Hola', NULL, 'failed', NULL, '2024-05-01 00:00-05'),
    (pg_temp.fixed('e', 3), NULL, 'image', NULL, repeat('https://', 70), NULL, '{"phone": "593300000003"}', '2024-05-01 00:00-05'),
    (pg_temp.fixed('e', 4), NULL, NULL, NULL, NULL, 'error', '{"from_number": "593300000004@c.us"}', NULL),
    (pg_temp.fixed('e', 5), NULL, 'text', 'Anónimo', NULL, 'completed', '{"phone": ""}', '2024-05-01 00:00-05'),
    (pg_temp.fixed('e', 6), NULL, 'text', 'Anónimo', NULL, 'completed', 'null', 'infinity'),
    (pg_temp.fixed('e', 7), pg_temp.fixed('a', 13), 'sticker', '{{ 7*7 }}', NULL, 'procesando', '[]', '2024-05-01 00:00-05');
