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
