"""The Spanish tables among others': as reachable as their legacy twins, never in anybody's place, gone without a trace."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.waits import Wait
from plugins.module_utils.jobs import schema_state
from tests.support.boxes import others
from tests.support.databases import Begin, Database, Made
from tests.support.dump import dump
from tests.support.twins import CARRIED, TWINS, allowed, allowed_columns
from tests.support.variants import brief

pytestmark = pytest.mark.values


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """A sample database that fase0 has approved."""
    return partial(begin, up_to="fase0")


# --- who may reach it


@contextmanager
def role_without_grants(database: Database) -> Iterator[None]:
    """A role that has only what everybody has; roles belong to the whole server."""
    database.query("DROP ROLE IF EXISTS nadie; CREATE ROLE nadie")
    yield
    database.query("DROP OWNED BY nadie; DROP ROLE nadie")


@pytest.mark.parametrize("variant", ["open", "closed"])
def test_no_role_can_do_more_or_less_than_on_the_legacy_twin(begin: Begin, variant: str) -> None:
    database, jobs = begin(privileges=variant, up_to=None)
    with role_without_grants(database):
        database.query(
            "GRANT SELECT ON sessions TO PUBLIC; GRANT SELECT, INSERT ON task_queue TO tinkubot_reportes WITH GRANT OPTION;"
            "GRANT INSERT (name, category), REFERENCES (id) ON professions TO tinkubot_reportes;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON TABLES TO nadie;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT ALL ON SEQUENCES TO nadie"
        )
        jobs.up_to_tables()
        for table, twin in TWINS.items():
            assert (table, allowed(database, table)) == (table, allowed(database, twin))
        for table, (old, new) in CARRIED.items():
            twin = allowed_columns(database, TWINS[table], old.split())
            assert allowed_columns(database, table, new.split()) == twin
            assert twin
        jobs.verify_tables()


@pytest.mark.parametrize("variant", ["open", "closed"])
def test_an_own_sequence_serves_those_who_may_insert_and_nobody_else(begin: Begin, variant: str) -> None:
    database, jobs = begin(privileges=variant)
    jobs.make_tables()
    sequence = database.value("SELECT pg_get_serial_sequence('proveedor_profesiones', 'id')")
    for role in ("anon", "authenticated", "service_role", "tinkubot_reportes"):
        draws, inserts = database.query(
            "SELECT has_sequence_privilege(%s, %s, 'USAGE'), has_table_privilege(%s, 'proveedor_profesiones', 'INSERT')",
            (role, sequence, role),
        )[0]
        assert draws == inserts
        assert not database.value("SELECT has_sequence_privilege(%s, %s, 'UPDATE')", (role, sequence))
    with database.cursor() as cursor:
        cursor.execute("SET ROLE service_role; INSERT INTO proveedor_profesiones DEFAULT VALUES RETURNING id")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("INSERT INTO profesiones (nombre) VALUES ('n') RETURNING id > 0")
        assert cursor.fetchall() == [(True,)]
        cursor.connection.rollback()


def test_row_security_is_switched_as_on_the_twin(tables: Made) -> None:
    database, _ = tables
    flags = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass"
    for table, twin in TWINS.items():
        assert (table, database.query(flags, (table,))) == (table, database.query(flags, (twin,)))
    assert database.query(flags, ("sesiones",)) == [(True, True)]
    assert database.query(flags, ("solicitudes_servicio",)) == [(False, False)]


def test_a_projects_event_trigger_that_protects_every_new_table_makes_no_difference(begin: Begin) -> None:
    database, jobs = begin()
    database.query(
        """CREATE FUNCTION extensions.protect() RETURNS event_trigger LANGUAGE plpgsql AS $$
        DECLARE made record; BEGIN
          FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
            EXECUTE 'ALTER TABLE ' || made.object_identity || ' ENABLE ROW LEVEL SECURITY';
          END LOOP;
        END $$; CREATE EVENT TRIGGER protect ON ddl_command_end EXECUTE FUNCTION extensions.protect()"""
    )
    jobs.make_tables()
    assert not database.value("SELECT relrowsecurity FROM pg_class WHERE oid = 'solicitudes_servicio'::regclass")


def test_the_bookkeeping_is_out_of_every_services_reach(tables: Made) -> None:
    database, _ = tables
    for role in ("anon", "authenticated", "service_role", "tinkubot_reportes"):
        assert not database.value("SELECT has_schema_privilege(%s, 'migracion', 'USAGE')", (role,))
        reached = "SELECT relname FROM pg_class WHERE relnamespace = 'migracion'::regnamespace AND relkind IN ('r', 'v')"
        assert database.query(f"{reached} AND has_table_privilege(%s, oid, 'SELECT, INSERT, UPDATE, DELETE')", (role,)) == []


# --- PostgREST


def test_one_notice_ends_each_step_that_changed_something(begin: Begin) -> None:
    database, jobs = begin()
    database.query("DROP EVENT TRIGGER pgrst_ddl_watch; DROP EVENT TRIGGER pgrst_drop_watch")
    with closing(psycopg2.connect(database.superuser_url)) as listener:
        listener.autocommit = True
        listener.cursor().execute("LISTEN pgrst")
        heard = []
        for step in (jobs.make_tables, jobs.make_tables, jobs.verify_tables, jobs.drop_tables, jobs.drop_tables):
            step()
            select.select([listener], [], [], 0.1)
            listener.poll()
            heard.append([notice.payload for notice in listener.notifies])
            listener.notifies.clear()
    assert heard == [["reload schema"], [], [], ["reload schema"], []]


# --- what stands in the way

TAKEN = {
    "vista": "CREATE VIEW public.clientes AS SELECT 1 AS id",
    "vista materializada": "CREATE MATERIALIZED VIEW public.clientes AS SELECT 1 AS id",
    "tabla foránea": "CREATE FOREIGN DATA WRAPPER f; CREATE SERVER s FOREIGN DATA WRAPPER f;"
    " CREATE FOREIGN TABLE public.clientes (id uuid) SERVER s",
    "tabla particionada": "CREATE TABLE public.clientes (id uuid) PARTITION BY LIST (id)",
    "tipo compuesto": "CREATE TYPE public.clientes AS (id uuid)",
    "tipo": "CREATE TYPE public.clientes AS ENUM ('a')",
    "secuencia": "CREATE SEQUENCE public.clientes",
    "índice": "CREATE INDEX clientes ON public.consents (user_id)",
}


def refused_and_unchanged(database: Database, job: Callable[[], Any]) -> str:
    """The sentence with which the job refuses; outside migracion everything is as before."""
    before = dump(database)
    with pytest.raises(MigrationError) as refusal:
        job()
    assert dump(database) == before
    return str(refusal.value)


@pytest.mark.once
@pytest.mark.parametrize("kind", brief(TAKEN, "vista", "tabla particionada", "índice"))
def test_a_name_that_something_else_has_is_refused_with_what_it_is(begin: Begin, kind: str) -> None:
    database, jobs = begin()
    database.query(TAKEN[kind])
    sentence = f"public.clientes ya existe y es {kind}; la tabla clientes necesita ese nombre"
    assert sentence in refused_and_unchanged(database, jobs.make_tables)
    assert sentence in refused_and_unchanged(database, lambda: jobs.make_tables(check=True))
    assert f"nombre ocupado: {sentence}" in refused_and_unchanged(database, jobs.approve)


def test_the_name_of_an_index_or_a_sequence_can_be_taken_too(begin: Begin) -> None:
    database, jobs = begin()
    database.query("CREATE VIEW idx_clientes_ciudad AS SELECT 1 AS id; CREATE SEQUENCE proveedor_profesiones_id_seq")
    sentence = refused_and_unchanged(database, jobs.make_tables)
    assert "idx_clientes_ciudad ya existe y es vista; la tabla clientes" in sentence
    assert "proveedor_profesiones_id_seq ya existe y es secuencia; la tabla proveedor_profesiones" in sentence


SHAPES = {
    "another table altogether": ("CREATE TABLE clientes (id uuid PRIMARY KEY, apodo text)", "sobra columna apodo"),
    "one column shorter": (
        "CREATE TABLE profesiones (id integer PRIMARY KEY, nombre varchar(99) NOT NULL)",
        "columna nombre: hay 'character varying(99) NOT NULL', se pidió 'character varying(100) NOT NULL'",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_table_of_somebody_else_with_another_shape_is_refused_fact_by_fact(begin: Begin, shape: str) -> None:
    database, jobs = begin()
    statement, phrase = SHAPES[shape]
    with database.cursor(database.url) as cursor:
        cursor.execute(statement)
    assert phrase in refused_and_unchanged(database, jobs.make_tables)
    assert "ya existe con otra forma" in refused_and_unchanged(database, jobs.approve)


CHANGED = {
    "column": "ALTER TABLE clientes ADD apodo text NOT NULL",
    "type": "ALTER TABLE clientes ALTER nombre_completo TYPE text",
    "default": "ALTER TABLE clientes ALTER estado SET DEFAULT 'inactivo'",
    "check": "ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check, ADD CONSTRAINT clientes_estado_check CHECK (true)",
    "unique": "ALTER TABLE clientes DROP CONSTRAINT clientes_telefono_key",
    "foreign key": "ALTER TABLE solicitudes_servicio DROP CONSTRAINT solicitudes_servicio_cliente_id_fkey",
    "index": "DROP INDEX idx_clientes_ciudad",
    "trigger": "ALTER TABLE clientes DISABLE TRIGGER USER",
    "row security": "ALTER TABLE clientes DISABLE ROW LEVEL SECURITY",
    "grant": "GRANT DELETE ON clientes TO anon",
    "column grant": "GRANT SELECT (notas) ON clientes TO tinkubot_reportes",
    "lost grant": "REVOKE INSERT ON clientes FROM service_role",
    "owner": "ALTER TABLE clientes OWNER TO supabase_admin",
}


def test_whatever_is_changed_afterwards_fails_the_verification(tables: Made) -> None:
    database, jobs = tables
    for kind, statement in CHANGED.items():
        table = statement.split()[2] if statement.startswith("ALTER TABLE") else "clientes"
        with database.cursor() as cursor:
            cursor.execute(statement)
            cursor.connection.commit()
        with pytest.raises(MigrationError) as failed:
            jobs.verify_tables()
        assert (kind, table in str(failed.value)) == (kind, True)
        jobs.drop_tables() if kind != "owner" else database.query(f"ALTER TABLE clientes OWNER TO {database.role}")
        jobs.make_tables()
    jobs.verify_tables()


def test_an_added_column_that_no_row_can_meet_is_named_by_the_verification(tables: Made) -> None:
    database, jobs = tables
    database.query("ALTER TABLE clientes ADD apodo text")
    lines = jobs.verify_tables()["lines"]
    database.query("ALTER TABLE clientes DROP apodo")
    assert "Aviso: clientes: sobra columna apodo: text" in lines


# --- undone


def test_tables_with_rows_are_not_dropped(begin: Begin) -> None:
    database, jobs = begin()
    jobs.make_tables()
    database.query("INSERT INTO profesiones (nombre) VALUES ('Nacida aquí')")
    for check in (True, False):
        sentence = refused_and_unchanged(database, lambda check=check: jobs.drop_tables(check=check))
        assert "profesiones ya tiene filas; deshacer fase1 las borraría" in sentence
        assert "fase2.yml --tags rollback" in sentence


def test_a_row_that_comes_while_the_way_back_waits_for_its_writer_is_not_lost(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, jobs = begin(up_to="fase1")
    monkeypatch.setattr(schema_state, "DDL", Wait(5000, 2))
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted AND relation = 'profesiones'::regclass"
    )
    with ThreadPoolExecutor(1) as pool:
        with others(database, "INSERT INTO profesiones (nombre) VALUES ('Nacida aquí')") as writer:
            dropping = pool.submit(jobs.drop_tables)
            deadline = time.monotonic() + 5
            while not database.value(waiting) and time.monotonic() < deadline:
                time.sleep(0.01)
            writer.commit()
        error = dropping.exception(10)
    assert isinstance(error, MigrationError)
    assert error.code == "unsafe"
    assert database.value("SELECT nombre FROM profesiones") == "Nacida aquí"


# What somebody built on a table, and what the refusal says of it.
USERS = {
    "a view": (
        "CREATE VIEW mis_clientes AS SELECT id FROM clientes",
        ("(vista public.mis_clientes)", "nada se borra en cascada"),
    ),
    "a reference": (
        "CREATE TABLE citas (cliente_id uuid REFERENCES clientes)",
        (
            "public.citas apunta a clientes por citas_cliente_id_fkey",
            "ALTER TABLE public.citas DROP CONSTRAINT citas_cliente_id_fkey",
        ),
    ),
}


@pytest.mark.parametrize("kind", USERS)
def test_what_somebody_built_on_a_table_stops_the_way_back(begin: Begin, kind: str) -> None:
    database, jobs = begin()
    jobs.make_tables()
    statement, phrases = USERS[kind]
    database.query(statement)
    for check in (True, False):
        sentence = refused_and_unchanged(database, lambda check=check: jobs.drop_tables(check=check))
        assert [phrase for phrase in phrases if phrase not in sentence] == []


def test_a_table_that_was_there_before_is_used_and_never_dropped(begin: Begin) -> None:
    database, jobs = begin()
    jobs.make_tables()
    jobs.drop_tables()
    made = database.value("SELECT texto FROM migracion.sql_aprobado WHERE nombre LIKE 'fase1/%-clientes.sql'")
    with database.cursor(database.url) as cursor:
        cursor.execute(made)
    before = dump(database)
    jobs.make_tables()
    jobs.drop_tables()
    assert dump(database) == before
    assert database.value("SELECT to_regclass('public.clientes') IS NOT NULL")


@pytest.mark.parametrize(("installation", "variant"), brief([("jsonb", "open"), ("text", "closed")], ("jsonb", "open")))
def test_three_rounds_leave_schema_and_data_as_they_were(begin: Begin, installation: str, variant: str) -> None:
    """The attempt after a rollback meets no leftovers."""
    database, jobs = begin(installation, privileges=variant, up_to=None)
    before = dump(database)
    made = set()
    for _ in range(3):
        jobs.approve()
        assert dump(database) == before
        jobs.make_tables(check=True)
        assert dump(database) == before
        jobs.make_tables()
        made.add(dump(database))
        assert jobs.make_tables()["changed"] is False
        jobs.drop_tables(check=True)
        made.add(dump(database))
        jobs.drop_tables()
        assert dump(database) == before
    assert len(made) == 1
