"""Which tests concern a line of plugins/: those that run it, as a run of all of them showed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

from tests.mutants.python.plugin import ROOT, SEEN

LONGEST = 240.0  # seconds of tests for one mutant


def digest(paths: Iterable[Path]) -> str:
    """One value that changes with any of the files' text or names."""
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path.relative_to(ROOT)}\0{path.read_text(encoding='utf-8')}\0".encode())
    return found.hexdigest()


def test_files() -> list[Path]:
    """The files of tests that call the runbook's Python within their own process."""
    return sorted(path for folder in ("unit", "integration") for path in (ROOT / "tests" / folder).rglob("test_*.py"))


@dataclass
class Seen:
    """``files``: the test files that were run and what they said then; ``lines``: path → line → tests, or files of tests."""

    plugins: str
    files: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def without(self, stale: set[str]) -> None:
        """Forget what those files of tests did."""
        self.files = {file: said for file, said in self.files.items() if file not in stale}
        self.seconds = {test: n for test, n in self.seconds.items() if _file(test) not in stale}
        for lines in self.lines.values():
            for line, tests in lines.items():
                lines[line] = [test for test in tests if _file(test) not in stale]

    def add(self, text: str) -> None:
        """Take in what one process of tests has written."""
        found = json.loads(text)
        self.seconds |= found["seconds"]
        for path, lines in found["lines"].items():
            mine = self.lines.setdefault(path, {})
            for line, numbers in lines.items():
                mine[line] = sorted({*mine.get(line, []), *(found["names"][n] for n in numbers)})

    def tests_of(self, path: str, line: int) -> list[str]:
        """The tests that run the line, cheapest first: unit tests, the room's own folder, the others, up to ``LONGEST``.

        What runs while files are read concerns every test that runs anything of the module.
        """
        lines = self.lines.get(path, {})
        found = set(lines.get(str(line), []))
        if not found or not found <= self.seconds.keys():
            found |= {test for tests in lines.values() for test in tests}
            found |= {file for test in found if "::" not in test for file in _imported(test)}
        room = f"tests/integration/{Path(path).parent.name}/"

        def cost(test: str) -> tuple[bool, bool, float]:
            return not test.startswith("tests/unit/"), not test.startswith(room), self.seconds.get(test, 0.0)

        chosen, spent = [], 0.0
        for test in sorted(found, key=cost):
            spent += self.seconds.get(test, 0.0)
            if spent <= LONGEST:
                chosen.append(test)
        return chosen


def _imported(file: str) -> list[str]:
    """The test files whose values this one takes over: they have run them when it was read."""
    names = re.findall(r"^from (tests\.\S*\.test_\w+) import ", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return [f"{name.replace('.', '/')}.py" for name in names]


def _file(test: str) -> str:
    return test.split("::")[0]


def up_to_date(kept: Path) -> Seen:
    """What tests run, from the file ``kept``; what has changed since is run anew."""
    plugins = digest(sorted((ROOT / "plugins").rglob("*.py")))
    said = {str(path.relative_to(ROOT)): digest([path]) for path in test_files()}
    seen = Seen(**json.loads(kept.read_text(encoding="utf-8"))) if kept.exists() else Seen(plugins)
    if seen.plugins != plugins:
        seen = Seen(plugins)
    seen.without({file for file in seen.files if said.get(file) != seen.files[file]})
    stale = sorted(said.keys() - seen.files.keys())
    for folder, files in groupby(stale, lambda file: str(Path(file).parent)):
        print(f"{folder}: which lines does each test run?", flush=True)
        _run(seen, these := list(files))
        seen.files |= {file: said[file] for file in these}
        kept.write_text(json.dumps(asdict(seen)), encoding="utf-8")
    return seen


def _run(seen: Seen, files: list[str]) -> None:
    """Run the files' tests and take in what they do."""
    options = ["-q", "-n", "2", "--dist", "worksteal", "-p", "tests.mutants.python.plugin", "-m", "not slow"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", *options, *files]
        ended = subprocess.run(command, cwd=ROOT, env={**os.environ, SEEN: folder}, check=False)
        if ended.returncode not in (0, 1, 5):  # a test that fails is left out; 5: all of them are slow
            sys.exit("the tests do not run even without a mutant")
        for written in sorted(Path(folder).glob("*.json")):
            seen.add(written.read_text(encoding="utf-8"))
