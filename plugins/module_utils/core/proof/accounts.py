"""The figures of a proof: the legacy rows of a pair by what became of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..rows.refusals import BY_SERVER
from ..rows.routes import Route
from .comparison import DIFFERENT, EQUAL, MERGED, MISSING, PENDING, QUARANTINED, REFUSED, UNMERGED


class Group(NamedTuple):
    """Legacy rows of one state and one kind of reason: how many, the first one's key, its own reason ('' for none)."""

    rows: int
    first: str
    reason: str = ""


@dataclass
class Account:
    """The accounting of one pair.

    ``groups``: legacy rows by state and kind of reason: few, whatever the rows hold. ``examples``: named differences.
    ``entries``: refused rows with an open entry. ``surplus``: Spanish rows that no pair gives, counted with the first pair
    of their table. ``retained``: last good twins of refused rows. ``waiting``: Spanish rows that are in quarantine on their side,
    and those that wait, counted with the first pair too. ``stale_entries``: open quarantine entries that no row explains any
    more, counted with the first pair of their legacy table. ``stale_merges``: recorded merges that are none any more.
    ``uncompared``: the columns that the Spanish table has now and no legacy column of the pair gives: the proof names them,
    because it says nothing of them. ``held``: how many surplus rows something that the run does not carry holds where they are,
    and what; ``displaced``: how many last good twins have to leave their value to another row; a forecast looks.
    """

    route: Route
    groups: dict[tuple[str, str | None], Group] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    entries: int = 0
    surplus: int = 0
    retained: int = 0
    waiting: tuple[int, int] = (0, 0)
    stale_entries: int = 0
    stale_merges: int = 0
    uncompared: tuple[str, ...] = ()
    held: tuple[int, Sequence[str]] = (0, ())
    displaced: int = 0

    def add(self, state: str, kind: str | None, more: Group) -> None:
        """Count rows with that state and kind of reason."""
        before = self.groups.get((state, kind), Group(0, more.first, more.reason))
        first = min(before, more, key=lambda group: group.first)
        self.groups[state, kind] = first._replace(rows=before.rows + more.rows)

    def take(self, state: str, kind: str | None) -> None:
        """Take one row out, to be counted anew."""
        group = self.groups.pop((state, kind))
        if group.rows > 1:
            self.groups[state, kind] = group._replace(rows=group.rows - 1)

    @property
    def reasons(self) -> list[tuple[str, Group]]:
        """Kind of reason and rows of those refused, the most frequent first."""
        refused = [(kind or "", group) for (state, kind), group in self.groups.items() if state in (QUARANTINED, REFUSED)]
        return sorted(refused, key=lambda item: (-item[1].rows, item[0]))

    def count(self, *states: str) -> int:
        """Legacy rows in those states."""
        return sum(group.rows for (state, _), group in self.groups.items() if state in states)

    @property
    def refused_by_server(self) -> int:
        """Quarantined rows that only PostgreSQL refused: they are tried again."""
        return sum(group.rows for (state, kind), group in self.groups.items() if (state, kind) == (QUARANTINED, BY_SERVER))

    @property
    def legacy_rows(self) -> int:
        """All rows of the legacy table that belong to the pair."""
        return sum(group.rows for group in self.groups.values())

    @property
    def spanish_rows(self) -> int:
        """Rows of the Spanish table that are due to the pair, and those that are due to none."""
        return self.count(EQUAL, DIFFERENT) + self.retained + sum(self.waiting) + self.surplus

    @property
    def leaving(self) -> int:
        """Rows of the Spanish table that a run would take out."""
        return self.surplus - self.held[0] + self.displaced

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
        "quitar": found.leaving,
        "fusionar": found.count(MERGED, UNMERGED),
        "cuarentena": found.count(REFUSED, QUARANTINED),
    }
