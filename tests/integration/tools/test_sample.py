"""The sample is what the other tests take it for: a Supabase with a TinkuBot of either installation in it."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import errors

from tests.sample import build, describe
from tests.sample.expected import LIMITS, refusals
from tests.support.databases import Database, Databases
from tests.support.dump import dump

NewDatabase = Callable[..., Database]
LEGACY = (
    "customers",
    "messages",
    "professions",
    "provider_professions",
    "provider_services",
    "service_requests",
    "sessions",
    "task_queue",
    "users",
)
NEIGHBOURS = ("consents", "customer_service_requests", "profession_synonyms")


@pytest.fixture(params=["jsonb", "text"])
def database(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Database]:
    made = databases.sample(request.param)
    yield made
    databases.drop(made)


def column_type(database: Database, table: str, column: str) -> str | None:
    found = database.query(
        "SELECT data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s AND column_name = %s",
        (table, column),
    )
    return str(found[0][0]) if found else None


@pytest.mark.parametrize("installation", ["jsonb", "text"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(databases: Databases, installation: str) -> None:
    def built(name: str, seed: int) -> str:
        build(databases.server.url(), name, installation=installation, rows=150, seed=seed)
        made = Database(databases.server, name)
        try:
            return dump(made)
        finally:
            databases.drop(made)

    first = built("semilla_a", 7)
    assert built("semilla_b", 7) == first
    assert built("semilla_c", 8) != first


@pytest.mark.parametrize("privileges", ["open", "closed"])
def test_the_owner_is_no_superuser_and_owns_what_is_the_projects(new_database: NewDatabase, privileges: str) -> None:
    database = new_database(privileges=privileges)
    with database.cursor(database.url) as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user")
        assert cursor.fetchall() == [(False, True)]
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert database.query(owners) == [(database.role,)]
    assert database.value("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()") == database.role
    with pytest.raises(errors.InsufficientPrivilege), database.cursor(database.url) as cursor:
        cursor.execute("CREATE EVENT TRIGGER mine ON sql_drop EXECUTE FUNCTION extensions.pgrst_drop_watch()")


def test_rows_counts_every_customer_and_sets_the_other_sizes(new_database: NewDatabase) -> None:
    counts = describe(new_database(rows=400, messages=300).superuser_url)
    assert set(counts) == {*LEGACY, *NEIGHBOURS}
    expected = {"customers": 400, "users": 100, "messages": 300, "service_requests": 400, "task_queue": 200, "sessions": 40}
    assert {name: counts[name] for name in expected} == expected
    assert all(counts.values())


def test_fewer_rows_than_the_dirty_ones_are_refused(databases: Databases) -> None:
    with pytest.raises(ValueError, match="rows=99"):
        build(databases.server.url(), "nunca", rows=99)


def test_the_two_installations_differ_as_the_real_ones_do(new_database: NewDatabase) -> None:
    newer, older = new_database("jsonb"), new_database("text")
    assert column_type(newer, "customers", "notes") == "jsonb"
    assert column_type(older, "customers", "notes") == "text"
    assert column_type(newer, "users", "latitude") == "numeric"
    assert column_type(older, "users", "latitude") == "double precision"
    assert column_type(newer, "customers", "has_consent") == "boolean"
    assert column_type(older, "customers", "has_consent") is None
    assert column_type(newer, "service_requests", "phone") == "text"
    assert column_type(older, "service_requests", "phone_number") == "text"
    assert column_type(older, "service_requests", "requested_at") == "text"
    pairs = "SELECT count(*) - count(DISTINCT (provider_id, profession_id)) FROM provider_professions"
    assert newer.value(pairs) == 0
    assert older.value(pairs) > 0
    # What neither installation has twice or in one kind only: text that jsonb refuses, in several ways.
    kinds = older.query("SELECT DISTINCT left(notes, 8) FROM customers WHERE notes IS NOT NULL")
    assert len(kinds) > 20


def test_every_kind_of_refusal_occurs_and_is_what_an_insert_refuses(database: Database) -> None:
    expected = refusals(database.url)
    assert all(count > 0 for kinds in expected.values() for count in kinds.values())
    for table, limits in LIMITS.items():
        assert expected[table]["rows"] == refused_by_insert(database, table, limits)


def refused_by_insert(database: Database, table: str, limits: dict[str, int]) -> int:
    """Rows that PostgreSQL itself refuses when they are inserted one by one, in the order of their keys."""
    columns = ", ".join(limits)
    unique, *others = (f"{name} varchar({length})" for name, length in limits.items())
    with database.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE spanish ({unique} UNIQUE, {', '.join(others)})")
        cursor.execute(
            f"""
            DO $$
            DECLARE legacy record;
            BEGIN
                FOR legacy IN SELECT {columns} FROM public.{table} ORDER BY id LOOP
                    BEGIN
                        INSERT INTO spanish SELECT {", ".join(f"legacy.{name}" for name in limits)};
                    EXCEPTION WHEN string_data_right_truncation OR unique_violation THEN
                        NULL;
                    END;
                END LOOP;
            END $$"""
        )
        cursor.execute(f"SELECT (SELECT count(*) FROM public.{table}) - (SELECT count(*) FROM spanish)")
        ((refused,),) = cursor.fetchall()
    return int(refused)


def test_sequences_stand_behind_the_last_id(database: Database) -> None:
    last = database.value("SELECT max(id) FROM professions")
    assert database.value("INSERT INTO professions (name) VALUES ('Nueva') RETURNING id") == last + 1


def test_updated_at_is_kept_by_a_trigger(database: Database) -> None:
    touched = "UPDATE customers SET city = 'Tena' WHERE phone_number = '593100000004' RETURNING updated_at = now()"
    assert database.value(touched)


def test_default_privileges_open_a_new_table_to_everyone_or_close_it_to_the_services_too(new_database: NewDatabase) -> None:
    privileged = "SELECT has_table_privilege('anon', 'nueva', 'DELETE'), has_table_privilege('service_role', 'nueva', 'SELECT')"
    for privileges, expected in (("open", (True, True)), ("closed", (False, False))):
        database = new_database(privileges=privileges)
        with database.cursor(database.url) as cursor:
            cursor.execute("CREATE TABLE nueva (id serial)")
        assert database.query(privileged) == [expected]


@pytest.mark.parametrize("privileges", ["open", "closed"])
def test_the_services_and_the_signed_in_customer_work_with_either_variant(new_database: NewDatabase, privileges: str) -> None:
    database = new_database(privileges=privileges)
    with database.cursor() as cursor:
        cursor.execute("SET SESSION AUTHORIZATION authenticator; SET ROLE service_role")
        cursor.execute("INSERT INTO professions (name) VALUES ('Nueva') RETURNING id")
        cursor.execute("UPDATE customers SET notes = '{}' WHERE phone_number = '593100000004'")
        cursor.execute("SET ROLE authenticated")
        cursor.execute('SET request.jwt.claims = \'{"sub": "c0000000-0000-4000-8000-000000000004"}\'')
        cursor.execute("SELECT phone_number FROM customers")
        assert cursor.fetchall() == [("593100000004",)]
        cursor.execute("UPDATE customers SET city = 'Tena'")
        assert cursor.rowcount == 1
        with pytest.raises(errors.InsufficientPrivilege):
            cursor.execute("UPDATE customers SET notes = NULL")


def test_a_sign_up_makes_a_user(database: Database) -> None:
    with database.cursor() as cursor:
        cursor.execute("SET SESSION AUTHORIZATION supabase_auth_admin; SET search_path = auth")
        cursor.execute("INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'nueva@correo.ec')")
    assert database.value("SELECT count(*) FROM public.users WHERE email = 'nueva@correo.ec'") == 1


def test_ddl_tells_postgrest_and_a_grant_does_not(database: Database) -> None:
    with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("LISTEN pgrst")
        cursor.execute("GRANT SELECT ON sessions TO tinkubot_reportes")
        assert notices(connection) == []
        cursor.execute("COMMENT ON TABLE sessions IS 'Sesiones'")
        assert notices(connection) == ["reload schema"]
        cursor.execute("DROP VIEW customer_activity")
        assert "reload schema" in notices(connection)


def notices(connection: psycopg2.extensions.connection) -> list[str]:
    """Payloads that have arrived; a connection gets its own with the answer to the statement."""
    select.select([connection], [], [], 0.05)
    connection.poll()
    payloads = [notice.payload for notice in connection.notifies]
    connection.notifies.clear()
    return payloads


def test_realtime_publishes_two_legacy_tables(database: Database) -> None:
    published = database.query("SELECT tablename FROM pg_publication_tables WHERE pubname = 'supabase_realtime' ORDER BY 1")
    assert published == [("messages",), ("service_requests",)]
