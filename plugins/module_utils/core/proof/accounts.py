"""The figures of a proof: the legacy rows of a pair by what became of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..rows.routes import Route
from .comparison import DIFFERENT, EQUAL, MERGED, MISSING, PENDING, QUARANTINED, REFUSED, UNMERGED


@dataclass
class Account:
    """The accounting of one pair.

    ``groups``: legacy rows by state and reason, with their number and first key. ``examples``: named differences.
    ``entries``: refused rows with an open entry. ``surplus``: Spanish rows that no pair gives, counted with the first pair
    of their table. ``stale_entries``: open quarantine entries that no row explains any more, counted with the first pair of
    their legacy table. ``stale_merges``: recorded merges that are none any more.
    """

    route: Route
    groups: dict[tuple[str, str | None], tuple[int, str]] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    entries: int = 0
    surplus: int = 0
    stale_entries: int = 0
    stale_merges: int = 0

    def add(self, state: str, reason: str | None, rows: int, first: str) -> None:
        """Count rows with that state and reason."""
        before, earliest = self.groups.get((state, reason), (0, first))
        self.groups[state, reason] = (before + rows, min(first, earliest))

    def take(self, state: str, reason: str | None) -> None:
        """Take one row out, to be counted anew."""
        rows, first = self.groups.pop((state, reason))
        if rows > 1:
            self.groups[state, reason] = (rows - 1, first)

    @property
    def reasons(self) -> list[tuple[str, int, str]]:
        """(reason, rows, first key) of refused rows, the most frequent first."""
        refused = [(r or "", *group) for (state, r), group in self.groups.items() if state in (QUARANTINED, REFUSED)]
        return sorted(refused, key=lambda item: (-item[1], item[0]))

    def count(self, *states: str) -> int:
        """Legacy rows in those states."""
        return sum(rows for (state, _), (rows, _) in self.groups.items() if state in states)

    @property
    def legacy_rows(self) -> int:
        """All rows of the legacy table that belong to the pair."""
        return sum(rows for rows, _ in self.groups.values())

    @property
    def spanish_rows(self) -> int:
        """Rows of the Spanish table that the pair gives, and those that none gives."""
        return self.count(EQUAL, DIFFERENT) + self.surplus

    @property
    def clean(self) -> bool:
        """Whether every row on both sides is explained."""
        return self.count(*PENDING) == 0 and self.surplus == 0 and self.stale == 0

    @property
    def stale(self) -> int:
        """Entries and merges that no row explains any more."""
        return self.stale_entries + self.stale_merges


def named_difference(state: str, reason: str | None, clave: str, columns: list[Any] | None) -> dict[str, Any]:
    """Return a named difference."""
    return {"estado": state, "motivo": reason, "clave": clave, "columnas": columns or []}


def forecast_details(found: Account) -> dict[str, Any]:
    """Return what a run would do to this pair, in numbers; a run reports the same names."""
    return {
        "origen": found.route.pair.source,
        "destino": found.route.pair.target,
        "copiar": found.count(MISSING),
        "cambiar": found.count(DIFFERENT),
        "quitar": found.surplus,
        "fusionar": found.count(MERGED, UNMERGED),
        "cuarentena": found.count(REFUSED, QUARANTINED),
    }
