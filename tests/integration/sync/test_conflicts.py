"""Errors that services see because of the sync are counted by table, though the statement that saw them is rolled back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.support.databases import Begin, Database
from tests.support.operator import Operator

from .conftest import Synced

CUSTOMER = "(SELECT min(c.id::text)::uuid FROM customers c JOIN clientes USING (id))"
COUNTED = "SELECT sequencename::text, last_value FROM pg_sequences WHERE sequencename ~ '^conflictos_'"


def counted(synced: Synced) -> dict[str, int]:
    """By table, those that have any."""
    return {name.removeprefix("conflictos_"): count for name, count in synced.database.query(COUNTED) if count}


@pytest.mark.parametrize(
    ("held", "statement", "timeout", "expected"),
    [
        ("customers", f"UPDATE clientes SET ciudad = 'x' WHERE id = {CUSTOMER}", "lock_timeout", ("55P03", {"clientes": 1})),
        ("clientes", f"UPDATE customers SET city = 'x' WHERE id = {CUSTOMER}", "lock_timeout", ("55P03", {"customers": 1})),
        ("clientes", f"UPDATE customers SET city = 'x' WHERE id = {CUSTOMER}", "statement_timeout", ("57014", {"customers": 1})),
        ("customers", f"UPDATE customers SET city = 'x' WHERE id = {CUSTOMER}", "lock_timeout", ("55P03", {})),
    ],
    ids=["spanish side", "legacy side", "statement_timeout", "a lock of its own"],
)
def test_an_error_because_of_the_sync_is_counted_and_one_of_the_services_own_is_not(
    synced: Synced, held: str, statement: str, timeout: str, expected: tuple[str, dict[str, int]]
) -> None:
    with synced.database.cursor() as holder, synced.database.cursor() as service:
        holder.execute(f"BEGIN; SELECT FROM {held} WHERE id = {CUSTOMER} FOR UPDATE")
        service.execute(f"SET {timeout} = '500ms'")
        with pytest.raises(psycopg2.Error) as failed:
            service.execute(statement)
        holder.execute("ROLLBACK")
    assert (failed.value.pgcode, counted(synced)) == expected
    synced.settled()


def test_the_side_that_gives_way_is_counted_where_each_waits_for_the_other(synced: Synced) -> None:
    keys = synced.database.query("SELECT c.id::text FROM customers c JOIN clientes USING (id) ORDER BY 1 LIMIT 2")
    (first,), (second,) = keys
    rows = " ".join(f"SELECT FROM customers WHERE id = '{key}' FOR UPDATE;" for key in (first, second))
    with synced.database.cursor() as spanish:
        spanish.execute(f"BEGIN; UPDATE clientes SET ciudad = 'b' WHERE id = '{second}'")
        with beside(synced.database, f"BEGIN; {rows} COMMIT", spanish), pytest.raises(psycopg2.errors.SerializationFailure):
            spanish.execute(f"UPDATE clientes SET ciudad = 'a' WHERE id = '{first}'")
    assert counted(synced) == {"clientes": 1}
    synced.settled()


@contextmanager
def beside(database: Database, statements: str, holder: Any) -> Iterator[None]:
    """The statements run in another session; inside the block they wait for the holder, whose session ends behind it."""
    with closing(psycopg2.connect(database.superuser_url)) as session, ThreadPoolExecutor(1) as pool:
        session.autocommit = True
        running = pool.submit(session.cursor().execute, statements)
        while holder.connection.info.backend_pid not in database.value(
            "SELECT pg_blocking_pids(%s)", (session.info.backend_pid,)
        ):
            assert not running.done()
            time.sleep(0.01)
        try:
            yield
        finally:
            holder.execute("ROLLBACK")
            running.result(60)


def test_without_its_sequence_the_service_sees_the_same_error(synced: Synced) -> None:
    synced.write("DROP SEQUENCE migracion.conflictos_clientes")
    with synced.database.cursor() as holder, synced.database.cursor() as service:
        holder.execute(f"BEGIN; SELECT FROM customers WHERE id = {CUSTOMER} FOR UPDATE")
        service.execute("SET lock_timeout = '500ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            service.execute(f"UPDATE clientes SET ciudad = 'x' WHERE id = {CUSTOMER}")
        holder.execute("ROLLBACK")
    synced.settled()


def test_the_state_tells_them_and_the_way_back_forgets_them(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    operator.goes("ansible-playbook fase2.yml -i demo")
    assert "Conflictos" not in operator.goes("ansible-playbook estado.yml -i demo").text
    with database.cursor() as holder, database.cursor() as service:
        holder.execute("BEGIN; LOCK TABLE customers IN ROW EXCLUSIVE MODE; SELECT FROM customers FOR UPDATE")
        service.execute("SET lock_timeout = '500ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            service.execute("UPDATE clientes SET ciudad = 'x'")
        holder.execute("ROLLBACK")
    said = operator.goes("ansible-playbook estado.yml -i demo").text
    assert "Conflictos que vio un servicio por la sincronización" in said
    assert "clientes (español): 1" in said
    operator.goes("ansible-playbook fase2.yml -i demo --tags rollback")
    assert database.query(COUNTED) == []
