"""Two sessions that copy the halves of a table's key leave what one leaves, and stop and go on like one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from plugins.module_utils.backfill import progress
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import table_copy
from tests.support.accounting import take_accounting
from tests.support.databases import Begin, Database

pytestmark = pytest.mark.concurrent

TABLES = ("profesiones", "clientes", "proveedores", "servicios_proveedor", "solicitudes_servicio", "mensajes", "sesiones")
STRETCHES = "SELECT tramo, filas_leidas FROM migracion.progreso_copia WHERE tabla_origen = 'customers' ORDER BY tramo"
SESSIONS = """
CREATE TABLE public.escritores (pid integer PRIMARY KEY);
CREATE FUNCTION public.anotar() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
    $$BEGIN INSERT INTO public.escritores VALUES (pg_backend_pid()) ON CONFLICT DO NOTHING; RETURN NULL; END$$;
CREATE TRIGGER anotar AFTER UPDATE ON migracion.progreso_copia FOR EACH ROW
    WHEN (NEW.tabla_origen = 'customers' AND NEW.filas_leidas > OLD.filas_leidas) EXECUTE FUNCTION public.anotar();
"""


@pytest.fixture
def begin(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """A database with its Spanish tables, and jobs of two workers that find every table of more than 50 rows large."""
    monkeypatch.setattr(progress, "SPLIT_ROWS", 50)
    return partial(begin, rows=300, up_to="fase1", batch_rows=20, copy_workers=2)


def rows(database: Database) -> dict[str, list[str]]:
    return {table: [row for (row,) in database.query(f"SELECT t::text FROM {table} t ORDER BY 1")] for table in TABLES}


@pytest.mark.parametrize("installation", ["jsonb", "text"])
def test_two_workers_leave_what_one_leaves(begin: Begin, installation: str) -> None:
    database, jobs = begin(installation)
    alone, one = begin(installation)
    database.query(SESSIONS)
    for phase in ("fase2", "fase3"):
        jobs.copy(phase)
        replace(one, copy_workers=1).copy(phase)
    assert database.value("SELECT count(*) FROM public.escritores") == 2
    assert rows(database) == rows(alone)
    assert [stretch for stretch, _ in database.query(STRETCHES)] == ["1", "2"]
    assert database.query("SELECT FROM migracion.progreso_copia WHERE terminada_at IS NULL OR filas_leidas = 0") == []
    database.query("DROP TABLE public.escritores; DROP FUNCTION public.anotar CASCADE")
    for phase in ("fase2", "fase3"):
        jobs.equalise(phase)
    assert take_accounting(database.superuser_url).problems == []


def test_a_stop_request_ends_both_and_one_worker_completes_what_two_began(begin: Begin) -> None:
    database, jobs = begin()
    database.query(
        "CREATE FUNCTION public.parar() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " $$BEGIN UPDATE migracion.arriendo SET parar_solicitado_at = now(); RETURN NEW; END$$;"
        "CREATE TRIGGER parar BEFORE UPDATE ON migracion.progreso_copia FOR EACH ROW"
        " WHEN (NEW.tabla_origen = 'customers' AND NEW.filas_leidas = 60) EXECUTE FUNCTION public.parar()"
    )
    with pytest.raises(MigrationError, match="la misma orden continúa desde aquí") as stopped:
        jobs.copy()
    assert stopped.value.code == "paused"
    before = database.query(STRETCHES)
    assert len(before) == 2
    assert all(0 < read < 150 for _, read in before)
    written = dict(database.query("SELECT id::text, xmin::text FROM clientes"))
    database.query("DROP FUNCTION public.parar CASCADE")
    replace(jobs, copy_workers=1).copy()
    assert sum(read for _, read in database.query(STRETCHES)) == 300
    now = dict(database.query("SELECT id::text, xmin::text FROM clientes"))
    assert {key: now[key] for key in written} == written
    jobs.equalise()
    assert take_accounting(database.superuser_url, ("2.1", "2.2")).problems == []


def test_without_a_second_connection_one_worker_does_all_and_says_so(begin: Begin) -> None:
    database, jobs = begin()
    database.query(f"ALTER ROLE {database.role} CONNECTION LIMIT 2")  # the run's own of this test, and the first worker's
    try:
        with jobs.run("fase2") as run_id:
            lines = table_copy.copy(jobs.params(run_id, "fase2"), False)["lines"]
    finally:
        database.query(f"ALTER ROLE {database.role} CONNECTION LIMIT -1")
    assert any("un solo trabajador, porque la segunda conexión no se pudo abrir" in line for line in lines)
    assert sum(read for _, read in database.query(STRETCHES)) == 300


@pytest.mark.parametrize("stretch", ["1", "2"])
def test_a_lost_session_of_one_worker_loses_no_row(begin: Begin, stretch: str) -> None:
    database, jobs = begin()
    database.query(
        "CREATE FUNCTION public.cortar() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END$$;"
        "CREATE TRIGGER cortar BEFORE UPDATE ON migracion.progreso_copia FOR EACH ROW WHEN (NEW.tabla_origen = 'customers'"
        f" AND NEW.tramo = '{stretch}' AND NEW.filas_leidas = 60) EXECUTE FUNCTION public.cortar()"
    )
    with pytest.raises(Exception, match=r"connection|conexión"):
        jobs.copy()
    assert database.value("SELECT estado FROM migracion.fase_ejecucion ORDER BY id DESC LIMIT 1") == "fallida"
    database.query("DROP FUNCTION public.cortar CASCADE")
    jobs.copy()
    jobs.equalise()
    assert take_accounting(database.superuser_url, ("2.1", "2.2")).problems == []
