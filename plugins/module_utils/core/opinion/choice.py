"""Which rows of a large legacy table the second opinion looks at: those at its edges, and others at random. SQL text.

A place is where a row lies, as one text: its table's oid and its ctid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..bookkeeping import BOOKKEEPING
from ..catalogue import LegacyColumn, Relation
from ..sqltext import BYTES, collated, ident, literal, qname

ALL_UP_TO = 10_000  # rows of a table up to which all are judged
BEGINNING = 800  # bytes: the longest that 200 characters of a text can be, whose extremes are looked for
SIZED_TEXTS = {"text", "character varying", "character", "citext"}
DOCUMENTS = {"json", "jsonb", "xml"}
TEXT_BY_ITSELF = {"text", "character varying"}
BYTES_OF, HEAD_OF = "bytes", "beginning"
ALL_VALUES = {"boolean", "enum"}  # every value is looked at
# What has a smallest value by min(); of all else the text has one.
ORDERED = {
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "money",
    "date",
    "time without time zone",
    "time with time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "interval",
    "uuid",
}


def place_sql(legacy: Relation) -> str:
    """Return the place of the row l: its ctid alone where all rows lie in one file."""
    return "l.ctid" if in_one_file(legacy) else "l.tableoid::text || ' ' || l.ctid::text"


def in_one_file(legacy: Relation) -> bool:
    """Return whether a ctid is one row's alone."""
    return legacy.kind == "r" and not legacy.heirs


def at_places(legacy: Relation) -> str:
    """Return the condition, with one parameter, that finds the rows l at a list of places."""
    kind = "tid" if in_one_file(legacy) else "text"
    return f"{place_sql(legacy)} = ANY (%s::{kind}[])"


def cannot_be_read(legacy: Relation, key: Sequence[LegacyColumn]) -> str:
    """Return whether an entry says that this very row l cannot be read; its key is asked too, as places are used again."""
    return (
        f"EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena q WHERE q.tabla_origen = {literal(legacy.name)} AND q.estado <> 'resuelta'"
        f" AND q.tabla = l.tableoid AND q.lugar = l.ctid AND starts_with(q.clave, {key_text(key)}))"
    )


def count_sql(rows: str) -> str:
    """Return a SELECT of the number of ``rows``: here and below FROM a legacy table l with its condition."""
    return f"SELECT count(*) FROM {rows}"


def random_sql(rows: str, legacy: Relation, at_most: int) -> str:
    """Return a SELECT of the places of so many rows at random; every row is as likely as another."""
    return f"SELECT ({place_sql(legacy)})::text FROM {rows} ORDER BY random() LIMIT {at_most}"


def all_sql(rows: str, legacy: Relation) -> str:
    """Return a SELECT of the places of all rows."""
    return f"SELECT ({place_sql(legacy)})::text FROM {rows}"


@dataclass(frozen=True)
class Measure:
    """What is smallest in one row and largest in another: a column's value, or a text's bytes or beginning (``part``)."""

    column: LegacyColumn
    part: str = ""

    @property
    def sql(self) -> str:
        """The measure of the row l."""
        value, text = f"l.{ident(self.column.name)}", _text(self.column)
        if self.part == BYTES_OF:  # a document's as they are stored: to write it out costs more than all the rest
            return f"pg_column_size({value})" if self.column.base in DOCUMENTS else f"octet_length({text})"
        if self.part or self.of_uuid:
            return collated(f"{value}::text" if self.of_uuid else text, BYTES)
        return value

    def end(self, which: str) -> str:
        """The measure's min or max as a text: of a text its bytes, and the first of them in digits, as they may be no letters."""
        found = f"{which}({self.sql})"
        if self.part == HEAD_OF:
            return f"octet_length({found}) || ' ' || encode({_beginning(found)}, 'hex')"
        return f"{found}::text"

    @property
    def of_uuid(self) -> bool:
        """Whether the column is one, for which there is no min() before PostgreSQL 18 and whose text has its order."""
        return self.column.base == "uuid"

    def met(self, extreme: str) -> str:
        """Return the condition, without parameters, that the row l has that extreme, as cheap as it can be asked."""
        if self.part == BYTES_OF:
            return f"{self.sql} = {int(extreme)}"
        if not self.part:
            return f"l.{ident(self.column.name)} = {literal(extreme)}::{self.column.base}"
        size, digits = extreme.split(" ")
        text = _text(self.column)  # of another size it is not even read
        return f"octet_length({text}) = {int(size)} AND {_beginning(text)} = decode({literal(digits)}, 'hex')"


def measures_of(legacy: Relation, columns: Collection[str]) -> tuple[Measure, ...]:
    """Return what has extremes: ``columns`` and the key; every value of a boolean or an enum is looked at anyway."""
    found = []
    for column in legacy.columns:
        if column.base not in ALL_VALUES and (column.name in columns or column.name in legacy.primary_key):
            sized = column.base in SIZED_TEXTS | DOCUMENTS
            found += [Measure(column)] if column.base in ORDERED else [Measure(column, HEAD_OF)]
            found += [Measure(column, BYTES_OF)] if sized else []
    return tuple(found)


def extremes_sql(rows: str, measures: Sequence[Measure]) -> str:
    """Return a SELECT of one array of texts: the smallest and the largest of each measure, NULL where all are NULL."""
    return f"SELECT ARRAY[{', '.join(measure.end(which) for measure in measures for which in ('min', 'max'))}] FROM {rows}"


def edges_sql(rows: str, legacy: Relation, measures: Sequence[Measure], extremes: Sequence[str | None]) -> str:
    """Return a SELECT of one array: the place of a row at each end of each measure, and of one with a NULL in each column."""
    pairs = zip((m for m in measures for _ in range(2)), extremes, strict=True)
    met = [measure.met(extreme) for measure, extreme in pairs if extreme is not None]
    met += dict.fromkeys(f"l.{ident(m.column.name)} IS NULL" for m in measures if not m.column.not_null)
    places = ",\n  ".join(f"(min({place_sql(legacy)}) FILTER (WHERE {condition}))::text" for condition in dict.fromkeys(met))
    return f"SELECT ARRAY[\n  {places}]::text[]\nFROM {rows}"


def _beginning(text: str) -> str:
    """The first bytes of a text: cut by letters a text of bytes that are none is an error."""
    return f"substr(textsend({text}), 1, {BEGINNING})"


def _text(column: LegacyColumn) -> str:
    value = f"l.{ident(column.name)}"
    return value if column.base in TEXT_BY_ITSELF else f"{value}::text"


def values_sql(rows: str, legacy: Relation, enumerated: Collection[str], at_most: int) -> str:
    """Return a SELECT of the place of one row for each value of the columns whose values are listed.

    '' where no column is like that.
    """
    names = [f"l.{ident(c.name)}" for c in legacy.columns if c.name in enumerated or c.base in ALL_VALUES]
    if not names:
        return ""
    sets = ", ".join(f"({name})" for name in names)
    return f"SELECT (min({place_sql(legacy)}))::text FROM {rows} GROUP BY GROUPING SETS ({sets}) LIMIT {at_most}"


def quarantined_sql(schema: str, legacy: Relation, key: Sequence[LegacyColumn], at_most: int) -> str:
    """Return a SELECT of the places of so many quarantined rows: each reason's turn, then at random."""
    return f"""SELECT ({place_sql(legacy)})::text FROM (
  SELECT c.clave, row_number() OVER (PARTITION BY c.sqlstate, c.columna ORDER BY random()) AS turno
  FROM {BOOKKEEPING}.cuarentena c WHERE c.tabla_origen = {literal(legacy.name)} AND c.estado <> 'resuelta' AND c.lugar IS NULL
  ORDER BY turno, random() LIMIT {at_most}) c
JOIN {qname(schema, legacy.name)} l ON {key_text(key)} = c.clave"""


def fused_sql(schema: str, legacy: Relation, key: Sequence[LegacyColumn], at_most: int) -> str:
    """Return a SELECT of the places of so many merged rows at random."""
    return f"""SELECT ({place_sql(legacy)})::text FROM (
  SELECT m.clave FROM {BOOKKEEPING}.fusion m WHERE m.tabla_origen = {literal(legacy.name)} ORDER BY random() LIMIT {at_most}) m
JOIN {qname(schema, legacy.name)} l ON {key_text(key)} = m.clave"""


def key_text(key: Iterable[LegacyColumn]) -> str:
    """Return the key of the row l as the bookkeeping writes it: values behind each other with | between them."""
    return " || '|' || ".join(map(_key_part, key))


def _key_part(column: LegacyColumn) -> str:
    text = f"l.{ident(column.name)}::text"
    if column.base not in SIZED_TEXTS:
        return text
    return f"replace(replace({collated(text)}, {literal(chr(92))}, {literal(chr(92) * 2)}), '|', {literal(chr(92) + '|')})"


def chance_of_escape(rows: int, looked_at: int, faults: int) -> float:
    """Return how likely none of ``faults`` rows among ``rows`` is among ``looked_at`` taken at random, without putting back.

    The hypergeometric distribution at zero: the product of (rows - faults - i) / (rows - i).
    """
    chance = 1.0
    for i in range(looked_at):
        chance *= max(0, rows - faults - i) / (rows - i)
        if chance < 1e-12:
            break
    return chance
