"""Functions of ours that somebody drops or replaces: services go on, it is named, and one command puts it right."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Begin
from tests.support.operator import Operator
from tests.support.variants import brief

from .conftest import Synced

CUSTOMER = "(SELECT min(id::text)::uuid FROM clientes)"
FUNCTIONS = brief(
    ["volver_clientes", "ida_customers_clientes", "llevar_customers_clientes", "cede_clientes", "anotar_escritura"],
    "volver_clientes", "llevar_customers_clientes",
)  # fmt: skip


def drop(synced: Synced, name: str) -> None:
    """Drop a function of schema migracion, whatever its arguments."""
    synced.write(f"DO $$ BEGIN EXECUTE 'DROP FUNCTION ' || 'migracion.{name}'::regproc::oid::regprocedure; END $$")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_services_write_on_without_a_function_and_nothing_is_lost(synced: Synced, name: str) -> None:
    drop(synced, name)
    synced.write(
        f"UPDATE clientes SET ciudad = 'Tena', telefono = '+1' WHERE id = {CUSTOMER}",
        "UPDATE customers SET city = 'x', phone_number = '+2' WHERE id = (SELECT max(id::text)::uuid FROM clientes)",
        "INSERT INTO customers (phone_number, city) VALUES ('+3', repeat('larga', 30))",
        "INSERT INTO clientes (telefono, nombre_completo) VALUES ('+4', 'Ana')",
        "DELETE FROM customers WHERE phone_number = '+3'",
    )
    if name != "anotar_escritura":
        with pytest.raises(MigrationError, match=rf"falta migracion\.{name}") as failed:
            synced.jobs.prove()
        assert "-e sincronizacion=si" in str(failed.value)
        assert f"falta migracion.{name}" in "\n".join(synced.jobs.switch("si", check=True)["lines"])
        said = "\n".join(synced.jobs.switch("si")["lines"])
        assert f"falta migracion.{name}" in said
    else:
        synced.jobs.approve()
        synced.jobs.drain()
    assert synced.value(f"SELECT city FROM customers WHERE id = {CUSTOMER}") == "Tena"
    assert synced.value("SELECT count(*) FROM customers WHERE phone_number = '+4'") == 1
    assert synced.value("SELECT count(*) FROM clientes WHERE ciudad = 'x'") == 1
    synced.settled()


@pytest.mark.parametrize("name", brief(["sinc_customers_clientes", "vuelta_clientes", "quitar_clientes"], "vuelta_clientes"))
def test_a_function_that_somebody_replaced_is_told_like_a_trigger_that_is_gone(synced: Synced, name: str) -> None:
    synced.write(
        "DO $$ BEGIN EXECUTE regexp_replace(pg_get_functiondef("
        f"'migracion.{name}'::regproc), E'\\nBEGIN', E'\\nBEGIN RETURN NULL;'); END $$"
        if name != "quitar_clientes"
        else f"ALTER FUNCTION migracion.{name} SET work_mem = '1MB'",
        f"UPDATE customers SET city = 'x' WHERE id = {CUSTOMER}",
    )
    with pytest.raises(MigrationError, match=rf"alguien cambió migracion\.{name}"):
        synced.jobs.prove()
    synced.jobs.switch("si")
    assert synced.value(f"SELECT ciudad FROM clientes WHERE id = {CUSTOMER}") == "x"
    synced.settled()


def test_a_renamed_key_of_a_spanish_table_is_caught_up_with(synced: Synced) -> None:
    synced.write("ALTER TABLE clientes RENAME id TO nuevo")
    key = synced.value("SELECT min(nuevo::text)::uuid FROM clientes")
    gone = synced.value(
        "SELECT max(c.nuevo::text)::uuid FROM clientes c WHERE NOT EXISTS (SELECT FROM solicitudes_servicio s"
        " WHERE s.cliente_id = c.nuevo) AND EXISTS (SELECT FROM customers k WHERE k.id = c.nuevo)"
        " AND NOT EXISTS (SELECT FROM consents x WHERE x.user_id = c.nuevo)"
        " AND NOT EXISTS (SELECT FROM customer_service_requests x WHERE x.customer_id = c.nuevo)"
    )
    synced.write(
        f"UPDATE clientes SET ciudad = 'Puyo' WHERE nuevo = '{key}'",
        "INSERT INTO clientes (telefono, nombre_completo, ciudad) VALUES ('+7', 'Ana', 'nació')",
        f"DELETE FROM clientes WHERE nuevo = '{gone}'",
    )
    assert synced.value("SELECT count(*) FROM migracion.pendiente WHERE clave = '*' AND tabla_origen = 'clientes'") == 0
    synced.write("ALTER TABLE clientes RENAME nuevo TO id")
    synced.jobs.drain()
    assert synced.value(f"SELECT city FROM customers WHERE id = '{key}'") == "Puyo"
    assert synced.value("SELECT count(*) FROM customers WHERE phone_number = '+7' AND city = 'nació'") == 1
    assert synced.value(f"SELECT count(*) FROM customers WHERE id = '{gone}'") == 0
    synced.settled()


def test_the_state_and_the_way_back_name_a_function_that_is_gone(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    operator.goes("ansible-playbook fase2.yml -i demo")
    database.query("DROP FUNCTION migracion.volver_clientes")
    database.query("UPDATE clientes SET ciudad = 'Tena'")
    state = operator.goes("ansible-playbook estado.yml -i demo")
    assert "falta migracion.volver_clientes" in state.text
    assert "falta migracion.volver_clientes" in operator.goes("ansible-playbook fase2.yml -i demo --tags rollback --check").text
    (back,) = state.after("Se repone con:")
    operator.goes(back)
    assert database.value("SELECT count(*) FROM clientes JOIN customers USING (id) WHERE city <> 'Tena'") == 0
    operator.goes("ansible-playbook fase2.yml -i demo --tags verify")
