-- What customers and providers do: requests, messages, sessions, tasks, and the neighbours' rows.

INSERT INTO service_requests (id, <<request_phone>>, intent, profession, location_city, location_lat, location_lng,
    suggested_providers, requested_at, resolved_at)
SELECT pg_temp.key('request', n),
    CASE WHEN n % 10 = 0 THEN pg_temp.digits(n, '7') ELSE pg_temp.customer_phone(1 + pg_temp.roll(n, 70, <<customers>>)) END,
    CASE WHEN pg_temp.roll(n, 71, 300) = 0 THEN 'spam' WHEN n % 8 = 0 THEN NULL ELSE 'service_request' END,
    (ARRAY['plomero', 'electricista', 'médico', NULL])[1 + pg_temp.roll(n, 72, 4)], pg_temp.city(n),
    CASE WHEN n % 4 = 0 THEN -2.19 - pg_temp.roll(n, 73, 1000) / 1e5 END, CASE WHEN n % 4 = 0 THEN -79.88 END,
    CASE WHEN n % 5 = 0 THEN NULL
        ELSE jsonb_build_array(jsonb_build_object('id', pg_temp.key('user', 1 + pg_temp.roll(n, 74, <<users>>)),
            'name', pg_temp.person(n), 'phone', pg_temp.digits(1 + pg_temp.roll(n, 74, <<users>>), '8'))) END,
    pg_temp.stored_moment(pg_temp.moment(n, 75)),
    CASE WHEN n % 3 = 0 THEN pg_temp.stored_moment(pg_temp.moment(n, 75) + interval '3 hours') END
FROM generate_series(1, <<service_requests>>) AS n;

INSERT INTO messages (id, conversation_id, user_id, message_type, content, media_url, media_type, ai_response,
    processing_status, metadata, "timestamp")
SELECT pg_temp.key('message', n), pg_temp.key('conversation', n / 8),
    CASE WHEN dice % 10 > 0 THEN pg_temp.key('user', 1 + dice % <<users>>) END,
    CASE WHEN dice % 5003 = 0 THEN 'sticker' ELSE (ARRAY['text', 'text', 'text', 'image', 'audio', 'video', 'document',
        'location', 'contact', NULL])[1 + dice / 16 % 10] END,
    CASE WHEN dice / 16 % 10 NOT IN (3, 4) THEN 'Necesito un ' || pg_temp.city(n) || ' para ' || repeat('hoy mismo ', (dice / 64 % 12)::int) END,
    CASE WHEN dice / 16 % 10 IN (3, 4) THEN 'https://media.example/' || n END,
    CASE WHEN dice / 16 % 10 IN (3, 4) THEN 'image/jpeg' END,
    CASE WHEN dice / 32 % 3 = 0 THEN 'Con gusto, ¿en qué ciudad se encuentra?' END,
    (ARRAY['completed', 'completed', 'pending', 'processing', 'failed', 'error', NULL])[1 + dice / 128 % 7],
    CASE dice % 20 WHEN 0 THEN NULL WHEN 10 THEN jsonb_build_object('phone', pg_temp.digits(n, '7'))
        ELSE jsonb_build_object('source', 'whatsapp', 'n', n) END,
    timestamptz '2024-01-01 00:00:00+00' + n * interval '11 seconds'
FROM generate_series(1, <<messages>>) AS n
CROSS JOIN LATERAL (SELECT pg_temp.roll(n, 80, 1000000007)) AS thrown (dice);

INSERT INTO sessions (id, user_id, session_id, status, qr_code, session_data, expires_at, last_activity, created_at)
SELECT pg_temp.key('session', n), CASE WHEN n % 12 > 0 THEN pg_temp.key('user', 1 + pg_temp.roll(n, 81, <<users>>)) END, 'wa-' || n,
    CASE WHEN pg_temp.roll(n, 82, 300) = 0 THEN 'closed'
        ELSE (ARRAY['active', 'inactive', 'expired', 'error', NULL])[1 + pg_temp.roll(n, 82, 5)] END,
    CASE WHEN n % 9 = 0 THEN repeat('2@qr', 50) END, CASE WHEN n % 6 = 0 THEN NULL ELSE '{"platform": "android"}'::jsonb END,
    pg_temp.moment(n, 83) + interval '30 days', pg_temp.moment(n, 83), pg_temp.moment(n, 83)
FROM generate_series(1, <<sessions>>) AS n;

INSERT INTO task_queue (id, task_type, payload, status, priority, scheduled_at, started_at, completed_at, error_message,
    retry_count, max_retries, created_at)
SELECT pg_temp.key('task', n),
    CASE WHEN pg_temp.roll(n, 84, 400) = 0 THEN 'fax'
        ELSE (ARRAY['send_whatsapp', 'reminder', 'follow_up', 'feedback', 'notification'])[1 + pg_temp.roll(n, 84, 5)] END,
    jsonb_build_object('to', pg_temp.digits(n, '9'), 'text', 'Hola ' || pg_temp.person(n)),
    (ARRAY['pending', 'processing', 'completed', 'completed', 'failed', 'cancelled', NULL])[1 + pg_temp.roll(n, 85, 7)],
    CASE WHEN pg_temp.roll(n, 86, 300) = 0 THEN 50 WHEN n % 30 = 0 THEN NULL ELSE pg_temp.roll(n, 86, 11) END,
    pg_temp.moment(n, 87), CASE WHEN n % 2 = 0 THEN pg_temp.moment(n, 87) + interval '1 second' END,
    CASE WHEN n % 4 = 0 THEN pg_temp.moment(n, 87) + interval '3 seconds' END, CASE WHEN n % 11 = 0 THEN 'timeout: 100%' END,
    pg_temp.roll(n, 88, 4), CASE WHEN n % 25 = 0 THEN NULL ELSE 3 END, pg_temp.moment(n, 87) - interval '1 hour'
FROM generate_series(1, <<task_queue>>) AS n;

INSERT INTO consents (id, user_id, user_type, response, message_log, created_at)
SELECT pg_temp.key('consent', n), pg_temp.key('customer', n), 'customer', CASE WHEN n % 5 = 0 THEN 'declined' ELSE 'accepted' END,
    jsonb_build_object('text', 'Acepto'), pg_temp.moment(n, 90)
FROM generate_series(1, <<customers>>, 2) AS n;

INSERT INTO profession_synonyms (profession_id, synonym)
SELECT id, 'sinónimo de ' || name FROM professions WHERE id <= 40 ORDER BY id;

INSERT INTO customer_service_requests (id, customer_id, profession_id, provider_id, created_at)
SELECT pg_temp.key('link', n), pg_temp.key('customer', n), 1 + pg_temp.roll(n, 91, 9), pg_temp.key('user', 1 + pg_temp.roll(n, 92, <<users>>)),
    pg_temp.moment(n, 93)
FROM generate_series(1, <<customers>>, 10) AS n;
