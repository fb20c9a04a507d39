"""What a failed test leaves for those who look for the reason: its databases as they were, and the server's log."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FAILS = """
def test_that_passes(new_database):
    new_database(rows=100, messages=7)

def test_that_fails(new_database):
    new_database(rows=100, messages=7).query("UPDATE customers SET city = 'Aquí falló'")
    assert False
"""


def test_a_failed_test_leaves_its_databases_and_the_servers_log(tmp_path: Path) -> None:
    file = tmp_path / "test_fails.py"
    file.write_text(FAILS, encoding="utf-8")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", f"--basetemp={tmp_path / 'base'}"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, file], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert "1 failed, 1 passed" in run.stdout, run.stdout + run.stderr
    (folder,) = map(Path, re.findall(r"^\S+/fallida\d+$", run.stdout, re.MULTILINE))
    (kept,) = folder.glob("*.sql")
    assert "Aquí falló" in kept.read_text(encoding="utf-8")
    assert "database system is ready" in (folder / "postgresql.log").read_text(encoding="utf-8")
