"""Make every mutant of the SQL that carries and proves rows, and say who finds it: python -m tests.mutants [--every N].

What nobody finds is tried again on many more rows: where it comes to the same there it is equivalent and not counted. What is
known stays in .mutants/, so that a run that was stopped goes on; a mutant of SQL that has changed is another one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from plugins.module_utils.call.context import Context
from tests.mutants.comparison import planted_comparison
from tests.mutants.functions import tried_functions
from tests.mutants.ground import hostile_copy
from tests.mutants.verdicts import Ground, Kept, Verdict, judge, report
from tests.mutants.views import judged_views
from tests.support.databases import Database, Databases
from tests.support.reaper import reaped
from tools.postgres_server import launch

INSTALLATIONS = ("jsonb", "text")
SEED = 1
KEPT = Path(__file__).parents[2] / ".mutants"
# What has mutants: how its ground is made of copied rows, and how many hostile ones each table has, first and for those left.
PARTS: dict[str, tuple[Callable[[Context, Database], Ground], int, int]] = {
    "views": (lambda context, _: judged_views(context), 300, 6_000),
    "comparison": (planted_comparison, 100, 3_000),
    "functions": (lambda context, _: tried_functions(context), 100, 1_500),  # each mutant copies and mends a whole table
}


def judged(databases: Databases, part: str, installation: str, every: int) -> list[Verdict]:
    """Try the mutants of one part in one installation."""
    make, few, many = PARTS[part]
    with ExitStack() as stack:

        def ground(seed: int, rows: int) -> Ground:
            database = databases.sample(installation, 100, messages=100, up_to="fase1")
            stack.callback(databases.drop, database)
            return make(stack.enter_context(hostile_copy(database, installation, seed, rows)), database)

        kept = Kept(KEPT / f"{part}-{installation}.jsonl")
        return list(judge(part, installation, ground(SEED, few), lambda: ground(SEED + 1, many), every, kept))


def main() -> int:
    """The command line; 1 where too many survive, or one without a reason."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only each so manieth mutant")
    options = parser.parse_args()
    verdicts: list[Verdict] = []
    with reaped(launch(None)) as server:
        databases = Databases(server)
        for part in PARTS:
            for installation in INSTALLATIONS:
                verdicts += judged(databases, part, installation, options.every)
                print(f"{part}, {installation}: {len(verdicts)} mutants so far", flush=True)
    return 0 if report(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
