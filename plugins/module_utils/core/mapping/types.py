"""What becomes what: the types of the mapping file."""

from __future__ import annotations

from collections.abc import Collection
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
class Lookup:
    """A value taken from one row of another table, or NULL: ``take`` of ``table`` where ``column`` equals ``by``.

    In a legacy table ``by`` is a column of the row's own legacy table; in a Spanish one it is a Spanish column of the row.
    ``stays``: another value that a Spanish write gave the column stays as long as ``by`` does.
    """

    table: str
    column: str
    by: str
    take: str
    stays: bool = False


@dataclass(frozen=True)
class ColumnRule:
    """How one Spanish column comes from a legacy row.

    ``sources``: legacy names, the first that exists is taken. ``default``: the value (text form) for a legacy NULL.
    ``values``: legacy value to Spanish value. ``text_key``: text that is no JSON is kept under this key.
    ``optional``: without a legacy column the rule disappears instead of being drift.
    ``lookup``: the value comes from another table; ``json_keys``: where it is NULL, from the first of these keys that
    the jsonb column of ``sources`` has. ``present`` and ``absent``: the two values of a column that only says whether
    the legacy one is filled; such a column and a lookup never go back. ``stays``: further values, which legacy says as
    ``absent`` and which stay while it says that. ``zone``: whose clock a legacy timestamp without a
    zone was written by, its own or the file's; None where nobody has said so.
    """

    target: str
    sources: tuple[str, ...]
    default: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    text_key: str | None = None
    optional: bool = False
    lookup: Lookup | None = None
    json_keys: tuple[str, ...] = ()
    present: str | None = None
    absent: str | None = None
    stays: tuple[str, ...] = ()
    zone: str | None = None


@dataclass(frozen=True)
class Pair:
    """Rows of one legacy table that become rows of one Spanish table.

    ``match``: the Spanish columns by which a row is recognised (default: the primary key).
    ``waived``: legacy columns that are left behind on purpose, with the reason.
    ``where``: legacy column and the value that makes a row belong here. ``otherwise``: rows of the legacy table that
    belong to none of its pairs come here too, only to be refused by name. ``merge_by``: a row whose value of this
    Spanish column an earlier pair's row already has is merged into that one. ``duplicates``: rows that meet in ``match``
    are merged into the one with the lowest key instead of being impossible. ``takes_over``: a row born on the Spanish side whose
    value of this column a row of another pair of the legacy table has takes that row over. ``births``: legacy column and the
    value that the twin of a row born on the Spanish side gets there.
    """

    source: str
    target: str
    phase: str
    subphase: str
    columns: tuple[ColumnRule, ...]
    match: tuple[str, ...]
    where: tuple[tuple[str, str], ...] = ()
    waived: tuple[tuple[str, str], ...] = ()
    otherwise: bool = False
    merge_by: str | None = None
    duplicates: bool = False
    takes_over: str | None = None
    births: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class DeclaredDependent:
    """What becomes of somebody else's object that hangs on a legacy table when that table leaves.

    ``name``: kind and identity as pg_identify_object() gives them. A foreign key: ``references``, Spanish table, column.
    Any other: ``statement`` that points it at the Spanish tables; ``back`` undoes that, '' where its definition does.
    ``waived``: why it may stay.
    """

    name: str
    statement: str = ""
    back: str = ""
    references: tuple[str, str] | None = None
    waived: str = ""


@dataclass(frozen=True)
class TableMapping:
    """The whole mapping file. ``subphases``: phase to its parts, in order, also those without pairs yet."""

    schema: str
    tables: tuple[SpanishTable, ...]
    pairs: tuple[Pair, ...]
    subphases: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())
    sha256: str = ""
    path: str = ""
    dependents: tuple[DeclaredDependent, ...] = ()

    def last_phase(self, tables: Collection[str]) -> str:
        """The last phase that carries rows into one of the Spanish tables, '' where none does."""
        return max((pair.phase for pair in self.pairs if pair.target in tables), default="")
