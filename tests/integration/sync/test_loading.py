"""A leaf is loaded without a lock: its triggers leave keys meanwhile, and the drain takes those in afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.backfill import progress, slices
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import sync_state, table_copy
from plugins.module_utils.sync import modes
from tests.support.databases import Database, Databases
from tests.support.jobs import Jobs

from .conftest import Synced

pytestmark = pytest.mark.concurrent

LOADED = ("mensajes", "sesiones", "solicitudes_servicio", "tareas_programadas")  # by fase3
MODES = "SELECT tabla_destino, modo, carga FROM migracion.sincronizacion WHERE carga IS NOT NULL OR modo <> 'si' ORDER BY 1"
KEEPING = [(target, "claves", "filas") for target in LOADED]
BUSY = "SELECT user_id FROM messages JOIN users u ON u.id = user_id GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY (%s) ORDER BY 1"


@pytest.fixture(scope="module")
def before(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Two databases to copy: ``prepared`` and ``loading`` say what has been done to them."""
    made = databases.sample("jsonb", 100, "open", messages=150, up_to="fase1")
    jobs = Jobs(made.url, tmp_path_factory.mktemp("respaldos"))
    jobs.synchronise("fase2")
    jobs.fill("fase2")
    _begun["prepared"] = made.name
    made = databases.copy_with_ledger(made.name)
    Jobs(made.url, jobs.backup_dir).synchronise("fase3")
    _begun["loading"] = made.name
    yield databases
    for name in _begun.values():
        databases.drop(Database(databases.server, name))


_begun: dict[str, str] = {}


@contextmanager
def copied(databases: Databases, stage: str, folder: Path) -> Iterator[Synced]:
    database = databases.copy_with_ledger(_begun[stage])
    yield Synced(database, Jobs(database.url, folder, batch_rows=40))
    databases.drop(database)


@pytest.fixture
def prepared(before: Databases, tmp_path: Path) -> Iterator[Synced]:
    """fase2 is done with its sync; nothing of fase3 is there but its empty tables."""
    with copied(before, "prepared", tmp_path) as synced:
        yield synced


@pytest.fixture
def loading(before: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Synced]:
    """The triggers of fase3 stand and leave keys, and no row has been loaded; a slice is one batch."""
    monkeypatch.setattr(slices, "SLICE_SECONDS", 0.0)
    with copied(before, "loading", tmp_path) as synced:
        yield synced


def load(synced: Synced, each: Callable[[int], None] = lambda _: None, most: int = 1000) -> list[str]:
    """The copy of fase3, ``each`` called between two slices; at most so many of them. Returns what it said."""
    said: list[str] = []
    with synced.jobs.run("fase3") as run_id:
        for number in range(most):
            result = table_copy.copy(synced.jobs.params(run_id, "fase3"), False)
            said += result["lines"]
            if not result["more"]:
                break
            each(number)
    return said


def finished(synced: Synced) -> None:
    """Every pair is on, nothing waits, and the proofs hold without any repair."""
    assert synced.database.query(MODES) == []
    synced.jobs.drain()
    synced.settled()


@contextmanager
def session(database: Database) -> Iterator[Any]:
    """A service's session."""
    with closing(psycopg2.connect(database.superuser_url)) as connection:
        yield connection


def test_rows_looked_up_elsewhere_are_taken_in_with_the_log(loading: Synced) -> None:
    assert loading.database.query(MODES) == KEEPING
    user = loading.value(BUSY)
    other = "(SELECT phone FROM service_requests r JOIN clientes c ON c.telefono = r.phone ORDER BY 1 LIMIT 1)"

    def once(_: int) -> None:
        done = "SELECT bool_and(terminada_at IS NOT NULL) FROM migracion.progreso_copia WHERE tabla_origen = 'messages'"
        loaded = loading.value(done)
        if loaded and not loading.value("SELECT count(*) FROM migracion.pendiente WHERE operacion = 'SIGUE'"):
            loading.write(f"UPDATE users SET phone_number = '+999' WHERE id = '{user}'")
            loading.write(f"UPDATE clientes SET telefono = '+998' WHERE telefono = {other}")

    load(loading, once)
    assert loading.value(f"SELECT bool_and(t.telefono = '+999') FROM mensajes t JOIN messages USING (id) {of(user)}")
    finished(loading)


def test_what_is_written_between_batches_is_there_at_the_end(loading: Synced) -> None:
    user, deleted = loading.value(BUSY), []

    def write(number: int) -> None:
        place = f"OFFSET {number * 7} LIMIT 1"
        deleted.append(loading.value(f"SELECT id FROM messages ORDER BY id {place}"))
        loading.write(
            f"DELETE FROM messages WHERE id = '{deleted[-1]}'",
            f"UPDATE messages SET user_id = '{user}' WHERE id IN (SELECT id FROM messages ORDER BY id DESC {place})",
            f"INSERT INTO messages (user_id, content) VALUES ('{user}', 'nace')",
            f"UPDATE users SET phone_number = '+77{number}' WHERE id IN (SELECT id FROM users ORDER BY id {place})",
            f"UPDATE messages SET message_type = 'raro' WHERE id IN (SELECT id FROM messages ORDER BY content, id {place})",
            f"UPDATE messages SET id = gen_random_uuid() WHERE id IN (SELECT id FROM messages ORDER BY timestamp, id {place})",
        )

    said = load(loading, write)
    assert any("filas borradas por los servicios" in line for line in said)
    kept = loading.database.query("SELECT clave FROM migracion.apartada WHERE tabla = 'mensajes'")
    assert not {str(key) for key in deleted} & {key for (key,) in kept}  # a changed key's row is kept, a deleted one is not
    finished(loading)


def test_no_writer_waits_for_a_batch(loading: Synced) -> None:
    load(loading, most=1)
    rows = loading.value("SELECT count(*) FROM solicitudes_servicio")
    with session(loading.database) as batch, session(loading.database) as service:
        batch.cursor().execute("SELECT leidas FROM migracion.copiar_service_requests_solicitudes_servicio('', 50, 100000, 'x')")
        with service.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
            cursor.execute("UPDATE service_requests SET profession = 'libre'")
            cursor.execute("UPDATE users SET city = 'libre', phone_number = phone_number || '1' WHERE user_type = 'provider'")
            cursor.execute("DELETE FROM messages")
        service.commit()
        batch.commit()
    assert loading.value("SELECT count(*) FROM solicitudes_servicio") > rows
    load(loading)
    finished(loading)


@pytest.mark.parametrize("how", ["commits", "is prepared"])
def test_who_left_keys_is_waited_for_before_the_log_is_taken_in(loading: Synced, how: str) -> None:
    user = loading.value(BUSY)
    with session(loading.database) as early, ThreadPoolExecutor(1) as pool:
        early.cursor().execute(f"UPDATE users SET phone_number = '+555' WHERE id = '{user}'")
        running = pool.submit(load, loading)
        _until(loading.database, "SELECT EXISTS (SELECT FROM migracion.sincronizacion WHERE carga = 'espera')")
        early.cursor().execute(f"UPDATE messages SET content = 'sigue' WHERE user_id = '{user}'")  # in mode keys to its end
        assert not running.done()
        if how == "is prepared":
            early.cursor().execute("PREPARE TRANSACTION 'carga'")
            _until(loading.database, "SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE gid = 'carga')")
            assert loading.value("SELECT carga FROM migracion.sincronizacion WHERE tabla_destino = 'mensajes'") == "espera"
            loading.database.run_alone("COMMIT PREPARED 'carga'")
        else:
            early.commit()
        running.result(60)
    assert loading.value(
        f"SELECT bool_and(t.telefono = '+555') FROM mensajes t JOIN messages USING (id) WHERE user_id = '{user}'"
    )
    finished(loading)


def of(user: str) -> str:
    return f"WHERE user_id = '{user}'"


def _until(database: Database, condition: str) -> None:
    """Until it holds, asked of the server again and again."""
    database.query(f"DO $$BEGIN FOR n IN 1..6000 LOOP EXIT WHEN ({condition}); PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();"
                   " END LOOP; END$$")  # fmt: skip
    assert database.value(condition)


def test_a_long_reader_is_named_and_the_load_goes_on_when_it_ends(loading: Synced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modes, "OPEN_PATIENCE", 0.3)
    with session(loading.database) as reader:
        reader.cursor().execute("SET application_name = 'volcado'; SELECT count(*) FROM messages")
        with pytest.raises(MigrationError, match="volcado") as waiting:
            load(loading)
        assert waiting.value.code == "waiting"
        assert {row[1:] for row in loading.database.query(MODES)} == {("si", "espera")}
        reader.commit()
    loading.write("DELETE FROM messages WHERE id IN (SELECT id FROM messages LIMIT 3)")
    load(loading)
    finished(loading)


def test_a_snapshot_from_before_the_triggers_loses_nothing(prepared: Synced) -> None:
    user = prepared.value(BUSY)
    with session(prepared.database) as old:
        old.set_session(isolation_level="REPEATABLE READ")
        old.cursor().execute("SELECT 1 FROM users")
        prepared.write(f"INSERT INTO messages (user_id, content) VALUES ('{user}', 'no lo ve')")
        prepared.jobs.synchronise("fase3")
        load_all = ThreadPoolExecutor(1)
        old.cursor().execute(f"UPDATE users SET phone_number = '+444' WHERE id = '{user}'")
        running = load_all.submit(load, prepared)
        _until(prepared.database, "SELECT EXISTS (SELECT FROM migracion.sincronizacion WHERE carga = 'espera')")
        old.commit()
        running.result(60)
    finished(prepared)


def test_switching_off_stops_the_load_and_nothing_but_the_load_turns_it_on(loading: Synced) -> None:
    load(loading, most=2)
    user = loading.value(BUSY)
    assert any("mensajes se carga" in line for line in loading.jobs.switch("no")["lines"])
    with pytest.raises(MigrationError, match="apagada") as paused:
        load(loading)
    assert paused.value.code == "paused"
    loading.write(f"UPDATE users SET phone_number = '+333' WHERE id = '{user}'")
    loading.jobs.switch("si")
    loading.jobs.drain()
    assert loading.database.query(MODES) == KEEPING
    assert loading.value("SELECT count(*) FROM migracion.pendiente WHERE operacion = 'SIGUE'") > 0
    load(loading)
    finished(loading)


def test_a_trigger_found_gone_begins_the_load_anew(loading: Synced) -> None:
    load(loading, most=3)
    gone = loading.value("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'sigue_messages%%' LIMIT 1")
    loading.write(f"DROP TRIGGER {gone} ON users", f"UPDATE users SET phone_number = '+222' WHERE id = '{loading.value(BUSY)}'")
    loading.write("INSERT INTO mensajes (telefono, tipo_mensaje, contenido) VALUES ('+1', 'texto', 'ajeno')")
    with loading.jobs.run("fase3") as run_id:
        lines = sync_state.install_sync(loading.jobs.params(run_id, "fase3"), False)["lines"]
    assert any("mensajes: faltaban disparadores" in line for line in lines)
    assert loading.value("SELECT count(*) FROM mensajes") == 0
    assert loading.value("SELECT count(*) FROM migracion.apartada WHERE fila ->> 'contenido' = 'ajeno'") == 1
    load(loading)
    finished(loading)


@pytest.mark.parametrize("damage", ["VACUUM (FULL) messages", "TRUNCATE messages"])
def test_a_legacy_table_rewritten_or_emptied_half_way(loading: Synced, damage: str) -> None:
    def once(number: int) -> None:
        if number == 4:
            loading.database.run_alone(damage)

    loading.jobs.batch_rows = 25
    load(loading, once)
    finished(loading)


NIGHTLY = [pytest.param(step, marks=pytest.mark.slow) for step in ("filas", "espera")]


@pytest.mark.parametrize("step", [*NIGHTLY, "registro"])
def test_a_way_back_from_every_step(loading: Synced, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    before = loading.database.query("SELECT count(*), md5(string_agg(m::text, '' ORDER BY id)) FROM messages m")
    monkeypatch.setattr(modes, "OPEN_PATIENCE", 0.1)
    loading.write("UPDATE messages SET content = content")
    if step == "filas":
        load(loading, most=3)
    elif step == "espera":
        with session(loading.database) as reader:
            reader.cursor().execute("SELECT 1 FROM messages")
            with pytest.raises(MigrationError):
                load(loading)
    else:
        monkeypatch.setattr(table_copy, "SLICE_SECONDS", 0.0)
        load(loading, most=60)
    assert {row[2] for row in loading.database.query(MODES)} >= {step}
    loading.jobs.remove_sync("fase3")
    loading.jobs.take_back("fase3")
    assert loading.value("SELECT count(*) FROM mensajes") == 0
    assert loading.value("SELECT count(*) FROM migracion.sincronizacion WHERE fase = 'fase3'") == 0
    assert loading.value("SELECT count(*) FROM migracion.pendiente") == 0
    assert loading.database.query("SELECT count(*), md5(string_agg(m::text, '' ORDER BY id)) FROM messages m") == before


def test_indexes_are_those_of_fase1_and_what_is_owed_is_built_by_two(loading: Synced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SPLIT_ROWS", 50)
    before = loading.database.query(INDEXES, (list(LOADED),))
    loading.jobs.more["deferred_index_rows"], loading.jobs.copy_workers = 0, 2
    load(loading, most=1)
    assert loading.value("SELECT count(*) FROM migracion.indice_pendiente") > 0
    load(loading)
    assert loading.database.query(INDEXES, (list(LOADED),)) == before
    assert loading.value("SELECT count(*) FROM migracion.indice_pendiente") == 0
    finished(loading)


def test_a_spanish_write_meanwhile_goes_back_afterwards(loading: Synced) -> None:
    load(loading, most=6)
    phone = loading.value("SELECT phone_number FROM users ORDER BY id LIMIT 1")
    loading.write(f"INSERT INTO mensajes (telefono, tipo_mensaje, contenido) VALUES ('{phone}', 'texto', 'aparte')")
    loading.write(
        "UPDATE solicitudes_servicio SET ciudad = 'Zumbahua' WHERE id = (SELECT min(id::text)::uuid FROM solicitudes_servicio)"
    )
    assert loading.value("SELECT count(*) FROM messages WHERE content = 'aparte'") == 0
    load(loading)
    assert loading.value("SELECT count(*) FROM messages WHERE content = 'aparte'") == 1
    assert loading.value("SELECT count(*) FROM service_requests WHERE location_city = 'Zumbahua'") == 1
    finished(loading)
