"""A run is killed at a random moment; then the same command gives what an undisturbed run gives.

KILL_SEED and KILLS choose other moments and more of them: ``KILL_SEED=7 KILLS=100 pytest tests/playbooks/test_kill.py``.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from tests.sample.expected import refusals
from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.observation import differences, ended_well
from tests.support.playbook import PlaybookRun, Playbooks, RunningPlaybook
from tests.support.processes import Process, descendants, modules, waited_for
from tests.support.reaper import reaped
from tools.postgres_server import launch

pytestmark = pytest.mark.slow

MakePlaybooks = Callable[..., Playbooks]
SEED = int(os.environ.get("KILL_SEED", "1"))
KILLS = int(os.environ.get("KILLS", "12"))
ROWS = 20_000
BATCH = 200
COPYING = ("fase2", "fase3")
SLICE = 15  # seconds that a module works before the controller is looked after
VICTIMS = ("ansible-playbook", "module", "backend", "server")
STEPS = ("fase2", "fase2-rollback", "fase1", "fase3", "fase1-rollback", "fase0")
SPY = """
CREATE SCHEMA prueba;
CREATE TABLE prueba.paso (de text, a text);
CREATE FUNCTION prueba.anotar() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
    $$BEGIN INSERT INTO prueba.paso VALUES (OLD.estado, NEW.estado); RETURN NULL; END$$;
CREATE TRIGGER anotar AFTER UPDATE OF estado ON migracion.fase_ejecucion FOR EACH ROW
    WHEN (OLD.estado <> NEW.estado) EXECUTE FUNCTION prueba.anotar();
"""
LEGAL = {
    ("en_curso", "completada"),
    ("en_curso", "fallida"),
    ("completada", "revertida"),
    ("fallida", "revertida"),
}


@dataclass(frozen=True)
class Kill:
    """Which step is killed, who is the victim, and when: ``moment`` is a share of the time of an undisturbed run."""

    number: int
    step: str
    victim: str
    moment: float

    def __str__(self) -> str:
        return f"{self.number}-{self.step}-{self.victim}-{self.moment:.2f}"


def kills() -> list[Kill]:
    """Every step in turn and every victim in turn: the same for each test process."""
    chance = random.Random(SEED)
    pairs = [(STEPS[n % len(STEPS)], VICTIMS[(n + n // len(STEPS)) % len(VICTIMS)]) for n in range(KILLS)]
    return [Kill(n, step, victim, chance.uniform(0.25, 0.95)) for n, (step, victim) in enumerate(pairs)]


@pytest.fixture(scope="module")
def place() -> Iterator[Databases]:
    """Databases on a server of their own: it is restarted under the runs."""
    with reaped(launch(fsync=False)) as server:
        yield Databases(server)


def fresh(place: Databases) -> Database:
    return place.sample("jsonb", ROWS, messages=100)


def outside(database: Database) -> str:
    """All but the bookkeeping. An id that only the Spanish table has says nothing: its sequence skips values after a crash."""
    drawn = ("public.proveedor_profesiones", "public.proveedor_profesiones_id_seq")
    whole = dump(database, without=("migracion", "prueba"), options=[f"--exclude-table-data={name}" for name in drawn])
    if database.value("SELECT to_regclass(%s) IS NULL", drawn[:1]):
        return whole
    rows = "SELECT (to_jsonb(t) - 'id')::text FROM public.proveedor_profesiones t ORDER BY 1"
    return "\n".join([whole, *(row for (row,) in database.query(rows))])


def command(runner: Playbooks, step: str) -> Callable[[], RunningPlaybook]:
    """The step's command; each call starts it once."""
    name, _, tag = step.partition("-")
    more: dict[str, object] = {"batch_rows": BATCH} if name in COPYING else {}
    return lambda: runner.start(name, *(("--tags", tag) if tag else ()), **more)


@dataclass(frozen=True)
class Reference:
    """What each step leaves when nobody disturbs it, and how long it takes."""

    outcome: dict[str, str]
    seconds: dict[str, float]


@pytest.fixture(scope="module")
def undisturbed(place: Databases, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    home = tmp_path_factory.mktemp("sin_molestias")
    database = fresh(place)
    runner = Playbooks(home, database.url, extra={"backup_dir": str(home / "respaldos")})
    found = Reference({}, {})
    for step in ("fase0", "fase1", "fase2", "fase3", "fase3-rollback", "fase2-rollback", "fase1-rollback"):
        run = ended_well(command(runner, step)().wait())
        found.outcome[step], found.seconds[step] = outside(database), run.seconds
    place.drop(database)
    return found


def prepared(place: Databases, step: str, folder: Path) -> Database:
    """A database in which that step is the next one, with a spy on the ledger's states."""
    database = fresh(place)
    jobs = Jobs(database.url, folder / "previo", batch_rows=5_000)
    if step != "fase0":
        jobs.approve()
        with database.cursor() as cursor:
            cursor.execute(SPY)
    if step not in ("fase0", "fase1"):
        jobs.make_tables()
    if step in ("fase2-rollback", "fase3"):
        jobs.copy()
        jobs.equalise()
    return database


def wait_for_the_moment(kill: Kill, database: Database, running: RunningPlaybook, seconds: float) -> None:
    """By the clock; in a copy every second time by the rows that it has done."""
    if kill.step in COPYING and kill.number % 4 < 2:
        before = database.query("SELECT tabla_origen FROM migracion.progreso_copia") if kill.step == "fase3" else []
        copied = f"SELECT to_regclass('migracion.progreso_copia') IS NOT NULL AND {ROWS * kill.moment} < "
        copied += "(SELECT coalesce(sum(filas_leidas), 0) FROM migracion.progreso_copia WHERE tabla_origen <> ALL (%s))"
        others = ([table for (table,) in before],)
        waited_for(lambda: running.process.poll() is not None or bool(database.value(copied, others)), 60)
    else:
        waited_for(lambda: running.process.poll() is not None, kill.moment * seconds)


def strike(kill: Kill, database: Database, running: RunningPlaybook) -> bool:
    """Kill the victim, waiting for it if it is not there at the moment; False when the run ended before."""
    while running.process.poll() is None:
        if kill.victim == "ansible-playbook":
            running.kill()
            return True
        if kill.victim == "server":
            database.server.restart("immediate")
            return True
        if kill.victim == "backend":
            ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'migracion:%%'"
            if database.value(ended + " AND datname = %s", (database.name,)):
                return True
        else:
            for module in modules(running.process.pid)[:1]:
                os.kill(module.pid, 9)
                return True
        time.sleep(0.01)
    return False


def killed(kill: Kill, place: Databases, undisturbed: Reference, runner: MakePlaybooks, folder: Path) -> Database:
    """A database after the kill; once more, earlier, when the run was faster than the killer."""
    for attempt in range(4):
        database = prepared(place, kill.step, folder)
        running = command(runner(database.url), kill.step)()
        sooner = Kill(kill.number, kill.step, kill.victim, kill.moment / 2**attempt)
        wait_for_the_moment(sooner, database, running, undisturbed.seconds[kill.step])
        if strike(kill, database, running):
            running.wait()
            return database
        place.drop(database)
    raise AssertionError(f"{kill}: the run was always over before")


@pytest.mark.parametrize("kill", kills(), ids=str)
def test_the_same_command_completes_what_a_kill_interrupted(
    kill: Kill, place: Databases, undisturbed: Reference, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    database = killed(kill, place, undisturbed, playbooks, tmp_path)
    again = ended_well(command(playbooks(database.url), kill.step)().wait())
    assert differences(undisturbed.outcome[kill.step], outside(database)) == []
    ledger_is_legal(database, kill.step, again)
    nothing_is_left_running(database)
    if kill.step in COPYING:
        every_row_is_accounted_for(database, kill.step)
    place.drop(database)


def ledger_is_legal(database: Database, step: str, again: PlaybookRun) -> None:
    name, _, tag = step.partition("-")
    rows = database.query(
        "SELECT accion, estado, terminada_at >= iniciada_at FROM migracion.fase_ejecucion WHERE fase = %s ORDER BY id", (name,)
    )
    assert all(ended for _, _, ended in rows), again.output
    of = {action: [state for found, state, _ in rows if found == action] for action in ("aplicar", "revertir")}
    last = of["revertir" if tag else "aplicar"]
    assert last[-1:] == ["completada"], (rows, again.output)
    assert set(last[:-1]) <= {"fallida"}, (rows, again.output)
    if tag:
        assert set(of["aplicar"]) == {"revertida"}, (rows, again.output)
    if step != "fase0":
        assert set(database.query("SELECT de, a FROM prueba.paso")) <= LEGAL


def nothing_is_left_running(database: Database) -> None:
    assert database.query("SELECT * FROM migracion.arriendo") == []
    gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'migracion:%'"
    assert waited_for(lambda: bool(database.value(gone)), 5)


TARGETS = {
    "fase2": {
        "professions": ["profesiones"],
        "customers": ["clientes"],
        "users": ["proveedores", "clientes"],
        "provider_services": ["servicios_proveedor"],
    },
    "fase3": {
        "service_requests": ["solicitudes_servicio"],
        "messages": ["mensajes"],
        "sessions": ["sesiones"],
        "task_queue": ["tareas_programadas"],
    },
}


def every_row_is_accounted_for(database: Database, step: str) -> None:
    """By plain SQL: each legacy row is in a Spanish table, or merged, or in quarantine, once."""

    def keys(query: str) -> list[str]:
        return [key for (key,) in database.query(query)]

    for source, targets in TARGETS[step].items():
        legacy = keys(f"SELECT id::text FROM public.{source}")
        noted = keys(f"SELECT clave FROM migracion.fusion WHERE tabla_origen = '{source}'")
        noted += keys(f"SELECT clave FROM migracion.cuarentena WHERE tabla_origen = '{source}' AND estado = 'abierta'")
        there = {key for target in targets for key in keys(f"SELECT id::text FROM public.{target}")} & set(legacy)
        if source == "users":
            there -= set(noted)  # in clientes a customer of the same key has its place
        assert sorted([*there, *noted]) == sorted(legacy)
    if step == "fase2":
        for source, kinds in refusals(database.superuser_url).items():
            refused = "SELECT count(*) FROM migracion.cuarentena WHERE estado = 'abierta' AND tabla_origen = %s"
            assert database.value(refused, (source,)) == kinds["rows"]


def test_an_orphaned_copy_ends_within_a_slice(place: Databases, playbooks: MakePlaybooks, tmp_path: Path) -> None:
    database = prepared(place, "fase2", tmp_path)
    running = playbooks(database.url).start("fase2", batch_rows=1)
    busy = "SELECT count(*) > 0 FROM migracion.progreso_copia WHERE tabla_origen = 'customers' AND filas_leidas > 50"
    assert waited_for(lambda: bool(database.value(busy)), 60)
    family: list[Process] = descendants(running.process.pid)
    running.kill()
    running.process.wait()
    assert any(one.alive for one in family)
    try:
        assert waited_for(lambda: not any(one.alive for one in family), SLICE + 6)
    finally:
        for one in family:
            if one.alive:
                os.kill(one.pid, 9)
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'migracion:%'"
    assert database.value(sessions) == 0
    unfinished = "SELECT filas_leidas < filas_previstas FROM migracion.progreso_copia WHERE tabla_origen = 'customers'"
    assert database.value(unfinished), "the copy was over before its time: the test proves nothing"
    place.drop(database)


def test_a_killed_copy_goes_on_where_it_was(place: Databases, playbooks: MakePlaybooks, tmp_path: Path) -> None:
    """No row that a batch has committed is written again."""
    database = prepared(place, "fase2", tmp_path)
    running = playbooks(database.url).start("fase2", batch_rows=BATCH)
    half = f"SELECT coalesce(sum(filas_leidas), 0) > {ROWS // 2} FROM migracion.progreso_copia"
    assert waited_for(lambda: bool(database.value(half)), 60)
    running.kill()
    running.process.wait()
    assert waited_for(lambda: not modules_of_nobody(database), SLICE)
    versions = dict(database.query("SELECT id::text, xmin::text FROM public.clientes"))
    assert ROWS // 2 < len(versions) < ROWS - 100
    ended_well(playbooks(database.url).run("fase2", batch_rows=BATCH))
    now = dict(database.query("SELECT id::text, xmin::text FROM public.clientes"))
    assert {key: now[key] for key in versions} == versions
    assert len(now) > len(versions)
    place.drop(database)


def modules_of_nobody(database: Database) -> bool:
    """Whether the killed run's sessions are ended by us: the orphan would finish the copy otherwise."""
    with psycopg2.connect(database.superuser_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'migracion:%'")
        ((count,),) = cursor.fetchall()
    connection.close()
    return bool(count)
