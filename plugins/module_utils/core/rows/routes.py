"""A pair bound to the live catalogue: which columns it carries here, by which key, beside which other pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..bookkeeping import BOOKKEEPING
from ..catalogue import Catalogue, LegacyColumn, Relation
from ..errors import STEP_CHANGED_NOTHING, MigrationError
from ..mapping.types import ColumnRule, ForeignKey, Lookup, Pair, SpanishColumn, SpanishTable, TableMapping
from ..sqltext import BYTES, DATABASE, collated, derived_name, ident, literal, qname
from .values import TEXT_TYPES

COLLATED = TEXT_TYPES - {"enum"}


@dataclass(frozen=True)
class CarriedColumn:
    """One Spanish column that a pair fills. ``source``: the legacy column it comes from, for a lookup the column taken.

    ``alias``: under which the row looked up is joined; ``spanish`` says that it is a row of a Spanish table; ``keyed`` that all
    that is read of it, in a legacy table, is part of unique keys: only then does every UPDATE of it conflict with KEY SHARE;
    ``found_by`` is the legacy column that is compared; ``inherited`` that its table has heirs.
    """

    rule: ColumnRule
    source: LegacyColumn
    target: SpanishColumn
    alias: str = ""
    spanish: bool = False
    keyed: bool = False
    found_by: LegacyColumn | None = None
    inherited: bool = False

    @property
    def lookup(self) -> Lookup:
        """The rule's lookup; only where there is one."""
        if self.rule.lookup is None:
            raise LookupError(self.rule.target)
        return self.rule.lookup


@dataclass(frozen=True)
class Route:
    """``earlier``: the routes to the same Spanish table that win over this one; ``parents``: by foreign key, the routes
    that fill the table it names; ``siblings``: the other pairs of the same legacy table; ``reads``: its columns that the
    mapping reads."""

    pair: Pair
    schema: str
    legacy: Relation
    table: SpanishTable
    carried: tuple[CarriedColumn, ...]
    earlier: tuple[Route, ...] = ()
    parents: tuple[tuple[ForeignKey, tuple[Route, ...]], ...] = ()
    siblings: tuple[Pair, ...] = ()
    reads: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, str]:
        """The pair's two tables, as the bookkeeping names it."""
        return self.pair.source, self.pair.target

    @property
    def key(self) -> tuple[LegacyColumn, ...]:
        """The legacy primary key's columns, in its order."""
        by_name = {c.name: c for c in self.legacy.columns}
        return tuple(by_name[n] for n in self.legacy.primary_key)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names that the forward SELECT gives the key's columns: _k1, _k2 …"""
        return tuple(f"_k{n}" for n in range(1, len(self.legacy.primary_key) + 1))

    @property
    def columns(self) -> tuple[str, ...]:
        """The Spanish columns that are carried."""
        return tuple(c.target.name for c in self.carried)

    @property
    def match(self) -> tuple[SpanishColumn, ...]:
        """The Spanish columns by which a row is recognised."""
        by_name = {c.target.name: c.target for c in self.carried}
        return tuple(by_name[name] for name in self.pair.match)

    @property
    def source_table(self) -> str:
        """Qualified name of the legacy table."""
        return qname(self.schema, self.pair.source)

    @property
    def target_table(self) -> str:
        """Qualified name of the Spanish table."""
        return qname(self.schema, self.pair.target)

    @property
    def in_one_file(self) -> bool:
        """Whether the legacy rows lie in one file, so that a place in it (ctid) is one row's alone."""
        return self.legacy.kind == "r" and not self.legacy.heirs

    @property
    def view(self) -> str:
        """Qualified name of the view that wraps the forward SELECT."""
        return qname(BOOKKEEPING, derived_name("v", self.pair.source, self.pair.target))

    def function_name(self, verb: str) -> str:
        """Name of the pair's function for ``verb`` (copiar, llevar), in schema migracion."""
        return derived_name(verb, self.pair.source, self.pair.target)

    def function(self, verb: str) -> str:
        """The same, qualified and quoted."""
        return qname(BOOKKEEPING, self.function_name(verb))

    @property
    def removal_name(self) -> str:
        """Name of the Spanish table's function that removes what no pair explains, in schema migracion."""
        return derived_name("quitar", self.pair.target)

    @property
    def removal(self) -> str:
        """The same, qualified and quoted."""
        return qname(BOOKKEEPING, self.removal_name)

    def carried_as(self, target: str) -> CarriedColumn | None:
        """Return how the Spanish column of that name is carried, if it is."""
        return next((c for c in self.carried if c.target.name == target), None)

    def value_of(self, carried: CarriedColumn) -> str:
        """Return the column's value inside the forward SELECT, under its Spanish name where v holds it."""
        if carried.spanish:
            return f"{carried.alias}.{ident(carried.source.name)} AS {ident(carried.target.name)}"
        return f"v.{ident(carried.target.name)}"

    def where(self, alias: str) -> str:
        """Return the condition that makes a legacy row (``alias``) belong to this pair."""
        return belongs(self.pair, self.siblings, self.legacy, alias)

    def claimed(self, alias: str) -> str:
        """Return whether a row that belongs here was claimed by the pair's own ``where`` and not as a leftover."""
        return f"({_condition(self.pair, self.legacy, alias)}) IS TRUE"


def belongs(pair: Pair, siblings: Iterable[Pair], legacy: Relation, alias: str) -> str:
    """Return the condition that makes a legacy row (``alias``) the pair's; ``siblings``: the other pairs of that table."""
    if not pair.otherwise:
        return _condition(pair, legacy, alias)
    return " AND ".join(f"({_condition(p, legacy, alias)}) IS NOT TRUE" for p in siblings) or "true"


def _condition(pair: Pair, legacy: Relation, alias: str) -> str:
    by_name = {c.name: c for c in legacy.columns}
    columns = {c: read(by_name.get(c, LegacyColumn(c, "text", "text")), alias) for c, _ in pair.where}
    return " AND ".join(f"{columns[c]}::text = {literal(v)}" for c, v in pair.where) or "true"


def columns_read(mapping: TableMapping, legacy: Relation) -> frozenset[str]:
    """Return the columns of a legacy table that the mapping reads: what rows are known, chosen, carried or looked up by."""
    names = set(legacy.primary_key)
    for pair in mapping.pairs:
        own = pair.source == legacy.name
        names |= {column for column, _ in pair.where} if own else set()
        for rule in pair.columns:
            source = source_of(rule, legacy) if own else None
            names |= {source.name} if source is not None else set()
            if rule.lookup is not None and own:
                names.add(rule.lookup.by)
            if rule.lookup is not None and rule.lookup.table == legacy.name:
                names |= {rule.lookup.column, rule.lookup.take}
    return frozenset(names)


def source_of(rule: ColumnRule, legacy: Relation) -> LegacyColumn | None:
    """Return the first legacy column of the rule that exists here."""
    by_name = {c.name: c for c in legacy.columns}
    return next((by_name[name] for name in rule.sources if name in by_name), None)


def spanish_columns(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable) -> tuple[SpanishColumn, ...]:
    """Return the columns that the table has here: an optional one only where its legacy column exists."""
    names = {table.twin, *(pair.source for pair in mapping.pairs if pair.target == table.name)}
    legacy = {c.name for name in names if (found := catalogue.relation(name)) is not None for c in found.columns}
    return tuple(c for c in table.columns if not c.optional or c.optional in legacy)


def routes_of(mapping: TableMapping, catalogue: Catalogue) -> tuple[Route, ...]:
    """Bind every pair, in the mapping's order: parents before children, winners before those who merge into them."""
    routes: list[Route] = []
    for pair in mapping.pairs:
        routes.append(_route(mapping, catalogue, pair, tuple(routes)))
    return tuple(routes)


def _route(mapping: TableMapping, catalogue: Catalogue, pair: Pair, before: tuple[Route, ...]) -> Route:
    legacy = catalogue.relation(pair.source)
    table = next(t for t in mapping.tables if t.name == pair.target)
    if legacy is None or not legacy.primary_key:
        raise MigrationError(
            f"{pair.source}: no existe o no tiene clave primaria",
            left=STEP_CHANGED_NOTHING,
            move="Ejecute fase0.yml con el mismo -i, que lo explica.",
        )
    targets = {c.name: c for c in spanish_columns(mapping, catalogue, table)}
    carried = tuple(
        item
        for number, rule in enumerate(pair.columns, 1)
        if rule.target in targets
        and (item := _carried(mapping, catalogue, rule, legacy, targets[rule.target], f"b{number}")) is not None
    )
    names = {c.target.name for c in carried if not c.spanish}
    return Route(
        pair,
        mapping.schema,
        legacy,
        table,
        carried,
        earlier=tuple(r for r in before if r.pair.target == pair.target),
        parents=tuple(
            (key, tuple(r for r in before if r.pair.target == key.table)) for key in table.foreign_keys if key.column in names
        ),
        siblings=tuple(p for p in mapping.pairs if p.source == pair.source and p is not pair),
        reads=columns_read(mapping, legacy),
    )


def _carried(
    mapping: TableMapping, catalogue: Catalogue, rule: ColumnRule, legacy: Relation, target: SpanishColumn, alias: str
) -> CarriedColumn | None:
    if rule.lookup is None:
        source = source_of(rule, legacy)
        if source is not None and rule.json_keys:
            source = LegacyColumn(source.name, "text", "text")
        return None if source is None else CarriedColumn(rule, source, target)
    spanish = next((t for t in mapping.tables if t.name == rule.lookup.table), None)
    if spanish is not None:
        taken = next(c for c in spanish.columns if c.name == rule.lookup.take)
        return CarriedColumn(rule, LegacyColumn(taken.name, taken.type, taken.type), target, alias, spanish=True)
    other = catalogue.relation(rule.lookup.table)
    columns = {c.name: c for c in other.columns} if other is not None else {}
    found, found_by = columns.get(rule.lookup.take), columns.get(rule.lookup.column)
    if other is None or found is None or found_by is None:
        return None
    # an heir's rows are under no key of the table that it inherits from
    keys = () if other.inherited else (other.primary_key, *other.unique)
    keyed = {rule.lookup.take, rule.lookup.column} <= {name for key in keys for name in key}
    return CarriedColumn(rule, found, target, alias, keyed=keyed, found_by=found_by, inherited=other.inherited)


def read(column: LegacyColumn, alias: str) -> str:
    """Return a legacy value under the database's own collation, whatever its column's is: so all that follows has one."""
    value = f"{alias}.{ident(column.name)}"
    return value if column.collation is None else collated(value)


def equals(column: LegacyColumn, alias: str, value: str) -> str:
    """Return whether a legacy column has a value, byte by byte, asked so that an index on the column answers."""
    mine = f"{alias}.{ident(column.name)}"
    if column.base not in COLLATED:
        return f"{mine} = {value}"
    same = f"{mine} = {collated(value, column.collation or DATABASE)}"
    by_bytes = column.by_bytes and column.base != "citext"
    return same if by_bytes else f"{same} AND {collated(f'{mine}::text', BYTES)} = {value}::text"


def in_order(column: LegacyColumn, alias: str) -> str:
    """Return what rows are ordered by where one of them wins: text by its bytes, so that no collation chooses the winner."""
    value = f"{alias}.{ident(column.name)}"
    return collated(value, BYTES) if column.base in COLLATED else value


def clave_sql(columns: Sequence[LegacyColumn], alias: str) -> str:
    r"""Return the key as one text: values joined by '|', a '|' or '\' inside a value behind a '\'."""
    return joined_key([(read(c, alias), c.base) for c in columns])


def spanish_clave(route: Route, alias: str) -> str:
    """Return the Spanish primary key of ``alias`` as one text, written as clave_sql writes it."""
    types = {c.name: c.type for c in route.table.columns}
    return joined_key([(f"{alias}.{ident(name)}", types[name].split("(")[0]) for name in route.table.primary_key])


def joined_key(parts: Sequence[tuple[str, str]]) -> str:
    """Return (expression, base type) pairs as one text."""
    texts = []
    for expression, base in parts:
        text = f"{expression}::text"
        if base in TEXT_TYPES:
            text = rf"replace(replace({collated(text)}, E'\\', E'\\\\'), '|', E'\\|')"
        texts.append(text)
    return " || '|' || ".join(texts)


def row_image(route: Route, alias: str) -> str:
    """Return the row as JSON for safekeeping: as a whole, since a view that named a column would keep its owner from altering it.

    json is stored as text, as jsonb refuses some of what json accepts: which columns are json is asked when a row is kept, and
    the ones that are read are named, for the whole row does not tell NULL from null.
    """
    kept = [c for c in route.legacy.columns if c.base == "json" and c.name in route.reads]
    named = "".join(f" || jsonb_build_object({literal(c.name)}, {alias}.{ident(c.name)}::text)" for c in kept)
    return f"{BOOKKEEPING}.fila_entera(row_to_json({alias}.*), {alias}.tableoid){named}"
