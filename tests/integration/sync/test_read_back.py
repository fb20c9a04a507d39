"""What legacy reads of a Spanish write otherwise comes back at once; what only one side holds is not lost by a write."""

from __future__ import annotations

import pytest

from .conftest import Synced

pytestmark = pytest.mark.values

CUSTOMER = "(SELECT min(c.id::text)::uuid FROM customers c JOIN clientes USING (id))"
OPEN = "(SELECT min(id::text)::uuid FROM service_requests JOIN solicitudes_servicio USING (id) WHERE estado = '{}')"
NEW = "00000000-0000-0000-0000-00000000abcd"


def test_a_value_that_legacy_says_as_its_default_is_the_default(synced: Synced) -> None:
    key = synced.value(f"SELECT {CUSTOMER}")
    synced.write(f"UPDATE customers SET notes = '{{}}' WHERE id = '{key}'")
    synced.write(f"UPDATE clientes SET notas = NULL WHERE id = '{key}'")
    said = f"SELECT notes, notas FROM customers JOIN clientes USING (id) WHERE id = '{key}'"
    assert synced.database.query(said) == [(None, {})]
    synced.settled()


def test_so_is_one_of_a_client_who_lives_in_the_other_table(synced: Synced) -> None:
    key = synced.value("SELECT min(u.id::text) FROM users u JOIN clientes USING (id) WHERE u.status = 'active'")
    synced.write(f"UPDATE users SET status = NULL WHERE id = '{key}'")
    synced.write(f"UPDATE clientes SET estado = NULL WHERE id = '{key}'")
    assert synced.value(f"SELECT estado FROM clientes WHERE id = '{key}'") == "activo"
    synced.settled()


def test_json_that_differs_in_its_text_alone_goes_back(synced: Synced) -> None:
    key = synced.value("SELECT min(q.id::text) FROM task_queue q JOIN tareas_programadas USING (id)")
    for number in ("1.0", "1.00"):
        synced.write(f"UPDATE tareas_programadas SET payload = '{{\"a\": {number}}}' WHERE id = '{key}'")
        assert synced.value(f"SELECT payload::text FROM task_queue WHERE id = '{key}'") == f'{{"a": {number}}}'
        synced.settled()


def test_a_request_that_is_cancelled_with_another_time_stays_cancelled(synced: Synced) -> None:
    key = synced.value(f"SELECT {OPEN.format('resuelta')}")
    synced.write(f"UPDATE solicitudes_servicio SET estado = 'cancelada', resuelto_at = '2020-01-01' WHERE id = '{key}'")
    assert synced.database.query(
        f"SELECT resolved_at, estado, resuelto_at FROM service_requests JOIN solicitudes_servicio USING (id) WHERE id = '{key}'"
    ) == [(None, "cancelada", None)]
    synced.settled()


def test_another_time_of_a_resolved_request_is_the_same_on_both_sides(synced: Synced) -> None:
    key = synced.value(f"SELECT {OPEN.format('resuelta')}")
    synced.write(f"UPDATE solicitudes_servicio SET resuelto_at = '2020-01-01' WHERE id = '{key}'")
    assert synced.value(f"SELECT resolved_at::text FROM service_requests WHERE id = '{key}'").startswith("2020-01-01")
    synced.write(f"UPDATE solicitudes_servicio SET resuelto_at = NULL, estado = 'resuelta' WHERE id = '{key}'")
    assert synced.value(f"SELECT resuelto_at IS NOT NULL AND estado = 'resuelta' FROM solicitudes_servicio WHERE id = '{key}'")
    synced.settled()


ANONYMOUS = 'INSERT INTO messages (content, metadata) VALUES (\'anónimo\', \'{"phone": "+81", "a": 1}\') RETURNING id'


@pytest.mark.parametrize("also", ["", ", telefono = '+82'"])
def test_metadata_without_the_phone_leaves_legacy_the_only_copy_of_it(synced: Synced, also: str) -> None:
    key = synced.value(ANONYMOUS)
    synced.write(f"UPDATE mensajes SET metadata = '{{\"b\": 2}}'{also} WHERE id = '{key}'")
    phone = "+82" if also else "+81"
    expected = {"b": 2, "phone": phone}
    said = f"SELECT m.metadata, t.metadata, telefono FROM messages m JOIN mensajes t USING (id) WHERE id = '{key}'"
    assert synced.database.query(said) == [(expected, expected, phone)]
    synced.settled()


def test_metadata_of_a_users_message_has_no_phone_put_into_it(synced: Synced) -> None:
    key = synced.value("SELECT min(m.id::text) FROM messages m JOIN mensajes USING (id) JOIN users u ON u.id = m.user_id")
    synced.write(f"UPDATE mensajes SET metadata = '{{\"b\": 2}}' WHERE id = '{key}'")
    assert synced.value(f"SELECT metadata FROM messages WHERE id = '{key}'") == {"b": 2}
    synced.settled()


@pytest.mark.parametrize("synced", ["text"], indirect=True)  # the key of the other installation is the pair itself
def test_a_winner_of_duplicates_that_moves_lets_the_next_one_in(synced: Synced) -> None:
    provider, profession, winner = synced.database.query(
        "SELECT proveedor_id, profesion_id, id FROM proveedor_profesiones ORDER BY 1, 2 LIMIT 1"
    )[0]
    synced.write(
        f"INSERT INTO provider_professions (provider_id, profession_id, specialty) VALUES ('{provider}', {profession}, 'otra')"
    )
    free = synced.value(
        f"SELECT min(id) FROM profesiones WHERE id NOT IN"
        f" (SELECT profesion_id FROM proveedor_profesiones WHERE proveedor_id = '{provider}')"
    )
    synced.write(f"UPDATE proveedor_profesiones SET profesion_id = {free} WHERE id = {winner}")
    mine = f"SELECT count(*) FROM proveedor_profesiones WHERE proveedor_id = '{provider}' AND profesion_id = "
    assert (synced.value(mine + str(profession)), synced.value(mine + str(free))) == (1, 1)
    assert synced.value(f"SELECT profession_id FROM provider_professions WHERE id = {winner}") == free
    synced.settled()


def test_what_stays_of_a_request_stays_under_its_new_key(synced: Synced) -> None:
    key = synced.value("SELECT min(id::text) FROM solicitudes_servicio WHERE cliente_id IS NOT NULL")
    synced.write(f"UPDATE solicitudes_servicio SET cliente_id = NULL WHERE id = '{key}'")
    synced.write(f"UPDATE solicitudes_servicio SET id = '{NEW}' WHERE id = '{key}'")
    synced.write("UPDATE service_requests SET profession = profession")
    assert synced.database.query(f"SELECT cliente_id FROM solicitudes_servicio WHERE id = '{NEW}'") == [(None,)]
    synced.settled()


def test_what_only_the_spanish_row_had_is_kept_when_legacy_changes_its_key(synced: Synced) -> None:
    key = synced.value(f"SELECT {OPEN.format('pendiente')}")
    synced.write(f"UPDATE solicitudes_servicio SET estado = 'cancelada' WHERE id = '{key}'")
    synced.write(f"UPDATE service_requests SET id = '{NEW}' WHERE id = '{key}'")
    assert synced.value(f"SELECT fila ->> 'estado' FROM migracion.apartada WHERE clave = '{key}'") == "cancelada"
    synced.settled()


def test_a_row_that_gets_another_key_before_it_is_named_is_born(synced: Synced) -> None:
    synced.write(
        "CREATE FUNCTION public.otra_clave() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN UPDATE public.tareas_programadas SET id = '{NEW}' WHERE id = NEW.id; RETURN NULL; END $$",
        "CREATE TRIGGER antes AFTER INSERT ON tareas_programadas FOR EACH ROW EXECUTE FUNCTION otra_clave()",
    )
    synced.write("INSERT INTO tareas_programadas (tipo_tarea, payload, programada_at) VALUES ('feedback', '{}', now())")
    assert synced.value(f"SELECT count(*) FROM task_queue WHERE id = '{NEW}'") == 1
    synced.write("DROP TRIGGER antes ON tareas_programadas")
    synced.settled()
