"""The proof names every difference and passes over none; the forecast says what the run then does."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2.errors
import pytest

from plugins.module_utils.core.errors import COMMITTED_STAYS, READ_ONLY_STEP, MigrationError
from tests.support.databases import Begin, Database, Databases, Made
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.rows import customer
from tests.support.variants import brief


@pytest.fixture(scope="module")
def proved(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A database whose tables are proved equal; every test leaves it so."""
    database = databases.sample()
    jobs = Jobs(database.url, tmp_path_factory.mktemp("respaldos"), subphase="2.1")
    jobs.up_to_proof()
    yield database, jobs
    databases.drop(database)


@pytest.fixture
def made(begin: Begin) -> Made:
    """A database of the test's own, proved equal."""
    return begin(up_to="2.1", subphase="2.1")


@contextmanager
def by_hand(database: Database, statement: str, *parameters: Any) -> Iterator[None]:
    """Change the Spanish tables behind everybody's back, their triggers silent, and put every row back at the end."""
    tables = ("profesiones", "clientes")
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in tables:
            cursor.execute(f"CREATE TABLE migracion.antes_{table} AS TABLE {table}")
        cursor.execute(statement, parameters or None)
    yield
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in tables:
            cursor.execute(
                f"DELETE FROM {table}; INSERT INTO {table} TABLE migracion.antes_{table}; DROP TABLE migracion.antes_{table}"
            )


# column: key, new value, what was expected and what is found as they are shown
OF_CLIENTES = {
    "telefono": (24, "'59310000O024'", "'593100000024'", "'59310000O024'"),
    "nombre_completo": (24, "'Fusion por clave'", "'Fusión por clave'", "'Fusion por clave'"),
    "ciudad": (5, "' '", "''", "' '"),
    "ciudad_confirmada_at": (24, "'2024-03-10 07:30:00.000001'", "'2024-03-10 07:30:00'", "'2024-03-10 07:30:00.000001'"),
    "notas": (103, "'42.0'", "'42'", "'42.0'"),
    "tiene_consentimiento": (101, "false", "NULL", "'false'"),
    "creado_at": (17, "'infinity'", "'-infinity'", "'infinity'"),
    "actualizado_at": (22, "'294276-12-31 23:59:59.999998'", "'294276-12-31 23:59:59.999999'", "'294276-12-31 23:59:59.999998'"),
}
OF_PROFESIONES = {
    "nombre": (913, "'L''Oreal \"100%\" \\ %s'", "'L\\'Oréal \"100%\" \\\\ %s'", "'L\\'Oreal \"100%\" \\\\ %s'"),
    "especialidad": (913, "'C:\\tem'", "'C:\\\\temp'", "'C:\\\\tem'"),
    "categoria": (912, "NULL", "''", "NULL"),
    "esta_activo": (908, "true", "NULL", "'true'"),
    "creado_at": (908, "'2024-01-01'", "NULL", "'2024-01-01 00:00:00'"),
    "actualizado_at": (911, "'-infinity'", "'infinity'", "'-infinity'"),
}
WRONG = [("clientes", c) for c in OF_CLIENTES] + [("profesiones", c) for c in OF_PROFESIONES]


@pytest.mark.parametrize(("table", "column"), WRONG)
def test_one_wrong_byte_is_named_with_its_row_its_column_and_both_values(proved: Made, table: str, column: str) -> None:
    database, jobs = proved
    number, value, wanted, found = {"clientes": OF_CLIENTES, "profesiones": OF_PROFESIONES}[table][column]
    key = customer(number) if table == "clientes" else str(number)
    with by_hand(database, f"UPDATE {table} SET {column} = {value} WHERE id::text = '{key}'"):
        assert jobs.differences() == [f"{table} {key}: difiere: {column}: se esperaba {wanted}, hay {found}"]
    jobs.prove()


def test_every_carried_column_is_among_those_tried(proved: Made) -> None:
    database, _ = proved
    columns = database.query(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_name IN ('clientes', 'profesiones')"
        " AND (table_name, column_name) NOT IN (('clientes', 'id'), ('profesiones', 'id'), ('clientes', 'estado'))"
    )
    assert sorted(columns) == sorted(WRONG)


def test_jsonb_that_is_equal_but_not_the_same_is_a_difference(proved: Made) -> None:
    database, jobs = proved
    shorter = 'UPDATE clientes SET notas = \'{"n": 123456789012345678901234567890.1, "e": 1e-7}\' WHERE id = %s'
    with by_hand(database, shorter, customer(107)):
        assert database.value(
            "SELECT l.notes = c.notas FROM customers l JOIN clientes c USING (id) WHERE id = %s", (customer(107),)
        )
        [line] = jobs.differences()
        assert line.startswith(f"clientes {customer(107)}: difiere: notas: se esperaba")


def test_a_wrong_key_is_a_missing_row_and_a_surplus_one(proved: Made) -> None:
    database, jobs = proved
    with by_hand(database, "UPDATE clientes SET id = %s WHERE id = %s", customer(998), customer(5)):
        assert jobs.differences() == [
            f"customers {customer(5)}: falta en clientes",
            f"clientes {customer(998)}: sobra en clientes: ninguna fila de customers la explica",
        ]


def test_equal_counts_with_different_rows_fail(proved: Made) -> None:
    database, jobs = proved
    count = database.value("SELECT count(*) FROM profesiones")
    with by_hand(database, "DELETE FROM profesiones WHERE id = 912; INSERT INTO profesiones (id, nombre) VALUES (500, '')"):
        assert database.value("SELECT count(*) FROM profesiones") == count
        assert jobs.differences() == [
            "professions 912: falta en profesiones",
            "profesiones 500: sobra en profesiones: ninguna fila de professions la explica",
        ]


def test_the_accounting_says_where_every_row_of_both_sides_is(proved: Made) -> None:
    database, jobs = proved
    result = jobs.prove()
    for account, legacy, spanish in zip(
        result["accounting"], ("professions", "customers"), ("profesiones", "clientes"), strict=True
    ):
        assert account["total"] == database.value(f"SELECT count(*) FROM {legacy}")
        assert account["espanolas"] == account["iguales"] == database.value(f"SELECT count(*) FROM {spanish}")
        assert account["total"] == account["iguales"] + account["fusionadas"] + account["cuarentena"] + account["pendientes"]
    assert "  no se comparan, porque ninguna columna de customers las da: estado" in result["lines"]
    event = database.value("SELECT detalle->'tablas' FROM migracion.evento WHERE tipo = 'prueba' ORDER BY id DESC LIMIT 1")
    assert event == result["accounting"]


# --- constraints, indexes, sequences

DAMAGE = {
    "clientes: restricción clientes_estado_check: hay ": (
        "ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check;"
        "ALTER TABLE clientes ADD CONSTRAINT clientes_estado_check CHECK (estado <> '') NOT VALID"
    ),
    "clientes: índice idx_clientes_ciudad: hay ": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_clientes_ciudad'::regclass"
    ),
    "la secuencia public.professions_id_seq va por 7": "SELECT setval('professions_id_seq', 7)",
}


@pytest.mark.parametrize("phrase", DAMAGE)
def test_rows_that_are_equal_do_not_excuse_an_object_in_a_bad_state(made: Made, phrase: str) -> None:
    database, jobs = made
    database.query(DAMAGE[phrase])
    [line] = jobs.differences()
    assert phrase in line


# --- quarantine

NOT_UP_TO_DATE = "professions 902: rechazada y aún sin entrada al día"
OF_NO_REFUSED_ROW = "professions: 1 entradas de cuarentena ya no corresponden"
ANOTHER = """INSERT INTO migracion.cuarentena (tabla_origen, clave, fila, motivo, origen)
VALUES ('professions', '{}', '{{}}', 'm', 'copia')"""
ENTRIES = {
    "is missing": ("DELETE FROM migracion.cuarentena WHERE clave = '902'", NOT_UP_TO_DATE),
    "says something else": ("UPDATE migracion.cuarentena SET motivo = 'otro' WHERE clave = '902'", NOT_UP_TO_DATE),
    "holds another row": ("UPDATE migracion.cuarentena SET fila = '{}' WHERE clave = '902'", NOT_UP_TO_DATE),
    "is of a row that is carried": (ANOTHER.format(901), OF_NO_REFUSED_ROW),
    "is of no row": (ANOTHER.format(0), OF_NO_REFUSED_ROW),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_an_entry_in_quarantine_that_is_not_as_its_row_fails_and_is_mended(proved: Made, case: str) -> None:
    database, jobs = proved
    statement, phrase = ENTRIES[case]
    entries = "SELECT clave, sqlstate, motivo, fila FROM migracion.cuarentena WHERE estado = 'abierta' ORDER BY 1"
    before = database.query(entries)
    database.query(statement)
    [line] = jobs.differences()
    assert line.startswith(phrase)
    jobs.equalise()
    assert database.query(entries) == before


# --- the forecast


def changes(database: Database) -> None:
    """Legacy rows of every kind of change since the copy, and two Spanish rows that nobody explains."""
    with database.cursor() as cursor:
        cursor.execute("UPDATE customers SET city = 'Tena' WHERE city = 'Loja'")
        cursor.execute("DELETE FROM customers WHERE id = %s", (customer(19),))
        cursor.execute("INSERT INTO customers (phone_number) SELECT 'nuevo ' || n FROM generate_series(1, 7) n")
        cursor.execute("UPDATE customers SET city = repeat('x', 101) WHERE id = %s", (customer(11),))
        cursor.execute("UPDATE customers SET city = 'Loja' WHERE id = %s", (customer(10),))
        cursor.execute("UPDATE professions SET name = repeat('n', 101) WHERE id = 908")
        cursor.execute("INSERT INTO clientes (telefono, nombre_completo) VALUES ('1', 'Nacida aquí')")
        cursor.execute("INSERT INTO profesiones (id, nombre) VALUES (500, 'Nacida aquí')")


def observed(database: Database, before: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """What a run has done, by the rows' own versions."""
    found = []
    for source, target in (("professions", "profesiones"), ("customers", "clientes")):
        old, new = before.get(target, {}), dict(database.query(f"SELECT id::text, xmin::text FROM {target}"))
        refused = "SELECT count(*) FROM migracion.cuarentena WHERE estado = 'abierta' AND tabla_origen = %s"
        found.append(
            {
                "origen": source,
                "destino": target,
                "copiar": len(new.keys() - old.keys()),
                "cambiar": sum(new[key] != version for key, version in old.items() if key in new),
                "quitar": len(old.keys() - new.keys()),
                "fusionar": 0,
                "cuarentena": database.value(refused, (source,)),
            }
        )
    return found


@pytest.mark.parametrize(
    ("installation", "state"),
    brief(
        itertools.product(("jsonb", "text"), ("nothing has run", "tables without rows", "copied and changed since")),
        ("text", "tables without rows"),
        ("jsonb", "copied and changed since"),
    ),
)
def test_the_forecast_changes_nothing_and_is_what_the_run_then_does(
    new_database: Callable[..., Database], tmp_path: Path, installation: str, state: str
) -> None:
    database = new_database(installation)
    jobs = Jobs(database.url, tmp_path, subphase="2.1")
    versions: dict[str, dict[str, str]] = {}
    if state == "tables without rows":
        jobs.up_to_tables()
    elif state == "copied and changed since":
        jobs.up_to_proof()
        changes(database)
        versions = {t: dict(database.query(f"SELECT id::text, xmin::text FROM {t}")) for t in ("profesiones", "clientes")}
    before = dump(database, without=())
    forecast = jobs.forecast()
    assert dump(database, without=()) == before
    assert forecast["changed"] is True
    if state != "copied and changed since":
        jobs.up_to_tables()
        jobs.copy()
    jobs.equalise()
    assert forecast["forecast"] == observed(database, versions)
    assert all(item["cuarentena"] >= 6 and item["copiar"] for item in forecast["forecast"] if state != "copied and changed since")
    after = jobs.forecast()
    assert after["changed"] is False
    assert not any(item[verb] for item in after["forecast"] for verb in ("copiar", "cambiar", "quitar"))


def test_the_forecast_gives_the_reasons_and_the_first_key_of_each(new_database: Callable[..., Database], tmp_path: Path) -> None:
    lines = Jobs(new_database().url, tmp_path, subphase="2.1").forecast()["lines"]
    assert "  cuarentena: 1 × name repite en nombre el valor de otra fila, que queda (la primera: professions 905)" in lines
    assert "  cuarentena: 1 × category pasa de los 100 caracteres que admite categoria (la primera: professions 907)" in lines


def test_the_forecast_names_only_what_would_happen(new_database: Callable[..., Database], tmp_path: Path) -> None:
    database = new_database()
    jobs = Jobs(database.url, tmp_path, subphase="2.1")
    jobs.up_to_proof()
    database.query("INSERT INTO clientes (telefono, nombre_completo) VALUES ('nadie', 'Nadie')")
    said = [line.split("filas; ")[1] for line in jobs.forecast()["lines"] if " → " in line]
    assert [re.sub(r"\d+", "n", line) for line in said] == [
        "irían a cuarentena n",
        "se retirarían n (guardadas en migracion.apartada), irían a cuarentena n",
    ]


def test_the_time_is_that_of_the_rows_at_the_rate_that_is_said(new_database: Callable[..., Database], tmp_path: Path) -> None:
    database = new_database()
    jobs = Jobs(database.url, tmp_path, subphase="2.1")
    found = jobs.forecast()
    rows = sum(item["copiar"] + item["cuarentena"] for item in found["forecast"])
    assert found["estimated_seconds"] == pytest.approx(rows / 8000)
    jobs.up_to_proof()
    with database.cursor() as cursor:  # 90,000 rows in 100 s, the two halves of one table at once; 10,000 in 300 s
        cursor.execute("DELETE FROM clientes; DELETE FROM migracion.progreso_copia")
        columns = "tabla_origen, tabla_destino, tramo, filas_leidas, ritmo, filas_previstas, terminada_at"
        cursor.execute(
            f"INSERT INTO migracion.progreso_copia ({columns}) VALUES"
            " ('customers', 'clientes', 'a', 40000, 400, 0, now()), ('customers', 'clientes', 'b', 50000, 500, 0, now()),"
            " ('users', 'proveedores', '', 30000, 100, 0, now()), ('users', 'clientes', '', 9000, 1, 0, now())"
        )
    found = jobs.forecast()
    rows = sum(item["copiar"] + item["cambiar"] for item in found["forecast"])
    assert rows > 100
    assert found["estimated_seconds"] == pytest.approx(rows / 300)  # 120,000 rows in 400 s
    assert found["lines"][-1].endswith(f"({rows} filas a 300 filas/s)")


# --- what cannot be proved is not proved


def test_a_proof_before_the_copy_says_what_to_run(new_database: Callable[..., Database], tmp_path: Path) -> None:
    jobs = Jobs(new_database().url, tmp_path, subphase="2.1")
    with pytest.raises(MigrationError, match="no se puede probar, porque falta profesiones"):
        jobs.prove()
    jobs.up_to_tables()
    with pytest.raises(MigrationError, match="aún no se ha copiado nada que probar"):
        jobs.prove()


def test_a_role_that_row_security_blinds_gets_an_error_and_never_an_empty_proof(
    new_database: Callable[..., Database], tmp_path: Path
) -> None:
    database = new_database()
    jobs = Jobs(database.url, tmp_path, subphase="2.1")
    database.query("ALTER TABLE customers FORCE ROW LEVEL SECURITY")
    jobs.up_to_tables()
    jobs.copy()
    database.query(f"ALTER ROLE {database.role} NOBYPASSRLS")
    try:
        with pytest.raises(MigrationError, match=r"customers.* tiene FORCE ROW LEVEL SECURITY y el rol .* no tiene BYPASSRLS"):
            jobs.approve()
        for job, left in ((jobs.prove, READ_ONLY_STEP), (jobs.equalise, COMMITTED_STAYS)):
            with pytest.raises(MigrationError, match=f"row-level security.*{left}") as blind:
                job()
            assert blind.value.details["sqlstate"] == "42501"
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="row-level security"):
            jobs.forecast()
    finally:
        database.query(f"ALTER ROLE {database.role} BYPASSRLS")
    jobs.prove()
