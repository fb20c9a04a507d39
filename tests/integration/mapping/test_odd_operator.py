"""An operator, a database, a reader and an extension's schema with names that SQL reads as something else unless quoted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.ledger.bookkeeping import ensure_schema
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.db import rolled_back
from tests.sample.build import build
from tests.support.accounting import take_accounting
from tests.support.databases import Database, Databases
from tests.support.dump import dump
from tests.support.jobs import Jobs, of_its_own
from tests.support.named import statements_in
from tests.support.observation import differences
from tests.support.phase import Phase

NAMES = ("Migra-Prod", 'Migra "Prod" d\'x %s')
PASSWORD = "secreta"


@pytest.fixture(params=NAMES)
def odd(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Database]:
    """The sample of an owner of that name in a database of that name; a grantee and an extension's schema are called alike."""
    name, role = f"Base {request.param}", request.param
    build(databases.server.url(), name, rows=100, messages=7, owner=role, password=PASSWORD)
    database = Database(databases.server, name, role, PASSWORD)
    quoted = role.replace('"', '""')
    database.query(f'CREATE ROLE "Lector {quoted}"')
    database.query(f'GRANT SELECT, INSERT ON customers, professions TO "Lector {quoted}"')
    database.query(f'ALTER DEFAULT PRIVILEGES FOR ROLE "{quoted}" IN SCHEMA public GRANT SELECT ON TABLES TO "Lector {quoted}"')
    database.query(f'CREATE SCHEMA "Ext {quoted}" AUTHORIZATION "{quoted}"')
    # what an extension brings, under a schema that has to be quoted: types that columns have
    database.query(f'CREATE DOMAIN "Ext {quoted}"."Texto %" AS text; CREATE TYPE "Ext {quoted}"."Ciudad ""%" AS ENUM (\'Quito\')')
    database.query(f'ALTER TABLE professions ALTER specialty TYPE "Ext {quoted}"."Texto %"')
    if database.query("SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp'"):
        database.query(f'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA "Ext {quoted}"')
    yield database
    databases.drop(database)
    with databases._cursor() as cursor:
        cursor.execute(f'DROP ROLE "Lector {quoted}"; DROP ROLE "{quoted}"')


def test_every_phase_goes_forward_is_proved_and_taken_back(odd: Database, tmp_path: Path) -> None:
    jobs = Jobs(odd.url, tmp_path)
    original = dump(odd)
    jobs.approve(check=True)
    jobs.up_to_tables()
    jobs.verify_tables()
    assert odd.value(
        "SELECT has_table_privilege(oid, 'clientes', 'INSERT') FROM pg_roles WHERE rolname = 'Lector ' || %s", (odd.role,)
    )
    jobs.forecast()
    jobs.fill("fase2", "fase3")
    assert take_accounting(odd.superuser_url).problems == []
    # a sequence that lags, a row that differs, a role that may do too much: each is mended under those names
    quoted = odd.role.replace('"', '""')
    odd.query("UPDATE clientes SET ciudad = 'Otra' WHERE id = (SELECT min(id::text)::uuid FROM clientes)")
    odd.query(f'GRANT DELETE ON clientes TO "Lector {quoted}"')
    assert jobs.make_tables()["changed"] is True
    assert jobs.equalise()["changed"] is True
    lines = Phase(odd.url).call("status", "estado", "prueba-estado")
    assert any(odd.role in line for line in lines[:3])
    assert "Permisos y políticas: los mismos que en las tablas legacy" in lines
    for phase in ("fase3", "fase2"):
        jobs.take_back(phase)
    jobs.drop_tables()
    assert differences(original, dump(odd)) == []


def test_what_the_owner_is_asked_to_grant_can_be_run_as_it_is_printed(odd: Database, tmp_path: Path) -> None:
    jobs, quoted = Jobs(odd.url, tmp_path), odd.role.replace('"', '""')
    odd.query("CREATE SCHEMA migracion")
    grant(odd, jobs)
    odd.query("DROP SCHEMA migracion")
    odd.query(f'ALTER DATABASE "Base {quoted}" OWNER TO CURRENT_USER')
    grant(odd, jobs)
    odd.query(f'ALTER DATABASE "Base {quoted}" OWNER TO "{quoted}"')
    jobs.approve()


def grant(odd: Database, jobs: Jobs) -> None:
    """What the refusal asks for, as it stands there; then it is there no more."""
    with pytest.raises(MigrationError) as refused:
        jobs.approve()
    [statement] = statements_in(refused.value.move)
    odd.query(statement)
    with closing(connect(odd.url, "prueba")) as conn, rolled_back(conn):
        ensure_schema(conn)


PERCENT = """
schema: public
subphases: {fase2: ["2.1"]}
tables:
  "al 100%":
    twin: "the 100%"
    columns: {id: serial, "clave %s": text, "valor %(x)s": text}
    primary_key: id
    unique: ["clave %s"]
pairs:
  "the 100%":
    "al 100%":
      subphase: "2.1"
      columns: {id: id, "clave %s": "key %s", "valor %(x)s": "value %(x)s"}
"""
TABLE = """CREATE DOMAIN "Clave %s" AS integer;
CREATE TABLE "the 100%" (id "Clave %s" PRIMARY KEY, "key %s" text UNIQUE NOT NULL, "value %(x)s" text);
CREATE SEQUENCE "the 100%_id_seq" OWNED BY "the 100%".id;
ALTER TABLE "the 100%" ALTER id SET DEFAULT nextval('"the 100%_id_seq"');
INSERT INTO "the 100%" VALUES (7, 'a', 'x'), (8, 'b', 'y')"""


def test_a_percent_sign_in_a_sequence_and_in_a_keys_type_is_no_placeholder(empty_database: Database, tmp_path: Path) -> None:
    jobs = of_its_own(empty_database, tmp_path, PERCENT, TABLE)
    jobs.up_to_proof()
    assert empty_database.value('SELECT last_value FROM "the 100%_id_seq"') == 8
    empty_database.query("""UPDATE "al 100%" SET "valor %(x)s" = 'otro'""")
    assert jobs.equalise()["changed"] is True
    jobs.take_back()
    assert empty_database.value('SELECT last_value FROM "the 100%_id_seq"') == 1
