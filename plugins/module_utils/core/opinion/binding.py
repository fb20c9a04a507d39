"""The mapping as it holds in one database: which pair carries which columns, from which legacy ones, and who comes first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..catalogue import Catalogue, LegacyColumn, Relation
from ..errors import READ_ONLY_STEP, MigrationError
from ..mapping.column_types import INTEGERS, NUMBERS
from ..mapping.types import ColumnRule, ForeignKey, Pair, SpanishColumn, SpanishTable, TableMapping
from .dates import ticks_of
from .fates import LegacyRow
from .values import is_text

Rank = tuple[tuple[tuple[int, int | float | str], ...], str]


@dataclass(frozen=True, eq=False)
class BoundColumn:
    """A Spanish column that a pair carries. ``source``: the legacy column that its rule reads, if it does.

    ``by`` and ``take``: of a lookup in a legacy table, the row's own column and the one that is taken there.
    """

    spanish: SpanishColumn
    rule: ColumnRule
    source: LegacyColumn | None
    by: LegacyColumn | None = None
    take: LegacyColumn | None = None

    @property
    def origin(self) -> str:
        """Where its values stand: the legacy column, or table and column of a lookup."""
        lookup = self.rule.lookup
        if lookup is not None:
            return f"{lookup.table}.{lookup.take}"
        return self.source.name if self.source is not None else ""

    @property
    def missed(self) -> str:
        """The column at which to look where it has no value: a lookup's is the one that is looked up by."""
        return self.rule.lookup.by if self.rule.lookup is not None else self.origin

    @cached_property
    def translations(self) -> dict[str, str]:
        """Legacy value to Spanish one."""
        return dict(self.rule.values)

    @cached_property
    def own(self) -> str:
        """The one legacy column of the row on which the value hangs; '' where it is found elsewhere."""
        return self.source.name if self.source is not None and self.rule.lookup is None else ""

    @property
    def kept(self) -> LegacyColumn | None:
        """The legacy column whose values, each for itself, are the Spanish ones, but for translation and default; else None."""
        return self.source if self.rule.present is None and self.rule.lookup is None else None


@dataclass(frozen=True, eq=False)
class BoundPair:
    """A pair as it holds here. ``key``: the legacy key; ``earlier``: pairs of the same Spanish table with priority over this.

    ``parents``: each foreign key of which the pair carries the column, with the pairs that fill the parent table.
    ``divided``: for each pair of the legacy table, what makes a row its own. ``codec``: the database's encoding.
    """

    pair: Pair
    table: SpanishTable
    relation: Relation
    columns: Mapping[str, BoundColumn]
    key: tuple[LegacyColumn, ...]
    earlier: tuple[BoundPair, ...]
    parents: tuple[tuple[ForeignKey, tuple[BoundPair, ...]], ...]
    divided: tuple[tuple[tuple[str, str], ...], ...]
    codec: str

    def takes(self, row: LegacyRow) -> bool:
        """Tell whether the row is this pair's, if only to be refused by name."""
        return _fits(row, self.pair.where) or (self.pair.otherwise and self.is_stray(row))

    def is_stray(self, row: LegacyRow) -> bool:
        """Tell whether the row belongs to no pair of its table."""
        return all(self.divided) and not any(_fits(row, where) for where in self.divided)

    @property
    def dividing(self) -> str:
        """The first legacy column that says which pair a row belongs to."""
        return next((column for where in (self.pair.where, *self.divided) for column, _ in where), "")

    @cached_property
    def may_repeat(self) -> bool:
        """Whether several rows of the legacy table may have one key."""
        return self.relation.inherited or any(set(keys) == {c.name for c in self.key} for keys in self.relation.repeated)

    @cached_property
    def unique(self) -> tuple[tuple[str, ...], ...]:
        """The Spanish table's unique keys of which the pair carries every column."""
        keys = dict.fromkeys([self.table.primary_key, *self.table.unique])
        return tuple(names for names in keys if set(names) <= set(self.columns))

    @property
    def single_keys(self) -> tuple[tuple[str, ...], ...]:
        """The legacy table's unique keys of which every value is one row's alone."""
        if self.relation.inherited:
            return ()
        repeated = {frozenset(keys) for keys in self.relation.repeated}
        return tuple(k for k in (self.relation.primary_key, *self.relation.unique) if k and frozenset(k) not in repeated)

    def key_of(self, row: LegacyRow) -> tuple[str | None, ...]:
        """Return the row's legacy key."""
        return tuple(row.values[column.name] for column in self.key)

    def rank_of(self, row: LegacyRow) -> Rank:
        """Return what rows are ordered by: the lowest key counts first, texts by bytes, and of one key the first place."""
        return tuple(_weight(column.base, row.values[column.name]) for column in self.key), row.place

    def legacy_names(self, columns: Iterable[str]) -> str:
        """Return where the values of these Spanish columns stand: legacy columns, with their table where they are looked up."""
        return ", ".join(self.columns[column].origin for column in columns)


@dataclass(frozen=True, eq=False)
class Bound:
    """All pairs of a mapping, in the order of the file, as they hold in one database."""

    mapping: TableMapping
    pairs: tuple[BoundPair, ...]

    def pair_of(self, row: LegacyRow) -> BoundPair:
        """Return the pair whose row it is. Raises KeyError for a row that no pair takes."""
        found = next((p for p in self.pairs if p.pair.source == row.table and p.takes(row)), None)
        if found is None:
            raise KeyError(row.table)
        return found


def bind(mapping: TableMapping, catalogue: Catalogue, codec: str = "utf-8") -> Bound:
    """Bind the mapping to what a database holds; ``codec``: Python's name of its encoding.

    Raises MigrationError, code drift, where a legacy table or column is not there that the mapping needs.
    """
    tables = {table.name: table for table in mapping.tables}
    bound: dict[int, BoundPair] = {}
    into: dict[str, list[int]] = {}
    for number, pair in enumerate(mapping.pairs):
        into.setdefault(pair.target, []).append(number)

    def bound_pair(number: int) -> BoundPair:
        if number not in bound:
            pair = mapping.pairs[number]
            table, relation = tables[pair.target], _relation(catalogue, pair.source)
            columns = _columns(mapping, catalogue, pair, table, relation)
            keys = [key for key in table.foreign_keys if key.column in columns]
            bound[number] = BoundPair(
                pair=pair,
                table=table,
                relation=relation,
                columns=columns,
                key=_key(pair, relation, columns),
                earlier=tuple(bound_pair(n) for n in into[pair.target] if n < number),
                parents=tuple((key, tuple(bound_pair(n) for n in into.get(key.table, ()))) for key in keys),
                divided=tuple(p.where for p in mapping.pairs if p.source == pair.source),
                codec=codec,
            )
        return bound[number]

    return Bound(mapping, tuple(bound_pair(number) for number in range(len(mapping.pairs))))


def clave_of(values: Iterable[str | None]) -> str:
    """Return a key as the bookkeeping writes it: its values joined by ``|``, and ``|`` and ``\\`` within one behind ``\\``."""
    return "|".join((value or "").replace("\\", "\\\\").replace("|", "\\|") for value in values)


def _fits(row: LegacyRow, where: tuple[tuple[str, str], ...]) -> bool:
    return not where or all(row.values[column] == value for column, value in where)


def _columns(
    mapping: TableMapping, catalogue: Catalogue, pair: Pair, table: SpanishTable, relation: Relation
) -> dict[str, BoundColumn]:
    """The columns that the pair carries here, in the table's order."""
    sources = {p.source for p in mapping.pairs if p.target == table.name} | {table.twin}
    found = [r for r in catalogue.relations if r.name in sources]
    rules = {rule.target: rule for rule in pair.columns}
    bound: dict[str, BoundColumn] = {}
    for column in table.columns:
        made = not column.optional or any(_column(r, column.optional) for r in found)
        rule = rules.get(column.name) if made else None
        if rule is None:
            continue
        source = next((c for name in rule.sources if (c := _column(relation, name))), None)
        if source is None and rule.sources:
            if not rule.optional:
                raise _drift(f"{pair.source} no tiene {' ni '.join(rule.sources)}")
            continue
        bound[column.name] = BoundColumn(column, rule, source, *_looked_up(mapping, catalogue, rule, relation))
    return bound


def _looked_up(
    mapping: TableMapping, catalogue: Catalogue, rule: ColumnRule, relation: Relation
) -> tuple[LegacyColumn | None, LegacyColumn | None]:
    lookup = rule.lookup
    if lookup is None or lookup.table in {table.name for table in mapping.tables}:
        return None, None
    by, take = _column(relation, lookup.by), _column(_relation(catalogue, lookup.table), lookup.take)
    if by is None or take is None:
        raise _drift(f"{relation.name} no tiene {lookup.by}" if by is None else f"{lookup.table} no tiene {lookup.take}")
    return by, take


def _key(pair: Pair, relation: Relation, columns: Mapping[str, BoundColumn]) -> tuple[LegacyColumn, ...]:
    names = relation.primary_key or tuple(c.source.name for m in pair.match if (c := columns.get(m)) and c.source)
    return tuple(column for name in names if (column := _column(relation, name)))


def _relation(catalogue: Catalogue, name: str) -> Relation:
    found = catalogue.relation(name)
    if found is None:
        raise _drift(f"no está la tabla {name}")
    return found


def _column(relation: Relation, name: str) -> LegacyColumn | None:
    return next((column for column in relation.columns if column.name == name), None)


def _drift(what: str) -> MigrationError:
    return MigrationError(
        f"La base no es la que el mapeo describe: {what}", left=READ_ONLY_STEP, move="Repita fase0.", code="drift"
    )


def _weight(base: str, value: str | None) -> tuple[int, int | float | str]:
    """What orders a value among those of its column; NULL comes last."""
    if value is None:
        return 2, ""
    if base in INTEGERS:
        return 0, int(value)
    if base in NUMBERS:
        return (1, "") if value == "NaN" else (0, float(value))
    if base == "date" or base.startswith("timestamp"):
        ends = {"-infinity": float("-inf"), "infinity": float("inf")}
        return 0, ends[value] if value in ends else ticks_of(value)
    return (0, value) if is_text(base) else (1, value)
