"""Tables that others change while the sync is on, constraints that are checked at COMMIT, plans made on empty tables."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from tests.support.databases import Databases
from tests.support.jobs import Jobs

from .conftest import Synced

pytestmark = pytest.mark.values

CUSTOMER = "(SELECT min(c.id::text)::uuid FROM clientes c)"
PROVIDER = "(SELECT min(proveedor_id::text)::uuid FROM proveedor_profesiones)"
NEW = "00000000-0000-4000-8000-000000000001"

# The column (a table's name alone: the table), and what services write while it has another name.
RENAMED = {
    "customers.city": (
        f"UPDATE customers SET nuevo = 'x' WHERE id = {CUSTOMER}",
        f"UPDATE clientes SET ciudad = 'y' WHERE id = {CUSTOMER}",
    ),
    "customers.phone_number": (
        f"UPDATE customers SET nuevo = '+1' WHERE id = {CUSTOMER}",
        "INSERT INTO customers (nuevo) VALUES ('+2')",
        f"UPDATE clientes SET telefono = '+3' WHERE id = {CUSTOMER}",
    ),
    "customers.id": (
        "UPDATE customers SET city = 'x'",
        "INSERT INTO customers (phone_number) VALUES ('+2')",
        "DELETE FROM customers WHERE phone_number = '+2'",
    ),
    "users.id": ("UPDATE users SET phone_number = '+4' WHERE phone_number = (SELECT min(telefono) FROM proveedores)",),
    "messages.user_id": (
        "UPDATE users SET phone_number = '+5' WHERE id = (SELECT min(nuevo::text)::uuid FROM messages)",
        "UPDATE messages SET content = 'x'",
    ),
    "clientes.ciudad": ("UPDATE customers SET city = 'x'", f"UPDATE clientes SET telefono = '+6' WHERE id = {CUSTOMER}"),
    "task_queue": ("UPDATE nuevo SET priority = 3", "UPDATE tareas_programadas SET prioridad = 4 WHERE estado = 'pendiente'"),
    "tareas_programadas": ("UPDATE task_queue SET priority = 3", "DELETE FROM task_queue WHERE status = 'completed'"),
}


@pytest.mark.parametrize("what", RENAMED)
def test_another_name_keeps_no_service_from_writing_and_is_caught_up_with(synced: Synced, what: str) -> None:
    table, _, column = what.partition(".")
    old, new = (f"COLUMN {column}", "COLUMN nuevo") if column else ("", "")
    there = table if column else "nuevo"
    synced.write(f"ALTER TABLE {table} RENAME {old} TO nuevo")
    synced.write(*RENAMED[what])
    waiting = synced.database.query("SELECT DISTINCT sqlstate FROM migracion.pendiente WHERE sqlstate IS NOT NULL")
    assert waiting
    assert set(waiting) <= {("42703",), ("42P01",)}
    synced.write(f"ALTER TABLE {there} RENAME {new} TO {column or table}")
    synced.jobs.drain()
    synced.settled()


def test_columns_and_indexes_that_others_add_change_nothing(synced: Synced) -> None:
    synced.write(
        "ALTER TABLE users ADD extra integer, ADD otra integer",
        "ALTER TABLE users DROP otra",
        "ALTER TABLE clientes ADD extra integer",
        "CREATE INDEX suyo ON users (extra)",
    )
    synced.write(
        "UPDATE users SET extra = 1, city = 'Puyo' WHERE id IN (SELECT id FROM proveedores)",
        f"UPDATE clientes SET extra = 2, ciudad = 'Tena' WHERE id = {CUSTOMER}",
    )
    assert synced.value("SELECT count(*) FROM proveedores WHERE ciudad <> 'Puyo'") == 0
    assert synced.value(f"SELECT city FROM customers WHERE id = {CUSTOMER}") == "Tena"
    synced.write("ALTER TABLE users DROP extra", "ALTER TABLE clientes DROP extra")
    synced.settled()


def deferred(table: str, name: str, definition: str) -> tuple[str, str]:
    """A constraint made anew, checked at COMMIT."""
    made = f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition} DEFERRABLE INITIALLY DEFERRED"
    return f"ALTER TABLE {table} DROP CONSTRAINT {name}", made


TAKEN = (
    "SELECT min(phone_number) FROM users u WHERE length(phone_number) < 20"
    " AND NOT EXISTS (SELECT FROM proveedores p WHERE p.telefono = u.phone_number)"
)
PHONES = deferred("users", "users_phone_number_key", "UNIQUE (phone_number)")
CONSENTS = deferred("consents", "consents_user_id_fkey", "FOREIGN KEY (user_id) REFERENCES customers")
PARENTS = [
    statement
    for table in ("provider_services", "provider_professions", "messages", "sessions")
    for column in ("user_id" if table in ("messages", "sessions") else "provider_id",)
    for statement in deferred(table, f"{table}_{column}_fkey", f"FOREIGN KEY ({column}) REFERENCES users")
]


@pytest.mark.parametrize(
    ("constraint", "statement", "reason"),
    [
        (
            PHONES,
            f"UPDATE proveedores SET telefono = ({TAKEN}) WHERE id = {PROVIDER}",
            'duplicate key value violates unique constraint "users_phone_number_key"',
        ),
        (
            CONSENTS,
            "DELETE FROM clientes WHERE id = (SELECT min(user_id::text)::uuid FROM consents)",
            'update or delete on table "customers" violates foreign key constraint "consents_user_id_fkey" on table "consents"',
        ),
    ],
    ids=["unique", "foreign key"],
)
def test_what_legacy_would_refuse_at_commit_is_quarantined(
    synced: Synced, constraint: tuple[str, str], statement: str, reason: str
) -> None:
    synced.write(*constraint)
    synced.write(statement)
    assert f"legacy la rechaza: {reason}" in {reason for _, reason in synced.open_entries()}
    synced.settled()


def test_children_may_come_before_their_parent(synced: Synced) -> None:
    synced.write(*PARENTS)
    synced.write(
        "SET CONSTRAINTS ALL DEFERRED",
        f"INSERT INTO provider_services (provider_id, title) VALUES ('{NEW}', 'Pintura')",
        f"INSERT INTO provider_professions (provider_id, profession_id) SELECT '{NEW}', min(id) FROM profesiones",
        f"INSERT INTO messages (user_id, content) VALUES ('{NEW}', 'hola')",
        f"INSERT INTO sessions (user_id, session_id) VALUES ('{NEW}', 'hola')",
        "UPDATE clientes SET ciudad = 'Puyo'",
        f"INSERT INTO users (id, phone_number, name, user_type) VALUES ('{NEW}', '+7', 'Ana', 'provider')",
        "SET CONSTRAINTS ALL IMMEDIATE",
    )
    assert synced.database.query(
        "SELECT (SELECT count(*) FROM mensajes WHERE telefono = '+7'), (SELECT count(*) FROM sesiones WHERE telefono = '+7'),"
        f" (SELECT count(*) FROM servicios_proveedor WHERE proveedor_id = '{NEW}'),"
        f" (SELECT count(*) FROM proveedor_profesiones WHERE proveedor_id = '{NEW}')"
    ) == [(1, 1, 1, 1)]
    assert synced.open_entries() == set()
    synced.settled()


@pytest.mark.parametrize("statements", [("id IN (a, b)",), ("id = a", "id IN (b, c)")], ids=["swap", "rotation"])
def test_phones_are_exchanged_under_a_deferred_constraint(synced: Synced, statements: tuple[str, ...]) -> None:
    synced.write(*PHONES)
    three = [row[0] for row in synced.database.query("SELECT id FROM proveedores ORDER BY id LIMIT 3")]
    phones = dict(synced.database.query("SELECT id, phone_number FROM users"))
    a, b, c = three
    following = {a: b, b: a} if len(statements) == 1 else {a: b, b: c, c: a}
    case = " ".join(f"WHEN '{key}' THEN '{phones[other]}'" for key, other in following.items())
    where = [
        s.replace("(a, b)", f"('{a}', '{b}')").replace("(b, c)", f"('{b}', '{c}')").replace("= a", f"= '{a}'") for s in statements
    ]
    synced.write(*(f"UPDATE users SET phone_number = CASE id::text {case} END WHERE {w}" for w in where))
    after = dict(synced.database.query("SELECT id, telefono FROM proveedores"))
    assert {key: after[key] for key in following} == {key: phones[other] for key, other in following.items()}
    assert synced.open_entries() == set()
    synced.settled()


def test_a_session_from_before_the_copy_reads_by_key_after_it(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a function planned on an empty twin is not kept: it counts whole scans of the Spanish tables, not time."""
    database = databases.sample("jsonb", 200, "open", up_to="fase1")
    jobs = Jobs(database.url, tmp_path_factory.mktemp("respaldos"))
    jobs.synchronise()
    with closing(psycopg2.connect(database.superuser_url)) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO messages (content, metadata) VALUES ('antes', '{\"phone\": \"+1\"}')")
        cursor.execute("UPDATE mensajes SET contenido = 'después' WHERE contenido = 'antes'")
        connection.commit()
        for phase in ("fase2", "fase3"):
            jobs.copy(phase)
            jobs.equalise(phase)
        key = "(SELECT min(id::text)::uuid FROM messages)"
        cursor.execute(f"SELECT {key}")
        found = cursor.fetchone()[0]
        connection.commit()
        for statement in (
            "UPDATE messages SET content = 'una' WHERE id = %s",
            "UPDATE mensajes SET contenido = 'dos' WHERE id = %s",
        ):
            cursor.execute(statement, (found,))
        cursor.execute(
            "SELECT relname, seq_scan FROM pg_stat_xact_user_tables"
            " WHERE seq_scan > 0 AND relname IN ('messages', 'mensajes', 'users')"
        )
        assert cursor.fetchall() == []
        connection.commit()
    Synced(database, jobs).settled()
    databases.drop(database)
