"""The sync is switched off and on without a table's lock, drained, and taken away by the way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import Begin
from tests.support.operator import Operator

from .conftest import Synced

OURS = "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^(sinc|sigue|vuelta)_' AND NOT tgisinternal"
FUNCTIONS = "SELECT count(*) FROM pg_proc WHERE proname ~ '^(ida|sinc|sigue|volver|vuelta|cede)_'"


def test_what_is_written_while_it_is_off_waits_and_is_taken_in(synced: Synced) -> None:
    customer, other = (
        r[0] for r in synced.database.query("SELECT c.id FROM customers c JOIN clientes USING (id) ORDER BY 1 LIMIT 2")
    )
    synced.jobs.switch("no")
    synced.write(f"UPDATE customers SET city = 'A', full_name = 'Legacy' WHERE id = '{customer}'")
    synced.write(f"UPDATE clientes SET ciudad = 'B' WHERE id = '{customer}'")
    synced.write(f"DELETE FROM clientes WHERE id = '{other}'", "INSERT INTO professions (name) VALUES ('apagada')")
    assert synced.value(f"SELECT city FROM customers WHERE id = '{customer}'") == "A"
    assert synced.value("SELECT count(*) FROM profesiones WHERE nombre = 'apagada'") == 0
    assert synced.value("SELECT count(*) FROM migracion.pendiente ") >= 4
    said = "\n".join(synced.jobs.switch("si")["lines"])
    assert "llevadas" in said
    assert f"customers {customer}" in said
    assert synced.database.query(f"SELECT city, full_name FROM customers WHERE id = '{customer}'") == [("B", "Legacy")]
    assert synced.database.query(f"SELECT ciudad, nombre_completo FROM clientes WHERE id = '{customer}'") == [("B", "Legacy")]
    assert (
        synced.value(f"SELECT fila ->> 'city' FROM migracion.apartada WHERE tabla = 'customers' AND clave = '{customer}'") == "A"
    )
    assert synced.value(f"SELECT count(*) FROM customers WHERE id = '{other}'") == 0
    synced.settled()


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_above_read_committed_the_keys_wait_as_well(synced: Synced, level: str) -> None:
    synced.write(f"SET TRANSACTION ISOLATION LEVEL {level}", "INSERT INTO professions (name) VALUES ('vieja foto')")
    assert synced.value("SELECT count(*) FROM profesiones WHERE nombre = 'vieja foto'") == 1
    assert synced.database.query("SELECT motivo FROM migracion.pendiente") == [("aislamiento",)]
    synced.jobs.drain()
    synced.settled()


@pytest.mark.names("jobs/sync_state", "jobs/sync_state.switched", "phase/status._sync_lines")
def test_the_commands_that_it_names_switch_it_and_drain(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    operator.goes("ansible-playbook fase2.yml -i demo")
    refused = operator.stops("ansible-playbook estado.yml -i demo --tags sincronizacion")
    off, on = refused.commands()
    assert "apagada" in operator.goes(off).text
    database.query("INSERT INTO professions (name) VALUES ('espera')")
    stopped = operator.stops("ansible-playbook fase2.yml -i demo")
    assert stopped.commands() == [on]
    said = operator.goes(on)
    assert "encendida" in said.text
    assert database.value("SELECT count(*) FROM profesiones WHERE nombre = 'espera'") == 1
    database.query("BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO professions (name) VALUES ('foto'); COMMIT")
    (drain,) = operator.goes("ansible-playbook estado.yml -i demo").after("Se llevan con:")
    assert "1 llevada" in operator.goes(drain).text
    assert "esperan" not in operator.goes("ansible-playbook estado.yml -i demo").text


def test_the_way_back_leaves_no_trigger_and_no_function(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    for _ in range(2):
        operator.goes("ansible-playbook fase2.yml -i demo")
        operator.goes("ansible-playbook fase3.yml -i demo")
        assert database.value(OURS) > 60
        before = [database.value(f"SELECT count(*) FROM {t}") for t in ("customers", "users", "messages", "provider_professions")]
        operator.goes("ansible-playbook fase3.yml -i demo --tags rollback")
        operator.goes("ansible-playbook fase2.yml -i demo --tags rollback")
        assert database.value(OURS) == 0
        assert database.value(FUNCTIONS) == 0
        after = [database.value(f"SELECT count(*) FROM {t}") for t in ("customers", "users", "messages", "provider_professions")]
        assert before == after
    operator.goes("ansible-playbook fase1.yml -i demo --tags rollback")


def test_installing_it_again_completes_what_somebody_took_away(synced: Synced) -> None:
    synced.write(
        "DROP TRIGGER sinc_customers_clientes_u ON customers", "ALTER TABLE messages DISABLE TRIGGER sinc_messages_mensajes_i"
    )
    synced.jobs.synchronise()
    synced.write("UPDATE customers SET city = 'Cuenca'", "INSERT INTO messages (content) VALUES ('vuelve')")
    synced.settled()


def test_the_way_back_of_one_night_takes_no_legacy_row_along(begin: Begin, tmp_path: Path) -> None:
    """The other night's sync of the same Spanish table stands meanwhile."""
    database, _ = begin(up_to="fase1", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    operator.goes("ansible-playbook fase2.yml -i demo")
    before = database.query("SELECT id FROM users ORDER BY id")
    merged = database.value("SELECT count(*) FROM clientes k WHERE NOT EXISTS (SELECT FROM customers c WHERE c.id = k.id)")
    assert merged > 0
    operator.goes("ansible-playbook fase2.yml -i demo --tags rollback -e subfase=2.2")
    assert database.query("SELECT id FROM users ORDER BY id") == before
    assert database.value("SELECT count(*) FROM clientes k WHERE NOT EXISTS (SELECT FROM customers c WHERE c.id = k.id)") == 0
    database.query("UPDATE customers SET city = 'Loja'")
    assert database.value("SELECT count(*) FROM clientes WHERE ciudad IS DISTINCT FROM 'Loja'") == 0


def test_a_spanish_table_that_is_gone_keeps_no_service_from_writing(synced: Synced) -> None:
    synced.write("ALTER TABLE tareas_programadas RENAME TO otras")
    synced.write(
        "UPDATE task_queue SET priority = 1 WHERE status = 'pending'", "DELETE FROM task_queue WHERE status = 'completed'"
    )
    assert synced.value("SELECT count(*) FROM migracion.pendiente WHERE tabla_origen = 'task_queue' AND sqlstate = '42P01'") > 1
    synced.write("ALTER TABLE otras RENAME TO tareas_programadas")
    synced.jobs.drain()
    synced.settled()


def test_a_spanish_table_that_is_emptied_empties_what_it_came_from(synced: Synced) -> None:
    synced.write("TRUNCATE sesiones")
    refused = synced.database.query(
        "SELECT clave FROM migracion.cuarentena WHERE tabla_origen = 'sessions' AND estado = 'abierta'"
    )
    assert synced.database.query("SELECT id::text FROM sessions ORDER BY 1") == sorted(refused)
    synced.settled()
