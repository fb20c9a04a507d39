"""What must become of one legacy row: judged value by value, then among the rows that it meets.

Of rows that meet, the one counts that comes first: an earlier pair's before a later one's, then the lowest key. It counts only
where it is carried itself, which is asked of this same judge; since only earlier rows are asked, that ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import TypeVar

from ..mapping.types import ForeignKey
from .binding import BoundColumn, BoundPair, clave_of
from .fates import Candidates, Carried, Fate, Known, LegacyRow, Merged, Need, Refused, Settled, UnfitError, UnknownYetError
from .narrowing import all_who, answered_rows, cannot_meet, cuts
from .numbers import lies_within
from .row_values import MaybeText, raw_text, spanish_value

_STRAY, _MISSING, _FORBIDDEN, _NO_PARENT, _TAKEN = "P0001", "23502", "23514", "23503", "23505"
_T = TypeVar("_T")
_Reason = tuple[str, str]
_Part = Callable[[], _Reason | None]  # one question of several, each of which may have to be asked first


def judge(pair: BoundPair, row: LegacyRow, known: Known) -> Fate | frozenset[Need]:
    """Return what must become of the row, one of those that the pair takes, or what has to be known for saying it."""
    try:
        return _fate(pair, row, known)
    except UnknownYetError as asked:
        return asked.needs


def _fate(pair: BoundPair, row: LegacyRow, known: Known) -> Fate:
    place = (row.table, pair.table.name, row.place)
    if place in known.waiting:
        raise UnknownYetError(known.waiting[place])
    if place not in known.fates:
        try:
            known.fates[place] = _judged(pair, row, known)
        except UnknownYetError as asked:
            known.waiting[place] = asked.needs
            raise
    return known.fates[place]


def _judged(pair: BoundPair, row: LegacyRow, known: Known) -> Fate:
    alone = {(_STRAY, pair.dividing)} if pair.is_stray(row) else set[tuple[str, str]]()
    if pair.may_repeat and _repeats_a_key(pair, row, known):
        alone.add((_TAKEN, ", ".join(column.name for column in pair.key)))
    if alone:
        return Refused(frozenset(alone))
    place = (row.table, pair.table.name, row.place)
    if place not in known.settled:
        known.settled[place] = _values(pair, row, known)
    values, unfit = known.settled[place]
    reasons = set(unfit)
    if pair.pair.merge_by is not None or pair.pair.duplicates:
        winner = _first([partial(_merge_partner, pair, row, known), partial(_duplicate, pair, row, values, known)])
        if winner is not None:
            return Merged(winner)
    met = _gathered([*_orphaned(pair, values, known), *_taken(pair, row, values, known)])
    reasons.update(reason for reason in met if reason is not None)
    return Refused(frozenset(reasons)) if reasons else Carried(values)


def _values(pair: BoundPair, row: LegacyRow, known: Known) -> tuple[dict[str, MaybeText], set[_Reason]]:
    """Each value that fits, and why another does not."""
    values: dict[str, MaybeText] = {}
    reasons: set[_Reason] = set()
    needs: set[Need] = set()
    for name, column in pair.columns.items():
        made = known.values.get((column, row.values.get(column.own)))
        try:
            fits, value, reason = made or _settled(pair, column, row, known)
        except UnknownYetError as asked:
            needs |= asked.needs
            continue
        if reason is not None:
            reasons.add(reason)
        if fits:
            values[name] = value
    if needs:
        raise UnknownYetError(frozenset(needs))
    return values, reasons


def _settled(pair: BoundPair, column: BoundColumn, row: LegacyRow, known: Known) -> Settled:
    """A column's value; one that hangs on a single legacy text is made once for each."""
    made = _made(pair, column, row, known)
    if column.own:
        known.values[column, row.values[column.own]] = made
    return made


def _made(pair: BoundPair, column: BoundColumn, row: LegacyRow, known: Known) -> Settled:
    try:
        value = spanish_value(pair, column, row, known)
    except UnfitError as unfit:
        return Settled(False, None, (unfit.sqlstate, column.origin))
    if value is None:
        return Settled(True, None, (_MISSING, column.missed) if column.spanish.not_null else None)
    return Settled(True, value, None if _is_allowed(column, value) else (_FORBIDDEN, column.origin))


def _is_allowed(column: BoundColumn, value: str) -> bool:
    spanish = column.spanish
    if spanish.allowed and value not in spanish.allowed:
        return False
    if spanish.minimum is None and spanish.maximum is None:
        return True
    return lies_within(value, spanish.minimum, spanish.maximum)


def _repeats_a_key(pair: BoundPair, row: LegacyRow, known: Known) -> bool:
    """Tell whether another row of the same key comes first, whichever pair it belongs to and whatever becomes of it."""
    key = pair.key_of(row)
    found = answered_rows(Candidates(pair.pair.source, pair.key[0].name, key[0]), known)
    return any(other.place < row.place and pair.key_of(other) == key for other in found)


def _merge_partner(pair: BoundPair, row: LegacyRow, known: Known) -> str | None:
    """The row of an earlier pair with exactly the same value where this pair's rows are merged by it."""
    by = pair.pair.merge_by
    if by is None or by not in pair.columns:
        return None
    value = raw_text(pair, pair.columns[by], row, known)
    if value is None:
        return None

    def partner(earlier: BoundPair) -> str | None:
        exactly = partial(raw_text, earlier, earlier.columns[by])
        found = [other for other in all_who(earlier, {by: value}, known) if exactly(other, known) == value]
        carried = _first([partial(_accepted, earlier, other, known) for other in found])
        return _spanish_key(pair, carried) if carried else None

    return _first([partial(partner, earlier) for earlier in pair.earlier if by in earlier.columns])


def _duplicate(pair: BoundPair, row: LegacyRow, values: dict[str, MaybeText], known: Known) -> str | None:
    """The first of several rows that are one by the Spanish columns that rows are recognised by."""
    wanted = {name: values.get(name) for name in pair.pair.match}
    if not pair.pair.duplicates or None in wanted.values() or cannot_meet(pair, wanted):
        return None
    carried = _earlier_with(pair, pair, row, wanted, known)
    return _spanish_key(pair, carried) if carried else None


def _orphaned(pair: BoundPair, values: dict[str, MaybeText], known: Known) -> Iterator[_Part]:
    """Yield what looks for each parent, and gives a reason where none is carried."""
    for key, pairs in pair.parents:
        value, lookup = values.get(key.column), pair.columns[key.column].rule.lookup
        if value is not None and (lookup is None or (lookup.table, lookup.take) != (key.table, key.references)):
            yield partial(_orphan, pair, key, pairs, value, known)  # what was found in the parent table itself is there


def _orphan(pair: BoundPair, key: ForeignKey, pairs: tuple[BoundPair, ...], value: str, known: Known) -> _Reason | None:
    parent = (key.table, key.references, value)
    if parent not in known.parents:
        if pairs:
            there = any(_gathered([partial(_is_carried, p, {key.references: value}, known) for p in pairs]))
        else:
            found = answered_rows(Candidates(*parent), known)
            there = any(other.values[key.references] == value for other in found)
        known.parents[parent] = there
    return None if known.parents[parent] else (_NO_PARENT, pair.legacy_names((key.column,)))


def _taken(pair: BoundPair, row: LegacyRow, values: dict[str, MaybeText], known: Known) -> Iterator[_Part]:
    """Yield what looks for each unique value among the rows that count before this one, and gives a reason where one has it."""
    for names, earlier, own in _contests(pair):
        wanted = {name: values.get(name) for name in names}
        if None not in wanted.values():
            rivals = (*earlier, pair) if own and not cannot_meet(pair, wanted) else earlier
            if rivals:
                yield partial(_rival, pair, row, wanted, rivals, known)


@cache
def _contests(pair: BoundPair) -> list[tuple[tuple[str, ...], tuple[BoundPair, ...], bool]]:
    """The unique keys that somebody else may have: which earlier pairs' rows, and whether the pair's own."""
    found = []
    for names in pair.unique:
        earlier = tuple(p for p in pair.earlier if names in p.unique)
        merged = pair.pair.duplicates and set(names) == set(pair.pair.match)
        own = not merged and cuts(pair, names) != ()
        found += [(names, earlier, own)] if earlier or own else []
    return found


def _rival(
    pair: BoundPair, row: LegacyRow, wanted: dict[str, MaybeText], rivals: Sequence[BoundPair], known: Known
) -> _Reason | None:
    if not any(_gathered([partial(_earlier_with, p, pair, row, wanted, known) for p in rivals])):
        return None
    merged = pair.pair.merge_by is not None and set(wanted) == set(pair.pair.match)
    return _TAKEN, pair.legacy_names((str(pair.pair.merge_by),) if merged else wanted)


def _earlier_with(
    rival: BoundPair, pair: BoundPair, row: LegacyRow, wanted: dict[str, MaybeText], known: Known
) -> Carried | None:
    """The first carried row of ``rival`` that has these Spanish values and counts before the row."""
    found = all_who(rival, wanted, known)
    if rival is pair:
        rank = pair.rank_of(row)
        found = [other for other in found if rival.rank_of(other) < rank]
    keeps = rival is not pair and set(wanted) == set(pair.pair.match)  # a row keeps its key, even one that PostgreSQL refuses
    accepts = _foreseen if keeps else _accepted
    carried = _gathered([partial(accepts, rival, other, known) for other in sorted(found, key=rival.rank_of)])
    return next((one for one in carried if one and _has(one, wanted)), None)


def _is_carried(pair: BoundPair, wanted: dict[str, MaybeText], known: Known) -> bool:
    found = _gathered([partial(_accepted, pair, row, known) for row in all_who(pair, wanted, known)])
    return any(one is not None and _has(one, wanted) for one in found)


def _has(carried: Carried, wanted: dict[str, MaybeText]) -> bool:
    return all(carried.values[name] == value for name, value in wanted.items())


def _accepted(pair: BoundPair, row: LegacyRow, known: Known) -> Carried | None:
    """The Spanish row that this one becomes; None where it becomes none, be it that PostgreSQL alone refused it."""
    if known.unforeseen and (row.table, clave_of(pair.key_of(row))) in known.unforeseen:
        return None
    return _foreseen(pair, row, known)


def _foreseen(pair: BoundPair, row: LegacyRow, known: Known) -> Carried | None:
    """The Spanish row that the mapping makes of this one; None where it makes none."""
    fate = _fate(pair, row, known)
    return fate if isinstance(fate, Carried) else None


def _spanish_key(pair: BoundPair, carried: Carried) -> str:
    names = pair.table.primary_key if set(pair.table.primary_key) <= set(carried.values) else pair.pair.match
    return clave_of(tuple(carried.values[name] for name in names))


def _gathered(parts: Iterable[Callable[[], _T]]) -> list[_T]:
    """Return what each part gives, or ask at once for everything that any of them lacks."""
    found: list[_T] = []
    needs: set[Need] = set()
    for part in parts:
        try:
            found.append(part())
        except UnknownYetError as asked:
            needs |= asked.needs
    if needs:
        raise UnknownYetError(frozenset(needs))
    return found


def _first(parts: Iterable[Callable[[], _T | None]]) -> _T | None:
    """Return the first thing that is found; asks for all that is lacking at once."""
    return next((found for found in _gathered(parts) if found is not None), None)
