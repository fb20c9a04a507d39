"""The way back of what was copied: the tables are empty, what only they held is kept, sequences stand where they stood."""

from __future__ import annotations

from functools import partial

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.databases import Begin
from tests.support.dump import dump
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
