"""What a service writes to the Spanish tables is in the legacy ones when its transaction ends, and nothing else is."""

from __future__ import annotations

import pytest

from .conftest import Synced

pytestmark = pytest.mark.values


def test_an_update_changes_the_columns_that_it_changed_and_no_other(synced: Synced) -> None:
    key = synced.value("SELECT min(id::text)::uuid FROM messages WHERE processing_status = 'failed' OR content IS NULL")
    before = synced.database.query(f"SELECT to_jsonb(m) - 'ai_response' FROM messages m WHERE id = '{key}'")
    synced.write(f"UPDATE mensajes SET respuesta_ia = 'sí' WHERE id = '{key}'")
    assert synced.value(f"SELECT ai_response FROM messages WHERE id = '{key}'") == "sí"
    assert synced.database.query(f"SELECT to_jsonb(m) - 'ai_response' FROM messages m WHERE id = '{key}'") == before
    synced.settled()


def test_a_row_born_in_spanish_has_its_legacy_twin_and_goes_with_it(synced: Synced) -> None:
    synced.write("INSERT INTO proveedores (telefono, nombre, estado) VALUES ('+5', 'Rosa', 'suspendido')")
    assert synced.database.query("SELECT name, user_type, status FROM users WHERE phone_number = '+5'") == [
        ("Rosa", "provider", "suspended")
    ]
    synced.settled()
    synced.write("DELETE FROM proveedores WHERE telefono = '+5'")
    assert synced.value("SELECT count(*) FROM users WHERE phone_number = '+5'") == 0
    synced.settled()


def test_a_phone_that_a_user_has_and_one_that_nobody_has(synced: Synced) -> None:
    phone = synced.value("SELECT min(phone_number) FROM users WHERE user_type = 'provider' AND length(phone_number) < 20")
    synced.write(
        f"INSERT INTO mensajes (telefono, tipo_mensaje, contenido) VALUES ('{phone}', 'imagen', 'a'), ('+99', 'texto', 'b')"
    )
    assert synced.database.query(
        "SELECT u.phone_number, message_type, metadata ->> 'phone' FROM messages m LEFT JOIN users u ON u.id = user_id"
        " WHERE content IN ('a', 'b') ORDER BY content"
    ) == [(phone, "image", None), (None, "text", "+99")]
    synced.settled()


def test_a_session_of_a_phone_that_nobody_has_stays_here_with_an_entry(synced: Synced) -> None:
    synced.write("INSERT INTO sesiones (telefono, id_sesion) VALUES ('+98', 'sola')")
    assert synced.value("SELECT count(*) FROM sesiones WHERE id_sesion = 'sola'") == 1
    assert synced.value("SELECT count(*) FROM sessions WHERE session_id = 'sola'") == 0
    assert synced.open_entries() == {("sesiones", "legacy la rechaza: ninguna fila de users tiene ese phone_number")}


def test_a_client_is_changed_where_he_lives(synced: Synced) -> None:
    client = synced.value("SELECT min(u.id::text)::uuid FROM users u JOIN clientes k ON k.id = u.id WHERE u.user_type = 'client'")
    synced.write(f"UPDATE clientes SET ciudad = 'Loja', estado = 'suspendido' WHERE id = '{client}'")
    assert synced.database.query(f"SELECT city, status FROM users WHERE id = '{client}'") == [("Loja", "suspended")]
    synced.settled()


def test_deleting_a_merged_client_deletes_both_who_were_he(synced: Synced) -> None:
    winner, loser = synced.database.query(
        "SELECT clave_destino, clave FROM migracion.fusion WHERE tabla_destino = 'clientes' ORDER BY 1 LIMIT 1"
    )[0]
    synced.write(f"DELETE FROM consents WHERE user_id = '{winner}'", f"DELETE FROM clientes WHERE id = '{winner}'")
    assert synced.value(f"SELECT count(*) FROM customers WHERE id = '{winner}'") == 0
    assert synced.value(f"SELECT count(*) FROM users WHERE id = '{loser}'") == 0
    synced.settled()


def test_ids_of_both_sides_come_from_one_source(synced: Synced) -> None:
    for n in range(4):
        synced.write(
            f"INSERT INTO professions (name) VALUES ('legacy {n}')", f"INSERT INTO profesiones (nombre) VALUES ('nueva {n}')"
        )
    assert synced.value("SELECT count(*) FROM professions WHERE name LIKE 'legacy%' OR name LIKE 'nueva%'") == 8
    synced.settled()


def test_a_trigger_of_a_services_that_touches_the_row_again_loses_nothing(synced: Synced) -> None:
    synced.write(
        "CREATE FUNCTION tocar_de_nuevo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() = 1 THEN"
        " UPDATE clientes SET nombre_completo = NEW.nombre_completo || '*' WHERE id = NEW.id; END IF; RETURN NULL; END $$",
        "CREATE TRIGGER a_otra_vez AFTER UPDATE ON clientes FOR EACH ROW EXECUTE FUNCTION tocar_de_nuevo()",
    )
    key, name = synced.database.query("SELECT c.id, full_name FROM customers c JOIN clientes k USING (id) ORDER BY c.id LIMIT 1")[
        0
    ]
    synced.write(f"UPDATE clientes SET ciudad = 'Quito' WHERE id = '{key}'")
    assert synced.database.query(f"SELECT city, full_name FROM customers WHERE id = '{key}'") == [("Quito", f"{name}*")]
    synced.write("DROP TRIGGER a_otra_vez ON clientes", "DROP FUNCTION tocar_de_nuevo")
    synced.settled()
