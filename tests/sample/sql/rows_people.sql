-- professions, customers, users and what hangs on providers. The dirty rows of fixed keys are in dirty.sql.

INSERT INTO professions (id, name, specialty, category, is_active, created_at, updated_at)
SELECT n + n / 10, name, CASE WHEN n % 3 = 0 THEN 'Domicilio y urgencias' END,
    (ARRAY['Hogar', 'Construcción', 'Salud', 'Belleza', 'Transporte', NULL])[1 + pg_temp.roll(n, 1, 6)],
    CASE pg_temp.roll(n, 2, 10) WHEN 0 THEN false WHEN 1 THEN NULL ELSE true END,
    CASE WHEN n % 13 <> 0 THEN pg_temp.moment(n, 3) END,
    CASE WHEN n % 17 <> 0 THEN pg_temp.moment(n, 4) + interval '2 years' END
FROM unnest(ARRAY[
    'Plomero', 'Electricista', 'Carpintero', 'Albañil', 'Pintor', 'Cerrajero', 'Jardinero', 'Gasfitero', 'Soldador',
    'Mecánico', 'Técnico en refrigeración', 'Técnico en computación', 'Médico general', 'Enfermera', 'Odontólogo',
    'Psicóloga', 'Fisioterapeuta', 'Niñera', 'Cuidador de adultos mayores', 'Peluquera', 'Barbero', 'Manicurista',
    'Maquilladora', 'Cocinero', 'Mesero', 'Panadero', 'Chofer', 'Mudanzas', 'Mensajero', 'Abogado', 'Contador', 'Arquitecto',
    'Ingeniero civil', 'Topógrafo', 'Diseñador gráfico', 'Fotógrafo', 'Músico', 'Profesor de inglés', 'Profesor de matemáticas',
    'Entrenador personal', 'Veterinario', 'Paseador de perros', 'Limpieza del hogar', 'Limpieza de tanques', 'Fumigador',
    'Vidriero', 'Tapicero', 'Costurera', 'Zapatero', 'Joyero', 'Relojero', 'Tornero', 'Instalador de pisos', 'Techador',
    'Yesero', 'Herrero', 'Guardia de seguridad', 'Traductor', 'Programador', 'Corredor de bienes raíces'
]) WITH ORDINALITY AS known (name, n);

INSERT INTO customers (id, phone_number, full_name, city, city_confirmed_at, notes<<consent_name>>, created_at, updated_at)
SELECT pg_temp.key('customer', n), pg_temp.customer_phone(n),
    CASE WHEN pg_temp.roll(n, 5, 1000) < 60 THEN NULL
        WHEN pg_temp.roll(n, 5, 1000) < 61 THEN repeat(pg_temp.person(n) || ' ', 25)
        ELSE pg_temp.person(n) END,
    CASE WHEN pg_temp.roll(n, 6, 1000) < 80 THEN NULL
        WHEN pg_temp.roll(n, 6, 1000) < 81 THEN repeat(pg_temp.city(n) || ', ', 30)
        ELSE pg_temp.city(n) END,
    CASE WHEN pg_temp.roll(n, 7, 10) > 3 THEN pg_temp.moment(n, 8) + interval '1 day' END,
    pg_temp.notes(n)<<consent_roll>>,
    pg_temp.moment(n, 8), pg_temp.moment(n, 8) + pg_temp.roll(n, 9, 400) * interval '1 day'
FROM generate_series(1, <<customers>>) AS n;

-- Every second client of users has a customer's phone: a merge. Five in a hundred are neither provider nor client.
INSERT INTO users (id, phone_number, name, user_type, email, business_name, business_description, address, city, country,
    latitude, longitude, status<<consent_name>>, created_at, updated_at)
SELECT pg_temp.key('user', n),
    CASE WHEN kind = 'client' AND n % 2 = 0 AND 4 * n <= <<customers>> THEN pg_temp.customer_phone(4 * n)
        WHEN pg_temp.roll(n, 40, 500) = 0 THEN pg_temp.digits(n, '8') || '@s.whatsapp.net'
        ELSE pg_temp.digits(n, '8') END,
    CASE WHEN pg_temp.roll(n, 41, 100) < 2 THEN NULL ELSE pg_temp.person(n) END,
    kind, CASE WHEN kind = 'provider' THEN 'p' || n || '@correo.ec' END,
    CASE WHEN kind = 'provider' AND n % 3 = 0 THEN 'Servicios ' || pg_temp.person(n + 7) END,
    CASE WHEN n % 5 = 0 THEN repeat('Atendemos a domicilio. ', 1 + pg_temp.roll(n, 42, 20)::int) END,
    CASE WHEN n % 4 = 0 THEN 'Av. 10 de Agosto N' || n || ' y Colón' END, pg_temp.city(n),
    CASE WHEN pg_temp.roll(n, 43, 20) = 0 THEN NULL ELSE 'ECUADOR' END,
    CASE WHEN n % 3 = 0 THEN -0.180653 - pg_temp.roll(n, 44, 1000000000) / 1e9 END,
    CASE WHEN n % 3 = 0 THEN CASE WHEN pg_temp.roll(n, 45, 500) = 0 THEN 1078.5 ELSE -78.467834 - pg_temp.roll(n, 45, 1000000000) / 1e9 END END,
    (ARRAY['active', 'active', 'active', 'active', 'inactive', 'suspended', 'pending', NULL])[1 + pg_temp.roll(n, 46, 8)]<<consent_roll>>,
    pg_temp.moment(n, 47), pg_temp.moment(n, 47) + pg_temp.roll(n, 48, 400) * interval '1 day'
FROM generate_series(1, <<users>>) AS n
CROSS JOIN LATERAL (SELECT CASE WHEN pg_temp.roll(n, 49, 100) < 55 THEN 'provider' WHEN pg_temp.roll(n, 49, 100) < 95 THEN 'client'
    WHEN pg_temp.roll(n, 49, 100) < 97 THEN 'admin' WHEN pg_temp.roll(n, 49, 100) < 99 THEN NULL ELSE 'Proveedor' END) AS type (kind);

-- One profession for each provider, a second one for some.
INSERT INTO provider_professions (provider_id, profession_id, specialty, experience_years, certifications, is_primary,
    verification_status, created_at)
SELECT pg_temp.key('user', n), profession, CASE WHEN n % 6 = 0 THEN 'Instalaciones nuevas' END,
    CASE WHEN pg_temp.roll(n, 50, 500) = 0 THEN 99 WHEN pg_temp.roll(n, 50, 20) = 1 THEN NULL ELSE pg_temp.roll(n, 50, 41) END,
    pg_temp.certifications(n), CASE WHEN pg_temp.roll(n, 51, 15) = 0 THEN NULL ELSE nth = 1 END,
    CASE WHEN pg_temp.roll(n, 52, 500) = 0 THEN 'en revisión'
        ELSE (ARRAY['pending', 'verified', 'verified', 'rejected', NULL, 'verificada'])[1 + pg_temp.roll(n, 52, 6)] END,
    pg_temp.moment(n, 53)
FROM generate_series(1, <<users>>) AS n
JOIN users u ON u.id = pg_temp.key('user', n) AND u.user_type = 'provider'
CROSS JOIN LATERAL (VALUES (1, 1 + pg_temp.roll(n, 54, 9)), (2, 12 + pg_temp.roll(n, 55, 9))) AS pair (nth, profession)
WHERE nth = 1 OR n % 3 = 0;

INSERT INTO provider_services (id, provider_id, title, description, category, price, price_type, availability, is_active,
    created_at, updated_at)
SELECT pg_temp.key('service', n), u.id,
    CASE WHEN pg_temp.roll(n, 60, 700) = 0 THEN repeat('Todo incluido ', 20) ELSE 'Servicio de ' || pg_temp.city(n + 3) END,
    CASE WHEN n % 4 = 0 THEN 'Con garantía de 30 días' END, (ARRAY['Hogar', 'Salud', NULL])[1 + pg_temp.roll(n, 61, 3)],
    CASE pg_temp.roll(n, 62, 300) WHEN 0 THEN 123456789.5 WHEN 1 THEN NULL ELSE pg_temp.roll(n, 62, 20000) / 1000.0 END,
    CASE WHEN pg_temp.roll(n, 63, 500) = 0 THEN 'gratis'
        ELSE (ARRAY['fixed', 'range', 'negotiable', 'hourly', NULL])[1 + pg_temp.roll(n, 63, 5)] END,
    CASE WHEN n % 7 = 0 THEN NULL ELSE '{"lunes": ["08:00", "18:00"]}'::jsonb END, pg_temp.roll(n, 64, 9) > 0,
    pg_temp.moment(n, 65), pg_temp.moment(n, 65)
FROM generate_series(1, <<users>>) AS n
JOIN users u ON u.id = pg_temp.key('user', n) AND u.user_type = 'provider';
