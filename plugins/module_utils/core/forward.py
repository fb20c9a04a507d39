"""The forward SELECT of a pair: the only place where a transformation is written.

Its columns: ``_k1`` … the legacy primary key, ``_clave`` the same as one text, the carried Spanish columns,
``_sqlstate`` and ``_motivo`` where the row cannot go in (else NULL).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from .catalogue import Catalogue, LegacyColumn, Relation
from .errors import MigrationError
from .mapping import ColumnRule, Mapping, Pair, SpanishColumn, SpanishTable
from .sqltext import derived_name, ident, literal, qname
from .transform import TEXT_TYPES, Conversion, Refusal, convert, type_family

BOOKKEEPING = "migracion"


@dataclass(frozen=True)
class Carried:
    """One Spanish column that a pair fills, with the legacy column it comes from."""

    rule: ColumnRule
    source: LegacyColumn
    target: SpanishColumn


@dataclass(frozen=True)
class Route:
    """A pair seen against the live catalogue: what is carried here, by which key."""

    pair: Pair
    schema: str
    legacy: Relation
    table: SpanishTable
    carried: tuple[Carried, ...]

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
    def view(self) -> str:
        """Qualified name of the view that wraps the forward SELECT."""
        return qname(BOOKKEEPING, derived_name("v", self.pair.source, self.pair.target))

    def function_name(self, verb: str) -> str:
        """Name of the pair's function for ``verb`` (copiar, llevar, quitar), in schema migracion."""
        return derived_name(verb, self.pair.source, self.pair.target)

    def function(self, verb: str) -> str:
        """The same, qualified and quoted."""
        return qname(BOOKKEEPING, self.function_name(verb))


def source_of(rule: ColumnRule, legacy: Relation) -> LegacyColumn | None:
    """Return the first legacy column of the rule that exists here."""
    by_name = {c.name: c for c in legacy.columns}
    return next((by_name[name] for name in rule.sources if name in by_name), None)


def spanish_columns(mapping: Mapping, catalogue: Catalogue, table: SpanishTable) -> tuple[SpanishColumn, ...]:
    """Return the columns that the table has here: an optional one only where a legacy table feeds it."""

    names = {table.twin, *(pair.source for pair in mapping.pairs if pair.target == table.name)}
    legacy = {c.name for name in names if (found := catalogue.relation(name)) is not None for c in found.columns}
    return tuple(c for c in table.columns if not c.optional or c.optional in legacy)


def route(mapping: Mapping, catalogue: Catalogue, pair: Pair) -> Route:
    """Bind a pair to the live catalogue. Raises MigrationError where drift() would have refused it."""
    legacy = catalogue.relation(pair.source)
    table = next(t for t in mapping.tables if t.name == pair.target)
    if legacy is None or not legacy.primary_key:
        raise MigrationError(f"{pair.source}: no existe o no tiene clave primaria; ejecute fase0, que lo explica.")
    targets = {c.name: c for c in spanish_columns(mapping, catalogue, table)}
    carried = tuple(
        Carried(rule, source, targets[rule.target])
        for rule in pair.columns
        if rule.target in targets and (source := source_of(rule, legacy)) is not None
    )
    return Route(pair, mapping.schema, legacy, table, carried)


def clave_sql(columns: Sequence[LegacyColumn], alias: str) -> str:
    r"""Return the key as one text: values joined by '|', a '|' or '\' inside a value behind a '\'."""
    parts = []
    for column in columns:
        text = f"{alias}.{ident(column.name)}::text"
        if column.base in TEXT_TYPES:
            text = rf"replace(replace({text}, E'\\', E'\\\\'), '|', E'\\|')"
        parts.append(text)
    return " || '|' || ".join(parts)


def forward_sql(route: Route) -> str:
    """Return the forward SELECT's text."""
    conversions = _conversions(route, "l")
    keys = ",\n       ".join(f"l.{ident(c.name)} AS {k}" for c, k in zip(route.key, route.key_names, strict=True))
    columns = ",\n       ".join(f"v.{ident(c)}" for c in route.columns)
    doubles = _double_refusals(route)
    reason = _case([r for c in conversions for r in c.refusals])
    outer = f"coalesce(r.rechazo, {_case(doubles)})" if doubles else "r.rechazo"
    return (
        f"SELECT {keys},\n       {clave_sql(route.key, 'l')} AS _clave,\n       {columns},\n"
        f"       left({'d' if doubles else 'r'}.rechazo, 5) AS _sqlstate,\n"
        f"       substr({'d' if doubles else 'r'}.rechazo, 7) AS _motivo\n"
        f"{_from(route, conversions, 'l')}"
        f"CROSS JOIN LATERAL (SELECT {reason} AS rechazo) r"
        + (f"\nCROSS JOIN LATERAL (SELECT {outer} AS rechazo) d" if doubles else "")
        + _where(route, "l")
    )


def _from(route: Route, conversions: Sequence[Conversion], alias: str) -> str:
    values = ",\n    ".join(f"{c.value} AS {ident(column)}" for c, column in zip(conversions, route.columns, strict=True))
    return f"FROM {qname(route.schema, route.pair.source)} {alias}\nCROSS JOIN LATERAL (SELECT\n    {values}) v\n"


def where_of(route: Route, alias: str) -> str:
    """Return the condition that a legacy row (``alias``) has to meet to belong to this pair."""
    return " AND ".join(f"{alias}.{ident(c)} = {literal(v)}" for c, v in route.pair.where) or "true"


def _where(route: Route, alias: str) -> str:
    return f"\nWHERE {where_of(route, alias)}" if route.pair.where else ""


def _conversions(route: Route, alias: str) -> tuple[Conversion, ...]:
    found = []
    for carried in route.carried:
        conversion = convert(carried.rule, carried.source, carried.target, alias)
        if conversion is None:
            raise MigrationError(
                f"{route.pair.source}.{carried.source.name} es {carried.source.type} y ninguna regla lo lleva a "
                f"{route.pair.target}.{carried.target.name} ({carried.target.type}); ejecute fase0, que lo explica."
            )
        found.append(conversion)
    return tuple(found)


def _case(refusals: Sequence[Refusal]) -> str:
    """Return an expression that is 'SQLSTATE reason' of the first refusal that holds, else NULL."""
    if not refusals:
        return "NULL::text"
    return "CASE" + "".join(f"\n    WHEN {r.condition} THEN '{r.sqlstate} ' || {r.reason.strip()}" for r in refusals) + "\n  END"


def _double_refusals(route: Route) -> list[Refusal]:
    """Return what refuses a row because an acceptable row with a lower key takes the same unique Spanish value."""
    carried = {c.target.name: c for c in route.carried}
    refusals = []
    for unique in (route.table.primary_key, *route.table.unique):
        if not set(unique) <= carried.keys():
            continue
        guard = _may_meet(route, unique)
        if guard is None:
            continue
        names = " y ".join(carried[u].source.name for u in unique)
        reason = literal(f"{names} repite en {', '.join(unique)} el valor de otra fila, que queda")
        losers = _losers(route, unique, guard)
        condition = f"r.rechazo IS NULL AND {guard} AND ({clave_sql(route.key, 'l')}) IN ({losers})"
        refusals.append(Refusal(condition, "23505", reason))
    return refusals


def _may_meet(route: Route, unique: tuple[str, ...]) -> str | None:
    """Return the condition under which two legacy rows can meet in ``unique``; None where they never can."""
    carried = {c.target.name: c for c in route.carried}
    sources = tuple(carried[u].source.name for u in unique)
    guards = []
    if any(set(key) <= set(sources) for key in (*route.legacy.unique, route.legacy.primary_key)):
        for name in unique:
            item = carried[name]
            family, size = type_family(item.target.type)
            if item.rule.values or item.rule.default is not None or item.source.base == "citext":
                guards.append("true")
            elif family == "character varying" and size:
                # distinct texts meet only where one was cut at varchar(n), so both have exactly n characters
                guards.append(f"char_length(v.{ident(name)}) = {size[0]}")
            elif family not in ("text", item.source.base):
                guards.append("true")
        return f"({' OR '.join(guards)})" if guards else None
    return "true"


def _losers(route: Route, unique: tuple[str, ...], guard: str) -> str:
    """Return a SELECT of the keys that come second. It stands alone, so it is run once a query and only when asked."""
    conversions = _conversions(route, "o")
    values = ", ".join(f"v.{ident(u)}" for u in unique)
    refused = _case([r for c in conversions for r in c.refusals])
    ranked = (
        f"SELECT {clave_sql(route.key, 'o')} AS clave,\n"
        f"       row_number() OVER (PARTITION BY {values} ORDER BY {_order(route, 'o')}) AS puesto\n"
        f"{_from(route, conversions, 'o')}"
        f"WHERE {where_of(route, 'o')} AND {guard} AND {' AND '.join(f'v.{ident(u)} IS NOT NULL' for u in unique)}\n"
        f"  AND ({refused}) IS NULL"
    )
    return f"\n      SELECT d.clave FROM (\n{textwrap.indent(ranked, ' ' * 8)}\n      ) d WHERE d.puesto > 1"


def _order(route: Route, alias: str) -> str:
    return ", ".join(f"{alias}.{ident(c.name)}" for c in route.key)
