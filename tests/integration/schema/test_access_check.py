"""What fase1, its verification and estado say of rights and policies: what is not as on the twin, what could not be carried."""

from __future__ import annotations

import itertools

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Begin, Database, Made
from tests.support.dump import schema
from tests.support.phase import Phase
from tests.support.variants import brief

LEFT_OUT = {
    "clientes: política que no se trasladó, así que cerrada: «Proveedores de la ciudad» (SELECT): nombra users",
    "proveedores: política que no se trasladó, así que cerrada: «Proveedores activos» (SELECT): usa user_type, sin columna",
    "mensajes: política que no se trasladó, así que cerrada: «Mensajes propios» (SELECT): usa user_id",
    "mensajes: política que no se trasladó, así que cerrada: «Sin fallidos» (SELECT, restrictiva: cierra del todo)",
}


@pytest.fixture
def made(begin: Begin) -> Made:
    """A database after fase1."""
    return begin(up_to="fase1")


def said_by_estado(database: Database) -> str:
    return "\n".join(Phase(database.url).call("status", "estado", "ver"))


# --- rows of a second table, and looked-up columns

SECOND_SOURCE = "clientes: las filas que vienen de users siguen las reglas de customers."


@pytest.mark.parametrize(
    ("installation", "privileges"),
    brief(itertools.product(("jsonb", "text"), ("open", "closed")), ("jsonb", "open"), ("text", "closed")),
)
def test_rows_of_a_second_source_that_become_more_open_or_more_closed_are_named(
    begin: Begin, installation: str, privileges: str
) -> None:
    database, jobs = begin(installation, privileges=privileges, up_to="fase1")
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


# --- what could not be carried


def test_a_policy_that_cannot_be_carried_is_named_by_every_run_of_fase1(begin: Begin) -> None:
    database, jobs = begin(up_to="fase0")
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


def test_a_schema_that_a_superuser_prepared_for_this_role_is_no_exposure(begin: Begin) -> None:
    database, jobs = begin()
    database.query(f"CREATE SCHEMA migracion; GRANT ALL ON SCHEMA migracion TO {database.role}")
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
