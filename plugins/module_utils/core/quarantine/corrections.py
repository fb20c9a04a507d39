"""What the legacy side's owner can do about a reason of quarantine: statements to fill in, and the values that pass. Pure.

A statement holds ``<valor corregido>``, which no server parses: run as it stands it changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import UNFORESEEN, of_kind, sources_of
from ..rows.repeated_keys import REPEATED_KEY, among_repeated
from ..rows.routes import CarriedColumn, Route, clave_sql
from ..rows.values import origin
from ..sqltext import ident, idents, literal, qname
from ..words import escape

BLANK = "<valor corregido>"
FEW = 5  # rows that a statement names by their keys; more are found by a subselect


@dataclass(frozen=True)
class Reason:
    """The open entries of one reason.

    ``varied``: their reason goes on behind ``text`` with a value, another one for each.
    ``column``: as migracion.cuarentena keeps it, one name, several joined by ', ', or ''; ``keys``: the values of the
    primary keys as text, only where the entries are few.
    """

    source: str
    text: str
    sqlstate: str
    column: str
    rows: int
    varied: bool = False
    keys: tuple[tuple[str, ...], ...] = ()


def advice(reason: Reason, routes: Sequence[Route]) -> list[str]:
    """Return what corrects these rows, line by line; ``routes``: those that start from the reason's table."""
    if not reason.column or f"{reason.text}: ".startswith(UNFORESEEN):
        return ["PostgreSQL no dice qué columna es: compare su mensaje con la fila, corríjala y repita la fase."]
    if (carried := _looked_up(reason, routes)) is not None:
        return _through_lookup(reason, routes[0], carried)
    columns = columns_at_fault(reason, routes)
    if not columns:
        return [f"La columna {reason.column} ya no existe: repita la fase."]
    return [*_allowed(reason, routes), *_merging(reason, routes), *update(reason, routes[0], columns)]


def update(reason: Reason, route: Route, columns: Iterable[str], also: str = "") -> list[str]:
    """Return an UPDATE of the legacy rows with that reason; ``also`` narrows it to some of them."""
    values = ", ".join(f"{ident(column)} = {BLANK}" for column in columns)
    return [f"UPDATE {route.source_table} SET {values}", f"  WHERE {rows_of(reason, route)}{also and f' AND {also}'};"]


def rows_of(reason: Reason, route: Route) -> str:
    """Return the condition that exactly the legacy rows with that reason fulfil."""
    entries = (
        f"SELECT clave FROM {BOOKKEEPING}.cuarentena WHERE estado = 'abierta'"
        f" AND tabla_origen = {printable(reason.source)} AND {reason_is(reason)}"
    )
    if reason.text.endswith(REPEATED_KEY):  # the row that stays has their keys too
        return among_repeated(route, entries)
    if reason.keys:
        return keyed(idents(c.name for c in route.key), reason.keys)
    return f"{clave_sql(route.key, ident(route.pair.source))} IN ({entries})"


def reason_is(reason: Reason) -> str:
    """Return the condition on migracion.cuarentena that its entries fulfil."""
    return of_kind("motivo", printable(reason.text)) if reason.varied else f"motivo = {printable(reason.text)}"


def keyed(columns: str, keys: Sequence[tuple[str, ...]]) -> str:
    """Return whether ``columns`` (a list as SQL) hold one of the keys."""
    rows = [", ".join(printable(value) for value in key) for key in keys]
    if len(keys[0]) == 1:
        return f"{columns} IN ({', '.join(rows)})"
    return f"({columns}) IN ({', '.join(f'({row})' for row in rows)})"


def printable(value: str) -> str:
    """Return the text as an SQL string in which nothing moves a cursor and nothing has to be escaped again."""
    if escape(value) == value:
        return literal(value).strip()
    shown = (char if escape(char) == char else _unicode(ord(char)) for char in value.replace("\\", "\\\\").replace("'", "''"))
    return f"E'{''.join(shown)}'"


def _unicode(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def orphans(route: Route, column: str, parents: Sequence[tuple[str, str]]) -> str:
    """Return the condition that keeps children out whose parent has an open entry of its own.

    ``column``: the child's; ``parents``: legacy table and column that it points to.
    """
    named = " OR ".join(f"p.tabla_origen = {literal(t)} AND p.fila ->> {literal(c)} = {_text(route, column)}" for t, c in parents)
    return f"NOT EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena p WHERE p.estado <> 'resuelta' AND ({named}))"


def _text(route: Route, column: str) -> str:
    return f"{ident(route.pair.source)}.{ident(column)}::text"


def columns_at_fault(reason: Reason, routes: Sequence[Route]) -> list[str]:
    """Return the columns of the row itself to look at; none where nobody knows."""
    if (carried := _looked_up(reason, routes)) is not None:
        return [carried.lookup.by]
    known = {c.name for c in routes[0].legacy.columns} if routes else set()
    return [column for column in reason.column.split(", ") if column in known]


def _looked_up(reason: Reason, routes: Sequence[Route]) -> CarriedColumn | None:
    """The value at fault that is looked up elsewhere: named as table.column, or not found by the row's column."""
    for carried in (c for r in routes for c in r.carried if c.rule.lookup and not c.spanish):
        missing = reason.sqlstate == "23502" and carried.target.not_null
        if reason.column == (carried.lookup.by if missing else origin(carried.rule, carried.source)):
            return carried
    return None


def _through_lookup(reason: Reason, route: Route, carried: CarriedColumn) -> list[str]:
    lookup, rows = carried.lookup, rows_of(reason, route)
    found = [
        f"Si la fila de {lookup.table} existe:",
        f"UPDATE {qname(route.schema, lookup.table)} SET {ident(lookup.take)} = {BLANK}",
        f"  WHERE {ident(lookup.column)} IN (SELECT {ident(lookup.by)} FROM {route.source_table} WHERE {rows});",
    ]
    if reason.sqlstate == "23502":
        found += [f"Si {lookup.by} no lleva a la fila debida:", *update(reason, route, [lookup.by])]
    if carried.rule.json_keys:
        kept, key = carried.rule.sources[0], carried.rule.json_keys[0]
        column = ident(kept)
        value = f"jsonb_set(coalesce(nullif({column}, 'null'), '{{}}'), '{{{key}}}', to_jsonb({BLANK}::text))"
        found += [
            f"Si el valor es el de {kept}:",
            f"UPDATE {route.source_table} SET {column} = {value}",
            f"  WHERE {rows};",
        ]
    return found


def _allowed(reason: Reason, routes: Sequence[Route]) -> list[str]:
    """The values that pass, where a value without translation is the reason."""
    if reason.sqlstate == "P0001":
        claimed = [value for r in routes for column, value in r.pair.where if column == reason.column]
        return [f"{reason.column} admite: {', '.join(map(printable, dict.fromkeys(claimed)))}"] if claimed else []
    translated = reason.sqlstate in ("23514", "22001")
    said = {
        route.pair.target: _passing(carried)
        for route in routes
        for carried in route.carried
        if translated and carried.source.name == reason.column and carried.target.allowed
    }
    if len(set(said.values())) == 1:
        return [f"{reason.column} admite: {next(iter(said.values()))}"]
    return [f"{reason.column} admite, hacia {target}: {values}" for target, values in said.items()]


def _passing(carried: CarriedColumn) -> str:
    known = [old for old, _ in carried.rule.values]
    spanish = [value for value in carried.target.allowed if value not in known]
    return "; o ya en español ".join(", ".join(map(printable, values)) for values in (known, spanish) if values)


def _merging(reason: Reason, routes: Sequence[Route]) -> list[str]:
    """What else a row can become that shares a key with another one."""
    return [
        f"Con el mismo {reason.column} que la fila que queda, se fusiona con ella."
        for route in routes
        if reason.sqlstate == "23505" and route.pair.merge_by and sources_of(route, (route.pair.merge_by,)) == reason.column
    ][:1]
