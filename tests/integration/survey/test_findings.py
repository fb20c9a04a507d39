"""fase0's page of findings: each thing that the night depends on, on a database that has it and on one that has its brother."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.survey import row_reading, table_state
from tests.support.databases import Begin
from tests.support.dump import dump
from tests.support.jobs import TINKUBOT
from tests.support.seen import looked, run_as_printed


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
    lost = [line for line in lines[head + 2 :] if line.startswith("  pierde  ")]
    assert lines[head].endswith(f"(bien {len(rows)}, pierde {len(lost)}, aviso 0, impide 0):")
    assert any("clientes: estado, en filas de customers" in line for line in lost)
    assert all(len(line) <= 120 for line in lines[head : head + len(rows)])
    jobs.approve()
    verified = jobs.verify_approval()["lines"]
    assert [line for line in verified if line.startswith("  bien  ")] == rows


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
    "a published table that says of no row which it was": (
        "CREATE PUBLICATION avisos FOR ALL TABLES; ALTER TABLE messages REPLICA IDENTITY NOTHING",
        "identidad de réplica",
        "aviso",
        ("messages: cannot ", "does not have a replica identity", "ALTER TABLE public.messages REPLICA IDENTITY DEFAULT;"),
    ),
    "a published Spanish table that says of no row which it was": (
        "CREATE PUBLICATION avisos FOR ALL TABLES WITH (publish = 'insert, update');"
        "ALTER TABLE clientes REPLICA IDENTITY NOTHING",
        "identidad de réplica",
        "aviso",
        ("clientes: cannot update table", "ALTER TABLE public.clientes REPLICA IDENTITY DEFAULT;"),
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


@pytest.mark.names("server/published.unidentified")
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


@pytest.mark.parametrize(
    ("published", "mend"),
    [
        ("sessions", "ALTER TABLE public.sessions REPLICA IDENTITY FULL;"),
        ("sessions (id, status)", "ALTER PUBLICATION avisos DROP TABLE public.sessions;"),
    ],
)
def test_a_published_table_without_a_primary_key_is_not_sent_to_one(begin: Begin, published: str, mend: str) -> None:
    database, jobs = begin()
    database.query(f"CREATE PUBLICATION avisos FOR TABLE {published}; ALTER TABLE sessions DROP CONSTRAINT sessions_pkey")
    [seen], _, _ = looked(jobs)
    assert (seen.name, seen.mend) == ("identidad de réplica", mend)
    run_as_printed(database, seen.mend)
    assert looked(jobs)[0] == []
    database.query("UPDATE sessions SET status = status")


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
        ("customers (phone_number): 1 valor en 2 filas: 593977700071",),
    ),
    "a primary key that let a row in twice": (
        TWINS.format(
            index="sessions_pkey",
            insert="sessions(id, session_id) SELECT '00000000-0000-4000-8000-000000000071', n FROM generate_series(1, 3) n",
        ),
        "unicidad contada",
        ("sessions (id): 1 valor en 3 filas: 00000000-0000-4000-8000-000000000071",),
    ),
    "a grant of a role that is gone": (
        "CREATE ROLE de_antes; GRANT SELECT, DELETE ON customers TO de_antes; SET allow_system_table_mods = on;"
        "DELETE FROM pg_authid WHERE rolname = 'de_antes'",
        "permisos de nadie",
        ("public.customers: DELETE, SELECT de un rol", "Solo un superusuario (soporte)"),
    ),
    "a column's grant and a sequence's of a role that is gone": (
        "CREATE ROLE de_antes; GRANT UPDATE (full_name) ON customers TO de_antes; SET allow_system_table_mods = on;"
        "DELETE FROM pg_authid WHERE rolname = 'de_antes'",
        "permisos de nadie",
        ("public.customers.full_name: UPDATE de un rol",),
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


# --- times without a zone

NAIVE = "ALTER TABLE customers ALTER created_at TYPE timestamp, ALTER city_confirmed_at TYPE timestamp"
LOCAL = (
    "INSERT INTO customers(id, phone_number, created_at) SELECT gen_random_uuid(), '59395550006' || n, "
    "timestamp '2126-11-20 21:30:00' + n * interval '1 day' FROM generate_series(1, 3) n"
)


def declared(tmp_path: Path, line: str, place: str = "schema: public") -> Path:
    """The mapping with one more line behind ``place``."""
    text = TINKUBOT.read_text(encoding="utf-8")
    assert place in text
    mapping = tmp_path / "mapeo.yml"
    mapping.write_text(text.replace(place, f"{place}\n{line}", 1), encoding="utf-8")
    return mapping


def test_times_without_a_zone_are_refused_with_both_readings_until_the_mapping_says_which(begin: Begin, tmp_path: Path) -> None:
    database, jobs = begin()
    database.query(f"ALTER DATABASE {database.name} SET timezone = 'America/Bogota'")
    database.query(NAIVE)
    database.query(LOCAL)
    confirmed, created = sorted(looked(jobs)[0], key=lambda seen: seen.value)
    assert {confirmed.name, created.name} == {"horas sin zona"}
    assert {confirmed.verdict, created.verdict} == {"impide"}
    for day in (21, 22, 23):
        utc, local = f"2126-11-{day}T21:30:00Z", f"2126-11-{day + 1}T02:30:00Z"
        assert f"2126-11-{day} 21:30:00 → {utc} si es UTC, {local} si es America/Bogota" in created.value
    assert "«zona: America/Bogota»" in created.note
    assert "pairs, customers, clientes, columns: «creado_at: {from: created_at, zona: America/Bogota}»" in created.note
    _, lines, refusals = looked(jobs)
    assert [text for text in refusals if created.note in text and created.value in text]
    assert "la copia convierte de forma explícita" not in "\n".join(lines)
    jobs.mapping = declared(tmp_path, "zona: America/Bogota")
    assert looked(jobs, check=False)[0] == []
    one = "        creado_at: created_at\n        actualizado_at: updated_at\n\n  users:"
    text = TINKUBOT.read_text(encoding="utf-8")
    assert one in text
    jobs.mapping.write_text(
        text.replace(one, one.replace("creado_at: created_at", "creado_at: {from: created_at, zona: UTC}"), 1), encoding="utf-8"
    )
    assert looked(jobs)[0] == [confirmed]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE task_queue ALTER started_at TYPE timestamp; DELETE FROM task_queue",
        "CREATE DOMAIN momento AS timestamp(3); ALTER TABLE task_queue ALTER started_at TYPE momento; DELETE FROM task_queue",
    ],
    ids=["without a value yet", "behind a domain"],
)
def test_a_time_without_a_zone_is_refused_before_it_has_a_value(begin: Begin, statement: str) -> None:
    database, jobs = begin()
    database.query(statement)
    [seen], _, _ = looked(jobs)
    assert seen.value == "task_queue.started_at es timestamp sin zona: todavía sin valores"
    assert "America/Guayaquil" in seen.note


# --- keys with NULL


def test_rows_with_null_in_a_key_are_counted_and_no_statement_is_printed_that_would_fail(begin: Begin) -> None:
    database, jobs = begin("text")
    database.query("ALTER TABLE provider_professions ALTER profession_id DROP NOT NULL")
    database.query(
        "UPDATE provider_professions SET profession_id = NULL WHERE id IN (SELECT id FROM provider_professions LIMIT 2)"
    )
    [seen], _, [refusal] = looked(jobs)
    assert (seen.verdict, seen.mend) == ("impide", "")
    assert "provider_professions.profession_id (da proveedor_profesiones.profesion_id) es NULL en 2 filas" in refusal
    database.query("DELETE FROM provider_professions WHERE profession_id IS NULL")
    [seen], _, _ = looked(jobs)
    run_as_printed(database, seen.mend)
    assert looked(jobs)[0] == []


def test_a_not_null_that_was_never_validated_says_nothing_of_the_rows(begin: Begin) -> None:
    database, jobs = begin("text")
    if database.value("SHOW server_version_num") < "180000":
        database.query(  # before 18 only surgery makes such a column
            "ALTER TABLE provider_professions ALTER provider_id DROP NOT NULL;"
            "UPDATE provider_professions SET provider_id = NULL WHERE id = 1;"
            "UPDATE pg_attribute SET attnotnull = true WHERE attname = 'provider_id'"
            " AND attrelid = 'provider_professions'::regclass"
        )
    else:
        database.query("ALTER TABLE provider_professions ALTER provider_id DROP NOT NULL")
        database.query("UPDATE provider_professions SET provider_id = NULL WHERE id = 1")
        database.query("ALTER TABLE provider_professions ADD CONSTRAINT lleno NOT NULL provider_id NOT VALID")
    [seen], _, _ = looked(jobs)
    assert (seen.name, seen.verdict, seen.mend) == ("columnas de emparejar", "impide", "")


# --- what legacy cannot say


def test_what_legacy_cannot_say_is_listed_with_what_becomes_of_it(begin: Begin) -> None:
    _, jobs = begin("text")
    lines = jobs.approve(check=True)["lines"]
    found = {(f["value"], f["limit"]) for f in jobs.approve(check=True)["findings"]}
    assert {
        ("solicitudes_servicio.estado en_progreso o cancelada", "se queda; en legacy, como pendiente"),
        ("solicitudes_servicio.cliente_id, otro que el que se busca por telefono", "se queda mientras telefono no cambie"),
        ("mensajes.telefono, por messages.user_id", "lo que no está en users, a metadata.phone"),
        ("sesiones.telefono, por sessions.user_id", "lo que no está en users, a cuarentena"),
        ("solicitudes_servicio.estado resuelta o pendiente", "service_requests.resolved_at se llena o se vacía"),
        ("clientes.estado inactivo", "vuelve como inactive, no como pending"),
        ("proveedor_profesiones: varias filas de provider_professions son una", "cambia la que gana; borrarla las borra todas"),
        ("proveedores: nivel_verificacion, rating, en filas de users", "no vuelven, y la prueba no las compara"),
        ("clientes: estado, en filas de customers", "no vuelven, y la prueba no las compara"),
    } <= found
    assert sum("lo que legacy no dice" in line for line in lines) == 7


# --- what is too large


def test_above_a_size_a_sample_is_read_and_counted_and_the_page_says_so(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    database, jobs = begin(messages=3000)
    database.query("ANALYZE")
    size = database.value("SELECT pg_table_size('messages')")
    monkeypatch.setattr(row_reading, "READ_WHOLE", size // 4)
    monkeypatch.setattr(row_reading, "BYTES_AT_ONCE", size // 20)
    monkeypatch.setattr(table_state, "KEYS_AT_ONCE", 1000)
    text = " ".join(finding["value"] for finding in jobs.approve(check=True)["findings"])
    read = re.search(r"messages por muestra \(([\d.]+) de unas 3\.000\)", text)
    assert read is not None
    assert 300 < int(read[1].replace(".", "")) < 1500
    assert "messages (id), contando 1 de cada 3" in text


# --- a proof


def test_the_proof_looks_again_and_fails_for_what_would_keep_fase0_from_approving(begin: Begin) -> None:
    database, jobs = begin()
    database.query(HEIR)
    jobs.approve()
    jobs.verify_approval()
    database.query("INSERT INTO messages_archivo SELECT * FROM ONLY messages ORDER BY id LIMIT 1")
    with pytest.raises(MigrationError, match="repite 1 claves") as refused:
        jobs.verify_approval()
    assert refused.value.code == "refused"
    assert "Este paso solo lee." in str(refused.value)
    database.query("DELETE FROM messages_archivo")
    jobs.verify_approval()
