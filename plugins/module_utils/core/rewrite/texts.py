"""Texts in a file that hold a small language: their characters with the place of each, and edits inside them."""

from __future__ import annotations

from dataclasses import dataclass

from .reasons import Edit, LeftAloneError
from .tree import TextNode

HOLE = "\ue000"  # a computed value, one character


@dataclass(frozen=True)
class Flat:
    """``text``, and for each character its place in the file; a computed value is one HOLE."""

    text: str
    places: tuple[int, ...]

    def edit(self, start: int, end: int, new: str) -> Edit:
        """Return the edit of a stretch that stands in the file in one piece. Raises LeftAloneError."""
        if start == end:  # an insertion before a character, or at the end of what stands before
            place = self.places[start] if start < len(self.places) else self.places[-1] + 1
            return Edit(place, place, new)
        first, last = self.places[start], self.places[end - 1]
        if last - first != end - 1 - start or HOLE in self.text[start:end]:
            raise LeftAloneError("computed_columns")
        return Edit(first, last + 1, new)


def flat(node: TextNode) -> Flat:
    """Return the characters of a text. Raises LeftAloneError for one with escapes."""
    if not node.raw:
        raise LeftAloneError("escaped_literal")
    text, places = [], list[int]()
    for piece in node.pieces:
        if piece.hole is not None:
            text.append(HOLE)
            places.append(piece.start)
        else:
            text.append(piece.value)
            places.extend(range(piece.start, piece.start + len(piece.value)))
    return Flat("".join(text), tuple(places))


def fits(new: str) -> str:
    """Return a text that may stand in any literal. Raises LeftAloneError for one that would need an escape."""
    if set(new) & set("\"'`\\\n\r${}"):
        raise LeftAloneError("escaped_literal", new)
    return new


def inside(node: TextNode, new: str) -> Edit:
    """Return the edit that gives a literal another value. Raises LeftAloneError where its characters are in several pieces."""
    whole = flat(node)
    if not whole.text:
        place = node.pieces[0].start
        return Edit(place, place, fits(new))
    return whole.edit(0, len(whole.text), fits(new))


def split_outside(text: str, separator: str = ",") -> list[tuple[int, int]]:
    """Split at separators outside brackets and double quotes: stretches of the text. Raises LeftAloneError for odd brackets."""
    parts, start, depth, quoted, place = list[tuple[int, int]](), 0, 0, False, 0
    while place < len(text):
        char = text[place]
        if quoted and char == "\\":
            place += 1
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in "([{":
            depth += 1
        elif not quoted and char in ")]}":
            depth -= 1
            if depth < 0:
                raise LeftAloneError("bad_filter")
        elif not quoted and depth == 0 and char == separator:
            parts.append((start, place))
            start = place + 1
        place += 1
    if depth or quoted:
        raise LeftAloneError("bad_filter")
    return [*parts, (start, len(text))]


def trimmed(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return a stretch without the blanks at its ends."""
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
