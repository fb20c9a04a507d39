"""What the second opinion is given, what it says, and what it has to ask: shared words of the room, no decision in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class LegacyRow:
    """A row as it was read, of a legacy table or of a Spanish one in which a mapping looks values up.

    ``values``: column to its value as the server writes it (``::text``, in UTC, ISO dates, extra_float_digits 1), None for NULL.
    ``place``: where it lies, such that places of one key, sorted as text, give the order in which the rows of that key count.
    """

    table: str
    values: Mapping[str, str | None]
    place: str


@dataclass(frozen=True)
class Carried:
    """The row becomes a Spanish one. ``values``: each Spanish column that the pair carries to its value, as ``::text`` has it."""

    values: Mapping[str, str | None]


@dataclass(frozen=True)
class Merged:
    """The row goes into another one. ``into``: that Spanish row's primary key as migracion.fusion.clave_destino writes it."""

    into: str


@dataclass(frozen=True)
class Refused:
    """The row stays behind. ``reasons``: each (SQLSTATE, legacy columns joined by ', ') that keeps it back; one is enough."""

    reasons: frozenset[tuple[str, str]]

    @property
    def sqlstates(self) -> set[str]:
        """As PostgreSQL would call them."""
        return {state for state, _ in self.reasons}


Fate = Carried | Merged | Refused


class Candidates(NamedTuple):
    """All rows of ``table`` whose ``column``, as text and without blanks at its ends, is ``value`` without those.

    ``value`` None: those that have NULL there. ``loose``: capitals, dashes, braces and blanks make no difference, as in the
    many spellings of one uuid. More rows than are needed: the judge narrows them.
    """

    table: str
    column: str
    value: str | None
    loose: bool = False


@dataclass(frozen=True)
class Everything:
    """All rows of ``table``: asked where nothing narrows who else may have a value, such as a unique number that is rounded."""

    table: str


@dataclass(frozen=True)
class Instant:
    """Which instant a text that is no plain ISO form names, as a UTC timestamp's text; None where it names none."""

    text: str


@dataclass(frozen=True)
class HardJson:
    """A text nested so deep, or so long, that the server says what jsonb makes of it; None where it refuses it."""

    text: str


Need = Candidates | Everything | Instant | HardJson


class Settled(NamedTuple):
    """A Spanish value, whether it ``fits`` its column at all, and the reason for which it keeps the row back, None for none."""

    fits: bool
    value: str | None
    reason: tuple[str, str] | None


@dataclass
class Known:
    """The answers so far, and the fates that follow from them: good for one snapshot.

    ``waiting``: the rows that could not be judged yet, with what they lack. ``values``: of a column (a BoundColumn) and
    a legacy text; ``settled``: of a row, with why another does not fit; ``parents``: whether a Spanish table gets a row with
    that value in that column: none is made twice. ``unforeseen``: (legacy table, clave) of rows that PostgreSQL alone refused,
    which therefore are nobody's parent or winner.
    """

    rows: dict[Candidates | Everything, tuple[LegacyRow, ...]] = field(default_factory=dict)
    texts: dict[Instant | HardJson, str | None] = field(default_factory=dict)
    fates: dict[tuple[str, str, str], Fate] = field(default_factory=dict)
    waiting: dict[tuple[str, str, str], frozenset[Need]] = field(default_factory=dict)
    values: dict[tuple[object, str | None], Settled] = field(default_factory=dict)
    settled: dict[tuple[str, str, str], tuple[dict[str, str | None], set[tuple[str, str]]]] = field(default_factory=dict)
    parents: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    unforeseen: Collection[tuple[str, str]] = frozenset()

    def learn(
        self,
        rows: Mapping[Candidates | Everything, tuple[LegacyRow, ...]],
        texts: Mapping[Instant | HardJson, str | None],
    ) -> None:
        """Take in answers to whatever was asked; the rows that waited can be judged again."""
        self.rows.update(rows)
        self.texts.update(texts)
        self.waiting.clear()


class UnfitError(Exception):
    """Raised inside the room where a value cannot be what its Spanish column holds; ``sqlstate`` says how PostgreSQL calls it."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class UnknownYetError(Exception):
    """Raised inside the room where an answer is missing; ``needs`` says which."""

    def __init__(self, needs: frozenset[Need]) -> None:
        super().__init__(f"{len(needs)} answers are missing")
        self.needs = needs
