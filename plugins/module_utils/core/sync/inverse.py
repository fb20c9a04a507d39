"""How a Spanish value goes back into its legacy column: the mapping's rules read the other way round."""

from __future__ import annotations

from ..mapping.types import ColumnRule
from ..rows.routes import CarriedColumn, Route, joined_key
from ..rows.values import TEXT_TYPES
from ..sqltext import all_of, ident, literal, qname


def goes_back(carried: CarriedColumn) -> bool:
    """Return whether legacy can say the column at all; what is looked up in a Spanish table it cannot."""
    return not carried.spanish


def assignments(route: Route, carried: CarriedColumn, row: str) -> dict[str, str]:
    """Return by legacy column the expression that says the Spanish row's (``row``) value of this column; l is the legacy row."""
    value = f"{row}.{ident(carried.target.name)}"
    rule = carried.rule
    if rule.present is not None or rule.absent is not None:
        return {carried.source.name: _presence(route, carried, row)}
    if rule.lookup is not None:
        return _looked_up(route, carried, value)
    return {carried.source.name: _plain(carried, value)}


def _plain(carried: CarriedColumn, value: str) -> str:
    rule, source, target = carried.rule, carried.source, carried.target
    if rule.values:
        value = _translated_back(rule, value)
    if target.type == "timestamp without time zone":
        return _moment(carried, value)
    if target.type == "jsonb" and source.base != "jsonb":
        return _json_text(rule, value, source.type)
    return f"({value})::{source.type}"


def _translated_back(rule: ColumnRule, value: str) -> str:
    """Of several legacy values for one Spanish value the first one stands for it."""
    first: dict[str, str] = {}
    for old, new in rule.values:
        first.setdefault(new, old)
    cases = " ".join(f"WHEN {literal(new)} THEN {literal(old)}" for new, old in first.items())
    return f"CASE {value} {cases} ELSE {value}::text END"


def _moment(carried: CarriedColumn, value: str) -> str:
    source, zone = carried.source, carried.rule.zone
    if source.base == "timestamp with time zone":
        return f"({value} AT TIME ZONE 'UTC')::{source.type}"
    if source.base in TEXT_TYPES:
        text = f'to_char({value}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'
        return f"(CASE WHEN isfinite({value}) THEN {text} ELSE {value}::text END)::{source.type}"
    if zone in (None, "UTC"):
        return f"({value})::{source.type}"
    return f"(({value} AT TIME ZONE 'UTC') AT TIME ZONE {literal(str(zone))})::{source.type}"


def _json_text(rule: ColumnRule, value: str, kind: str) -> str:
    if not rule.text_key:
        return f"({value})::text::{kind}"
    key = literal(rule.text_key)
    only = f"jsonb_typeof({value}) = 'object' AND {value} - {key} = '{{}}' AND jsonb_typeof({value} -> {key}) = 'string'"
    return f"(CASE WHEN {only} THEN {value} ->> {key} ELSE {value}::text END)::{kind}"


def _presence(route: Route, carried: CarriedColumn, row: str) -> str:
    """Filled where the Spanish value says so: with the moment that a column of its own carries, else what it is, else now."""
    value, source = f"{row}.{ident(carried.target.name)}", carried.source
    own = moment_of(route, carried)
    moment = [_plain(own, f"{row}.{ident(own.target.name)}")] if own is not None else []
    now = "timezone('utc', now())" if source.base == "timestamp without time zone" else "now()"
    if source.base in TEXT_TYPES:
        now = "to_char(timezone('utc', now()), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    filled = ", ".join([*moment, f"nullif(l.{ident(source.name)}::text, '')::{source.type}", f"{now}::{source.type}"])
    return f"CASE WHEN {value} = {literal(str(carried.rule.present))} THEN coalesce({filled}) END"


def moment_of(route: Route, carried: CarriedColumn) -> CarriedColumn | None:
    """Return the column that carries the moment itself by whose presence this one is said, if there is one."""
    if carried.rule.present is None and carried.rule.absent is None:
        return None
    others = (c for c in route.carried if c.source.name == carried.source.name and c.rule.present is None)
    return next((c for c in others if c.rule.absent is None), None)


def _looked_up(route: Route, carried: CarriedColumn, value: str) -> dict[str, str]:
    kind = next((c.type for c in route.legacy.columns if c.name == carried.lookup.by), "text")
    return {carried.lookup.by: f"{_found(route, carried, value)}::{kind}"}


def _found(route: Route, carried: CarriedColumn, value: str) -> str:
    lookup = carried.lookup
    table = qname(route.schema, lookup.table)
    return f"(SELECT x.{ident(lookup.column)} FROM {table} x WHERE x.{ident(lookup.take)} = ({value})::{carried.source.type})"


def not_found(route: Route, carried: CarriedColumn, row: str) -> str:
    """Return whether the row ``row`` has a value that no row of the table looked up has."""
    value = f"{row}.{ident(carried.target.name)}"
    return f"{value} IS NOT NULL AND {_found(route, carried, value)} IS NULL"


def kept_beside(route: Route, carried: CarriedColumn, row: str) -> dict[str, str]:
    """Return by legacy column what keeps a value that no row looked up has: the JSON in which it is read then, or nothing."""
    rule, value = carried.rule, f"{row}.{ident(carried.target.name)}"
    if not rule.json_keys:
        return {}
    holder = next(c for c in route.legacy.columns if c.name == rule.sources[0])
    other = next((c for c in route.carried if c.rule.sources == rule.sources and c.rule.lookup is None), None)
    document = f"{row}.{ident(other.target.name)}" if other is not None else f"l.{ident(holder.name)}::jsonb"
    document = f"CASE WHEN jsonb_typeof({document}) = 'object' THEN {document} ELSE '{{}}'::jsonb END"
    kind = "jsonb" if holder.base == "jsonb" else f"text::{holder.type}"
    return {holder.name: f"({document} || jsonb_build_object({literal(rule.json_keys[0])}, {value}))::{kind}"}


def read_beside(carried: CarriedColumn, document: str) -> str:
    """Return, as text, what the forward SELECT reads out of such a JSON."""
    return f"coalesce({', '.join(f'{document} ->> {literal(key)}' for key in carried.rule.json_keys)})"


def must_be_found(carried: CarriedColumn) -> bool:
    """Return whether the value is nowhere in legacy but in the row it is looked up in: without that row it cannot go back."""
    return carried.rule.lookup is not None and not carried.spanish and not carried.rule.json_keys


def legacy_key(route: Route, row: str) -> list[tuple[str, str]]:
    """Return by legacy column the expression over a Spanish row by which its legacy row is found."""
    by_target = {c.target.name: c for c in route.carried if c.rule.lookup is None}
    names = route.table.primary_key if all(n in by_target for n in route.table.primary_key) else route.pair.match
    return [(by_target[n].source.name, f"({row}.{ident(n)})::{by_target[n].source.type}") for n in names]


def legacy_place(route: Route, row: str, alias: str = "l") -> str:
    """Return the condition that makes ``alias`` the legacy row of the Spanish row ``row``."""
    found = " AND ".join(f"{alias}.{ident(name)} = {value}" for name, value in legacy_key(route, row))
    return all_of(found, route.where(alias))


def legacy_clave(route: Route, row: str) -> str:
    """Return the legacy key of the Spanish row ``row`` as one text, NULL where the Spanish row does not have all of it."""
    by_source = {c.source.name: c for c in route.carried if c.rule.lookup is None}
    if not all(c.name in by_source for c in route.key):
        return "NULL"
    return joined_key([(f"({row}.{ident(by_source[c.name].target.name)})::{c.type}", c.base) for c in route.key])
