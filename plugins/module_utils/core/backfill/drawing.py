"""How far a sequence has to move for its next id to be free: by its step, within its bounds and the column's. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..sqltext import ident

HELD = {"smallint": (-(2**15), 2**15 - 1), "integer": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1)}


@dataclass(frozen=True)
class Drawn:
    """A sequence (as SQL) that a Spanish column draws from, as it stands.

    ``used``: the id of the Spanish table that lies farthest in its direction, among those that it can pass; ``beyond``: one
    that lies farther, where there is one. ``movable``: whether ``role`` may set it.
    """

    sequence: str
    table: str
    column: str
    step: int
    last: int
    called: bool
    cycles: bool
    movable: bool
    role: str
    used: int | None
    beyond: int | None = None
    taken: frozenset[int] = frozenset()

    @property
    def lags(self) -> bool:
        """Whether an id that it will give is in use already."""
        return self.used is not None and (self._next <= self.used if self.step > 0 else self._next >= self.used)

    @property
    def _next(self) -> int:
        return self.last + self.step if self.called else self.last

    @property
    def passed(self) -> int:
        """The value to set, as drawn already: the one behind it is the first free one that the sequence would ever give."""
        steps = (self.used - self._next) // self.step if self.used is not None else 0
        passed = self._next + self.step * steps
        while passed + self.step in self.taken:
            passed += self.step
        return passed

    @property
    def obstacle(self) -> str:
        """Why it is not moved, with the statement that lets it be; '' where it is."""
        if not self.movable:
            return f"el rol no la puede mover; pida: GRANT UPDATE ON SEQUENCE {self.sequence} TO {ident(self.role)};"
        if self.cycles:
            return f"al final vuelve a empezar; como su dueño: ALTER SEQUENCE {self.sequence} NO CYCLE;"
        return ""

    @property
    def unreached(self) -> str:
        """What there is to say of an id that it cannot pass, '' where there is none."""
        if self.beyond is None:
            return ""
        return (
            f"{self.sequence} sigue por debajo de {self.table}.{self.column} = {self.beyond}, tras el que no cabe ninguno"
            f". La fila: SELECT * FROM {self.table} WHERE {ident(self.column)} = {self.beyond};"
        )


def reachable(step: int, bounds: tuple[int, int], kind: str) -> int:
    """Return the last id behind which one more fits, in the sequence's ``bounds`` and in a column of the type ``kind``."""
    low, high = HELD[kind]
    return min(bounds[1], high) - step if step > 0 else max(bounds[0], low) - step
