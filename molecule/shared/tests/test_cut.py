"""A connection cut in the middle of the copy: the command ends non-zero, nothing of it goes on, and the same command goes on."""

from __future__ import annotations

import pytest

from .conftest import Database

testinfra_hosts = ["database"]


@pytest.fixture
def cut(database: Database) -> str:
    """The phase whose copy was cut."""
    found = [station["phase"] for station in database.host.ansible.get_variables()["road"] if "cut" in station]
    if not found:
        pytest.skip("nothing was cut on this road")
    return str(found[0])


def test_the_cut_command_ends_non_zero_and_the_same_command_takes_over(database: Database, cut: str) -> None:
    broken, again = database.said(cut, "cortada"), database.said(cut, "hecha")
    assert broken["rc"] != 0
    assert "UNREACHABLE!" in broken["stdout"] + broken["stderr"]
    assert again["rc"] == 0, again["stdout"] + again["stderr"]
    assert "Se toma el relevo de la ejecución interrumpida" in again["stdout"]


def test_the_ledger_tells_both(database: Database, cut: str) -> None:
    told = f"SELECT accion, estado FROM migracion.fase_ejecucion WHERE fase = '{cut}' ORDER BY id"
    assert database.rows(told) == ["aplicar|fallida", "aplicar|completada"]
    batches = "SELECT filas_leidas FROM migracion.progreso_copia WHERE tabla_origen = 'customers'"
    legacy = "SELECT count(*) FROM public.customers"
    assert database.rows(batches) == database.rows(legacy)


def test_nothing_of_it_is_left_on_the_host(database: Database, cut: str) -> None:
    assert database.host.run("pgrep -f '[A]nsiballZ|[m]igration_phase|[t]able_copy'").stdout == ""
    assert database.rows("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'migracion:%'") == ["0"]


def test_the_runbook_became_root_and_its_logs_are_for_root_alone(database: Database, cut: str) -> None:
    found = database.host.run("find / -xdev -path '*/registros/*.log' -printf '%u %m\\n' 2>/dev/null").stdout.splitlines()
    assert len(found) >= len(database.road)
    assert set(found) == {"root 600"}
