"""Arrows point only downwards: playbooks → roles → modules → jobs → rooms → core, and inside these from room to room."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
SHELL = UTILS / "call" / "entry.py"  # what all modules have in common; Ansible finds it nowhere else
FILES = sorted(PLUGINS.rglob("*.py"))

# Bottom up. What stands in one line does not import each other; a file at core's root is a room of its own.
ROOMS: tuple[tuple[str, ...], ...] = (
    ("core/words",),
    ("core/errors",),
    ("core/sqltext", "core/catalogue", "core/bookkeeping", "core/waits"),
    ("core/mapping", "core/services"),
    ("core/opinion", "core/rows", "core/rewrite"),
    ("core/schema",),
    ("core/backfill",),
    ("core/sync",),
    ("core/proof", "core/quarantine", "core/backup"),
    ("core/contraction", "core/phase", "core/survey", "core/server"),
    ("core/render",),
    ("server",),
    ("ledger",),
    ("call",),
    ("survey", "schema", "quarantine", "services", "backup", "rewrite"),
    ("backfill", "sync"),
    ("opinion", "phase"),
    ("proof",),
    ("contraction",),
    ("jobs",),
)
ORDER = {room: height for height, rooms in enumerate(ROOMS) for room in rooms}
# Which parts of plugins/ beside module_utils a part may import; of module_utils, modules know the doors and the shell.
MAY_USE: dict[str, set[str]] = {
    "modules": {"modules", "jobs", "shell"},
    "plugin_utils": {"core", "plugin_utils"},
    "action": {"core", "plugin_utils"},
    "doc_fragments": set(),
}
LIBRARIES: dict[str, set[str]] = {
    "core/mapping": {"yaml"},
    "core/phase": {"yaml"},
    "server": {"psycopg2"},
    "rewrite": {"libcst", "ast_grep_py", "postgast", "google"},
    "shell": {"ansible"},
    "modules": {"ansible"},
    "plugin_utils": {"ansible", "jinja2"},
    "action": {"ansible"},
}
# Core decides; it does not look at the machine.
NOT_IN_CORE = {"os", "pathlib", "io", "shutil", "socket", "subprocess", "tempfile"}


def room_of(path: Path) -> str:
    """Return the room of a file of module_utils as ROOMS spells it, 'shell', or the other part of plugins/ that it belongs to."""
    if path == SHELL:
        return "shell"
    inside = path.relative_to(PLUGINS).with_suffix("").parts
    if inside[0] != "module_utils":
        return inside[0]
    return "/".join(inside[1:3] if inside[1] == "core" else inside[1:2])


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


def is_empty(path: Path) -> bool:
    return not path.read_text(encoding="utf-8").strip()


ROOM_FILES = [path for path in FILES if path.is_relative_to(UTILS) and not is_empty(path)]


def allowed(path: Path, other: Path) -> bool:
    """Whether the first file may import the second one."""
    mine, theirs = room_of(path), room_of(other)
    if mine in MAY_USE:
        return theirs in MAY_USE[mine] or (theirs.startswith("core/") and "core" in MAY_USE[mine])
    if mine == "jobs":  # one door for each module: none leads through another
        return theirs != "jobs"
    mine = "call" if mine == "shell" else mine
    return theirs == mine or ORDER[theirs] < ORDER[mine]


@pytest.mark.parametrize("path", ROOM_FILES, ids=lambda p: str(p.relative_to(UTILS)))
def test_every_file_lies_in_a_room(path: Path) -> None:
    assert room_of(path) == "shell" or room_of(path) in ORDER


def public_names(path: Path) -> Iterator[str]:
    """Yield the names that a file defines for others."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))


def test_no_public_name_stands_twice() -> None:
    places: dict[str, list[str]] = {}
    for path in FILES:
        if room_of(path) not in ("modules", "action", "doc_fragments"):
            for name in public_names(path):
                places.setdefault(name, []).append(str(path.relative_to(PLUGINS)))
    assert {name: found for name, found in places.items() if not name.startswith("_") and len(found) > 1} == {}


def test_every_wait_for_a_lock_has_a_name_in_waits() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in FILES}
    assert [path.name for path, text in texts.items() if "lock_timeout" in text] == ["waits.py"]
    lasting = [f"{path.name}: {wait}" for path, text in texts.items() for wait in re.findall(r"\bWait\(.*", text)]
    assert {wait.partition(":")[0] for wait in lasting} <= {"waits.py"}


# Whose clock of a machine is read: to stamp a log or an id, to say how long it took, and to be compared with the server's.
CLOCKS = {"call/runlog", "phase/closing", "phase/failing", "server/clock", "plugin_utils/guard"}


def test_nothing_is_decided_by_the_clock_of_a_machine() -> None:
    asks = re.compile(r"datetime\.(now|utcnow|today)\(|time\.time\(|date\.today")
    reading = {path for path in FILES if asks.search(path.read_text(encoding="utf-8"))}
    assert {f"{path.parent.name}/{path.stem}" for path in reading} == CLOCKS


def test_every_room_that_the_order_names_exists() -> None:
    rooms = {room_of(path) for path in ROOM_FILES}
    assert set(ORDER) - rooms == set()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PLUGINS)))
def test_a_file_imports_only_what_lies_below_it(path: Path) -> None:
    upwards = {str(file.relative_to(PLUGINS)) for file in own_imports(path) if not allowed(path, file)}
    assert not upwards, f"{room_of(path)} must not import {upwards}"


def test_the_integration_tests_mirror_the_rooms() -> None:
    integration = Path(__file__).parents[1] / "integration"
    rooms = {room.rpartition("/")[2] for room in ORDER}
    loose = {path.relative_to(integration) for path in integration.rglob("test_*.py")}
    assert {path.parts[0] for path in loose} <= rooms | {"tools"}  # tools: what the tests themselves stand on


def test_every_module_has_a_door_of_its_name() -> None:
    doors = {path.name for path in (UTILS / "jobs").glob("*.py")} - {"__init__.py"}
    assert doors == {path.name for path in (PLUGINS / "modules").glob("*.py")}


@pytest.mark.parametrize("path", sorted((PLUGINS / "modules").glob("*.py")), ids=lambda p: p.stem)
def test_a_module_opens_its_own_door_only(path: Path) -> None:
    assert {file.name for file in own_imports(path) if room_of(file) == "jobs"} == {path.name}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PLUGINS)))
def test_a_file_uses_only_the_libraries_of_its_room(path: Path) -> None:
    room = room_of(path)
    usable = set(sys.stdlib_module_names) | LIBRARIES.get(room, set())
    if room.startswith("core/"):
        usable -= NOT_IN_CORE
    foreign = libraries(path) - usable
    assert not foreign, f"{room} must not import {foreign} (and its own files only relatively)"


LONGEST = {"plugins": 330, "tests": 400, "tools": 400, "molecule": 400}  # lines of a file
PYTHON = [path for folder in LONGEST for path in sorted((PLUGINS.parent / folder).rglob("*.py"))]


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in PYTHON:
        text, place = path.read_text(encoding="utf-8"), path.relative_to(PLUGINS.parent)
        long += [f"{place}: {lines}" for lines in [len(text.splitlines())] if lines > LONGEST[place.parts[0]]]
        long += [
            f"{place}:{node.lineno} {node.name}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 50
        ]
    assert not long


def test_core_opens_no_file() -> None:
    opened = [
        f"{path.name}:{node.lineno}"
        for path in ROOM_FILES
        if room_of(path).startswith("core/")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    assert not opened


def test_no_two_files_import_each_other() -> None:
    TopologicalSorter({path: own_imports(path) for path in FILES}).prepare()  # raises CycleError, naming the files
