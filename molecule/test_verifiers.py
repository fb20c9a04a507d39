"""The tests of the tests: each scenario, run with a runbook that is broken in one place, turns red where it should.

make molecule-broken
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.trial import Trial

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("playbooks", "inventories", "files", "roles", "plugins", "meta")


@dataclass(frozen=True)
class Fault:
    """One place of the runbook, what is wrong there, and the test that has to say so."""

    scenario: str
    file: str
    old: str
    new: str
    caught_by: str


FAULTS = {
    "the copy leaves one row of each table out, and the proof does not look at it": Fault(
        "fases",
        "plugins/module_utils/core/rows/forward.py",
        """f"\\nWHERE {route.where('l')}\"""",
        """f"\\nWHERE {route.where('l')} AND l.ctid <> (SELECT max(x.ctid) FROM {route.source_table} x)\"""",
        "test_every_legacy_row_is_equal_merged_or_quarantined",
    ),
    "the way back leaves the sequences where they were": Fault(
        "fases", "plugins/module_utils/backfill/undo.py", " RESTART IDENTITY", "", "test_the_way_back_leaves_what_was_there"
    ),
    "a simulation changes something": Fault(
        "fases",
        "plugins/module_utils/jobs/table_copy.py",
        "        before = slicer",
        "        db.run_sql(context.conn, 'DROP TABLE IF EXISTS public.consents; COMMIT; BEGIN')\n        before = slicer",
        "test_a_simulation_changes_nothing",
    ),
    "an index is forgotten": Fault(
        "fases",
        "files/mapping/tinkubot.yml",
        "indexes: [nombre, categoria, esta_activo]",
        "indexes: [nombre, esta_activo]",
        "test_fase1_made_every_index_and_no_other",
    ),
    "everybody can read the log": Fault(
        "ssh",
        "plugins/module_utils/call/runlog.py",
        "0o600",
        "0o644",
        "test_the_runbook_became_root_and_its_logs_are_for_root_alone",
    ),
    "what was written after the proof is not brought in": Fault(
        "completo",
        "roles/data_migration/tasks/main.yml",
        "    repair: true\n",
        "    repair: false\n",
        "test_what_was_written_is_on_both_sides",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_runbook_turns_its_scenario_red(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    house = tmp_path / "ansible_collections/tinkubot/migracion"
    for part in PARTS:
        shutil.copytree(ROOT / part, house / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("ansible.cfg", "galaxy.yml"):
        shutil.copy(ROOT / file, house)
    text = (house / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.old) == 1, fault.old
    (house / fault.file).write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    said, code = scenario_in(house, fault.scenario)
    assert code != 0, said
    assert any("FAILED" in line and f"::{fault.caught_by}[" in line for line in said.splitlines()), said


def scenario_in(house: Path, scenario: str) -> tuple[str, int]:
    """Run the scenario with that house, in containers of its own; output and exit code."""
    own = {"RUNBOOK_HOUSE": str(house), "RUNBOOK_COLLECTIONS": str(house.parents[2])}
    with Trial("averiado", scenario, **own) as trial:
        return trial.end()
