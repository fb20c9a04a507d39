"""Two operators, and one whose run died."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.support.databases import Database
from tests.support.playbook import Playbooks

pytestmark = pytest.mark.concurrent

Make = Callable[..., Playbooks]


def wait_for(database: Database, condition: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not database.value(f"SELECT {condition}"):
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def test_a_second_run_is_refused_and_a_killed_one_taken_over_at_once(
    new_database: Callable[..., Database], playbooks: Make
) -> None:
    database = new_database("text", 300, up_to="fase1")
    maker = playbooks(database.url, subfase="2.1", batch_rows=50)
    with database.cursor() as writer:
        writer.execute("SELECT FROM customers FOR UPDATE")  # the copy waits for writers, so it lives as long as we like
        first = maker.start("fase2")
        wait_for(database, "EXISTS (SELECT FROM migracion.progreso_copia WHERE terminada_at IS NOT NULL)")
        second = maker.run("fase2")
        first.kill()
        first.process.wait()
    assert second.rc != 0
    assert "Otra ejecución está en marcha" in second.output
    assert f"(pid {first.process.pid}) desde 20" in second.output
    assert "aplicar" in second.output

    announced = maker.run("fase2", "--check")
    assert announced.rc == 0, announced.output
    assert "Se tomaría el relevo" in announced.output
    third = maker.run("fase2", batch_rows=1000)
    assert third.rc == 0, third.output
    assert "Se toma el relevo de la ejecución interrumpida" in third.output
    assert "su proceso ya no existe" in third.output
    states = database.query("SELECT estado FROM migracion.fase_ejecucion WHERE fase = 'fase2' ORDER BY id")
    assert states == [("fallida",), ("completada",)]
    assert database.query("SELECT FROM migracion.arriendo") == []

    again = maker.run("fase2")
    assert again.rc == 0, again.output
    assert "changed=0" in again.output.rpartition("runner ")[2]
    assert database.value("SELECT count(*) FROM migracion.fase_ejecucion WHERE fase = 'fase2'") == 2
