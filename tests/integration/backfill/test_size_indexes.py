"""Secondary indexes of a large table: away during its load, owed meanwhile, there afterwards whatever interrupted it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import psycopg2
import pytest

from plugins.module_utils.backfill import deferred_indexes, slices
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.waits import Wait
from plugins.module_utils.server import attended, lookout
from tests.support.boxes import Night, at_each_batch, beside, others
from tests.support.databases import Database
from tests.support.dump import dump, schema

pytestmark = pytest.mark.concurrent

THREE = ["idx_cajas_peso", "idx_cajas_rotulo", "idx_cajas_visto_at"]
VALID = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'cajas'::regclass AND NOT i.indisunique AND i.indisvalid ORDER BY 1
"""
OWED = "SELECT indice FROM migracion.indice_pendiente ORDER BY 1"
BUILDER = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%%' AND datname = current_database()"


def names(database: Database, statement: str) -> list[str]:
    return [name for (name,) in database.query(statement)]


@pytest.fixture
def large(empty_database: Database, tmp_path: Path) -> Night:
    """A table that counts as large, and its Spanish one made."""
    night = Night.on(empty_database, tmp_path, 500, batch_rows=100, more={"deferred_index_rows": 499})
    night.up_to_tables()
    return night


def seen_at_batches(database: Database) -> list[list[str]]:
    """The indexes that were there at each batch."""
    return [found for (found,) in database.query("SELECT names FROM public.seen ORDER BY n")]


def watch_batches(database: Database) -> None:
    database.query("CREATE TABLE public.seen (n serial, names text[])")
    at_each_batch(
        database,
        "INSERT INTO public.seen (names) SELECT ARRAY(SELECT indexrelid::regclass::text FROM pg_index"
        " WHERE indrelid = 'public.cajas'::regclass AND NOT indisunique ORDER BY 1);",
    )


def test_a_large_table_is_loaded_first_and_indexed_afterwards(large: Night, empty_database: Database) -> None:
    before = schema(empty_database)
    watch_batches(empty_database)
    said = large.night()
    assert seen_at_batches(empty_database) == [[]] * 5
    assert names(empty_database, VALID) == THREE
    assert names(empty_database, OWED) == []
    empty_database.query("DROP FUNCTION at_batch CASCADE; DROP TABLE public.seen")
    assert schema(empty_database) == before
    assert said[1].endswith("cajas: 3 índices secundarios se construyen después de la carga")
    assert sum("índice idx_cajas_" in line and "construido" in line for line in said) == 3
    assert large.equalise()["changed"] is False


@pytest.mark.parametrize("case", ["at the limit", "not empty"])
def test_a_small_or_filled_table_keeps_its_indexes(large: Night, empty_database: Database, case: str) -> None:
    if case == "at the limit":
        large.more["deferred_index_rows"] = 500
    else:
        empty_database.query("INSERT INTO cajas (id) VALUES (-1)")
    watch_batches(empty_database)
    large.night()
    assert all(len(found) == 3 for found in seen_at_batches(empty_database))


def interrupted(night: Night) -> None:
    """A load that is killed after two batches."""
    assert night.database is not None
    at_each_batch(night.database, "IF NEW.filas_leidas = 300 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;")
    with pytest.raises(psycopg2.OperationalError):
        night.night()
    night.database.query("DROP FUNCTION at_batch CASCADE")


def test_after_a_kill_the_debt_stands_fase1_accepts_it_the_proof_does_not_and_the_same_command_pays_it(
    large: Night, empty_database: Database
) -> None:
    before = schema(empty_database)
    interrupted(large)
    assert names(empty_database, OWED) == THREE
    assert names(empty_database, VALID) == []
    large.verify_tables()
    large.make_tables()
    assert names(empty_database, VALID) == []
    with pytest.raises(MigrationError) as refused:
        large.prove()
    assert all(f"cajas: falta construir el índice {name}" in str(refused.value) for name in THREE)
    large.night()
    assert schema(empty_database) == before
    large.prove()


def test_an_index_that_is_missing_and_not_owed_is_still_named_by_fase1(large: Night, empty_database: Database) -> None:
    interrupted(large)
    empty_database.query("DELETE FROM migracion.indice_pendiente WHERE indice = 'idx_cajas_peso'")
    with pytest.raises(MigrationError) as refused:
        large.verify_tables()
    assert "idx_cajas_peso" in str(refused.value)
    assert "idx_cajas_rotulo" not in str(refused.value)


def test_the_way_back_puts_the_indexes_where_fase1_had_them(large: Night, empty_database: Database) -> None:
    before = dump(empty_database)
    for _ in range(2):
        interrupted(large)
        large.take_back(check=True)
        assert names(empty_database, OWED) == THREE
        large.take_back()
        assert dump(empty_database) == before
        assert names(empty_database, OWED) == []
        large.verify_tables()
    large.night()
    large.take_back()
    assert dump(empty_database) == before


def test_fase1_goes_back_too_where_the_load_died_before_its_first_row(large: Night, empty_database: Database) -> None:
    at_each_batch(empty_database, "PERFORM pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(psycopg2.OperationalError):
        large.night()
    assert names(empty_database, OWED) == THREE
    large.drop_tables()
    assert names(empty_database, OWED) == []
    empty_database.query("DROP FUNCTION at_batch CASCADE")
    large.make_tables()
    assert names(empty_database, VALID) == THREE


# --- during the build: it waits for an old transaction, which gives time to do something to it


def when_building(database: Database, act: Callable[[int], object]) -> Callable[[Event], None]:
    """Act once on the session that builds, when it waits."""

    def work(stopped: Event) -> None:
        while not stopped.is_set():
            for (pid,) in database.query(f"{BUILDER} AND wait_event = 'virtualxid'"):
                act(pid)
                return
            time.sleep(0.02)

    return work


OLD = ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM boxes")


def test_a_build_that_is_killed_leaves_an_invalid_index_that_the_same_command_replaces(
    large: Night, empty_database: Database
) -> None:
    kill = when_building(empty_database, lambda pid: empty_database.query("SELECT pg_terminate_backend(%s)", (pid,)))
    with others(empty_database, *OLD), beside(kill), pytest.raises(psycopg2.OperationalError):
        large.night()
    assert names(empty_database, VALID) == []
    assert names(empty_database, OWED) == THREE
    assert empty_database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 1
    large.verify_tables()
    with pytest.raises(MigrationError, match="falta construir"):
        large.prove()
    large.night()
    assert names(empty_database, VALID) == THREE
    assert empty_database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    large.prove()


def test_a_stop_request_ends_a_build_and_leaves_nothing_half_done(
    large: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attended, "ATTEND_SECONDS", 0.1)
    stop = when_building(
        empty_database, lambda _: empty_database.query("UPDATE migracion.arriendo SET parar_solicitado_at = now()")
    )
    with others(empty_database, *OLD), beside(stop), pytest.raises(MigrationError, match="Parada pedida") as stopped:
        large.night()
    assert stopped.value.code == "paused"
    assert empty_database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    assert empty_database.query(BUILDER) == []
    assert names(empty_database, OWED) == THREE
    large.night()
    assert names(empty_database, VALID) == THREE


@pytest.mark.parametrize("when", ["while it builds", "before it begins"])
def test_a_build_that_waits_too_long_ends_and_names_whom_it_waits_for(
    large: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    if when == "while it builds":
        for name, seconds in {"LONGEST_WAIT": 1.0, "FIRST_LOOK": 0.2, "NEXT_LOOK": 0.1}.items():
            monkeypatch.setattr(lookout, name, seconds)
    else:
        monkeypatch.setattr(deferred_indexes, "LONGEST_WAIT", 0.0)
    with others(empty_database, *OLD) as old:
        with pytest.raises(MigrationError, match="idx_cajas_peso no se pudo construir") as ended:
            large.night()
        assert f"Lo impide el pid {old.info.backend_pid} (" in str(ended.value)
    assert ended.value.code == "locked"
    assert ended.value.details["again"] == 600
    assert empty_database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    large.night()
    assert names(empty_database, VALID) == THREE


def test_writers_of_the_spanish_table_do_not_wait_for_a_build(large: Night, empty_database: Database) -> None:
    """Once the sync exists, the services' own writes arrive there."""
    waited: list[float] = []

    def write(_: int) -> None:
        started = time.monotonic()
        empty_database.query("UPDATE cajas SET peso = -1 WHERE id = 1")
        waited.append(time.monotonic() - started)
        old.rollback()

    with others(empty_database, *OLD) as old, beside(when_building(empty_database, write)):
        large.night()
    assert waited[0] < 1
    assert names(empty_database, VALID) == THREE


def test_a_lock_on_the_spanish_table_costs_only_time(
    large: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred_indexes, "DROP_INDEX", Wait(100, 2))
    watch_batches(empty_database)
    with others(empty_database, "SELECT count(*) FROM cajas"):
        said = large.night()
    assert any("se carga con sus índices, más despacio" in line for line in said)
    assert all(len(found) == 3 for found in seen_at_batches(empty_database))


def test_a_table_that_is_filled_while_its_lock_is_waited_for_keeps_its_indexes(
    large: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred_indexes, "DROP_INDEX", Wait(60_000, 1))
    watch_batches(empty_database)

    def fill(stopped: Event) -> None:
        waiting = "SELECT 1 FROM pg_locks WHERE relation = 'cajas'::regclass AND NOT granted"
        while not stopped.is_set() and not empty_database.query(waiting):
            time.sleep(0.005)
        reader.cursor().execute("INSERT INTO cajas (id) VALUES (-1)")
        reader.commit()

    with others(empty_database, "SELECT count(*) FROM cajas") as reader, beside(fill):
        said = large.night()
    assert not [line for line in said if "índices secundarios" in line or "con sus índices" in line]
    assert all(len(found) == 3 for found in seen_at_batches(empty_database))


def test_builds_are_cut_into_slices_and_announced(
    large: Night, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    called: list[None] = []
    monkeypatch.setattr(time, "sleep", lambda _: None)
    said = large.night(lambda: called.append(None))
    assert any("se construye el índice idx_cajas_peso; faltan 3 índices" in line for line in said)
    assert names(empty_database, VALID) == THREE
