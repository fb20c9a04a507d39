"""Transactions that are open across the move: who holds a lock makes it let go, who comes later goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.contraction import archive, undo
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.waits import Wait
from tests.support.databases import Database

from .conftest import Contracting


@contextmanager
def session(database: Database, isolation: str = "READ COMMITTED", name: str = "servicio") -> Iterator[Any]:
    """A cursor in an open transaction, rolled back at the end unless it ended before."""
    with closing(psycopg2.connect(database.superuser_url, application_name=name)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        yield cursor
        connection.rollback()


def wait_until(database: Database, waiting: str) -> None:
    """Until a session waits for a lock on that table."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
    deadline = threading.Event()
    for _ in range(3000):
        if database.value(query, (waiting,)):
            return
        deadline.wait(0.01)
    raise AssertionError(f"nobody waits for {waiting}")


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (archive, undo):
        monkeypatch.setattr(room, "MOVE", Wait(40, 4))


@pytest.mark.parametrize(
    ("statement", "isolation"),
    [
        ("UPDATE customers SET city = city WHERE false", "READ COMMITTED"),
        pytest.param("DECLARE c CURSOR FOR SELECT FROM messages", "SERIALIZABLE", marks=pytest.mark.slow),
        pytest.param("INSERT INTO profesiones (nombre) VALUES ('abierta')", "REPEATABLE READ", marks=pytest.mark.slow),
    ],
)
def test_who_holds_a_table_makes_the_move_let_go_and_is_named(
    contracting: Contracting, few_tries: None, statement: str, isolation: str
) -> None:
    with session(contracting.database, isolation, "tarea lenta") as cursor:
        cursor.execute(statement)
        pid = cursor.connection.info.backend_pid
        with pytest.raises(MigrationError, match=f"{pid}.*tarea lenta|tarea lenta.*{pid}") as stopped:
            contracting.move()
        assert stopped.value.code == "locked"
    assert contracting.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'legado'") == 0
    contracting.move()


def test_a_prepared_transaction_is_named_by_its_gid(contracting: Contracting, few_tries: None) -> None:
    with closing(psycopg2.connect(contracting.database.superuser_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("BEGIN; UPDATE task_queue SET priority = priority WHERE false; PREPARE TRANSACTION 'olvidada'")
        with pytest.raises(MigrationError, match="olvidada"):
            contracting.move()
        cursor.execute("ROLLBACK PREPARED 'olvidada'")
    contracting.move()


@pytest.mark.parametrize(
    "isolation",
    ["READ COMMITTED", *(pytest.param(name, marks=pytest.mark.slow) for name in ("REPEATABLE READ", "SERIALIZABLE"))],
)
def test_who_has_an_older_snapshot_writes_the_spanish_side_and_not_the_legacy_one(
    contracting: Contracting, isolation: str
) -> None:
    with session(contracting.database, isolation) as before, session(contracting.database, isolation) as late:
        for cursor in (before, late):
            cursor.execute("SELECT count(*) FROM pg_class")
        contracting.move()
        before.execute("UPDATE clientes SET ciudad = 'Loja' WHERE id = (SELECT min(id::text)::uuid FROM clientes)")
        before.connection.commit()
        with pytest.raises(psycopg2.errors.UndefinedTable):
            late.execute("UPDATE customers SET city = 'Loja'")
    assert contracting.value("SELECT count(*) FROM migracion.pendiente") == 0
    contracting.back()
    contracting.settled()


def test_a_spanish_writer_that_waited_behind_the_move_commits_and_leaves_nothing(
    contracting: Contracting, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def write() -> None:
        contracting.write("INSERT INTO clientes (telefono, nombre_completo) VALUES ('+593000003', 'Esperó')")
        done.append("committed")

    writer = threading.Thread(target=write)
    ask_again = archive._ask_again

    def under_locks(*given: Any) -> None:
        writer.start()
        wait_until(contracting.database, "clientes")
        ask_again(*given)

    monkeypatch.setattr(archive, "_ask_again", under_locks)
    contracting.move()
    writer.join(30)
    assert done == ["committed"]
    assert contracting.value("SELECT count(*) FROM migracion.pendiente") == 0
    monkeypatch.undo()
    contracting.back()
    contracting.settled()
    assert contracting.value("SELECT count(*) FROM customers WHERE phone_number = '+593000003'") == 1
