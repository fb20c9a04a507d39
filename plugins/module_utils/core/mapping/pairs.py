"""The pairs of the mapping file (which rows become which), built and checked against the Spanish tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .between_pairs import STEADY, Subphases, WrittenPair, check_division, check_order, check_priority, goes_back_as_it_is
from .column_types import TEXTS, TIMESTAMPS, family
from .document import Entry, Problems, nearest_or_all
from .spanish_tables import check_reference, refusal, value_of, zone_of
from .types import ColumnRule, Lookup, Pair, SpanishColumn, SpanishTable

# What a key of a rule makes meaningless.
_EXCLUDED = {
    "present": ("default", "values", "text_key", "lookup", "json_keys", "zona"),
    "lookup": ("values", "text_key", "optional", "se_queda"),
    "json_keys": ("values", "text_key"),
}


def build_subphases(root: Entry, problems: Problems) -> Subphases:
    """Return the parts of each phase; a part belongs to one phase, because -e subfase names it alone."""
    owner: dict[str, str] = {}
    for phase, parts in root.fields.items():
        for part in parts.items:
            if part.text in owner:
                problems.add(part, f"la subfase «{part.text}» ya es de {owner[part.text]}")
            owner.setdefault(part.text, phase)
    return tuple((phase, parts.texts()) for phase, parts in root.fields.items())


def build_pairs(
    root: Entry, tables: tuple[SpanishTable, ...], subphases: Subphases, zone: str | None, problems: Problems
) -> tuple[Pair, ...]:
    """Return the pairs in the order of the file, which is their priority where several lead to one Spanish table.

    ``zone``: what the file says of all legacy timestamps without one.
    """
    known = {table.name: table for table in tables}
    legacy = tuple(dict.fromkeys([*root.fields, *(table.twin for table in tables)]))
    phases = {part: phase for phase, parts in subphases for part in parts}
    written: list[WrittenPair] = []
    for source, targets in root.fields.items():
        if source in known:
            problems.add(targets, f"«{source}» es una tabla española: a la izquierda va la tabla legada")
        for target, entry in targets.fields.items():
            subphase = entry.get("subphase")
            if subphase.text and subphase.text not in phases:
                problems.add(subphase, f"la subfase «{subphase.text}» no existe{nearest_or_all(subphase.text, phases)}")
            if target not in known:
                problems.add(entry, f"la tabla española «{target}» no está declarada{nearest_or_all(target, known)}")
                continue
            phase = phases.get(subphase.text, "")
            pair = _pair(source, entry, known[target], phase, zone, problems)
            _check_lookups(entry, pair, known, legacy, problems)
            written.append(WrittenPair(pair, entry))
    for source in root.fields:
        check_division([w for w in written if w.pair.source == source], problems)
    for table in tables:
        check_priority([w for w in written if w.pair.target == table.name], problems)
    check_order(written, known, subphases, problems)
    return tuple(w.pair for w in written)


def _pair(source: str, entry: Entry, table: SpanishTable, phase: str, zone: str | None, problems: Problems) -> Pair:
    columns = {column.name: column for column in table.columns}
    rules: list[ColumnRule] = []
    for name, written in entry.get("columns").fields.items():
        if name in columns:
            rules.append(_rule(columns[name], written, zone, problems))
        elif columns:
            problems.add(written, f"«{table.name}» no tiene la columna «{name}»{nearest_or_all(name, columns)}")
    waived = tuple((column, reason.text) for column, reason in entry.get("waived").fields.items())
    match = entry.get("match").texts() or table.primary_key
    pair = Pair(
        source=source,
        target=table.name,
        phase=phase,
        subphase=entry.get("subphase").text,
        columns=tuple(rules),
        match=match,
        where=tuple((column, value.text) for column, value in entry.get("where").fields.items()),
        waived=waived,
        otherwise=entry.get("otherwise").is_true(),
        merge_by=entry.get("merge_by").text or None,
        duplicates=entry.get("duplicates").is_true(),
        takes_over=entry.get("takes_over").text or None,
        births=tuple((column, value.text) for column, value in entry.get("births").fields.items()),
    )
    if columns:
        _check_sources(entry, rules, problems)
        _check_obligatory(entry, table, rules, problems)
        _check_match(entry, match, table, rules, problems)
        _check_merge(entry, pair, table, problems)
        _check_births(entry, pair, rules, problems)
    if pair.otherwise and "where" not in entry.fields:
        problems.add(entry.get("otherwise"), "sin where todas las filas son ya de este par: no queda ninguna para otherwise")
    return pair


def _rule(column: SpanishColumn, entry: Entry, zone: str | None, problems: Problems) -> ColumnRule:
    kind, own = family(column.type), zone_of(entry.get("zona"), problems)
    values = entry.get("values")
    text_key = entry.get("text_key")
    rule = ColumnRule(
        target=column.name,
        sources=entry.get("from").texts(),
        default=value_of(entry.get("default"), column, problems),
        values=tuple((legacy, spanish.text) for legacy, spanish in values.fields.items()),
        text_key=text_key.text or None,
        optional=entry.get("optional").is_true(),
        lookup=_lookup(entry.get("lookup")),
        json_keys=entry.get("json_keys").texts(),
        present=value_of(entry.get("present"), column, problems),
        absent=value_of(entry.get("absent"), column, problems),
        stays=entry.get("se_queda").texts(),
        zone=(own or zone) if kind in TIMESTAMPS else None,
    )
    if own and kind and kind not in TIMESTAMPS:
        problems.add(entry.get("zona"), f"zona es para columnas timestamp, y {column.name} es {column.type}")
    if rule.values and kind and kind not in TEXTS:
        problems.add(values, f"values es para columnas de texto, y {column.name} es {column.type}")
    for spanish in (*values.fields.values(), *entry.get("se_queda").items):
        reason = refusal(column, spanish.text) if spanish.kind != "null" else None
        if reason:
            problems.add(spanish, reason)
    if rule.text_key and kind and kind != "jsonb":
        problems.add(text_key, f"text_key es para columnas jsonb, y {column.name} es {column.type}")
    if column.optional and not rule.optional and entry.kind != "null":
        problems.add(entry, f"«{column.name}» es opcional en su tabla: su regla también (optional: true)")
    _check_combination(column, rule, entry, problems)
    return rule


def _lookup(entry: Entry) -> Lookup | None:
    if not entry.fields:
        return None
    table, column, by, take = (entry.get(key).text for key in ("table", "column", "by", "take"))
    return Lookup(table, column, by, take, stays=entry.get("se_queda").is_true())


def _check_combination(column: SpanishColumn, rule: ColumnRule, entry: Entry, problems: Problems) -> None:
    """Refuse keys of a rule that say nothing together."""
    given = {key for key in entry.fields if key != "optional" or rule.optional}
    for key, others in _EXCLUDED.items():
        for other in others:
            if {key, other} <= given:
                problems.add(entry.get(other), f"{key} y {other} se excluyen")
    for key, other in (("present", "absent"), ("absent", "present"), ("json_keys", "from"), ("se_queda", "absent")):
        if key in given and other not in given:
            problems.add(entry.get(key), f"{key} no dice nada sin {other}")
    if rule.present is not None and rule.present == rule.absent:
        problems.add(entry.get("absent"), f"«{rule.absent}» es también el valor de present: la columna no diría nada")
    for item in entry.get("se_queda").items:
        if item.text in (rule.present, rule.absent):
            problems.add(item, f"«{item.text}» lo dice ya la columna legada")
    if {"lookup", "from"} <= given and not {"json_keys", "present"} & given:
        problems.add(entry.get("from"), "con lookup, from solo sirve para json_keys")
    kind = family(column.type)
    if rule.json_keys and kind and kind not in TEXTS:
        problems.add(entry.get("json_keys"), f"json_keys es para columnas de texto, y {column.name} es {column.type}")


def _steady(rules: Sequence[ColumnRule]) -> set[str]:
    """Return the Spanish columns that each row brings itself, in every installation."""
    return {rule.target for rule in rules if goes_back_as_it_is(rule) and not rule.optional}


def _check_sources(entry: Entry, rules: list[ColumnRule], problems: Problems) -> None:
    """Refuse one legacy column in two places: the way back would not know which Spanish column to believe."""
    written = entry.get("columns")
    taken: dict[str, str] = {}
    for rule in filter(goes_back_as_it_is, rules):
        for source in rule.sources:
            if source in taken:
                line = written.get(taken[source]).line
                sentence = f"«{source}» ya va a «{taken[source]}» (línea {line}): la vuelta atrás sería ambigua"
                problems.add(written.get(rule.target), sentence)
            taken.setdefault(source, rule.target)
    for column, reason in entry.get("waived").fields.items():
        if column in taken:
            problems.add(reason, f"«{column}» va a «{taken[column]}»: no se puede dejar atrás a la vez")


def _check_obligatory(entry: Entry, table: SpanishTable, rules: list[ColumnRule], problems: Problems) -> None:
    certain = {rule.target for rule in rules if not rule.optional}
    for column in table.columns:
        if column.not_null and column.default is None and not column.serial and column.name not in certain:
            sentence = f"«{column.name}» es obligatoria y no tiene regla (que no sea opcional) ni valor por defecto"
            problems.add(entry.get("columns"), sentence)


def _check_match(entry: Entry, match: tuple[str, ...], table: SpanishTable, rules: list[ColumnRule], problems: Problems) -> None:
    place = entry.get("match")
    for name in match:
        if name not in _steady(rules):
            problems.add(place, f"las filas se reconocen por «{name}», que no tiene regla {STEADY}")
    keys = [key for key in (table.primary_key, *table.unique) if key]
    if match and keys and set(match) not in [set(key) for key in keys]:
        shown = " o ".join(f"({', '.join(key)})" for key in keys)
        problems.add(place, f"({', '.join(match)}) no es única en «{table.name}»; lo son {shown}")


def _check_merge(entry: Entry, pair: Pair, table: SpanishTable, problems: Problems) -> None:
    if pair.merge_by is None:
        return
    place = entry.get("merge_by")
    keys = [key[0] for key in table.unique if len(key) == 1 and key != pair.match]
    if pair.merge_by not in keys:
        sentence = f"«{pair.merge_by}» no es, además de match, única por sí sola en «{table.name}»"
        problems.add(place, f"{sentence}{nearest_or_all(pair.merge_by, keys)}")
    elif pair.merge_by not in _steady(pair.columns):
        problems.add(place, f"«{pair.merge_by}» no tiene regla {STEADY}")


def _check_births(entry: Entry, pair: Pair, rules: Sequence[ColumnRule], problems: Problems) -> None:
    """Refuse a value for a legacy column that a Spanish one, or the pair's own condition, fills."""
    filled = {source: rule.target for rule in filter(goes_back_as_it_is, rules) for source in rule.sources}
    filled |= {rule.lookup.by: rule.target for rule in rules if rule.lookup is not None}
    filled |= {column: "where" for column, _ in pair.where}
    for column, value in entry.get("births").fields.items():
        if column in filled:
            problems.add(value, f"«{column}» la llena ya «{filled[column]}»")


def _check_lookups(
    entry: Entry, pair: Pair, known: Mapping[str, SpanishTable], legacy: tuple[str, ...], problems: Problems
) -> None:
    """Refuse lookups in unknown tables and columns. A legacy table's columns only the live database knows."""
    order = list(known)
    for rule in pair.columns:
        if rule.lookup is None or not rule.lookup.table:
            continue
        place = entry.get("columns").get(rule.target).get("lookup")
        table = rule.lookup.table
        if table in known and order.index(table) >= order.index(pair.target):
            sentence = f"«{table}» no se declara antes que «{pair.target}»: sus filas no estarían todavía"
            problems.add(place.get("table"), sentence)
        elif table in known:
            _check_by(place.get("by"), pair, known, problems)
            own = {column.name: column for column in known[pair.target].columns}
            check_reference(own.get(rule.lookup.by), place.get("column"), known[table], problems)
            _check_take(place.get("take"), own[rule.target], known[table], problems)
        elif table not in legacy:
            sentence = f"«{table}» no es una tabla legada que el mapeo nombre, ni una española"
            problems.add(place.get("table"), f"{sentence}{nearest_or_all(table, [*legacy, *known])}")
        elif rule.lookup.stays:
            sentence = "lo que se busca en una tabla legada vuelve por la misma búsqueda: se_queda es para las españolas"
            problems.add(place.get("se_queda"), sentence)


def _check_by(place: Entry, pair: Pair, known: Mapping[str, SpanishTable], problems: Problems) -> None:
    own = [column.name for column in known[pair.target].columns]
    spanish = {rule.target for rule in pair.columns if rule.lookup is not None and rule.lookup.table in known}
    certain = {rule.target for rule in pair.columns if not rule.optional}
    if place.text and place.text not in own:
        problems.add(place, f"«{pair.target}» no tiene la columna «{place.text}»{nearest_or_all(place.text, own)}")
    elif place.text and place.text not in certain - spanish:
        problems.add(place, f"«{place.text}» no tiene regla (que no sea opcional ni busque también en una tabla española)")


def _check_take(place: Entry, target: SpanishColumn, parent: SpanishTable, problems: Problems) -> None:
    columns = {column.name: column for column in parent.columns}
    if not place.text:
        return
    taken = columns.get(place.text)
    if taken is None:
        problems.add(place, f"la tabla «{parent.name}» no tiene la columna «{place.text}»{nearest_or_all(place.text, columns)}")
    elif taken.optional:
        problems.add(place, f"la columna «{place.text}» es opcional: no está en todas las instalaciones")
    elif taken.type and target.type and taken.type != target.type:
        problems.add(place, f"«{target.name}» es {target.type} y «{parent.name}.{place.text}» es {taken.type}")
