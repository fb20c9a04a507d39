"""The way back of what was copied: the tables are empty, what only they held is kept, sequences stand where they stood."""

from __future__ import annotations

import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg2
import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.boxes import beside
from tests.support.databases import Begin, Database
from tests.support.dump import dump
from tests.support.jobs import of_its_own
from tests.support.rows import customer


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """The jobs of subfase 2.1 alone: professions and customers."""
    return partial(begin, subphase="2.1")


def test_going_back_empties_the_tables_and_keeps_what_only_they_held(begin: Begin) -> None:
    database, jobs = begin()
    original = dump(database)
    jobs.up_to_proof()
    database.query("INSERT INTO clientes (id, telefono, nombre_completo) VALUES (%s, '1', 'Nacida aquí')", (customer(999),))
    database.query("UPDATE clientes SET estado = 'suspendido' WHERE id = %s", (customer(1),))
    database.query("UPDATE clientes SET ciudad = 'Tena' WHERE id = %s", (customer(4),))
    assert any("clientes: 192 filas retiradas, 3 guardadas" in line for line in jobs.take_back()["lines"])
    kept = dict(database.query("SELECT right(clave, 3), fila->>'nombre_completo' FROM migracion.apartada"))
    assert kept == {"999": "Nacida aquí", "001": "Con signo y espacios", "004": "Cliente TinkuBot"}
    assert database.value("SELECT count(*) FROM migracion.cuarentena WHERE estado = 'abierta'") == 0
    jobs.drop_tables()
    assert dump(database) == original


@pytest.mark.parametrize("lag", [False, True], ids=["in step", "behind its own table"])
def test_a_rehearsed_way_back_changes_nothing_and_a_real_one_puts_the_sequence_back(begin: Begin, lag: bool) -> None:
    database, jobs = begin()
    if lag:
        database.query("SELECT setval('professions_id_seq', 3)")
    original = dump(database)
    jobs.up_to_proof()
    before = dump(database, without=())
    announced = jobs.take_back(check=True)["lines"]
    assert dump(database, without=()) == before
    assert [line.replace("se retirarían", "retiradas") for line in announced] == jobs.take_back()["lines"]
    jobs.drop_tables()
    assert dump(database) == original


def test_a_sequence_that_somebody_has_drawn_from_stays_where_it_is(begin: Begin) -> None:
    database, jobs = begin(up_to="fase1")
    database.query("SELECT setval('professions_id_seq', 3)")
    jobs.fill()
    drawn = database.value("INSERT INTO professions (name) VALUES ('Nueva') RETURNING id")
    jobs.take_back()
    assert database.value("INSERT INTO professions (name) VALUES ('Otra') RETURNING id") == drawn + 1


def test_rows_in_a_table_of_a_later_phase_are_named_with_the_command_that_takes_them_back(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2", subphase="")
    database.query("INSERT INTO solicitudes_servicio (telefono) VALUES ('1')")  # by a service: no copy of fase3 has begun
    for step in (jobs.take_back, partial(jobs.take_back, check=True), jobs.drop_tables, partial(jobs.drop_tables, check=True)):
        with pytest.raises(
            MigrationError, match=r"solicitudes_servicio.* ansible-playbook fase3.yml --tags rollback con"
        ) as held:
            step()
        assert held.value.code == "unsafe"
    jobs.take_back("fase3")
    jobs.take_back()
    jobs.drop_tables()
    assert database.value("SELECT fila->>'telefono' FROM migracion.apartada WHERE tabla = 'solicitudes_servicio'") == "1"


def test_what_was_merged_is_forgotten_with_its_copy_and_no_other(begin: Begin) -> None:
    database, jobs = begin(up_to="fase2", subphase="")
    assert database.value("SELECT count(*) FROM migracion.fusion") > 0
    other = ("messages", "1", "mensajes", "1", "de otra fase")
    database.query(
        "INSERT INTO migracion.fusion (tabla_origen, clave, tabla_destino, clave_destino, motivo) VALUES (%s, %s, %s, %s, %s)",
        other,
    )
    jobs.take_back()
    assert database.query("SELECT tabla_origen FROM migracion.fusion") == [("messages",)]


@pytest.mark.concurrent
def test_a_reference_that_is_built_while_the_way_back_waits_is_taken_into_its_plan(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1")
    waiting = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = %s AND NOT granted"
    with closing(psycopg2.connect(database.url)) as other:
        other.cursor().execute("ALTER TABLE public.sesiones ADD apuntado uuid REFERENCES public.clientes")

        def commit(stopped: threading.Event) -> None:
            while not stopped.is_set() and not database.value(waiting, (database.name,)):
                stopped.wait(0.01)
            other.commit()

        with beside(commit):
            said = jobs.take_back()["lines"]
    assert any("clientes: " in line and "filas retiradas" in line for line in said), said
    assert database.value("SELECT count(*) FROM clientes") == 0


TWO_PARTS = """
schema: public
subphases: {fase2: ["1", "2"]}
tables:
  sillas: {twin: things, columns: {id: integer, nombre: varchar(5)}, primary_key: id}
  mesas: {twin: things, columns: {id: integer, nombre: varchar(5)}, primary_key: id}
pairs:
  things:
    sillas: {subphase: "1", where: {kind: chair}, otherwise: true, columns: {id: id, nombre: name}, waived: {kind: dicho}}
    mesas: {subphase: "2", where: {kind: table}, columns: {id: id, nombre: name}, waived: {kind: dicho}}
"""
THINGS = """
CREATE TABLE things (id integer PRIMARY KEY, kind text, name text);
INSERT INTO things VALUES (1, 'chair', 'a'), (2, 'chair', 'too long'), (3, 'table', 'b'), (4, 'table', 'too long')
"""


@pytest.mark.parametrize(("part", "stays"), [("1", "4"), ("2", "2")])
def test_a_part_that_goes_back_takes_the_entries_of_its_own_rows_along_and_no_others(
    empty_database: Database, tmp_path: Path, part: str, stays: str
) -> None:
    jobs = of_its_own(empty_database, tmp_path, TWO_PARTS, THINGS)
    jobs.up_to_proof()
    still_open = "SELECT clave FROM migracion.cuarentena WHERE estado = 'abierta' ORDER BY 1"
    assert empty_database.query(still_open) == [("2",), ("4",)]
    jobs.subphase = part
    jobs.take_back()
    assert empty_database.query(still_open) == [(stays,)]
    jobs.subphase = str(3 - int(part))
    jobs.prove()
    jobs.take_back()
    assert empty_database.query(still_open) == []
