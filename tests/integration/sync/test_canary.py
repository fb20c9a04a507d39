"""Before a service moves, the way back is tried with marked rows; they leave nothing."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import sync_state
from tests.support.databases import Begin
from tests.support.dump import dump
from tests.support.twins import TWINS
from tests.support.variants import brief


@pytest.mark.parametrize("installation", brief(["jsonb", "text"], "jsonb"))
def test_every_table_is_tried_and_nothing_stays(begin: Begin, installation: str) -> None:
    database, jobs = begin(installation, up_to="fase3")
    jobs.synchronise()
    before = dump(database)
    with jobs.run("fase3") as run_id:
        said = sync_state.tried(jobs.params(run_id, "fase3"), False)["lines"]
    assert said == ["Vuelta atrás: probada con una fila en cada una de 9 tablas, sin dejar rastro"]
    after = dump(database)
    assert without_sequences(after) == without_sequences(before)


@pytest.mark.parametrize("table", brief(["clientes", "mensajes", "tareas_programadas"], "clientes"))
def test_a_table_that_does_not_carry_back_is_named(begin: Begin, table: str) -> None:
    database, jobs = begin(up_to="fase3")
    jobs.synchronise()
    database.query(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    with jobs.run("fase3") as run_id, pytest.raises(MigrationError) as refused:
        sync_state.tried(jobs.params(run_id, "fase3"), False)
    assert refused.value.code == "no_way_back"
    assert f"la fila de prueba de {table} no llegó a {TWINS[table]}" in str(refused.value)


def test_a_pair_without_its_sync_is_named(begin: Begin) -> None:
    database, jobs = begin(up_to="fase3")
    jobs.synchronise("fase3")
    with jobs.run("fase3") as run_id, pytest.raises(MigrationError) as refused:
        sync_state.tried(jobs.params(run_id, "fase3"), False)
    assert "la sincronización no está en professions → profesiones, customers → clientes" in str(refused.value)
    assert not database.query("SELECT FROM migracion.evento WHERE tipo = 'canario'")


def without_sequences(text: str) -> list[str]:
    return [line for line in text.splitlines() if "setval" not in line]
