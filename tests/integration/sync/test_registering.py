"""A client who lives in users registers as a provider on the Spanish side: he is both afterwards, and nothing of him is lost."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from .conftest import Synced

pytestmark = pytest.mark.values

NEW = "0a0a0a0a-0000-4000-8000-000000000001"


@dataclass
class Person:
    """A client's users row, his phone, and how many messages and sessions are his."""

    key: str
    phone: str
    messages: int
    sessions: int


@pytest.fixture
def person(synced: Synced) -> Person:
    key, phone = synced.database.query(
        "SELECT u.id::text, phone_number FROM users u JOIN clientes k USING (id) WHERE user_type = 'client'"
        " AND NOT EXISTS (SELECT FROM customers c WHERE c.phone_number = u.phone_number OR c.id = u.id)"
        " AND NOT EXISTS (SELECT FROM customer_service_requests c WHERE c.provider_id = u.id) ORDER BY u.id LIMIT 1"
    )[0]
    synced.write(
        f"UPDATE users SET email = 'sigue@aqui.ec' WHERE id = '{key}'",
        f"UPDATE clientes SET notas = '{{\"de\": \"aquí\"}}' WHERE id = '{key}'",
        f"INSERT INTO messages (user_id, content) SELECT '{key}', 'm' FROM generate_series(1, 4)",
        f"INSERT INTO sessions (user_id, session_id) VALUES ('{key}', 's')",
    )
    counted = [synced.value(f"SELECT count(*) FROM {t} WHERE user_id = '{key}'") for t in ("messages", "sessions")]
    return Person(key, phone, *counted)


def register(synced: Synced, person: Person) -> None:
    synced.write(f"INSERT INTO proveedores (id, telefono, nombre) VALUES ('{NEW}', '{person.phone}', 'Taller')")


def is_both(synced: Synced, person: Person) -> None:
    assert synced.database.query(f"SELECT id::text, user_type, name FROM users WHERE phone_number = '{person.phone}'") == [
        (NEW, "provider", "Taller")
    ]
    assert synced.value(f"SELECT phone_number FROM customers WHERE id = '{person.key}'") == person.phone
    assert synced.value(f"SELECT telefono FROM clientes WHERE id = '{person.key}'") == person.phone
    for table, count in (("messages", person.messages), ("sessions", person.sessions)):
        assert synced.value(f"SELECT count(*) FROM {table} WHERE user_id = '{NEW}'") == count
    assert synced.open_entries() == set()
    synced.settled()


def test_the_client_goes_on_in_customers_and_the_users_row_becomes_the_providers(synced: Synced, person: Person) -> None:
    register(synced, person)
    is_both(synced, person)
    synced.write(
        f"UPDATE clientes SET ciudad = 'Loja' WHERE id = '{person.key}'", f"UPDATE users SET city = 'Ibarra' WHERE id = '{NEW}'"
    )
    assert synced.value(f"SELECT city FROM customers WHERE id = '{person.key}'") == "Loja"
    assert synced.value(f"SELECT ciudad FROM proveedores WHERE id = '{NEW}'") == "Ibarra"
    synced.settled()


def test_a_merged_client_stays_the_customer_that_he_is(synced: Synced) -> None:
    winner, loser, phone = synced.database.query(
        "SELECT m.clave_destino, m.clave, u.phone_number FROM migracion.fusion m JOIN users u ON u.id::text = m.clave"
        " WHERE m.tabla_destino = 'clientes' ORDER BY 1 LIMIT 1"
    )[0]
    before = synced.database.query(f"SELECT to_jsonb(c) FROM customers c WHERE id = '{winner}'")
    synced.write(f"INSERT INTO proveedores (id, telefono, nombre) VALUES ('{NEW}', '{phone}', 'Taller')")
    assert synced.database.query(f"SELECT to_jsonb(c) FROM customers c WHERE id = '{winner}'") == before
    assert synced.value(f"SELECT id::text FROM users WHERE phone_number = '{phone}'") == NEW
    assert synced.value(f"SELECT count(*) FROM customers WHERE id = '{loser}'") == 0
    assert synced.value(f"SELECT count(*) FROM migracion.fusion WHERE clave = '{loser}'") == 0
    synced.settled()


def test_more_messages_than_may_follow_at_once_make_the_key_wait(synced: Synced, person: Person) -> None:
    synced.write("UPDATE migracion.sincronizacion SET propagacion = 4")
    register(synced, person)
    assert synced.database.query("SELECT tabla_origen, clave, operacion, motivo FROM migracion.pendiente") == [
        ("proveedores", NEW, "INSERT", "son demasiadas")
    ]
    assert synced.value(f"SELECT id::text FROM users WHERE phone_number = '{person.phone}'") == person.key
    synced.jobs.drain()
    synced.jobs.drain()
    is_both(synced, person)


def test_where_a_neighbours_foreign_key_holds_the_row_the_provider_is_quarantined_here(synced: Synced, person: Person) -> None:
    synced.write(
        "INSERT INTO customer_service_requests (customer_id, provider_id) SELECT id, '"
        f"{person.key}' FROM customers ORDER BY id LIMIT 1"
    )
    register(synced, person)
    [(table, reason)] = synced.open_entries()
    assert table == "proveedores"
    assert "customer_service_requests" in reason
    assert synced.value(f"SELECT user_type FROM users WHERE id = '{person.key}'") == "client"
    assert synced.value(f"SELECT count(*) FROM messages WHERE user_id = '{person.key}'") == person.messages
    assert synced.value(f"SELECT count(*) FROM customers WHERE id = '{person.key}'") == 0
    synced.settled()


def test_a_provider_becomes_a_client_as_well_by_a_row_of_customers(synced: Synced) -> None:
    key, phone = synced.database.query(
        "SELECT id::text, telefono FROM proveedores p WHERE NOT EXISTS (SELECT FROM clientes k WHERE k.telefono = p.telefono)"
        " ORDER BY id LIMIT 1"
    )[0]
    synced.write(f"INSERT INTO clientes (telefono, nombre_completo) VALUES ('{phone}', 'También')")
    assert synced.value(f"SELECT full_name FROM customers WHERE phone_number = '{phone}'") == "También"
    assert synced.value(f"SELECT user_type FROM users WHERE id = '{key}'") == "provider"
    synced.settled()
