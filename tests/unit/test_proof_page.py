"""docs/prueba.md says of each kind of fault who sees it, and each row names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHECKS = 5
CELL = re.compile(r"(?:no )?(?:ve|juzga)\b|solo si |la (?:nombra|cuenta|juzga)\b|no la juzga\b")


def rows() -> list[list[str]]:
    """The cells of each row of the page's table."""
    text = (ROOT / "docs/prueba.md").read_text(encoding="utf-8")
    table = text.split("## Tabla")[1].split("##")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")][2:]


def test_every_row_says_of_every_check_whether_it_sees_and_names_a_test_that_exists() -> None:
    found = rows()
    assert len(found) > 15
    for row in found:
        fault, *cells, held_by = row
        assert len(cells) == CHECKS, fault
        assert all(CELL.match(cell) for cell in cells), row
        file, name = held_by.strip("`").split("::")
        tree = ast.parse((ROOT / "tests/integration" / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, held_by


def test_no_kind_of_fault_stands_twice() -> None:
    faults = [row[0] for row in rows()]
    assert len(set(faults)) == len(faults)
