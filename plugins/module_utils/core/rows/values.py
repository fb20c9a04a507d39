"""How one legacy value becomes one Spanish value, and when an INSERT would refuse it.

Every expression is total: it never raises, whatever the row holds. What PostgreSQL would refuse on INSERT is a refusal
with a reason in words and the SQLSTATE that the INSERT would have given (one for each kind: whatever is wrong with a JSON
text is 22P02, whatever does not fit a number 22003).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..catalogue import LegacyColumn
from ..mapping.types import ColumnRule, SpanishColumn
from ..sqltext import ident, literal

TEXT_TYPES = frozenset({"text", "character varying", "character", "enum", "citext", "name"})
_INTEGERS = {"smallint": (-32768, 32767), "integer": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1)}
_NUMBERS = frozenset({*_INTEGERS, "numeric", "real", "double precision"})
_UUID = "^([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}$|^[{]([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}[}]$"


@dataclass(frozen=True)
class Refusal:
    """Where ``condition`` holds the row cannot go in: ``sqlstate`` as INSERT would raise it and ``reason`` are SQL texts.

    ``column``: the legacy column to correct, as ``table.column`` where it is another table's.
    """

    condition: str
    sqlstate: str
    column: str
    reason: str


@dataclass(frozen=True)
class Conversion:
    """``value``: an SQL expression of exactly the Spanish column's type; ``refusals``: in the order they are judged."""

    value: str
    refusals: tuple[Refusal, ...] = ()


def type_family(spanish_type: str) -> tuple[str, tuple[int, ...]]:
    """Split 'numeric(10,8)' into ('numeric', (10, 8)); a type without modifiers has ()."""
    found = re.fullmatch(r"(.*?)\s*\(([\d,\s]+)\)(.*)", spanish_type)
    if not found:
        return spanish_type, ()
    return found[1] + found[3], tuple(int(n) for n in found[2].split(","))


def origin(rule: ColumnRule, source: LegacyColumn) -> str:
    """Return the name of the legacy column that a value comes from, with its table where that is another one."""
    return source.name if rule.lookup is None else f"{rule.lookup.table}.{source.name}"


def said(rule: ColumnRule, source: LegacyColumn) -> str:
    """Return where a value comes from, in words."""
    other = f" o {' o '.join(rule.sources)}.{' o '.join(rule.json_keys)}" if rule.lookup and rule.json_keys else ""
    return origin(rule, source) + other


def convert(rule: ColumnRule, source: LegacyColumn, target: SpanishColumn, column: str) -> Conversion | None:
    """Return how ``rule`` carries ``source`` (``column``: its value as SQL) into ``target``; None where no rule leads there."""
    if rule.present is not None or rule.absent is not None:
        return _presence(column, rule, source, target)
    family, _ = type_family(target.type)
    converter = _CONVERTERS.get(family)
    if converter is not None:
        found = converter(column, rule, source, target)
    elif source.base == target.type:
        found = Conversion(_default(column, rule, target))
    else:
        found = None
    if found is None:
        return None
    certain = source.not_null and not found.refusals and rule.lookup is None
    return Conversion(found.value, found.refusals + _constraints(rule, source, target, rule.default is not None or certain))


def _presence(column: str, rule: ColumnRule, source: LegacyColumn, target: SpanishColumn) -> Conversion:
    filled = f"nullif({_as_text(column, source)}, '')" if source.base in TEXT_TYPES else column
    value = f"CASE WHEN {filled} IS NULL THEN {_text_or_null(rule.absent)} ELSE {_text_or_null(rule.present)} END"
    return Conversion(f"({value})::{target.type}")


def _text_or_null(value: str | None) -> str:
    return "NULL" if value is None else literal(value)


def _constraints(rule: ColumnRule, source: LegacyColumn, target: SpanishColumn, never_null: bool) -> tuple[Refusal, ...]:
    """Return what the column's own constraints refuse, asked of the converted value in alias v."""
    value = f"v.{ident(target.name)}"
    refusals = []
    if target.not_null and not never_null:
        column, reason = source.name, f"falta {source.name}, y {target.name} es obligatorio"
        if rule.lookup is not None:
            where = f" ni en {' o '.join(rule.sources)}.{' o '.join(rule.json_keys)}" if rule.json_keys else ""
            column, reason = rule.lookup.by, f"no se encuentra {target.name} por {rule.lookup.by} en {rule.lookup.table}{where}"
        refusals.append(Refusal(f"{value} IS NULL", "'23502'", column, literal(reason)))
    if target.minimum is not None:
        reason = f"{said(rule, source)} es menor que {target.minimum}, el mínimo de {target.name}"
        refusals.append(Refusal(f"{value} < {target.minimum}", "'23514'", origin(rule, source), literal(reason)))
    if target.maximum is not None:
        reason = f"{said(rule, source)} es mayor que {target.maximum}, el máximo de {target.name}"
        refusals.append(Refusal(f"{value} > {target.maximum}", "'23514'", origin(rule, source), literal(reason)))
    return tuple(refusals)


def _default(expression: str, rule: ColumnRule, target: SpanishColumn) -> str:
    if rule.default is None:
        return expression
    return f"coalesce({expression}, {literal(rule.default)}::{target.type})"


def _as_text(column: str, source: LegacyColumn) -> str:
    return column if source.base == "text" else f"{column}::text"


def _to_text(column: str, rule: ColumnRule, source: LegacyColumn, target: SpanishColumn) -> Conversion | None:
    if source.base not in TEXT_TYPES | {"uuid"} | _INTEGERS.keys():
        return None
    text = _translated(_as_text(column, source), rule)
    raw = text if rule.default is None else f"coalesce({text}, {literal(rule.default)})"
    value = f"{_parens(raw)}::{target.type}"
    reason = f"{literal(said(rule, source) + ' no tiene traducción: ')} || quote_literal(left({column}::text, 40))"
    refusals = []
    _, size = type_family(target.type)
    if target.allowed and size and all(len(v) < size[0] for v in target.allowed):
        # what is known is never cut, and what is not is not translated: the original says it all
        known = dict.fromkeys((*(old for old, _ in rule.values), *target.allowed))
        original = _as_text(column, source)
        unknown = f"{original} NOT IN ({', '.join(map(literal, known))})"
        state = f"CASE WHEN {_too_long(original, size[0])} THEN '22001' ELSE '23514' END"
        return Conversion(value, (Refusal(unknown, state, origin(rule, source), reason),))
    if size:
        longer = literal(f"{said(rule, source)} pasa de los {size[0]} caracteres que admite {target.name}")
        said_so = reason if target.allowed else longer
        refusals.append(Refusal(_too_long(raw, size[0]), "'22001'", origin(rule, source), said_so))
    if target.allowed:
        unknown = f"v.{ident(target.name)} NOT IN ({', '.join(literal(v) for v in target.allowed)})"
        refusals.append(Refusal(unknown, "'23514'", origin(rule, source), reason))
    return Conversion(value, tuple(refusals))


def _too_long(text: str, most: int) -> str:
    """INSERT cuts trailing blanks beyond varchar(n) and refuses anything else; octet_length reads no TOAST."""
    return f"octet_length({text}) > {most} AND char_length({text}) > {most} AND rtrim(substr({text}, {most + 1}), ' ') <> ''"


def _translated(text: str, rule: ColumnRule) -> str:
    if not rule.values:
        return text
    cases = " ".join(f"WHEN {literal(old)} THEN {literal(new)}" for old, new in rule.values)
    return f"CASE {text} {cases} ELSE {text} END"


def _parens(expression: str) -> str:
    return expression if re.fullmatch(r'[\w.:"]+', expression) else f"({expression})"


def _to_jsonb(column: str, rule: ColumnRule, source: LegacyColumn, target: SpanishColumn) -> Conversion | None:
    default = "NULL::jsonb" if rule.default is None else f"{literal(rule.default)}::jsonb"
    if source.base == "jsonb":
        missing = f"{column} IS NULL" + (f" OR {column} = 'null'::jsonb" if rule.text_key else "")
        return Conversion(f"CASE WHEN {missing} THEN {default} ELSE {column} END" if rule.default else column)
    if source.base not in TEXT_TYPES | {"json"}:
        return None
    text = _as_text(column, source)
    missing = f"{text} IS NULL" + (rf" OR btrim({text}, E' \t\n\r') = 'null'" if rule.text_key else "")
    otherwise = f" ELSE jsonb_build_object({literal(rule.text_key)}, {text})" if rule.text_key else ""
    value = f"CASE WHEN {missing} THEN {default} WHEN migracion.es_jsonb({text}) THEN {text}::jsonb{otherwise} END"
    if rule.text_key:
        return Conversion(value)
    reason = literal(f"{said(rule, source)} no es JSON válido")
    return Conversion(value, (Refusal(f"NOT migracion.es_jsonb({text})", "'22P02'", origin(rule, source), reason),))


def _to_timestamp(column: str, rule: ColumnRule, source: LegacyColumn, target: SpanishColumn) -> Conversion | None:
    # explicit zone: the implicit cast follows the session's TimeZone and shifts by five hours in Guayaquil
    if source.base == "timestamp with time zone":
        return Conversion(_default(f"({column} AT TIME ZONE 'UTC')", rule, target))
    if source.base == "timestamp without time zone":
        return _from_local_time(column, rule, source, target)
    if source.base not in TEXT_TYPES:
        return None
    text = _as_text(column, source)
    instant = f"migracion.a_instante({text})"
    value = f"({instant} AT TIME ZONE 'UTC')"
    reason = f"{literal(said(rule, source) + ' no es una fecha: ')} || quote_literal(left({text}, 40))"
    refusal = Refusal(f"{text} <> '' AND {instant} IS NULL", "'22007'", origin(rule, source), reason)
    return Conversion(_default(value, rule, target), (refusal,))


def _from_local_time(column: str, rule: ColumnRule, source: LegacyColumn, target: SpanishColumn) -> Conversion:
    """Read a time by the clock that the mapping names. An hour that comes twice a year is PostgreSQL's to read: standard time."""
    if rule.zone in (None, "UTC"):
        return Conversion(_default(column, rule, target))
    # a day from either end another clock's time may not exist; the infinite ones are the same by all clocks
    fits = f"({column} >= '4714-11-25 BC' AND {column} < '294276-12-31' OR NOT isfinite({column}))"
    moved = f"({column} AT TIME ZONE {literal(str(rule.zone))}) AT TIME ZONE 'UTC'"
    value = _default(f"CASE WHEN {fits} THEN {moved} END", rule, target)
    reason = literal(f"{said(rule, source)} es una hora de {rule.zone} que UTC no puede decir")
    return Conversion(value, (Refusal(f"NOT {fits}", "'22008'", origin(rule, source), reason),))


def _to_integer(column: str, rule: ColumnRule, source: LegacyColumn, target: SpanishColumn) -> Conversion | None:
    if source.base not in _NUMBERS:
        return None
    low, high = _INTEGERS[target.type]
    if source.base in _INTEGERS and _INTEGERS[source.base][1] <= high:
        return Conversion(f"{_default(column, rule, target)}::{target.type}")
    # INSERT rounds floats half to even and numerics half away from zero: so does round() of either type
    whole = column if source.base in _INTEGERS else f"round({column})"
    fits = f"{whole} >= {low} AND {whole} < {high + 1}"
    value = _default(f"CASE WHEN {fits} THEN {whole}::{target.type} END", rule, target)
    reason = literal(f"{said(rule, source)} no cabe en un {target.type} ({target.name})")
    return Conversion(value, (Refusal(f"{column} IS NOT NULL AND NOT ({fits})", "'22003'", origin(rule, source), reason),))


def _to_numeric(column: str, rule: ColumnRule, source: LegacyColumn, target: SpanishColumn) -> Conversion | None:
    if source.base not in _NUMBERS:
        return None
    _, size = type_family(target.type)
    number = column if source.base == "numeric" else f"{column}::numeric"
    if not size:
        return Conversion(_default(number, rule, target))
    precision, scale = size[0], size[1] if len(size) > 1 else 0
    # as numeric(p,s) rounds first and then counts digits; NaN goes in, infinity does not
    fits = f"({number} = 'NaN' OR abs(round({number}, {scale})) < 1e{precision - scale}::numeric)"
    value = _default(f"CASE WHEN {fits} THEN {number}::{target.type} END", rule, target)
    reason = literal(f"{said(rule, source)} no cabe en {target.type} ({target.name})")
    return Conversion(value, (Refusal(f"NOT {fits}", "'22003'", origin(rule, source), reason),))


def _to_uuid(column: str, rule: ColumnRule, source: LegacyColumn, target: SpanishColumn) -> Conversion | None:
    if source.base == "uuid":
        return Conversion(_default(column, rule, target))
    if source.base not in TEXT_TYPES:
        return None
    text = _as_text(column, source)
    valid = f"{text} ~ {literal(_UUID)}"
    reason = literal(f"{said(rule, source)} no es un uuid válido")
    value = _default(f"CASE WHEN {valid} THEN {text}::uuid END", rule, target)
    return Conversion(value, (Refusal(f"NOT ({valid})", "'22P02'", origin(rule, source), reason),))


Converter = Callable[[str, ColumnRule, LegacyColumn, SpanishColumn], Conversion | None]
_CONVERTERS: dict[str, Converter] = {
    "text": _to_text,
    "character varying": _to_text,
    "jsonb": _to_jsonb,
    "timestamp without time zone": _to_timestamp,
    "smallint": _to_integer,
    "integer": _to_integer,
    "bigint": _to_integer,
    "numeric": _to_numeric,
    "uuid": _to_uuid,
}
