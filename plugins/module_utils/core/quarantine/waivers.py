"""``waived_quarantine``: which quarantined rows may stay behind for good, by pattern and with a reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNSAID = "sin motivo escrito"


@dataclass(frozen=True)
class Waiver:
    """``pattern``: table:key as the operator wrote it, ``*`` for any text on either side."""

    pattern: str
    reason: str = UNSAID

    @property
    def table(self) -> str:
        """The pattern's half before the first colon."""
        return self.pattern.partition(":")[0]

    @property
    def key(self) -> str:
        """The half behind it; a key may hold colons of its own."""
        return self.pattern.partition(":")[2]

    def concerns(self, table: str) -> bool:
        """Whether rows of that legacy table can be meant."""
        return re.fullmatch(".*".join(map(re.escape, self.table.split("*"))), table) is not None


def parse_waivers(value: Any) -> tuple[Waiver, ...]:
    """Patterns in a list, or pattern → reason. Raises ValueError, naming the entry, on anything else."""
    if isinstance(value, Mapping):
        for pattern, reason in value.items():
            if not isinstance(reason, str) or not reason.strip():
                raise ValueError(f"el patrón {pattern!r} necesita un motivo en palabras")
        found = [(pattern, reason.strip()) for pattern, reason in value.items()]
    elif isinstance(value, (list, tuple)):
        found = [(pattern, UNSAID) for pattern in value]
    else:
        raise ValueError(f"se espera una lista de patrones tabla:clave, o patrón y motivo, no {value!r}")
    for pattern, _ in found:
        if not isinstance(pattern, str) or not all(pattern.partition(":")):
            raise ValueError(f"se esperan patrones tabla:clave (con * para cualquier texto), no {pattern!r}")
    return tuple(Waiver(pattern, reason) for pattern, reason in found)


def like(pattern: str) -> str:
    """Return the half of a pattern for SQL's LIKE: only ``*`` means any text."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")
