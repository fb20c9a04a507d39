"""Hostile rows of the nine legacy tables, the same for the same seed: ordinary rows of which some columns are edges.

Keys and phones are few, so that rows meet: in one unique column, across users and customers, parents with children.
"""

from __future__ import annotations

import random
from typing import Any

from psycopg2 import errors

from .hostile import DATES, JSONS, SOURCES, STATUSES, TEXTS

Row = dict[str, str | None]
Rows = dict[str, list[Row]]

PARENTS = 9  # so many of the first rows have children
PHONES = ["593100000001", "+593 1", "", " ", *("x" * n + " " * (20 - n + m) for n in (19, 20) for m in (0, 1, 2)), "x" * 21]
WIDE = 3_000  # the giants of the pools stand in test_values, and in GIANTS
EDGES = [
    filler * size + tail
    for size in (19, 20, 49, 50, 99, 100, 254, 255, 499, 500)
    for filler in "xñ👩"
    for tail in ("", "  \t", "x")
]
PLAIN_TEXT = [t for t in (*TEXTS, *EDGES) if t is None or len(t) < WIDE]
WORDS = [
    *STATUSES,
    *(
        "suspendido",
        "pending",
        "pendiente",
        "verified",
        "verificada",
        "rejected",
        "expired",
        "expirada",
        "error",
        "activa",
        "closed",
    ),
    *(
        "fixed",
        "fijo",
        "hourly",
        "a_convenir",
        "service_request",
        "servicio",
        "consulta",
        "audio",
        "location",
        "ubicacion",
        "sticker",
    ),
    *("processing", "procesando", "en_progreso", "completed", "completado", "completada", "failed", "fallida", "cancelled"),
    *("send_whatsapp", "enviar_whatsapp", "reminder", "feedback", "provider", "client", "PROVIDER", "client ", "admin"),
]
JSONB = [
    *SOURCES["jsonb"],
    *("{}", "[]", "0", "-0", "1e-7", "1e131071", '""', '"\\\\u0000"', '{"": {"": []}}'),
    *("[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900),
    *('{"phone": null}', '{"phone": ""}', '{"phone": 593}', '{"Phone": "593"}', '["phone"]', '"phone"'),
    *('{"phone": ["x"], "from_number": "y"}', '{"phone": null, "from_number": "593100000001@c.us"}'),
    *(f'{{"phone": "{"x" * n}{" " * blanks}"}}' for n in (20, 21) for blanks in (0, 2)),
]
POOLS: dict[str, list[Any]] = {
    "text": PLAIN_TEXT,
    "phone": [*PHONES, "%s", "'", '"', "\x01", None],
    "word": WORDS,
    "boolean": ["true", "false", None],
    "moment": list(SOURCES["timestamp with time zone"]),
    "date": DATES,
    "note": [t for t in JSONS if t is None or len(t) < WIDE],
    "json": JSONB,
    "integer": list(SOURCES["integer"]),
    "numeric": list(SOURCES["numeric"]),
    "double": list(SOURCES["double precision"]),
    "key": ["ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "parent": [None],
    "profession": ["-2147483648", "0", "2147483647"],
}
# Column to pool; where the installations differ, the older one's after the bar. Those without a value here are left alone.
TABLES: dict[str, dict[str, str]] = {
    "professions": {
        "id": "profession", "name": "text", "specialty": "text", "category": "text", "is_active": "boolean",
        "created_at": "moment", "updated_at": "moment",
    },
    "customers": {
        "id": "key", "phone_number": "phone", "full_name": "text", "city": "text", "city_confirmed_at": "moment",
        "notes": "json|note", "has_consent": "boolean|", "created_at": "moment", "updated_at": "moment",
    },
    "users": {
        "id": "key", "phone_number": "phone", "name": "text", "user_type": "word", "email": "text", "business_name": "text",
        "business_description": "text", "address": "text", "city": "text", "country": "text", "latitude": "numeric|double",
        "longitude": "numeric|double", "status": "word", "has_consent": "boolean|", "created_at": "moment",
        "updated_at": "moment",
    },
    "provider_professions": {
        "provider_id": "key", "profession_id": "profession", "specialty": "text", "experience_years": "integer",
        "certifications": "json|note", "is_primary": "boolean", "verification_status": "word", "created_at": "moment",
    },
    "provider_services": {
        "id": "key", "provider_id": "parent", "title": "text", "description": "text", "category": "text", "price": "numeric",
        "price_type": "word", "availability": "json", "is_active": "boolean", "created_at": "moment", "updated_at": "moment",
    },
    "service_requests": {
        "id": "key", "phone|phone_number": "phone", "intent": "word", "profession": "text", "location_city": "text",
        "location_lat": "numeric|double", "location_lng": "numeric|double", "suggested_providers": "json",
        "requested_at": "moment|date", "resolved_at": "moment|date",
    },
    "messages": {
        "id": "key", "conversation_id": "parent", "user_id": "parent", "message_type": "word", "content": "text",
        "media_url": "text", "media_type": "text", "ai_response": "text", "processing_status": "word", "metadata": "json",
        "timestamp": "moment",
    },
    "sessions": {
        "id": "key", "user_id": "parent", "session_id": "text", "status": "word", "qr_code": "text", "session_data": "json",
        "expires_at": "moment", "last_activity": "moment", "created_at": "moment",
    },
    "task_queue": {
        "id": "key", "task_type": "word", "payload": "json", "status": "word", "priority": "integer", "scheduled_at": "moment",
        "started_at": "moment", "completed_at": "moment", "error_message": "text", "retry_count": "integer",
        "max_retries": "integer", "created_at": "moment",
    },
}  # fmt: skip
# What makes a row ordinary where the column may not be NULL or says what kind of row it is.
ORDINARY: dict[str, Row] = {
    "professions": {"name": "Plomero"},
    "customers": {"full_name": "María", "created_at": "2024-01-01 00:00-05", "updated_at": "2024-01-01 00:00-05"},
    "users": {"name": "José", "status": "active"},
    "provider_professions": {"experience_years": "3"},
    "provider_services": {"title": "Servicio"},
    "service_requests": {"intent": "service_request"},
    "messages": {"message_type": "text"},
    "sessions": {"session_id": "wa-1", "status": "active"},
    "task_queue": {"task_type": "reminder", "payload": "{}", "scheduled_at": "2024-01-01 00:00-05"},
}  # fmt: skip
CODEPOINTS = ((1, 0x7F), (0x80, 0x2FF), (0x300, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF))  # all that UTF-8 can hold


def columns_of(table: str, installation: str) -> dict[str, str]:
    """Column to pool in one installation."""
    side = 0 if installation == "jsonb" else -1
    both = ((name.split("|")[side], pool.split("|")[side]) for name, pool in TABLES[table].items())
    return {name: pool for name, pool in both if pool}


def hostile_rows(installation: str, seed: int, size: int) -> Rows:
    """``size`` rows of each table: ordinary ones, of which up to three columns each are edges."""
    rolls = random.Random(seed)
    return {table: [_row(rolls, table, installation, n) for n in range(size)] for table in TABLES}


def _row(rolls: random.Random, table: str, installation: str, number: int) -> Row:
    columns = columns_of(table, installation)
    row: Row = {name: f"{value} {number}" if name == "name" else value for name, value in ORDINARY[table].items()}
    for name, pool in columns.items():
        if name == "id":
            row[name] = str(number + 1) if pool == "profession" else key(number)
        elif pool in ("parent", "key"):
            row[name] = key(rolls.randrange(PARENTS))
        elif pool == "profession":
            row[name] = str(1 + rolls.randrange(PARENTS))
        elif pool == "phone":
            row[name] = rolls.choice([f"59310000{rolls.randrange(40):04d}", rolls.choice(PHONES)])
    if table == "users":
        row["user_type"] = rolls.choice(["provider", "provider", "client", "client", "admin"])
    for name in rolls.sample([n for n in columns if n != "id"], rolls.choice([0, 0, 1, 1, 1, 2, 3])):
        row[name] = _edge(rolls, columns[name])
    return row


def key(number: int) -> str:
    """The key of the row of that number, in every table alike."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def _edge(rolls: random.Random, pool: str) -> str | None:
    if pool in ("text", "note", "word", "phone") and rolls.random() < 0.2:
        return "".join(chr(rolls.randint(*rolls.choice(CODEPOINTS))) for _ in range(rolls.randrange(24)))
    value = rolls.choice(POOLS[pool])
    return None if value is None else str(value)


def put(cursor: Any, rows: Rows) -> int:
    """Insert them where legacy takes them; how many it took."""
    taken = 0
    for table, listed in rows.items():
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
            (f"public.{table}",),
        )
        types = dict(cursor.fetchall())
        for row in listed:
            names = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f"%s::text::{types[name]}" for name in row)
            cursor.execute("SAVEPOINT fila")
            try:
                cursor.execute(f"INSERT INTO public.{table} ({names}) VALUES ({values})", tuple(row.values()))
                taken += 1
            except errors.IntegrityError:
                cursor.execute("ROLLBACK TO SAVEPOINT fila")
    return taken
