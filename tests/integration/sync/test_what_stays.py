"""Spanish values that legacy cannot say stay, and count as equal as far as it can say them."""

from __future__ import annotations

import pytest

from .conftest import Synced

pytestmark = pytest.mark.values

OPEN = "(SELECT min(id::text)::uuid FROM service_requests JOIN solicitudes_servicio USING (id) WHERE estado = 'pendiente')"


@pytest.mark.parametrize("state", ["en_progreso", "cancelada"])
def test_a_state_that_legacy_has_no_word_for_stays_until_legacy_says_another(synced: Synced, state: str) -> None:
    key = synced.value(OPEN)
    before = synced.database.query(f"SELECT to_jsonb(r) FROM service_requests r WHERE id = '{key}'")
    synced.write(f"UPDATE solicitudes_servicio SET estado = '{state}' WHERE id = '{key}'")
    assert synced.database.query(f"SELECT to_jsonb(r) FROM service_requests r WHERE id = '{key}'") == before
    synced.settled()
    synced.write(f"UPDATE service_requests SET profession = 'otra' WHERE id = '{key}'")
    synced.write("UPDATE service_requests SET profession = profession")
    assert synced.database.query(f"SELECT estado, profesion_solicitada FROM solicitudes_servicio WHERE id = '{key}'") == [
        (state, "otra")
    ]
    synced.settled()
    synced.write(f"UPDATE service_requests SET resolved_at = now()::text::timestamptz WHERE id = '{key}'")
    assert synced.value(f"SELECT estado FROM solicitudes_servicio WHERE id = '{key}'") == "resuelta"
    synced.settled()


def test_a_resolved_request_is_cancelled_and_its_time_goes(synced: Synced) -> None:
    key = synced.value("SELECT min(id::text)::uuid FROM solicitudes_servicio WHERE estado = 'resuelta'")
    synced.write(f"UPDATE solicitudes_servicio SET estado = 'cancelada', ciudad = 'Loja' WHERE id = '{key}'")
    assert synced.database.query(
        f"SELECT resolved_at, location_city, estado, resuelto_at FROM service_requests JOIN solicitudes_servicio USING (id)"
        f" WHERE id = '{key}'"
    ) == [(None, "Loja", "cancelada", None)]
    synced.settled()


def test_a_request_is_born_cancelled(synced: Synced) -> None:
    synced.write("INSERT INTO solicitudes_servicio (telefono, estado) VALUES ('+7', 'cancelada')")
    assert synced.value("SELECT estado FROM solicitudes_servicio WHERE telefono = '+7'") == "cancelada"
    assert (
        synced.value(
            "SELECT count(*) FROM service_requests WHERE resolved_at IS NULL AND id IN"
            " (SELECT id FROM solicitudes_servicio WHERE telefono = '+7')"
        )
        == 1
    )
    synced.settled()


def _request(synced: Synced) -> tuple[str, str, str]:
    """A request, its client and another client."""
    key, client = synced.database.query(
        "SELECT id, cliente_id FROM solicitudes_servicio WHERE cliente_id IS NOT NULL AND estado = 'pendiente' ORDER BY id"
        " LIMIT 1"
    )[0]
    other = synced.value(
        f"SELECT min(c.id::text) FROM customers c JOIN clientes k USING (id) WHERE id <> '{client}' AND NOT"
        " EXISTS (SELECT FROM solicitudes_servicio s WHERE s.cliente_id = c.id) AND NOT EXISTS (SELECT FROM"
        " consents x WHERE x.user_id = c.id) AND NOT EXISTS (SELECT FROM customer_service_requests x WHERE"
        " x.customer_id = c.id) AND NOT EXISTS (SELECT FROM users u WHERE u.phone_number = c.phone_number)"
    )
    return str(key), str(client), str(other)


def test_another_client_than_the_phones_stays_until_legacy_changes_the_phone(synced: Synced) -> None:
    key, client, other = _request(synced)
    asked = f"SELECT cliente_id::text FROM solicitudes_servicio WHERE id = '{key}'"
    synced.write(f"UPDATE solicitudes_servicio SET cliente_id = '{other}' WHERE id = '{key}'")
    synced.write(
        f"UPDATE service_requests SET profession = 'otra' WHERE id = '{key}'",
        f"UPDATE clientes SET telefono = '+71' WHERE id = '{client}'",
        f"UPDATE solicitudes_servicio SET ciudad = 'Loja' WHERE id = '{key}'",
    )
    assert synced.value(asked) == other
    synced.settled()
    phone = synced.value(f"SELECT telefono FROM clientes WHERE id = '{client}'")
    column = (
        "phone"
        if synced.value(
            "SELECT count(*) FROM information_schema.columns WHERE table_name = 'service_requests' AND column_name = 'phone'"
        )
        else "phone_number"
    )
    synced.write(f"UPDATE service_requests SET {column} = '{phone}' WHERE id = '{key}'")
    assert synced.value(asked) == client
    synced.settled()


def test_a_client_that_nobody_chose_follows_the_phone(synced: Synced) -> None:
    key, client, _ = _request(synced)
    asked = f"SELECT cliente_id::text FROM solicitudes_servicio WHERE id = '{key}'"
    synced.write(f"UPDATE clientes SET telefono = '+72' WHERE id = '{client}'")
    assert synced.value(asked) is None
    synced.write(f"UPDATE solicitudes_servicio SET telefono = '+72' WHERE id = '{key}'")
    assert synced.value(asked) == client
    synced.write("INSERT INTO solicitudes_servicio (telefono) VALUES ('+72')")
    assert synced.value(f"SELECT count(*) FROM solicitudes_servicio WHERE telefono = '+72' AND cliente_id = '{client}'") == 2
    synced.settled()


def test_the_chosen_client_stays_through_a_change_of_phone_on_the_spanish_side(synced: Synced) -> None:
    key, _, other = _request(synced)
    synced.write(f"UPDATE solicitudes_servicio SET cliente_id = '{other}' WHERE id = '{key}'")
    synced.write(f"UPDATE solicitudes_servicio SET telefono = '+73' WHERE id = '{key}'")
    assert synced.value(f"SELECT cliente_id::text FROM solicitudes_servicio WHERE id = '{key}'") == other
    synced.settled()


def test_a_client_who_goes_leaves_the_requests_where_they_are(synced: Synced) -> None:
    key, client, other = _request(synced)
    mine = f"SELECT id, estado, cliente_id::text FROM solicitudes_servicio WHERE cliente_id = '{other}' OR id = '{key}'"
    phone = synced.value(f"SELECT telefono FROM clientes WHERE id = '{other}'")
    synced.write(
        f"INSERT INTO solicitudes_servicio (telefono, estado) VALUES ('{phone}', 'en_progreso')",
        f"UPDATE solicitudes_servicio SET cliente_id = '{other}', estado = 'cancelada' WHERE id = '{key}'",
    )
    assert {(state, who) for _, state, who in synced.database.query(mine)} == {("en_progreso", other), ("cancelada", other)}
    synced.write(f"DELETE FROM customers WHERE id = '{other}'")
    assert synced.database.query(f"SELECT estado, cliente_id FROM solicitudes_servicio WHERE telefono = '{phone}'") == [
        ("en_progreso", None)
    ]
    assert synced.database.query(f"SELECT estado, cliente_id::text FROM solicitudes_servicio WHERE id = '{key}'") == [
        ("cancelada", client)
    ]
    synced.settled()


def test_a_value_that_nobody_chose_is_a_difference_and_is_repaired(synced: Synced) -> None:
    key, client, other = _request(synced)
    synced.write(
        "SET LOCAL session_replication_role = replica",
        f"UPDATE solicitudes_servicio SET cliente_id = '{other}', estado = 'cancelada' WHERE id = '{key}'",
    )
    with pytest.raises(AssertionError, match="cliente_id"):
        synced.settled()
    synced.jobs.equalise("fase3")
    assert synced.database.query(f"SELECT cliente_id::text, estado FROM solicitudes_servicio WHERE id = '{key}'") == [
        (client, "cancelada")
    ]
    synced.settled()
