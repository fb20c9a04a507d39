"""The value of one Spanish column for one legacy row, as its rule says: read, looked up, translated, filled in."""

from __future__ import annotations

from ..mapping.column_types import TEXTS, family
from .binding import BoundColumn, BoundPair
from .fates import Candidates, Known, LegacyRow, UnfitError
from .json_text import parsed_json, text_of_key, written_json
from .narrowing import answered_rows
from .values import converted, default_value, is_text, jsonb_of

MaybeText = str | None


def spanish_value(pair: BoundPair, column: BoundColumn, row: LegacyRow, known: Known) -> MaybeText:
    """Return the Spanish value, None for NULL. Raises UnfitError where INSERT would refuse it, UnknownYetError."""
    rule, type_ = column.rule, column.spanish.type
    if rule.present is not None and rule.absent is not None:
        return default_value(type_, rule.present if _is_filled(column, row) else rule.absent, known, pair.codec)
    if rule.lookup is not None and column.by is None:
        found = _from_spanish(pair, column, row, known)
    else:
        base, text = _read(pair, column, row, known)
        text = _translated(column, base, text)
        if text is not None and rule.text_key is not None:
            found = _json_or_text(rule.text_key, base, text, known, pair.codec)
        else:
            found = None if text is None else converted(base, type_, text, known, zone=rule.zone, codec=pair.codec)
    if found is None and rule.default is not None:
        return default_value(type_, rule.default, known, pair.codec)
    return found


def raw_text(pair: BoundPair, column: BoundColumn, row: LegacyRow, known: Known) -> MaybeText:
    """Return what rows are merged by: a text before it is cut to its column's length, any other value as it is stored.

    None where there is none, or none that fits. Raises UnknownYetError.
    """
    if family(column.spanish.type) not in TEXTS:
        try:
            return spanish_value(pair, column, row, known)
        except UnfitError:
            return None
    base, text = _read(pair, column, row, known)
    text = _translated(column, base, text)
    return column.rule.default if text is None else text


def _read(pair: BoundPair, column: BoundColumn, row: LegacyRow, known: Known) -> tuple[str, MaybeText]:
    """The legacy value with its base type: found elsewhere, or in a document's key, or the row's own."""
    rule = column.rule
    if rule.lookup is None:
        if column.source is None:
            raise ValueError(f"{column.spanish.name} comes from nowhere")
        if not rule.json_keys:
            return column.source.base, row.values[column.source.name]
    elif column.take is not None and column.by is not None:
        wanted = row.values[column.by.name]
        found = [] if wanted is None else answered_rows(Candidates(rule.lookup.table, rule.lookup.column, wanted), known)
        same = [r for r in found if r.values[rule.lookup.column] == wanted]
        value = min(same, key=lambda r: r.place).values[rule.lookup.take] if same else None
        if value is not None or not rule.json_keys:
            return column.take.base, value
    return "text", _under_a_key(column, row, pair.codec)


def _from_spanish(pair: BoundPair, column: BoundColumn, row: LegacyRow, known: Known) -> MaybeText:
    """What the Spanish row has whose column equals a Spanish value of this one; NULL where that is none, or does not fit."""
    lookup = column.rule.lookup
    if lookup is None:
        raise ValueError(f"{column.spanish.name} is looked up nowhere")
    try:
        wanted = spanish_value(pair, pair.columns[lookup.by], row, known)
    except UnfitError:
        return None
    if wanted is None:
        return None
    found = answered_rows(Candidates(lookup.table, lookup.column, wanted), known)
    return next((r.values[lookup.take] for r in found if r.values[lookup.column] == wanted), None)


def _under_a_key(column: BoundColumn, row: LegacyRow, codec: str) -> MaybeText:
    text = row.values[column.source.name] if column.source is not None else None
    if text is None:
        return None
    try:
        document = parsed_json(text, codec)
    except UnfitError:
        return None
    return next((v for key in column.rule.json_keys if (v := text_of_key(document, key, codec)) is not None), None)


def _translated(column: BoundColumn, base: str, text: MaybeText) -> MaybeText:
    """The word in Spanish, or as it stands; a text date that is empty is none."""
    if text == "" and is_text(base) and family(column.spanish.type) == "timestamp without time zone":
        return None
    return column.translations.get(text, text) if text is not None else None


def _is_filled(column: BoundColumn, row: LegacyRow) -> bool:
    if column.source is None:
        raise ValueError(f"{column.spanish.name} comes from nowhere")
    text = row.values[column.source.name]
    return text is not None and not (text == "" and is_text(column.source.base))


def _json_or_text(key: str, base: str, text: str, known: Known, codec: str) -> MaybeText:
    """JSON as it is, JSON null as NULL, and any other text under the key."""
    if base == "jsonb":
        return None if text == "null" else text
    try:
        written = jsonb_of(text, known, codec)
    except UnfitError:
        return written_json({key: text}, codec)
    return None if written == "null" else written
