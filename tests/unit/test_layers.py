"""Arrows point only downwards: playbooks → roles → modules → jobs and db → core."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
SHELL = PLUGINS / "module_utils" / "call" / "entry.py"  # what all modules have in common; Ansible finds it nowhere else
FILES = sorted(PLUGINS.rglob("*.py"))

# Which parts of plugins/ a part may import, and which libraries beside the standard one.
MAY_USE: dict[str, set[str]] = {
    "core": {"core"},
    "jobs": {"core", "jobs"},
    "modules": {"core", "jobs", "modules"},
    "plugin_utils": {"core", "plugin_utils"},
    "action": {"core", "plugin_utils"},
    "doc_fragments": set(),
}
LIBRARIES: dict[str, set[str]] = {
    "core": {"yaml"},
    "jobs": set(),
    "modules": {"ansible"},
    "plugin_utils": {"ansible"},
    "action": {"ansible"},
    "doc_fragments": set(),
}
# Core decides; it does not look at the machine.
NOT_IN_CORE = {"os", "pathlib", "io", "shutil", "socket", "subprocess", "tempfile"}


def part(path: Path) -> str:
    """Return the layer that a file, or a module by its path, belongs to."""
    if path == SHELL:
        return "modules"
    inside = path.relative_to(PLUGINS).parts
    if inside[0] != "module_utils":
        return inside[0]
    return "core" if inside[1:2] == ("core",) else "jobs"


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Like ast.walk, without what only the type checker reads."""
    if isinstance(tree, ast.If) and isinstance(tree.test, ast.Name) and tree.test.id == "TYPE_CHECKING":
        return
    yield tree
    for child in ast.iter_child_nodes(tree):
        yield from walk(child)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (level, dotted name) of each import that happens at run time, one entry per imported submodule."""
    for node in walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{node.module}." if node.module else ""
            yield from ((node.level, prefix + alias.name) for alias in node.names)


def own_imports(path: Path) -> set[Path]:
    """Return the files of plugins/ that a file imports."""
    found = set()
    for level, name in imports(path):
        if level:
            target = path.parents[level - 1].joinpath(*name.split("."))
            found |= {f for f in (target.with_suffix(".py"), target.parent.with_suffix(".py")) if f.exists()}
    return found


def libraries(path: Path) -> set[str]:
    """Return the top-level names of everything that is imported absolutely."""
    return {name.split(".")[0] for level, name in imports(path) if not level}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PLUGINS)))
def test_a_file_imports_only_what_lies_below_it(path: Path) -> None:
    layer = part(path)
    upwards = {str(file.relative_to(PLUGINS)) for file in own_imports(path) if part(file) not in MAY_USE[layer]}
    assert not upwards, f"{layer} must not import {upwards}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PLUGINS)))
def test_a_file_uses_only_the_libraries_of_its_layer(path: Path) -> None:
    layer = part(path)
    allowed = set(sys.stdlib_module_names) | LIBRARIES[layer]
    if path == PLUGINS / "module_utils" / "server" / "db.py":
        allowed.add("psycopg2")
    if layer == "core":
        allowed -= NOT_IN_CORE
    foreign = libraries(path) - allowed
    assert not foreign, f"{layer} must not import {foreign} (and its own files only relatively)"


def test_core_opens_no_file() -> None:
    opened = [
        f"{path.name}:{node.lineno}"
        for path in FILES
        if part(path) == "core"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    assert not opened


def test_no_two_files_import_each_other() -> None:
    TopologicalSorter({path: own_imports(path) for path in FILES}).prepare()  # raises CycleError, naming the files
