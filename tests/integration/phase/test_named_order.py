"""What a refusal says to run before is run, out of its text: then the command that was refused goes through."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.databases import Begin
from tests.support.jobs import ROOT, Stage
from tests.support.named import statements_in
from tests.support.operator import Operator

# From a stage, perhaps with a statement, a command is refused and names these, as their playbook and tags.
BEFORE: dict[str, tuple[Stage | None, str, str, list[str]]] = {
    "a phase before": ("fase0", "", "fase2.yml", ["fase1.yml"]),
    "a part before": ("fase1", "", "fase2.yml -e subfase=2.2", ["fase2.yml subfase=2.1"]),
    "the way back of a later phase": ("fase3", "", "fase2.yml --tags rollback", ["fase3.yml rollback"]),
    "the way back of the phase that copied": ("fase2", "", "fase1.yml --tags rollback", ["fase2.yml rollback"]),
    "the way back of a later part": (
        "fase2",
        "",
        "fase2.yml -e subfase=2.1 --tags rollback",
        ["fase2.yml rollback subfase=2.2"],
    ),
    "the first phase, for a proof": (None, "", "fase0.yml --tags verify", ["fase0.yml"]),
    "an approval": ("fase0", "DELETE FROM migracion.sql_aprobado", "fase1.yml", ["fase0.yml"]),
    "another approval": ("fase1", "GRANT DELETE ON professions TO tinkubot_reportes", "fase2.yml", ["fase0.yml"]),
    "a copy, for its proof": ("fase1", "", "fase2.yml --tags verify", ["fase2.yml"]),
    "tables and copy, for a proof": ("fase0", "", "fase2.yml --tags verify", ["fase1.yml", "fase2.yml"]),
    "the way back of a copy that is not recorded": (
        "fase1",
        "INSERT INTO profesiones (nombre) VALUES ('a mano')",
        "fase1.yml --tags rollback",
        ["fase2.yml rollback"],
    ),
    "the way back of a later copy that is not recorded": (
        "fase2",
        "INSERT INTO solicitudes_servicio (cliente_id, telefono) SELECT id, '1' FROM clientes LIMIT 1",
        "fase2.yml --tags rollback",
        ["fase3.yml rollback"],
    ),
}


def called(words: list[str]) -> str:
    """Playbook, -e and tags of a command."""
    return " ".join(word for word in words[1:] if word not in ("-i", "demo", "-e", "--tags", "--diff"))


def typed(command: str) -> str:
    """As the operator types it."""
    name, *rest = command.split(" ")
    return " ".join(["ansible-playbook", name, "-i demo", *rest])


@pytest.mark.names(
    "backfill/undo._require_empty_others",
    "call/approval._drift",
    "call/approval.require_approved",
    "core/phase/gates._later_phase_stands",
    "jobs/table_compare._require_copied",
    "phase/opening.open_phase",
    "phase/opening.refusal_of",
    "schema/undo.require_droppable",
)
@pytest.mark.parametrize("case", BEFORE)
def test_after_the_commands_that_a_refusal_names_the_one_refused_goes_through(begin: Begin, tmp_path: Path, case: str) -> None:
    stage, statement, command, named = BEFORE[case]
    database, _ = begin(up_to=stage)
    if statement:
        database.query(statement)
    operator = Operator(database.url, tmp_path / "respaldos")
    commands = operator.stops(typed(command)).commands()
    assert [called(words) for words in commands] == named
    for words in commands:
        operator.goes(words)
    operator.goes(typed(command))


@pytest.mark.names(
    "core/render._helpers_head",
    "core/render._ledger_head",
    "core/render._route_head",
    "core/render._sync_head",
    "core/render._table_head",
)
def test_the_way_back_that_the_head_of_a_signed_file_names_takes_it_back(begin: Begin, tmp_path: Path) -> None:
    database, _ = begin(up_to="2.1")
    operator = Operator(database.url, tmp_path / "respaldos")
    heads = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "files/sql").glob("*/*.sql")))
    backs = sorted(set(re.findall(r"^-- Deshacer: (fase\d) --tags (rollback)", heads, re.MULTILINE)), reverse=True)
    assert [phase for phase, _ in backs] == ["fase3", "fase2", "fase1", "fase0"]
    for phase, tag in backs:
        said = operator.goes(f"ansible-playbook {phase}.yml -i demo --tags {tag}").text
        assert "No había nada que deshacer" in said or phase in ("fase1", "fase2")
    assert database.value("SELECT to_regclass('clientes')") is None
    operator.goes("ansible-playbook fase1.yml -i demo")
    drops = [statement for statement in statements_in(heads) if statement.startswith("DROP")]
    assert len(drops) == 9
    for drop in reversed(drops):
        database.query(drop)
    assert database.value("SELECT to_regclass('clientes')") is None
