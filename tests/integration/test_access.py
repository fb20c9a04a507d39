"""What the API's roles may do and see on the Spanish tables: what they may on the legacy ones, no more and no less.

Traps 29, 30 and 31's exposure of functions and of schema migracion.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database, Databases
from tests.support.dump import schema
from tests.support.jobs import Jobs
from tests.support.phase import Phase
from tests.support.twins import CARRIED, TWINS, allowed, allowed_columns
from tests.support.variants import brief

Made = tuple[Database, Jobs]
API = ("anon", "authenticated", "service_role")
# Each installation and each variant of the default privileges; by make test-slow all four together.
IN_BRIEF = {("jsonb", "open"), ("text", "closed")}
KINDS = [
    pytest.param(kind, id="-".join(kind), marks=[] if kind in IN_BRIEF else [pytest.mark.slow])
    for kind in itertools.product(("jsonb", "text"), ("open", "closed"))
]
# What the sample's policies become where they cannot be carried: nothing, or for a restrictive one everything refused.
CLOSED = """
DROP POLICY "Proveedores activos" ON users; DROP POLICY "Proveedores de la ciudad" ON customers;
DROP POLICY "Mensajes propios" ON messages; ALTER POLICY "Sin fallidos" ON messages USING (false);
"""
LEFT_OUT = {
    "clientes: política que no se trasladó, así que cerrada: «Proveedores de la ciudad» (SELECT): nombra users",
    "proveedores: política que no se trasladó, así que cerrada: «Proveedores activos» (SELECT): usa user_type, sin columna",
    "mensajes: política que no se trasladó, así que cerrada: «Mensajes propios» (SELECT): usa user_id",
    "mensajes: política que no se trasladó, así que cerrada: «Sin fallidos» (SELECT, restrictiva: cierra del todo)",
}


@pytest.fixture(scope="module", params=KINDS)
def migrated(request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Both installations and both default privileges, all nine tables copied; left as they are."""
    database = databases.sample(request.param[0], 200, request.param[1], up_to="fase3")
    yield database, Jobs(database.url, tmp_path_factory.mktemp("respaldos"))
    databases.drop(database)


@pytest.fixture
def made(new_database: Callable[..., Database], tmp_path: Path) -> Made:
    """A database after fase1."""
    database = new_database(up_to="fase1")
    return database, Jobs(database.url, tmp_path)


@cache
def superuser_session(database: Database) -> Any:
    """One session for all callers of a database: a login costs more than what they do. It ends with the database."""
    return psycopg2.connect(database.superuser_url)


@contextmanager
def as_caller(database: Database, role: str, sub: str | None, before: str = "") -> Iterator[Any]:
    """A transaction as PostgREST has it: authenticator becomes the role, the token's claims in a setting. Rolled back."""
    claims = json.dumps({"role": role, **({"sub": sub} if sub else {})})
    with superuser_session(database).cursor() as cursor:
        try:
            cursor.execute(f"{before}; SET LOCAL SESSION AUTHORIZATION authenticator; SET LOCAL ROLE {role}")
            cursor.execute("SELECT set_config('request.jwt.claims', %s, true)", (claims,))
            yield cursor
        finally:
            cursor.connection.rollback()


def outcome(database: Database, role: str, sub: str | None, statement: str, before: str = "") -> set[str] | str:
    """The keys that a statement returns to that caller, or the SQLSTATE with which it is refused."""
    with as_caller(database, role, sub, before) as cursor:
        try:
            cursor.execute(statement)
        except psycopg2.Error as error:
            return str(error.pgcode)
        return {str(key) for (key,) in cursor.fetchall()}


def keys_of(database: Database, table: str) -> tuple[str, str]:
    """How a row is named on the legacy and on the Spanish side."""
    has_id = "SELECT 1 FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'id'"
    if database.query(has_id, (TWINS[table],)):
        return "id::text", "id::text"
    return "concat(provider_id, profession_id)", "concat(proveedor_id, profesion_id)"


def callers(database: Database) -> list[tuple[str, str | None]]:
    """Each role without a person, and authenticated as owners of rows of every sort, and as nobody known."""
    people = [
        "SELECT id FROM customers JOIN clientes USING (id) WHERE phone_number LIKE '593%' ORDER BY id LIMIT 2",
        "SELECT id FROM customers JOIN clientes USING (id) WHERE phone_number NOT LIKE '593%' ORDER BY id LIMIT 1",
        "SELECT id FROM users JOIN proveedores USING (id) WHERE status = 'active' ORDER BY id LIMIT 1",
        "SELECT id FROM users JOIN proveedores USING (id) WHERE status <> 'active' ORDER BY id LIMIT 1",
        "SELECT id FROM users JOIN clientes USING (id) ORDER BY id LIMIT 1",
        "SELECT user_id FROM messages WHERE user_id IS NOT NULL ORDER BY id LIMIT 1",
        "SELECT gen_random_uuid()",
    ]
    found = [str(row[0]) for statement in people for row in database.query(statement)]
    assert len(found) >= len(people) - 1
    return [("anon", None), ("service_role", None), ("authenticated", None), *(("authenticated", sub) for sub in found)]


def test_every_caller_sees_the_rows_that_he_sees_on_the_legacy_twin(migrated: Made) -> None:
    database, _ = migrated
    seen = 0
    for table, twin in TWINS.items():
        old, new = keys_of(database, table)
        carried = {row[0] for row in database.query(f"SELECT {old} FROM {twin} INTERSECT SELECT {new} FROM {table}")}
        assert carried
        for role, sub in callers(database):
            legacy = outcome(database, role, sub, f"SELECT {old} FROM {twin}", CLOSED)
            open_legacy = outcome(database, role, sub, f"SELECT {old} FROM {twin}")
            spanish = outcome(database, role, sub, f"SELECT {new} FROM {table}")
            if isinstance(legacy, str) or isinstance(spanish, str) or isinstance(open_legacy, str):
                assert (table, role, spanish) == (table, role, legacy)
                continue
            assert (table, role, sub, spanish & carried) == (table, role, sub, legacy & carried)
            assert spanish & carried <= open_legacy
            seen += len(spanish & carried)
    assert seen > 1000


def test_a_client_that_came_from_users_is_seen_by_nobody_who_did_not_see_him_there(migrated: Made) -> None:
    database, _ = migrated
    moved = {row[0] for row in database.query("SELECT id::text FROM clientes EXCEPT SELECT id::text FROM customers")}
    assert moved
    for role, sub in callers(database):
        spanish = outcome(database, role, sub, "SELECT id FROM clientes")
        legacy = outcome(database, role, sub, "SELECT id FROM users")
        if not isinstance(spanish, str) and spanish & moved:
            assert not isinstance(legacy, str)
            assert spanish & moved <= legacy


CHANGES = {
    "proveedores": [
        ("UPDATE users SET city = city RETURNING id", "UPDATE proveedores SET ciudad = ciudad RETURNING id"),
        ("DELETE FROM users RETURNING id", "DELETE FROM proveedores RETURNING id"),
    ],
    "clientes": [
        ("UPDATE customers SET city = city RETURNING id", "UPDATE clientes SET ciudad = ciudad RETURNING id"),
        ("UPDATE customers SET city = NULL RETURNING id", "UPDATE clientes SET ciudad = NULL RETURNING id"),
        ("UPDATE customers SET notes = notes RETURNING id", "UPDATE clientes SET notas = notas RETURNING id"),
        ("DELETE FROM customers RETURNING id", "DELETE FROM clientes RETURNING id"),
        (
            "INSERT INTO customers (phone_number, full_name) VALUES ('593000', 'n') RETURNING 1",
            "INSERT INTO clientes (telefono, nombre_completo) VALUES ('593000', 'n') RETURNING 1",
        ),
    ],
}


@pytest.mark.parametrize("table", CHANGES)
def test_a_caller_without_bypassrls_changes_the_rows_that_he_could_change(migrated: Made, table: str) -> None:
    database, _ = migrated
    carried = {row[0] for row in database.query(f"SELECT id::text FROM {TWINS[table]} INTERSECT SELECT id::text FROM {table}")}
    moved = {row[0] for row in database.query(f"SELECT id::text FROM {table} EXCEPT SELECT id::text FROM {TWINS[table]}")}
    for old, new in CHANGES[table]:
        for role, sub in callers(database):
            if role == "service_role" or sub in moved:  # a row that came from elsewhere has no twin to compare with
                continue
            legacy, spanish = outcome(database, role, sub, old, CLOSED), outcome(database, role, sub, new)
            if not isinstance(legacy, str) and not isinstance(spanish, str):
                legacy, spanish = legacy & carried, spanish & carried
            assert (new, role, sub, spanish) == (new, role, sub, legacy)


# One carried column per table, beside its twin's: writing it as it is changes nothing but asks for everything.
TOUCHED = {
    "profesiones": ("name", "nombre"),
    "clientes": ("city", "ciudad"),
    "proveedores": ("city", "ciudad"),
    "proveedor_profesiones": ("is_primary", "es_principal"),
    "servicios_proveedor": ("is_active", "esta_activo"),
    "solicitudes_servicio": ("phone", "telefono"),
    "mensajes": ("content", "contenido"),
    "sesiones": ("status", "estado"),
    "tareas_programadas": ("priority", "prioridad"),
}


@pytest.mark.parametrize("table", TWINS)
def test_every_caller_updates_deletes_and_adds_what_he_could_on_the_legacy_twin(migrated: Made, table: str) -> None:
    database, _ = migrated
    twin, (old, new) = TWINS[table], keys_of(database, table)
    before, after = TOUCHED[table]
    if before == "phone" and not database.query(
        "SELECT 1 FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'phone'", (twin,)
    ):
        before = "phone_number"
    carried = {row[0] for row in database.query(f"SELECT {old} FROM {twin} INTERSECT SELECT {new} FROM {table}")}
    pairs = [
        (f"UPDATE {twin} SET {before} = {before} RETURNING {old}", f"UPDATE {table} SET {after} = {after} RETURNING {new}"),
        (f"DELETE FROM {twin} RETURNING {old}", f"DELETE FROM {table} RETURNING {new}"),
        (f"INSERT INTO {twin} DEFAULT VALUES RETURNING {old}", f"INSERT INTO {table} DEFAULT VALUES RETURNING {new}"),
    ]
    for legacy_statement, spanish_statement in pairs:
        for role, sub in callers(database):
            legacy, spanish = (
                outcome(database, role, sub, legacy_statement, CLOSED),
                outcome(database, role, sub, spanish_statement),
            )
            if isinstance(legacy, set) and isinstance(spanish, set) and not legacy_statement.startswith("INSERT"):
                assert (spanish_statement, role, sub, spanish & carried) == (spanish_statement, role, sub, legacy & carried)
            else:  # a constraint that only one side has may refuse; rights are asked first, policies too
                assert (spanish_statement, role, sub, spanish == "42501") == (spanish_statement, role, sub, legacy == "42501")


SECOND_SOURCE = "clientes: las filas que vienen de users siguen las reglas de customers."


def test_rows_of_a_second_source_that_become_more_open_or_more_closed_are_named(migrated: Made) -> None:
    database, jobs = migrated
    for said in (jobs.verify_tables()["lines"], jobs.make_tables(check=True)["lines"], said_by_estado(database).splitlines()):
        (line,) = [line for line in said if SECOND_SOURCE in line]
        opened, closed = line.split("Más cerrado que en users: ")
        assert "Más abierto que en users: " in opened
        assert "tinkubot_reportes puede SELECT (id, ciudad, creado_at)" in opened
        assert "rige «El cliente edita su fila» (UPDATE) de customers" in opened
        assert "anon no puede SELECT" in closed
        assert "falta «Proveedores activos» (SELECT) de users" in closed
        assert "rige «Solo Ecuador» (SELECT) de customers" in closed
        assert "ve su fila" not in line  # the same on both, under two names


def test_of_a_second_source_only_what_differs_from_the_twin_is_named(made: Made) -> None:
    database, _ = made

    def said() -> str:
        return "".join(line for line in said_by_estado(database).splitlines() if SECOND_SOURCE in line)

    database.query(
        "CREATE POLICY solo_quito ON users AS RESTRICTIVE TO authenticated USING (city = 'Quito');"
        "CREATE POLICY activos ON users AS RESTRICTIVE TO anon USING (status = 'active')"
    )
    opened, _ = said().split("Más cerrado")
    assert "falta «solo_quito» (ALL) de users" in opened
    assert "falta «activos» (ALL) de users" in opened  # a value that changes, so not to be translated
    database.query("ALTER TABLE customers DISABLE ROW LEVEL SECURITY")
    opened, _ = said().split("Más cerrado")
    assert "la seguridad por fila está activa solo en users" in opened
    database.query("ALTER TABLE users DISABLE ROW LEVEL SECURITY")
    database.query("REVOKE ALL ON users, customers FROM anon, authenticated, tinkubot_reportes")
    assert said() == ""


def test_a_looked_up_column_that_more_people_may_read_is_named(made: Made) -> None:
    database, _ = made
    start = "mensajes.telefono sale de users.phone_number y la lee quien lee la fila. Más abierto que en users: "
    assert start not in said_by_estado(database)  # no policy lets anybody but service_role read mensajes, and he may both
    database.query("ALTER TABLE messages DISABLE ROW LEVEL SECURITY")
    assert f"{start}la seguridad por fila de users no rige aquí." in said_by_estado(database)
    database.query("REVOKE SELECT ON users FROM anon; GRANT SELECT (id, name) ON users TO anon")
    assert f"{start}anon no puede leerla en users; la seguridad" in said_by_estado(database)
    database.query("REVOKE ALL ON messages FROM anon; ALTER TABLE users DISABLE ROW LEVEL SECURITY")
    assert start not in said_by_estado(database)


def test_rights_on_tables_columns_sequences_and_functions_are_the_twins(migrated: Made) -> None:
    database, jobs = migrated
    for table, twin in TWINS.items():
        assert (table, allowed(database, table)) == (table, allowed(database, twin))
    for table, (old, new) in CARRIED.items():
        assert allowed_columns(database, table, new.split()) == allowed_columns(database, TWINS[table], old.split())
    sequence = database.value("SELECT to_regclass('proveedor_profesiones_id_seq')::text")
    for role in API if sequence else ():
        drawn = "SELECT has_sequence_privilege(%s, %s, 'USAGE'), has_table_privilege(%s, 'provider_professions', 'INSERT')"
        ((draws, inserts),) = database.query(drawn, (role, sequence, role))
        assert (role, draws) == (role, inserts)
        assert not database.value("SELECT has_sequence_privilege(%s, %s, 'UPDATE')", (role, sequence))
    functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
    assert database.query(functions) == [("handle_new_user",), ("set_updated_at",)]  # none of ours is where the API looks
    jobs.verify_tables()


def test_trap_31_schema_migracion_is_out_of_reach(migrated: Made) -> None:
    database, _ = migrated
    things = database.query(
        """SELECT 'SELECT * FROM ' || oid::regclass FROM pg_class
        WHERE relnamespace = 'migracion'::regnamespace AND relkind IN ('r', 'v')
        UNION ALL SELECT 'SELECT migracion.es_jsonb(''1'')'
        UNION ALL SELECT 'SELECT nextval(' || quote_literal(oid::regclass) || ')' FROM pg_class
        WHERE relnamespace = 'migracion'::regnamespace AND relkind = 'S'"""
    )
    assert len(things) > 20
    for role in API:
        assert {outcome(database, role, None, statement) for (statement,) in things} == {"42501"}
        assert (
            database.query(
                "SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'migracion'::regnamespace"
                " AND has_function_privilege(%s, p.oid, 'EXECUTE')",
                (role,),
            )
            == []
        )


def test_trap_30_a_policy_that_cannot_be_carried_is_named_by_every_run_of_fase1(
    new_database: Callable[..., Database], tmp_path: Path
) -> None:
    database = new_database(up_to="fase0")
    jobs = Jobs(database.url, tmp_path)
    for result in (jobs.make_tables(check=True), jobs.make_tables(), jobs.make_tables(check=True), jobs.verify_tables()):
        named = {line for line in result["lines"] if "política que no se trasladó" in line}
        assert all(any(line.startswith(phrase) for line in named) for phrase in LEFT_OUT)
        assert len(named) == len(LEFT_OUT)
    carried = "SELECT polname FROM pg_policy WHERE polrelid = 'mensajes'::regclass"
    assert database.query(carried) == [("Sin fallidos",)]


def test_a_database_in_read_only_mode_still_tells_its_state(made: Made) -> None:
    database, _ = made
    database.query(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    said = said_by_estado(database)
    assert "fase1: completada" in said
    assert "Permisos y políticas: no se pudieron comparar" in said


def test_a_schema_that_a_superuser_prepared_for_this_role_is_no_exposure(
    new_database: Callable[..., Database], tmp_path: Path
) -> None:
    database = new_database()
    database.query(f"CREATE SCHEMA migracion; GRANT ALL ON SCHEMA migracion TO {database.role}")
    jobs = Jobs(database.url, tmp_path)
    jobs.up_to_tables()
    jobs.verify_tables()
    assert jobs.make_tables()["changed"] is False


# --- what the check finds, and what is done about it

TAMPERED = {
    "extra grant": ("GRANT DELETE ON clientes TO anon", "anon puede DELETE en clientes y no en customers"),
    "missing grant": (
        "REVOKE INSERT ON clientes FROM service_role",
        "service_role no puede INSERT en clientes y sí en customers",
    ),
    "grant to everybody": ("GRANT SELECT ON sesiones TO PUBLIC", "public puede SELECT en sesiones y no en sessions"),
    "grant option": (
        "GRANT SELECT ON clientes TO authenticated WITH GRANT OPTION",
        "authenticated puede SELECT WITH GRANT OPTION en clientes y no en customers",
    ),
    "maintain": ("GRANT MAINTAIN ON clientes TO anon", "anon puede MAINTAIN en clientes y no en customers"),
    "extra grant on a column": (
        "GRANT SELECT (notas) ON clientes TO tinkubot_reportes",
        "tinkubot_reportes puede SELECT (notas) en clientes y no en customers",
    ),
    "missing grant on a column": (
        "REVOKE UPDATE (ciudad) ON clientes FROM authenticated",
        "authenticated no puede UPDATE (ciudad) en clientes y sí en customers",
    ),
    "grant on the sequence": (
        "GRANT UPDATE ON SEQUENCE proveedor_profesiones_id_seq TO tinkubot_reportes",
        "tinkubot_reportes puede UPDATE en proveedor_profesiones_id_seq y no en provider_professions",
    ),
    "row security off": (
        "ALTER TABLE clientes DISABLE ROW LEVEL SECURITY",
        "clientes no tiene la seguridad por fila de customers",
    ),
    "row security not forced": (
        "ALTER TABLE sesiones NO FORCE ROW LEVEL SECURITY",
        "sesiones no tiene la seguridad por fila de sessions",
    ),
    "policy dropped": (
        'DROP POLICY "Cada quien ve su fila" ON proveedores',
        "proveedores: falta política Cada quien ve su fila: SELECT, permisiva, para authenticated USING (auth.uid() = id)",
    ),
    "policy widened": (
        'ALTER POLICY "Servicios activos" ON servicios_proveedor USING (true)',
        "servicios_proveedor: política Servicios activos: hay 'SELECT, permisiva, para PUBLIC USING true'",
    ),
    "policy for another role": (
        'ALTER POLICY "El cliente ve su fila" ON clientes TO anon',
        "clientes: política El cliente ve su fila: hay 'SELECT, permisiva, para anon USING",
    ),
    "restriction without its stand-in": (
        'DROP POLICY "Sin fallidos" ON mensajes',
        "mensajes: falta política Sin fallidos: SELECT, restrictiva, para authenticated USING false",
    ),
    "function open to everybody": (
        "GRANT EXECUTE ON FUNCTION migracion.es_jsonb(text) TO PUBLIC",
        "PUBLIC tiene EXECUTE en migracion.es_jsonb(text)",
    ),
    "usage of migracion": ("GRANT USAGE ON SCHEMA migracion TO anon", "anon tiene USAGE en el esquema migracion"),
    "table of migracion": (
        "GRANT SELECT ON migracion.cuarentena TO authenticated",
        "authenticated tiene SELECT en migracion.cuarentena",
    ),
    "column of migracion": (
        "GRANT SELECT (fila) ON migracion.cuarentena TO tinkubot_reportes",
        "tinkubot_reportes tiene SELECT en migracion.cuarentena.fila",
    ),
}


def said_by_estado(database: Database) -> str:
    return "\n".join(Phase(database.url).call("status", "estado", "ver"))


IN_BRIEF = (
    "extra grant",
    "missing grant on a column",
    "grant on the sequence",
    "row security not forced",
    "policy widened",
    "function open to everybody",
)


@pytest.mark.parametrize("kind", brief(TAMPERED, *IN_BRIEF))
def test_what_is_not_as_on_the_twin_is_named_and_put_back_by_fase1(made: Made, kind: str) -> None:
    database, jobs = made
    statement, phrase = TAMPERED[kind]
    if "MAINTAIN" in statement and database.value("SHOW server_version_num") < "170000":
        pytest.skip("this server has no such privilege")
    original = schema(database, without=())
    assert "Permisos y políticas: los mismos que en las tablas legacy" in said_by_estado(database)
    database.query(statement)
    with pytest.raises(MigrationError) as failed:
        jobs.verify_tables()
    assert phrase in str(failed.value)
    assert "ansible-playbook fase1.yml" in str(failed.value)
    said = said_by_estado(database)
    assert phrase in said
    assert "Se reponen con: ansible-playbook fase1.yml" in said
    assert jobs.make_tables(check=True)["changed"] is True
    assert jobs.make_tables()["changed"] is True
    jobs.verify_tables()
    assert schema(database, without=()) == original
    assert jobs.make_tables()["changed"] is False


def test_a_policy_of_somebody_elses_is_named_and_stays(made: Made) -> None:
    database, jobs = made
    database.query("CREATE POLICY abierta ON clientes FOR SELECT TO anon USING (true)")
    phrase = "clientes: sobra política abierta: SELECT, permisiva, para anon USING true"
    for job in (jobs.verify_tables, lambda: jobs.make_tables(check=True), jobs.make_tables):
        with pytest.raises(MigrationError) as failed:
            job()
        assert phrase in str(failed.value)
        assert "DROP POLICY" in str(failed.value)
    assert phrase in said_by_estado(database)
    database.query("DROP POLICY abierta ON clientes")
    jobs.verify_tables()


def test_a_policy_written_by_hand_for_one_that_could_not_be_carried_is_accepted_for_the_same_roles_only(made: Made) -> None:
    database, jobs = made
    name = '"Proveedores activos" ON proveedores'
    database.query(f"CREATE POLICY {name} FOR SELECT TO anon, authenticated USING (estado = 'activo')")
    jobs.verify_tables()
    assert jobs.make_tables()["changed"] is False
    database.query(f"ALTER POLICY {name} TO PUBLIC")
    with pytest.raises(MigrationError, match="sobra política Proveedores activos: SELECT, permisiva, para PUBLIC"):
        jobs.verify_tables()
