"""Each case of the corpus: what is rewritten, what is left for a person, and nothing else; a second run changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.rewriting import CASES, listed, read_case, reviewed, scanned

FILES = sorted(CASES.glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_case_becomes_what_it_says(path: Path) -> None:
    case = read_case(path)
    after, findings = scanned(case.before, case.mapping, case.clients)
    assert after == {**case.before, **case.after}
    assert listed(findings) == sorted(case.left)
    assert set(case.review) <= reviewed(findings)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_second_run_changes_nothing(path: Path) -> None:
    case = read_case(path)
    once, _ = scanned(case.before, case.mapping, case.clients)
    twice, findings = scanned(once, case.mapping, case.clients)
    assert twice == once
    assert set(listed(findings)) <= set(case.left)
