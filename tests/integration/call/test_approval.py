"""What fase0 approved is what runs: whatever has changed since stops every later phase until it is approved."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import yaml

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.jobs import table_copy
from tests.support.databases import Begin, Made
from tests.support.dump import dump
from tests.support.jobs import TINKUBOT, Jobs


@pytest.fixture
def begin(begin: Begin) -> Begin:
    """The jobs of subfase 2.1 alone."""
    return partial(begin, subphase="2.1")


@pytest.fixture
def made(begin: Begin) -> Made:
    """Where nothing has run."""
    return begin()


def test_check_mode_approves_nothing_and_leaves_nothing(made: Made) -> None:
    database, jobs = made
    before = dump(database, without=())
    jobs.approve(check=True)
    assert dump(database, without=()) == before
    with pytest.raises(MigrationError, match=r"^no hay SQL aprobado\. No se cambió nada\. Ejecute antes fase0"):
        jobs.make_tables()


def test_a_second_fase0_stores_nothing_new(begin: Begin) -> None:
    database, jobs = begin(up_to="fase0")
    stored = "SELECT nombre, sha256, momento, run_id FROM migracion.sql_aprobado ORDER BY 1"
    runs = "SELECT count(*) FROM migracion.fase_ejecucion"
    first = database.query(stored), database.value(runs)
    jobs.approve()
    assert (database.query(stored), database.value(runs)) == first
    assert database.value("SELECT count(*) FROM migracion.evento WHERE tipo = 'aprobacion'") == 2


def test_a_new_fase0_keeps_what_is_unchanged_and_replaces_the_rest(begin: Begin) -> None:
    database, jobs = begin(up_to="fase0")
    stored = "SELECT nombre, momento FROM migracion.sql_aprobado WHERE nombre LIKE 'fase%'"
    before = dict(database.query(stored))
    database.query("GRANT DELETE ON professions TO tinkubot_reportes")
    jobs.approve()
    after = dict(database.query(stored))
    assert {name for name in after if after[name] != before[name]} == {"fase1/01-profesiones.sql"}


def test_an_approval_that_another_version_wrote_is_no_approval_and_fase0_gives_a_new_one(begin: Begin) -> None:
    database, jobs = begin(up_to="fase1")
    approved = "SELECT nombre, sha256 FROM migracion.sql_aprobado ORDER BY 1"
    before = database.query(approved)
    database.query(
        "UPDATE migracion.sql_aprobado SET texto = (texto::jsonb - 'carried_policies')::text, sha256 = 'antes'"
        " WHERE nombre = 'catalogo.json'"
    )
    with pytest.raises(MigrationError, match=r"la aprobación es de otra versión .*apruébela de nuevo"):
        jobs.copy()
    jobs.approve()
    assert database.query(approved) == before
    jobs.copy()


def test_an_approval_without_the_servers_version_still_tells_what_has_changed_since(begin: Begin) -> None:
    database, jobs = begin(up_to="fase1")
    database.query(
        "UPDATE migracion.sql_aprobado SET texto = (texto::jsonb - 'server_major')::text, sha256 = 'antes'"
        " WHERE nombre = 'catalogo.json'"
    )
    database.query("ALTER TABLE professions ADD COLUMN apodo text")
    with pytest.raises(MigrationError, match=r"professions.apodo es nueva .*otra versión del runbook.*apruébela de nuevo"):
        jobs.copy()


def test_an_approval_for_another_server_version_says_so_and_fase0_gives_a_new_one(begin: Begin) -> None:
    database, jobs = begin(up_to="fase1")
    database.query(
        r"""UPDATE migracion.sql_aprobado SET texto = regexp_replace(texto, '("server_major": )\d+', '\113'), sha256 = 'antes'"""
        " WHERE nombre = 'catalogo.json'"
    )
    here = int(database.value("SHOW server_version_num")) // 10000
    with pytest.raises(
        MigrationError, match=f"aprobó el SQL para PostgreSQL 13 y el servidor es ahora PostgreSQL {here}"
    ) as stopped:
        jobs.copy()
    assert stopped.value.code == "drift"
    jobs.approve()
    jobs.copy()


CHANGES = {
    "customers.apodo es nueva (text)": "ALTER TABLE customers ADD apodo text",
    "falta professions.specialty": "ALTER TABLE professions DROP specialty",
    "professions.specialty era text y es character varying(300)": "ALTER TABLE professions ALTER specialty TYPE varchar(300)",
    "cambia el SQL de fase1/02-clientes.sql": "GRANT DELETE ON customers TO tinkubot_reportes",
}


@pytest.mark.parametrize("reason", CHANGES)
def test_a_database_that_changed_after_the_approval_stops_every_later_phase(begin: Begin, reason: str) -> None:
    database, jobs = begin(up_to="fase1")
    database.query(CHANGES[reason])
    before = dump(database)
    for job in (jobs.make_tables, jobs.copy):
        with pytest.raises(MigrationError) as stopped:
            job()
        assert reason in str(stopped.value)
    assert dump(database) == before


def test_a_table_that_is_gone_stops_every_later_phase(begin: Begin) -> None:
    database, jobs = begin(up_to="fase0")
    database.query("DROP TABLE sessions")
    with pytest.raises(MigrationError, match=r"^falta la tabla sessions\. No se cambió nada"):
        jobs.make_tables()
    with pytest.raises(MigrationError, match=r"sessions: no existe .*Este paso no cambió nada\. Ejecute fase0"):
        jobs.copy()


def test_a_new_column_stops_the_proof_too_until_it_is_approved(begin: Begin) -> None:
    database, jobs = begin(up_to="2.1")
    database.query("ALTER TABLE customers ADD apodo text")
    for job in (jobs.equalise, jobs.prove):
        with pytest.raises(MigrationError, match=r"customers\.apodo es nueva \(text\)"):
            job()
    jobs.approve()
    jobs.equalise()  # what is quarantined is kept whole, with the new column


def test_another_mapping_stops_every_later_phase_until_it_is_approved(begin: Begin, tmp_path: Path) -> None:
    database, jobs = begin(up_to="fase1")
    other = tmp_path / "tinkubot.yml"
    other.write_text(TINKUBOT.read_text(encoding="utf-8").replace("Cliente TinkuBot", "Cliente"), encoding="utf-8")
    changed = Jobs(database.url, tmp_path, other, subphase="2.1")
    for job in (changed.make_tables, changed.copy):
        with pytest.raises(MigrationError, match=r"el mapeo .* no es el que fase0 aprobó.*cambia el SQL de fase2/"):
            job()
    changed.approve()
    changed.copy()
    assert database.value("SELECT count(*) FROM clientes WHERE nombre_completo = 'Cliente'") > 0
    with pytest.raises(MigrationError, match="no es el que fase0 aprobó"):
        jobs.copy()


def test_a_mapping_with_fewer_tables_leaves_no_text_of_those_that_are_gone(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase0")
    names = "SELECT nombre FROM migracion.sql_aprobado"
    before = {name for (name,) in database.query(names)}
    document = yaml.safe_load(TINKUBOT.read_text(encoding="utf-8"))
    del document["tables"]["tareas_programadas"], document["pairs"]["task_queue"]
    fewer = tmp_path / "tinkubot.yml"
    fewer.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    Jobs(database.url, tmp_path, fewer).approve()
    pair = "fase3/10-task_queue-tareas_programadas"
    gone = {"fase1/09-tareas_programadas.sql", f"{pair}.sql", f"{pair}.sincronizacion.sql"}
    assert gone <= before
    assert {name for (name,) in database.query(names)} == before - gone


ELSEWHERE = {
    "fase1/07-mensajes.sql": "GRANT DELETE ON messages TO tinkubot_reportes",
    "messages.apodo es nueva (text)": "ALTER TABLE messages ADD apodo text",
    "fase1/03-proveedores.sql": "GRANT DELETE ON users TO tinkubot_reportes",
}


@pytest.mark.parametrize("reason", ELSEWHERE)
def test_what_changed_on_tables_that_this_run_does_not_carry_is_named_and_ends_nothing(begin: Begin, reason: str) -> None:
    database, jobs = begin(up_to="fase1")
    database.query(ELSEWHERE[reason])
    said = [jobs.copy()["lines"]]
    jobs.equalise()
    for lines in (*said, jobs.prove()["lines"]):
        (line,) = [line for line in lines if line.startswith("Aviso: ha cambiado lo que otra fase lleva")]
        assert reason in line
    jobs.subphase = ""
    with pytest.raises(MigrationError, match="apruébela de nuevo") as stopped:
        jobs.copy("fase3" if "mensajes" in reason or "messages" in reason else "fase2")
    assert stopped.value.code == "drift"


def test_drift_in_the_midst_of_a_copy_does_not_say_that_nothing_was_changed(begin: Begin) -> None:
    database, jobs = begin(up_to="fase1")
    with jobs.run("fase2") as run_id:
        params = jobs.params(run_id, "fase2")
        table_copy.copy(params, False)
        database.query("GRANT DELETE ON customers TO tinkubot_reportes")
        with pytest.raises(MigrationError, match=r"Lo ya confirmado queda\. Revise la diferencia"):
            table_copy.copy(params, False)
