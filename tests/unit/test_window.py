"""The maintenance window, by its own clock."""

from __future__ import annotations

import importlib
import re
import sys
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from plugins.module_utils.core.phase.window import Window, parse_window, position


def window(start: str, end: str, zone: str = "America/Guayaquil") -> Window:
    parsed = parse_window({"start": start, "end": end, "timezone": zone})
    assert parsed is not None
    return parsed


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "inside", "minutes"),
    [
        ("2026-11-25T07:00", True, 240),  # 02:00 in Guayaquil
        ("2026-11-25T10:50", True, 10),
        ("2026-11-25T11:00", False, 1200),  # 06:00: closed, opens in 20 h
        ("2026-11-25T06:59", False, 1),
        ("2026-11-25T02:30", False, 270),  # 21:30 of the day before
    ],
)
def test_the_window_is_open_from_its_start_until_before_its_end(now: str, inside: bool, minutes: int) -> None:
    where = position(window("02:00", "06:00"), at(now))
    assert (where.inside, where.minutes) == (inside, minutes)


@pytest.mark.parametrize(
    ("now", "inside", "minutes"),
    [
        ("2026-11-25T23:30", True, 270),
        ("2026-11-25T03:59", True, 1),
        ("2026-11-25T04:00", False, 1080),
        ("2026-11-25T12:00", False, 600),
        ("2026-11-25T22:00", True, 360),
    ],
)
def test_a_window_may_cross_midnight(now: str, inside: bool, minutes: int) -> None:
    where = position(window("22:00", "04:00", "UTC"), at(now))
    assert (where.inside, where.minutes) == (inside, minutes)


def test_the_machines_time_zone_does_not_matter() -> None:
    tokyo = at("2026-11-25T07:30").astimezone(timezone(timedelta(hours=9)))
    assert position(window("02:00", "06:00"), tokyo).inside


def test_a_night_with_a_clock_change_is_counted_in_real_minutes() -> None:
    berlin = window("01:00", "04:00", "Europe/Berlin")  # 2026-10-25: 03:00 summer time becomes 02:00
    assert position(berlin, at("2026-10-24T23:30")).minutes == 210


def test_a_window_without_hours_is_always_open() -> None:
    assert parse_window({}) is None


def test_a_machine_without_time_zones_is_named_and_not_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its own nor those of the package tzdata."""
    value = {"start": "02:00", "end": "06:00", "timezone": "America/Guayaquil"}
    importlib.import_module("tzdata.zoneinfo.America")  # as a search for a zone that the system lacks has done before
    for name in [name for name in sys.modules if name.partition(".")[0] == "tzdata"]:
        monkeypatch.setitem(sys.modules, name, None)
    zoneinfo.reset_tzpath(to=())
    zoneinfo.ZoneInfo.clear_cache()
    try:
        with pytest.raises(ValueError, match=r"faltan los datos de zonas horarias.*make setup"):
            parse_window(value)
    finally:
        zoneinfo.reset_tzpath()
        monkeypatch.undo()
    assert parse_window(value) is not None
    with pytest.raises(ValueError, match="no es una zona"):
        parse_window(value | {"timezone": "America/Macondo"})


def test_what_make_setup_installs_brings_time_zones() -> None:
    """For each supported version of Python, and beside them those that a runner has itself."""
    root = Path(__file__).parents[2]
    assert re.search(r'^    "tzdata\b', (root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.search(r"^tzdata==", (root / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
