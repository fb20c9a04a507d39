"""A service that writes beside the phases: none of its writes fails, and once it rests nothing of it is missing."""

from __future__ import annotations

import pytest

from .conftest import Database

testinfra_hosts = ["database"]


@pytest.fixture
def rounds(database: Database) -> int:
    """How often the writer wrote."""
    if not any("writer" in station for station in database.host.ansible.get_variables()["road"]):
        pytest.skip("nobody wrote beside this road")
    return len(database.host.file("/var/lib/cycle/writer.rounds").content_string.splitlines())


def test_no_write_failed(database: Database, rounds: int) -> None:
    assert rounds > 50
    assert database.host.file("/var/lib/cycle/writer.errors").content_string == ""


def test_what_was_written_is_on_both_sides(database: Database, rounds: int) -> None:
    legacy = "SELECT count(*) FROM public.customers WHERE full_name LIKE 'Nueva %'"
    spanish = "SELECT count(*) FROM public.clientes WHERE nombre_completo LIKE 'Nueva %'"
    assert database.rows(legacy) == [str(rounds)]
    assert database.rows(spanish) == [str(rounds)]
    cities = "SELECT count(*) FROM public.{} WHERE {} LIKE 'Tena %' AND id NOT IN (SELECT clave::uuid FROM migracion.cuarentena"
    of_customers = " WHERE tabla_origen = 'customers' AND estado <> 'resuelta')"
    assert database.rows(cities.format("customers", "city") + of_customers) == database.rows(
        cities.format("clientes", "ciudad") + of_customers
    )


def test_a_busy_phase_ends_well_or_names_what_differs(database: Database, rounds: int) -> None:
    for station in database.host.ansible.get_variables()["road"]:
        if station.get("busy"):
            run = database.said(station["phase"], "con-escrituras")
            assert run["rc"] == 0 or "filas legacy sin su igual" in run["stdout"], run["stdout"]
