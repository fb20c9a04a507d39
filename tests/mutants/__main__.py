"""Make every mutant of the forward SELECTs and say who finds it: python -m tests.mutants [--every N] [--rows N] [--large N].

What nobody finds is compared with the original on many more rows: where it says the same of all of them it is equivalent and
not counted; else the second opinion judges it there.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from contextlib import ExitStack

from plugins.module_utils.core.rows.routes import Route
from tests.mutants.rules import Mutant
from tests.mutants.views import Ground, all_mutants, hostile_ground
from tests.support.databases import Databases
from tests.support.reaper import reaped
from tools.postgres_server import launch

INSTALLATIONS = ("jsonb", "text")
NEEDED = 0.99
SURVIVOR, EQUIVALENT = "nobody", "equivalent"
Left = list[tuple[Route, Mutant]]


def first_pass(found: Ground, every: int, by_rule: dict[str, Counter[str]]) -> Left:
    """Count who finds each mutant; those that nobody finds are left."""
    left: Left = []
    for number, (route, mutant) in enumerate(all_mutants(found.context.all_routes)):
        if number % every == 0:
            if seen := found.found_by(route, mutant):
                by_rule[mutant.rule][seen] += 1
            else:
                left.append((route, mutant))
    return left


def second_pass(large: Ground, left: Left, by_rule: dict[str, Counter[str]]) -> Left:
    """Count what is equivalent and what is found on many rows; what is left survives."""
    routes = {r.view: r for r in large.context.all_routes}
    survivors: Left = []
    for route, mutant in left:
        here = routes[route.view]
        verdict = EQUIVALENT if large.says_the_same(here, mutant) else large.found_by(here, mutant) or SURVIVOR
        by_rule[mutant.rule][verdict] += 1
        survivors += [(route, mutant)] if verdict == SURVIVOR else []
    return survivors


def report(by_rule: dict[str, Counter[str]], survivors: Left) -> float:
    """Print the table and the survivors; the part of those that count that is found."""
    total: Counter[str] = sum(by_rule.values(), Counter())
    for rule, found in sorted(by_rule.items()):
        print(f"{rule:28} {', '.join(f'{who} {n}' for who, n in sorted(found.items()))}")
    for route, mutant in survivors:
        print(f"  left: {route.pair.source} → {route.pair.target}: {mutant.rule}: {mutant.where}")
    counted = total.total() - total[EQUIVALENT]
    part = 1 - total[SURVIVOR] / counted
    print(f"{total.total()} mutants, {total[EQUIVALENT]} equivalent; found {part:.2%} of {counted}: {dict(total)}")
    return part


def main() -> int:
    """The command line; 1 where too many survive."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only each so manieth mutant")
    parser.add_argument("--rows", type=int, default=300, help="hostile rows of each table, for all mutants")
    parser.add_argument("--large", type=int, default=6000, help="hostile rows of each table, for those that nobody found")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    survivors: Left = []
    with reaped(launch(None)) as server, ExitStack() as stack:
        databases = Databases(server)

        def of(installation: str, seed: int, rows: int) -> Ground:
            database = databases.sample(installation, up_to="fase1")
            return stack.enter_context(hostile_ground(database, installation, seed, rows))

        for installation in INSTALLATIONS:
            left = first_pass(of(installation, options.seed, options.rows), options.every, by_rule)
            print(f"{installation}: {len(left)} that nobody found yet", flush=True)
            survivors += second_pass(of(installation, options.seed + 1, options.large), left, by_rule)
    return 0 if report(by_rule, survivors) >= NEEDED else 1


if __name__ == "__main__":
    sys.exit(main())
