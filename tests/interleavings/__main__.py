"""The command line of the interleavings; see the package."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.conftest import make_logins_cheap
from tests.sample.build import INSTALLATIONS
from tests.support.databases import Databases
from tests.support.reaper import reaped
from tools.postgres_server import launch

from .ground import Ground
from .parts import LOADING, PARTS, ROOT, Kept, Result, grounds, play
from .planted import MISTAKES, refuted

MOST = 3000  # orders in which a planted mistake is looked for


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the parts; 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(prog="make interleavings", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=("all", *PARTS), default="all")
    parser.add_argument("--limit", type=int, default=300, help="orders of one scenario; of more, so many by the seed")
    parser.add_argument("--installation", choices=("both", *INSTALLATIONS), default="both")
    parser.add_argument("--hours", type=float, default=8.0, help="what is not done by then is done the next time")
    parser.add_argument("--only", default="", help="scenarios whose name contains this, whether done or not")
    parser.add_argument("--planted", action="store_true", help="plant mistakes, and say which order refutes each")
    options = parser.parse_args(arguments)
    until = time.monotonic() + 3600 * options.hours
    installations = tuple(INSTALLATIONS) if options.installation == "both" else (options.installation,)
    sound = True
    with ExitStack() as stack:
        chosen = os.environ.get("TEST_POSTGRES_BIN")
        server = stack.enter_context(reaped(launch(Path(chosen) if chosen else None, fsync=False)))
        make_logins_cheap(server)
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        databases = Databases(server)
        if options.planted:
            return _planted(grounds(databases, installations[0], work, True), options.seed, options.only)
        for installation in installations:
            for part in PARTS if options.part == "all" else (options.part,):
                where = grounds(databases, installation, work, part == "half-way", loading=part == LOADING)
                scenarios = [s for s in PARTS[part](where[0], options.seed) if options.only in s.name]
                random.Random(options.seed).shuffle(scenarios)
                folder = work if options.only else ROOT / ".interleavings"
                kept = Kept(folder, f"{installation}-{part}-{options.seed}-{options.limit}")
                for result in play(where, kept.left(scenarios), options.limit, until - time.monotonic()):
                    kept.keep(result)
                    for lines in result.wrong:
                        print("\n    ".join(lines), flush=True)
                sound &= _told(f"{installation} {part}", kept.result, len(scenarios))
        server.stop()
    return 0 if sound else 1


def _planted(where: Sequence[Ground], seed: int, only: str) -> int:
    left = 0
    for mistake in (m for m in MISTAKES if only in m.name):
        orders, lines = refuted(where, mistake, seed, MOST)
        print(f"{mistake.name}: {f'refuted after {orders}' if lines else f'not refuted by {orders}'} orders")
        print("\n    ".join(["    " + line for line in lines[:3]]), flush=True)
        left += not lines
    return 1 if left else 0


def _told(name: str, result: Result, scenarios: int) -> bool:
    counted = result.counted
    tried = counted["orders"] + counted["stalled"]
    print(f"{name}: {len(result.names)} of {scenarios} scenarios, {counted['orders']} orders, {len(result.wrong)} wrong,")
    print(f"    {counted['ms'] / max(1, tried):.0f} ms each; {dict(counted)}", flush=True)
    return not result.wrong


if __name__ == "__main__":
    sys.exit(main())
