"""What becomes what: the types of the mapping file."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SpanishColumn:
    """A column of a Spanish table. ``type`` as format_type() writes it, ``default`` as SQL text."""

    name: str
    type: str
    not_null: bool = False
    default: str | None = None
    serial: bool = False
    allowed: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    optional: str = ""  # the legacy column without which, in twin or source, this one is not made
    comment: str = ""


@dataclass(frozen=True)
class ForeignKey:
    """``column`` references ``table``.``references``; ``on_delete`` is an SQL action."""

    column: str
    table: str
    references: str
    on_delete: str = "NO ACTION"


@dataclass(frozen=True)
class SpanishTable:
    """A Spanish table; ``twin`` is the legacy table whose privileges and row security it takes over."""

    name: str
    twin: str
    comment: str
    columns: tuple[SpanishColumn, ...]
    primary_key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[str, ...] = ()
    touched: str | None = None  # the column that every UPDATE sets to now
    redundant_indexes: tuple[str, ...] = ()  # asked for, but a constraint gives them already


@dataclass(frozen=True)
class ColumnRule:
    """How one Spanish column comes from a legacy row.

    ``sources``: legacy names, the first that exists is taken. ``default``: the value (text form) for a legacy NULL.
    ``values``: legacy value to Spanish value. ``text_key``: text that is no JSON is kept under this key.
    ``optional``: without a legacy column the rule disappears instead of being drift.
    """

    target: str
    sources: tuple[str, ...]
    default: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    text_key: str | None = None
    optional: bool = False


@dataclass(frozen=True)
class Pair:
    """Rows of one legacy table that become rows of one Spanish table.

    ``match``: the Spanish columns by which a row is recognised (default: the primary key).
    ``waived``: legacy columns that are left behind on purpose, with the reason.
    """

    source: str
    target: str
    phase: str
    subphase: str
    columns: tuple[ColumnRule, ...]
    match: tuple[str, ...]
    where: str | None = None
    waived: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Mapping:
    """The whole mapping file. ``subphases``: phase to its parts, in order, also those without pairs yet."""

    schema: str
    tables: tuple[SpanishTable, ...]
    pairs: tuple[Pair, ...]
    subphases: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())
    sha256: str = ""
    path: str = ""
