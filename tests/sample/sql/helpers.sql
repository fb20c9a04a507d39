-- Expressions that the rows are made of. Temporary: gone with the session. Same seed, same rows: nothing here asks
-- the clock or random().

CREATE FUNCTION pg_temp.roll(n bigint, salt bigint, sides bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    'SELECT (hashint8extended(n, salt * 1000003 + <<seed>>) & 9223372036854775807) % sides';
CREATE FUNCTION pg_temp.key(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$SELECT md5('<<seed>>:' || kind || ':' || n)::uuid$$;
CREATE FUNCTION pg_temp.moment(n bigint, salt bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    $$SELECT timestamptz '2023-01-01 00:00:00+00' + (pg_temp.roll(n, salt, 63072000000) * interval '1 millisecond')$$;

CREATE FUNCTION pg_temp.city(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['Quito', 'Guayaquil', 'Cuenca', 'Ambato', 'Cañar', 'Manta', 'Loja', 'Ibarra', 'Riobamba', 'Santo Domingo',
        'El Coca', 'Portoviejo', 'Machala', 'Esmeraldas', 'Latacunga', 'Baños de Agua Santa'])[1 + pg_temp.roll(n, 11, 16)]
$$;
CREATE FUNCTION pg_temp.person(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (ARRAY['María', 'José', 'Luis', 'Ana', 'Carlos', 'Rosa', 'Jorge', 'Carmen', 'Ángel', 'Lucía', 'Íñigo', 'Nuria',
            'Saúl', 'Zoë', 'D''Angelo', 'Yaku'])[1 + pg_temp.roll(n, 12, 16)]
        || ' ' ||
        (ARRAY['Quishpe', 'Muñoz', 'Zambrano', 'Vera', 'Cedeño', 'García', 'O''Brien', 'Peña "Pepe"', 'Llumiquinga', 'Ñacato',
            'Mora', 'Pérez-Suárez', 'Yépez', 'Guamán', 'Tipán', 'Núñez'])[1 + pg_temp.roll(n, 13, 16)]
$$;

-- Of n distinct numbers n distinct phones: 48271 and 10^8 have no common factor.
CREATE FUNCTION pg_temp.digits(n bigint, network text) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT '593' || network || lpad(((n * 48271 + <<seed>>) % 100000000)::text, 8, '0')$$;
CREATE FUNCTION pg_temp.customer_phone(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN pg_temp.roll(n, 20, 1000) < 30 THEN '+' || pg_temp.digits(n, '9')
        WHEN pg_temp.roll(n, 20, 1000) < 50 THEN pg_temp.digits(n, '9') || '@c.us'
        WHEN pg_temp.roll(n, 20, 1000) < 60 THEN regexp_replace(pg_temp.digits(n, '9'), '(...)(.)(....)(....)', '\1 \2 \3 \4')
        WHEN pg_temp.roll(n, 20, 1000) < 61 THEN pg_temp.digits(n, '9') || '@s.whatsapp.net'
        ELSE pg_temp.digits(n, '9')
    END
$$;

-- JSON that jsonb takes, as text: both installations have it.
CREATE FUNCTION pg_temp.json_notes(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE pg_temp.roll(n, 30, 12)
        WHEN 0 THEN NULL
        WHEN 1 THEN '{}'
        WHEN 2 THEN 'null'
        WHEN 3 THEN pg_temp.roll(n, 31, 1000)::text
        WHEN 4 THEN '["llamar", "no molestar"]'
        WHEN 5 THEN '"prefiere la mañana"'
        WHEN 6 THEN '{"texto": "línea 1\nlínea 2", "precio": 10.50}'
        ELSE '{"origen": "whatsapp", "visitas": ' || pg_temp.roll(n, 32, 40) || ', "barrio": "' || pg_temp.city(n + 1) || '"}'
    END
$$;
