"""What the API's roles may do and see on the Spanish tables: what they may on the legacy ones, no more and no less.

That holds for functions and for what lies in schema migracion too.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg2
import pytest

from tests.support.databases import Begin, Database, Databases, Made
from tests.support.jobs import Jobs
from tests.support.twins import CARRIED, TWINS, allowed, allowed_columns

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


@pytest.fixture(scope="module", params=KINDS)
def migrated(request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Both installations and both default privileges, all nine tables copied; left as they are."""
    database = databases.sample(request.param[0], 200, request.param[1], up_to="fase3")
    yield database, Jobs(database.url, tmp_path_factory.mktemp("respaldos"))
    databases.drop(database)


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


def test_schema_migracion_is_out_of_reach(migrated: Made) -> None:
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


OPENED = """
SELECT o.name, a.grantee FROM (
  SELECT proname, coalesce(proacl, acldefault('f', proowner)), proowner FROM pg_proc
  WHERE pronamespace = 'migracion'::regnamespace
  UNION ALL
  SELECT relname, relacl, relowner FROM pg_class WHERE relnamespace = 'migracion'::regnamespace AND relkind = 'v'
) o (name, acl, owner), aclexplode(o.acl) a WHERE a.grantee <> o.owner
"""


def give_away_what_is_made(database: Database) -> None:
    for kind in ("TABLES", "FUNCTIONS"):
        database.query(f"ALTER DEFAULT PRIVILEGES FOR ROLE {database.role} GRANT ALL ON {kind} TO PUBLIC, anon")


def test_the_copy_alone_leaves_nothing_of_schema_migracion_open(begin: Begin) -> None:
    """It makes views and functions itself, and default privileges would give them away."""
    database, jobs = begin(up_to="fase1", subphase="2.1")
    give_away_what_is_made(database)
    jobs.copy()
    assert database.value("SELECT count(*) FROM pg_views WHERE schemaname = 'migracion'") > 0
    assert database.query(OPENED) == []


def test_fase0_alone_leaves_nothing_of_schema_migracion_open(begin: Begin) -> None:
    database, jobs = begin()
    give_away_what_is_made(database)
    jobs.approve()
    assert database.value("SELECT count(*) FROM pg_proc WHERE pronamespace = 'migracion'::regnamespace") > 0
    assert database.query(OPENED) == []
