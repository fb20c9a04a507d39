"""What was set aside is listed with a statement that puts it back, byte for byte, as it is pasted into psql."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.databases import Begin
from tests.support.operator import Operator


def test_the_printed_statements_put_every_row_back_as_it_was(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase2")
    tables = ("profesiones", "clientes", "proveedores", "proveedor_profesiones", "servicios_proveedor")
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE clientes SET notas = 'null' WHERE id = (SELECT min(id::text)::uuid FROM clientes)")
        cursor.execute("UPDATE clientes SET notas = NULL WHERE id = (SELECT max(id::text)::uuid FROM clientes)")
        cursor.execute("ALTER TABLE clientes ADD largo int GENERATED ALWAYS AS (length(telefono)) STORED")
        for legacy in ("customers", "users", "professions", "provider_professions", "provider_services"):
            cursor.execute(f"DELETE FROM {legacy}")
    before = {table: database.query(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables}
    operator = Operator(database.url, tmp_path / "respaldos")
    with database.cursor(database.url) as cursor:
        cursor.execute(
            "SELECT set_config('migracion.lleva', (SELECT jsonb_agg(jsonb_build_array('public', t))::text"
            " FROM unnest(%s) t), false)",
            (list(tables),),
        )
        for table in reversed(tables):
            place = f"SELECT migracion.apartar('{table}'::regclass, ARRAY(SELECT ctid FROM {table}), 'r1')"
            cursor.execute(place)
    assert not any(database.query(f"SELECT 1 FROM {table} LIMIT 1") for table in tables)
    listed = operator.goes("ansible-playbook estado.yml -i demo --tags apartada").text
    assert re.search(r"Filas apartadas: \d+, por ejecución y tabla:", listed)
    assert "sin las filas legacy de las que vienen las aparta otra vez" in listed
    statements = re.findall(r"INSERT INTO public\..*?DO NOTHING;", listed, re.DOTALL)
    assert len(statements) == len(tables)
    for statement in statements * 2:  # a second time changes nothing
        with database.cursor(database.url) as cursor:
            cursor.execute(statement)
    assert {table: database.query(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables} == before


def test_where_nothing_was_set_aside_it_says_so(begin: Begin, tmp_path: Path) -> None:
    for stage in (None, "fase1"):
        database, _ = begin(up_to=stage)
        operator = Operator(database.url, tmp_path / "respaldos")
        assert "Filas apartadas: ninguna" in operator.goes("ansible-playbook estado.yml -i demo --tags apartada").text


def test_of_a_row_that_was_overwritten_it_prints_what_gives_it_its_values_back(begin: Begin, tmp_path: Path) -> None:
    database, jobs = begin(up_to="fase2", rows=100)
    operator = Operator(database.url, tmp_path / "respaldos")
    jobs.synchronise("fase2")
    key = database.value("SELECT min(c.id::text) FROM customers c JOIN clientes USING (id)")
    database.query(f"UPDATE clientes SET ciudad = 'antes', notas = 'null' WHERE id = '{key}'")
    columns = "(run_id, tabla, clave, fila, nulos_json)"
    kept = f"INSERT INTO migracion.apartada {columns} SELECT 'r1', 'clientes', ({{0}}) ->> 'id', {{0}}, {{1}}"
    gone = 'to_jsonb(t.*) || \'{"id": "00000000-0000-4000-8000-00000000000a", "telefono": "+1"}\''
    for row in ('to_jsonb(t.*) || \'{"ciudad": "de antes"}\'', "to_jsonb(t.*)", gone):
        database.query(kept.format(row, "ARRAY['notas']") + f" FROM clientes t WHERE id = '{key}'")
    database.query(f"UPDATE clientes SET ciudad = 'después', notas = NULL WHERE id = '{key}'")
    listed = operator.goes("ansible-playbook estado.yml -i demo --tags apartada").text
    assert "Siguen en la tabla con otros valores: 2 filas" in listed
    statements = re.findall(r"^ *((?:INSERT|UPDATE) .*?;)$", listed, re.DOTALL | re.MULTILINE)
    assert [statement.split()[0] for statement in statements] == ["INSERT", "UPDATE"]
    seen = f"SELECT ciudad, notas::text FROM clientes WHERE id = '{key}'"
    with database.cursor(database.url) as cursor:
        cursor.execute(f"BEGIN; ALTER TABLE clientes DISABLE TRIGGER USER; {statements[1]} {seen}")
        assert cursor.fetchall() == [("antes", "null")]
        cursor.execute("ROLLBACK")
        for statement in statements:
            cursor.execute(statement)
    assert database.query(seen) == [("antes", "{}")]  # legacy cannot say the null of JSON here: the sync gives what it reads
    assert database.value("SELECT count(*) FROM clientes WHERE telefono = '+1'") == 1
    assert database.value(f"SELECT city FROM customers WHERE id = '{key}'") == "antes"
