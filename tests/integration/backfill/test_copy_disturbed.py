"""The copy interrupted, beside writers, and beside whoever holds a row: it goes on where it was and loses nothing."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.backfill import giving_way
from plugins.module_utils.backfill.giving_way import run_batch
from plugins.module_utils.backfill.watch import Watch
from plugins.module_utils.call.context import opened
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.waits import Wait
from plugins.module_utils.server import db
from tests.support.boxes import Night
from tests.support.databases import Begin, Database
from tests.support.rows import client, customer, quarantine

pytestmark = pytest.mark.concurrent


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """The jobs of subfase 2.1 alone: professions and customers."""
    return partial(begin, subphase="2.1")


def at_a_batch(database: Database, statement: str) -> None:
    """Let the fifth batch of twenty customers run a statement just before its checkpoint is written."""
    database.query(
        "CREATE FUNCTION public.interrupt() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM {statement}; RETURN NEW; END $$;"
        "CREATE TRIGGER interrupt BEFORE UPDATE ON migracion.progreso_copia FOR EACH ROW"
        " WHEN (NEW.tabla_origen = 'customers' AND NEW.filas_leidas = 100) EXECUTE FUNCTION public.interrupt()"
    )


READ = "SELECT filas_leidas FROM migracion.progreso_copia WHERE tabla_origen = 'customers'"


def test_batches_go_on_at_the_checkpoint_after_a_lost_connection(begin: Begin) -> None:
    database, jobs = begin(batch_rows=20, up_to="fase1")
    undisturbed, others = begin(batch_rows=20, up_to="fase1")
    others.copy()
    at_a_batch(database, "pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg2.OperationalError):
        jobs.copy()
    assert database.value(READ) == 80
    assert database.value("SELECT estado FROM migracion.fase_ejecucion ORDER BY id DESC LIMIT 1") == "fallida"
    database.query("DROP FUNCTION public.interrupt CASCADE")
    jobs.copy()
    assert database.value(READ) == 200
    for table in ("profesiones", "clientes"):
        rows = f"SELECT array_agg(t::text ORDER BY id) FROM {table} t"
        assert database.value(rows) == undisturbed.value(rows)
    assert quarantine(database) == quarantine(undisturbed)


def test_a_stop_request_ends_the_copy_between_two_batches_and_the_same_command_goes_on(begin: Begin) -> None:
    database, jobs = begin(batch_rows=20, up_to="fase1")
    database.query(
        "CREATE FUNCTION public.stop() RETURNS boolean LANGUAGE sql AS"
        " 'UPDATE migracion.arriendo SET parar_solicitado_at = now() RETURNING true'"
    )
    at_a_batch(database, "public.stop()")
    with pytest.raises(MigrationError, match="la misma orden continúa desde aquí") as stopped:
        jobs.copy()
    assert stopped.value.code == "paused"
    assert database.value(READ) == 100
    jobs.copy()
    assert database.value(READ) == 200


@contextmanager
def held(database: Database, statement: str, seconds: float) -> Iterator[None]:
    """A service's transaction that has run a statement and commits only after a while."""
    with closing(psycopg2.connect(database.superuser_url)) as connection:
        connection.cursor().execute(statement)
        timer = threading.Timer(seconds, connection.commit)
        timer.start()
        try:
            yield
        finally:
            timer.join()


@pytest.mark.parametrize("step", ["copy", "equalise"])
def test_a_writer_that_holds_a_row_delays_only_its_batch_and_what_it_commits_is_copied(begin: Begin, step: str) -> None:
    database, jobs = begin(up_to="fase1" if step == "copy" else "2.1")
    if step == "equalise":
        database.query("UPDATE customers SET city = 'Puyo'")
    with held(database, f"UPDATE customers SET city = 'Tena' WHERE id = '{customer(4)}'", seconds=2.5):
        getattr(jobs, step)()
    if step == "copy":
        jobs.equalise()  # its new version may lie behind the end of the copy
    assert client(database, 4, "ciudad") == ("Tena",)
    jobs.equalise()


def test_after_a_clash_batches_grow_back_to_their_full_size(empty_database: Database, tmp_path: Path) -> None:
    night = Night.on(empty_database, tmp_path, 1)
    night.up_to_tables()
    tried: list[int] = []
    with night.run("fase2") as run_id, opened(night.params(run_id, "fase2"), False) as context:

        def work(rows: int) -> None:
            tried.append(rows)
            if len(tried) == 1:
                db.run_sql(context.conn, "DO $$ BEGIN RAISE lock_not_available; END $$")

        wanted, full, outcomes = 300, 300, []
        for _ in range(4):
            used, wanted = run_batch(context.conn, context.routes[0], Watch(run_id), (wanted, full), work)
            outcomes.append((used, wanted))
    assert tried == [300, 75, 150, 300, 300]
    assert outcomes == [(75, 150), (150, 300), (300, 300), (300, 300)]


def test_a_row_held_for_ever_ends_the_copy_with_the_statement_that_ends_the_holder(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, jobs = begin(up_to="fase1")
    monkeypatch.setattr(giving_way, "ROWS", Wait(200, 3))
    with closing(psycopg2.connect(database.superuser_url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM customers FOR UPDATE")
        with pytest.raises(MigrationError, match="se termina con: SELECT pg_terminate_backend"):
            jobs.copy()
    jobs.copy()
    assert database.value("SELECT sum(filas_leidas) FROM migracion.progreso_copia") == 275


@dataclass
class Writer(threading.Thread):
    """A service that writes to legacy and remembers what the server acknowledged."""

    database: Database
    seed: int
    stopped: threading.Event
    known: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    acknowledged: int = 0
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        try:
            with closing(psycopg2.connect(self.database.superuser_url)) as connection:
                connection.cursor().execute("SET ROLE service_role")
                connection.commit()
                rolls = random.Random(self.seed)
                while not self.stopped.is_set():
                    self.write(connection, rolls)
        except BaseException as error:
            self.failure = error

    def write(self, connection: Any, rolls: random.Random) -> None:
        """One transaction; only what it committed counts."""
        cursor, changed = connection.cursor(), dict(self.known)
        for _ in range(rolls.randint(1, 4)):
            action, keys = rolls.choice(["insert", "update", "update", "delete", "swap"]), list(changed)
            if action == "insert" or len(keys) < 3:
                phone = f"5937{self.seed}{rolls.randrange(10**6):07d}"
                cursor.execute("INSERT INTO customers (phone_number) VALUES (%s) ON CONFLICT DO NOTHING RETURNING id", (phone,))
                changed |= {key: (phone, None) for (key,) in cursor.fetchall()}
            elif action == "update":
                key, city = rolls.choice(keys), f"ciudad {rolls.random()}"
                cursor.execute("UPDATE customers SET city = %s WHERE id = %s", (city, key))
                changed[key] = (changed[key][0], city)
            elif action == "delete":
                cursor.execute("DELETE FROM customers WHERE id = %s", (key := rolls.choice(keys),))
                del changed[key]
            else:
                one, two = rolls.sample(keys, 2)
                phones = changed[one][0], changed[two][0]
                cursor.execute("UPDATE customers SET phone_number = 'x' || id WHERE id = %s", (one,))
                cursor.execute("UPDATE customers SET phone_number = %s WHERE id = %s", (phones[0], two))
                cursor.execute("UPDATE customers SET phone_number = %s WHERE id = %s", (phones[1], one))
                changed[one], changed[two] = (phones[1], changed[one][1]), (phones[0], changed[two][1])
        connection.commit()
        self.known, self.acknowledged = changed, self.acknowledged + 1


@pytest.mark.parametrize("installation", ["jsonb", "text"])
def test_writers_beside_the_copy_lose_nothing_and_what_they_wrote_is_equal_afterwards(begin: Begin, installation: str) -> None:
    database, jobs = begin(installation, batch_rows=4, up_to="fase1")
    stopped = threading.Event()
    writers = [Writer(database, seed, stopped) for seed in range(1, 5)]
    for writer in writers:
        writer.start()
    time.sleep(0.3)
    before = sum(writer.acknowledged for writer in writers)
    jobs.copy()
    during = sum(writer.acknowledged for writer in writers) - before
    stopped.set()
    for writer in writers:
        writer.join()
    assert [writer.failure for writer in writers] == [None] * 4
    assert during > 20
    assert jobs.equalise()["accounting"][1]["pendientes"] == 0
    for table, phone, city in (("customers", "phone_number", "city"), ("clientes", "telefono", "ciudad")):
        found = database.query(f"SELECT id::text, {phone}, {city} FROM {table} WHERE {phone} LIKE '5937%%'")
        assert {key: (number, town) for key, number, town in found} == {k: v for w in writers for k, v in w.known.items()}
