"""A file of keys and values with the place of everything in it, and the list of what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import STEP_CHANGED_NOTHING, MigrationError
from ..words import closest

Kind = Literal["text", "null", "boolean", "integer", "number", "list", "map", "other"]

_TRUE = ("true", "yes", "on")


@dataclass(frozen=True)
class Node:
    """A value as written. ``text``: a scalar exactly as it stands in the file; ``pairs``: keys and values of a map."""

    line: int
    kind: Kind
    text: str = ""
    items: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()


@dataclass(frozen=True)
class Entry:
    """A value that has its shape; ``key`` is the dotted path to it, ``line`` the line of its key."""

    line: int
    key: str
    kind: Kind = "map"
    text: str = ""
    items: tuple[Entry, ...] = ()
    fields: Mapping[str, Entry] = field(default_factory=dict)

    def get(self, name: str) -> Entry:
        """Return the entry below that key; an absent one is empty and stands where this one does."""
        return self.fields.get(name) or Entry(self.line, self.key, "null")

    def texts(self) -> tuple[str, ...]:
        """Return the items' texts."""
        return tuple(item.text for item in self.items)

    def is_true(self) -> bool:
        """Tell whether the flag is set."""
        return self.text.lower() in _TRUE

    def whole(self) -> int | None:
        """Return the whole number, or None where it is absent."""
        return int(self.text) if self.text else None


class Problems:
    """What is wrong with one file: everything is collected, so that one reading is enough to correct it."""

    def __init__(self, path: str) -> None:
        """Begin with nothing wrong in the file of that path."""
        self._path = path
        self._found: list[tuple[int, str]] = []

    def add(self, place: Node | Entry, sentence: str, key: str | None = None) -> None:
        """Note a problem at the place; a node does not know its key, an entry does."""
        if key is None:
            key = place.key if isinstance(place, Entry) else ""
        where = f"{self._path}, línea {place.line}" + (f", {key}" if key else "")
        self._found.append((place.line, _one_line(f"{where}: {sentence}" + ("" if sentence.endswith("?") else "."))))

    def stop_if_any(self) -> None:
        """Raise all that was found, in the file's order, as one MigrationError, code mapping."""
        if not self._found:
            return
        lines = list(dict.fromkeys(text for _, text in sorted(self._found, key=lambda found: found[0])))
        count = "un error" if len(lines) == 1 else f"{len(lines)} errores"
        raise MigrationError(
            f"El mapeo tiene {count}",
            left=STEP_CHANGED_NOTHING,
            move="\n".join(["Corrija y repita la orden:", *(f"  {line}" for line in lines)]),
            code="mapping",
            details={"errores": lines},
        )


def _one_line(text: str) -> str:
    """Show control characters of a name instead of sending them to the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest_or_all(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that offers the known name most like this one, or all of them."""
    names = list(known)
    if close := closest(name, names):
        return f"; ¿quiso decir «{close}»?"
    return f"; existen: {', '.join(names)}" if names else ""
