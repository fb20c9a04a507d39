"""What of a Spanish table is not as fase1 makes it, fact by fact, and whether that could refuse or change a row. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

POLICY, SECURITY, GRANT = ACCESS = ("política", "seguridad por fila", "permiso")
WHOLE, COLUMN, DEFAULT, CONSTRAINT, INDEX = "tabla", "columna", "valor por defecto", "restricción", "índice"
TRIGGER, RULE, PARENT, CHILD = "disparador", "regla", "tabla madre", "tabla hija"
OWNER, PERSISTENCE, COMMENTED, STATISTICS = "dueño", "persistencia", "comentario", "estadística"
UNIDENTIFIED = "identidad de réplica"  # its name: the statements that mend it
# what a definition ends in, or holds
NOT_VALIDATED, INVALID, NOT_NULL, SWITCHED_OFF = " (sin validar)", " (INVALID)", " NOT NULL", " (desactivada en "
COMPUTING = " (calcula con cada fila)"  # index, statistics: an expression of somebody's, which a row's value may break
FAILING = " (falla: "  # a default: what the server says when it is evaluated
DOMAIN, IDENTITY, GENERATED = " (dominio)", " GENERATED AS IDENTITY ", " GENERATED ALWAYS AS (...)"
DISABLED = " D"  # behind a trigger's statement: whether it is enabled

Fact = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """One fact of a table that is not as asked; ``wanted`` or ``actual`` is None where it is absent."""

    kind: str
    name: str
    wanted: str | None
    actual: str | None

    @property
    def phrase(self) -> str:
        """The difference in words."""
        if self.kind == WHOLE:
            return "falta la tabla"
        if self.kind == UNIDENTIFIED:
            return f"publicada así no deja cambiar ni borrar filas ({self.actual})"
        if self.actual is None:
            return f"falta {self.kind} {self.name}: {self.wanted}"
        if self.wanted is None:
            return f"sobra {self.kind} {self.name}: {self.actual}"
        return f"{self.kind} {self.name}: hay {self.actual!r}, se pidió {self.wanted!r}"


def differences(expected: dict[Fact, str], found: dict[Fact, str]) -> list[Difference]:
    """Return every fact that is missing, different or not asked for."""
    return [
        Difference(kind, name, expected.get((kind, name)), found.get((kind, name)))
        for kind, name in sorted(expected.keys() | found.keys())
        if expected.get((kind, name)) != found.get((kind, name))
    ]


def renamed(differing: Iterable[Difference]) -> dict[str, str]:
    """Return by the name that was asked for the one that a column of the same definition has, where there is one of each."""
    columns = [d for d in differing if d.kind == COLUMN]
    gone: dict[str, list[str]] = {}
    come: dict[str, list[str]] = {}
    for d in columns:
        if d.actual is None and d.wanted is not None:
            gone.setdefault(d.wanted, []).append(d.name)
        elif d.wanted is None and d.actual is not None:
            come.setdefault(d.actual, []).append(d.name)
    return {names[0]: come[kind][0] for kind, names in gone.items() if len(names) == 1 == len(come.get(kind, ()))}


def without_renames(differing: Sequence[Difference], names: Mapping[str, str]) -> list[Difference]:
    """Return the differences without those that are gone once the columns have their names back; ``names``: renamed()."""
    kept = []
    for d in differing:
        actual = d.actual or ""
        for wanted, found in names.items():
            actual = re.sub(rf"(?<!\w){re.escape(found)}(?!\w)", wanted, actual)
        if not (d.kind == COLUMN and d.name in names.values()) and (actual != d.wanted or not names):
            kept.append(d)
    return kept


def harmful(table: Sequence[Difference]) -> list[Difference]:
    """Return those of one table's differences that no copy and no proof may pass over.

    What is missing or changed, and what is added and could refuse a row or change it. Grants and comments do neither.
    """
    added = {(d.kind, d.name) for d in table if d.wanted is None}
    return [d for d in table if d.kind not in (GRANT, COMMENTED) and (d.wanted is not None or _could_refuse(d, added))]


def _could_refuse(difference: Difference, added: set[Fact]) -> bool:
    actual = difference.actual or ""
    if difference.kind == COLUMN:
        filled = (DEFAULT, difference.name) in added or IDENTITY in actual
        return GENERATED in actual or DOMAIN in actual or (NOT_NULL in actual and not filled)
    if difference.kind == DEFAULT:  # of a column that we make, it would fill what we leave to it
        return (COLUMN, difference.name) not in added or FAILING in actual
    if difference.kind == INDEX:
        return actual.startswith("CREATE UNIQUE ") or COMPUTING in actual or actual.endswith(INVALID)
    if difference.kind == STATISTICS:  # the copy ends with ANALYZE
        return COMPUTING in actual
    if difference.kind == TRIGGER:
        return not actual.endswith(DISABLED)
    return difference.kind != POLICY
