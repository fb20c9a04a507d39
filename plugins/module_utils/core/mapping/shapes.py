"""The shapes that a document may have.

A shape is said once: ``read`` checks a document against it, ``schema`` gives the same as JSON schema for editors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..sqltext import MAX_IDENTIFIER_BYTES
from .document import Entry, Kind, Node, Problems, nearest_or_all

Schema = dict[str, Any]

_FOUND: Mapping[Kind, str] = {
    "text": "un texto",
    "null": "nada",
    "boolean": "un valor lógico",
    "integer": "un número entero",
    "number": "un número",
    "list": "una lista",
    "map": "un mapa de claves",
    "other": "un valor de un tipo propio",
}
_SCALARS = ("text", "boolean", "integer", "number")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})\Z")


@dataclass(frozen=True)
class Shape:
    """What a value may be; ``about`` is what an editor shows."""

    about: str

    def read(self, node: Node, at: Entry, problems: Problems) -> Entry | None:
        """Return the node as an entry at that place, or None after noting why not."""
        raise NotImplementedError  # each shape says how

    def schema(self) -> Schema:
        """Return the JSON schema of this shape."""
        raise NotImplementedError  # each shape says how


def _wrong(node: Node, at: Entry, wanted: str, problems: Problems) -> Entry | None:
    """Note that the value is of another kind than wanted, and return no entry."""
    shown = f" ({node.text})" if node.text and node.kind in _SCALARS else ""
    problems.add(at, f"se esperaba {wanted} y hay {_FOUND[node.kind]}{shown}")
    return None


@dataclass(frozen=True)
class Text(Shape):
    """Any scalar, taken as written: YAML 1.1 reads no, on or 1_0 as something else, this does not."""

    name: bool = False  # an identifier of the database

    def read(self, node: Node, at: Entry, problems: Problems) -> Entry | None:
        """Take a scalar's text."""
        if node.kind not in _SCALARS:
            return _wrong(node, at, "un texto (lo vacío y null van entre comillas)", problems)
        if "\0" in node.text:
            problems.add(at, "contiene el carácter NUL, que PostgreSQL no admite")
            return None
        if self.name and not node.text:
            problems.add(at, "un nombre no puede estar vacío")
            return None
        size = len(node.text.encode())
        if self.name and size > MAX_IDENTIFIER_BYTES:
            limit = f"PostgreSQL los corta en {MAX_IDENTIFIER_BYTES}"
            problems.add(at, f"el nombre «{node.text}» ocupa {size} bytes y {limit}")
        return replace(at, kind=node.kind, text=node.text)

    def schema(self) -> Schema:
        """Allow strings, and what YAML would read as something else."""
        limits: Schema = {"minLength": 1, "maxLength": MAX_IDENTIFIER_BYTES} if self.name else {}
        return {"description": self.about, "type": ["string", "number", "boolean"], **limits}


@dataclass(frozen=True)
class Whole(Shape):
    """A whole number."""

    def read(self, node: Node, at: Entry, problems: Problems) -> Entry | None:
        """Take a whole number in plain decimal digits; 010 and 1_0 mean different things to different readers."""
        if node.kind != "integer" or not _WHOLE.match(node.text):
            return _wrong(node, at, "un número entero", problems)
        return replace(at, kind=node.kind, text=node.text)

    def schema(self) -> Schema:
        """Allow integers."""
        return {"description": self.about, "type": "integer"}


@dataclass(frozen=True)
class Flag(Shape):
    """True or false."""

    def read(self, node: Node, at: Entry, problems: Problems) -> Entry | None:
        """Take a boolean."""
        if node.kind != "boolean":
            return _wrong(node, at, "true o false", problems)
        return replace(at, kind=node.kind, text=node.text)

    def schema(self) -> Schema:
        """Allow booleans."""
        return {"description": self.about, "type": "boolean"}


@dataclass(frozen=True)
class Value(Shape):
    """A value of a column: a scalar, {} or []."""

    def read(self, node: Node, at: Entry, problems: Problems) -> Entry | None:
        """Take a scalar as written, and an empty collection as its JSON text."""
        if node.kind == "map" and not node.pairs:
            return replace(at, kind=node.kind, text="{}")
        if node.kind == "list" and not node.items:
            return replace(at, kind=node.kind, text="[]")
        if node.kind not in _SCALARS:
            return _wrong(node, at, "un texto, un número, true, false, {} o []", problems)
        return Text(self.about).read(node, at, problems)

    def schema(self) -> Schema:
        """Allow scalars and empty collections."""
        kinds = ["string", "number", "boolean", "object", "array"]
        return {"description": self.about, "type": kinds, "maxProperties": 0, "maxItems": 0}


@dataclass(frozen=True)
class Items(Shape):
    """A list without repetitions; with ``lone`` a single item needs no brackets."""

    item: Shape
    lone: bool = False

    def read(self, node: Node, at: Entry, problems: Problems) -> Entry | None:
        """Take the items."""
        if self.lone and node.kind in _SCALARS:
            only = self.item.read(node, at, problems)
            return replace(at, kind="list", items=(only,)) if only else None
        if node.kind != "list":
            return _wrong(node, at, "un nombre o una lista" if self.lone else "una lista", problems)
        if not node.items:
            problems.add(at, "la lista está vacía: complétela o quite la clave")
        found: dict[object, Entry] = {}
        for place, child in enumerate(node.items):
            entry = self.item.read(child, Entry(child.line, f"{at.key}[{place}]"), problems)
            if entry is None:
                continue
            same = (entry.text, entry.texts())
            if same in found:
                problems.add(entry, f"«{entry.text or ', '.join(entry.texts())}» está repetido")
            found.setdefault(same, entry)
        return replace(at, kind="list", items=tuple(found.values()))

    def schema(self) -> Schema:
        """Allow arrays of items, and where it fits one item."""
        item = self.item.schema()
        several = {"type": "array", "items": item, "minItems": 1, "uniqueItems": True}
        return {"description": self.about, **({"anyOf": [item, several]} if self.lone else several)}


@dataclass(frozen=True)
class Names(Shape):
    """A map whose keys are names of the database or values; ``twice`` says why one of them may stand only once."""

    item: Shape
    twice: str
    name: bool = True
    filled: bool = False  # refuses {}

    def read(self, node: Node, at: Entry, problems: Problems) -> Entry | None:
        """Take what stands below each key."""
        if node.kind != "map":
            return _wrong(node, at, "un mapa de claves", problems)
        if self.filled and not node.pairs:
            problems.add(at, "el mapa está vacío: complételo o quite la clave")
        fields: dict[str, Entry] = {}
        for name, value, place in _children(node, at, self.twice, problems):
            Text(self.about, name=self.name).read(Node(place.line, "text", name), place, problems)
            # A value that cannot be read leaves its name known: the rest of the file may speak of it.
            fields[name] = self.item.read(value, place, problems) or replace(place, kind="null")
        return replace(at, fields=fields)

    def schema(self) -> Schema:
        """Allow any key."""
        limits: Schema = {"propertyNames": {"minLength": 1, "maxLength": MAX_IDENTIFIER_BYTES}} if self.name else {}
        if self.filled:
            limits["minProperties"] = 1
        return {"description": self.about, "type": "object", "additionalProperties": self.item.schema(), **limits}


@dataclass(frozen=True)
class Field:
    """A key of a record."""

    name: str
    shape: Shape
    required: bool = False


@dataclass(frozen=True)
class Record(Shape):
    """A map with known keys; ``short`` is the key that a lone scalar stands for; one of ``any_of`` must be there."""

    fields: tuple[Field, ...]
    short: str | None = None
    any_of: tuple[str, ...] = ()

    def read(self, node: Node, at: Entry, problems: Problems) -> Entry | None:
        """Take the known keys, refuse others and name the missing."""
        if self.short and node.kind in _SCALARS:
            node = Node(node.line, "map", pairs=((Node(node.line, "text", self.short), node),))
        if node.kind != "map":
            wanted = f"un texto ({self.short}) o un mapa de claves" if self.short else "un mapa de claves"
            return _wrong(node, at, wanted, problems)
        known = {f.name: f for f in self.fields}
        fields: dict[str, Entry] = {}
        for name, value, place in _children(node, at, "una clave se escribe una sola vez", problems):
            if name not in known:
                problems.add(place, f"clave desconocida «{name}»{nearest_or_all(name, known)}")
                continue
            # A key that is there but wrong is not missing as well.
            fields[name] = known[name].shape.read(value, place, problems) or replace(place, kind="null")
        for needed in (f.name for f in self.fields if f.required and f.name not in fields):
            problems.add(at, f"falta la clave «{needed}»")
        if self.any_of and not any(name in fields for name in self.any_of):
            problems.add(at, "falta la clave " + " o ".join(f"«{name}»" for name in self.any_of))
        return replace(at, fields=fields)

    def schema(self) -> Schema:
        """Allow the known keys only."""
        record: Schema = {
            "type": "object",
            "properties": {f.name: f.shape.schema() for f in self.fields},
            "required": [f.name for f in self.fields if f.required],
            "additionalProperties": False,
        }
        if self.any_of:
            record["anyOf"] = [{"required": [name]} for name in self.any_of]
        if self.short:
            brief = next(f.shape for f in self.fields if f.name == self.short)
            return {"description": self.about, "anyOf": [brief.schema(), record]}
        return {"description": self.about, **record}


def _children(node: Node, at: Entry, twice: str, problems: Problems) -> list[tuple[str, Node, Entry]]:
    """Return key, value and place of each pair of a map; a repeated key is noted, and the first one kept."""
    seen: dict[str, tuple[str, Node, Entry]] = {}
    for key, value in node.pairs:
        if key.kind not in _SCALARS:
            problems.add(key, f"la clave debe ser un texto y es {_FOUND[key.kind]}", at.key)
            continue
        place = Entry(key.line, f"{at.key}.{key.text}" if at.key else key.text)
        if key.text in seen:
            first = seen[key.text][2].line
            problems.add(place, f"la clave «{key.text}» ya está en la línea {first}: {twice}")
        else:
            seen[key.text] = (key.text, value, place)
    return list(seen.values())
