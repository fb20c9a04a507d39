"""Copies of the checkout in which a mutant's tests run: whatever ends them, the checkout itself has never held a mistake."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import copy2

from tests.mutants.python.plugin import CHOSEN, ROOT

SURVIVED = ""
NO_TESTS = 5


class Copy:
    """One copy with a .venv of its own, in which the collection is the copy."""

    def __init__(self, root: Path, spare: Path) -> None:
        self.root, self.spare, self.second = root, spare, int(time.time())
        self.running: subprocess.Popen[bytes] | None = None

    def found_by(self, path: str, text: str, tests: Sequence[str], timeout: float) -> str:
        """The first test that fails where the file ``path`` says ``text``, SURVIVED where none does.

        Tests that last longer than ``timeout`` seconds have found it too.
        """
        file, there = self.root / path, (self.root / path).read_text(encoding="utf-8")
        self._write(file, text)
        try:
            return self._run(tests, timeout)
        finally:
            self._write(file, there)

    def _write(self, file: Path, text: str) -> None:
        """Each time a second later: Python takes what it compiled for as long as size and second are the same."""
        self.second += 1
        file.write_text(text, encoding="utf-8")
        os.utime(file, (self.second, self.second))

    def _run(self, tests: Sequence[str], timeout: float) -> str:
        chosen = self.spare / "chosen.json"
        chosen.write_text(json.dumps(self._by_file(tests)), encoding="utf-8")
        python = self.root / ".venv/bin/python"
        options = ["-x", "-q", "-rfE", "--tb=no", "-m", "not slow", "-p", "no:cacheprovider", "-p", "tests.mutants.python.plugin"]
        files = list(dict.fromkeys(test.split("::")[0] for test in tests))
        with open(self.spare / "out", "w+", encoding="utf-8", errors="replace") as out:
            self.running = process = subprocess.Popen(
                [python, "-m", "pytest", *options, f"--basetemp={self.spare / 'pytest'}", *files],
                cwd=self.root,
                env={**os.environ, CHOSEN: str(chosen)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                return "(too long)"
            finally:
                self.end()
            out.seek(0)
            said = out.read()
        if code in (-signal.SIGKILL, -signal.SIGTERM):
            raise InterruptedError("somebody ended the tests")
        if code == NO_TESTS:
            raise RuntimeError(f"none of these tests is there: {tests}\n{said}")
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
        return SURVIVED if code == 0 else failed[1] if failed else f"(pytest ended with {code})"

    def end(self) -> None:
        """End the tests and what they started in their own group; servers end by themselves when their tests are gone."""
        if self.running is not None and self.running.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()

    def _by_file(self, tests: Sequence[str]) -> list[str]:
        """The tests, and for a folder among them its files."""
        found: list[str] = []
        for test in tests:
            folder = self.root / test
            files = sorted(folder.rglob("test_*.py")) if folder.is_dir() else []
            found += [str(file.relative_to(self.root)) for file in files] or [test]
        return found


@contextmanager
def copied() -> Iterator[Copy]:
    """A copy of what git would commit now, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="mutantes-") as folder:
        root, spare = Path(folder, "copia"), Path(folder, "aparte")
        spare.mkdir()
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, encoding="utf-8"
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_symlink() or (ROOT / name).exists():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                copy2(ROOT / name, root / name, follow_symlinks=False)
        _make_venv(root)
        yield Copy(root, spare)


def _make_venv(root: Path) -> None:
    """The packages of this .venv, its commands, and the copy as the collection."""
    own, here = root / ".venv", Path(sys.prefix)
    venv.create(own, symlinks=True)
    packages = own / Path(sysconfig.get_path("purelib")).relative_to(here)
    (packages / "all.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    namespace = packages / "ansible_collections" / "tinkubot"
    namespace.mkdir(parents=True)
    (namespace / "migracion").symlink_to(root)
    for command in (here / "bin").iterdir():
        if not (own / "bin" / command.name).exists() and (text := command.read_bytes()).startswith(b"#!"):
            (own / "bin" / command.name).write_bytes(text.replace(bytes(here), bytes(own), 1))
            (own / "bin" / command.name).chmod(0o755)
