"""Instants: text dates in ISO form, and legacy times without a zone, as a timestamp in UTC.

Days are counted in integers, since Python's own dates end at the year 9999 and PostgreSQL's at 294276.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from .fates import UnfitError

NO_DATE, _OUT_OF_RANGE = "22007", "22008"
INFINITIES = ("infinity", "-infinity")
_SECOND, _DAY = 10**6, 86_400 * 10**6
_WRITTEN = re.compile(r"([0-9]{4,6})-([0-9]{2})-([0-9]{2})(?: ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?)?( BC)?")
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
    r"(Z|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
# Words for an instant that is another one every day: whatever stands beside them, the text is no date.
_PASSING = re.compile("now|today|tomorrow|yesterday", re.IGNORECASE)
_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def passes(text: str) -> bool:
    """Tell whether the text names an instant that another day would name otherwise."""
    return _PASSING.search(text) is not None


def utc_of_iso(text: str) -> str | None:
    """Return the timestamp that a date in ISO form names, UTC where it says no zone; None for any other form.

    What only a server can judge (a leap second, 24:00, digits beyond microseconds) counts as another form. Raises UnfitError
    for a day or a time that no calendar has.
    """
    found = _ISO.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if year == 0 or hour > 23 or second > 59 or int(found[10] or 0) > 14:
        return None
    if not 1 <= month <= 12 or not 1 <= day <= _days_of(year, month) or minute > 59 or int(found[11] or 0) > 59:
        raise UnfitError(NO_DATE)
    away = (int(found[10] or 0) * 60 + int(found[11] or 0)) * 60 * _SECOND * (-1 if found[9] == "-" else 1)
    ticks = _ticks(year, month, day) + ((hour * 60 + minute) * 60 + second) * _SECOND + _fraction(found[7])
    return _text_of(ticks - away)


def ticks_of(text: str) -> int:
    """Return microseconds since the first day of the year 1 of a date or timestamp as the server writes it, in UTC."""
    found = _WRITTEN.fullmatch(text.replace("+00", ""))
    if not found:
        raise ValueError(f"no date as the server writes it: {text}")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    ticks = _ticks(1 - year if found[8] else year, month, day)
    return ticks + ((hour * 60 + minute) * 60 + second) * _SECOND + _fraction(found[7])


def utc_of_local(text: str, zone: str) -> str:
    """Return what a timestamp without a zone, written by the clock of that place, is in UTC.

    An hour that comes twice a year is standard time, one that never comes too. Raises UnfitError, 22008, within a day of the
    first and the last instant of PostgreSQL, where the other clock might have none.
    """
    if zone == "UTC" or text in INFINITIES:
        return text
    ticks = ticks_of(text)
    if not _FIRST + _DAY <= ticks < _AFTER_LAST - _DAY:
        raise UnfitError(_OUT_OF_RANGE)
    return _text_of(ticks - _ahead_of_utc(text, ZoneInfo(zone)))


def utc_of_zoned(text: str) -> str:
    """Return a timestamptz, as a session in UTC writes it, as a timestamp."""
    return text.replace("+00", "")


def _ahead_of_utc(text: str, zone: ZoneInfo) -> int:
    """Microseconds by which the place's clock is ahead then. Outside Python's years a year of the same calendar stands in."""
    found = _WRITTEN.fullmatch(text)
    assert found is not None  # ticks_of has read it
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if found[8]:
        year, month, day = 1, 1, 2
    elif year > 9999:
        year = 9200 + year % 400
    ahead = []
    for fold in (0, 1):
        offset = datetime(year, month, day, hour, minute, second, tzinfo=zone, fold=fold).utcoffset()
        assert offset is not None  # a ZoneInfo always knows
        ahead.append((offset.days * 86_400 + offset.seconds) * _SECOND)
    return min(ahead)


def _days_of(year: int, month: int) -> int:
    leap = month == 2 and ((year % 4 == 0 and year % 100 != 0) or year % 400 == 0)
    return _MONTHS[month - 1] + leap


def _ticks(year: int, month: int, day: int) -> int:
    """Microseconds from 0001-01-01 to that day; the year before 1 is 0."""
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400
    return (days + sum(_days_of(year, m) for m in range(1, month)) + day - 1) * _DAY


_FIRST, _AFTER_LAST = _ticks(-4713, 11, 24), _ticks(294_277, 1, 1)


def _fraction(digits: str | None) -> int:
    return int((digits or "").ljust(6, "0"))


def _text_of(ticks: int) -> str:
    if not _FIRST <= ticks < _AFTER_LAST:
        raise UnfitError(_OUT_OF_RANGE)
    days, rest = divmod(ticks, _DAY)
    year = days * 400 // 146_097 + 1
    while _ticks(year, 1, 1) > days * _DAY:
        year -= 1
    while _ticks(year + 1, 1, 1) <= days * _DAY:
        year += 1
    day, month = days - _ticks(year, 1, 1) // _DAY + 1, 1
    while day > _days_of(year, month):
        day, month = day - _days_of(year, month), month + 1
    seconds, micros = divmod(rest, _SECOND)
    time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    tail = f".{micros:06}".rstrip("0") if micros else ""
    return f"{year if year > 0 else 1 - year:04}-{month:02}-{day:02} {time}{tail}{'' if year > 0 else ' BC'}"
