"""The command line of the chaos loop; see the package."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.sample.build import INSTALLATIONS
from tests.support.databases import Databases
from tests.support.reaper import reaped
from tools.postgres_server import launch

from .nights import Nights
from .plan import round_of
from .proxy import Proxy, proxy
from .rounds import Outcome, Player

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the rounds; 0 when all went well."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="of each installation")
    parser.add_argument("--seed", type=int, default=None, help="default: a random one, which is printed")
    parser.add_argument("--installation", choices=("both", *INSTALLATIONS), default="both")
    parser.add_argument("--only", type=int, default=0, help="play this round alone")
    parser.add_argument("--rows", type=int, default=300, help="customers of the sample")
    parser.add_argument("--batch-rows", type=int, default=10, help="small, so that a copy is long enough to be hit")
    parser.add_argument("--nights", type=int, default=0, help="instead: so many nights there and back while services write")
    parser.add_argument("--kills", type=int, default=50, help="accidents in all of them")
    parser.add_argument("--pace", type=float, default=0.0, help="how slow this machine is; default: measured")
    parser.add_argument("--keep", type=Path, default=ROOT / ".chaos", help="where a failed round leaves its output")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(10_000) if options.seed is None else options.seed
    chosen = tuple(INSTALLATIONS) if options.installation == "both" else (options.installation,)
    numbers = [options.only] if options.only else range(1, options.rounds + 1)
    print(f"seed {seed}, {len(numbers)} rounds of {' and '.join(chosen)}", flush=True)
    failed: list[Outcome] = []
    with ExitStack() as stack:
        binaries = os.environ.get("TEST_POSTGRES_BIN")
        settings = {"max_prepared_transactions": "10"}
        server = stack.enter_context(reaped(launch(Path(binaries) if binaries else None, fsync=False, settings=settings)))
        line = stack.enter_context(proxy(server))
        work = options.keep / f"seed-{seed}"
        databases = Databases(server)
        if options.nights:
            return _nights(options, databases, line, work, seed, chosen)
        players = {
            name: Player(databases, line, work, installation=name, rows=options.rows, batch_rows=options.batch_rows)
            for name in chosen
        }
        for player in players.values():
            player.pace = options.pace
        for number in numbers:
            for name, player in players.items():
                outcome = player.play(round_of(seed, name, number))
                print(outcome.line(len(numbers)), flush=True)
                if outcome.problems:
                    failed.append(outcome)
                    print("\n".join(f"    {problem}" for problem in outcome.problems), flush=True)
                    print(f"    again: {outcome.repeat(seed)}", flush=True)
        server.stop()
    print(f"{len(failed)} of {len(numbers) * len(chosen)} rounds failed" if failed else "all rounds end well", flush=True)
    return 1 if failed else 0


def _nights(options: argparse.Namespace, databases: Databases, line: Proxy, work: Path, seed: int, chosen: Sequence[str]) -> int:
    """Nights with services instead; 0 when all went well."""
    bad = False
    for name in chosen:
        nights = Nights(databases, line, work / name, installation=name, seed=seed, rows=options.rows)
        try:
            found = nights.play(options.nights, options.kills)
        finally:
            print("\n".join(nights.night.lines()), flush=True)
        bad = bad or bool(found.problems)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
