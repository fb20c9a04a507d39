"""Each column of each Spanish table stands in one of two lists: compared, or named as not compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugins.module_utils.call.context import Context, opened
from plugins.module_utils.core.mapping.types import SpanishColumn
from plugins.module_utils.core.proof.comparison import DIFFERENT
from plugins.module_utils.core.rows.routes import Route
from plugins.module_utils.proof.prove import prove
from tests.support.databases import Begin, Database, Databases
from tests.support.jobs import Jobs

pytestmark = pytest.mark.values

NAMED = re.compile(r"  no se comparan, porque ninguna columna de (\w+) las da: (.*)")


@pytest.fixture(scope="module")
def looking(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Context]]:
    """All nine tables proved equal, and a module call that may look at them."""
    database = databases.sample(up_to="fase3")
    jobs = Jobs(database.url, tmp_path_factory.mktemp("respaldos"))
    with opened(jobs.params("prueba", "fase3"), True) as context:
        yield database, context
    databases.drop(database)


def another(column: SpanishColumn) -> str:
    """Another value than the column has, as SQL, which its own constraints admit."""
    name = f'"{column.name}"'
    if column.allowed:
        values = ", ".join(f"('{value}')" for value in column.allowed)
        return f"(SELECT v FROM (VALUES {values}) o(v) WHERE v IS DISTINCT FROM t.{name} LIMIT 1)"
    family, _, scale = column.type.partition("(")
    smallest = f"1e-{scale.rstrip(')').partition(',')[2] or 0}"
    return {
        "boolean": f"t.{name} IS NOT TRUE",
        "integer": f"CASE WHEN t.{name} IS NULL THEN 1 ELSE nullif(t.{name}, 0) - 1 END",
        "numeric": f"CASE WHEN t.{name} = 0 THEN {smallest} WHEN t.{name} <> 'NaN' THEN t.{name} - sign(t.{name}) * {smallest} "
        "ELSE 0 END",
        "uuid": f"CASE WHEN t.{name} IS NULL THEN gen_random_uuid() END",
        "jsonb": f"""CASE WHEN t.{name} = '{{"otra": 1.0}}' THEN '{{"otra": 1.00}}' ELSE '{{"otra": 1.0}}' END::jsonb""",
        "timestamp without time zone": f"CASE WHEN t.{name} BETWEEN '2000-01-01' AND '2100-01-01'"
        f" THEN t.{name} + interval '1 microsecond' ELSE '2000-01-01' END",
    }.get(family, f"left('~' || coalesce(t.{name}, ''), {scale.rstrip(')') or 1000})")


def wrong_in(database: Database, route: Route, column: SpanishColumn) -> tuple[str, str, str]:
    """Change that column of one Spanish row of the pair; its legacy key, its place now, and the whole of it as it was."""
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET search_path = pg_catalog, public")
        given = " AND ".join(f'f."{m}" = t."{m}"' for m in route.pair.match)
        cursor.execute(
            f"WITH uno AS (SELECT t.ctid AS lugar, t, f._clave FROM {route.target_table} t JOIN {route.view} f ON {given}"
            f' AND f._rechazo IS NULL AND f._fusion IS NULL WHERE ({another(column)}) IS DISTINCT FROM t."{column.name}"'
            f" ORDER BY t.id LIMIT 1)"
            f' UPDATE {route.target_table} t SET "{column.name}" = {another(column)} FROM uno WHERE t.ctid = uno.lugar'
            " RETURNING uno._clave, t.ctid::text, to_jsonb(uno.t)::text"
        )
        ((key, place, row),) = cursor.fetchall()
        return key, place, row


def put_back(database: Database, route: Route, place: str, row: str) -> None:
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET search_path = pg_catalog, public")
        cursor.execute(f"DELETE FROM {route.target_table} WHERE ctid = %s::tid", (place,))
        filled = f"SELECT * FROM jsonb_populate_record(NULL::{route.target_table}, %s::jsonb)"
        cursor.execute(f"INSERT INTO {route.target_table} {filled}", (row,))


def test_whichever_compared_column_is_wrong_the_proof_names_it(looking: tuple[Database, Context]) -> None:
    database, context = looking
    tried: dict[str, set[str]] = {}
    for route in context.all_routes:
        for carried in route.carried:
            if carried.target.name in route.pair.match:
                continue
            key, place, row = wrong_in(database, route, carried.target)
            [found] = prove(context.conn, [route], context.all_routes)
            said = [(e["estado"], e["clave"], [name for name, *_ in e["columnas"]]) for e in found.examples]
            assert said == [(DIFFERENT, key, [carried.target.name])], f"{route.pair.target}.{carried.target.name}"
            put_back(database, route, place, row)
            tried.setdefault(route.pair.target, set()).add(carried.target.name)
        [found] = prove(context.conn, [route], context.all_routes)
        assert found.clean, route.pair.target
    assert {table: len(columns) for table, columns in tried.items()} == {
        table.name: len(columns - match)
        for table in context.mapping.tables
        for columns, match in [
            (
                set().union(*(r.columns for r in context.all_routes if r.pair.target == table.name)),
                set().union(*(r.pair.match for r in context.all_routes if r.pair.target == table.name)),
            )
        ]
    }
    assert {"codigo_qr"} <= tried["sesiones"]
    assert {"latitud", "longitud"} <= tried["proveedores"]
    assert {"url_media", "tipo_media", "respuesta_ia"} <= tried["mensajes"]


def not_compared(lines: list[str]) -> dict[str, set[str]]:
    """By legacy table and first column named, what the proof says nothing about."""
    return {found[1]: set(found[2].split(", ")) for line in lines if (found := NAMED.match(line))}


def test_a_column_that_one_of_two_pairs_does_not_give_is_named_as_not_compared(
    new_database: Callable[..., Database], tmp_path: Path
) -> None:
    database = new_database("jsonb")
    database.query("ALTER TABLE users DROP COLUMN IF EXISTS has_consent")
    jobs = Jobs(database.url, tmp_path)
    lines = jobs.up_to_proof()["lines"]
    given_by_users = {"id", "telefono", "nombre_completo", "ciudad", "estado", "creado_at", "actualizado_at"}
    assert {"ciudad_confirmada_at", "notas", "tiene_consentimiento"} in [
        set(found[2].split(", ")) for line in lines if (found := NAMED.match(line)) and found[1] == "users"
    ]
    columns = database.query("SELECT attname FROM pg_attribute WHERE attrelid = 'clientes'::regclass AND attnum > 0")
    assert {name for (name,) in columns} - given_by_users == {"ciudad_confirmada_at", "notas", "tiene_consentimiento"}


def test_a_column_that_somebody_else_added_is_named_as_not_compared(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1", subphase="2.1")
    database.query('ALTER TABLE profesiones ADD COLUMN "Icono %" text')
    result = jobs.prove()
    assert not_compared(result["lines"])["professions"] == {"Icono %"}
    assert result["accounting"][0]["no_comparadas"] == ["Icono %"]
