"""fase0 says before the night what would fail in it, and changes nothing then."""

from __future__ import annotations

import multiprocessing
import os
import pwd
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import migration_render
from tests.support.databases import Begin, Database, Made
from tests.support.dump import dump
from tests.support.jobs import SHOP, TINKUBOT, Jobs
from tools.postgres_server import ACCOUNT

OTHER_OWNER = "supabase_admin"


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """The jobs of subfase 2.1 alone."""
    return partial(begin, subphase="2.1")


@pytest.fixture
def made(begin: Begin) -> Made:
    """Where nothing has run."""
    return begin()


def refusals(made: Made) -> list[str]:
    """What fase0 refuses; nothing is changed, not even in migracion, and --check refuses the same."""
    database, jobs = made
    before = dump(database)
    said = []
    for check in (True, False):
        with pytest.raises(MigrationError) as refused:
            jobs.approve(check=check)
        assert refused.value.code == "refused"
        path = f"Corrija (el mapeo está en {jobs.mapping}) y repita"
        assert (path in str(refused.value)) == any("mapeo" in text for text in refused.value.details["refusals"])
        said.append([re.sub(r"\d+ MiB libres", "n MiB libres", text) for text in refused.value.details["refusals"]])
    assert dump(database) == before
    assert not database.query("SELECT 1 FROM migracion.sql_aprobado")
    assert said[0] == said[1]
    return list(said[1])


# --- drift

DRIFT = {
    "a missing table": ("DROP TABLE sessions", "deriva: falta la tabla legacy public.sessions; el mapeo la nombra."),
    "a view instead of a table": (
        "ALTER TABLE sessions RENAME TO s; CREATE VIEW sessions AS SELECT * FROM s",
        "deriva: public.sessions es una vista, no una tabla; así no se puede copiar.",
    ),
    "a missing column": (
        "ALTER TABLE professions DROP COLUMN category",
        "deriva: falta la columna professions.category, de la que sale profesiones.categoria.",
    ),
    "a retyped column": (
        "ALTER TABLE customers ALTER city_confirmed_at TYPE date",
        "deriva: customers.city_confirmed_at es date, y ninguna regla lleva ese tipo a clientes.ciudad_confirmada_at"
        " (timestamp without time zone).",
    ),
    "no primary key": (
        "ALTER TABLE professions DROP CONSTRAINT professions_pkey CASCADE",
        "deriva: professions no tiene clave primaria: sus filas no se pueden reconocer. Póngale una con ADD PRIMARY KEY.",
    ),
    "a column with data that nobody carries": (
        "ALTER TABLE customers ADD apodo text; UPDATE customers SET apodo = '' WHERE city = 'Manta'",
        "deriva: customers.apodo tiene datos ({manta} filas) y el mapeo ni la lleva (columns) ni la descarta (waived, "
        "con su motivo), en pairs, customers.",
    ),
}


@pytest.mark.parametrize("case", DRIFT)
def test_drift_is_refused_with_its_place(made: Made, case: str) -> None:
    database, _ = made
    statement, sentence = DRIFT[case]
    database.query(statement)
    manta = database.value("SELECT count(*) FROM customers WHERE city = 'Manta'")
    assert sentence.format(manta=manta) in refusals(made)


def test_an_unmapped_column_without_data_is_no_drift(made: Made) -> None:
    database, jobs = made
    database.query("ALTER TABLE customers ADD apodo text")
    jobs.approve()


def test_a_column_is_left_behind_only_by_its_name(empty_database: Database, tmp_path: Path) -> None:
    database = empty_database
    with database.cursor(database.url) as cursor:
        cursor.execute(
            """CREATE TABLE public."Order's ""50%"" lines" ("Lot|No" text, "select" text, "user" text UNIQUE, "PRICE %s" numeric,
            "State" text, "Sold At" timestamptz, "back\\slash" text, PRIMARY KEY ("Lot|No", "select"))"""
        )
        cursor.execute("""INSERT INTO public."Order's ""50%"" lines" VALUES ('a', 'b', 'c', 1, 'NEW', now(), 'x')""")
    text = SHOP.read_text(encoding="utf-8")
    stricter = tmp_path / "tienda.yml"
    stricter.write_text(text[: text.index("      waived:")], encoding="utf-8")
    [sentence] = refusals((database, Jobs(database.url, tmp_path, stricter)))
    assert 'Order\'s "50%" lines.back\\slash tiene datos (1 fila)' in sentence
    lines = Jobs(database.url, tmp_path, SHOP).approve()["lines"]
    assert "  cuarentena: 1 × State no tiene traducción (la primera: Order's \"50%\" lines a|b: 'NEW')" in lines


def test_a_value_that_only_the_pair_of_other_rows_carries_is_told_of_the_rows_that_would_lose_it(
    made: Made, tmp_path: Path
) -> None:
    database, jobs = made
    database.query(
        "UPDATE users SET business_name = 'La esquina' WHERE id IN (SELECT id FROM users WHERE user_type = 'client' LIMIT 3)"
    )
    text = TINKUBOT.read_text(encoding="utf-8")
    assert "        business_name: *providers_only\n" in text
    stricter = tmp_path / "estricto.yml"
    stricter.write_text(text.replace("        business_name: *providers_only\n", ""), encoding="utf-8")
    lost = database.value("SELECT count(business_name) FROM users WHERE user_type = 'client'")
    assert 3 <= lost < database.value("SELECT count(business_name) FROM users")
    [sentence] = refusals((database, Jobs(database.url, tmp_path, stricter)))
    assert sentence.startswith(f"deriva: users.business_name tiene datos ({lost} filas) y el mapeo ni la lleva")
    jobs.approve()


def test_every_impediment_is_told_at_once(made: Made) -> None:
    database, jobs = made
    database.query(
        "DROP TABLE sessions; ALTER TABLE professions DROP COLUMN category; ALTER TABLE customers ADD apodo int DEFAULT 1"
    )
    database.query(f"ALTER TABLE task_queue OWNER TO {OTHER_OWNER}")
    Path(jobs.backup_dir).write_text("not a folder", encoding="utf-8")
    found = refusals(made)
    for word in ("sessions", "professions.category", "customers.apodo tiene datos (200 filas)", "task_queue", "backup_dir"):
        assert any(word in sentence for sentence in found)


# --- rights

RIGHTS = {
    "no CREATE on the schema": (
        "ALTER SCHEMA public OWNER TO {other}; REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role};"
        "GRANT USAGE ON SCHEMA public TO {role}",
        'el rol "{role}" no puede crear tablas en el esquema public',
        "GRANT CREATE ON SCHEMA public TO {role};",
    ),
    "a table of another role": (
        "ALTER TABLE customers OWNER TO {other}; GRANT ALL ON customers TO {role}",
        'el rol "{role}" no puede mover de esquema customers',
        "La tabla es de {other}; pida: ALTER TABLE public.customers OWNER TO {role};",
    ),
    "a table that may not be read": (
        "ALTER TABLE task_queue OWNER TO {other}; REVOKE ALL ON task_queue FROM {role}, anon, authenticated, service_role",
        'el rol "{role}" no puede leer y bloquear filas de task_queue',
        "ALTER TABLE public.task_queue OWNER TO {role};",
    ),
    "a publication of another role": (
        "ALTER PUBLICATION supabase_realtime OWNER TO {other}",
        'el rol "{role}" no puede publicar una tabla nueva en supabase_realtime',
        "ALTER PUBLICATION supabase_realtime OWNER TO {role};",
    ),
    "an event trigger that forbids DROP TABLE": (
        "CREATE FUNCTION extensions.forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF tg_tag = 'DROP TABLE' THEN RAISE 'Aquí no se borran tablas'; END IF; END $$;"
        "CREATE EVENT TRIGGER forbid ON sql_drop EXECUTE FUNCTION extensions.forbid()",
        'el rol "{role}" no puede borrar una tabla nueva (Aquí no se borran tablas)',
        "Revise los event triggers",
    ),
}


@pytest.mark.parametrize("case", RIGHTS)
def test_what_the_role_may_not_do_is_tried_and_told_with_the_remedy(made: Made, case: str) -> None:
    database, _ = made
    statement, sentence, advice = RIGHTS[case]
    names = {"role": database.role, "other": OTHER_OWNER, "database": database.name}
    database.query(statement if "$$" in statement else statement.format(**names))
    told = [text for text in refusals(made) if text.startswith(sentence.format(**names))]
    assert len(told) == 1
    assert advice.format(**names) in told[0]


def test_one_missing_right_is_told_once_and_not_with_the_advice_for_another(made: Made) -> None:
    database, jobs = made
    # before 15 everybody may create in public
    database.query(f"ALTER DATABASE {database.name} OWNER TO {OTHER_OWNER}; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(MigrationError) as refused:
        jobs.approve(check=True)
    on_database, on_schema = refused.value.details["refusals"]
    assert on_database.startswith(f'el rol "{database.role}" no puede crear el esquema migracion')
    assert f"GRANT CREATE ON DATABASE {database.name} TO {database.role};" in on_database
    assert f"GRANT CREATE ON SCHEMA public TO {database.role};" in on_schema
    database.query(
        f"GRANT CREATE ON DATABASE {database.name} TO {database.role}; GRANT CREATE ON SCHEMA public TO {database.role}"
    )
    jobs.approve()


@contextmanager
def locked(database: Database, statement: str) -> Iterator[None]:
    """Another session that holds a lock all the time."""
    with closing(psycopg2.connect(database.superuser_url)) as connection:
        connection.cursor().execute(statement)
        yield


def test_what_could_not_be_tried_is_refused_and_not_taken_for_allowed(made: Made) -> None:
    database, jobs = made
    with locked(database, "LOCK TABLE customers IN ROW EXCLUSIVE MODE"):
        with pytest.raises(MigrationError) as refused:
            jobs.approve()
        untried = [
            text
            for text in refused.value.details["refusals"]
            if text.startswith("no probado: ") and text.endswith(" Cuando haya terminado, repita.")
        ]
        assert [text.split(";")[0] for text in untried] == [
            "no probado: crear un disparador en customers",
            "no probado: mover de esquema customers",
        ]
        assert refused.value.details["refusals"] == untried
    jobs.approve()


def test_a_transaction_that_ends_soon_is_waited_for(made: Made) -> None:
    database, jobs = made
    with closing(psycopg2.connect(database.superuser_url)) as connection:
        connection.cursor().execute("LOCK TABLE customers IN ROW EXCLUSIVE MODE")
        timer = threading.Timer(0.4, connection.commit)
        timer.start()
        jobs.approve()
        timer.join()


# --- what stands around


def test_everything_that_hangs_on_the_legacy_tables_is_listed(made: Made) -> None:
    database, jobs = made
    has_option = database.value("SHOW server_version_num") >= "150000"
    if has_option:
        database.query("CREATE VIEW con_derechos WITH (security_invoker = true) AS SELECT id FROM customers")
    text = "\n".join(jobs.approve(check=True)["lines"])
    for line in (
        r"clave foránea: public.consents.consents_user_id_fkey → public.customers",
        "disparador: public.customers.customers_set_updated_at",
        "pgrst_drop_watch (sql_drop)",
        "public.customers.Proveedores de la ciudad",
        "supabase_realtime → public.messages",
        "public.provider_directory (lee con los derechos de su dueño)",
    ):
        assert line in text
    assert ("public.con_derechos;" in text) == has_option
    assert "public.profession_synonyms.profession_synonyms_profession_id_fkey → public.professions" in text


def test_settings_that_endanger_the_migration_are_told(made: Made) -> None:
    database, jobs = made
    database.query(f"ALTER DATABASE {database.name} SET timezone TO 'America/Guayaquil'")
    database.query(f"ALTER DATABASE {database.name} SET default_transaction_isolation TO 'repeatable read'")
    warnings = [line for line in jobs.approve(check=True)["lines"] if line.startswith("Aviso: ")]
    assert any("America/Guayaquil" in line for line in warnings)
    assert any(f"la base {database.name} tiene default_transaction_isolation=repeatable read" in line for line in warnings)


# --- backup_dir


def test_a_backup_dir_that_cannot_be_written_is_refused(made: Made, tmp_path: Path) -> None:
    database, _ = made
    file = tmp_path / "fichero"
    file.write_text("", encoding="utf-8")
    [sentence] = refusals((database, Jobs(database.url, file / "respaldos")))
    assert sentence.startswith(f"backup_dir: no se puede escribir en {file}")
    nowhere = Jobs(database.url, file).params("prueba", "fase0", backup_dir="")
    with pytest.raises(MigrationError, match="backup_dir está vacío"):
        migration_render.approve(nowhere, True)


def nobody_in_particular() -> None:
    """Be somebody who may not write everywhere; what Python loads late may lie where only root reads."""
    "".encode("idna")
    if os.geteuid() == 0:
        os.setuid(pwd.getpwnam(ACCOUNT).pw_uid)


def test_a_backup_dir_of_somebody_else_is_refused(made: Made) -> None:
    database, _ = made
    theirs = Jobs(database.url, Path("/respaldos"))
    with multiprocessing.get_context("fork").Pool(1, initializer=nobody_in_particular) as pool:
        [sentence] = pool.apply_async(refusals, ((database, theirs),)).get(60)
    assert sentence.startswith("backup_dir: no se puede escribir en /. ")


def test_a_backup_dir_without_room_is_refused_by_the_gate_disk(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    _, jobs = made
    monkeypatch.setattr(migration_render, "RESERVE", 2**62)
    [sentence] = refusals(made)
    assert sentence.startswith("disk: ")
    assert """-e '{"overrides": {"disk": "MOTIVO"}}'""" in sentence
    jobs.overrides["disk"] = "el respaldo va a otra máquina"
    jobs.approve()
