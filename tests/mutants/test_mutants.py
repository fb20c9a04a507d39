"""A part of what make mutants makes: whatever changes a row, or hides a planted difference, is found by somebody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.mutants.comparison import COMPARISON, PLANTED, named, planted_comparison
from tests.mutants.functions import tried_functions
from tests.mutants.ground import hostile_copy
from tests.mutants.rules import RULES, mutants_of
from tests.mutants.verdicts import OPINION, Ground
from tests.mutants.views import judged_views
from tests.support.databases import Database
from tests.support.variants import brief

ROWS = 60  # hostile rows of each table
EVERY = {"views": 17, "functions": 113, "comparison": 171}


@pytest.mark.parametrize("installation", brief(["jsonb", "text"], "jsonb"))
def test_a_mutant_that_changes_a_row_or_hides_a_difference_is_found(
    new_database: Callable[..., Database], installation: str
) -> None:
    database = new_database(installation, 100, messages=100, up_to="fase1")
    with hostile_copy(database, installation, 1, ROWS) as context:
        assert found("views", judged_views(context))[OPINION] > 15
        assert found("functions", tried_functions(context))[COMPARISON] > 1
        comparison = planted_comparison(context, database)
        for route in context.all_routes:
            account, planted = comparison.account(route), comparison.expected(route)
            assert named(account) == planted.differences
            assert (account.stale_entries, account.stale_merges) == (planted.stale_entries, planted.stale_merges)
            assert account.retained == planted.retained
        assert found("comparison", comparison)[PLANTED] > 2


def found(part: str, ground: Ground) -> Counter[str]:
    """Who finds how many of some mutants; what nobody finds has to come to the same."""
    seen: Counter[str] = Counter()
    for number, (name, mutant) in enumerate(ground.mutants()):
        if number % EVERY[part] == 0:
            who = ground.found_by(name, mutant)
            seen[who] += 1
            assert who or ground.does_the_same(name, mutant), (name, mutant.rule, mutant.where)
    return seen


def test_each_rule_makes_mutants_that_differ_in_one_place() -> None:
    sql = """SELECT l.id FROM public.x l
LEFT JOIN public.y b1 ON b1.id = l.other
CROSS JOIN LATERAL (SELECT
    l.a::character varying(20) AS a,
    coalesce(l.b, 'sin') AS b,
    CASE WHEN l.c < 3 AND l.c >= 0 OR l.c <= -5 THEN 'uno' ELSE 'otro' END AS c,
    (l.d AT TIME ZONE 'UTC') AS d) v
LEFT JOIN public.z t ON ROW(t.a, t.b)::record *<> ROW(v.a, v.b)::record AND t.c IS DISTINCT FROM l.c
WHERE l.kind::text = 'x' AND NOT (l.a IS NULL) AND l.b IS NOT NULL AND l.a = 'b' AND l.c <> 7 AND l.c > 1
  AND rtrim(substr(l.a, 21), ' ') <> '' AND char_length(l.a) = 20 AND l.a COLLATE "C" = 'z' AND d.puesto > 1
ORDER BY o.id)"""
    made = list(mutants_of(sql))
    assert {m.rule for m in made} == set(RULES)
    assert len({m.text for m in made}) == len(made)
    assert sql not in {m.text for m in made}
