"""The maintenance window: whether we are inside, and for how long. Pure: the clock is a parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d\Z")


@dataclass(frozen=True)
class Window:
    """From ``start`` to ``end`` (not included) by the clock of ``timezone``; it may cross midnight."""

    start: time
    end: time
    timezone: str

    def __str__(self) -> str:
        """As people say it."""
        return f"{self.start:%H:%M}–{self.end:%H:%M} {self.timezone}"


@dataclass(frozen=True)
class Position:
    """Where the clock stands. ``seconds``: until it closes when inside, until it opens when outside."""

    inside: bool
    seconds: float
    local: datetime

    @property
    def minutes(self) -> int:
        """The same in whole minutes."""
        return int(self.seconds // 60)


def parse_window(value: Any) -> Window | None:
    """Return the window, None for {} (always open); ValueError in Spanish otherwise: nothing said is not "always"."""
    if isinstance(value, Mapping) and not value:
        return None
    if not isinstance(value, Mapping) or set(value) != {"start", "end", "timezone"}:
        raise ValueError('se espera {start: "02:00", end: "06:00", timezone: America/Guayaquil}, o {} para siempre')
    clocks = {name: str(value[name]) for name in ("start", "end")}
    for name, clock in clocks.items():
        if not CLOCK.match(clock):
            raise ValueError(f'{name}: se espera una hora entre comillas como "02:00", no {clock!r}')
    if clocks["start"] == clocks["end"]:
        raise ValueError("start y end son la misma hora; para que no haya límite, {}")
    try:
        ZoneInfo(str(value["timezone"]))
    except (KeyError, ValueError, OSError):
        if not available_timezones():
            raise ValueError(
                "timezone: en esta máquina faltan los datos de zonas horarias. Los instala make setup, o en otra máquina: "
                "pip install tzdata, en el Python que ejecuta los módulos"
            ) from None
        raise ValueError(f"timezone: {value['timezone']!r} no es una zona como America/Guayaquil") from None
    return Window(time.fromisoformat(clocks["start"]), time.fromisoformat(clocks["end"]), str(value["timezone"]))


def position(window: Window, now: datetime) -> Position:
    """Where ``now`` (aware) stands, by the window's own clock and not by the machine's."""
    local = now.astimezone(ZoneInfo(window.timezone))
    clock = local.time()
    if window.start < window.end:
        inside = window.start <= clock < window.end
    else:
        inside = clock >= window.start or clock < window.end
    edge = window.end if inside else window.start
    at = datetime.combine(local.date(), edge, local.tzinfo)
    if edge <= clock:
        at = datetime.combine(local.date() + timedelta(days=1), edge, local.tzinfo)
    return Position(inside, at.timestamp() - local.timestamp(), local)
