"""What would take many rows out of a Spanish table is asked about before the first of them leaves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import table_compare
from tests.support.databases import Begin, Database
from tests.support.named import arguments_in
from tests.support.operator import Operator

EMPTIED = "SET session_replication_role = replica; DELETE FROM customers WHERE id::text > '1'"
LEFT = "SELECT count(*) FROM clientes"


def emptied(database: Database) -> int:
    """A legacy table emptied by accident; how many clients there are still."""
    with database.cursor() as cursor:
        cursor.execute(EMPTIED)
    return int(database.value(LEFT))


def test_a_legacy_table_emptied_by_accident_takes_no_client_out_until_somebody_says_why(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="2.1")
    operator = Operator(database.url, tmp_path / "respaldos")
    rows, command = emptied(database), "ansible-playbook fase2.yml -i demo -e subfase=2.1"
    foreseen = operator.stops(f"{command} --check")
    (gone,) = map(int, re.findall(r"customers → clientes: .*se retirarían (\d+) \(", foreseen.text))
    assert gone > 150
    refused = operator.stops(command)
    for said in (foreseen, refused):
        assert f"removal: esta ejecución retiraría {gone} de las {rows} filas de clientes" in said.message
    assert database.value(LEFT) == rows
    assert database.value("SELECT count(*) FROM migracion.apartada") == 0
    (argument,) = arguments_in(refused.message)
    given = [word.replace("MOTIVO", "de acuerdo") for word in argument]
    passed = operator.goes(["ansible-playbook", "fase2.yml", "-i", "demo", "-e", "subfase=2.1", *given])
    assert "Puerta removal saltada: de acuerdo" in passed.text
    recorded = "SELECT detalle->>'puerta', detalle->>'motivo' FROM migracion.evento WHERE tipo = 'puerta_saltada'"
    assert database.query(recorded) == [("removal", "de acuerdo")]
    assert database.value(LEFT) == rows - gone
    assert database.value("SELECT count(*) FROM migracion.apartada") == gone


def test_rows_that_hang_on_those_that_leave_count_too(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2")
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "INSERT INTO proveedor_profesiones (proveedor_id, profesion_id) SELECT p.id, 900000 + n"
            " FROM (SELECT id FROM proveedores ORDER BY id LIMIT 1) p, generate_series(1, 200) n"
        )
        cursor.execute("DELETE FROM users WHERE id = (SELECT min(id::text)::uuid FROM proveedores)")
        cursor.execute("DELETE FROM provider_professions")
    with pytest.raises(MigrationError, match=r"removal: .* filas de proveedor_profesiones") as refused:
        jobs.equalise()
    assert refused.value.code == "refused"


def test_the_copy_asks_before_its_first_batch_where_tables_hold_rows_already(begin: Begin) -> None:
    """Rows born on the Spanish side hold the phones of customers that are still to be copied."""
    database, jobs = begin(up_to="fase1", subphase="2.1")
    born = "INSERT INTO clientes (telefono, nombre_completo) SELECT left(phone_number, 20), 'Aquí' FROM customers"
    database.query(f"{born} ON CONFLICT DO NOTHING")
    rows = database.value(LEFT)
    with pytest.raises(MigrationError, match="removal: ") as refused:
        jobs.copy()
    assert refused.value.code == "refused"
    assert database.value(LEFT) == rows
    assert database.value("SELECT count(*) FROM migracion.apartada") == 0


def test_what_the_run_has_taken_out_already_counts(begin: Begin) -> None:
    """A second accident in the middle of a run: fewer rows each time than would be asked about."""
    database, jobs = begin(up_to="2.1", subphase="2.1")
    with jobs.run("fase2") as run_id:
        entries = "INSERT INTO migracion.apartada (run_id, tabla, clave, fila) SELECT %s, 'clientes', n::text, '{}'"
        database.query(f"{entries} FROM generate_series(1, 99) n", (run_id,))
        database.query("SET session_replication_role = replica; DELETE FROM customers WHERE id::text LIKE 'c0000000%5'")
        with pytest.raises(MigrationError, match="removal: "):
            table_compare.compare(jobs.params(run_id, "fase2", repair=True), False)


def test_a_way_back_meets_no_gate(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1", subphase="2.1")
    emptied(database)
    jobs.take_back()
    assert database.value(LEFT) == 0
