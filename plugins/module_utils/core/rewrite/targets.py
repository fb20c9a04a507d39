"""What a legacy table, column or value is called in Spanish, as far as code can go by it: the mapping read by legacy name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..mapping.types import ColumnRule, Pair, SpanishColumn, SpanishTable, TableMapping
from .reasons import LeftAloneError

_PLAIN = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Column:
    """A legacy column's Spanish one. ``feeds``: other Spanish columns that depend on it too."""

    legacy: str
    spanish: SpanishColumn
    rule: ColumnRule
    feeds: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The Spanish name."""
        return self.spanish.name

    @property
    def is_time(self) -> bool:
        """Whether it is a timestamp without zone, which holds UTC."""
        return self.spanish.type in ("timestamp", "timestamp without time zone")

    @property
    def translated(self) -> Mapping[str, str]:
        """Legacy value → Spanish value, empty where none is."""
        return dict(self.rule.values)

    @property
    def image(self) -> str:
        """What a reader sees otherwise than before, '' where nothing."""
        seen = [
            "hora sin zona" if self.is_time else "",
            "ceros a la derecha" if self.spanish.type.startswith("numeric") else "",
            "un objeto por un texto" if self.rule.text_key else "",
            "valores en español" if self.rule.values else "",
            f"{self.rule.default!r} en lugar de NULL" if self.rule.default is not None else "",
        ]
        return ", ".join(part for part in seen if part)

    def value(self, word: str, exact: bool = True) -> str:
        """Translate a value. ``exact``: refuse one that legacy has under several names. Raises LeftAloneError."""
        known = self.translated
        if word in known:
            if exact and list(known.values()).count(known[word]) > 1:
                raise LeftAloneError("ambiguous_value", f"{self.legacy} = {word}")
            return known[word]
        if word in self.spanish.allowed:
            return word
        raise LeftAloneError("unknown_value", f"{self.legacy} = {word}")


@dataclass(frozen=True)
class Target:
    """One pair of tables, by legacy column."""

    pair: Pair
    table: SpanishTable
    columns_here: tuple[str, ...] = ()  # of the legacy table, where the catalogue is known

    @cached_property
    def _by_legacy(self) -> Mapping[str, list[ColumnRule]]:
        found: dict[str, list[ColumnRule]] = {}
        for rule in self.pair.columns:
            for source in rule.sources:
                found.setdefault(source, []).append(rule)
        return found

    @cached_property
    def _spanish(self) -> Mapping[str, SpanishColumn]:
        return {column.name: column for column in self.table.columns}

    def column(self, legacy: str) -> Column:
        """Return the column that a legacy one became. Raises LeftAloneError where that is not one column."""
        rules = self._by_legacy.get(legacy, [])
        plain = [rule for rule in rules if rule.present is None and rule.lookup is None]
        if len(plain) > 1:
            raise LeftAloneError("column_of_several", f"{self.pair.source}.{legacy}")
        if not plain:
            asked = {rule.lookup.by for rule in self.pair.columns if rule.lookup is not None}
            known = legacy in dict(self.pair.waived) or legacy in dict(self.pair.where) or legacy in asked or bool(rules)
            raise LeftAloneError("column_without_counterpart" if known else "unknown_column", f"{self.pair.source}.{legacy}")
        rule = plain[0]
        if not _PLAIN.fullmatch(rule.target):
            raise LeftAloneError("name_needs_quoting", rule.target)
        feeds = [other.target for other in self.pair.columns if other is not rule and self._depends(other, legacy)]
        return Column(legacy, self._spanish[rule.target], rule, tuple(feeds))

    def _depends(self, rule: ColumnRule, legacy: str) -> bool:
        """Whether a column is made of a legacy one; a lookup in a Spanish table goes by a Spanish column of the row."""
        if legacy in rule.sources:
            return True
        if rule.lookup is None:
            return False
        by = [legacy, *(other.target for other in self._by_legacy.get(legacy, []))]
        return rule.lookup.by in by and not rule.lookup.stays

    @property
    def selectors(self) -> Mapping[str, str]:
        """Legacy column → the value that makes a row belong here."""
        return dict(self.pair.where)

    @cached_property
    def readable(self) -> tuple[Column, ...]:
        """The columns that * read, as far as they have a counterpart, in the order of the legacy table."""
        sure = [rule for rule in self.pair.columns if rule.sources and not rule.optional]
        legacy = self.columns_here or tuple(dict.fromkeys(rule.sources[0] for rule in sure))
        found = []
        for name in legacy:
            try:
                found.append(self.column(name))
            except LeftAloneError as reason:
                if reason.reason != "column_without_counterpart":
                    raise
        return tuple(found)

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """Those that have none, but for the column that the choice of table says."""
        have = {column.legacy for column in self.readable}
        legacy = self.columns_here or tuple(dict(self.pair.waived))
        return tuple(name for name in legacy if name not in have and name not in self.selectors)

    def missing(self, given: Sequence[str]) -> list[str]:
        """The Spanish columns that a new row needs and that are not among those given."""
        return [
            column.name
            for column in self.table.columns
            if (column.not_null or column.name in self.table.primary_key)
            and column.default is None
            and not column.serial
            and column.name not in given
        ]

    def unique(self, columns: Sequence[str]) -> bool:
        """Whether the Spanish columns are a key of the table."""
        keys = {frozenset(key) for key in (self.table.primary_key, *self.table.unique)}
        return frozenset(columns) in keys


@dataclass(frozen=True)
class Targets:
    """The whole mapping, by legacy table. ``legacy``: the columns of each legacy table here, where known."""

    mapping: TableMapping
    legacy: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def tables(self) -> Mapping[str, tuple[Target, ...]]:
        """Legacy table → its pairs."""
        spanish = {table.name: table for table in self.mapping.tables}
        found: dict[str, list[Target]] = {}
        for pair in self.mapping.pairs:
            found.setdefault(pair.source, []).append(Target(pair, spanish[pair.target], tuple(self.legacy.get(pair.source, ()))))
        return {table: tuple(targets) for table, targets in found.items()}

    def choose(self, table: str, said: Mapping[str, str]) -> Target:
        """Return the pair for what a use says of the columns that tell the pairs apart. Raises LeftAloneError."""
        fitting = [t for t in self.tables[table] if all(said.get(c) == v for c, v in t.selectors.items())]
        if len(fitting) != 1:
            raise LeftAloneError("ambiguous_table", table)
        if not _PLAIN.fullmatch(fitting[0].pair.target):
            raise LeftAloneError("name_needs_quoting", fitting[0].pair.target)
        return fitting[0]

    def selectors(self, table: str) -> set[str]:
        """The legacy columns that tell a table's pairs apart."""
        return {column for target in self.tables[table] for column in target.selectors}

    def others_in(self, target: Target) -> list[str]:
        """The other legacy tables whose rows the Spanish table takes too."""
        return sorted({p.source for p in self.mapping.pairs if p.target == target.pair.target and p.source != target.pair.source})

    def embedded(self, around: Target, table: str, hint: str = "") -> Target:
        """Return the pair for an embedded table: the one whose Spanish table a foreign key ties. Raises LeftAloneError."""
        found = []
        for target in self.tables.get(table, ()):
            ties = [f for f in around.table.foreign_keys if f.table == target.table.name]
            ties += [f for f in target.table.foreign_keys if f.table == around.table.name]
            if len(ties) == 1 and (not hint or hint == ties[0].column):
                found.append(target)
        if len(found) != 1:
            raise LeftAloneError("embed", f"{around.pair.source} → {table}")
        return found[0]
