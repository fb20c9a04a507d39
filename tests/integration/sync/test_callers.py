"""Whoever writes: the API's roles under row security and its timeouts, sign-ups, prepared transactions, old snapshots."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.support.databases import Database, Databases
from tests.support.jobs import Jobs

from .conftest import Synced

pytestmark = pytest.mark.values

CUSTOMER = "(SELECT min(c.id::text)::uuid FROM public.customers c JOIN public.clientes USING (id))"
API = ("SET statement_timeout = '8s'", "SET lock_timeout = '500ms'")
PAIR = f"SELECT city, ciudad FROM customers JOIN clientes USING (id) WHERE id = {CUSTOMER}"


@contextmanager
def session(database: Database, *settings: str) -> Iterator[Any]:
    """A connection of a service's, each statement its own transaction."""
    with closing(psycopg2.connect(database.superuser_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for setting in settings:
            cursor.execute(setting)
        yield cursor


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("''", f"UPDATE public.customers SET city = 'rol' WHERE id = {CUSTOMER}"),
        ("auth", "INSERT INTO public.messages (content, metadata) VALUES ('rol', '{\"phone\": \"+1\"}')"),
        ("''", "UPDATE public.mensajes SET contenido = 'rol'"),
        (
            "pg_temp, auth",
            "INSERT INTO public.sesiones (telefono, id_sesion) SELECT min(telefono), 'rol' FROM public.proveedores",
        ),
        ("extensions", "DELETE FROM public.task_queue"),
    ],
)
def test_the_services_key_writes_under_any_search_path(synced: Synced, path: str, statement: str) -> None:
    with session(synced.database, "SET ROLE service_role", *API, f"SET search_path = {path}") as cursor:
        cursor.execute(statement)
        assert cursor.rowcount > 0
    assert synced.open_entries() == set()
    synced.settled()


def test_somebody_signed_in_writes_his_own_row_of_either_table(synced: Synced) -> None:
    key = synced.value("SELECT min(id::text)::uuid FROM customers WHERE phone_number LIKE '593%' AND city IS NOT NULL")
    claims = f'SET request.jwt.claims = \'{{"sub": "{key}"}}\''
    with session(synced.database, "SET ROLE authenticated", *API, claims) as cursor:
        cursor.execute("UPDATE customers SET city = 'Aquí'")
        assert cursor.rowcount == 1
        cursor.execute("UPDATE clientes SET nombre_completo = 'Yo'")
        assert cursor.rowcount == 1
    both = "SELECT full_name, nombre_completo, city, ciudad FROM customers JOIN clientes USING (id)"
    assert synced.database.query(f"{both} WHERE id = '{key}'") == [("Yo", "Yo", "Aquí", "Aquí")]
    synced.settled()


def test_a_sign_up_with_auths_search_path_makes_a_client(synced: Synced) -> None:
    with session(synced.database, "SET ROLE supabase_auth_admin", "SET search_path = auth") as cursor:
        cursor.execute(
            "INSERT INTO auth.users (id, phone, email, raw_user_meta_data)"
            " VALUES (gen_random_uuid(), '+5939', 'a@b.ec', '{\"name\": \"Alta\"}')"
        )
    assert synced.value("SELECT nombre_completo FROM clientes WHERE telefono = '+5939'") == "Alta"
    synced.settled()


@pytest.mark.parametrize(
    ("held", "statement", "state"),
    [
        (f"SELECT 1 FROM clientes WHERE id = {CUSTOMER} FOR UPDATE", "UPDATE customers SET city = 'x'", "55P03"),
        (f"SELECT 1 FROM customers WHERE id = {CUSTOMER} FOR UPDATE", "UPDATE clientes SET ciudad = 'x'", "55P03"),
    ],
    ids=["twin", "legacy row"],
)
def test_a_lock_that_somebody_holds_is_the_services_to_see(synced: Synced, held: str, statement: str, state: str) -> None:
    with synced.database.cursor() as holder:
        holder.execute(held)
        with session(synced.database, "SET ROLE service_role", *API) as cursor, pytest.raises(psycopg2.Error) as failed:
            cursor.execute(f"{statement} WHERE id = {CUSTOMER}")
    assert failed.value.pgcode == state
    assert synced.open_entries() == set()
    synced.settled()


def test_a_prepared_transaction_holds_its_rows_until_it_is_committed(synced: Synced) -> None:
    with session(synced.database, "SET lock_timeout = '200ms'") as cursor:
        for statement in (
            "BEGIN",
            f"UPDATE customers SET city = 'dos fases' WHERE id = {CUSTOMER}",
            "INSERT INTO clientes (telefono, nombre_completo) VALUES ('+53', 'dos fases')",
            "PREPARE TRANSACTION 'dos_fases'",
        ):
            cursor.execute(statement)
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            cursor.execute(f"UPDATE clientes SET ciudad = 'x' WHERE id = {CUSTOMER}")
        cursor.execute("COMMIT PREPARED 'dos_fases'")
    assert synced.database.query(PAIR) == [("dos fases", "dos fases")]
    assert synced.value("SELECT full_name FROM customers WHERE phone_number = '+53'") == "dos fases"
    synced.settled()


def test_a_prepared_transaction_that_is_rolled_back_never_was(synced: Synced) -> None:
    with session(synced.database) as cursor:
        for statement in ("BEGIN", "UPDATE customers SET city = 'no'", "UPDATE mensajes SET contenido = 'no'"):
            cursor.execute(statement)
        cursor.execute("PREPARE TRANSACTION 'nada'")
        cursor.execute("ROLLBACK PREPARED 'nada'")
    assert synced.value("SELECT count(*) FROM clientes WHERE ciudad = 'no'") == 0
    synced.settled()


@pytest.fixture
def copied(databases: Databases, tmp_path: Path) -> Iterator[tuple[Database, Jobs]]:
    """Rows of both phases on both sides, without any sync."""
    database = databases.sample("jsonb", 200, "open", up_to="fase3")
    yield database, Jobs(database.url, tmp_path / "respaldos")
    databases.drop(database)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE customers SET city = 'antes' WHERE id = {CUSTOMER}",
        f"UPDATE clientes SET ciudad = 'antes' WHERE id = {CUSTOMER}",
        "UPDATE users SET phone_number = '+54' WHERE id = (SELECT min(user_id::text)::uuid FROM messages)",
    ],
)
def test_a_snapshot_from_before_the_sync_leaves_its_keys(copied: tuple[Database, Jobs], level: str, statement: str) -> None:
    database, jobs = copied
    with session(database, f"BEGIN ISOLATION LEVEL {level}", "SELECT count(*) FROM professions") as cursor:
        jobs.synchronise()
        cursor.execute(statement)
        cursor.execute("COMMIT")
    synced = Synced(database, jobs)
    assert {r[0] for r in database.query("SELECT motivo FROM migracion.pendiente")} == {"aislamiento"}
    jobs.drain()
    synced.settled()


def test_a_writer_under_way_holds_the_installation_up_and_is_carried(copied: tuple[Database, Jobs]) -> None:
    database, jobs = copied
    with session(database, "BEGIN", f"UPDATE customers SET city = 'abierta' WHERE id = {CUSTOMER}") as cursor:
        installing = threading.Thread(target=jobs.synchronise)
        installing.start()
        while not database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%CREATE TRIGGER%' AND wait_event_type = 'Lock'"
        ):
            assert installing.is_alive()
        cursor.execute(f"UPDATE customers SET full_name = 'Después' WHERE id = {CUSTOMER}")
        cursor.execute("COMMIT")
        installing.join(60)
    assert not installing.is_alive()
    for phase in ("fase2", "fase3"):
        jobs.equalise(phase)
    assert database.query(PAIR) == [("abierta", "abierta")]
    with session(database, "BEGIN", f"UPDATE clientes SET ciudad = 'segunda' WHERE id = {CUSTOMER}") as cursor:
        cursor.execute("COMMIT")
    Synced(database, jobs).settled()
