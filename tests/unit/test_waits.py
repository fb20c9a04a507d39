"""How long we stand in the way of others: services write meanwhile, so these figures are promises."""

from __future__ import annotations

import re

import pytest

from plugins.module_utils.core.waits import BUILD_INDEX, DDL, DROP_INDEX, LOOK, ROWS, SESSION, TRIAL, Wait

SHORT = {"ROWS": ROWS, "LOOK": LOOK, "DDL": DDL, "DROP_INDEX": DROP_INDEX, "TRIAL": TRIAL}


@pytest.mark.parametrize(
    ("wait", "most"),
    [
        (ROWS, 200),  # longer, and our batches take part in the deadlocks of writers
        (LOOK, 200),
        (DDL, 500),  # whoever comes after a waiting DDL waits with it
        (DROP_INDEX, ROWS.timeout_ms),  # readers would wait too
        (TRIAL, min(ROWS.timeout_ms, LOOK.timeout_ms, DDL.timeout_ms, DROP_INDEX.timeout_ms) - 1),  # nobody needs it done
    ],
)
def test_services_wait_for_us_no_longer_than_this(wait: Wait, most: int) -> None:
    assert 0 < wait.timeout_ms <= most  # 0 would be without end


def test_an_index_built_beside_writers_waits_some_minutes_for_old_transactions() -> None:
    assert 5 * 60_000 <= BUILD_INDEX.timeout_ms <= 15 * 60_000


@pytest.mark.parametrize("name", SHORT)
def test_the_net_under_a_session_cuts_no_other_wait_short(name: str) -> None:
    seconds = re.fullmatch(r"(\d+)s", SESSION)
    assert seconds
    assert SHORT[name].timeout_ms < int(seconds[1]) * 1000 <= 10_000


@pytest.mark.parametrize(
    ("wait", "least", "most"),
    [
        (ROWS, 5, 10),  # a batch outlasts a writer's short transaction, and an operator sees the copy move
        (LOOK, 2, 3),  # nobody needs these rows at once: the proof ends and is repeated
        (DDL, 5, 10),  # each try holds up whoever comes after it
        (DROP_INDEX, 1, 2),  # the load works without it as well
        (TRIAL, 0.3, 0.5),  # a busy table is tried again later
        (BUILD_INDEX, 1000, 1800),  # a second chance; with three, an hour that nobody has
    ],
)
def test_all_tries_together_are_worth_making_and_come_to_an_end(wait: Wait, least: float, most: float) -> None:
    assert wait.tries > 1
    assert least <= wait.timeout_ms * wait.tries / 1000 <= most
