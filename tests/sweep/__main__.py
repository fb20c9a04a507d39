"""Cut every command at every statement: python -m tests.sweep [--every N] [--command fase2] [--piece 1/2].

What has been cut is kept in .sweep/ as long as the runbook says the same, so a call that was broken off goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.databases import Databases
from tests.support.jobs import ROOT
from tools.postgres_server import launch

from .counting import Cut
from .sweep import COMMANDS, Sweep, chosen

KEPT = ROOT / ".sweep"
SWEPT = ("plugins", "files", "tests/sweep", "tests/sample")


def digest() -> str:
    """Of all that what a cut shows hangs on."""
    found = hashlib.sha256()
    for folder in SWEPT:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def sweep_piece(piece: int, pieces: int, every: int, names: list[str], done: Path) -> Iterator[str]:
    """Cut what falls to this piece and was not cut yet; yields what is wrong."""
    kept = set(done.read_text(encoding="utf-8").splitlines()) if done.exists() else set()
    with launch(None, fsync=False) as server, tempfile.TemporaryDirectory() as folder, done.open("a", encoding="utf-8") as record:
        databases = Databases(server)
        for command in COMMANDS:
            if names and command.name not in names:
                continue
            sweep = Sweep(databases, command, Path(folder))
            sweep.measure()
            cuts = chosen(sweep.statements, every)[piece - 1 :: pieces]
            left = [cut for cut in cuts if _line(command.name, cut) not in kept]
            print(f"{command.name}: {len(sweep.statements)} statements; {len(left)} of {len(cuts)} cuts to make", flush=True)
            for cut in left:
                if wrong := sweep.problems(cut):
                    yield from wrong
                else:
                    print(_line(command.name, cut), file=record, flush=True)


def _line(name: str, cut: Cut) -> str:
    return f"{name}: {cut}"


def main() -> int:
    """A process for each core; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only around every so many COMMITs")
    parser.add_argument("--command", action="append", default=[], choices=[c.name for c in COMMANDS])
    parser.add_argument("--piece", help="1/2: only the first of two pieces")
    given = parser.parse_args()
    if given.piece is None:
        count = os.cpu_count() or 1
        words = [sys.executable, "-m", "tests.sweep", *sys.argv[1:]]
        running = [subprocess.Popen([*words, "--piece", f"{n}/{count}"], cwd=ROOT) for n in range(1, count + 1)]
        return max(process.wait() for process in running)
    piece, pieces = map(int, given.piece.split("/"))
    KEPT.mkdir(exist_ok=True)
    wrong = 0
    for problem in sweep_piece(piece, pieces, given.every, given.command, KEPT / f"{digest()}.{piece}-{pieces}"):
        print(f"WRONG {problem}", flush=True)
        wrong += 1
    print(f"piece {piece} of {pieces}: {wrong} wrong", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
