"""Every kind of statement that a service may send, on either side: rows arrive on the other one, and both sides agree."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Synced

pytestmark = pytest.mark.values

CUSTOMER = "(SELECT min(c.id::text)::uuid FROM customers c JOIN clientes USING (id))"
PROVIDER = "(SELECT min(proveedor_id::text)::uuid FROM proveedor_profesiones)"
WRITER = "(SELECT min(user_id::text)::uuid FROM messages)"
ALONE = (
    "(SELECT min(c.id::text)::uuid FROM customers c JOIN clientes USING (id) WHERE NOT EXISTS"
    " (SELECT FROM consents x WHERE x.user_id = c.id) AND NOT EXISTS (SELECT FROM customer_service_requests x"
    " WHERE x.customer_id = c.id) AND {} (SELECT FROM solicitudes_servicio x WHERE x.cliente_id = c.id))"
)
NEW = "00000000-0000-4000-8000-00000000000"
Rows = list[tuple[Any, ...]]

# What is written, one question about both sides, and the rows that answer it.
CASES: dict[str, tuple[tuple[str, ...], str, Rows]] = {
    "copy into legacy": (
        ("COPY customers (phone_number, full_name) FROM PROGRAM 'echo +61,Eva; echo +62,Luz' (FORMAT csv)",),
        "SELECT telefono, nombre_completo FROM clientes WHERE telefono IN ('+61', '+62') ORDER BY 1",
        [("+61", "Eva"), ("+62", "Luz")],
    ),
    "copy into Spanish": (
        ("COPY proveedores (telefono, nombre) FROM PROGRAM 'echo +63,Eva; echo +64,Luz' (FORMAT csv)",),
        "SELECT phone_number, name, user_type FROM users WHERE phone_number IN ('+63', '+64') ORDER BY 1",
        [("+63", "Eva", "provider"), ("+64", "Luz", "provider")],
    ),
    "copy of many": (
        ("COPY task_queue (task_type, payload) FROM PROGRAM 'for i in $(seq 60); do echo \"feedback|1\"; done' (DELIMITER '|')",),
        "SELECT count(*) FROM tareas_programadas WHERE tipo_tarea = 'feedback' AND payload = '1' AND prioridad = 0",
        [(60,)],
    ),
    "upsert into legacy": (
        (
            f"INSERT INTO customers (phone_number, city) SELECT phone_number, 'Manta' FROM customers WHERE id = {CUSTOMER}"
            " UNION VALUES ('+65', 'Manta') ON CONFLICT (phone_number) DO UPDATE SET city = excluded.city",
        ),
        f"SELECT (SELECT ciudad FROM clientes WHERE id = {CUSTOMER}), (SELECT ciudad FROM clientes WHERE telefono = '+65')",
        [("Manta", "Manta")],
    ),
    "upsert into Spanish": (
        (
            "INSERT INTO clientes (telefono, nombre_completo, ciudad) SELECT telefono, nombre_completo, 'Manta' FROM clientes"
            f" WHERE id = {CUSTOMER} UNION VALUES ('+66', 'Luz', 'Manta')"
            " ON CONFLICT (telefono) DO UPDATE SET ciudad = excluded.ciudad",
        ),
        f"SELECT (SELECT city FROM customers WHERE id = {CUSTOMER}), (SELECT city FROM customers WHERE phone_number = '+66')",
        [("Manta", "Manta")],
    ),
    "upsert that does nothing": (
        (
            "INSERT INTO customers (phone_number, city) SELECT phone_number, 'No' FROM customers ON CONFLICT DO NOTHING",
            "INSERT INTO clientes (telefono, nombre_completo, ciudad) SELECT telefono, 'a', 'No' FROM clientes"
            " ON CONFLICT DO NOTHING",
        ),
        "SELECT (SELECT count(*) FROM customers WHERE city = 'No'), (SELECT count(*) FROM clientes WHERE ciudad = 'No')",
        [(0, 0)],
    ),
    "writing CTE over parent and child": (
        (
            f"WITH u AS (INSERT INTO users (id, phone_number, name, user_type) VALUES ('{NEW}1', '+67', 'Ana', 'provider')"
            " RETURNING id) INSERT INTO provider_services (provider_id, title) SELECT id, 'Pintura' FROM u",
        ),
        "SELECT nombre, titulo FROM proveedores p JOIN servicios_proveedor s ON s.proveedor_id = p.id WHERE telefono = '+67'",
        [("Ana", "Pintura")],
    ),
    "writing CTE, child first": (
        (
            f"WITH s AS (INSERT INTO provider_services (provider_id, title) VALUES ('{NEW}2', 'Pintura'))"
            f" INSERT INTO users (id, phone_number, name, user_type) VALUES ('{NEW}2', '+68', 'Ana', 'provider')",
        ),
        "SELECT nombre, titulo FROM proveedores p JOIN servicios_proveedor s ON s.proveedor_id = p.id WHERE telefono = '+68'",
        [("Ana", "Pintura")],
    ),
    "writing CTE in Spanish, child first": (
        (
            f"WITH s AS (INSERT INTO servicios_proveedor (proveedor_id, titulo) VALUES ('{NEW}4', 'Pintura'))"
            f" INSERT INTO proveedores (id, telefono, nombre) VALUES ('{NEW}4', '+70', 'Ana')",
        ),
        "SELECT name, title FROM users u JOIN provider_services s ON s.provider_id = u.id WHERE phone_number = '+70'",
        [("Ana", "Pintura")],
    ),
    "one CTE writes a row of each side": (
        (
            f"WITH e AS (UPDATE clientes SET ciudad = 'Uno' WHERE id = {CUSTOMER})"
            " UPDATE users SET city = 'Dos' WHERE user_type = 'provider'",
        ),
        f"SELECT city, (SELECT count(*) FROM proveedores WHERE ciudad <> 'Dos') FROM customers c WHERE c.id = {CUSTOMER}",
        [("Uno", 0)],
    ),
    "many rows at once in Spanish": (
        ("UPDATE mensajes SET contenido = 'todas'", "UPDATE tareas_programadas SET prioridad = 7"),
        "SELECT (SELECT count(*) FROM messages m JOIN mensajes USING (id) WHERE content <> 'todas'),"
        " (SELECT count(*) FROM task_queue q JOIN tareas_programadas USING (id) WHERE priority <> 7)",
        [(0, 0)],
    ),
    "many new rows and many that go in Spanish": (
        (
            "INSERT INTO clientes (telefono, nombre_completo) SELECT '+71' || n, 'N' FROM generate_series(1, 50) n",
            "DELETE FROM tareas_programadas",
        ),
        "SELECT (SELECT count(*) FROM customers WHERE phone_number LIKE '+71%'),"
        " (SELECT count(*) FROM task_queue q WHERE NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.clave = q.id::text))",
        [(50, 0)],
    ),
    "a parent's cascade in Spanish": (
        ("DELETE FROM customer_service_requests", f"DELETE FROM proveedores WHERE id = {PROVIDER}"),
        "SELECT count(*) FROM provider_professions p WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = p.provider_id)",
        [(0,)],
    ),
    "a key changed in Spanish": (
        (f"UPDATE clientes SET id = '{NEW}5' WHERE id = {ALONE.format('NOT EXISTS')}",),
        f"SELECT count(*) FROM customers WHERE id = '{NEW}5'",
        [(1,)],
    ),
    "a key that others look up changed in legacy": (
        (f"UPDATE customers SET id = '{NEW}6' WHERE id = {ALONE.format('EXISTS')}",),
        f"SELECT count(*) > 0 FROM solicitudes_servicio WHERE cliente_id = '{NEW}6'",
        [(True,)],
    ),
    "a delete that sets references to nothing": (
        (
            f'UPDATE messages SET metadata = \'{{"phone": "+72"}}\' WHERE user_id = {WRITER}',
            f"DELETE FROM customer_service_requests WHERE provider_id = {WRITER}",
            f"DELETE FROM users WHERE id = {WRITER}",
        ),
        "SELECT count(*) > 0 FROM messages m JOIN mensajes e USING (id) WHERE user_id IS NULL AND telefono = '+72'",
        [(True,)],
    ),
    "a Spanish delete that sets references to nothing": (
        (
            "INSERT INTO clientes (telefono, nombre_completo) VALUES ('+73', 'Ana')",
            "INSERT INTO solicitudes_servicio (telefono, profesion_solicitada) VALUES ('+73', 'x')",
            "DELETE FROM clientes WHERE telefono = '+73'",
        ),
        "SELECT cliente_id, s.profesion_solicitada, r.profession FROM solicitudes_servicio s JOIN service_requests r USING (id)"
        " WHERE telefono = '+73'",
        [(None, "x", "x")],
    ),
    "a row that comes, changes and goes in one transaction": (
        (
            f"INSERT INTO clientes (id, telefono, nombre_completo) VALUES ('{NEW}7', '+74', 'Ana')",
            f"UPDATE clientes SET telefono = '+75' WHERE id = '{NEW}7'",
            f"UPDATE customers SET city = 'Loja' WHERE id = '{NEW}7'",
            f"DELETE FROM clientes WHERE id = '{NEW}7'",
            f"INSERT INTO customers (id, phone_number) VALUES ('{NEW}7', '+76')",
        ),
        f"SELECT telefono, ciudad FROM clientes WHERE id = '{NEW}7'",
        [("+76", None)],
    ),
    "savepoints of a Spanish service": (
        (
            "INSERT INTO clientes (telefono, nombre_completo) VALUES ('+77', 'Una')",
            "SAVEPOINT a",
            "UPDATE clientes SET ciudad = 'Nunca'",
            "DELETE FROM mensajes",
            "ROLLBACK TO a",
            "SAVEPOINT b",
            "UPDATE clientes SET ciudad = 'Sí' WHERE telefono = '+77'",
            "RELEASE b",
        ),
        "SELECT city, (SELECT count(*) FROM customers WHERE city = 'Nunca'), (SELECT count(*) > 0 FROM messages) FROM customers"
        " WHERE phone_number = '+77'",
        [("Sí", 0, True)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_on_both_sides(synced: Synced, case: str) -> None:
    statements, asked, expected = CASES[case]
    synced.write(*statements)
    assert synced.database.query(asked) == expected
    synced.settled()


MERGES = {
    "legacy": (
        "MERGE INTO customers c USING (SELECT id, phone_number FROM customers WHERE id IN (SELECT id FROM clientes)"
        f" UNION ALL VALUES ('{NEW}8'::uuid, '+78')) n ON n.id = c.id"
        " WHEN MATCHED AND c.city IS NULL THEN UPDATE SET city = 'Puyo'"
        " WHEN NOT MATCHED THEN INSERT (id, phone_number, city) VALUES (n.id, n.phone_number, 'Puyo')",
        "SELECT count(*), count(*) FILTER (WHERE telefono = '+78') FROM clientes WHERE ciudad = 'Puyo'",
        "SELECT count(*), count(*) FILTER (WHERE phone_number = '+78') FROM customers JOIN clientes USING (id)"
        " WHERE city = 'Puyo'",
    ),
    "espanol": (
        "MERGE INTO tareas_programadas t USING (SELECT id FROM tareas_programadas UNION ALL"
        f" VALUES ('{NEW}9'::uuid)) n ON n.id = t.id WHEN MATCHED AND t.estado = 'completada' THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET prioridad = 9 WHEN NOT MATCHED THEN"
        " INSERT (id, tipo_tarea, payload, programada_at, prioridad) VALUES (n.id, 'feedback', '{}', now(), 9)",
        "SELECT count(*), count(*) FILTER (WHERE prioridad = 9) FROM tareas_programadas"
        " WHERE estado IS DISTINCT FROM 'completada'",
        "SELECT count(*), count(*) FILTER (WHERE priority = 9) FROM task_queue JOIN tareas_programadas USING (id)",
    ),
}


@pytest.mark.parametrize("side", MERGES)
def test_a_merge_is_on_both_sides(synced: Synced, side: str) -> None:
    statement, spanish, legacy = MERGES[side]
    if synced.value("SHOW server_version_num") < "150000":
        return  # MERGE came with 15
    synced.write(statement)
    assert synced.database.query(spanish) == synced.database.query(legacy)
    synced.settled()


CUT = "c0000000-0000-4000-8000-00000000001{}"  # 2 and 3: phones that are the same when cut at 20 characters


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM customers WHERE id = '{CUT.format(2)}'",
        f"UPDATE customers SET phone_number = '+80' WHERE id = '{CUT.format(2)}'",
        f"DELETE FROM clientes WHERE id = '{CUT.format(2)}'",
        f"UPDATE clientes SET telefono = '+80' WHERE id = '{CUT.format(2)}'",
        "TRUNCATE consents, customer_service_requests, clientes CASCADE",
    ],
)
def test_who_waited_for_a_phone_has_it_when_its_holder_gives_it_up(synced: Synced, statement: str) -> None:
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id = '{CUT.format(3)}'") == 0
    synced.write(statement)
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id = '{CUT.format(3)}'") == 1
    synced.settled()


def test_who_waited_for_a_phone_has_it_when_the_drain_frees_it(synced: Synced) -> None:
    synced.jobs.switch("no")
    synced.write(f"DELETE FROM clientes WHERE id = '{CUT.format(2)}'")
    synced.jobs.switch("si")
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id = '{CUT.format(3)}'") == 1
    synced.settled()
