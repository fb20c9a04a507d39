"""The few rows that every order starts from, related to one another in each way that the pairs know. Names stand for keys."""

from __future__ import annotations

# Customers K…, users who are clients C… or providers P…, messages M…, sessions S…, services V…, requests R…, tasks T….
# Lower case: rows that a step makes.
KEYS = {
    name: f"{number:08x}-0000-4000-8000-000000000000"
    for number, name in enumerate(
        [
            "K1",
            "K2",
            "K3",
            "k4",
            "k5",
            "C1",
            "C2",
            "C3",
            "c4",
            "c5",
            "P1",
            "P2",
            "P3",
            "p4",
            "p5",
            "M1",
            "M2",
            "M3",
            "M4",
            "m5",
            "m6",
            "S1",
            "S2",
            "s3",
            "V1",
            "V2",
            "V3",
            "v4",
            "R1",
            "R2",
            "R3",
            "r4",
            "T1",
            "t2",
            "t3",
        ],
        1,
    )
}

LEGACY = ("professions", "customers", "users", "provider_professions", "provider_services", "service_requests", "messages")
LEGACY += ("sessions", "task_queue")
NEIGHBOURS = ("consents", "profession_synonyms", "customer_service_requests")
BOOKS = ("cuarentena", "fusion", "pendiente", "apartada", "se_queda", "progreso_copia")

_THEN = "'2020-01-01 10:00:00+00'"

# C2 is merged into K2; C3's status is refused, and P3's too, whose twin is retained; V3 is a client's; R3 and M3 are nobody's.
ROWS = [
    f"INSERT INTO professions (id, name, created_at, updated_at) VALUES (1, 'plomero', {_THEN}, {_THEN}),"
    f" (2, 'pintor', {_THEN}, {_THEN})",
    f"INSERT INTO customers (id, phone_number, full_name, city, created_at, updated_at) VALUES"
    f" ('{{K1}}', '101', 'Uno', 'Quito', {_THEN}, {_THEN}), ('{{K2}}', '102', 'Dos', 'Quito', {_THEN}, {_THEN}),"
    f" ('{{K3}}', '103', 'Tres', NULL, {_THEN}, {_THEN})",
    f"INSERT INTO users (id, phone_number, name, user_type, status, created_at, updated_at) VALUES"
    f" ('{{C1}}', '201', 'Ce Uno', 'client', 'active', {_THEN}, {_THEN}),"
    f" ('{{C2}}', '102', 'Ce Dos', 'client', 'active', {_THEN}, {_THEN}),"
    f" ('{{C3}}', '203', 'Ce Tres', 'client', 'raro', {_THEN}, {_THEN}),"
    f" ('{{P1}}', '301', 'Pe Uno', 'provider', 'active', {_THEN}, {_THEN}),"
    f" ('{{P2}}', '302', 'Pe Dos', 'provider', 'active', {_THEN}, {_THEN}),"
    f" ('{{P3}}', '303', 'Pe Tres', 'provider', 'active', {_THEN}, {_THEN})",
    f"INSERT INTO provider_professions (provider_id, profession_id, specialty, created_at) VALUES"
    f" ('{{P1}}', 1, 'a', {_THEN}), ('{{P1}}', 2, 'b', {_THEN}), ('{{P2}}', 1, 'c', {_THEN}), ('{{P3}}', 1, 'd', {_THEN})",
    f"INSERT INTO provider_services (id, provider_id, title, created_at, updated_at) VALUES"
    f" ('{{V1}}', '{{P1}}', 'uno', {_THEN}, {_THEN}), ('{{V2}}', '{{P3}}', 'dos', {_THEN}, {_THEN}),"
    f" ('{{V3}}', '{{C1}}', 'tres', {_THEN}, {_THEN})",
    f"INSERT INTO service_requests (id, <<phone>>, intent, profession, requested_at) VALUES"
    f" ('{{R1}}', '101', 'service_request', 'plomero', {_THEN}), ('{{R2}}', '201', 'service_request', 'pintor', {_THEN}),"
    f" ('{{R3}}', '999', 'service_request', 'pintor', {_THEN})",
    f'INSERT INTO messages (id, user_id, content, metadata, "timestamp") VALUES'
    f" ('{{M1}}', '{{P1}}', 'uno', '{{{{}}}}', {_THEN}), ('{{M2}}', '{{C2}}', 'dos', '{{{{}}}}', {_THEN}),"
    f" ('{{M3}}', NULL, 'tres', '{{{{\"phone\": \"888\"}}}}', {_THEN}), ('{{M4}}', '{{C1}}', 'cuatro', '{{{{}}}}', {_THEN})",
    f"INSERT INTO sessions (id, user_id, session_id, last_activity, created_at) VALUES"
    f" ('{{S1}}', '{{P1}}', 'uno', {_THEN}, {_THEN}), ('{{S2}}', '{{C1}}', 'dos', {_THEN}, {_THEN})",
    f"INSERT INTO task_queue (id, task_type, payload, scheduled_at, created_at) VALUES"
    f" ('{{T1}}', 'reminder', '{{{{}}}}', {_THEN}, {_THEN})",
]
LATER = ["UPDATE users SET status = 'raro' WHERE id = '{P3}'"]  # with the sync on: its twin stays


def named(text: str, installation: str) -> str:
    """Put the keys in, and the installation's name of a request's phone."""
    return text.format(**KEYS).replace("<<phone>>", "phone" if installation == "jsonb" else "phone_number")
