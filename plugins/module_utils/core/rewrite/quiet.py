"""Whether services still write to the legacy tables: the last writes counted, and the hours that have to pass. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..words import duration


@dataclass(frozen=True)
class LegacyWrite:
    """The last write of one role and application to one legacy table."""

    table: str
    role: str
    application: str
    last: datetime


@dataclass(frozen=True)
class LegacyWriters:
    """Who wrote to legacy tables, judged at ``now`` against ``hours`` without a write.

    ``uncounted``: legacy tables whose writes nobody counts, because the sync is not installed there.
    """

    writes: tuple[LegacyWrite, ...]
    hours: float
    now: datetime
    uncounted: tuple[str, ...] = ()

    def objection(self) -> str:
        """Say who wrote last and when it will have been long enough, '' where it has."""
        if self.hours <= 0:
            return ""
        if self.uncounted:
            return (
                f"Nadie cuenta quién escribe en {', '.join(self.uncounted)}: la sincronización no está instalada ahí. La instalan"
                " fase2 y fase3."
            )
        since = self.now - timedelta(hours=self.hours)
        late = sorted((write for write in self.writes if write.last > since), key=lambda write: write.last, reverse=True)
        if not late:
            return ""
        who = "; ".join(
            f"{write.table} por {write.role}, «{write.application or 'sin nombre'}», hace"
            f" {duration((self.now - write.last).total_seconds())}"
            for write in late[:5]
        )
        more = f" y {len(late) - 5} más" if len(late) > 5 else ""
        when = late[0].last + timedelta(hours=self.hours)
        return (
            f"Alguien escribió en tablas inglesas hace menos de {self.hours:g} h: {who}{more}. Si nadie más escribe, se cumple"
            f" el {when:%Y-%m-%d %H:%M} UTC."
        )
