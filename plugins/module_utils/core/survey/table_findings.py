"""Judges what fase0 saw of the legacy tables: keys, NULLs, times, text, rows that can be read, tables that inherit. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..catalogue import Catalogue, LegacyColumn, Relation
from ..mapping.types import ColumnRule, Pair, TableMapping
from ..rows.routes import source_of
from ..sqltext import ident, qname
from ..words import number, units
from .findings import BAR, GOOD, NOTICE, Finding, named

NAIVE = "timestamp without time zone"
UTC_NAMES = ("UTC", "Etc/UTC", "GMT")
LOCAL_ZONE = "America/Guayaquil"


@dataclass(frozen=True)
class ReadColumn:
    """A legacy column that the mapping reads for a Spanish one, in its table."""

    pair: Pair
    rule: ColumnRule
    relation: Relation
    column: LegacyColumn


def read_columns(mapping: TableMapping, catalogue: Catalogue) -> Iterator[ReadColumn]:
    """Yield what each rule reads of a legacy table, a column looked up in another one too; what is missing is drift."""
    legacy = {r.name: r for r in catalogue.relations if r.kind in ("r", "p")}
    for pair in mapping.pairs:
        for rule in pair.columns:
            if (relation := legacy.get(pair.source)) and (column := source_of(rule, relation)):
                yield ReadColumn(pair, rule, relation, column)
            if rule.lookup and (other := legacy.get(rule.lookup.table)):
                taken = next((c for c in other.columns if c.name == rule.lookup.take), None)
                if taken is not None:
                    yield ReadColumn(pair, rule, other, taken)


@dataclass(frozen=True)
class Counted:
    """Uniqueness of a key, counted. ``keys``: values that stand more than once, ``rows`` theirs, ``examples`` some of them;
    ``share``: one of so many values was looked at; ``tables``: other tables that hold such rows."""

    table: str
    columns: tuple[str, ...]
    keys: int
    rows: int
    examples: tuple[str, ...]
    share: int = 1
    tables: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Which key."""
        return f"{self.table} ({', '.join(self.columns)})"


def unique_findings(counted: list[Counted]) -> list[Finding]:
    """An index may let doubles in: the copy quarantines all rows of a value but one."""
    name, limit = "unicidad contada", "cada valor una vez"
    found = [
        Finding(
            name,
            f"{c.said}: {number(c.keys)} {'valor' if c.keys == 1 else 'valores'} en {units(c.rows, 'fila')}"
            f"{_sampled(c.share)}: {named(c.examples)}",
            limit,
            NOTICE,
            note="Las filas de más irán a cuarentena. El índice miente: quite las repetidas y rehágalo (REINDEX).",
        )
        for c in counted
        if c.keys
    ]
    sampled = [f"{c.said}{_sampled(c.share)}" for c in counted if c.share > 1]
    value = f"{number(len(counted))} claves sin repetidos" + (f"; por muestra: {named(sampled)}" if sampled else "")
    return found or [Finding(name, value, limit)]


def _sampled(share: int) -> str:
    return f", contando 1 de cada {number(share)}" if share > 1 else ""


@dataclass(frozen=True)
class Heir:
    """A table that inherits from a legacy one, and the table that it inherits from directly, both as SQL."""

    table: str
    parent: str
    legacy: str


def heir_findings(heirs: list[Heir], repeated: list[Counted]) -> list[Finding]:
    """No key spans a table and its heirs: where one comes twice, two legacy rows would be one Spanish row."""
    name, limit = "tablas que heredan", "ninguna, o sin claves repetidas"
    note = "Corrija las repetidas, o deje la heredera aparte: sus filas no se llevarán, y quien lea la tabla dejará de verlas."
    found, told = [], set()
    for counted in repeated:
        if not counted.keys:
            continue
        told |= {(counted.table, table) for table in counted.tables}
        value = (
            f"{counted.said} repite {number(counted.keys)} claves con {', '.join(counted.tables)}{_sampled(counted.share)}:"
            f" {named(counted.examples, 5)}"
        )
        cuts = [f"ALTER TABLE {h.table} NO INHERIT {h.parent};" for h in heirs if (h.legacy, h.table) in told]
        found.append(Finding(name, value, limit, BAR, " ".join(cuts), "quien posee esas tablas", note))
    found += [
        Finding(name, f"{h.table} hereda de {h.legacy}, sin repetir claves", limit, NOTICE, note="Sus filas se llevan también.")
        for h in heirs
        if (h.legacy, h.table) not in told
    ]
    return found or [Finding(name, "ninguna", limit)]


@dataclass(frozen=True)
class Nullable:
    """A legacy column by which rows are matched: whether it may be NULL, and in how many rows it is."""

    schema: str
    table: str
    column: str
    target: str
    allowed: bool
    nulls: int


def match_columns(mapping: TableMapping, catalogue: Catalogue) -> Iterator[ReadColumn]:
    """Yield each column by which rows are matched and that no default fills, the primary key's aside."""
    for read in read_columns(mapping, catalogue):
        matched = read.rule.target in read.pair.match and read.relation.name == read.pair.source
        if matched and read.rule.default is None and read.column.name not in read.relation.primary_key:
            yield read


def nullable_findings(columns: list[Nullable]) -> list[Finding]:
    """NULL equals nothing, so two rows with it cannot be told apart, nor be found again."""
    name, limit = "columnas de emparejar", "NOT NULL, y sin NULL"
    found = []
    for c in columns:
        if c.nulls:
            value = f"{c.table}.{c.column} (da {c.target}) es NULL en {units(c.nulls, 'fila')}"
            note = "Corrija o borre esas filas y repita: entonces se dirá la sentencia que lo impide en adelante."
            found.append(Finding(name, value, limit, BAR, note=note))
        elif c.allowed:
            mend = f"ALTER TABLE {qname(c.schema, c.table)} ALTER COLUMN {ident(c.column)} SET NOT NULL;"
            found.append(
                Finding(name, f"{c.table}.{c.column} (da {c.target}) admite NULL", limit, BAR, mend, "quien posee la tabla")
            )
    return found or [Finding(name, "ninguna admite NULL", limit)]


@dataclass(frozen=True)
class NaiveTime:
    """A time without a zone that a pair reads and of which the mapping does not say the zone.

    ``readings``: values as they stand, as UTC, and by local time's clock, up to three."""

    read: ReadColumn
    readings: tuple[tuple[str, str, str], ...]


def undeclared(mapping: TableMapping, catalogue: Catalogue) -> Iterator[ReadColumn]:
    """Yield every legacy timestamp without zone that is carried as a time and has no ``zona``."""
    for read in read_columns(mapping, catalogue):
        rule = read.rule
        if read.column.base == NAIVE and rule.zone is None and rule.present is None and rule.absent is None:
            yield read


def local_zone(of_the_database: str) -> str:
    """The zone in which a time without one may have been written, beside UTC."""
    return LOCAL_ZONE if of_the_database in UTC_NAMES else of_the_database


def naive_findings(times: list[NaiveTime], zone: str) -> list[Finding]:
    """Which time it was only the project knows: it is written in the mapping, or nothing is carried."""
    name, limit = "horas sin zona", "zona declarada en el mapeo"
    found = []
    for time in times:
        read = time.read
        shown = "; ".join(f"{stands} → {utc} si es UTC, {local} si es {zone}" for stands, utc, local in time.readings)
        value = f"{read.relation.name}.{read.column.name} es timestamp sin zona: {shown or 'todavía sin valores'}"
        kept = "…" if read.rule.default is not None or read.rule.lookup else f"from: {read.column.name}"
        rule = f"{{{kept}, zona: {zone}}}"
        note = (
            f"En el mapeo, con UTC o con {zone}: para todas, arriba, «zona: {zone}»; solo para esta, en pairs, "
            f"{read.pair.source}, {read.pair.target}, columns: «{read.rule.target}: {rule}»."
        )
        found.append(Finding(name, value, limit, BAR, note=note))
    return found or [Finding(name, "ninguna sin declarar", limit)]


@dataclass(frozen=True)
class Sorting:
    """A column's collation, qualified; ``deterministic``: whether equal means the same bytes."""

    column: str
    collation: str
    deterministic: bool


def joined_columns(mapping: TableMapping, catalogue: Catalogue) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield two legacy columns each, as (table, column), whose values are compared: looked up, parent and child, or carried
    into one Spanish column that rows are told apart by."""
    places: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for read in read_columns(mapping, catalogue):
        lookup, place = read.rule.lookup, (read.relation.name, read.column.name)
        if lookup and read.relation.name == lookup.table:
            yield (read.pair.source, lookup.by), (lookup.table, lookup.column)
        elif not lookup:
            places.setdefault((read.pair.target, read.rule.target), []).append(place)
    for table in mapping.tables:
        met = {*table.primary_key, *(name for names in table.unique for name in names)}
        for name in sorted(met):
            first, *others = places.get((table.name, name), [None])
            yield from ((first, other) for other in others if first and other)
        for key in table.foreign_keys:
            for child in places.get((table.name, key.column), []):
                yield from ((child, parent) for parent in places.get((key.table, key.references), []))


def sorting_of_joins(joins: list[tuple[Sorting, Sorting]]) -> list[Finding]:
    """Texts are compared by their bytes, whatever their columns say: named, so that nobody is surprised."""
    name, limit, note = "colaciones de lo que se une", "la misma", "Aquí se comparan sus bytes, digan lo que digan las columnas."
    found: dict[str, None] = {}
    for one, other in joins:
        if one.collation != other.collation:
            found[f"{one.column} ({one.collation}) y {other.column} ({other.collation})"] = None
        for column in (one, other):
            if not column.deterministic:
                found[f"{column.column} ({column.collation}) toma por iguales textos distintos"] = None
    return [Finding(name, value, limit, NOTICE, note=note) for value in found] or [Finding(name, "la misma", limit)]


@dataclass(frozen=True)
class Readable:
    """How many rows of a table were read whole, of about how many; ``broken``: key or place, and what the server said."""

    table: str
    read: int
    total: int
    whole: bool
    broken: tuple[tuple[str, str], ...] = ()
    more: bool = False  # the search ended before all broken rows were found


def readable_findings(tables: list[Readable]) -> list[Finding]:
    """A row that cannot be read stops no copy: it goes to quarantine without the value."""
    name, limit = "filas legibles", "todas, con lo guardado aparte"
    note = "Irán a cuarentena sin el valor que no se lee."
    found = []
    for t in tables:
        if t.broken:
            rows = [f"{key} ({why})" for key, why in t.broken]
            value = f"{t.table}: no se {'leen' if len(rows) > 1 else 'lee'} {'al menos ' if t.more else ''}{number(len(rows))}"
            found.append(Finding(name, f"{value}: {named(rows)}", limit, NOTICE, note=note))
    read, total = sum(t.read for t in tables), sum(t.read if t.whole else t.total for t in tables)
    sampled = [f"{t.table} por muestra ({number(t.read)} de unas {number(t.total)})" for t in tables if not t.whole]
    value = f"leídas enteras {number(read)} de {'unas ' if sampled else ''}{number(total)}"
    if sampled:
        value += f"; {', '.join(sampled)}"
    return [*found, Finding(name, value, limit, GOOD)]


def identity_findings(columns: list[tuple[str, str]]) -> list[Finding]:
    """(column, ALWAYS or BY DEFAULT): whoever inserts needs no right to such a sequence, but to the Spanish table's."""
    name, limit = "columnas identity", "ninguna"
    note = "Quien inserta en ella no necesita permiso sobre su secuencia; en la tabla en español sí, y fase1 se lo da."
    found = [Finding(name, f"{column} ({kind})", limit, NOTICE, note=note) for column, kind in columns]
    return found or [Finding(name, "ninguna", limit)]
