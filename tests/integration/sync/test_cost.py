"""What a service's write of many rows makes the sync call, counted and not timed."""

from __future__ import annotations

import pytest

from tests.integration.sync.conftest import Synced

pytestmark = pytest.mark.values

PROVIDER = "(SELECT id FROM proveedores ORDER BY id LIMIT 1)"
MESSAGE = f"INSERT INTO messages (user_id, content) VALUES ({PROVIDER}, 'Hola')"

MANY = {
    "INSERT": (
        "INSERT INTO users (phone_number, name, user_type) SELECT '+5937' || n, 'Taller', 'provider'"
        " FROM generate_series(1, 30) n",
        {"ida_users_proveedores": 1, "sigue_messages_mensajes_3": 1},
    ),
    "UPDATE": (
        "UPDATE users SET city = 'Loja' WHERE id IN (SELECT id FROM proveedores ORDER BY id LIMIT 30)",
        {"ida_users_proveedores": 1},
    ),
    "phone": (f"UPDATE users SET phone_number = '+593701' WHERE id = {PROVIDER}", {"ida_messages_mensajes": 1}),
}


@pytest.mark.parametrize("what", MANY)
def test_many_rows_are_one_call(synced: Synced, what: str) -> None:
    statement, expected = MANY[what]
    synced.write(*[MESSAGE] * 5)
    with synced.database.cursor() as cursor:
        cursor.execute("SET track_functions = 'all'")
        cursor.execute(statement)
        cursor.execute("SELECT funcname, calls FROM pg_stat_xact_user_functions")
        calls = dict(cursor.fetchall())
    assert {name: calls.get(name) for name in expected} == expected
    assert not [name for name in calls if name.startswith(("llevar", "quitar"))]
    synced.settled()
