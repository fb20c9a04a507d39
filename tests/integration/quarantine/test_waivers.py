"""Quarantined rows that may stay behind: waived by pattern with a reason, opened again without it, always quarantined rows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.phase.summary import waived_lines
from plugins.module_utils.ledger.events import open_quarantine, waived_quarantine
from plugins.module_utils.server.connect import connect
from tests.support.databases import Begin, Database, Made
from tests.support.dump import dump
from tests.support.jobs import Jobs

ENTRIES = "SELECT clave, estado FROM migracion.cuarentena WHERE tabla_origen = 'professions' AND estado <> 'resuelta' ORDER BY 1"
EVENTS = "SELECT tipo, detalle FROM migracion.evento WHERE tipo LIKE 'dispensa%' ORDER BY id"
RUNS = "SELECT count(*) FROM migracion.fase_ejecucion"
TESTS = {"professions:*": "datos de prueba"}


@pytest.fixture
def made(begin: Begin) -> Made:
    database, jobs = begin(up_to="fase1", subphase="2.1")
    jobs.copy()
    return database, jobs


def equalised(jobs: Jobs, waived: Any) -> dict[str, Any]:
    """fase2's repair and proof with that waived_quarantine."""
    return jobs.equalise(waived_quarantine=waived)


def states(database: Database) -> set[str]:
    return {state for _, state in database.query(ENTRIES)}


def test_entries_that_a_pattern_names_are_waived_with_who_when_and_why(made: tuple[Database, Jobs]) -> None:
    database, jobs = made
    rows = len(database.query(ENTRIES))
    assert rows > 3
    done = equalised(jobs, TESTS)
    assert f"Cuarentena: {rows} filas de professions dispensadas por professions:*: datos de prueba" in done["lines"]
    assert states(database) == {"dispensada"}
    ((waived, recent),) = database.query(
        "SELECT DISTINCT dispensa - 'momento' - 'run_id', (dispensa ->> 'momento')::timestamptz > now() - interval '1 minute'"
        " FROM migracion.cuarentena WHERE tabla_origen = 'professions'"
    )
    assert (waived, recent) == ({"patron": "professions:*", "motivo": "datos de prueba", "por": "tester"}, True)
    detail = {"tabla": "professions", "patron": "professions:*", "motivo": "datos de prueba", "por": "tester", "filas": rows}
    assert database.query(EVENTS) == [("dispensa", detail)]
    assert database.value("SELECT count(*) FROM migracion.cuarentena WHERE tabla_origen = 'customers' AND estado = 'abierta'") > 3


def test_waived_rows_stay_quarantined_in_the_accounting_and_are_counted_apart(made: tuple[Database, Jobs]) -> None:
    database, jobs = made
    before = equalised(jobs, [])["accounting"]
    after = equalised(jobs, TESTS)
    assert after["accounting"] == before
    assert after["changed"] is False
    with closing(connect(database.url, "prueba")) as conn:
        assert {entry[0] for entry in open_quarantine(conn)} == {"customers"}
        rows = len(database.query(ENTRIES))
        assert waived_lines(waived_quarantine(conn)) == [
            f"  Cuarentena dispensada: {rows} filas (waived_quarantine)",
            f"    {rows} × professions por professions:*: datos de prueba",
        ]


def test_without_its_pattern_an_entry_is_open_again_and_nothing_repeats(made: tuple[Database, Jobs]) -> None:
    database, jobs = made
    equalised(jobs, TESTS)
    runs = database.value(RUNS)
    equalised(jobs, TESTS)
    assert len(database.query(EVENTS)) == 1
    first = database.query(ENTRIES)[0][0]
    rest = len(database.query(ENTRIES)) - 1
    lines = equalised(jobs, [f"professions:{first}"])["lines"]
    assert f"Cuarentena: {rest} filas de professions vuelven a estar abiertas: ya no las nombra waived_quarantine" in lines
    assert f"Cuarentena: 1 filas de professions dispensadas por professions:{first}: sin motivo escrito" in lines
    assert [state for _, state in database.query(ENTRIES)] == ["dispensada"] + ["abierta"] * rest
    assert database.query(EVENTS)[1:] == [
        ("dispensa", database.query(EVENTS)[1][1]),
        ("dispensa_retirada", {"tabla": "professions", "filas": rest}),
    ]
    assert database.value("SELECT bool_and(dispensa IS NULL) FROM migracion.cuarentena WHERE estado = 'abierta'")
    assert database.value(RUNS) == runs


def test_the_first_pattern_gives_the_reason_and_an_idle_one_is_told(made: tuple[Database, Jobs]) -> None:
    database, jobs = made
    lines = equalised(jobs, {"prof*:*": "uno", "professions:*": "dos", "professions:9_%": "tres", "users:*": "otra fase"})[
        "lines"
    ]
    assert [line for line in lines if line.startswith("waived")] == [
        "waived_quarantine: professions:* no dispensa ninguna fila",
        "waived_quarantine: professions:9_% no dispensa ninguna fila",
    ]
    assert database.query("SELECT DISTINCT dispensa ->> 'motivo' FROM migracion.cuarentena WHERE dispensa IS NOT NULL") == [
        ("uno",)
    ]


@pytest.mark.parametrize("copied", [True, False])
def test_a_simulation_announces_what_the_run_then_waives_and_opens(
    new_database: Callable[..., Database], tmp_path: Path, copied: bool
) -> None:
    database = new_database()
    jobs = Jobs(database.url, tmp_path / "respaldos", subphase="2.1")
    if copied:
        jobs.up_to_proof()
        equalised(jobs, ["customers:*"])
        database.query("UPDATE professions SET name = 'Corregida' WHERE id = 902")
    before = dump(database, without=())
    said = jobs.announce(waived_quarantine=TESTS)["lines"]
    assert dump(database, without=()) == before
    if not copied:
        jobs.up_to_tables()
        jobs.copy()
    done = [line for line in equalised(jobs, TESTS)["lines"] if line.startswith("Cuarentena: ")]
    done = [line.replace(" dispensadas ", " se dispensarían ").replace(" vuelven ", " volverían ") for line in done]
    assert said == done
    assert len(said) == (2 if copied else 1)


def test_patterns_that_cannot_be_used_change_nothing(made: tuple[Database, Jobs]) -> None:
    database, jobs = made
    with pytest.raises(MigrationError, match="no 'professions'"):
        equalised(jobs, ["professions"])
    assert states(database) == {"abierta"}


def test_a_waived_entry_whose_row_was_corrected_is_closed_like_any_other(made: tuple[Database, Jobs]) -> None:
    database, jobs = made
    equalised(jobs, TESTS)
    database.query("UPDATE professions SET name = 'Corregida' WHERE id = 902")
    equalised(jobs, TESTS)
    closed = "SELECT estado, resolucion, dispensa ->> 'motivo' FROM migracion.cuarentena WHERE clave = '902'"
    assert database.query(closed) == [("resuelta", "corregida", "datos de prueba")]
