"""What a proof or a repair that finds something wrong says to run is run, out of its text: then the proof holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins.module_utils.jobs import migration_render, schema_state
from tests.support.databases import Begin
from tests.support.jobs import Stage
from tests.support.named import statements_in
from tests.support.operator import Operator

# What somebody did after 2.1; the proof that finds it; which of the named commands mend it, by their places.
DAMAGE = {
    "another value": ("UPDATE clientes SET ciudad = 'otra' WHERE ciudad = 'Manta'", "fase2.yml -e subfase=2.1", ["fase2.yml"]),
    "a sequence behind": ("SELECT setval('professions_id_seq', 7)", "fase2.yml -e subfase=2.1", ["fase2.yml"]),
    "an index made invalid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_clientes_ciudad'::regclass",
        "fase2.yml -e subfase=2.1",
        ["fase1.yml"],
    ),
    "a constraint not validated": (
        "ALTER TABLE clientes DROP CONSTRAINT clientes_estado_check; ALTER TABLE clientes ADD CONSTRAINT clientes_estado_check"
        " CHECK (estado IN ('activo', 'inactivo', 'suspendido')) NOT VALID",
        "fase2.yml -e subfase=2.1",
        ["fase1.yml"],
    ),
    "an index dropped": ("DROP INDEX idx_clientes_ciudad", "fase1.yml", ["fase1.yml"]),
    "a grant taken": ("REVOKE SELECT ON clientes FROM authenticated", "fase1.yml", ["fase1.yml"]),
    "a grant of the twin's taken on purpose": (
        "REVOKE SELECT ON customers FROM authenticated",
        "fase1.yml",
        ["fase0.yml", "fase1.yml"],
    ),
}


def called(words: list[str]) -> str:
    """The playbook and the tags of a command."""
    tags = words[words.index("--tags") + 1] if "--tags" in words else ""
    return f"{words[1]} {tags}".strip()


# A stage; what is written in legacy then; the run that changes what others hang on; the commands that it names.
HANGING: dict[str, tuple[Stage, str, str, list[list[str]]]] = {
    "a part of the phase": (
        "fase2",
        "DELETE FROM customers WHERE id::text IN (SELECT clave_destino FROM migracion.fusion WHERE tabla_origen = 'users')",
        "ansible-playbook fase2.yml -i demo -e subfase=2.1",
        [["fase2.yml", "-e", "subfase=2.2"]],
    ),
    "a later phase": (
        "fase3",
        "UPDATE customers SET phone_number = '0' || phone_number WHERE length(phone_number) < 20"
        " AND id IN (SELECT cliente_id FROM solicitudes_servicio)",
        "ansible-playbook fase2.yml -i demo",
        [["fase3.yml"]],
    ),
}


@pytest.mark.names("jobs/table_compare._require_the_others")
@pytest.mark.parametrize("case", HANGING)
def test_after_the_commands_that_a_run_names_what_hangs_on_its_changes_holds(begin: Begin, tmp_path: Path, case: str) -> None:
    stage, statement, run, mending = HANGING[case]
    database, _ = begin(up_to=stage)
    database.query(statement)
    operator = Operator(database.url, tmp_path / "respaldos")
    said = operator.stops(run)
    for expected in mending:  # what one changes may be what another hangs on: then that one says so
        words = said.commands()[0]
        assert words[1:2] + (words[words.index("-e") :][:2] if "-e" in words else []) == expected, said.text
        said = operator.run(words)
    assert not said.message, said.text
    for verify in ("fase2.yml", f"{stage}.yml"):
        operator.goes(f"ansible-playbook {verify} -i demo --tags verify")
    operator.goes(run)


@pytest.mark.names("jobs/schema_state._refuse_access", "schema/shape.refuse_shape", "jobs/table_compare._difference_error")
@pytest.mark.parametrize("case", DAMAGE)
def test_after_the_commands_that_a_failed_proof_names_the_proof_holds(begin: Begin, tmp_path: Path, case: str) -> None:
    statement, proof, mending = DAMAGE[case]
    database, _ = begin(up_to="2.1")
    database.query(statement)
    operator = Operator(database.url, tmp_path / "respaldos")
    verify = f"ansible-playbook {proof} -i demo --tags verify"
    named = {called(words): words for words in operator.stops(verify).commands()}
    assert set(mending) <= set(named)
    for name in mending:
        operator.goes(named[name])
    operator.goes(verify)


@pytest.mark.names("schema/shape.refuse_shape")
def test_a_shape_that_fase1_does_not_repair_is_undone_and_made_anew_by_the_named_commands(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1")
    database.query("ALTER TABLE clientes ALTER nombre_completo TYPE text")
    operator = Operator(database.url, tmp_path / "respaldos")
    again, back = operator.stops("ansible-playbook fase1.yml -i demo --tags verify").commands()
    operator.stops(again)
    operator.goes(back)
    operator.goes(again)


@pytest.mark.names("jobs/schema_state._refuse_access")
def test_a_policy_of_somebody_elses_goes_by_the_named_statement(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="fase1")
    database.query("CREATE POLICY abierta ON clientes FOR SELECT TO anon USING (true)")
    operator = Operator(database.url, tmp_path / "respaldos")
    said = operator.stops("ansible-playbook fase1.yml -i demo --tags verify").message
    (drop,) = statements_in(said)
    (found,) = re.findall(r"(\w+): sobra política (\w+):", said)
    database.query(f"{drop} {found[1]} ON {found[0]}")
    operator.goes("ansible-playbook fase1.yml -i demo --tags verify")


@pytest.mark.names("jobs/schema_state.present", "schema/undo._in_the_way")
@pytest.mark.parametrize(
    ("stage", "statement", "command", "mended"),
    [
        ("fase0", "CREATE VIEW clientes AS SELECT 1 AS n", "fase1.yml", "ALTER VIEW clientes RENAME TO otra"),
        ("fase1", "CREATE VIEW v AS SELECT id FROM clientes", "fase1.yml --tags rollback", "DROP VIEW v"),
    ],
    ids=["a name taken", "a view on a table"],
)
def test_what_is_in_the_way_is_moved_and_the_named_command_goes_through(
    begin: Begin, tmp_path: Path, stage: Stage, statement: str, command: str, mended: str
) -> None:
    database, _ = begin(up_to=stage)
    database.query(statement)
    operator = Operator(database.url, tmp_path / "respaldos")
    (again,) = operator.stops(f"ansible-playbook {command} -i demo").commands()
    assert called(again) == command.replace(" --tags", "")
    database.query(mended)
    operator.goes(again)


@pytest.mark.names("jobs/schema_state.verify_tables", "jobs/migration_render.verify_approval")
def test_a_proof_by_itself_where_nothing_was_done_names_what_comes_first(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin()
    operator = Operator(database.url, tmp_path / "respaldos")
    for job, phase in ((migration_render.verify_approval, "fase0"), (schema_state.verify_tables, "fase1")):
        commands = operator.job(job, phase).commands()
        assert commands[-1][1] == f"{phase}.yml"
        if phase == "fase1":
            for words in commands:
                operator.goes(words)
            assert not operator.job(job, phase, run_id="otra").message


DRIFTED = {
    "a twin that is gone": ("DROP TABLE sessions", "fase1.yml"),
    "a source that is gone": ("DROP TABLE sessions", "fase2.yml"),
    "a type that nothing carries": ("ALTER TABLE customers ALTER city_confirmed_at TYPE date", "fase2.yml"),
}


@pytest.mark.names("core/rows/refusals.conversion_of", "core/rows/routes._route", "core/schema/ddl.twin_of")
@pytest.mark.parametrize("case", DRIFTED)
def test_a_database_that_changed_is_explained_by_the_named_command(begin: Begin, tmp_path: Path, case: str) -> None:
    statement, command = DRIFTED[case]
    database, _ = begin(up_to="fase1")
    database.query(statement)
    operator = Operator(database.url, tmp_path / "respaldos")
    (explain,) = (
        words for words in operator.stops(f"ansible-playbook {command} -i demo --check").commands() if words[1] == "fase0.yml"
    )
    assert "deriva: " in operator.stops(explain).message
