"""A pytest plugin: records which lines of plugins/ each test runs (SEEN), or runs the tests of a list in its order (CHOSEN).

Both name a place in the environment: a folder into which each process of the tests writes one file, and a JSON list of tests.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Iterable
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[3]
SEEN, CHOSEN = "MUTANTS_SEEN", "MUTANTS_CHOSEN"


class Recorder:
    """Keeps coverage's contexts apart by test, and the seconds of each that passes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.coverage = coverage.Coverage(data_file=None, source=[str(ROOT / "plugins")], config_file=False)
        self.coverage.start()
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, object, object]:
        """What a file runs while it is read belongs to all its tests, and is kept under the file's name."""
        self.coverage.switch_context(collector.nodeid if isinstance(collector, pytest.File) else "")
        report = yield
        self.coverage.switch_context("")
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """From the first fixture to the last one's end."""
        started = time.monotonic()
        self.coverage.switch_context(item.nodeid)
        result = yield
        self.coverage.switch_context("")
        self.seconds[item.nodeid] = round(time.monotonic() - started, 3)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails without any mutant says nothing of one."""
        if not report.passed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write {"seconds": {test: n}, "names": [tests and files], "lines": {path: {line: [numbers of names]}}}."""
        self.coverage.stop()
        if not self.seconds:
            return
        data = self.coverage.get_data()
        names = sorted(data.measured_contexts() - self.failed - {""})
        number = {name: n for n, name in enumerate(names)}

        def numbers(contexts: Iterable[str]) -> list[int]:
            return sorted(number[name] for name in contexts if name in number)

        lines = {
            str(Path(path).relative_to(ROOT)): {line: numbers(by) for line, by in data.contexts_by_lineno(path).items()}
            for path in data.measured_files()
        }
        seconds = {name: n for name, n in self.seconds.items() if name not in self.failed}
        found = json.dumps({"seconds": seconds, "names": names, "lines": lines})
        (self.folder / f"{os.getpid()}.json").write_text(found, encoding="utf-8")


class Picker:
    """Leaves of what was collected the chosen tests, in their order; a file's name stands for all its tests."""

    def __init__(self, chosen: list[str]) -> None:
        self.rank = {name: n for n, name in enumerate(chosen)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """A mutant may have changed what there is to collect: what is missing is no mistake of the list."""
        last = len(self.rank)
        ranks = {item.nodeid: self.rank.get(item.nodeid, self.rank.get(item.nodeid.split("::")[0], last)) for item in items}
        items[:] = sorted((item for item in items if ranks[item.nodeid] < last), key=lambda item: ranks[item.nodeid])


def pytest_configure(config: pytest.Config) -> None:
    """Begin before the first test file is read."""
    if SEEN in os.environ:
        config.pluginmanager.register(Recorder(Path(os.environ[SEEN])))
    if CHOSEN in os.environ:
        config.pluginmanager.register(Picker(json.loads(Path(os.environ[CHOSEN]).read_text(encoding="utf-8"))))
