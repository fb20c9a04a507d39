"""The Spanish tables: what target-schema.md asks, as reachable as their legacy twins, and gone without a trace.

Traps 4, 11, 26, 28, 29, 36.
"""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.twins import CARRIED, TWINS, allowed, allowed_columns
from tests.support.variants import brief

Made = tuple[Database, Jobs]
Begin = Callable[..., Made]

# target-schema.md by hand: * is NOT NULL, = a default, {a,b} the only values, [a..b] a range, -> a foreign key.
TARGET = {
    "profesiones": (
        "id integer* pk =nextval; nombre varchar(100)* unique; especialidad varchar(255); categoria varchar(100);"
        " esta_activo boolean =true; creado_at timestamp =now; actualizado_at timestamp =now",
        "categoria esta_activo",
    ),
    "clientes": (
        "id uuid* pk =random; telefono varchar(20)* unique; nombre_completo varchar(255)*; ciudad varchar(100);"
        " ciudad_confirmada_at timestamp; notas jsonb ={}; estado varchar(20) =activo {activo,inactivo,suspendido};"
        " tiene_consentimiento boolean; creado_at timestamp =now; actualizado_at timestamp =now",
        "ciudad estado creado_at",
    ),
    "proveedores": (
        "id uuid* pk =random; telefono varchar(20)* unique; nombre varchar(255)*; email varchar(255);"
        " nombre_empresa varchar(255); descripcion_empresa text; direccion text; ciudad varchar(100);"
        " pais varchar(100) =ECUADOR; latitud numeric(10,8); longitud numeric(11,8);"
        " estado varchar(30) =activo {activo,inactivo,suspendido,verificacion_pendiente};"
        " nivel_verificacion varchar(20) =basico {basico,verificado,premium,institucional};"
        " rating numeric(3,2) =5.0 [0..5]; tiene_consentimiento boolean; creado_at timestamp =now; actualizado_at timestamp =now",
        "ciudad estado rating nivel_verificacion creado_at",
    ),
    "proveedor_profesiones": (
        "id integer* pk =nextval; proveedor_id uuid ->proveedores CASCADE; profesion_id integer ->profesiones CASCADE;"
        " especialidad varchar(255); anos_experiencia integer =0 [0..70]; certificaciones jsonb =[]; es_principal boolean =false;"
        " estado_verificacion varchar(20) =pendiente {pendiente,verificada,rechazada}; creado_at timestamp =now;"
        " unique (proveedor_id, profesion_id)",
        "proveedor_id profesion_id estado_verificacion",
    ),
    "servicios_proveedor": (
        "id uuid* pk =random; proveedor_id uuid ->proveedores CASCADE; titulo varchar(255)*; descripcion text;"
        " categoria varchar(100); precio numeric(10,2); tipo_precio varchar(20) =fijo {fijo,rango,a_convenir,hora};"
        " disponibilidad jsonb ={}; esta_activo boolean =true; creado_at timestamp =now; actualizado_at timestamp =now",
        "proveedor_id categoria esta_activo",
    ),
    "solicitudes_servicio": (
        "id uuid* pk =random; cliente_id uuid ->clientes SET NULL; telefono varchar(20)*;"
        " tipo_solicitud varchar(50) =servicio {servicio,consulta,queja,sugerencia}; profesion_solicitada varchar(100);"
        " ciudad varchar(100); latitud numeric(10,8); longitud numeric(11,8); proveedores_sugeridos jsonb =[];"
        " estado varchar(20) =pendiente {pendiente,en_progreso,resuelta,cancelada}; solicitado_at timestamp =now;"
        " resuelto_at timestamp",
        "cliente_id telefono estado ciudad solicitado_at",
    ),
    "mensajes": (
        "id uuid* pk =random; conversacion_id uuid; telefono varchar(20)*;"
        " tipo_mensaje varchar(50)* {texto,imagen,audio,video,documento,ubicacion,contacto}; contenido text*;"
        " url_media varchar(500); tipo_media varchar(20); respuesta_ia text;"
        " estado_procesamiento varchar(20) =pendiente {pendiente,procesando,completado,error}; metadata jsonb ={};"
        " creado_at timestamp =now",
        "conversacion_id telefono tipo_mensaje estado_procesamiento creado_at",
    ),
    "sesiones": (
        "id uuid* pk =random; telefono varchar(20)*; id_sesion varchar(255)*;"
        " estado varchar(20) =activa {activa,inactiva,expirada,error}; codigo_qr text; datos_sesion jsonb ={};"
        " expira_at timestamp; ultima_actividad timestamp =now; creado_at timestamp =now",
        "telefono id_sesion estado expira_at ultima_actividad",
    ),
    "tareas_programadas": (
        "id uuid* pk =random; tipo_tarea varchar(50)* {enviar_whatsapp,recordatorio,seguimiento,feedback,notificacion};"
        " payload jsonb*; estado varchar(20) =pendiente {pendiente,en_progreso,completada,fallida,cancelada};"
        " prioridad integer =0 [0..10]; programada_at timestamp*; iniciada_at timestamp; completada_at timestamp;"
        " mensaje_error text; intentos integer =0 [0..]; max_intentos integer =3 [1..]; creado_at timestamp =now",
        "estado tipo_tarea programada_at prioridad",
    ),
}


@pytest.fixture
def begin(new_database: Callable[..., Database], tmp_path: Path) -> Begin:
    """``begin(installation, privileges=)``: a sample database that fase0 has approved."""

    def make(installation: str = "jsonb", privileges: str = "open", approve: bool = True) -> Made:
        database = new_database(installation, 200, privileges, up_to="fase0" if approve else None)
        return database, Jobs(database.url, tmp_path / "respaldos")

    return make


@pytest.fixture(scope="module", params=brief(["jsonb", "text"], "jsonb"))
def tables(request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Both installations with their empty tables, for tests that leave them so."""
    database = databases.sample(request.param, 200, {"jsonb": "open", "text": "closed"}[request.param], up_to="fase1")
    yield database, Jobs(database.url, tmp_path_factory.mktemp("respaldos"))
    databases.drop(database)


# --- what was asked

COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
       max(pg_get_constraintdef(c.oid)) FILTER (WHERE c.contype = 'c'),
       max(c.confrelid::regclass || CASE c.confdeltype WHEN 'c' THEN ' CASCADE' WHEN 'n' THEN ' SET NULL' ELSE ' other' END)
         FILTER (WHERE c.contype = 'f'),
       array_agg(c.contype::text) FILTER (WHERE c.contype IN ('p', 'u'))
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_constraint c ON c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum]
WHERE a.attrelid = %s::regclass AND a.attnum > 0
GROUP BY a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, d.adbin, d.adrelid ORDER BY a.attnum"""
SHORT = {"character varying": "varchar", "timestamp without time zone": "timestamp"}
DEFAULTS = {"timezone('utc'::text, now())": "now", "gen_random_uuid()": "random"}


def described(database: Database, table: str) -> str:
    """The table's columns and constraints from the catalogue, as TARGET writes them."""
    parts = []
    for name, type_, not_null, default, check, key, unique in database.query(COLUMNS, (table,)):
        words = [name, re.sub("|".join(SHORT), lambda found: SHORT[found[0]], type_) + ("*" if not_null else "")]
        words += [{"p": "pk", "u": "unique"}[kind] for kind in unique or []]
        if default is not None:
            plain = "nextval" if default.startswith("nextval(") else DEFAULTS.get(default, default)
            words.append("=" + re.sub(r"^'(.*)'::[\w ]+$", r"\1", plain))
        if check is not None:
            values, limits = re.findall(r"'([^']*)'", check), re.findall(r"[<>]=? \(?(\d+)", check)
            words.append("{" + ",".join(values) + "}" if values else "[" + "..".join((*limits, "")[:2]) + "]")
        parts.append(" ".join([*words, *(["->" + key] if key else [])]))
    several = (
        "SELECT lower(pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid = %s::regclass AND cardinality(conkey) > 1"
    )
    return "; ".join([*parts, *(definition for (definition,) in database.query(several, (table,)))])


@pytest.mark.parametrize("table", TARGET)
def test_the_table_has_the_columns_and_constraints_of_the_target_schema(tables: Made, table: str) -> None:
    database, _ = tables
    wanted, _ = TARGET[table]
    if not database.query("SELECT 1 FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attname = 'has_consent'"):
        wanted = wanted.replace(" tiene_consentimiento boolean;", "")
    assert described(database, table) == wanted


@pytest.mark.parametrize("table", TARGET)
def test_the_indexes_are_those_of_the_target_schema_and_none_repeats_another(tables: Made, table: str) -> None:
    database, _ = tables
    indexes = "SELECT indexrelid::regclass::text, indkey::text, indisvalid FROM pg_index WHERE indrelid = %s::regclass"
    found = database.query(indexes, (table,))
    named = {name for name, _, _ in found if name.startswith("idx_")}
    assert named == {f"idx_{table}_{column}" for column in TARGET[table][1].split()}
    assert len({keys for _, keys, _ in found}) == len(found)
    assert all(valid for _, _, valid in found)
    comment = database.value("SELECT obj_description(%s::regclass, 'pg_class')", (table,))
    assert len(comment) > 10


def test_what_fase1_made_is_what_it_verifies(tables: Made) -> None:
    _, jobs = tables
    assert jobs.verify_tables()["lines"][0].startswith("Estructura verificada con el catálogo: 9 tablas")


def test_the_report_names_the_indexes_that_a_unique_constraint_gives_already(begin: Begin) -> None:
    _, jobs = begin()
    lines = jobs.make_tables()["lines"]
    redundant = [line.strip() for line in lines if "sin índice aparte" in line]
    assert redundant == [
        "profesiones: sin índice aparte sobre nombre, que ya tiene el de su UNIQUE",
        "clientes: sin índice aparte sobre telefono, que ya tiene el de su UNIQUE",
        "proveedores: sin índice aparte sobre telefono, que ya tiene el de su UNIQUE",
    ]


def test_trap_28_every_allowed_value_fits_its_own_column() -> None:
    limits = re.findall(r"varchar\((\d+)\)[^;]*?\{([^}]+)\}", "; ".join(columns for columns, _ in TARGET.values()))
    assert len(limits) == 12
    assert all(len(value) <= int(size) for size, values in limits for value in values.split(","))


def test_trap_4_the_plans_on_conflict_finds_its_constraint(tables: Made) -> None:
    database, _ = tables
    upsert = "EXPLAIN INSERT INTO proveedor_profesiones DEFAULT VALUES ON CONFLICT (proveedor_id, profesion_id) DO NOTHING"
    assert "Arbiter Indexes" in str(database.query(upsert))


def test_both_sides_draw_their_ids_from_the_legacy_sequence(begin: Begin) -> None:
    database, jobs = begin()
    jobs.make_tables()
    drawn = []
    for n in range(3):
        drawn.append(database.value("INSERT INTO professions (name) VALUES (%s) RETURNING id", (f"n{n}",)))
        drawn.append(database.value("INSERT INTO profesiones (nombre) VALUES (%s) RETURNING id", (f"n{n}",)))
    assert drawn == list(range(drawn[0], drawn[0] + 6))


TOUCHED = {
    "profesiones": ("nombre", "'p'"),
    "clientes": ("telefono, nombre_completo", "'1', 'n'"),
    "proveedores": ("telefono, nombre", "'1', 'n'"),
    "servicios_proveedor": ("titulo", "'t'"),
}


@pytest.mark.parametrize("table", TOUCHED)
def test_actualizado_at_follows_a_service_and_stands_aside_for_the_copy(tables: Made, table: str) -> None:
    database, _ = tables
    columns, values = TOUCHED[table]
    moment = f"SELECT actualizado_at - timezone('utc', now()) FROM {table}"
    with database.cursor() as cursor:
        cursor.execute("SET TimeZone = 'America/Guayaquil'; SET ROLE service_role")
        cursor.execute(f"INSERT INTO {table} ({columns}, actualizado_at) VALUES ({values}, '2000-01-01')")
        first = columns.split(",")[0]
        cursor.execute(f"UPDATE {table} SET {first} = '2'")
        cursor.execute(moment)
        assert cursor.fetchone()[0].total_seconds() == 0
        cursor.execute(f"SET LOCAL migracion.sync = 'copia'; UPDATE {table} SET actualizado_at = '2000-01-01'; {moment}")
        assert cursor.fetchone()[0].days < -9000
        cursor.connection.rollback()


# --- who may reach it


@contextmanager
def role_without_grants(database: Database) -> Iterator[None]:
    """A role that has only what everybody has; roles belong to the whole server."""
    database.query("DROP ROLE IF EXISTS nadie; CREATE ROLE nadie")
    yield
    database.query("DROP OWNED BY nadie; DROP ROLE nadie")


@pytest.mark.parametrize("variant", ["open", "closed"])
def test_trap_29_no_role_can_do_more_or_less_than_on_the_legacy_twin(begin: Begin, variant: str) -> None:
    database, jobs = begin("jsonb", variant, approve=False)
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
def test_trap_29_an_own_sequence_serves_those_who_may_insert_and_nobody_else(begin: Begin, variant: str) -> None:
    database, jobs = begin("jsonb", variant)
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


def test_trap_36_one_notice_ends_each_step_that_changed_something(begin: Begin) -> None:
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
    "column": "ALTER TABLE clientes ADD apodo text",
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


# --- undone


def test_trap_11_tables_with_rows_are_not_dropped(begin: Begin) -> None:
    database, jobs = begin()
    jobs.make_tables()
    database.query("INSERT INTO profesiones (nombre) VALUES ('Nacida aquí')")
    for check in (True, False):
        sentence = refused_and_unchanged(database, lambda check=check: jobs.drop_tables(check=check))
        assert "profesiones ya tiene filas; deshacer fase1 las borraría" in sentence
        assert "fase2.yml --tags rollback" in sentence


USERS = {
    "view public.mis_clientes depends on table public.clientes": "CREATE VIEW mis_clientes AS SELECT id FROM clientes",
    "constraint citas_cliente_id_fkey on table public.citas depends on table public.clientes": (
        "CREATE TABLE citas (cliente_id uuid REFERENCES clientes)"
    ),
}


@pytest.mark.parametrize("phrase", USERS)
def test_trap_13_what_somebody_built_on_a_table_stops_the_way_back(begin: Begin, phrase: str) -> None:
    database, jobs = begin()
    jobs.make_tables()
    database.query(USERS[phrase])
    for check in (True, False):
        sentence = refused_and_unchanged(database, lambda check=check: jobs.drop_tables(check=check))
        assert "nada se borra en cascada" in sentence
        assert phrase in sentence


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
    """C23."""
    database, jobs = begin(installation, variant, approve=False)
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
