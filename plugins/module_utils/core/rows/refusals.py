"""What the forward SELECT is made of: the converted values, and every reason why a row is refused or merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bookkeeping import BOOKKEEPING
from ..catalogue import LegacyColumn
from ..errors import STEP_CHANGED_NOTHING, MigrationError
from ..mapping.types import ForeignKey
from ..sqltext import all_of, collated, commented, ident, idents, indented, literal, qname, where_all
from .repeated_keys import first_of_key, repeated_join, repeated_refusals, row_clave, same_row, unrepeated
from .routes import CarriedColumn, Route, equals, in_order, joined_key, read
from .unreadable import readable
from .values import Conversion, Refusal, convert, origin, type_family

UNFORESEEN = "PostgreSQL la rechaza: "  # the reason of a row that no expression foresaw begins so
BY_SERVER = UNFORESEEN.rstrip(": ")  # the kind of all these reasons
STRAY = "P0001"  # the SQLSTATE of a row that belongs to no pair of its table, and of no other
VALUE_AT_THE_END = ": (E?'.*|NULL)$"


def reason_kind(reason: str) -> str:
    """Return a reason (SQL) without the row's own value: of these there are as many as a mapping has, however many rows.

    A value stands at the end, behind ': ' and as quote_literal() writes it; PostgreSQL's own words are one kind.
    """
    foreseen = f"regexp_replace({reason}, {literal(VALUE_AT_THE_END)}, '')"
    return f"CASE WHEN {unforeseen(reason)} THEN {literal(BY_SERVER)} ELSE {foreseen} END"


def of_kind(reason: str, kind: str) -> str:
    """Return whether a reason (SQL) is of that kind (SQL)."""
    return f"({reason} = {kind} OR starts_with({reason}, {kind} || ': '))"


def accepted(alias: str) -> str:
    """Return whether a row of a forward SELECT is carried.

    As CASE the planner takes it for half of the rows; bare IS NULL on an expression it would take for one in 200.
    """
    return f"CASE WHEN {alias}._rechazo IS NULL AND {alias}._fusion IS NULL THEN true ELSE false END"


def with_reason(statement: str) -> str:
    """Return the statement behind the line that says why such a CASE stands in it; as it is where none does."""
    return commented(_HALVES) + statement if "THEN true ELSE false" in statement else statement


_HALVES = (
    "CASE ... THEN true ELSE false END: así el planificador cuenta con la mitad de las filas; sin CASE, con una de cada 200."
)


def goes_in(route: Route, alias: str) -> str:
    """Return whether a row of the route's forward SELECT is carried, as far as others hang on it.

    It is not where PostgreSQL alone refused it, as its open entry says: nothing points to it then, or is merged into it.
    """
    refused = f"c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta' AND {unforeseen('c.motivo')}"
    return f"{accepted(alias)} AND {alias}._clave NOT IN (SELECT c.clave FROM {BOOKKEEPING}.cuarentena c WHERE {refused})"


def unforeseen(reason: str) -> str:
    """Return whether a reason (an SQL expression) is one that only PostgreSQL gave."""
    return f"starts_with({reason}, {literal(UNFORESEEN)})"


def base_sql(route: Route, alias: str) -> str:
    """Return FROM … with the legacy row, what it looks up, its values in v and its own refusal in r.rechazo."""
    conversions = {c.target.name: conversion_of(route, c, alias) for c in route.carried if not c.spanish}
    values = ",\n    ".join(f"{found.value} AS {ident(name)}" for name, found in conversions.items())
    refusals = [r for found in conversions.values() for r in found.refusals]
    legacy = "".join(_lookup_join(route, c, f"{alias}.") for c in route.carried if c.rule.lookup and not c.spanish)
    spanish = "".join(_lookup_join(route, c, "v.") for c in route.carried if c.spanish)
    if route.pair.otherwise:
        refusals.insert(0, _leftover(route, alias))
    refusals = repeated_refusals(route) + refusals
    rows = f"{route.source_table} {alias}{repeated_join(route, alias)}"
    return (
        f"FROM {rows}{legacy}\nCROSS JOIN LATERAL (SELECT\n    {values}) v{spanish}\n"
        f"CROSS JOIN LATERAL (SELECT {case_of(refusals)} AS rechazo) r"
    )


def conversion_of(route: Route, carried: CarriedColumn, alias: str) -> Conversion:
    """Return the conversion of one carried column. Raises MigrationError where drift would have refused it."""
    conversion = convert(carried.rule, carried.source, carried.target, column_sql(route, carried, alias))
    if conversion is None:
        raise MigrationError(
            f"{route.pair.source}.{carried.source.name} es {carried.source.type} y ninguna regla lo lleva a "
            f"{route.pair.target}.{carried.target.name} ({carried.target.type})",
            left=STEP_CHANGED_NOTHING,
            move="Ejecute fase0.yml con el mismo -i, que lo explica.",
        )
    return conversion


def column_sql(route: Route, carried: CarriedColumn, alias: str) -> str:
    """Return the legacy value as SQL: a column, or what a lookup finds, or else one of the JSON keys."""
    found = read(carried.source, carried.alias if carried.rule.lookup else alias)
    if not carried.rule.json_keys:
        return found
    holder = next(c for c in route.legacy.columns if c.name == carried.rule.sources[0])
    value = f"{alias}.{ident(holder.name)}"
    if holder.base != "jsonb":  # json holds escapes that are no text here: to ask for one would be an error
        value = f"(CASE WHEN {BOOKKEEPING}.es_jsonb({value}::text) THEN {value}::text::jsonb END)"
    keys = [f"{value} ->> {literal(key)}" for key in carried.rule.json_keys]
    return f"coalesce({', '.join([f'{found}::text', *keys] if carried.rule.lookup else keys)})"


def _lookup_join(route: Route, carried: CarriedColumn, prefix: str) -> str:
    lookup, value = carried.lookup, f"{prefix}{ident(carried.lookup.by)}"
    if carried.inherited and carried.found_by is not None:
        rows = first_of_key(route.schema, lookup.table, equals(carried.found_by, "x", value))
        return f"\nLEFT JOIN LATERAL ({rows}) {carried.alias} ON true"
    mine = f"{carried.alias}.{ident(lookup.column)} = {value}"
    same = mine if carried.found_by is None else equals(carried.found_by, carried.alias, value)
    return f"\nLEFT JOIN {qname(route.schema, lookup.table)} {carried.alias} ON {same}"


def _leftover(route: Route, alias: str) -> Refusal:
    pairs = (route.pair, *route.siblings)
    column = next(c for p in pairs for c, _ in p.where)
    wanted = " ni ".join(dict.fromkeys(v for p in pairs for _, v in p.where))
    found = next((c for c in route.legacy.columns if c.name == column), LegacyColumn(column, "text", "text"))
    shown = f"coalesce(quote_literal(left({read(found, alias)}::text, 40)), 'NULL')"
    reason = f"{literal(f'{column} no es {wanted}: ')} || {shown}"
    return Refusal(f"NOT {route.claimed(alias)}", literal(STRAY), column, reason)


def case_of(refusals: Sequence[Refusal]) -> str:
    """Return an array of SQLSTATE, column and reason of the first refusal that holds, else NULL."""
    if not refusals:
        return "NULL::text[]"
    whens = "".join(
        f"\n    WHEN {r.condition} THEN ARRAY[{r.sqlstate}, {literal(r.column).strip()}, {r.reason.strip()}]" for r in refusals
    )
    return f"CASE{whens}\n  END"


def late_joins(route: Route) -> str:
    """Return the joins with the rows of other pairs that decide about this one: its parents, and winners of the same match.

    They are joins and no subselects, so that a batch looks its few rows up and a proof hashes all of them.
    """
    joins = [
        f"\nLEFT JOIN {table} {alias} ON {alias}.{ident(key.references)} = v.{ident(key.column)}{accepts}"
        for key, found in _parents(route)
        for alias, table, accepts in found
    ]
    for number, other in enumerate(route.earlier, 1):
        same = " AND ".join(f"g{number}.{ident(m)} = v.{ident(m)}" for m in route.pair.match)
        joins.append(f"\nLEFT JOIN {other.view} g{number} ON {same} AND {accepted(f'g{number}')}")
    return "".join(joins)


def _parents(route: Route) -> Iterator[tuple[ForeignKey, list[tuple[str, str, str]]]]:
    """By foreign key that is carried: alias, table and further condition of every place where the parent may be."""
    for number, (key, parents) in enumerate(route.parents, 1):
        if route.carried_as(key.column) is not None:
            aliases = [f"a{number}_{n}" for n in range(1, len(parents) + 1)]
            found = [(a, p.view, f"{_by_its_key(p, key, a)} AND {goes_in(p, a)}") for a, p in zip(aliases, parents, strict=True)]
            yield key, found or [(f"a{number}_1", qname(route.schema, key.table), "")]


def _by_its_key(parent: Route, key: ForeignKey, alias: str) -> str:
    """Return the same once more, as the index on a parent's text key asks for it where that has a collation of its own."""
    carried = parent.carried_as(key.references)
    if carried is None or carried.source.collation is None or parent.legacy.primary_key != (carried.source.name,):
        return ""
    return f" AND {alias}._k1 = {collated(f'v.{ident(key.column)}', carried.source.collation)}"


def parent_refusals(route: Route) -> list[Refusal]:
    """Return what refuses a row whose parent is not carried: children of a quarantined parent go and come back with it."""
    refusals = []
    named = {key: " ni ".join(dict.fromkeys(p.pair.source for p in parents)) or key.table for key, parents in route.parents}
    for key, found in _parents(route):
        carried, value = route.carried_as(key.column), f"v.{ident(key.column)}"
        missing = " AND ".join(f"{alias}.{ident(key.references)} IS NULL" for alias, _, _ in found)
        column = carried.source.name if carried is not None else key.column
        reason = f"{column} apunta a una fila que no está o está en cuarentena en {named[key]}"
        refusals.append(Refusal(f"{value} IS NOT NULL AND {missing}", "'23503'", column, literal(reason)))
    return refusals


def double_refusals(route: Route) -> list[Refusal]:
    """Return what refuses a row because another acceptable row takes the same unique Spanish value."""
    refusals = []
    match = (route.pair.merge_by,) if route.pair.merge_by else route.pair.match  # with the same one it would be merged
    for number, other in enumerate(route.earlier, 1):
        reason = f"{other.pair.source} tiene otra fila con el mismo {', '.join(route.pair.match)}, que queda"
        won = f"g{number}.{ident(route.pair.match[0])} IS NOT NULL"
        refusals.append(Refusal(won, "'23505'", sources_of(route, match), literal(reason)))
    for unique in (route.table.primary_key, *route.table.unique):
        merged = route.pair.duplicates and set(unique) == set(route.pair.match)
        if merged or any(route.carried_as(u) is None for u in unique):
            continue
        names = sources_of(route, unique)
        reason = literal(f"{names.replace(', ', ' y ')} repite en {', '.join(unique)} el valor de otra fila, que queda")
        guard = may_meet(route, unique)
        if guard is not None:
            losers = _losers(route, unique, guard)
            # few can meet: an array is made once and not weighed by the planner at each row that is looked up
            among = f"IN ({losers})" if guard == "true" else f"= ANY (ARRAY({losers}))"
            losers = all_of(guard, f"({row_clave(route, 'l')}) {among}")
            refusals.append(Refusal(losers, "'23505'", names, reason))
        for other in route.earlier if set(unique) != set(route.pair.match) else ():
            refusals.append(Refusal(_taken_by(route, other, unique), "'23505'", names, reason))
    return refusals


def sources_of(route: Route, targets: Sequence[str]) -> str:
    """Return the legacy columns that these Spanish ones come from, joined by ', ' as an entry in quarantine names them."""
    return ", ".join(origin(c.rule, c.source) for t in targets if (c := route.carried_as(t)) is not None)


def _matched_by(route: Route, other: Route) -> str:
    """Whether an earlier route has a row of the same match: one that PostgreSQL alone refused keeps its key."""
    same = " AND ".join(f"p.{ident(m)} = v.{ident(m)}" for m in route.pair.match)
    return f"EXISTS (SELECT 1 FROM {other.view} p WHERE {same} AND {accepted('p')})"


def _taken_by(route: Route, other: Route, unique: tuple[str, ...]) -> str:
    """Whether an earlier route carries the same value: only where images meet, since equal originals were merged."""
    cut = [
        f"char_length(v.{ident(u)}) = {size[0]}"
        for u in unique
        for family, size in [type_family(next(c.type for c in route.table.columns if c.name == u))]
        if family == "character varying" and size
    ]
    guard = " AND ".join(cut) if route.pair.merge_by and cut else "true"
    values, theirs = idents(unique, "v."), idents(unique, "p.")
    return all_of(guard, f"({values}) IN (SELECT {theirs} FROM {other.view} p WHERE {goes_in(other, 'p')})")


def may_meet(route: Route, unique: tuple[str, ...]) -> str | None:
    """Return the condition under which two rows of this legacy table can meet in ``unique``; None where they never can."""
    sources = [c for u in unique if (c := route.carried_as(u)) is not None]
    plain = all(c.rule.lookup is None and c.rule.present is None for c in sources)
    if not plain or not any(set(key) <= {c.source.name for c in sources} for key in unrepeated(route)):
        return "true"
    guards = []
    for item in sources:
        family, size = type_family(item.target.type)
        if item.rule.values or item.rule.default is not None or item.source.base == "citext":
            guards.append("true")
        elif family == "character varying" and size:
            # distinct texts meet only where one was cut at varchar(n), so both have exactly n characters
            guards.append(f"char_length(v.{ident(item.target.name)}) = {size[0]}")
        elif family not in ("text", item.source.base):
            guards.append("true")
    if "true" in guards:
        return "true"
    return f"({' OR '.join(guards)})" if guards else None


def _losers(route: Route, unique: tuple[str, ...], guard: str) -> str:
    """Return a SELECT of the keys that come second. It stands alone, so it is run once a query and only when asked.

    A row whose parent is not carried takes no value from another one.
    """
    orphans = [f"NOT ({orphan.condition})" for orphan in parent_refusals(route)]
    ranked = (
        f"SELECT {row_clave(route, 'o')} AS clave,\n"
        f"       row_number() OVER (PARTITION BY {idents(unique, 'v.')} ORDER BY {_order(route, 'o')}) AS puesto\n"
        f"{base_sql(route, 'o')}{late_joins(route) if orphans else ''}"
        f"{where_all(route.where('o'), readable(route, 'o'), guard, 'r.rechazo IS NULL', *orphans)}\n"
        f"  AND {' AND '.join(f'v.{ident(u)} IS NOT NULL' for u in unique)}"
        + "".join(f"\n  AND NOT {_matched_by(route, other)}" for other in route.earlier)
    )
    return f"\n      SELECT d.clave FROM (\n{indented(ranked, 8)}\n      ) d WHERE d.puesto > 1"


def _order(route: Route, alias: str) -> str:
    return ", ".join(in_order(c, alias) for c in route.key)


def merge_join(route: Route) -> str:
    """Return the join that finds, as m.fusion, the Spanish key of an earlier route's row with the same original value."""
    if not route.pair.merge_by or not route.earlier:
        return ""
    mine = route.carried_as(route.pair.merge_by)
    joins, found = [], []
    for number, other in enumerate(route.earlier, 1):
        theirs = other.carried_as(route.pair.merge_by)
        if mine is None or theirs is None:
            continue
        c, p = f"c{number}", f"p{number}"
        key = " AND ".join(equals(part, c, f"{p}.{k}") for part, k in zip(other.key, other.key_names, strict=True))
        key += f"{same_row(other, c, p)} AND {goes_in(other, p)}"
        joins.append(
            f"\nLEFT JOIN ({other.source_table} {c} JOIN {other.view} {p} ON {key})"
            f"\n  ON {equals(theirs.source, c, f'l.{ident(mine.source.name)}')}"
        )
        found.append(joined_key([(f"p{number}.{ident(m.name)}", m.type.split("(")[0]) for m in other.match]))
    if not found:
        return ""
    return "".join(joins) + f"\nCROSS JOIN LATERAL (SELECT coalesce({', '.join(found)}) AS fusion) m"


def duplicates_join(route: Route) -> str:
    """Return the join that finds, as d.fusion, the Spanish key of the acceptable row with a lower key and the same match."""
    if not route.pair.duplicates or may_meet(route, route.pair.match) is None:
        return ""
    match = idents(route.pair.match, "v.")
    keyed = route.table.primary_key if all(route.carried_as(k) for k in route.table.primary_key) else route.pair.match
    types = {c.name: c.type.split("(")[0] for c in route.table.columns}
    spanish = joined_key([(f"v.{ident(name)}", types[name]) for name in keyed])
    ranked = (
        f"SELECT {row_clave(route, 'o')} AS clave, {spanish} AS destino,\n"
        f"       coalesce(r.rechazo, {case_of(parent_refusals(route))}) AS rechazo, {match},\n"
        f"       row_number() OVER (PARTITION BY {match} ORDER BY {_order(route, 'o')}) AS puesto\n"
        f"{base_sql(route, 'o')}{late_joins(route)}{where_all(route.where('o'), readable(route, 'o'))}"
    )
    names = idents(route.pair.match)
    # also by the match itself: who asks for one row by it has its rivals ranked alone, and not the whole table
    met = "".join(f" AND d.{ident(m)} = v.{ident(m)}" for m in route.pair.match)
    return (
        f"\nLEFT JOIN (\n  SELECT clave, puesto, {names},"
        f"\n         min(puesto) FILTER (WHERE rechazo IS NULL) OVER (PARTITION BY {names}) AS primero,"
        f"\n         first_value(destino) OVER (PARTITION BY {names} ORDER BY rechazo IS NOT NULL, puesto) AS fusion"
        f"\n  FROM (\n{indented(ranked, 4)}\n  ) o) d"
        f"\n  ON d.clave = {row_clave(route, 'l')} AND d.puesto > d.primero{met}"
    )
