"""A part of what make mutants makes: whatever changes a row's fate or values is found, by PostgreSQL or the second opinion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.mutants.rules import RULES, mutants_of
from tests.mutants.views import OPINION, all_mutants, hostile_ground
from tests.support.databases import Database
from tests.support.variants import brief

EVERY = 17


@pytest.mark.parametrize("installation", brief(["jsonb", "text"], "jsonb"))
def test_a_mutant_that_changes_a_row_is_found(new_database: Callable[..., Database], installation: str) -> None:
    found: Counter[str] = Counter()
    with hostile_ground(new_database(installation, up_to="fase1"), installation, 1, 200) as ground:
        for number, (route, mutant) in enumerate(all_mutants(ground.context.all_routes)):
            if number % EVERY == 0:
                seen = ground.found_by(route, mutant)
                found[seen] += 1
                assert seen or ground.says_the_same(route, mutant), (route.view, mutant.rule, mutant.where)
    assert found[OPINION] > 20


def test_each_rule_makes_mutants_that_differ_in_one_place() -> None:
    sql = """SELECT l.id FROM public.x l
LEFT JOIN public.y b1 ON b1.id = l.other
CROSS JOIN LATERAL (SELECT
    l.a::character varying(20) AS a,
    coalesce(l.b, 'sin') AS b,
    CASE WHEN l.c < 3 AND l.c >= 0 OR l.c <= -5 THEN 'uno' ELSE 'otro' END AS c,
    (l.d AT TIME ZONE 'UTC') AS d) v
WHERE l.kind::text = 'x' AND NOT (l.a IS NULL) AND l.b IS NOT NULL AND l.a = 'b' AND l.c <> 7 AND l.c > 1
  AND rtrim(substr(l.a, 21), ' ') <> '' AND char_length(l.a) = 20 AND l.a COLLATE "C" = 'z' AND d.puesto > 1
ORDER BY o.id)"""
    made = list(mutants_of(sql))
    assert {m.rule for m in made} == set(RULES)
    assert len({m.text for m in made}) == len(made)
    assert sql not in {m.text for m in made}
