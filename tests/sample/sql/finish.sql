-- Sequences where a running system has them, and the planner's statistics.
SELECT setval(pg_get_serial_sequence('professions', 'id'), max(id)) FROM professions;
SELECT setval(pg_get_serial_sequence('profession_synonyms', 'id'), max(id)) FROM profession_synonyms;
ANALYZE;
