"""Holds a copy inside a batch for as long as a test likes."""

from __future__ import annotations

import time

from .databases import Database
from .playbook import RunningPlaybook

OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'migracion:%%'"


def close_gate(database: Database, rows: int = 100) -> None:
    """The batch with which ``rows`` customers are read waits in a statement of its own until the gate opens."""
    database.query(f"""
        CREATE TABLE public.puerta (abierta boolean); INSERT INTO public.puerta VALUES (false);
        CREATE FUNCTION public.esperar() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
            WHILE NOT (SELECT abierta FROM public.puerta) LOOP PERFORM pg_sleep(0.05); END LOOP; RETURN NEW;
        END $$;
        CREATE TRIGGER esperar BEFORE UPDATE ON migracion.progreso_copia FOR EACH ROW
            WHEN (NEW.tabla_origen = 'customers' AND NEW.filas_leidas = {rows}) EXECUTE FUNCTION public.esperar()""")


def open_gate(database: Database) -> None:
    """Let it through, now and from now on."""
    database.query("UPDATE public.puerta SET abierta = true")


def wait_at_gate(database: Database, *running: RunningPlaybook, seconds: float = 60) -> None:
    """Until a session of the runbook waits there; the runs must not end before."""
    deadline = time.monotonic() + seconds
    while not database.value(f"SELECT EXISTS (SELECT {OURS} AND wait_event = 'PgSleep')"):
        for run in running:
            assert run.process.poll() is None, run.wait().output
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sessions(database: Database) -> int:
    """How many sessions of the runbook there are."""
    return int(database.value(f"SELECT count(*) {OURS}"))
