"""The smallest orders in which a sync went wrong that reads before it waits: each needs two transactions at once, or one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import psycopg2
import pytest

from tests.support.locks import held_up, until_blocked

from .conftest import Synced

pytestmark = pytest.mark.concurrent

ALONE = (
    "SELECT u.id FROM users u JOIN clientes k ON k.id = u.id WHERE u.user_type = 'client' AND NOT EXISTS (SELECT FROM customers c"
    " WHERE c.phone_number = u.phone_number) ORDER BY u.id LIMIT 1"
)
MERGED = "SELECT clave_destino, clave FROM migracion.fusion WHERE tabla_destino = 'clientes' ORDER BY 1 LIMIT 1"
CUSTOMER = "SELECT c.id FROM customers c JOIN clientes k USING (id) ORDER BY c.id LIMIT 1"
NEW = "INSERT INTO customers (phone_number, full_name) VALUES ('+401', 'Nueva')"


def test_a_merged_clients_new_phone_is_his_in_both_legacy_tables(synced: Synced) -> None:
    winner, loser = synced.database.query(MERGED)[0]
    synced.write(f"UPDATE clientes SET telefono = '+402' WHERE id = '{winner}'")
    assert synced.value(f"SELECT phone_number FROM users WHERE id = '{loser}'") == "+402"
    assert synced.value(f"SELECT phone_number FROM customers WHERE id = '{winner}'") == "+402"
    synced.settled()


def test_a_client_who_waits_for_a_customer_of_his_phone_is_merged_into_him(synced: Synced) -> None:
    _, loser = synced.database.query(MERGED)[0]
    with held_up(synced.database, NEW, f"UPDATE users SET phone_number = '+401' WHERE id = '{loser}'"):
        pass
    assert synced.value(f"SELECT clave_destino = (SELECT id::text FROM customers WHERE phone_number = '+401')"
                        f" FROM migracion.fusion WHERE clave = '{loser}'")  # fmt: skip
    synced.settled()


def test_a_customer_who_waits_for_a_client_of_his_phone_takes_him_in(synced: Synced) -> None:
    client = synced.value(ALONE)
    with held_up(synced.database, f"UPDATE users SET phone_number = '+401' WHERE id = '{client}'", NEW):
        pass
    assert synced.value(f"SELECT count(*) FROM migracion.fusion WHERE clave = '{client}'") == 1
    synced.settled()


def test_a_request_and_the_client_of_its_phone_who_come_at_once_find_one_another(synced: Synced) -> None:
    request = "INSERT INTO service_requests ({}) VALUES ('+401')"
    column = synced.value(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'service_requests'::regclass AND attname LIKE 'phone%'"
    )
    with held_up(synced.database, NEW, request.format(column)):
        pass
    assert synced.value("SELECT k.telefono FROM solicitudes_servicio s JOIN clientes k ON k.id = s.cliente_id"
                        " WHERE s.telefono = '+401'") == "+401"  # fmt: skip
    synced.settled()


def test_who_has_left_a_client_meanwhile_is_not_deleted_with_him(synced: Synced) -> None:
    winner, loser = synced.database.query(MERGED)[0]
    synced.write(f"DELETE FROM consents WHERE user_id = '{winner}'")
    leaves = f"UPDATE users SET phone_number = '+401' WHERE id = '{loser}'"
    with held_up(synced.database, leaves, f"DELETE FROM clientes WHERE id = '{winner}'"):
        pass
    assert synced.value(f"SELECT telefono FROM clientes WHERE id = '{loser}'") == "+401"
    assert synced.value(f"SELECT count(*) FROM customers WHERE id = '{winner}'") == 0
    synced.settled()


def test_who_has_left_a_client_meanwhile_keeps_his_own_phone(synced: Synced) -> None:
    winner, loser = synced.database.query(MERGED)[0]
    leaves = f"UPDATE users SET phone_number = '+401' WHERE id = '{loser}'"
    with held_up(synced.database, leaves, f"UPDATE clientes SET telefono = '+402' WHERE id = '{winner}'"):
        pass
    assert synced.value(f"SELECT telefono FROM clientes WHERE id = '{loser}'") == "+401"
    synced.settled()


def test_a_request_stays_where_its_client_is_merged(synced: Synced) -> None:
    client, phone = synced.database.query(f"SELECT id, phone_number FROM users WHERE id = ({ALONE})")[0]
    synced.write(f"INSERT INTO solicitudes_servicio (telefono) VALUES ('{phone}')")
    asked = f"SELECT id FROM solicitudes_servicio WHERE telefono = '{phone}' AND cliente_id = '{client}'"
    (key,) = synced.database.query(asked)[0]
    synced.write(f"INSERT INTO customers (phone_number, full_name) VALUES ('{phone}', 'Otra vez')")
    assert synced.value("SELECT count(*) FROM migracion.apartada WHERE tabla = 'solicitudes_servicio'") == 0
    assert synced.value(
        f"SELECT cliente_id IS NOT NULL AND cliente_id <> '{client}' FROM solicitudes_servicio WHERE id = '{key}'"
    )
    synced.settled()


def test_a_legacy_row_that_has_moved_on_stays_when_its_old_parent_goes_in_spanish(synced: Synced) -> None:
    provider = synced.value("INSERT INTO proveedores (telefono, nombre) VALUES ('+403', 'Rosa') RETURNING id")
    service = synced.value(f"INSERT INTO provider_services (provider_id, title) VALUES ('{provider}', 'suyo') RETURNING id")
    synced.write(f"UPDATE provider_services SET provider_id = ({ALONE}) WHERE id = '{service}'")
    synced.write(f"DELETE FROM proveedores WHERE id = '{provider}'")
    assert synced.value(f"SELECT count(*) FROM provider_services WHERE id = '{service}'") == 1
    assert synced.value(f"SELECT count(*) FROM users WHERE id = '{provider}'") == 0
    synced.settled()


def test_entries_of_a_row_that_its_own_key_names_otherwise_go_with_it(synced: Synced) -> None:
    provider, profession = synced.database.query(
        "SELECT p.proveedor_id, p.profesion_id FROM proveedor_profesiones p ORDER BY 1, 2 LIMIT 1"
    )[0]
    synced.write(f"UPDATE users SET status = 'raro' WHERE id = '{provider}'")
    synced.write(f"DELETE FROM proveedor_profesiones WHERE proveedor_id = '{provider}' AND profesion_id = {profession}")
    synced.settled()


def test_a_message_to_a_phone_whose_user_goes_meanwhile_stays(synced: Synced) -> None:
    user, phone = synced.database.query(
        "SELECT id, phone_number FROM users WHERE user_type = 'provider' AND length(phone_number) < 20 ORDER BY id LIMIT 1"
    )[0]
    synced.write(f"DELETE FROM customer_service_requests WHERE provider_id = '{user}'")
    message = f"INSERT INTO mensajes (telefono, tipo_mensaje, contenido) VALUES ('{phone}', 'texto', 'tarde')"
    with held_up(synced.database, f"DELETE FROM users WHERE id = '{user}'", message):
        pass
    assert synced.database.query("SELECT user_id, metadata ->> 'phone' FROM messages WHERE content = 'tarde'") == [(None, phone)]
    synced.settled()


@pytest.mark.parametrize("spanish", ["UPDATE clientes SET telefono = '+402'", "DELETE FROM clientes"])
def test_who_was_parted_in_an_old_snapshot_is_not_taken_along(synced: Synced, spanish: str) -> None:
    winner, loser = synced.database.query(MERGED)[0]
    phone = synced.value(f"SELECT phone_number FROM users WHERE id = '{loser}'")
    synced.write(f"DELETE FROM consents WHERE user_id = '{winner}'")
    parted = f"UPDATE customers SET phone_number = '+401' WHERE id = '{winner}'"
    synced.write("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", parted)
    synced.write(f"{spanish} WHERE id = '{winner}'")
    assert synced.database.query(f"SELECT phone_number FROM users WHERE id = '{loser}'") == [(phone,)]
    synced.jobs.drain()
    synced.settled()


def test_a_repair_of_a_merged_row_holds_whom_it_is_merged_into(synced: Synced) -> None:
    winner, loser = synced.database.query(MERGED)[0]
    synced.write(f"DELETE FROM migracion.fusion WHERE clave = '{loser}'")
    repair = f"SELECT migracion.llevar_users_clientes(ARRAY['{loser}']::uuid[], 'prueba')"
    with held_up(synced.database, repair, f"UPDATE customers SET phone_number = '+403' WHERE id = '{winner}'"):
        pass
    assert synced.value(f"SELECT count(*) FROM migracion.fusion WHERE clave = '{loser}'") == 0
    synced.settled()


def test_a_request_whose_phone_changes_while_its_client_arrives_finds_him(synced: Synced) -> None:
    request = synced.value("INSERT INTO solicitudes_servicio (telefono) VALUES ('+400') RETURNING id")
    with held_up(synced.database, NEW, f"UPDATE solicitudes_servicio SET telefono = '+401' WHERE id = '{request}'"):
        pass
    asked = f"SELECT k.telefono FROM solicitudes_servicio s JOIN clientes k ON k.id = s.cliente_id WHERE s.id = '{request}'"
    assert synced.value(asked) == "+401"
    synced.settled()


def test_a_request_whose_phone_changes_in_an_old_snapshot_is_looked_at_by_the_drain(synced: Synced) -> None:
    request = synced.value("INSERT INTO solicitudes_servicio (telefono) VALUES ('+400') RETURNING id")
    with closing(psycopg2.connect(synced.database.url)) as old, old.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT 1")
        synced.write(NEW)
        cursor.execute(f"UPDATE solicitudes_servicio SET telefono = '+401' WHERE id = '{request}'")
        old.commit()
    synced.jobs.drain()
    assert synced.value(f"SELECT cliente_id IS NOT NULL FROM solicitudes_servicio WHERE id = '{request}'")
    synced.settled()


def test_the_spanish_side_waits_for_a_row_whose_holder_does_not_wait_for_it(synced: Synced) -> None:
    first, second = (row[0] for row in synced.database.query(
        "SELECT c.id FROM customers c JOIN clientes USING (id) ORDER BY 1 LIMIT 2"))  # fmt: skip
    with ExitStack() as stack:
        holder, service, third = (stack.enter_context(closing(psycopg2.connect(synced.database.url))) for _ in range(3))
        pool = stack.enter_context(ThreadPoolExecutor(2))
        holder.cursor().execute(f"SELECT 1 FROM customers WHERE id = '{first}' FOR UPDATE")
        service.cursor().execute(f"UPDATE clientes SET ciudad = 'una' WHERE id = '{second}'")
        waits = pool.submit(third.cursor().execute, f"UPDATE clientes SET ciudad = 'otra' WHERE id = '{second}'")
        until_blocked(synced.database, third.info.backend_pid, service.info.backend_pid, waits)
        step = pool.submit(service.cursor().execute, f"UPDATE clientes SET ciudad = 'una' WHERE id = '{first}'")
        until_blocked(synced.database, service.info.backend_pid, holder.info.backend_pid, step)
        holder.rollback()
        step.result(60)
        service.commit()
        waits.result(60)
        third.commit()
    assert synced.value(f"SELECT city FROM customers WHERE id = '{first}'") == "una"
    synced.settled()
