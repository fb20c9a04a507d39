"""Somebody else holds a phase up, or its machine freezes: it says whom it waits for, ends by itself, and nobody is held up."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from plugins.module_utils.core.server.session import IDLE_IN_TRANSACTION
from tests.support.databases import Database
from tests.support.gate import close_gate, open_gate, sessions, wait_at_gate
from tests.support.playbook import Playbooks
from tests.support.processes import modules, waited_for
from tests.support.standby import without_its_standby

pytestmark = [pytest.mark.slow, pytest.mark.concurrent]

STATE = "SELECT estado FROM migracion.fase_ejecucion ORDER BY id DESC LIMIT 1"


@pytest.fixture
def aloud(playbooks: Callable[..., Playbooks]) -> Callable[..., Playbooks]:
    """As on a terminal: what is printed into a file would come when a block of it is full."""
    return lambda *arguments, **extra: replace(playbooks(*arguments, **extra), environment={"PYTHONUNBUFFERED": "1"})


@pytest.fixture
def ready(new_database: Callable[..., Database]) -> Database:
    return new_database("text", 300, up_to="fase1")


def test_a_phase_whose_standby_is_gone_says_so_and_pauses_within_a_minute(
    ready: Database, aloud: Callable[..., Playbooks]
) -> None:
    operator = aloud(ready.url, subfase="2.1")
    close_gate(ready)
    with operator.start("fase2", batch_rows=20) as running:
        wait_at_gate(ready, running)
        with without_its_standby(ready):
            # without waiting for the standby
            ready.run_alone("SET synchronous_commit = local", "UPDATE public.puerta SET abierta = true")
            assert waited_for(lambda: "synchronous_standby_names = 'nobody'" in running.streams[0].read_text(), 60), (
                running.streams[0].read_text()
            )
            ended = running.wait(120)
    assert ended.rc != 0
    assert "PAUSADA" in ended.output
    assert "Lo confirmado queda en este servidor" in ended.output
    assert ended.output.count("el COMMIT espera a una réplica síncrona") >= 4  # a line for each slice, and the summary
    assert ready.value(STATE) == "pausada"
    assert ready.query("SELECT FROM migracion.arriendo") == []
    again = operator.run("fase2")
    assert again.rc == 0, again.output
    assert ready.value(STATE) == "completada"


@pytest.mark.parametrize("phase", ["fase0", "fase1", "fase2", "fase2 rollback"])
def test_every_phase_says_what_its_commits_wait_for(
    phase: str, new_database: Callable[..., Database], aloud: Callable[..., Playbooks]
) -> None:
    stages = {"fase0": None, "fase1": "fase0", "fase2": "fase1", "fase2 rollback": "fase2"}
    database = new_database("text", 100, up_to=stages[phase])
    name, _, tag = phase.partition(" ")
    operator = aloud(database.url)
    arguments = (name, *(("--tags", tag) if tag else ()))
    with without_its_standby(database):
        ended = operator.run(*arguments)
    assert ended.rc != 0
    assert "PAUSADA" in ended.output
    assert "el COMMIT espera a una réplica síncrona" in ended.output
    assert ended.seconds < 110
    again = operator.run(*arguments)
    assert again.rc == 0, again.output


def test_an_interrupted_phase_ends_its_session_that_waits_for_a_standby(ready: Database, aloud: Callable[..., Playbooks]) -> None:
    with without_its_standby(ready), aloud(ready.url).start("fase2") as running:
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()"
        assert waited_for(lambda: ready.value(waits), 60)
        running.kill_group(signal.SIGINT)
        assert waited_for(lambda: sessions(ready) == 0, 8)
        assert running.wait().rc != 0


def test_a_table_that_stays_locked_is_waited_for_aloud_and_then_goes_on(
    new_database: Callable[..., Database], aloud: Callable[..., Playbooks]
) -> None:
    database = new_database("text", 100, up_to="fase0")
    with closing(psycopg2.connect(database.superuser_url)) as report, report.cursor() as cursor:
        cursor.execute("SET application_name = 'informe'; LOCK TABLE customers")
        with aloud(database.url).start("fase1") as running:
            who = f"Lo impide el pid {report.info.backend_pid} (supabase_admin, «informe», idle in transaction, desde hace"
            assert waited_for(lambda: who in running.streams[0].read_text(), 40)
            report.rollback()
            ended = running.wait()
    assert ended.rc == 0, ended.output
    assert database.value("SELECT to_regclass('public.clientes') IS NOT NULL")


def test_a_machine_that_freezes_in_a_batch_holds_nobody_up_and_is_taken_over(
    ready: Database, aloud: Callable[..., Playbooks]
) -> None:
    operator = aloud(ready.url, subfase="2.1")
    close_gate(ready)
    with operator.start("fase2", batch_rows=20) as running:
        wait_at_gate(ready, running)
        (module,) = [one for one in modules(running.process.pid) if any("table_copy" in word for word in one.words)] or modules(
            running.process.pid
        )[-1:]
        os.killpg(running.process.pid, signal.SIGSTOP)
        os.kill(module.pid, signal.SIGSTOP)
        open_gate(ready)  # the statement ends; its transaction stays open
        idle = (
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name LIKE 'migracion:%%'"
        )
        assert waited_for(lambda: ready.value(idle) == 1, 10)
        assert waited_for(lambda: ready.value(idle) == 0, IDLE_IN_TRANSACTION + 10)
        ready.query("SET lock_timeout = '1s'; UPDATE customers SET full_name = full_name")
        # another machine, which cannot see that process
        ready.query("UPDATE migracion.arriendo SET servidor = 'otra', ultima_senal = now() - interval '61 s'")
        taken = operator.run("fase2")
        assert taken.rc == 0, taken.output
        assert re.search(r"Se toma el relevo .* no da señales desde hace", " ".join(taken.output.split()))
        os.kill(module.pid, signal.SIGCONT)
        os.killpg(running.process.pid, signal.SIGCONT)
        thawed = running.wait()
    assert thawed.rc != 0
    assert ready.value("SELECT count(*) FROM migracion.fase_ejecucion WHERE fase = 'fase2' AND estado = 'completada'") == 1
