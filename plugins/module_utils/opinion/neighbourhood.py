"""Reads legacy rows, and whatever has to be known beside them, for the second opinion: plain SELECTs in the caller's snapshot.

No transaction is opened here, and nothing of migracion is asked but which rows cannot be read and which PostgreSQL alone refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from ..core.catalogue import Catalogue
from ..core.mapping.column_types import INTEGERS
from ..core.mapping.types import TableMapping
from ..core.opinion.binding import Bound, BoundPair, bind
from ..core.opinion.choice import cannot_be_read
from ..core.opinion.fates import Candidates, Everything, Fate, HardJson, Instant, Known, LegacyRow, Need
from ..core.opinion.judging import judge
from ..core.sqltext import ident, literal, qname
from ..server.db import Error, execute, fetch_all, run_sql, server_codec

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_AT_ONCE = 2_000  # rows that are judged together, and fetched together
_DAMAGED = "SELECT DISTINCT tabla_origen FROM migracion.cuarentena WHERE lugar IS NOT NULL AND tabla_origen = ANY (%s)"
_REFUSED = (
    "SELECT tabla_origen, clave, sqlstate FROM migracion.cuarentena"
    " WHERE estado <> 'resuelta' AND tabla_origen = ANY (%s) AND starts_with(motivo, %s)"
)
_UNFORESEEN = "PostgreSQL la rechaza"  # how an entry's reason begins that no rule gave
_SIGN_EVERY = 2.0  # seconds of judging after which the session gives a sign: the server ends one that idles in a transaction
_cursors = count(1)
_EXACT = {"uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")}
_EXACT |= {base: re.compile(r"-?(0|[1-9][0-9]{0,18})") for base in INTEGERS}


def bound_here(conn: Connection, mapping: TableMapping, catalogue: Catalogue) -> Bound:
    """Bind the mapping to the database of the connection. Raises MigrationError, code drift, as bind() does."""
    return bind(mapping, catalogue, server_codec(conn))


def _asked(conn: Connection, need: Instant | HardJson) -> str | None:
    """What the server makes of one text, None where it refuses it. Nothing of it stays: neither an error nor the setting."""
    if isinstance(need, Instant):
        question = "SELECT pg_catalog.timezone('UTC', %s::pg_catalog.timestamptz)::text"
    else:
        question = "SELECT (%s::pg_catalog.jsonb)::text"
    run_sql(conn, "SAVEPOINT opinion", "SET LOCAL DateStyle = 'ISO, MDY'", "SET LOCAL TimeZone = 'UTC'")
    try:
        return str(fetch_all(conn, question, (need.text,))[0][0])
    except Error as error:
        if (error.pgcode or "")[:2] not in ("22", "54"):  # data, or more than a limit allows
            raise
        return None
    finally:
        run_sql(conn, "ROLLBACK TO SAVEPOINT opinion", "RELEASE SAVEPOINT opinion")


class Neighbourhood:
    """The rows of one snapshot as they are read and judged: make it in the transaction in which it is asked.

    ``refused``: (legacy table, clave) of the rows that PostgreSQL alone refused, with the SQLSTATE: few, as more than a few stop
    the phase. ``damaged``: the legacy tables of which some rows cannot be read.
    """

    def __init__(self, conn: Connection, bound: Bound) -> None:
        self.conn, self.bound, self.schema = conn, bound, bound.mapping.schema
        self.columns = _columns_read(bound)
        self.pairs = {p.pair.source: p for p in bound.pairs}
        self.exact = {
            (p.pair.source, column.name): column.base
            for p in bound.pairs
            for column in p.relation.columns
            if column.base in _EXACT and not p.may_repeat
        }
        sources = [pair.source for pair in bound.mapping.pairs]
        self.refused = {(table, clave): state for table, clave, state in fetch_all(conn, _REFUSED, (sources, _UNFORESEEN))}
        self.damaged = {table for (table,) in fetch_all(conn, _DAMAGED, (sources,))}

    def read(self, table: str, condition: str = "true", params: Sequence[Any] = ()) -> Iterator[LegacyRow]:
        """Yield a legacy table's rows for which the condition holds, an SQL expression over ``l`` with ``%s`` for its parameters.

        What the mapping reads of them, as text; those that cannot be read are left out. Some two thousand are held at a time.
        """
        cursor = f"opinion_{next(_cursors)}"
        execute(self.conn, f"DECLARE {cursor} NO SCROLL CURSOR FOR {self.select(table, condition)}", tuple(params))
        while found := fetch_all(self.conn, f"FETCH {_AT_ONCE} FROM {cursor}"):
            yield from (self.row(table, values) for values in found)
        run_sql(self.conn, f"CLOSE {cursor}")

    def opinions(self, rows: Sequence[tuple[BoundPair, LegacyRow]]) -> list[Fate]:
        """Return what must become of each row, which read() gave, and which is that pair's."""
        fates: list[Fate] = []
        for first in range(0, len(rows), _AT_ONCE):
            fates += self._judged(rows[first : first + _AT_ONCE], Known(unforeseen=self.refused.keys()))
        return fates

    def _judged(self, rows: Sequence[tuple[BoundPair, LegacyRow]], known: Known) -> Iterable[Fate]:
        fates: dict[int, Fate] = {}
        left: Iterable[int] = range(len(rows))
        sign = time.monotonic()
        while left:
            needs: set[Need] = set()
            waiting = []
            for number in left:
                if time.monotonic() - sign > _SIGN_EVERY:
                    run_sql(self.conn, "SELECT 1")
                    sign = time.monotonic()
                said = judge(*rows[number], known)
                if isinstance(said, frozenset):
                    needs |= said
                    waiting.append(number)
                else:
                    fates[number] = said
            texts = {need: _asked(self.conn, need) for need in needs if isinstance(need, Instant | HardJson)}
            known.learn(self.rows(needs), texts)
            left = waiting
        return (fates[number] for number in range(len(rows)))

    def select(self, table: str, condition: str) -> str:
        """The SELECT that row() reads: the place first. Its only parameters are the condition's."""
        listed = "".join(f", l.{ident(name)}::text".replace("%", "%%") for name in self.columns[table])
        own = f"(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = {literal(table)}"
        own = f"{own} AND n.nspname = {literal(self.schema)})".replace("%", "%%")
        name = qname(self.schema, table).replace("%", "%%")
        if table in self.damaged:
            pair = self.pairs[table]
            unread = cannot_be_read(pair.relation, pair.key).replace("%", "%%")
            condition = f"CASE WHEN {unread} THEN false ELSE ({condition}) END"
        return f"SELECT l.tableoid <> {own}, l.tableoid::bigint, l.ctid::text{listed} FROM {name} l WHERE {condition}"

    def row(self, table: str, found: Sequence[Any]) -> LegacyRow:
        """A row as select() gives it. The table's own rows come before its heirs', the lower place before the higher."""
        heir, tableoid, ctid, *values = found
        block, offset = ctid.strip("()").split(",")
        place = f"{int(heir)}:{tableoid:010}:{int(block):010}:{int(offset):05}"
        return LegacyRow(table, dict(zip(self.columns[table], values, strict=True)), place)

    def rows(self, needs: Iterable[Need]) -> dict[Candidates | Everything, tuple[LegacyRow, ...]]:
        """All that is asked for, by one SELECT for each column that is asked by."""
        answers: dict[Candidates | Everything, tuple[LegacyRow, ...]] = {}
        by_column: dict[tuple[str, str, bool], list[Candidates]] = {}
        for need in needs:
            if isinstance(need, Everything):
                answers[need] = tuple(self.row(need.table, r) for r in fetch_all(self.conn, self.select(need.table, "true"), ()))
            elif isinstance(need, Candidates):
                by_column.setdefault((need.table, need.column, need.loose), []).append(need)
        for (table, column, loose), asked in by_column.items():
            found: dict[str | None, list[LegacyRow]] = {}
            for row in self._who(table, column, loose, [n.value for n in asked]):
                found.setdefault(_compared(row.values[column], loose), []).append(row)
            answers |= {need: tuple(found.get(_compared(need.value, loose), ())) for need in asked}
        return answers

    def _who(self, table: str, column: str, loose: bool, values: Sequence[str | None]) -> Iterator[LegacyRow]:
        name = f"l.{ident(column)}".replace("%", "%%")
        wanted = sorted({compared for value in values if (compared := _compared(value, loose)) is not None})
        base = self.exact.get((table, column), "")
        if base:  # its values are written in one way only, so that an index serves; what is no such value is nobody's
            within = -(2 ** (INTEGERS.get(base, 64) - 1))
            wanted = [v for v in wanted if _EXACT[base].fullmatch(v) and (base == "uuid" or within <= int(v) < -within)]
            condition = f"{name} = ANY (%s::{base}[])"
        else:
            text = f"lower(translate({name}::text, '{{}} -', '') COLLATE \"C\")" if loose else f"btrim({name}::text)"
            condition = f'{text} COLLATE "C" = ANY (%s::text[])'
        if None in values:
            condition = f"({condition} OR {name} IS NULL)"
        if wanted or None in values:
            for found in fetch_all(self.conn, self.select(table, condition), (wanted,)):
                yield self.row(table, found)


def _compared(value: str | None, loose: bool) -> str | None:
    """A value as candidates are compared by."""
    if value is None or not loose:
        return value and value.strip(" ")
    return re.sub("[{} -]", "", value).lower()


def _columns_read(bound: Bound) -> dict[str, tuple[str, ...]]:
    """By table, legacy or Spanish, the columns that judging may ask of its rows."""
    read: dict[str, dict[str, None]] = {}
    for p in bound.pairs:
        own = read.setdefault(p.pair.source, {})
        names = [c.name for c in p.key] + [name for where in p.divided for name, _ in where]
        for column in p.columns.values():
            names += [c.name for c in (column.source, column.by) if c is not None]
            if (lookup := column.rule.lookup) is not None:
                read.setdefault(lookup.table, {}).update(dict.fromkeys((lookup.column, lookup.take)))
        own.update(dict.fromkeys(names))
        for key, pairs in p.parents:
            if not pairs:
                read.setdefault(key.table, {})[key.references] = None
    return {table: tuple(names) for table, names in read.items()}
