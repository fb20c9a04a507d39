-- What the newer installation stores where the two differ.
CREATE FUNCTION pg_temp.notes(n bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    'SELECT pg_temp.json_notes(n)::jsonb';
CREATE FUNCTION pg_temp.certifications(n bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$SELECT (ARRAY[NULL, '[]', '["SECAP"]', '[{"titulo": "Electricidad", "año": 2019}]'])[1 + pg_temp.roll(n, 33, 4)]::jsonb$$;
CREATE FUNCTION pg_temp.stored_moment(t timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT t';
