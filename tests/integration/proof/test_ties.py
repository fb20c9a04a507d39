"""A proof is no smaller than what it hangs on, and what hangs on a change is proved again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.catalogue import catalogue_from_json
from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.phase.summary import accounting
from plugins.module_utils.core.proof.dependence import foundations, pairs_hanging_on
from plugins.module_utils.core.rows.routes import Route, routes_of
from plugins.module_utils.jobs import table_copy
from plugins.module_utils.ledger.events import TAKEN_IN
from tests.support.databases import Begin, Database
from tests.support.jobs import TINKUBOT, Jobs
from tests.support.named import commands_in

ROOT = Path(__file__).resolve().parents[3]
NEW = "f0000000-0000-4000-8000-000000000001"
REQUEST = "f0000000-0000-4000-8000-000000000002"
ASKED = "SELECT c.telefono FROM solicitudes_servicio s LEFT JOIN clientes c ON c.id = s.cliente_id WHERE s.id = %s"


def a_new_customer_asks(database: Database) -> None:
    """She is new since fase2, and so is her request."""
    database.query("INSERT INTO customers (id, phone_number, full_name) VALUES (%s, '593999999999', 'Nueva')", (NEW,))
    columns = "id, phone, intent, profession, requested_at"
    database.query(
        f"INSERT INTO service_requests ({columns}) VALUES (%s, '593999999999', 'service_request', 'x', now())", (REQUEST,)
    )


def event(database: Database) -> dict[str, Any]:
    """What the last proof left for the summary."""
    found: dict[str, Any] = database.value("SELECT detalle FROM migracion.evento WHERE tipo = 'prueba' ORDER BY id DESC LIMIT 1")
    return found


def failed(jobs: Jobs, phase: str) -> MigrationError:
    with pytest.raises(MigrationError) as raised:
        jobs.fill(phase)
    assert raised.value.code == "difference"
    return raised.value


# --- what a phase looks things up in


def test_fase3_takes_in_first_what_the_table_lacks_in_which_it_looks_values_up(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    a_new_customer_asks(database)
    with jobs.run("fase3") as run_id:
        first = table_copy.copy(jobs.params(run_id, "fase3"), False)
        assert database.value("SELECT count(*) FROM clientes WHERE id = %s", (NEW,)) == 1
        assert database.value("SELECT count(*) FROM solicitudes_servicio") == 0
        assert (first["more"], first["changed"]) == (True, True)
        while table_copy.copy(jobs.params(run_id, "fase3"), False)["more"]:
            pass
    jobs.equalise("fase3")
    assert database.value("SELECT count(*) FROM migracion.evento WHERE tipo = %s", (TAKEN_IN,)) == 1  # not by every slice
    assert database.value(ASKED, (REQUEST,)) == "593999999999"
    assert first["lines"] == [
        "Puesto al día antes, porque esta fase lo consulta: customers → clientes (fase2, subfase 2.1): "
        "faltaban 1 filas, diferían 0, sobraban 0, sin anotar 0"
    ]


def test_it_is_said_in_the_summary_and_proved_with_its_own(begin: Begin) -> None:
    database, jobs = begin(up_to="fase3")
    a_new_customer_asks(database)
    database.query("UPDATE users SET city = 'Tena' WHERE id IN (SELECT id FROM clientes) AND user_type = 'client'")
    result = jobs.equalise("fase3")
    assert database.value(ASKED, (REQUEST,)) == "593999999999"
    said = accounting(event(database))
    assert sum("Puesto al día antes" in line for line in said) == 2
    assert [a["destino"] for a in result["accounting"]].count("clientes") == 2
    assert event(database)["tablas"] == result["accounting"]
    assert all(a["pendientes"] == a["sin_origen"] == 0 for a in result["accounting"])


def test_its_proof_names_what_is_stale_there(begin: Begin) -> None:
    database, jobs = begin(up_to="fase3")
    database.query("INSERT INTO customers (id, phone_number, full_name) VALUES (%s, '593999999999', 'Nueva')", (NEW,))
    assert jobs.differences("fase3") == [f"customers {NEW}: falta en clientes"]


def test_a_part_takes_in_its_parents_and_whom_its_rows_are_merged_into(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1")
    jobs.subphase = "2.2"
    database.query("INSERT INTO professions (id, name) VALUES (9001, 'Luthier')")
    database.query(
        "INSERT INTO provider_professions (provider_id, profession_id) SELECT id, 9001 FROM users"
        " WHERE user_type = 'provider' ORDER BY id LIMIT 1"
    )
    database.query(
        "INSERT INTO customers (id, phone_number, full_name) SELECT %s, phone_number, 'Nueva' FROM users u"
        " WHERE user_type = 'client' AND NOT EXISTS (SELECT FROM customers c WHERE c.phone_number = u.phone_number)"
        " AND phone_number <> '' ORDER BY id LIMIT 1",
        (NEW,),
    )
    lines = jobs.fill("fase2")["lines"]
    assert database.value("SELECT count(*) FROM proveedor_profesiones WHERE profesion_id = 9001") == 1
    assert database.value("SELECT count(*) FROM clientes WHERE id = %s", (NEW,)) == 1
    assert lines[-1].startswith("Prueba:")


def test_where_nothing_is_stale_nothing_changes_and_nothing_is_said(begin: Begin) -> None:
    database, jobs = begin(up_to="fase3")
    result = jobs.equalise("fase3")
    assert result["changed"] is False
    assert event(database)["al_dia"] == []


# --- what hangs on a change


def test_fase2_again_names_the_completed_phase_that_no_longer_holds_and_that_command_mends_it(begin: Begin) -> None:
    database, jobs = begin(up_to="fase3")
    a_new_customer_asks(database)
    database.query("DELETE FROM service_requests WHERE id = %s", (REQUEST,))
    database.query(
        "UPDATE service_requests SET phone = '593999999999' WHERE id = (SELECT min(id::text)::uuid FROM service_requests)"
    )
    jobs.equalise("fase3")
    database.query("UPDATE customers SET phone_number = '593999999998' WHERE id = %s", (NEW,))
    error = failed(jobs, "fase2")
    assert "ya no vale la prueba de service_requests → solicitudes_servicio (1 fila)" in str(error)
    assert commands_in(str(error)) == [["ansible-playbook", "fase3.yml"]]
    again = failed(jobs, "fase2")  # nothing is left to change, and it is as true as before
    assert commands_in(str(again)) == [["ansible-playbook", "fase3.yml"]]
    jobs.fill("fase3")
    jobs.fill("fase2")


def test_a_person_merged_into_a_customer_who_is_deleted_is_not_lost_in_silence(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    user, customer = database.query(
        "SELECT clave, clave_destino FROM migracion.fusion WHERE (tabla_origen, tabla_destino) = ('users', 'clientes') LIMIT 1"
    )[0]
    database.query("DELETE FROM customers WHERE id::text = %s", (customer,))
    jobs.subphase = "2.1"
    error = failed(jobs, "fase2")
    assert "ya no vale la prueba de users → clientes" in str(error)
    assert commands_in(str(error)) == [["ansible-playbook", "fase2.yml", "-e", "subfase=2.2"]]
    assert database.value("SELECT count(*) FROM clientes WHERE id::text IN (%s, %s)", (user, customer)) == 0
    jobs.subphase = "2.2"
    jobs.fill("fase2")
    assert database.value("SELECT count(*) FROM clientes WHERE id::text = %s", (user,)) == 1
    jobs.subphase = "2.1"
    jobs.fill("fase2")


def test_a_run_that_ended_before_it_asked_leaves_the_question_to_the_next_one(begin: Begin) -> None:
    """The first one changes clientes and ends with a row that somebody else's table holds; the next one changes another table."""
    database, jobs = begin(up_to="fase3")
    a_new_customer_asks(database)
    database.query("DELETE FROM customers WHERE id = %s", (NEW,))
    jobs.fill("fase3")  # her request is there, and she is nobody yet
    database.query("INSERT INTO customers (id, phone_number, full_name) VALUES (%s, '593999999999', 'Nueva')", (NEW,))
    database.query("INSERT INTO professions (id, name) VALUES (9001, 'Luthier')")
    jobs.subphase = "2.1"
    database.query("CREATE TABLE cursos (profesion_id int REFERENCES profesiones)")
    database.query("DELETE FROM customer_service_requests")
    held = database.value("SELECT min(id) FROM profesiones WHERE id NOT IN (SELECT profesion_id FROM proveedor_profesiones)")
    database.query("INSERT INTO cursos VALUES (%s)", (held,))
    database.query("DELETE FROM professions WHERE id = %s", (held,))
    assert "cursos_profesion_id_fkey" in str(failed(jobs, "fase2"))
    assert database.value("SELECT count(*) FROM clientes WHERE id = %s", (NEW,)) == 1
    database.query("DROP TABLE cursos")
    error = failed(jobs, "fase2")
    assert "ya no vale la prueba de service_requests → solicitudes_servicio (1 fila)" in str(error)
    jobs.subphase = ""
    jobs.fill("fase3")
    jobs.fill("fase2")


def test_what_hangs_on_nothing_that_changed_is_left_alone(begin: Begin) -> None:
    database, jobs = begin(up_to="fase3")
    database.query("UPDATE provider_services SET title = 'Otro' WHERE id = (SELECT min(id::text)::uuid FROM provider_services)")
    database.query("DELETE FROM service_requests")  # fase3's proof would fail for it
    jobs.fill("fase2")


# --- the dry run


def test_a_dry_run_announces_both(begin: Begin) -> None:
    database, jobs = begin(up_to="fase3")
    assert "Lo que esta fase consulta está al día: clientes" in forecast(jobs, "fase3")
    a_new_customer_asks(database)
    lines = forecast(jobs, "fase3")
    here = lines.index("Antes se pondría al día lo que esta fase consulta:")
    assert lines[here + 1].startswith("  customers → clientes: ")
    assert "se copiarían 1" in lines[here + 1]
    said = [line for line in forecast(jobs, "fase2") if line.startswith("Después se probaría otra vez, sin reparar")]
    assert [re.findall(r"(\w+) → (\w+) \((\w+), subfase ([\d.]+)\)", line) for line in said] == [
        [("service_requests", "solicitudes_servicio", "fase3", "3")]
    ]


def test_before_anything_has_run_it_has_nothing_to_announce(begin: Begin) -> None:
    _, jobs = begin()
    assert not [line for line in forecast(jobs, "fase3") if "al día" in line or "otra vez" in line]


def forecast(jobs: Jobs, phase: str) -> list[str]:
    lines: list[str] = table_copy.copy(jobs.params("prueba-check", phase), True)["lines"]
    return lines


# --- the ties themselves


@pytest.fixture(scope="module")
def routes() -> tuple[Route, ...]:
    mapping = load_mapping(TINKUBOT.read_text(encoding="utf-8"), str(TINKUBOT))
    return routes_of(mapping, catalogue_from_json((ROOT / "files/mapping/catalogo.json").read_text(encoding="utf-8")))


def named(routes: list[Route]) -> list[str]:
    return [f"{r.pair.source}-{r.pair.target}" for r in routes]


def test_a_lookup_a_parent_and_a_merge_are_ties(routes: tuple[Route, ...]) -> None:
    part = {s: [r for r in routes if r.pair.subphase == s] for s in ("2.1", "2.2", "3")}
    assert named(foundations(part["2.1"], routes)) == []
    assert named(foundations(part["2.2"], routes)) == ["professions-profesiones", "customers-clientes"]
    assert named(foundations(part["3"], routes)) == ["customers-clientes", "users-clientes"]
    services = [r for r in routes if r.pair.target == "servicios_proveedor"]
    assert named(foundations(services, routes)) == ["users-proveedores"]
    assert named(pairs_hanging_on({"clientes"}, routes)) == [
        "customers-clientes",
        "users-clientes",
        "service_requests-solicitudes_servicio",
    ]
    assert named(pairs_hanging_on({"profesiones"}, routes)) == [
        "professions-profesiones",
        "provider_professions-proveedor_profesiones",
    ]
    assert named(pairs_hanging_on(set(), routes)) == []
