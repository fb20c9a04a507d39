"""A test that is skipped although what it lacks could be had is red."""

from __future__ import annotations

import platform
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = """
import pytest

@pytest.fixture
def pooler():
    pytest.skip("no pooler here")

@pytest.mark.skipif(True, reason="pgbouncer is not installed")
def test_whose_mark_skips_it(): pass

def test_whose_fixture_skips_it(pooler): pass

def test_that_skips_itself():
    pytest.skip("sshd is not installed")

def test_that_nobody_could_run_here():
    pytest.skip("this server has no citext")

@pytest.mark.xfail
def test_that_is_expected_to_fail():
    assert False
"""


def test_only_what_nobody_could_have_excuses_a_skipped_test(tmp_path: Path) -> None:
    (tmp_path / "test_skipped.py").write_text(SKIPPED, encoding="utf-8")
    (tmp_path / "test_no_module.py").write_text("import pytest\npytest.importorskip('no_such_module')\n", encoding="utf-8")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", "--continue-on-collection-errors"]
    command = [sys.executable, "-m", "pytest", *options, tmp_path]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert "1 failed, 1 skipped, 1 xfailed, 3 errors in " in run.stdout, run.stdout + run.stderr
    for reason in ("no pooler here", "pgbouncer is not installed", "sshd is not installed", "could not import 'no_such_module'"):
        assert f"skipped: {reason}" in run.stdout


@pytest.mark.parametrize(("system", "excused"), [("debian", False), ("ubuntu", True)])
def test_where_translations_can_be_installed_a_server_speaks_spanish(
    monkeypatch: pytest.MonkeyPatch, system: str, excused: bool
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": system})
    skips = runpy.run_path(str(ROOT / "tests/conftest.py"))["SKIPS"]
    assert ("no server with Spanish messages here" in skips) is excused
