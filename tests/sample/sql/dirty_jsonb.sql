-- Fixed rows that only the newer installation can have.
INSERT INTO customers (id, phone_number, full_name, notes, has_consent, created_at, updated_at)
SELECT pg_temp.fixed('c', 100 + n), '5931000001' || lpad(n::text, 2, '0'), 'Notas ' || n, notes::jsonb, consent,
    '2024-01-02 19:00-05', '2024-01-03 19:00-05'
FROM (VALUES
    (1, NULL, NULL),
    (2, 'null', true),
    (3, '42', false),
    (4, '[]', true),
    (5, '""', true),
    (6, '{"a": 1, "a": 2}', true),
    (7, '{"n": 123456789012345678901234567890.10, "e": 1e-7}', true),
    (8, '{"es": "comillas \" y \\ y \u00e9 \ud83d\ude42", "": null}', NULL),
    (9, jsonb_build_object('largo', repeat('nota larga ', 20000))::text, true)
) AS row (n, notes, consent);
