"""The independent accounting: content with what the runbook did, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.accounting import take_accounting
from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tests.support.variants import brief

CUSTOMER = "c0000000-0000-4000-8000-000000000001"
REFUSED = "c0000000-0000-4000-8000-000000000003"


@pytest.fixture(scope="module", params=brief(["jsonb", "text"], "text"))
def migrated(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """All nine tables, copied and proved by the runbook's own jobs."""
    made = databases.sample(request.param, up_to="fase3")
    yield made
    databases.drop(made)


@pytest.fixture
def broken(migrated: Database, databases: Databases) -> Iterator[Callable[[str], list[str]]]:
    """``broken(statement)``: what the accounting says of a copy on which the superuser ran that statement."""
    copy = databases.copy(migrated.name)

    def run(statement: str) -> list[str]:
        with copy.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(statement)
            assert cursor.rowcount != 0, "the statement changed nothing"
        return take_accounting(copy.superuser_url).problems

    yield run
    databases.drop(copy)


def test_it_agrees_with_the_runbook_and_changes_nothing(migrated: Database) -> None:
    before = dump(migrated, without=())
    found = take_accounting(migrated.superuser_url)
    assert found.problems == []
    assert found.legacy == found.equal + found.merged + found.quarantined
    assert min(found.equal, found.merged, found.quarantined) > 0
    assert dump(migrated, without=()) == before


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"DELETE FROM clientes WHERE id = '{CUSTOMER}'", f"clientes {CUSTOMER} is missing"),
        ("INSERT INTO clientes (telefono, nombre_completo) VALUES ('1', 'De nadie')", "is too many"),
        (f"UPDATE clientes SET ciudad = '' WHERE id = '{CUSTOMER}'", f"clientes {CUSTOMER} differs"),
        (f"UPDATE clientes SET creado_at = creado_at - interval '5 hours' WHERE id = '{CUSTOMER}'", "differs"),
        (f"UPDATE clientes SET estado = 'inactivo' WHERE id = '{CUSTOMER}'", "differs"),
        ("UPDATE clientes SET notas = '{}' WHERE notas ->> 'precio' = '10.50'", "differs"),
        ("UPDATE proveedores SET latitud = latitud + 0.00000001 WHERE latitud <> 'NaN'", "proveedores"),
        ("UPDATE mensajes SET contenido = contenido || ' '", "mensajes"),
        ("UPDATE solicitudes_servicio SET cliente_id = NULL WHERE cliente_id IS NOT NULL", "solicitudes_servicio"),
        ("DELETE FROM proveedor_profesiones", "proveedor_profesiones"),
        ("UPDATE sesiones SET telefono = '0'", "sesiones"),
        ("UPDATE tareas_programadas SET intentos = intentos + 1", "tareas_programadas"),
        (f"DELETE FROM migracion.cuarentena WHERE clave = '{REFUSED}'", f"quarantine of customers {REFUSED} is missing"),
        (f"UPDATE migracion.cuarentena SET clave = '{CUSTOMER}' WHERE clave = '{REFUSED}'", f"{CUSTOMER} is too many"),
        (f"UPDATE migracion.cuarentena SET fila = '{{}}' WHERE clave = '{REFUSED}'", "does not hold the row as it is"),
        (f"UPDATE migracion.cuarentena SET motivo = ' ' WHERE clave = '{REFUSED}'", "or no reason"),
        ("DELETE FROM migracion.fusion", "merge of users into clientes"),
        ("UPDATE migracion.fusion SET clave_destino = '0' WHERE tabla_origen = 'users'", "differs"),
        ("INSERT INTO migracion.pendiente (tabla_origen, clave, motivo) VALUES ('users', '1', 'x')", "pending: users 1: x"),
        (f"UPDATE customers SET city = 'Otra' WHERE id = '{CUSTOMER}'", f"clientes {CUSTOMER} differs"),
        ("DELETE FROM customers WHERE id = 'c0000000-0000-4000-8000-000000000026'", "is too many"),
    ],
)
def test_it_names_whatever_is_not_as_it_must_be(broken: Callable[[str], list[str]], statement: str, said: str) -> None:
    problems = broken(statement)
    assert any(said in problem for problem in problems), problems


def test_parts_that_do_not_stand_must_be_empty(migrated: Database) -> None:
    problems = take_accounting(migrated.superuser_url, ("2.1", "2.2")).problems
    assert {problem.split()[0] for problem in problems if "is too many" in problem} >= {"mensajes", "sesiones", "quarantine"}


def test_a_sequence_behind_its_ids_is_named(migrated: Database, databases: Databases) -> None:
    copy = databases.copy(migrated.name)
    with copy.cursor() as cursor:
        cursor.execute(
            "SELECT substring(pg_get_expr(adbin, adrelid) FROM $$'(.*)'$$) FROM pg_attrdef"
            " WHERE adrelid = 'profesiones'::regclass AND pg_get_expr(adbin, adrelid) LIKE 'nextval%'"
        )
        cursor.execute("SELECT setval(%s, 1)", cursor.fetchone())
    assert any("stands at 1" in problem for problem in take_accounting(copy.superuser_url).problems)
    databases.drop(copy)
