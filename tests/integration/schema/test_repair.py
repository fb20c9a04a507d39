"""What an interrupted or manual DDL left on a Spanish table: named by verify, announced by --check, put back by fase1.

Among it INVALID and _ccnew indexes, which a session's timeout leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.waits import Wait
from plugins.module_utils.jobs import schema_state
from tests.support.databases import Begin, Database, Made
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.observation import differences, everything
from tests.support.variants import brief


@pytest.fixture
def made(begin: Begin) -> Made:
    """Tables with the rows of fase2, to be damaged."""
    return begin(rows=100, up_to="fase2")


@contextmanager
def somebody_writing(database: Database) -> Iterator[None]:
    """An open transaction that wrote to clientes: whatever is built CONCURRENTLY waits for it."""
    with closing(psycopg2.connect(database.superuser_url)) as connection:
        connection.cursor().execute("UPDATE clientes SET ciudad = ciudad")
        yield


def interrupted(statement: str) -> Callable[[Database], None]:
    """A statement that is cancelled half a second after its beginning, while somebody writes to clientes."""

    def act(database: Database) -> None:
        with somebody_writing(database), closing(psycopg2.connect(database.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = '500ms'")
                with pytest.raises(psycopg2.errors.QueryCanceled):
                    cursor.execute(statement)

    return act


def done(*statements: str) -> Callable[[Database], None]:
    """Statements of the owner, each in a transaction of its own."""

    def act(database: Database) -> None:
        with closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            for statement in statements:
                cursor.execute(statement)

    return act


CITY = "idx_clientes_ciudad"
CITY_INDEX = f"CREATE INDEX CONCURRENTLY {CITY} ON clientes (ciudad)"


def invalid_index(database: Database) -> None:
    done(f"DROP INDEX {CITY}")(database)
    interrupted(CITY_INDEX)(database)


def invalid_index_with_a_constraints_name(database: Database) -> None:
    done("ALTER TABLE clientes DROP CONSTRAINT clientes_telefono_key")(database)
    interrupted("CREATE UNIQUE INDEX CONCURRENTLY clientes_telefono_key ON clientes (telefono)")(database)


STATE_CHECK = "CHECK (estado IN ('activo', 'inactivo', 'suspendido'))"
DAMAGE = {
    "an index half built": (invalid_index, ["clientes: índice idx_clientes_ciudad: hay ", "(INVALID)"]),
    "an index half rebuilt": (
        interrupted(f"REINDEX INDEX CONCURRENTLY {CITY}"),
        ["clientes: sobra índice idx_clientes_ciudad_ccnew: ", "(INVALID)"],
    ),
    "a unique index half rebuilt": (
        interrupted("REINDEX INDEX CONCURRENTLY clientes_telefono_key"),
        ["clientes: sobra índice clientes_telefono_key_ccnew: "],
    ),
    "a unique index half built in the place of its constraint": (
        invalid_index_with_a_constraints_name,
        ["clientes: falta restricción clientes_telefono_key: ", "clientes: índice clientes_telefono_key: hay "],
    ),
    "an index gone": (done(f"DROP INDEX {CITY}"), ["clientes: falta índice idx_clientes_ciudad: CREATE INDEX "]),
    "a unique constraint gone": (
        done("ALTER TABLE clientes DROP CONSTRAINT clientes_telefono_key"),
        ["clientes: falta restricción clientes_telefono_key: UNIQUE (telefono)"],
    ),
    "a check gone": (
        done("ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check"),
        ["clientes: falta restricción clientes_estado_check: CHECK "],
    ),
    "a key and the references to it gone": (
        done(
            "ALTER TABLE proveedor_profesiones DROP CONSTRAINT proveedor_profesiones_proveedor_id_fkey",
            "ALTER TABLE servicios_proveedor DROP CONSTRAINT servicios_proveedor_proveedor_id_fkey",
            "ALTER TABLE proveedores DROP CONSTRAINT proveedores_pkey",
        ),
        [
            "proveedores: falta restricción proveedores_pkey: PRIMARY KEY (id)",
            "servicios_proveedor: falta restricción servicios_proveedor_proveedor_id_fkey: FOREIGN KEY (proveedor_id) ",
        ],
    ),
    "a check never validated": (
        done(
            "ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check",
            f"ALTER TABLE clientes ADD CONSTRAINT clientes_estado_check {STATE_CHECK} NOT VALID",
        ),
        ["clientes: restricción clientes_estado_check: hay ", "(sin validar)"],
    ),
    "a reference never validated": (
        done(
            "ALTER TABLE servicios_proveedor DROP CONSTRAINT servicios_proveedor_proveedor_id_fkey",
            "ALTER TABLE servicios_proveedor ADD CONSTRAINT servicios_proveedor_proveedor_id_fkey"
            " FOREIGN KEY (proveedor_id) REFERENCES proveedores (id) ON DELETE CASCADE NOT VALID",
        ),
        ["servicios_proveedor: restricción servicios_proveedor_proveedor_id_fkey: hay ", "(sin validar)"],
    ),
    "a default gone": (
        done("ALTER TABLE clientes ALTER estado DROP DEFAULT"),
        ["clientes: falta valor por defecto estado: 'activo'::character varying"],
    ),
    "another default": (
        done("ALTER TABLE clientes ALTER creado_at SET DEFAULT now()"),
        ["clientes: valor por defecto creado_at: hay 'now()', se pidió "],
    ),
    "a sequence's default gone": (
        done("ALTER TABLE profesiones ALTER id DROP DEFAULT"),
        ["profesiones: falta valor por defecto id: nextval('·.professions_id_seq'::regclass)"],
    ),
    "a column that may be missing": (
        done("ALTER TABLE clientes ALTER telefono DROP NOT NULL"),
        ["clientes: columna telefono: hay 'character varying(20)', se pidió 'character varying(20) NOT NULL'"],
    ),
    "a table's comment gone": (done("COMMENT ON TABLE clientes IS NULL"), ["clientes: falta comentario tabla: "]),
    "a column's comment gone": (
        done("COMMENT ON COLUMN proveedores.rating IS NULL"),
        ["proveedores: falta comentario rating: Calificación de 0 a 5"],
    ),
    "a trigger gone": (
        done("DROP TRIGGER migracion_tocar_clientes ON clientes"),
        ["clientes: falta disparador migracion_tocar_clientes: CREATE TRIGGER "],
    ),
    "a trigger switched off": (
        done("ALTER TABLE clientes DISABLE TRIGGER USER"),
        ["clientes: disparador migracion_tocar_clientes: hay "],
    ),
}


IN_BRIEF = (
    "an index half rebuilt",
    "a unique index half built in the place of its constraint",
    "a key and the references to it gone",
    "a check never validated",
    "a default gone",
    "a trigger switched off",
)


@pytest.mark.parametrize("kind", brief(DAMAGE, *IN_BRIEF))
def test_what_is_damaged_is_named_announced_and_put_back(made: Made, kind: str) -> None:
    database, jobs = made
    whole = dump(database)
    act, phrases = DAMAGE[kind]
    act(database)
    with pytest.raises(MigrationError) as failed:
        jobs.verify_tables()
    assert all(phrase in str(failed.value) for phrase in phrases), str(failed.value)
    before = everything(database)
    foreseen = jobs.make_tables(check=True)
    assert differences(before, everything(database)) == []
    assert foreseen["changed"] is True
    announced = "\n".join(line for line in foreseen["lines"] if line.startswith("Se repararía"))
    assert all(phrase in announced for phrase in phrases), announced
    assert jobs.make_tables()["changed"] is True
    jobs.verify_tables()
    assert differences(whole, dump(database)) == []
    assert database.query("SELECT indexrelid::regclass FROM pg_index WHERE NOT (indisvalid AND indisready)") == []
    assert jobs.make_tables()["changed"] is False
    assert jobs.equalise()["changed"] is False


BEYOND = {
    "another type": "ALTER TABLE clientes ALTER nombre_completo TYPE text",
    "one more column": "ALTER TABLE clientes ADD apodo text GENERATED ALWAYS AS (upper(nombre_completo)) STORED",
    "a column less": "ALTER TABLE clientes DROP ciudad_confirmada_at",
    "another check": "ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check,"
    " ADD CONSTRAINT clientes_estado_check CHECK (estado <> '') NOT VALID",
    "one more check": "ALTER TABLE clientes ADD CONSTRAINT mia CHECK (telefono <> 'x y z')",
    "another index of that name": f"DROP INDEX {CITY}; CREATE INDEX {CITY} ON clientes (estado)",
}


@pytest.mark.parametrize("kind", BEYOND)
def test_what_cannot_be_put_back_is_refused_by_the_run_and_by_its_simulation_alike(made: Made, kind: str) -> None:
    database, jobs = made
    done(*BEYOND[kind].split("; "))(database)
    sentences = []
    for check in (True, False):
        before = dump(database)
        with pytest.raises(MigrationError) as refused:
            jobs.make_tables(check=check)
        assert differences(before, dump(database)) == []
        sentences.append(str(refused.value))
    assert sentences[0] == sentences[1]
    assert sentences[0].count("\n  clientes: ") == 1


def test_rows_that_break_a_missing_constraint_stop_the_repair_and_nothing_is_half_done(made: Made) -> None:
    database, jobs = made
    done("ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check", f"DROP INDEX {CITY}")(database)
    database.query("UPDATE clientes SET estado = 'roto' WHERE id = (SELECT min(id::text)::uuid FROM clientes)")
    before = dump(database)
    with pytest.raises(MigrationError, match=r"clientes_estado_check.*No se cambió nada") as stopped:
        jobs.make_tables()
    assert stopped.value.details == {"sqlstate": "23514"}
    assert differences(before, dump(database)) == []


def test_a_repair_gives_way_to_a_long_transaction_and_says_whose_it_is(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_state, "DDL", Wait(500, 3))
    database, jobs = made
    done("ALTER TABLE clientes DISABLE TRIGGER USER")(database)
    with somebody_writing(database), pytest.raises(MigrationError, match="Lo impide el pid"):
        jobs.make_tables()
    assert jobs.make_tables()["changed"] is True


@pytest.mark.parametrize("table", brief(["profesiones", "mensajes", "tareas_programadas"], "mensajes"))
def test_a_killed_fase1_leaves_nothing_and_the_same_command_makes_everything(
    new_database: Callable[..., Database], tmp_path: Path, table: str
) -> None:
    database = new_database()
    jobs = Jobs(database.url, tmp_path)
    jobs.approve()
    before = dump(database)
    database.query(
        f"""CREATE FUNCTION extensions.cut() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
          IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.{table}') THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
          END IF;
        END $$; CREATE EVENT TRIGGER cut ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION extensions.cut()"""
    )
    with pytest.raises(Exception, match=r"terminating connection|connection already closed|server closed"):
        jobs.make_tables()
    database.query("DROP EVENT TRIGGER cut; DROP FUNCTION extensions.cut()")
    assert differences(before, dump(database)) == []
    with pytest.raises(MigrationError, match="clientes"):
        jobs.verify_tables()
    assert jobs.make_tables()["changed"] is True
    jobs.verify_tables()
    jobs.drop_tables()
    assert differences(before, dump(database)) == []
