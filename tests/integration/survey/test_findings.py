"""fase0's page of findings: each thing that the night depends on, on a database that has it and on one that has its brother."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Begin, Database
from tests.support.dump import dump
from tests.support.jobs import Jobs

INT = 2**31 - 1


@dataclass(frozen=True)
class Seen:
    """A finding as the module's result has it."""

    name: str
    value: str
    limit: str
    verdict: str
    mend: str
    who: str
    note: str


def looked(jobs: Jobs, check: bool = True) -> tuple[list[Seen], list[str], list[str]]:
    """The findings that are not all well, the page's lines, what fase0 refuses."""
    try:
        result = jobs.approve(check=check)
    except MigrationError as refused:
        result = refused.details
    refusals = result.get("refusals", [])
    return [Seen(**f) for f in result["findings"] if f["verdict"] != "bien"], result["lines"], refusals


def run_as_printed(database: Database, statement: str) -> None:
    """As psql runs a pasted line: each statement a transaction of its own."""
    with closing(psycopg2.connect(database.superuser_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for part in (p.strip() for p in statement.split(";")):
            if part:
                cursor.execute(part)


@pytest.mark.parametrize("installation", ["jsonb", "text"])
def test_of_a_clean_database_the_page_says_only_that_all_is_well(begin: Begin, installation: str) -> None:
    database, jobs = begin(installation)
    before = dump(database)
    found, lines, refusals = looked(jobs)
    assert (found, refusals) == ([], [])
    assert dump(database) == before
    assert not database.query("SELECT 1 FROM pg_namespace WHERE nspname = 'migracion'")
    head = next(n for n, line in enumerate(lines) if line.startswith("Hallazgos, "))
    rows = [line for line in lines[head + 2 :] if line.startswith("  bien  ")]
    assert lines[head].endswith(f"(bien {len(rows)}, aviso 0, impide 0):")
    assert all(len(line) <= 120 for line in lines[head : head + len(rows)])
    jobs.approve()
    verified = jobs.verify_approval()["lines"]
    assert [line for line in verified if line.startswith("  bien  ")] == [line for line in rows if "relojes" not in line or line]


# What somebody did; the finding's name and verdict; words of it; whether the printed statement leaves nothing to say.
ZONE = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'America/Bogota'); END $$;"
VIEWS = "DROP VIEW IF EXISTS provider_directory, customer_activity;"
HEIR = "CREATE TABLE messages_archivo () INHERITS (messages);"
TWINS = """SET allow_system_table_mods = on;
UPDATE pg_index SET indisunique = false WHERE indexrelid = '{index}'::regclass;
INSERT INTO {insert};
UPDATE pg_index SET indisunique = true WHERE indexrelid = '{index}'::regclass"""
CASES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "an heir with keys of its table": (
        f"{HEIR} INSERT INTO messages_archivo SELECT * FROM ONLY messages ORDER BY id LIMIT 5",
        "tablas que heredan",
        "impide",
        (
            "messages (id) repite 5 claves con public.messages_archivo",
            "ALTER TABLE public.messages_archivo NO INHERIT public.messages;",
        ),
    ),
    "a key that may be NULL": (
        "ALTER TABLE provider_professions ALTER provider_id DROP NOT NULL",
        "columnas de emparejar",
        "impide",
        (
            "provider_professions.provider_id (da proveedor_profesiones.proveedor_id) admite NULL",
            "ALTER COLUMN provider_id SET NOT NULL;",
        ),
    ),
    "a prepared sequence past what fits": (
        f"{VIEWS} ALTER TABLE professions ALTER id TYPE bigint; ALTER SEQUENCE professions_id_seq AS bigint;"
        "INSERT INTO professions(id, name) VALUES (9999999999, 'Id escrito a mano');"
        "SELECT setval('professions_id_seq', 9999999999)",
        "secuencias",
        "aviso",
        (
            "y 9.999.999.999, que no cabe",
            "posición hasta 2.147.483.647",
            "ALTER SEQUENCE public.professions_id_seq MAXVALUE 2147483647;",
        ),
    ),
    "an id made by hand": (
        f"{VIEWS} ALTER TABLE professions ALTER id TYPE bigint; ALTER SEQUENCE professions_id_seq AS bigint;"
        "INSERT INTO professions(id, name) VALUES (9999999999, 'Id escrito a mano')",
        "secuencias",
        "aviso",
        ("y 9.999.999.999, que no cabe", "tope 2.147.483.647"),
    ),
    "a descending sequence": (
        "ALTER SEQUENCE professions_id_seq INCREMENT BY -1 MINVALUE -100 MAXVALUE 2000 ",
        "secuencias",
        "aviso",
        ("de -1 en -1", "ascendente"),
    ),
    "a sequence behind its ids": ("SELECT setval('professions_id_seq', 7)", "secuencias", "aviso", ("va por 7", "posición tras")),
    "a sequence that begins anew": ("ALTER SEQUENCE professions_id_seq CYCLE", "secuencias", "aviso", ("NO CYCLE",)),
    "a sequence that ends with its ids": (
        "ALTER SEQUENCE professions_id_seq AS smallint MAXVALUE 915",
        "secuencias",
        "aviso",
        ("sitio para más ids", "AS integer MAXVALUE 2147483647"),
    ),
    "a foreign key on a Spanish table": (
        "CREATE TABLE pagos (id int PRIMARY KEY, cliente uuid REFERENCES clientes ON DELETE CASCADE)",
        "claves foráneas de otros",
        "aviso",
        (
            "public.pagos.pagos_cliente_fkey → public.clientes (ON DELETE CASCADE)",
            "ALTER TABLE public.pagos DROP CONSTRAINT pagos_cliente_fkey;",
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_found_is_said_and_gone_after_the_printed_statement(begin: Begin, case: str) -> None:
    statement, name, verdict, words = CASES[case]
    database, jobs = begin("text", up_to="fase1" if "Spanish" in case else None)
    database.query(statement)
    [seen], lines, refusals = looked(jobs)
    assert (seen.name, seen.verdict) == (name, verdict)
    for word in words:
        assert word in " ".join((seen.value, seen.limit, seen.mend)), seen
    assert any(line.endswith(f"Remedio ({seen.who}): {seen.mend}") for line in lines)
    assert any(seen.mend in text for text in refusals) == (verdict == "impide")
    run_as_printed(database, seen.mend)
    found, _, refusals = looked(jobs)
    assert (found, refusals) == ([], [])


def test_an_heirs_heir_is_named_with_the_key_that_it_alone_holds_twice(begin: Begin) -> None:
    database, jobs = begin()
    database.query(
        f"""CREATE SCHEMA "Viejo %s"; {HEIR} CREATE TABLE "Viejo %s"."De '99" () INHERITS (messages_archivo);
        INSERT INTO "Viejo %s"."De '99"(id) SELECT '00000000-0000-4000-8000-000000000070' FROM generate_series(1, 2)"""
    )
    notice, barring = sorted(looked(jobs)[0], key=lambda seen: seen.verdict)
    assert notice.value == "public.messages_archivo hereda de messages, sin repetir claves"
    assert barring.value.endswith("""repite 1 claves con "Viejo %s"."De '99": 00000000-0000-4000-8000-000000000070""")
    run_as_printed(database, barring.mend)
    assert looked(jobs)[0] == [notice]


NAMED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "an heir without keys of its table": (
        f"{HEIR} INSERT INTO messages_archivo(id, content) VALUES (gen_random_uuid(), 'archivado')",
        "tablas que heredan",
        ("public.messages_archivo hereda de messages, sin repetir claves",),
    ),
    "an index that let a phone in twice": (
        TWINS.format(
            index="customers_phone_number_key",
            insert="customers(id, phone_number) VALUES (gen_random_uuid(), '593977700071'), (gen_random_uuid(), '593977700071')",
        ),
        "unicidad contada",
        ("customers (phone_number): 1 valores en 2 filas: 593977700071",),
    ),
    "a primary key that let a row in twice": (
        TWINS.format(
            index="sessions_pkey",
            insert="sessions(id, session_id) SELECT '00000000-0000-4000-8000-000000000071', n FROM generate_series(1, 3) n",
        ),
        "unicidad contada",
        ("sessions (id): 1 valores en 3 filas: 00000000-0000-4000-8000-000000000071",),
    ),
    "a grant of a role that is gone": (
        "CREATE ROLE de_antes; GRANT SELECT, DELETE ON customers TO de_antes; SET allow_system_table_mods = on;"
        "DELETE FROM pg_authid WHERE rolname = 'de_antes'",
        "permisos de nadie",
        ("public.customers: DELETE, SELECT para el rol", "Solo un superusuario (el soporte"),
    ),
    "a column's grant and a sequence's of a role that is gone": (
        "CREATE ROLE de_antes; GRANT UPDATE (full_name) ON customers TO de_antes; SET allow_system_table_mods = on;"
        "DELETE FROM pg_authid WHERE rolname = 'de_antes'",
        "permisos de nadie",
        ("public.customers.full_name: UPDATE para el rol",),
    ),
    "an identity column": (
        "ALTER TABLE professions ALTER id DROP DEFAULT; DROP SEQUENCE professions_id_seq;"
        "ALTER TABLE professions ALTER id ADD GENERATED BY DEFAULT AS IDENTITY;"
        "SELECT setval(pg_get_serial_sequence('professions', 'id'), (SELECT max(id) FROM professions))",
        "columnas identity",
        ("professions.id (BY DEFAULT)",),
    ),
    "two collations of what is joined": (
        f"""{VIEWS} DROP POLICY IF EXISTS "Solo Ecuador" ON customers;
        ALTER TABLE customers ALTER phone_number TYPE text COLLATE "C";
        ALTER TABLE users ALTER phone_number TYPE text COLLATE "POSIX" """,
        "colaciones de lo que se une",
        ('customers.phone_number (pg_catalog."C") y users.phone_number (pg_catalog."POSIX")',),
    ),
}


@pytest.mark.parametrize("case", NAMED)
def test_what_no_statement_mends_is_named_without_one(begin: Begin, case: str) -> None:
    statement, name, words = NAMED[case]
    database, jobs = begin()
    database.query(statement)
    [seen], lines, refusals = looked(jobs)
    assert (seen.name, seen.verdict, seen.mend, refusals) == (name, "aviso", "", [])
    for word in words:
        assert word in " ".join((seen.value, seen.note)), seen
    assert any(line.startswith("  aviso   ") and name in line for line in lines)
