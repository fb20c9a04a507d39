"""What the Spanish tables can say and legacy cannot, column by column, and what becomes of it on the way back. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalogue import Catalogue, Relation
from ..mapping.types import ColumnRule, Pair, TableMapping
from ..rows.routes import source_of, spanish_columns
from .findings import GOOD, LOSS, NOTICE, Finding

NOT_KEPT = ("no vuelve", "se queda", "lo que no está")  # how it is said of what legacy does not keep
NOT_IN_LEGACY, SPANISH_ONLY, BORN = "lo que legacy no dice", "solo en español", "filas que nacen en español"


def unsaid_findings(mapping: TableMapping, catalogue: Catalogue) -> list[Finding]:
    """Whoever approves the mapping should have read what it has decided: what does not come back is said to be lost.

    Of rows that are born on the Spanish side a legacy column that nothing fills is named: each of them would be quarantined."""
    found: list[Finding] = []
    for pair in mapping.pairs:
        legacy = catalogue.relation(pair.source)
        if legacy is None:
            continue  # drift says so
        for rule in pair.columns:
            for value, limit in _of_rule(mapping, pair, rule, legacy):
                found.append(Finding(NOT_IN_LEGACY, value, limit, LOSS if limit.startswith(NOT_KEPT) else GOOD))
        if pair.duplicates:
            value = f"{pair.target}: varias filas de {pair.source} son una"
            found.append(Finding(NOT_IN_LEGACY, value, "cambia la que gana; borrarla las borra todas"))
        if only := _spanish_only(mapping, catalogue, pair, legacy):
            value = f"{pair.target}: {', '.join(only)}, en filas de {pair.source}"
            found.append(Finding(SPANISH_ONLY, value, "no vuelven, y la prueba no las compara", LOSS))
        if pair.target not in {p.target for p in mapping.pairs[: mapping.pairs.index(pair)]}:
            found += _born(pair, legacy)
    return found


def _born(pair: Pair, legacy: Relation) -> Iterator[Finding]:
    filled = {source.name for rule in pair.columns if (source := source_of(rule, legacy)) is not None}
    filled |= {rule.lookup.by for rule in pair.columns if rule.lookup is not None} | {name for name, _ in pair.where}
    declared = dict(pair.births)
    for name, value in declared.items():
        yield Finding(BORN, f"{pair.source}.{name}, de las de {pair.target}", f"nace como {value}")
    for column in legacy.columns:
        filler = column.default or column.sequence or column.identity or column.name in filled | declared.keys()
        if column.not_null and not filler:
            note = (
                f"Lo que nazca en {pair.target} no tendría fila legacy e iría a cuarentena. En el mapeo, en pairs, {pair.source},"
                f" {pair.target}: «births: {{{column.name}: …}}»."
            )
            value = f"{pair.source}.{column.name} es obligatoria y nada la llena"
            yield Finding(BORN, value, "un valor en el mapeo", NOTICE, note=note)


def _of_rule(mapping: TableMapping, pair: Pair, rule: ColumnRule, legacy: Relation) -> Iterator[tuple[str, str]]:
    column, source = f"{pair.target}.{rule.target}", source_of(rule, legacy)
    if rule.lookup is not None and rule.lookup.table in {t.name for t in mapping.tables}:
        becomes = f"se queda mientras {rule.lookup.by} no cambie" if rule.lookup.stays else "no vuelve: vale lo buscado"
        yield f"{column}, otro que el que se busca por {rule.lookup.by}", becomes
    elif rule.lookup is not None:
        where = "a cuarentena" if source is None or not rule.json_keys else f"a {source.name}.{rule.json_keys[0]}"
        yield f"{column}, por {pair.source}.{rule.lookup.by}", f"lo que no está en {rule.lookup.table}, {where}"
    elif rule.present is not None and source is not None:
        yield f"{column} {rule.present} o {rule.absent}", f"{pair.source}.{source.name} se llena o se vacía"
        if rule.stays:
            yield f"{column} {' o '.join(rule.stays)}", f"se queda; en legacy, como {rule.absent}"
    for spanish in dict.fromkeys(new for _, new in rule.values):
        first, *others = [old for old, new in rule.values if new == spanish]
        if others:
            yield f"{column} {spanish}", f"vuelve como {first}, no como {' ni '.join(others)}"


def _spanish_only(mapping: TableMapping, catalogue: Catalogue, pair: Pair, legacy: Relation) -> list[str]:
    """The Spanish columns that no rule fills here; a serial key is the database's own."""
    table = next(t for t in mapping.tables if t.name == pair.target)
    filled = {r.target for r in pair.columns if r.lookup is not None or source_of(r, legacy) is not None}
    here = spanish_columns(mapping, catalogue, table)
    return [c.name for c in here if c.name not in filled and c.name not in table.primary_key]
