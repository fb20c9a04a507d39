"""What is not as the runbook needs it: one clear sentence, an exit code that is not 0, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sample.supabase import DEFAULT_OWNER, NASTY_PASSWORD
from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tests.support.house import copy_of_the_house, living_in, replace
from tests.support.observation import differences, everything, failed
from tests.support.pgbouncer import pgbouncer
from tests.support.playbook import PlaybookRun, Playbooks
from tests.support.standby import standby
from tests.support.variants import brief
from tools.postgres_server import PostgresServer, address

NewDatabase = Callable[..., Database]
MakePlaybooks = Callable[..., Playbooks]


def verdict(run: PlaybookRun) -> str:
    """The summary of a run that failed, in one line: what an operator reads last."""
    found = [part for part in run.stdout.split("\n\n") if "\nfase" in f"\n{part}" and " · " in part.splitlines()[0]]
    assert found, run.output
    return " ".join(found[-1].split())


def refused(run: PlaybookRun, *said: str) -> str:
    text = verdict(failed(run))
    for words in said:
        assert words in text
    assert "Traceback" not in run.output
    return text


OTHER_SHAPES = {
    "a-view": ("CREATE VIEW clientes AS SELECT 1 AS id", "clientes ya existe y es vista"),
    "another-shape": ("CREATE TABLE clientes (id integer PRIMARY KEY, nombre text)", "clientes ya existe con otra forma"),
    "no-table": ("DROP TABLE customers CASCADE", "falta la tabla legacy public.customers"),
    "no-column": ("ALTER TABLE professions DROP COLUMN specialty", "falta la columna professions.specialty"),
}


# Each shape by the jobs alone: test_fase0.py and test_schema.py; here one stays to be seen by the operator.
@pytest.mark.parametrize("shape", brief(OTHER_SHAPES, "another-shape"))
def test_a_database_of_another_shape_is_refused(shape: str, new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    change, said = OTHER_SHAPES[shape]
    database = new_database()
    with database.cursor(database.url) as cursor:
        cursor.execute(change)
    outside = dump(database)
    refused(playbooks(database.url).run("fase0"), said, "No se cambió nada")
    assert differences(outside, dump(database)) == []


def test_everything_that_stands_in_the_way_is_said_at_once(new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    database = new_database()
    with database.cursor(database.url) as cursor:
        cursor.execute(
            "CREATE SEQUENCE clientes; CREATE TYPE mensajes AS ENUM ('a'); CREATE TABLE sesiones_pkey (id integer); "
            "ALTER TABLE customers ADD vip boolean DEFAULT true"
        )
    before = everything(database)
    refused(
        playbooks(database.url).run("fase0", "--check"),
        "clientes ya existe y es secuencia",
        "mensajes ya existe y es tipo",
        "sesiones_pkey ya existe y es tabla",
        "customers.vip tiene datos (",
        "No se cambió nada",
    )
    assert differences(before, everything(database)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE customers ADD nueva text", "customers.nueva es nueva (text)"),
        pytest.param(
            "ALTER TABLE customers ALTER full_name TYPE varchar(999)",
            "customers.full_name era text y es character varying(999)",
            marks=pytest.mark.slow,  # by the jobs alone: test_fase0.py
        ),
    ],
)
def test_a_database_that_changed_after_fase0_is_refused_until_it_is_approved_again(
    change: str, said: str, new_database: NewDatabase, playbooks: MakePlaybooks
) -> None:
    database = new_database(up_to="fase0")
    database.query("DROP VIEW customer_activity")
    database.query(change)
    outside = dump(database)
    refused(playbooks(database.url).run("fase1"), said, "No se cambió nada", "fase0.yml")
    assert differences(outside, dump(database)) == []


WRONG_MAPPINGS = {
    "an-unknown-key": ("    comment: Oficios que", "    coment: Oficios que", "tables.profesiones", "¿quiso decir «comment»?"),
    "two-sources-for-one-column": (
        "        especialidad: specialty\n        categoria: category\n",
        "        especialidad: specialty\n        especialidad: category\n",
        "pairs.professions",
        "no puede tener dos orígenes",
    ),
}


@pytest.mark.parametrize("kind", WRONG_MAPPINGS)
def test_a_mapping_that_is_wrong_is_refused_by_file_line_and_key(
    kind: str, new_database: NewDatabase, playbooks: MakePlaybooks, tmp_path: Path
) -> None:
    old, new, key, words = WRONG_MAPPINGS[kind]
    database = new_database()
    before = everything(database)
    house = copy_of_the_house(tmp_path / "casa")
    mapping = house / "files/mapping/tinkubot.yml"
    replace(mapping, old, new)
    text = mapping.read_text(encoding="utf-8")
    line = text[: text.index(new) + len(new.rstrip("\n"))].count("\n") + 1
    run = failed(living_in(house, playbooks(database.url)).run("fase0"))
    said = " ".join(run.stdout.split())
    assert f"tinkubot.yml, línea {line}, {key}" in said
    assert words in said
    assert "No se cambió nada" in said
    assert differences(before, everything(database)) == []


# --- rights


@pytest.fixture
def stranger(databases: Databases) -> Callable[[Database, str], str]:
    """The address of a role that may do only what the statements grant."""

    def make(database: Database, grants: str) -> str:
        role = f"ajeno_{database.name}"
        database.query(f"CREATE ROLE {role} LOGIN PASSWORD 'una-clave' IN ROLE pg_read_all_data; {grants.format(role=role)}")
        return database.server.url(database.name, role, "una-clave")

    return make


@pytest.mark.parametrize(
    ("grants", "said"),
    [
        ("", "falta CREATE"),
        pytest.param(
            "GRANT CREATE ON DATABASE {{database}} TO {role}",
            "no puede crear tablas en el esquema public",
            marks=pytest.mark.slow,  # by the jobs alone: test_fase0.py
        ),
        pytest.param(
            "GRANT CREATE ON DATABASE {{database}} TO {role}; GRANT CREATE ON SCHEMA public TO {role}",
            "no puede leer y bloquear filas de customers",
            marks=pytest.mark.slow,  # likewise
        ),
    ],
    ids=["nothing", "no-tables", "no-locks"],
)
def test_a_role_that_may_not_is_told_what_to_ask_for(
    grants: str,
    said: str,
    new_database: NewDatabase,
    stranger: Callable[[Database, str], str],
    playbooks: MakePlaybooks,
) -> None:
    database = new_database()
    url = stranger(database, grants.replace("{{database}}", database.name))
    before, outside = everything(database), dump(database)
    runner = playbooks(url)
    if said == "falta CREATE":
        refused(runner.run("fase0", "--check"), "no puede", "Pida al dueño")
        assert differences(before, everything(database)) == []
    refused(runner.run("fase0"), said)
    assert differences(outside, dump(database)) == []


# --- the server


@pytest.mark.slow  # on the connection alone: test_connection.py
def test_a_read_only_database_is_refused(new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    database = new_database(up_to="fase1")
    database.query(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    before = everything(database)
    runner = playbooks(database.url)
    for name, arguments in (("fase2", ()), ("fase0", ("--check",)), ("fase1", ("--tags", "rollback"))):
        refused(runner.run(name, *arguments), "solo lectura", "libere espacio")
    assert differences(before, everything(database)) == []


@pytest.mark.slow  # likewise
def test_a_standby_is_refused(new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    database = new_database(up_to="fase2")
    with standby(database.server) as copy:
        runner = playbooks(address(copy.port, database.name, DEFAULT_OWNER, NASTY_PASSWORD))
        for name, arguments in (("fase3", ()), ("fase3", ("--check",)), ("fase2", ("--tags", "verify"))):
            refused(runner.run(name, *arguments), "réplica en espera", "Use la dirección del primario")


def test_what_cannot_be_reached_is_named(server: PostgresServer, new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    database = new_database()
    before = everything(database)
    owner = (DEFAULT_OWNER, NASTY_PASSWORD)
    for url, said in (
        (address(1, database.name, *owner), "Puerto: 127.0.0.1:1 rechaza la conexión"),
        (database.url.replace("127.0.0.1", "no-such-host.invalid"), 'Nombre: "no-such-host.invalid" no se resuelve'),
        (server.url("no_existe", *owner), 'la base de datos "no_existe" no existe'),
    ):
        run = failed(playbooks(url).run("fase0"))
        assert said in run.stdout
        assert "no se intenta otra vez" in run.stdout
        assert "Traceback" not in run.output
    assert differences(before, everything(database)) == []


def test_a_pooler_in_transaction_mode_is_refused(new_database: NewDatabase, playbooks: MakePlaybooks) -> None:
    database = new_database()
    before = everything(database)
    with pgbouncer(database.server, {DEFAULT_OWNER: NASTY_PASSWORD}, "transaction") as port:
        run = failed(playbooks(address(port, database.name, DEFAULT_OWNER, NASTY_PASSWORD)).run("fase0"))
    assert "pooler en modo transacción" in run.stdout
    assert differences(before, everything(database)) == []
