"""What a summary or estado names is run, out of its lines: each does what its label says."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils.call.context import Context
from plugins.module_utils.jobs import migration_phase, table_compare, table_copy
from tests.support.databases import Begin
from tests.support.jobs import TINKUBOT
from tests.support.named import commands_in
from tests.support.operator import SAME, Operator
from tests.support.phase import closed_window

STATE = "ansible-playbook estado.yml -i demo"


@pytest.mark.names(
    "core/phase/summary._commands", "core/phase/summary._next", "core/phase/summary.quarantine_lines", "phase/status.status"
)
def test_the_printed_commands_alone_lead_from_nothing_through_each_part_and_back(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin()
    operator = Operator(database.url, tmp_path / "respaldos")
    (simulate,) = operator.goes(STATE).after("Siguiente")
    (run,) = operator.goes([*simulate, "--check"]).after("Para ejecutarla")
    assert run == simulate
    (tables,) = operator.goes(run).after("Siguiente")
    assert operator.goes(STATE).after("Siguiente") == [tables]
    (copy,) = operator.goes(tables).after("Siguiente")
    first = operator.goes([*copy, "-e", "subfase=2.1"])
    (quarantined,) = first.after("Cuarentena abierta")
    assert "Cuarentena abierta: " in operator.goes(quarantined).text
    (listed,) = operator.goes(STATE).after("Cuarentena abierta")
    assert listed == quarantined
    (second,), (back,) = first.after("Siguiente"), first.after("Para deshacer")
    assert second == [*copy, "-e", "subfase=2.2"]
    undone = operator.goes(back)
    assert database.value("SELECT count(*) FROM clientes") == 0
    (again,) = undone.after("Siguiente")
    assert again == [*copy, "-e", "subfase=2.1"]


@pytest.mark.names("core/phase/summary._commands")
def test_after_a_failure_the_printed_command_goes_on(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase0")
    operator = Operator(database.url, tmp_path / "respaldos")
    database.query("CREATE VIEW clientes AS SELECT 1 AS n")
    (again,) = operator.stops("ansible-playbook fase1.yml -i demo").after("Para continuar")
    database.query("DROP VIEW clientes")
    operator.goes(again)


@pytest.mark.names("phase/closing._close_dry_run")
def test_a_simulation_that_would_be_refused_names_itself_for_when_that_is_resolved(begin: Begin, tmp_path: Path) -> None:
    database, jobs = begin(up_to="fase0")
    operator = Operator(database.url, tmp_path / "respaldos")
    with jobs.run("fase1"):
        held = operator.stops("ansible-playbook fase1.yml -i demo --check")
    (again,) = held.commands()
    operator.goes(again)


@pytest.mark.names("phase/closing._without_proof")
def test_a_run_without_its_proof_is_repeated_by_the_named_command(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase0")
    operator = Operator(database.url, tmp_path / "respaldos")
    given = {"controller": {"command": {"playbook": "fase1.yml", "options": list(SAME)}}}
    for operation in ("open", "close"):
        said = operator.job(migration_phase.run, "fase1", run_id="20261125T020304-0000", operation=operation, **given)
    (again,) = said.commands()
    database.query("DELETE FROM migracion.arriendo")
    operator.goes(again)


@pytest.mark.names("phase/status._access_lines")
def test_estado_names_what_puts_access_right(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1")
    operator = Operator(database.url, tmp_path / "respaldos")
    right = "Permisos y políticas: los mismos que en las tablas legacy"
    for statement in ("REVOKE SELECT ON clientes FROM authenticated", "REVOKE SELECT ON customers FROM authenticated"):
        database.query(statement)
        again, approve = operator.goes(STATE).after("Se reponen con")
        if "customers" in statement:
            operator.goes(approve)
        operator.goes(again)
        assert right in operator.goes(STATE).lines


@pytest.mark.names("call/request.request_of", "call/context.require_routes", "phase/closing._incomplete")
def test_a_part_without_tables_is_done_once_they_are_in_the_mapping_and_approved_as_named(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin()
    text, short = TINKUBOT.read_text(encoding="utf-8"), tmp_path / "corto.yml"
    short.write_text(text[: text.index("\n  users:\n    proveedores:")] + "\n", encoding="utf-8")
    operator = Operator(database.url, tmp_path / "respaldos", short)
    for phase in ("fase0", "fase1"):
        operator.goes(f"ansible-playbook {phase}.yml -i demo")
    part = "ansible-playbook fase2.yml -i demo -e subfase=2.2"
    said = [
        operator.stops(part).commands(),
        operator.stops("ansible-playbook fase2.yml -i demo").commands(),
        operator.job(table_copy.copy, "fase2", check=True, subphase="2.2").commands(),
    ]
    assert said[0] == said[1] == said[2]
    ((approve,),) = said[:1]
    operator.mapping = TINKUBOT
    operator.goes(approve)
    operator.goes(part)


@pytest.mark.names("core/server/sqlstate")
def test_what_goes_while_a_step_runs_is_explained_by_the_named_command(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, _ = begin(up_to="2.1")
    approved = table_compare._go_by_what_is_approved

    def and_then(context: Context, repairs: bool) -> None:
        approved(context, repairs)
        database.query("ALTER TABLE customers RENAME COLUMN city TO ciudad")
        database.query("DROP VIEW IF EXISTS customer_activity; ALTER TABLE customers DROP COLUMN ciudad CASCADE")

    operator = Operator(database.url, tmp_path / "respaldos")
    monkeypatch.setattr(table_compare, "_go_by_what_is_approved", and_then)
    gone = operator.stops("ansible-playbook fase2.yml -i demo -e subfase=2.1 --tags verify")
    (explain,) = gone.commands()
    assert "deriva: falta la columna customers.city" in operator.stops(explain).message


@pytest.mark.names("phase/opening.open_phase", "phase/opening.refusal_of")
def test_what_only_one_phase_takes_is_not_handed_to_another(begin: Begin, tmp_path: Path) -> None:
    operator = Operator(begin()[0].url, tmp_path / "respaldos", site={"maintenance_window": closed_window()})
    for tags in (" --tags verify", ""):
        named = operator.stops(f"ansible-playbook fase2.yml -i demo -e subfase=2.1 -e batch_rows=7{tags}").commands()
        assert named[0] == ["ansible-playbook", "fase0.yml", "-i", "demo", "-e", "batch_rows=7"]
    assert commands_in("sin -i: fase0.yml") == [["ansible-playbook", "fase0.yml"]]
