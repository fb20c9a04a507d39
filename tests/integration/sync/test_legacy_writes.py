"""What a service writes to the legacy tables is on the Spanish side when its transaction ends."""

from __future__ import annotations

import pytest

from .conftest import Synced

pytestmark = pytest.mark.values

PROVIDER = "(SELECT min(provider_id::text)::uuid FROM provider_professions)"
WRITER = "(SELECT min(user_id::text)::uuid FROM messages)"


@pytest.mark.parametrize(
    ("statement", "asked", "expected"),
    [
        (
            "INSERT INTO customers (phone_number, full_name) VALUES ('+1', 'Eva')",
            "SELECT nombre_completo FROM clientes WHERE telefono = '+1'",
            "Eva",
        ),
        (
            f"UPDATE users SET phone_number = '+2' WHERE id = {WRITER}",
            f"SELECT count(DISTINCT telefono) FROM mensajes JOIN messages USING (id) WHERE user_id = {WRITER}"
            " AND telefono = '+2'",
            1,
        ),
        ("UPDATE messages SET content = 'todas'", "SELECT count(*) FROM mensajes WHERE contenido <> 'todas'", 0),
        ("DELETE FROM messages", "SELECT count(*) FROM mensajes", 0),
        ("TRUNCATE task_queue", "SELECT count(*) FROM tareas_programadas", 0),
        (
            f"DELETE FROM users WHERE id = {PROVIDER}",
            "SELECT count(*) FROM proveedor_profesiones p WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = p.proveedor_id)",
            0,
        ),
        (
            f"UPDATE users SET user_type = 'client' WHERE id = {PROVIDER}",
            f"SELECT count(*) FROM clientes WHERE id = {PROVIDER}",
            1,
        ),
        ("UPDATE professions SET id = -id", "SELECT count(*) FROM profesiones WHERE id > 0", 0),
    ],
    ids=["insert", "phone", "many", "delete", "truncate", "cascade", "flip", "key"],
)
def test_a_write_is_on_both_sides(synced: Synced, statement: str, asked: str, expected: object) -> None:
    if "professions SET id" in statement:
        synced.write(
            "DELETE FROM provider_professions", "DELETE FROM profession_synonyms", "DELETE FROM customer_service_requests"
        )
    synced.write(statement)
    assert synced.value(asked) == expected
    synced.settled()


def test_what_a_service_rolls_back_never_was(synced: Synced) -> None:
    synced.write(
        "SAVEPOINT antes",
        "INSERT INTO customers (phone_number, full_name) VALUES ('+3', 'Nadie')",
        "ROLLBACK TO antes",
        "INSERT INTO customers (phone_number, full_name) VALUES ('+4', 'Alguien')",
    )
    assert synced.database.query("SELECT telefono FROM clientes WHERE telefono IN ('+3', '+4')") == [("+4",)]
    synced.settled()


def test_a_refused_value_is_the_services_and_comes_back_when_it_is_corrected(synced: Synced) -> None:
    synced.write(f"UPDATE users SET status = 'raro' WHERE id = {PROVIDER}")
    assert ("users", "status no tiene traducción: 'raro'") in synced.open_entries()
    assert {table for table, _ in synced.open_entries()} >= {"users", "provider_professions"}
    synced.write("UPDATE users SET status = 'active' WHERE status = 'raro'")
    assert synced.open_entries() == set()
    synced.settled()


def test_a_person_who_goes_and_comes_keeps_what_hangs_on_him(synced: Synced) -> None:
    before = synced.database.query("SELECT count(*) FROM provider_professions")
    synced.write(f"UPDATE users SET user_type = 'client' WHERE id = {PROVIDER}")
    assert synced.database.query("SELECT count(*) FROM provider_professions") == before
    synced.settled()
    synced.write(f"UPDATE users SET user_type = 'provider' WHERE id = {PROVIDER}")
    assert synced.open_entries() == set()
    synced.settled()


def test_two_people_swap_their_phones_in_three_statements(synced: Synced) -> None:
    (first, one), (second, two) = synced.database.query("SELECT id, phone_number FROM customers ORDER BY id LIMIT 2")
    synced.write(
        f"UPDATE customers SET phone_number = 'libre' WHERE id = '{first}'",
        f"UPDATE customers SET phone_number = '{one}' WHERE id = '{second}'",
        f"UPDATE customers SET phone_number = '{two}' WHERE id = '{first}'",
    )
    assert synced.database.query(f"SELECT telefono FROM clientes WHERE id IN ('{first}', '{second}') ORDER BY id") == [
        (two,),
        (one,),
    ]
    synced.settled()


def test_a_client_merges_into_a_customer_and_lives_again_without_him(synced: Synced) -> None:
    client, phone = synced.database.query(
        "SELECT u.id, u.phone_number FROM users u WHERE u.user_type = 'client' AND NOT EXISTS (SELECT FROM customers c WHERE"
        " c.phone_number = u.phone_number) AND EXISTS (SELECT FROM clientes k WHERE k.id = u.id) ORDER BY u.id LIMIT 1"
    )[0]
    synced.write(f"INSERT INTO customers (phone_number, full_name) VALUES ('{phone}', 'Otra vez')")
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id = '{client}'") == 0
    assert synced.value(f"SELECT count(*) FROM migracion.fusion WHERE tabla_origen = 'users' AND clave = '{client}'") == 1
    synced.settled()
    synced.write(f"DELETE FROM customers WHERE phone_number = '{phone}'")
    assert synced.value(f"SELECT telefono FROM clientes WHERE id = '{client}'") == phone
    assert synced.value(f"SELECT count(*) FROM migracion.fusion WHERE tabla_origen = 'users' AND clave = '{client}'") == 0
    synced.settled()
