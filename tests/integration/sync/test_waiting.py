"""Keys that wait: a key that changes meanwhile, a table that is emptied, one that cannot be carried, names that are gone."""

from __future__ import annotations

from .conftest import Synced

FREE = """
SELECT c.id FROM customers c JOIN clientes USING (id)
WHERE NOT EXISTS (SELECT FROM migracion.fusion f WHERE f.clave_destino = c.id::text)
  AND NOT EXISTS (SELECT FROM consents s WHERE s.user_id = c.id)
  AND NOT EXISTS (SELECT FROM customer_service_requests s WHERE s.customer_id = c.id)
  AND NOT EXISTS (SELECT FROM solicitudes_servicio s WHERE s.cliente_id = c.id) ORDER BY 1 LIMIT 1"""
TWO = "SELECT t.id::text FROM task_queue t JOIN tareas_programadas USING (id) ORDER BY 1 LIMIT 2"
NEW = "00000000-0000-0000-0000-00000000abcd"


def test_a_key_that_changes_while_it_waits_takes_its_row_along(synced: Synced) -> None:
    key = synced.value(FREE)
    before = synced.value(f"SELECT created_at FROM customers WHERE id = '{key}'")
    synced.jobs.switch("no")
    synced.write(f"UPDATE clientes SET ciudad = 'Antes' WHERE id = '{key}'")
    synced.write(f"UPDATE clientes SET id = '{NEW}' WHERE id = '{key}'")
    synced.write(f"UPDATE customers SET full_name = 'De legacy' WHERE id = '{key}'")
    synced.jobs.switch("si")
    found = synced.database.query(f"SELECT city, full_name, created_at FROM customers WHERE id IN ('{NEW}', '{key}')")
    assert found == [("Antes", "De legacy", before)]
    assert synced.database.query(f"SELECT id::text, nombre_completo FROM clientes WHERE id IN ('{NEW}', '{key}')") == [
        (NEW, "De legacy")
    ]
    synced.settled()


def test_a_row_that_legacy_deleted_is_gone_here_whatever_key_it_got_meanwhile(synced: Synced) -> None:
    key = synced.value(FREE)
    synced.jobs.switch("no")
    synced.write(f"UPDATE clientes SET id = '{NEW}' WHERE id = '{key}'")
    synced.write(f"DELETE FROM customers WHERE id = '{key}'")
    synced.jobs.switch("si")
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id IN ('{NEW}', '{key}')") == 0
    assert synced.value(f"SELECT count(*) FROM customers WHERE id IN ('{NEW}', '{key}')") == 0
    synced.settled()


def test_a_row_that_is_born_and_gets_another_key_while_it_waits_is_born_once(synced: Synced) -> None:
    synced.jobs.switch("no")
    synced.write("INSERT INTO clientes (telefono, nombre_completo) VALUES ('+901', 'Nace')")
    synced.write(f"UPDATE clientes SET id = '{NEW}' WHERE telefono = '+901'")
    synced.jobs.switch("si")
    assert synced.database.query("SELECT id::text FROM customers WHERE phone_number = '+901'") == [(NEW,)]
    synced.settled()


def test_a_table_that_is_emptied_while_the_sync_is_off_empties_legacy_when_it_is_on(synced: Synced) -> None:
    before = synced.value("SELECT count(*) FROM sessions")
    synced.jobs.switch("no")
    synced.write("TRUNCATE sesiones")
    assert synced.value("SELECT count(*) FROM sessions") == before
    synced.jobs.switch("si")
    refused = synced.database.query(
        "SELECT clave FROM migracion.cuarentena WHERE tabla_origen = 'sessions' AND estado = 'abierta'"
    )
    assert synced.database.query("SELECT id::text FROM sessions ORDER BY 1") == sorted(refused)
    synced.settled()


def test_a_key_that_cannot_be_carried_holds_up_no_other(synced: Synced) -> None:
    first, second = (row[0] for row in synced.database.query(TWO))
    synced.write(
        "CREATE FUNCTION public.veneno() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN IF NEW.id::text = '{first}' THEN PERFORM 1 FROM public.no_esta; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER veneno BEFORE UPDATE ON tareas_programadas FOR EACH ROW EXECUTE FUNCTION veneno()",
    )
    synced.jobs.switch("no")
    synced.write(f"UPDATE task_queue SET priority = 7 WHERE id = '{first}'")
    synced.write(f"UPDATE task_queue SET priority = 7 WHERE id = '{second}'")
    said = "\n".join(synced.jobs.switch("si")["lines"])
    assert "Claves que siguen esperando: 1" in said
    assert synced.value(f"SELECT prioridad FROM tareas_programadas WHERE id = '{second}'") == 7
    assert synced.database.query("SELECT clave, sqlstate FROM migracion.pendiente") == [(first, "42P01")]
    synced.write("DROP TRIGGER veneno ON tareas_programadas")
    synced.jobs.drain()
    synced.settled()


def test_a_unique_column_with_another_name_fails_no_statement(synced: Synced) -> None:
    synced.write("ALTER TABLE profesiones RENAME nombre TO otro")
    synced.write("UPDATE profesiones SET otro = 'cambia' WHERE id = (SELECT max(id) FROM profesiones)")
    synced.write("INSERT INTO profesiones (otro) VALUES ('nueva')")
    assert synced.value("SELECT count(*) FROM migracion.pendiente") > 1
    synced.write("ALTER TABLE profesiones RENAME otro TO nombre")
    synced.jobs.drain()
    synced.settled()


def test_emptying_a_spanish_table_fails_for_nothing_that_is_ours(synced: Synced) -> None:
    synced.write(
        "CREATE FUNCTION public.veneno() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM 1 FROM public.no_esta; RETURN OLD; END $$",
        "CREATE TRIGGER veneno BEFORE DELETE ON task_queue FOR EACH ROW EXECUTE FUNCTION veneno()",
    )
    synced.write("TRUNCATE tareas_programadas")
    assert synced.database.query("SELECT tabla_origen, clave, operacion FROM migracion.pendiente") == [
        ("tareas_programadas", "*", "TRUNCATE")
    ]


def test_a_row_that_a_neighbour_holds_stays_in_legacy_with_its_entry_when_the_table_is_emptied(synced: Synced) -> None:
    key = synced.value("SELECT min(q.id::text) FROM task_queue q JOIN tareas_programadas USING (id)")
    refused = synced.value("SELECT count(*) FROM task_queue WHERE id NOT IN (SELECT id FROM tareas_programadas)")
    synced.write("CREATE TABLE vecina (tarea uuid REFERENCES task_queue)", f"INSERT INTO vecina VALUES ('{key}')")
    synced.write("TRUNCATE tareas_programadas")
    assert synced.value("SELECT count(*) FROM task_queue") == refused + 1
    assert {table for table, _ in synced.open_entries()} == {"tareas_programadas"}
    synced.jobs.equalise("fase3")
    assert synced.value("SELECT count(*) FROM tareas_programadas") == 0
    synced.settled()


def test_what_a_service_deferred_stays_deferred(synced: Synced) -> None:
    synced.write(
        "CREATE TABLE tipos (tipo text PRIMARY KEY)",
        "INSERT INTO tipos SELECT DISTINCT task_type FROM task_queue",
        "ALTER TABLE task_queue ADD CONSTRAINT de_tipo FOREIGN KEY (task_type) REFERENCES tipos DEFERRABLE INITIALLY IMMEDIATE",
    )
    key, other = (row[0] for row in synced.database.query(TWO))
    synced.write(
        "SET CONSTRAINTS de_tipo DEFERRED",
        f"UPDATE tareas_programadas SET prioridad = 9 WHERE id = '{key}'",
        f"UPDATE task_queue SET task_type = 'aún no' WHERE id = '{other}'",
        "INSERT INTO tipos VALUES ('aún no')",
    )
    assert synced.value(f"SELECT priority FROM task_queue WHERE id = '{key}'") == 9
