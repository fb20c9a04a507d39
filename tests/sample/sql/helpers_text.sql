-- What the older installation stores where the two differ: text that is JSON only sometimes, dates as text.
CREATE FUNCTION pg_temp.notes(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE pg_temp.roll(n, 34, 100)
        WHEN 0 THEN ''
        WHEN 1 THEN '   '
        WHEN 2 THEN 'Cliente desde 2021; paga "al contado"'
        WHEN 3 THEN 'C:\fotos\nueva\u00f1'
        WHEN 4 THEN '100% cumplido, {descuento}'
        WHEN 5 THEN '{"telefono": "099'
        WHEN 6 THEN '{"x": "\u0000"}'
        WHEN 7 THEN 'Llamar después de las 18h 🙂'
        ELSE pg_temp.json_notes(n)
    END
$$;
CREATE FUNCTION pg_temp.certifications(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN pg_temp.roll(n, 35, 200) = 0 THEN 'Técnico del SECAP'
        ELSE (ARRAY[NULL, '[]', '["SECAP"]', '[{"titulo": "Electricidad", "año": 2019}]'])[1 + pg_temp.roll(n, 33, 4)] END
$$;
CREATE FUNCTION pg_temp.stored_moment(t timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS') || '+00:00'$$;
