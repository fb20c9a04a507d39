"""Between the phases people work on the Spanish tables: what could refuse or change a row stops every run and every proof."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import Begin, Database
from tests.support.dump import dump
from tests.support.jobs import Jobs
from tests.support.named import statements_in
from tests.support.operator import Operator, Said
from tests.support.phase import refused
from tests.support.variants import brief

FASE2 = "ansible-playbook fase2.yml -i demo"
# What somebody did after fase1, and what of it is named.
HARMFUL = {
    "a column that must be filled": (
        "ALTER TABLE clientes ADD cedula text NOT NULL",
        "clientes: sobra columna cedula: text NOT NULL",
    ),
    "a column that is computed": (
        "ALTER TABLE clientes ADD largo int GENERATED ALWAYS AS (length(notas::text)) STORED",
        "clientes: sobra columna largo: integer GENERATED",
    ),
    "a column of a domain": (
        "CREATE DOMAIN cedula AS text NOT NULL; ALTER TABLE clientes ADD cedula cedula",
        "clientes: sobra columna cedula: ",
    ),
    "another type": ("ALTER TABLE profesiones ALTER nombre TYPE varchar(40)", "profesiones: columna nombre: hay "),
    "a column that must be filled now": ("ALTER TABLE clientes ALTER ciudad SET NOT NULL", "clientes: columna ciudad: hay "),
    "a column that may be missing": ("ALTER TABLE clientes ALTER telefono DROP NOT NULL", "clientes: columna telefono: hay "),
    "an identity": (
        "ALTER TABLE profesiones ALTER id DROP DEFAULT; ALTER TABLE profesiones ALTER id ADD GENERATED ALWAYS AS IDENTITY",
        "profesiones: columna id: hay 'integer GENERATED AS IDENTITY ALWAYS",
    ),
    "another collation": (
        'ALTER TABLE profesiones ALTER categoria TYPE varchar(100) COLLATE "C"',
        "profesiones: columna categoria: hay 'character varying(100) COLLATE",
    ),
    "a column less": ("ALTER TABLE clientes DROP ciudad_confirmada_at", "clientes: falta columna ciudad_confirmada_at: "),
    "a default": ("ALTER TABLE clientes ALTER ciudad SET DEFAULT 'Quito'", "clientes: sobra valor por defecto ciudad: "),
    "a default less": ("ALTER TABLE clientes ALTER estado DROP DEFAULT", "clientes: falta valor por defecto estado: "),
    "a default that fails": (
        "ALTER TABLE clientes ADD peso int NOT NULL DEFAULT 1, ALTER peso SET DEFAULT (1 / 0)",
        "clientes: sobra valor por defecto peso: (1 / 0) (falla: division by zero)",
    ),
    "a default that is too long": (
        "ALTER TABLE clientes ADD sigla varchar(3), ALTER sigla SET DEFAULT 'larga'",
        "clientes: sobra valor por defecto sigla: 'larga'::character varying (falla: value too long",
    ),
    "a default that is no value": (
        "CREATE FUNCTION nada() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT NULL::int';"
        "ALTER TABLE clientes ADD peso int NOT NULL DEFAULT nada()",
        "clientes: sobra valor por defecto peso: ",
    ),
    "statistics that compute": (
        "CREATE STATISTICS mia ON (nombre_completo::int) FROM clientes",
        "clientes: sobra estadística mia: CREATE STATISTICS",
    ),
    "a check": ("ALTER TABLE clientes ADD CONSTRAINT mia CHECK (telefono <> '')", "clientes: sobra restricción mia: CHECK"),
    "another check": (
        "ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check, ADD CONSTRAINT clientes_estado_check CHECK (estado <> '')",
        "clientes: restricción clientes_estado_check: hay ",
    ),
    "a check less": (
        "ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check",
        "clientes: falta restricción clientes_estado_check",
    ),
    "a unique constraint less": (
        "ALTER TABLE clientes DROP CONSTRAINT clientes_telefono_key",
        "clientes: falta restricción clientes_telefono_key: UNIQUE",
    ),
    "an index less": ("DROP INDEX idx_clientes_ciudad", "clientes: falta índice idx_clientes_ciudad"),
    "an index that computes": (
        "CREATE INDEX mio ON clientes ((nombre_completo::int))",
        "clientes: sobra índice mio: CREATE INDEX",
    ),
    "an index that computes which rows": (
        "CREATE INDEX mio ON clientes (ciudad) WHERE nombre_completo::int > 3",
        "clientes: sobra índice mio: CREATE INDEX",
    ),
    "a unique index": ("CREATE UNIQUE INDEX mio ON clientes (ciudad)", "clientes: sobra índice mio: CREATE UNIQUE"),
    "an exclusion": (
        "ALTER TABLE profesiones ADD CONSTRAINT mia EXCLUDE (categoria WITH =)",
        "profesiones: sobra restricción mia: EXCLUDE",
    ),
    "a reference": (
        "ALTER TABLE clientes ADD CONSTRAINT mia FOREIGN KEY (id) REFERENCES users (id)",
        "clientes: sobra restricción mia: FOREIGN KEY",
    ),
    "references switched off": (
        "ALTER TABLE proveedor_profesiones DISABLE TRIGGER ALL",
        "proveedor_profesiones: restricción proveedor_profesiones_profesion_id_fkey: hay ",
    ),
    "references switched off on both sides": (
        "ALTER TABLE proveedor_profesiones DISABLE TRIGGER ALL; ALTER TABLE profesiones DISABLE TRIGGER ALL",
        "proveedor_profesiones: restricción proveedor_profesiones_profesion_id_fkey: hay ",
    ),
    "references that only a replica asks for": (
        """DO $$ DECLARE t record; BEGIN
          FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'proveedor_profesiones'::regclass AND tgisinternal LOOP
            EXECUTE format('ALTER TABLE proveedor_profesiones ENABLE REPLICA TRIGGER %I', t.tgname);
          END LOOP; END $$""",
        "proveedor_profesiones: restricción proveedor_profesiones_profesion_id_fkey: hay ",
    ),
    "a trigger": (
        "CREATE TRIGGER mio BEFORE INSERT ON clientes FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "clientes: sobra disparador mio: CREATE TRIGGER",
    ),
    "a trigger less": (
        "DROP TRIGGER migracion_tocar_clientes ON clientes",
        "clientes: falta disparador migracion_tocar_clientes",
    ),
    "a rule": ("CREATE RULE mia AS ON INSERT TO clientes DO INSTEAD NOTHING", "clientes: sobra regla mia: CREATE RULE"),
    "row security forced": (
        "ALTER TABLE clientes FORCE ROW LEVEL SECURITY",
        "clientes: seguridad por fila tabla: hay 'activa, forzada'",
    ),
    "a policy less": ('DROP POLICY "El cliente ve su fila" ON clientes', "clientes: falta política El cliente ve su fila"),
    "a table that inherits": ("CREATE TABLE archivo () INHERITS (clientes)", "clientes: sobra tabla hija public.archivo: "),
    "a table that it inherits from": (
        "CREATE TABLE madre (telefono varchar(20)); ALTER TABLE clientes INHERIT madre",
        "clientes: sobra tabla madre public.madre: ",
    ),
    "a table that a crash empties": (
        "ALTER TABLE servicios_proveedor SET UNLOGGED",
        "servicios_proveedor: persistencia tabla: hay 'UNLOGGED', se pidió 'LOGGED'",
    ),
    "published without saying which row": (
        "CREATE PUBLICATION avisos FOR TABLE clientes WITH (publish = 'delete');ALTER TABLE clientes REPLICA IDENTITY NOTHING",
        "clientes: publicada así no deja cambiar ni borrar filas (cannot delete from table",
    ),
    "published by columns that its key does not have": (
        "CREATE PUBLICATION avisos FOR TABLE clientes WHERE (ciudad = 'Quito')",
        "clientes: publicada así no deja cambiar ni borrar filas (cannot update table",
    ),
    "published without its key": (
        "CREATE PUBLICATION avisos FOR TABLE clientes (telefono)",
        "clientes: publicada así no deja cambiar ni borrar filas (cannot update table",
    ),
}
IN_BRIEF = (
    "a column that must be filled",
    "another type",
    "a unique constraint less",
    "a reference",
    "a trigger",
    "a rule",
    "a default that fails",
    "references switched off on both sides",
    "references that only a replica asks for",
    "statistics that compute",
    "published without saying which row",
)

# found by a proof too, where the rows are there
WITH_ROWS = ("a unique constraint less", "an index less", "a check less", "references switched off", "a trigger", "another check")


def steps(jobs: Jobs) -> list[Callable[[], Any]]:
    """A run, its simulation, a proof; the copy is what comes first in a run."""
    return [jobs.copy, jobs.forecast, jobs.equalise, jobs.prove]


@pytest.mark.parametrize("kind", brief(HARMFUL, *IN_BRIEF))
def test_what_could_refuse_or_change_a_row_stops_runs_and_proofs_until_it_is_mended_as_they_say(
    begin: Begin, tmp_path: Path, kind: str
) -> None:
    statement, phrase = HARMFUL[kind]
    filled = kind in WITH_ROWS
    database, jobs = begin(rows=100, up_to="fase2" if filled else "fase1")
    database.query(statement)
    before = dump(database)
    said = {str(refused(step)).partition("\n")[2] for step in steps(jobs)[: None if filled else 2]}
    assert len(said) == 1  # all of them say the same
    (lines,) = said
    assert phrase in lines
    assert dump(database) == before
    operator = Operator(database.url, tmp_path / "respaldos")
    mended(database, operator, operator.stops(FASE2))
    operator.goes(f"{FASE2} --tags verify")
    operator.goes("ansible-playbook fase1.yml -i demo --tags verify")


def mended(database: Database, operator: Operator, refusal: Said) -> None:
    """Run what a refusal names, statements and then commands, and the command that was refused."""
    for statement in statements_in(refusal.message):
        database.query(statement)
    for words in refusal.commands():
        if "rollback" not in words:
            operator.goes(words)
    operator.goes(FASE2)


def test_a_table_that_is_gone_is_made_again_by_what_the_refusal_names(begin: Begin, tmp_path: Path) -> None:
    database, jobs = begin(rows=100, up_to="fase2")
    database.query("DROP TABLE clientes CASCADE")
    for step in steps(jobs)[:2]:
        assert "clientes: falta la tabla. Lo repone fase1" in str(refused(step))
    operator = Operator(database.url, tmp_path / "respaldos")
    mended(database, operator, operator.stops(FASE2))


HARMLESS = {
    "a column that may be missing": ("ALTER TABLE clientes ADD apodo text", "clientes: sobra columna apodo: text"),
    "a column with a default": (
        "ALTER TABLE clientes ADD nivel int NOT NULL DEFAULT 1",
        "clientes: sobra columna nivel: integer NOT NULL",
    ),
    "a column with a number of its own": (
        "CREATE SEQUENCE folio; GRANT USAGE ON SEQUENCE folio TO PUBLIC;"
        "ALTER TABLE clientes ADD orden bigint DEFAULT nextval('folio')",
        "clientes: sobra valor por defecto orden: nextval(",
    ),
    "a column with a time": (
        "ALTER TABLE clientes ADD visto_at timestamp NOT NULL DEFAULT timezone('utc', now())",
        "clientes: sobra columna visto_at: timestamp without time zone NOT NULL",
    ),
    "published, with a row's key": (
        "CREATE PUBLICATION avisos FOR ALL TABLES; ALTER TABLE clientes ADD apodo text, REPLICA IDENTITY FULL",
        "clientes: sobra columna apodo: text",
    ),
    "statistics": ("CREATE STATISTICS mia ON ciudad, estado FROM clientes", "clientes: sobra estadística mia: CREATE STATISTICS"),
    "a column that counts": (
        "ALTER TABLE clientes ADD orden int GENERATED ALWAYS AS IDENTITY",
        "clientes: sobra columna orden: integer GENERATED AS IDENTITY",
    ),
    "an index on some rows": (
        "CREATE INDEX mio ON clientes (ciudad) WHERE estado = 'active' AND ciudad IS NOT NULL",
        "clientes: sobra índice mio: CREATE INDEX",
    ),
    "an index": ("CREATE INDEX mio ON clientes (nombre_completo)", "clientes: sobra índice mio: CREATE INDEX"),
    "a trigger switched off": (
        "CREATE TRIGGER mio BEFORE INSERT ON clientes FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();"
        "ALTER TABLE clientes DISABLE TRIGGER mio",
        "clientes: sobra disparador mio: CREATE TRIGGER",
    ),
    "a constraint on a table of a later phase": (
        "ALTER TABLE mensajes ADD CONSTRAINT mia CHECK (telefono <> '')",
        "mensajes: sobra restricción mia: CHECK",
    ),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_no_row_of_this_run_can_meet_is_named_and_stops_nothing(begin: Begin, kind: str) -> None:
    statement, phrase = HARMLESS[kind]
    database, jobs = begin(rows=100, up_to="fase1")
    database.query(statement)
    for step in (jobs.forecast, jobs.copy):
        assert any(line.startswith(f"Aviso: {phrase}") for line in step()["lines"])
    jobs.equalise()
    assert any(line.startswith(f"Aviso: {phrase}") for line in jobs.prove()["lines"])
    if "mensajes" not in phrase:
        assert any(line.startswith(f"Aviso: {phrase}") for line in jobs.verify_tables()["lines"])
        assert jobs.make_tables()["changed"] is False


def test_the_way_back_asks_nothing_of_the_tables(begin: Begin) -> None:
    database, jobs = begin(rows=100, up_to="fase2")
    database.query(
        "ALTER TABLE clientes DROP CONSTRAINT clientes_telefono_key; ALTER TABLE clientes ADD CONSTRAINT m CHECK (true)"
    )
    jobs.take_back(check=True)
    jobs.take_back()
    assert database.value("SELECT count(*) FROM clientes") == 0
