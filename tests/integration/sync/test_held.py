"""A Spanish row that has to leave while a row of somebody else's table holds it stays, in quarantine on its own side."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.operator import Operator

from .conftest import Synced

KEY = "SELECT min(t.id::text) FROM clientes t JOIN customers c USING (id) WHERE"
FREE = " AND ".join(
    f"NOT EXISTS (SELECT FROM {table} x WHERE x.{column} = t.id)"
    for table, column in (("consents", "user_id"), ("customer_service_requests", "customer_id"), ("users", "id"))
)
ENTRY = "SELECT estado, sqlstate, motivo FROM migracion.cuarentena WHERE tabla_origen = 'clientes' AND clave = '{}'"


@pytest.fixture
def held(synced: Synced) -> str:
    """A customer whom legacy has deleted and whose twin somebody's table names."""
    key = synced.value(f"{KEY} {FREE}")
    assert isinstance(key, str)
    synced.write(
        "CREATE TABLE ajena (id integer PRIMARY KEY, cliente uuid REFERENCES clientes)",
        f"INSERT INTO ajena VALUES (1, '{key}')",
        f"DELETE FROM customers WHERE id = '{key}'",
    )
    assert synced.database.query(ENTRY.format(key)) == [
        ("abierta", "23503", "no se retira: public.ajena depende de ella por ajena_cliente_fkey (filas: 1)")
    ]
    synced.settled()
    return key


def test_it_leaves_by_the_statement_that_is_named_once_nothing_holds_it(synced: Synced, held: str, tmp_path: Path) -> None:
    operator = Operator(synced.database.url, tmp_path / "respaldos")
    said = operator.goes("ansible-playbook estado.yml -i demo --tags cuarentena").text
    (statement,) = re.findall(r"DELETE FROM public\.clientes\n    WHERE id IN \('[^']*'\);", said)
    synced.jobs.equalise("fase2")  # a repair leaves it where it is
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id = '{held}'") == 1
    synced.write("DELETE FROM ajena", statement)
    assert synced.database.query(ENTRY.format(held))[0][0] == "resuelta"
    assert synced.value(f"SELECT count(*) FROM clientes WHERE id = '{held}'") == 0
    synced.settled()


def test_a_legacy_row_that_comes_again_makes_it_due_again(synced: Synced, held: str) -> None:
    synced.write(f"INSERT INTO customers (id, phone_number, city) SELECT id, telefono, 'otra' FROM clientes WHERE id = '{held}'")
    assert synced.value(f"SELECT ciudad FROM clientes WHERE id = '{held}'") == "otra"
    assert synced.database.query(ENTRY.format(held))[0][0] == "resuelta"
    synced.settled()
