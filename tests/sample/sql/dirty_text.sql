-- Fixed rows that only the older installation can have: notes and certifications that are not always JSON, several
-- rows of one pair, dates as text.
INSERT INTO customers (id, phone_number, full_name, notes, created_at, updated_at)
SELECT pg_temp.fixed('c', 100 + n), '5931000001' || lpad(n::text, 2, '0'), 'Notas ' || n, notes,
    '2024-01-02 19:00-05', '2024-01-03 19:00-05'
FROM (VALUES
    (1, NULL),
    (2, 'null'),
    (3, '42'),
    (4, '[1, "dos"]'),
    (5, ''),
    (6, ' '),
    (7, 'Null'),
    (8, '{"a": 1, "a": 2}'),
    (9, '{"a": 1'),
    (10, '{''a'': 1}'),
    (11, '{"nul": "\u0000"}'),
    (12, '{"sustituto": "\ud800"}'),
    (13, '1e1000000'),
    (14, 'NaN'),
    (15, '"solo texto"'),
    (16, 'No es JSON: "100%" \ O''Neil {{ 7*7 }}<script>' || chr(27) || '[31m'),
    (17, E'  {"con": "blancos"}\n'),
    (18, E'\ufeff{"con": "marca"}'),
    (19, repeat('nota larga, sin JSON; ', 10000)),
    (20, '{"texto": "ya envuelto"}'),
    (21, 'true'),
    (22, E'varias\nlíneas\ty más')
) AS row (n, notes);

INSERT INTO provider_professions (provider_id, profession_id, experience_years, certifications, verification_status, created_at)
VALUES
    (pg_temp.fixed('a', 13), 901, 9, '["la segunda fila del par"]', 'pending', '2024-04-02 00:00-05'),
    (pg_temp.fixed('a', 13), 901, NULL, '', 'rejected', '2024-04-03 00:00-05'),
    (pg_temp.fixed('a', 13), 903, 3, 'Título del SECAP', 'verified', NULL),
    (pg_temp.fixed('a', 13), 908, 3, 'null', 'verified', NULL);

INSERT INTO service_requests (id, phone_number, intent, requested_at, resolved_at) VALUES
    (pg_temp.fixed('b', 1), '593100000001', 'service_request', '2024-06-01T10:00:00', ''),
    (pg_temp.fixed('b', 2), '593100000001', 'service_request', '2024-06-01T10:00:00.123456-05:00', '2024-06-01 12:00:00+00'),
    (pg_temp.fixed('b', 3), '593100000001', 'service_request', '2024-06-01T10:00:00Z', 'ayer por la tarde'),
    (pg_temp.fixed('b', 4), '593100000001', 'service_request', '', NULL),
    (pg_temp.fixed('b', 5), '593100000001', 'service_request', '2024-02-30T10:00:00Z', NULL);
