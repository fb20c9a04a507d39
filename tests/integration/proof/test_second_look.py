"""The second look of a proof: under which locks, and what it finds that the snapshot could not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.backfill.watch import Watch
from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.core.proof.accounts import Account
from plugins.module_utils.core.proof.comparison import DIFFERENT
from plugins.module_utils.proof import prove
from plugins.module_utils.proof.repair import Mender
from tests.support.databases import Begin, Database, Made
from tests.support.rows import client, customer

pytestmark = pytest.mark.concurrent

SERVICE = "SELECT id::text FROM servicios_proveedor ORDER BY id LIMIT 1"
OWNER = "SELECT proveedor_id::text FROM servicios_proveedor ORDER BY id LIMIT 1"
MESSAGE = "SELECT m.id::text FROM messages m JOIN mensajes USING (id) WHERE user_id IS NOT NULL ORDER BY id LIMIT 1"
SENDER = "SELECT user_id::text FROM messages m JOIN mensajes USING (id) WHERE user_id IS NOT NULL ORDER BY id LIMIT 1"
# What is locked by somebody else: the phase, what makes a candidate, the row that is held, the lock that has to wait for it.
HELD = {
    "the legacy row": (
        "fase2",
        f"UPDATE servicios_proveedor SET titulo = 'otro' WHERE id::text IN ({SERVICE})",
        f"SELECT FROM provider_services WHERE id::text IN ({SERVICE}) FOR UPDATE",
        "FOR SHARE OF l",
    ),
    "its parent": (
        "fase2",
        f"UPDATE servicios_proveedor SET titulo = 'otro' WHERE id::text IN ({SERVICE})",
        f"SELECT FROM users WHERE id::text IN ({OWNER}) FOR UPDATE",
        "FOR SHARE OF p",
    ),
    "the row that is looked up": (
        "fase3",
        f"UPDATE mensajes SET contenido = 'otro' WHERE id::text IN ({MESSAGE})",
        f"SELECT FROM users WHERE id::text IN ({SENDER}) FOR UPDATE",
        "OF p",
    ),
    "the Spanish row": (
        "fase2",
        f"UPDATE servicios_proveedor SET titulo = 'otro' WHERE id::text IN ({SERVICE})",
        f"SELECT FROM servicios_proveedor WHERE id::text IN ({SERVICE}) FOR UPDATE",
        "FOR SHARE OF t",
    ),
    "a surplus Spanish row": (
        "fase2",
        "INSERT INTO profesiones (id, nombre) VALUES (500, 'de nadie')",
        "SELECT FROM profesiones WHERE id = 500 FOR UPDATE",
        "FOR SHARE OF t",
    ),
    "a merge that is none": (
        "fase2",
        "INSERT INTO migracion.fusion (tabla_origen, clave, tabla_destino, clave_destino, motivo)"
        " VALUES ('users', 'nadie', 'clientes', 'nadie', 'x')",
        "SELECT FROM migracion.fusion WHERE clave = 'nadie' FOR UPDATE",
        "FOR SHARE OF m",
    ),
}


@pytest.fixture
def made(begin: Begin) -> Made:
    """A database whose nine tables are proved equal."""
    return begin(up_to="fase3")


def waiting_for(database: Database, holder: int, running: Future[Any]) -> str:
    """The statement of whoever waits for that session; '' where the other ends without having waited."""
    query = "SELECT query FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid)) LIMIT 1"
    deadline = time.monotonic() + 60
    with closing(psycopg2.connect(database.superuser_url)) as looking:
        looking.autocommit = True
        with looking.cursor() as cursor:
            while not running.done():
                assert time.monotonic() < deadline
                cursor.execute(query, (holder,))
                if found := cursor.fetchone():
                    return str(found[0])
    return ""


@pytest.mark.parametrize("what", HELD)
def test_it_waits_for_whoever_writes(made: Made, what: str) -> None:
    database, jobs = made
    phase, spoil, hold, lock = HELD[what]
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(spoil)
    with closing(psycopg2.connect(database.superuser_url)) as holder, ThreadPoolExecutor(1) as pool:
        with holder.cursor() as cursor:
            cursor.execute(hold)
            assert cursor.rowcount == 1
        proving = pool.submit(jobs.differences, phase)
        waited = waiting_for(database, holder.info.backend_pid, proving)
        holder.rollback()
        assert lock in waited, waited or "it did not wait"
        assert len(proving.result()) == 1


# --- what comes back between the two looks


@contextmanager
def looked_twice(made: Made, between: Callable[[Database], None]) -> Iterator[tuple[Context, list[Account]]]:
    """A snapshot, what happens then, and the second look."""
    database, jobs = made
    with opened(jobs.params("prueba", "fase2"), True) as context:
        routes = context.all_routes
        with prove.snapshot(context.conn, routes, routes, prove.Looker()) as accounts:
            between(database)
            prove.look_again(context.conn, accounts, routes, prove.Looker())
        yield context, accounts


def gone(database: Database, n: int = 5) -> None:
    database.query("DELETE FROM customers WHERE id = %s", (customer(n),))


def back_as(city: str) -> Callable[[Database], None]:
    """The customer written again."""

    def write(database: Database) -> None:
        database.query(
            "INSERT INTO customers (id, phone_number, full_name, city, created_at)"
            " SELECT id, telefono, nombre_completo, %s, creado_at AT TIME ZONE 'UTC' FROM clientes WHERE id = %s",
            (city, customer(5)),
        )

    return write


def test_a_legacy_row_that_came_back_is_compared_with_its_spanish_row(made: Made) -> None:
    gone(made[0])
    with looked_twice(made, back_as("Otra ciudad")) as (_, accounts):
        [found] = [a for a in accounts if not a.clean]
    assert (found.surplus, found.count(DIFFERENT)) == (0, 1)
    [example] = found.examples
    assert (example["estado"], example["clave"]) == (DIFFERENT, customer(5))
    assert "ciudad" in [name for name, *_ in example["columnas"]]


def test_one_that_another_pair_gives_now_is_compared_too(made: Made) -> None:
    """A user of the same key takes the customer's place."""

    def as_a_user(database: Database) -> None:
        database.query(
            "INSERT INTO users (id, phone_number, name, user_type, city)"
            " SELECT id, telefono, 'Otro nombre', 'client', ciudad FROM clientes WHERE id = %s",
            (customer(5),),
        )

    gone(made[0])
    with looked_twice(made, as_a_user) as (_, accounts):
        [found] = [a for a in accounts if not a.clean]
    assert (found.route.pair.source, found.surplus, found.count(DIFFERENT)) == ("users", 0, 1)
    assert "nombre_completo" in [name for name, *_ in found.examples[0]["columnas"]]


def test_one_that_came_back_as_it_was_is_counted_with_the_others(made: Made) -> None:
    database, jobs = made
    columns = "id, phone_number, full_name, city, city_confirmed_at, notes, has_consent, created_at, updated_at"
    database.query(f"CREATE TABLE migracion.antes AS SELECT {columns} FROM customers WHERE id = %s", (customer(5),))
    total = {a["origen"]: a["total"] for a in jobs.prove()["accounting"]}
    gone(database)
    with looked_twice(made, lambda d: d.query(f"INSERT INTO customers ({columns}) TABLE migracion.antes") and None) as (_, found):
        assert [a.route.pair.source for a in found if not a.clean] == []
    assert {a.route.pair.source: a.legacy_rows for a in found}["customers"] == total["customers"]


def test_a_repair_carries_it(made: Made) -> None:
    database, jobs = made
    gone(database)
    with jobs.run("fase2") as run_id, opened(jobs.params(run_id, "fase2"), False) as context:
        routes = context.all_routes
        mending = Mender(Watch(run_id), jobs.url, 500)
        with prove.snapshot(context.conn, routes, routes, mending) as accounts:
            back_as("Otra ciudad")(database)
            prove.look_again(context.conn, accounts, routes, mending)
    assert [a.route.pair.source for a in accounts if not a.clean] == []
    assert client(database, 5, "ciudad") == ("Otra ciudad",)


# --- merges that are none any more


@pytest.mark.parametrize("instead", [False, True], ids=["one too many", "in the place of another"])
def test_a_recorded_merge_that_is_none_is_counted_and_forgotten(made: Made, instead: bool) -> None:
    database, jobs = made
    merges = "SELECT clave, clave_destino FROM migracion.fusion WHERE (tabla_origen, tabla_destino) = ('users', 'clientes')"
    before = sorted(database.query(merges))
    if instead:  # as many as before: the number alone says nothing
        database.query("DELETE FROM migracion.fusion WHERE clave = %s AND tabla_destino = 'clientes'", (before[0][0],))
    database.query(
        "INSERT INTO migracion.fusion (tabla_origen, clave, tabla_destino, clave_destino, motivo)"
        " VALUES ('users', 'nadie', 'clientes', %s, 'x')",
        (customer(5),),
    )
    assert "users: 1 fusiones en clientes constan y ya no lo son" in jobs.differences()
    jobs.equalise()
    assert sorted(database.query(merges)) == before
    jobs.prove()
