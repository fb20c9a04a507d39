"""The copy at size: its transactions stay within rows and bytes, it ends, and it finds its way after a rewrite."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import psycopg2
import pytest

from plugins.module_utils.backfill import batches, slices, workers
from plugins.module_utils.backfill.batches import Batch
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.proof import repair
from tests.support.boxes import Night, at_each_batch, beside, others
from tests.support.databases import Database

pytestmark = pytest.mark.concurrent

BOUND = 2**20
# Rows by their transaction: how many, and the bytes of what they hold; of a compressed jsonb only a guess can be had.
TRANSACTIONS = """
SELECT count(*), sum(coalesce(octet_length(contenido), 0) + 8 * coalesce(pg_column_size(datos), 0))
FROM cajas GROUP BY xmin::text ORDER BY min(id)
"""
NOISE = "(SELECT string_agg(md5(n || '-' || i), '') FROM generate_series(1, %s) i)"


@pytest.fixture
def small_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_BYTES", BOUND)
    monkeypatch.setattr(repair, "BATCH_BYTES", BOUND)
    monkeypatch.setattr(batches, "BATCH_SECONDS", 60.0)  # on a busy machine a batch is halved for its time too


def equal(database: Database) -> bool:
    """Whether every box is there, as it is."""
    same = (
        "SELECT count(*) FROM boxes b FULL JOIN cajas c ON c.id = b.id WHERE (b.id, b.label, b.weight, b.content, b.data::text)"
        " IS DISTINCT FROM (c.id, c.rotulo, c.peso, c.contenido, c.datos::text)"
    )
    return database.value(same) == 0


# --- rows and bytes


@pytest.mark.usefixtures("small_bound")
def test_rows_of_any_size_go_in_transactions_of_the_declared_bytes(empty_database: Database, tmp_path: Path) -> None:
    """Small rows first: the batch that comes to the large ones is as bounded as the others. A larger row goes alone."""
    database, night = empty_database, Night.on(empty_database, tmp_path, 1500)
    wide = "INSERT INTO boxes (id, content, data) SELECT n, {}, {} FROM generate_series({}, {}) n"
    database.query(wide.format(NOISE % 6400, "NULL", 2001, 2020))  # 200 kB that do not compress
    database.query(wide.format("repeat('largo ', 50000)", "NULL", 2021, 2040))  # 300 kB that do
    database.query(wide.format("'x'", "to_jsonb(repeat('ancho ', 40000))", 2041, 2060))
    database.query(wide.format(NOISE % 64000, "NULL", 2061, 2062))  # 2 MB
    database.query("CLUSTER boxes USING boxes_pkey")  # which page takes a row is the server's affair
    night.up_to_tables()
    night.batch_rows = 1000
    night.night()
    transactions = database.query(TRANSACTIONS)
    assert equal(database)
    assert transactions[0][0] == 1000
    assert [rows for rows, size in transactions if size > BOUND] == [1, 1]
    assert len(transactions) < 40


@pytest.mark.usefixtures("small_bound")
def test_a_batchs_wal_stays_at_its_bytes(empty_database: Database, tmp_path: Path) -> None:
    database, night = empty_database, Night.on(empty_database, tmp_path, 0)
    database.query(f"INSERT INTO boxes (id, content) SELECT n, {NOISE % 3200} FROM generate_series(1, 80) n")
    night.up_to_tables()
    database.query("CREATE TABLE public.wal (at pg_lsn)")
    at_each_batch(database, "INSERT INTO public.wal VALUES (pg_current_wal_insert_lsn());")
    database.query("CHECKPOINT")
    night.night()
    bursts = "SELECT at - lag(at) OVER (ORDER BY at) FROM public.wal OFFSET 1"
    sizes = [int(size) for (size,) in database.query(bursts)]
    assert len(sizes) >= 7
    assert max(sizes) < 2 * BOUND


@pytest.mark.usefixtures("small_bound")
@pytest.mark.parametrize("damage", ["TRUNCATE cajas", "TRUNCATE boxes"], ids=["missing", "surplus"])
def test_a_repair_is_bounded_as_the_copy_is(empty_database: Database, tmp_path: Path, damage: str) -> None:
    database, night = empty_database, Night.on(empty_database, tmp_path, 0)
    database.query(f"INSERT INTO boxes (id, content) SELECT n, {NOISE % 3200} FROM generate_series(1, 60) n")
    night.up_to_tables()
    night.night()
    database.query(damage)
    night.equalise()
    table = "cajas" if damage == "TRUNCATE cajas" else "migracion.apartada"
    sizes = database.query(f"SELECT sum(length(t::text)) FROM {table} t GROUP BY xmin::text")
    assert len(sizes) >= 6
    assert max(size for (size,) in sizes) <= BOUND


def test_a_batch_that_lasts_too_long_is_followed_by_smaller_ones(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_SECONDS", 0.1)
    night = Night.on(empty_database, tmp_path, 600, batch_rows=300)
    night.up_to_tables()
    at_each_batch(empty_database, "PERFORM pg_sleep(0.001 * (NEW.filas_leidas - OLD.filas_leidas));")
    night.night()
    rows = [count for count, _ in empty_database.query(TRANSACTIONS)]
    assert rows[0] == 300
    assert max(rows[2:-1]) <= 200  # twice the hundred rows that fit in the time: growth is tried by doubling


# --- its end, and how long it says that it takes


def inserting(database: Database, statement: str, pause: float) -> Callable[[Event], None]:
    """A service that inserts all the time."""

    def work(stopped: Event) -> None:
        with closing(psycopg2.connect(database.superuser_url)) as connection:
            connection.autocommit = True
            number = 10**6
            while not stopped.is_set():
                number += 1
                connection.cursor().execute(statement, (number,))
                time.sleep(pause)

    return work


def test_rows_that_come_after_the_start_neither_prolong_the_copy_nor_are_lost(empty_database: Database, tmp_path: Path) -> None:
    """They arrive faster than batches copy them: one row a batch, and a pause in each."""
    database, night = empty_database, Night.on(empty_database, tmp_path, 10, batch_rows=1)
    night.up_to_tables()
    at_each_batch(database, "PERFORM pg_sleep(0.02);")
    with beside(inserting(database, "INSERT INTO boxes (id) VALUES (%s)", 0.002)):
        while database.value("SELECT count(*) FROM boxes") < 20:
            time.sleep(0.01)
        late = database.value("SELECT max(id) FROM boxes")
        night.night()
        read, end = database.query("SELECT filas_leidas, (fin->>'hasta')::tid FROM migracion.progreso_copia")[0]
        assert database.value("SELECT max(id) FROM boxes") > late + 2 * read
    assert database.value("SELECT max(id) FROM boxes WHERE ctid <= %s::tid", (end,)) < late + 200
    assert (
        read
        == database.value("SELECT count(*) FROM cajas")
        == database.value("SELECT count(*) FROM boxes WHERE ctid <= %s::tid", (end,))
    )
    night.equalise()
    assert equal(database)


@dataclass
class Clock:
    """Stands in for the module time where the copy's time is taken: a row lasts 10 ms, more or less, on any machine."""

    now: float = 0.0
    rolls: random.Random = field(default_factory=lambda: random.Random(7))
    sleep: Callable[[float], None] = time.sleep

    def monotonic(self) -> float:
        return self.now

    def pass_by(self, rows: int) -> float:
        """The seconds that a batch of so many rows lasts; they have passed."""
        lasted = rows * self.rolls.uniform(0.006, 0.014)
        self.now += lasted
        return lasted


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that the copy measures, in slices of four seconds."""
    clock, copy = Clock(), Batch.copy

    def timed(batch: Batch, rows: int) -> None:
        copy(batch, rows)
        batch.seconds = clock.pass_by(batch.read)

    monkeypatch.setattr(Batch, "copy", timed)
    for module in (batches, slices, workers):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(slices, "SLICE_SECONDS", 4.0)
    return clock


@pytest.mark.usefixtures("clock")
def test_with_random_keys_the_copy_ends_too_and_its_time_left_does_not_grow(empty_database: Database, tmp_path: Path) -> None:
    database, night = empty_database, Night.on(empty_database, tmp_path, 3000, "uuid", batch_rows=50)
    night.up_to_tables()
    at_each_batch(database, "PERFORM pg_sleep(0.03);")
    with beside(inserting(database, "INSERT INTO boxes (id) VALUES (md5(%s::text)::uuid)", 0.005)):
        said = night.night()
    left = [seconds(line) for line in said if "faltan" in line]
    assert len(left) > 5
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(left))
    night.equalise()
    assert equal(database)


def seconds(line: str) -> int:
    """What a live line says is left."""
    found = re.search(r"faltan (?:(\d+) min )?(\d+) s", line)
    assert found is not None, line
    return 60 * int(found[1] or 0) + int(found[2])


def test_the_time_left_is_right_by_a_quarter_once_a_tenth_is_done(empty_database: Database, tmp_path: Path, clock: Clock) -> None:
    night = Night.on(empty_database, tmp_path, 6000, batch_rows=150)
    night.up_to_tables()
    moments: list[float] = []
    said = night.night(lambda: moments.append(clock.now))
    lines = [line for line in said if "faltan" in line]
    judged = [(seconds(line), clock.now - moment) for line, moment in zip(lines, moments, strict=True) if int(share(line)) >= 10]
    assert len(judged) >= 10
    assert not [(told, real) for told, real in judged if abs(told - real) > max(1.5, real / 4)]  # told in whole seconds


def share(line: str) -> str:
    found = re.search(r"\((\d+) %\)", line)
    assert found is not None
    return found[1]


# --- page after page, and by key where pages mean nothing


def test_rows_are_read_page_after_page(empty_database: Database, tmp_path: Path) -> None:
    """In the order of random ids each batch would touch every page."""
    database, night = empty_database, Night.on(empty_database, tmp_path, 2000, "uuid", batch_rows=100)
    night.up_to_tables()
    night.night()
    pages = (
        "SELECT min((b.ctid::text::point)[0]), max((b.ctid::text::point)[0]) FROM boxes b JOIN cajas c ON c.id = b.id"
        " GROUP BY c.xmin::text ORDER BY 1"
    )
    batches = database.query(pages)
    assert len(batches) >= 20
    assert all(last <= first for (_, last), (first, _) in itertools.pairwise(batches))
    assert equal(database)


def test_rows_of_heirs_are_copied_too(empty_database: Database, tmp_path: Path) -> None:
    """A place is only one row's own within one file."""
    database, night = empty_database, Night.on(empty_database, tmp_path, 300, "uuid", batch_rows=40)
    with database.cursor(database.url) as cursor:
        cursor.execute("CREATE TABLE boxes_old (PRIMARY KEY (id)) INHERITS (boxes)")
    database.query("INSERT INTO boxes_old (id, weight) SELECT md5('viejo ' || n)::uuid, n FROM generate_series(1, 500) n")
    night.up_to_tables()
    night.night()
    assert database.value("SELECT count(*) FROM cajas") == 800
    assert equal(database)


@pytest.mark.parametrize("rewrite", ["VACUUM FULL boxes", "CLUSTER boxes USING boxes_pkey"])
def test_a_source_that_is_rewritten_between_two_batches_is_copied_exactly(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rewrite: str
) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    database, night = empty_database, Night.on(empty_database, tmp_path, 300, "uuid", batch_rows=60)
    database.query("DELETE FROM boxes WHERE weight % 7 = 0")
    night.up_to_tables()

    def between() -> None:
        with closing(psycopg2.connect(database.superuser_url)) as connection:
            connection.autocommit = True
            connection.cursor().execute("UPDATE boxes SET weight = -weight WHERE weight % 5 = 0")
            connection.cursor().execute(rewrite)

    night.night(between)
    assert database.value("SELECT filas_leidas FROM migracion.progreso_copia") == 258  # told as if the copy began there
    night.equalise()
    assert equal(database)


PARTITIONED = {
    "hash": ("id", "PARTITION BY HASH (id)", "FOR VALUES WITH (MODULUS 3, REMAINDER {n})"),
    "time": ("id, seen_at", "PARTITION BY RANGE (seen_at)", "FOR VALUES FROM ('202{n}-01-01') TO ('202{m}-01-01')"),
}


@pytest.mark.parametrize("how", PARTITIONED)
def test_a_partitioned_source_is_copied_exactly_beside_writers_that_move_rows(
    empty_database: Database, tmp_path: Path, how: str
) -> None:
    key, by, values = PARTITIONED[how]
    database, night = empty_database, Night.on(empty_database, tmp_path, 0, "uuid", key, by, batch_rows=20)
    with database.cursor(database.url) as cursor:
        for n in range(3):
            cursor.execute(f"CREATE TABLE boxes_{n} PARTITION OF boxes " + values.format(n=n, m=n + 1))
    database.query(
        "INSERT INTO boxes (id, weight, seen_at) SELECT md5(n::text)::uuid, n, '2020-01-01'::timestamptz + n * interval '1 day'"
        " FROM generate_series(1, 900) n"
    )
    night.up_to_tables()

    def moving(stopped: Event) -> None:
        rolls = random.Random(1)
        with closing(psycopg2.connect(database.superuser_url)) as connection:
            connection.autocommit = True
            while not stopped.is_set():
                change = "UPDATE boxes SET seen_at = '2020-01-01'::timestamptz + %s * interval '1 day' WHERE weight = %s"
                connection.cursor().execute(change, (rolls.randrange(900), rolls.randrange(900)))

    with beside(moving):
        night.night()
    [account] = night.equalise()["accounting"]
    assert (account["total"], account["iguales"], account["pendientes"]) == (900, 900, 0)
    assert (
        database.value("SELECT count(*) FROM boxes b JOIN cajas c ON c.id = b.id AND c.visto_at = b.seen_at AT TIME ZONE 'UTC'")
        == 900
    )


# --- the role's timeouts


def test_timeouts_of_role_and_database_end_neither_batch_nor_index_nor_proof(empty_database: Database, tmp_path: Path) -> None:
    database, night = empty_database, Night.on(empty_database, tmp_path, 200, more={"deferred_index_rows": 0})
    night.up_to_tables()
    newer = database.value("SELECT current_setting('server_version_num')::int >= 170000")
    for name in ("statement_timeout", "idle_in_transaction_session_timeout", *(["transaction_timeout"] if newer else [])):
        database.query(f"ALTER ROLE {database.role} IN DATABASE {database.name} SET {name} = '150ms'")
    database.query(f"ALTER DATABASE {database.name} SET statement_timeout = '100ms'")
    at_each_batch(database, "PERFORM pg_sleep(0.4);")

    def end_soon(_: Event) -> None:
        time.sleep(1.0)
        old.commit()

    with others(database, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM boxes") as old, beside(end_soon):
        night.night()
    night.equalise()
    assert equal(database)


def test_a_stop_says_how_far_it_came(empty_database: Database, tmp_path: Path) -> None:
    night = Night.on(empty_database, tmp_path, 100, batch_rows=10)
    night.up_to_tables()
    at_each_batch(
        empty_database, "IF NEW.filas_leidas = 30 THEN UPDATE migracion.arriendo SET parar_solicitado_at = now(); END IF;"
    )
    with pytest.raises(MigrationError, match="Parada pedida") as stopped:
        night.night()
    assert stopped.value.code == "paused"
    assert any("boxes → cajas: 30 de 100 filas (30 %)" in line for line in stopped.value.details["lines"])
