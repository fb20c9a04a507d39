-- Hosted since 2026-10-30: nothing by default, so the project grants what its services and its dashboard use.
-- Runs as the owner, after the tables are there.
GRANT SELECT, INSERT, UPDATE, DELETE ON users, customers, professions, provider_professions, provider_services,
    service_requests, messages, sessions, task_queue, consents, profession_synonyms, customer_service_requests
    TO service_role;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO service_role;
GRANT SELECT ON users, professions, provider_professions, provider_services TO anon, authenticated;
GRANT SELECT ON customers, messages, provider_directory TO authenticated;
GRANT SELECT ON provider_directory, customer_activity TO service_role;
