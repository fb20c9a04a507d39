"""How fast, how long, how many rows next; when to wait for others; whether the disk holds. All pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plugins.module_utils.core.backfill.growth import GIGABYTE, Growth, ServerDisk, StillToCopy, WalKept, forecast, forecast_line
from plugins.module_utils.core.backfill.load import ServerLoad as Others
from plugins.module_utils.core.backfill.load import Slot, Standby, Transaction
from plugins.module_utils.core.backfill.pace import BATCH_SECONDS, FEWEST, blended, next_rows
from plugins.module_utils.core.phase.window import parse_window, position

MIB = 2**20


@pytest.mark.parametrize(
    ("done", "seconds", "waiters", "rows"),
    [
        (1000, 0.2, 0, 2000),
        (4000, 0.2, 0, 5000),  # the setting is the most
        (8, 0.2, 0, 16),  # bounded by bytes: as few again, and not 5000 looked at for eight
        (5000, 0.2, 3, 2500),
        (30, 0.2, 1, FEWEST),
        (1000, 4 * BATCH_SECONDS, 0, 250),
        (1, 60.0, 0, 1),
        (1000, BATCH_SECONDS, 0, 2000),
        (0, 0.2, 0, 1),
    ],
)
def test_the_next_batch_is_as_large_as_the_last_one_allows(done: int, seconds: float, waiters: int, rows: int) -> None:
    assert next_rows(done, 5000, seconds, waiters) == rows


def test_a_setting_below_the_fewest_rows_stays_the_most() -> None:
    assert next_rows(3, 3, 0.1, 2) == 3


def test_the_rate_follows_what_happened_of_late() -> None:
    rate = None
    for _ in range(4):
        rate = blended(rate, 15_000, 15)
    assert rate == pytest.approx(1000)
    for slices, at_most in ((1, 900), (3, 700), (6, 570)):
        slower = rate
        for _ in range(slices):
            slower = blended(slower, 7_500, 15)
        assert 500 < (slower or 0) < at_most
    assert blended(rate, 0, 0) == rate


# --- others


@pytest.mark.parametrize(
    ("standby", "waits"),
    [
        (Standby("r", 0.2, 3 * MIB), False),
        (Standby("r", 30.0, 0), False),  # an old measurement of one that has caught up
        (Standby("r", 30.0, 2 * MIB), True),
        (Standby("r", None, 65 * MIB), True),
        (Standby("r", None, None), False),
    ],
)
def test_a_standby_holds_the_copy_while_it_is_behind(standby: Standby, waits: bool) -> None:
    assert bool(Others((standby,)).objection()) is waits


def test_standbys_that_do_not_show_how_far_behind_they_are_are_counted() -> None:
    assert Others((Standby("a", 0.2, None), Standby("b", None, None), Standby("c", 0.2, 0))).hidden == 2


@pytest.mark.parametrize(
    ("slot", "waits"),
    [
        (Slot("s", True, "reserved", 3000 * MIB, 10 * MIB), False),
        (Slot("s", True, "extended", 900 * MIB, 3100 * MIB), True),
        (Slot("s", True, "extended", 1024 * MIB, 3000 * MIB), False),  # a quarter of the limit
        (Slot("s", False, "unreserved", -5 * MIB, 4100 * MIB), True),
        (Slot("s", False, "lost", None, 0), False),
    ],
)
def test_a_slot_holds_the_copy_before_it_loses_what_nobody_has_read(slot: Slot, waits: bool) -> None:
    assert bool(Others(slots=(slot,), slot_limit=4096 * MIB).objection()) is waits


def test_a_slot_without_limit_holds_the_copy_when_it_fills_the_disk() -> None:
    kept = Slot("s", False, "extended", None, 5000 * MIB)
    assert "ranura de replicación s retiene 5 GB de WAL" in Others(slots=(kept,)).objection()
    assert Others(slots=(Slot("s", True, "extended", None, 900 * MIB),)).objection() == ""


def test_a_transaction_open_for_long_slows_the_copy_and_is_named() -> None:
    assert Others(oldest=Transaction(7, "ana", "psql", 599.0)).drag() == ""
    said = Others(oldest=Transaction(7, "ana", "psql", 1200.0)).drag()
    assert "pid 7 (ana, «psql») está abierta desde hace 20 min" in said


# --- the disk


def test_the_forecast_counts_tables_indexes_the_largest_sort_and_wal_that_is_kept() -> None:
    loads = [StillToCopy(1000 * MIB, 1_000_000, 6), StillToCopy(0, 10_000, 3)]
    bounded, free = forecast(loads, WalKept(1024 * MIB)), forecast(loads, WalKept(None))
    assert bounded.tables == 1000 * MIB
    assert bounded.indexes == 45 * (6_000_000 + 30_000 + 1_000_000)
    assert bounded.wal == 1024 * MIB
    assert free.wal == pytest.approx(1.2 * (1000 * MIB + 45 * 6_030_000))


def test_where_nothing_is_left_to_copy_the_disk_stays_as_it_is() -> None:
    assert forecast([], WalKept(None)) == Growth(0, 0, 0)


@pytest.mark.parametrize(("used", "refused"), [(74, False), (76, True), (120, True)])
def test_a_copy_that_would_fill_more_than_85_percent_is_refused(used: int, refused: bool) -> None:
    growth = Growth(6 * GIGABYTE, 3 * GIGABYTE, 1 * GIGABYTE)
    assert bool(ServerDisk(used * GIGABYTE, 100 * GIGABYTE, growth).objection()) is refused
    assert ServerDisk(used * GIGABYTE, 0, growth).objection() == ""
    assert "no se sabe" in forecast_line(growth, 0, 0)
    assert "llegaría al 84 %" in forecast_line(growth, 74 * GIGABYTE, 100 * GIGABYTE)


def test_a_running_copy_stops_at_85_percent() -> None:
    assert ServerDisk(84 * GIGABYTE, 100 * GIGABYTE).objection() == ""
    assert "más del 85 %" in ServerDisk(86 * GIGABYTE, 100 * GIGABYTE).objection()
    assert ServerDisk(86 * GIGABYTE, 0).objection() == ""


# --- the window


def test_the_seconds_until_the_window_closes_are_exact() -> None:
    window = parse_window({"start": "02:00", "end": "06:00", "timezone": "America/Guayaquil"})
    assert window is not None
    where = position(window, datetime(2026, 11, 25, 10, 59, 20, tzinfo=UTC))
    assert (where.inside, where.seconds, where.minutes) == (True, 40.0, 0)
