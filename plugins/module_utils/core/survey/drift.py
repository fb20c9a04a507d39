"""Where the live database is not what the mapping speaks of. Drift has no override: the mapping or the database changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..catalogue import TABLE_KINDS, Catalogue, Relation
from ..mapping.types import ColumnRule, Pair, TableMapping
from ..rows.routes import belongs, columns_read, source_of, spanish_columns
from ..rows.values import convert
from ..sqltext import ident


@dataclass(frozen=True)
class Drift:
    """One disagreement; ``pair`` where it stops only the subphase that would copy that pair."""

    message: str
    pair: Pair | None = None


def find_drift(mapping: TableMapping, catalogue: Catalogue) -> tuple[Drift, ...]:
    """Return every disagreement that the catalogue alone shows."""
    found: list[Drift] = []
    for name in sorted({t.twin for t in mapping.tables} | {p.source for p in mapping.pairs}):
        relation = catalogue.relation(name)
        if relation is None:
            found.append(Drift(f"falta la tabla legacy {mapping.schema}.{name}; el mapeo la nombra."))
        elif relation.kind not in ("r", "p"):
            kind = TABLE_KINDS.get(relation.kind, relation.kind)
            found.append(Drift(f"{mapping.schema}.{name} es una {kind}, no una tabla; así no se puede copiar."))
    for pair in mapping.pairs:
        legacy = catalogue.relation(pair.source)
        if legacy is not None and legacy.kind in ("r", "p"):
            found += _pair_drift(mapping, catalogue, pair, legacy)
    return tuple(found)


def _pair_drift(mapping: TableMapping, catalogue: Catalogue, pair: Pair, legacy: Relation) -> Iterable[Drift]:
    if not legacy.primary_key:
        yield Drift(
            f"{pair.source} no tiene clave primaria: sus filas no se pueden reconocer. Póngale una con ADD PRIMARY KEY.", pair
        )
    table = next(t for t in mapping.tables if t.name == pair.target)
    targets = {c.name: c for c in spanish_columns(mapping, catalogue, table)}
    yield from _merge_drift(mapping, catalogue, pair)
    for name, _ in pair.births:
        if name not in {c.name for c in legacy.columns}:
            yield Drift(f"falta la columna {pair.source}.{name}, a la que births da un valor.", pair)
    for rule in pair.columns:
        if rule.lookup is not None:
            yield from _lookup_drift(mapping, catalogue, pair, rule, legacy)
            continue
        source = source_of(rule, legacy)
        if source is None and not rule.optional:
            names = " ni ".join(rule.sources)
            yield Drift(f"falta la columna {pair.source}.{names}, de la que sale {pair.target}.{rule.target}.", pair)
        elif source is not None and rule.target in targets:
            target = targets[rule.target]
            if convert(rule, source, target, f"l.{ident(source.name)}") is None:
                yield Drift(
                    f"{pair.source}.{source.name} es {source.type}, y ninguna regla lleva ese tipo a "
                    f"{pair.target}.{target.name} ({target.type}).",
                    pair,
                )


def _lookup_drift(mapping: TableMapping, catalogue: Catalogue, pair: Pair, rule: ColumnRule, legacy: Relation) -> Iterable[Drift]:
    """A lookup needs its columns, and at most one row for each value: otherwise any row's value would be taken."""
    lookup = rule.lookup
    if lookup is None or any(t.name == lookup.table for t in mapping.tables):
        return
    for name in (lookup.by, *(n for n in rule.sources if rule.json_keys)):
        if name not in {c.name for c in legacy.columns}:
            yield Drift(f"falta la columna {pair.source}.{name}, por la que se busca {pair.target}.{rule.target}.", pair)
    other = catalogue.relation(lookup.table)
    columns = {c.name for c in other.columns} if other is not None else set()
    if other is None or not {lookup.column, lookup.take} <= columns:
        yield Drift(f"falta {lookup.table}.{lookup.column} o {lookup.table}.{lookup.take}, de donde sale {rule.target}.", pair)
    elif (lookup.column,) not in (other.primary_key, *other.unique):
        yield Drift(f"{lookup.table}.{lookup.column} no es única: {pair.target}.{rule.target} no sabría qué fila tomar.", pair)


def _merge_drift(mapping: TableMapping, catalogue: Catalogue, pair: Pair) -> Iterable[Drift]:
    for other in mapping.pairs[: mapping.pairs.index(pair)] if pair.merge_by else ():
        found = catalogue.relation(other.source)
        theirs = next((r for r in other.columns if r.target == pair.merge_by), None)
        source = source_of(theirs, found) if theirs and found and other.target == pair.target else None
        if source is not None and found is not None and (source.name,) not in (found.primary_key, *found.unique):
            yield Drift(f"{other.source}.{source.name} no es única: no se sabría con cuál fusionar las de {pair.source}.", pair)


@dataclass(frozen=True)
class LooseColumn:
    """A legacy column that must hold no data in some rows: in those for which ``nobodys`` (of a row l) is true."""

    table: str
    column: str
    nobodys: str


def unmapped_columns(mapping: TableMapping, catalogue: Catalogue) -> list[LooseColumn]:
    """Return what a row's own pair neither carries nor waives: of a whole column, or of the rows of some pairs alone."""
    loose: list[LooseColumn] = []
    for source in dict.fromkeys(p.source for p in mapping.pairs):
        legacy, pairs = catalogue.relation(source), [p for p in mapping.pairs if p.source == source]
        if legacy is None:
            continue
        names = [c.name for c in legacy.columns]
        if any(name not in names for pair in pairs for name, _ in pair.where):
            continue  # which rows are whose cannot be said: drift of its own
        rows = {id(p): f"({belongs(p, [o for o in pairs if o is not p], legacy, 'l')}) IS TRUE" for p in pairs}
        known = {id(p): _known(p, legacy) for p in pairs}
        for name in names:
            told = [rows[id(p)] for p in pairs if name in known[id(p)]]
            missed = [rows[id(p)] for p in pairs if name not in known[id(p)]]
            if missed:
                nobodys = f"({' OR '.join(missed)}) AND NOT ({' OR '.join(told)})" if told else "true"
                loose.append(LooseColumn(source, name, nobodys))
    return loose


def _known(pair: Pair, legacy: Relation) -> set[str]:
    known = {name for name, _ in pair.waived} | {name for name, _ in pair.where}
    known |= {rule.lookup.by for rule in pair.columns if rule.lookup}
    return known | {column.name for rule in pair.columns if (column := source_of(rule, legacy)) is not None}


def unmapped_tables(mapping: TableMapping) -> tuple[str, ...]:
    """Return the legacy tables that are some Spanish table's twin but have no pair yet."""
    sources = {p.source for p in mapping.pairs}
    return tuple(t.twin for t in mapping.tables if t.twin not in sources)


def column_changes(mapping: TableMapping, approved: Catalogue, found: Catalogue) -> list[str]:
    """Return a phrase for every legacy column that came, or is read and went or changed its type, since the approval."""
    phrases = []
    for before in approved.relations:
        after = found.relation(before.name)
        if after is None:
            phrases.append(f"falta la tabla {before.name}")
            continue
        old, new = ({c.name: c.type for c in r.columns} for r in (before, after))
        read = columns_read(mapping, before)
        phrases += [f"{before.name}.{name} es nueva ({new[name]})" for name in sorted(new.keys() - old.keys())]
        phrases += [f"falta {before.name}.{name}" for name in sorted((old.keys() - new.keys()) & read)]
        phrases += [
            f"{before.name}.{name} era {old[name]} y es {new[name]}"
            for name in sorted(old.keys() & new.keys() & read)
            if old[name] != new[name]
        ]
    return phrases
