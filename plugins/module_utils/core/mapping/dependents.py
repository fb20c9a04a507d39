"""The section dependents of the mapping file: what becomes of others' objects when the legacy tables leave."""

from __future__ import annotations

from collections.abc import Sequence

from .document import Entry, Problems, nearest_or_all
from .types import DeclaredDependent, SpanishTable


def build_dependents(root: Entry, tables: Sequence[SpanishTable], problems: Problems) -> tuple[DeclaredDependent, ...]:
    """Return them in the file's order; a way back without its statement and a target that is none are noted."""
    return tuple(_dependent(name, entry, tables, problems) for name, entry in root.fields.items())


def _dependent(name: str, entry: Entry, tables: Sequence[SpanishTable], problems: Problems) -> DeclaredDependent:
    statement, back, waived = (entry.get(key).text for key in ("statement", "back", "waived"))
    references = _target(entry.get("references"), tables, problems)
    ways = [key for key in ("references", "statement", "waived") if key in entry.fields]
    if len(ways) > 1:
        problems.add(entry, f"{' y '.join(ways)} se excluyen: un objeto tiene una sola forma de seguir")
    if back and not statement:
        problems.add(entry, "back deshace statement, que falta")
    return DeclaredDependent(name, statement, back, references, waived)


def _target(entry: Entry, tables: Sequence[SpanishTable], problems: Problems) -> tuple[str, str] | None:
    if not entry.fields:
        return None
    name, column = entry.get("table").text, entry.get("column").text
    table = next((t for t in tables if t.name == name), None)
    if table is None:
        problems.add(entry.get("table"), f"«{name}» no es una tabla española{nearest_or_all(name, [t.name for t in tables])}")
    elif (column,) not in (table.primary_key, *table.unique):
        problems.add(entry.get("column"), f"«{column}» no es la clave primaria ni UNIQUE de {name}")
    return name, column
