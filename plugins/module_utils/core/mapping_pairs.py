"""The pairs of the mapping file (which rows become which), built and checked against the Spanish tables."""

from __future__ import annotations

from collections.abc import Mapping

from .column_types import TEXTS, family
from .document import Entry, Problems, nearest
from .mapping import ColumnRule, Pair, SpanishColumn, SpanishTable
from .mapping_tables import refusal, value_of

Subphases = tuple[tuple[str, tuple[str, ...]], ...]


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
    root: Entry, tables: tuple[SpanishTable, ...], subphases: Subphases, problems: Problems
) -> tuple[Pair, ...]:
    """Return the pairs in the order of the file."""
    known = {table.name: table for table in tables}
    phases = {part: phase for phase, parts in subphases for part in parts}
    pairs = []
    for source, targets in root.fields.items():
        if source in known:
            problems.add(targets, f"«{source}» es una tabla española: a la izquierda va la tabla legada")
        for target, entry in targets.fields.items():
            subphase = entry.get("subphase")
            if subphase.text and subphase.text not in phases:
                problems.add(subphase, f"la subfase «{subphase.text}» no existe{nearest(subphase.text, phases)}")
            if target not in known:
                problems.add(entry, f"la tabla española «{target}» no está declarada{nearest(target, known)}")
                continue
            phase = phases.get(subphase.text, "")
            pairs.append(_pair(source, entry, known[target], phase, problems))
    return tuple(pairs)


def _pair(source: str, entry: Entry, table: SpanishTable, phase: str, problems: Problems) -> Pair:
    columns = {column.name: column for column in table.columns}
    rules: list[ColumnRule] = []
    for name, written in entry.get("columns").fields.items():
        if name in columns:
            rules.append(_rule(columns[name], written, problems))
        elif columns:
            problems.add(written, f"«{table.name}» no tiene la columna «{name}»{nearest(name, columns)}")
    waived = tuple((column, reason.text) for column, reason in entry.get("waived").fields.items())
    match = entry.get("match").texts() or table.primary_key
    if columns:
        _check_sources(entry, rules, problems)
        _check_obligatory(entry, table, rules, problems)
        _check_match(entry, match, table, rules, problems)
    return Pair(
        source=source,
        target=table.name,
        phase=phase,
        subphase=entry.get("subphase").text,
        columns=tuple(rules),
        match=match,
        waived=waived,
    )


def _rule(column: SpanishColumn, entry: Entry, problems: Problems) -> ColumnRule:
    values = entry.get("values")
    text_key = entry.get("text_key")
    rule = ColumnRule(
        target=column.name,
        sources=entry.get("from").texts(),
        default=value_of(entry.get("default"), column, problems),
        values=tuple((legacy, spanish.text) for legacy, spanish in values.fields.items()),
        text_key=text_key.text or None,
        optional=entry.get("optional").is_true(),
    )
    kind = family(column.type)
    if rule.values and kind and kind not in TEXTS:
        problems.add(values, f"values es para columnas de texto, y {column.name} es {column.type}")
    for spanish in values.fields.values():
        reason = refusal(column, spanish.text) if spanish.kind != "null" else None
        if reason:
            problems.add(spanish, reason)
    if rule.text_key and kind and kind != "jsonb":
        problems.add(text_key, f"text_key es para columnas jsonb, y {column.name} es {column.type}")
    if column.optional and not rule.optional and entry.kind != "null":
        problems.add(entry, f"«{column.name}» es opcional en su tabla: su regla también (optional: true)")
    return rule


def _check_sources(entry: Entry, rules: list[ColumnRule], problems: Problems) -> None:
    """Refuse one legacy column in two places: the way back would not know which Spanish column to believe."""
    written = entry.get("columns")
    taken: dict[str, str] = {}
    for rule in rules:
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


def _check_match(
    entry: Entry, match: tuple[str, ...], table: SpanishTable, rules: list[ColumnRule], problems: Problems
) -> None:
    place = entry.get("match")
    certain: Mapping[str, ColumnRule] = {rule.target: rule for rule in rules if not rule.optional}
    for name in match:
        if name not in certain:
            problems.add(place, f"las filas se reconocen por «{name}», que no tiene regla (que no sea opcional)")
    keys = [key for key in (table.primary_key, *table.unique) if key]
    if match and keys and set(match) not in [set(key) for key in keys]:
        shown = " o ".join(f"({', '.join(key)})" for key in keys)
        problems.add(place, f"({', '.join(match)}) no es única en «{table.name}»; lo son {shown}")
