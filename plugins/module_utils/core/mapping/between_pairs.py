"""What the pairs of a mapping file must leave to each other: which rows are whose, who has priority, who is copied first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .document import Entry, Problems
from .types import ColumnRule, Pair, SpanishTable

Subphases = tuple[tuple[str, tuple[str, ...]], ...]

STEADY = "(que no sea opcional ni lleve lookup, json_keys o present)"


@dataclass(frozen=True)
class WrittenPair:
    """A pair and the place where it stands."""

    pair: Pair
    entry: Entry


def goes_back_as_it_is(rule: ColumnRule) -> bool:
    """Tell whether the Spanish value is ever written to the legacy column."""
    return rule.lookup is None and not rule.json_keys and rule.present is None


def check_division(pairs: list[WrittenPair], problems: Problems) -> None:
    """Refuse what leaves a row of a legacy table to two of its pairs, or to none: each row is accounted for once."""
    for number, later in enumerate(pairs):
        for earlier in pairs[:number]:
            if any("where" in w.entry.fields and not w.pair.where for w in (earlier, later)):
                continue  # noted already
            first, second = dict(earlier.pair.where), dict(later.pair.where)
            if not any(column in first and first[column] != value for column, value in second.items()):
                line = earlier.entry.line
                sentence = f"una fila puede ser de este par y del de «{earlier.pair.target}» (línea {line})"
                problems.add(later.entry.get("where"), f"{sentence}: sus where deben dar a una columna valores distintos")
    for written in pairs:
        _check_taking_over(written, pairs, problems)
    takers = [w for w in pairs if w.pair.otherwise]
    for later in takers[1:]:
        sentence = f"«{takers[0].pair.target}» (línea {takers[0].entry.line}) recoge ya las filas que no son de ningún par"
        problems.add(later.entry.get("otherwise"), sentence)
    divided = [w for w in pairs if w.pair.where]
    if divided and not takers:
        sentence = "las demás filas no serían de ningún par y se perderían en silencio"
        problems.add(divided[0].entry.get("where"), f"{sentence}: ponga otherwise: true en un par de «{divided[0].pair.source}»")


def _check_taking_over(written: WrittenPair, pairs: list[WrittenPair], problems: Problems) -> None:
    """Refuse to take rows over where no other pair has them, or where who they were would have no place to go on in."""
    name = written.pair.takes_over
    if name is None:
        return
    place, own = written.entry.get("takes_over"), {rule.target: rule for rule in written.pair.columns if goes_back_as_it_is(rule)}
    givers = [w for w in pairs if w is not written and w.pair.merge_by is not None]
    if name not in own or own[name].optional:
        problems.add(place, f"«{name}» no tiene regla {STEADY}")
    elif not any(rule.sources == own[name].sources for w in givers for rule in w.pair.columns):
        sentence = f"ningún otro par de «{written.pair.source}» con merge_by lleva la misma columna legada"
        problems.add(place, f"{sentence}: quien era no tendría dónde seguir")


def check_priority(pairs: list[WrittenPair], problems: Problems) -> None:
    """Check the pairs that lead to one Spanish table, in the file's order."""
    for number, written in enumerate(pairs):
        first = pairs[0]
        if number == 0 and written.pair.merge_by is not None:
            sentence = f"es el primer par de «{written.pair.target}»: no hay filas anteriores con las que fusionar"
            problems.add(written.entry.get("merge_by"), sentence)
        if set(written.pair.match) != set(first.pair.match):
            shown = ", ".join(first.pair.match)
            sentence = f"en «{first.pair.source}» (línea {first.entry.line}) las filas se reconocen por ({shown})"
            problems.add(written.entry.get("match"), f"{sentence}; aquí debe ser lo mismo")


def check_order(written: list[WrittenPair], known: Mapping[str, SpanishTable], subphases: Subphases, problems: Problems) -> None:
    """Refuse a pair that is copied before the rows which its own refer to, or which have priority over its own."""
    parts = [part for _, group in sorted(subphases) for part in group]
    placed = [w for w in written if w.pair.subphase in parts]
    order = sorted(placed, key=lambda w: parts.index(w.pair.subphase))  # stable: the file's order within a part
    for number, child in enumerate(placed):
        carried = {rule.target for rule in child.pair.columns}
        parents = {key.table for key in known[child.pair.target].foreign_keys if key.column in carried}
        parents |= {rule.lookup.table for rule in child.pair.columns if rule.lookup is not None}
        for place, parent in enumerate(placed):
            needed = parent.pair.target in parents or (parent.pair.target == child.pair.target and place < number)
            if needed and order.index(parent) > order.index(child):
                sentence = f"necesita antes las filas de «{parent.pair.source}» → «{parent.pair.target}»"
                where = f"línea {parent.entry.line}, subfase {parent.pair.subphase}"
                problems.add(child.entry.get("subphase"), f"{sentence} ({where}), que se copian después")
