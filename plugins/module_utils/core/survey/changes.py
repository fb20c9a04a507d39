"""What people changed in the legacy tables since fase0 approved them, and what each change means for the migration. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..catalogue import Relation
from ..mapping.types import TableMapping
from ..rows.routes import columns_read, source_of
from ..schema.differences import (
    COLUMN,
    COMMENTED,
    CONSTRAINT,
    DEFAULT,
    GRANT,
    INDEX,
    OWNER,
    POLICY,
    SECURITY,
    TRIGGER,
    Difference,
    renamed,
    without_renames,
)

ON_THE_WAY_BACK = "lo que vuelve de las tablas en español también tiene que cumplirlo, o queda en cuarentena"
MEANINGS = {
    TRIGGER: "se dispara también con lo que la sincronización escribe",
    INDEX: "para la migración no cambia nada",
    DEFAULT: "lo que nazca en español nace con él",
    **dict.fromkeys(
        (GRANT, POLICY, SECURITY, OWNER),
        "la tabla en español sigue como estaba: apruébelo con fase0 y llévelo con fase1",
    ),
}


def legacy_change_lines(mapping: TableMapping, approved: Relation, differing: Iterable[Difference]) -> list[str]:
    """Return a phrase for each change of one table, and what it means; comments are nobody's concern.

    ``approved``: the table as fase0 saw it.
    """
    every = [d for d in differing if d.kind != COMMENTED]
    names = renamed(every)
    told = [d for d in without_renames(every, names) if d.kind != COLUMN or d.name not in names]
    lines = [
        f"{approved.name}.{old} parece llamarse ahora {new}: {_column_gone(mapping, approved, old)}" for old, new in names.items()
    ]
    for difference in told:
        meaning = _meaning(mapping, approved, difference)
        lines.append(f"{approved.name}: {_said(difference)}{f': {meaning}' if meaning else ''}")
    return [line.replace("·.", f"{mapping.schema}.") for line in lines]


def _said(difference: Difference) -> str:
    kind, name = difference.kind, difference.name
    if difference.actual is None:
        return f"ya no está {kind} {name}{_defined(difference.wanted)}"
    if difference.wanted is None:
        return f"hay {kind} {name}{_defined(difference.actual)}, que no estaba"
    return f"{kind} {name} era «{difference.wanted}» y es «{difference.actual}»"


def _defined(definition: str | None) -> str:
    return "" if definition in (None, "sí") else f" ({str(definition).removesuffix(' O')})"  # O: an enabled trigger


def _meaning(mapping: TableMapping, approved: Relation, difference: Difference) -> str:
    if difference.kind == COLUMN:
        return _of_a_column(mapping, approved, difference)
    definition = difference.actual or difference.wanted or ""
    if difference.kind == CONSTRAINT and definition.startswith(("PRIMARY KEY", "UNIQUE")):
        return "por sus claves se reconocen, se buscan o se fusionan las filas: fase0 dice si el mapeo lo admite"
    if difference.actual is not None and (difference.kind == CONSTRAINT or "UNIQUE INDEX" in definition):
        return ON_THE_WAY_BACK
    if difference.kind == TRIGGER and difference.actual is None:
        return "lo que hacía ya no se hace tampoco con lo que vuelve de las tablas en español"
    return MEANINGS.get(difference.kind, "")


def _of_a_column(mapping: TableMapping, approved: Relation, difference: Difference) -> str:
    if difference.wanted is None:
        return "el mapeo no la nombra: sin datos basta aprobarla con fase0; con datos, póngala antes en el mapeo"
    if difference.actual is None:
        return _column_gone(mapping, approved, difference.name)
    if difference.name not in columns_read(mapping, approved):
        return "el mapeo no la lee: para la migración no cambia nada"
    return f"el mapeo la lee{_filling(mapping, approved, difference.name)}: apruébelo con fase0, que rehace el SQL"


def _column_gone(mapping: TableMapping, approved: Relation, name: str) -> str:
    if name not in columns_read(mapping, approved):
        return "el mapeo no la lee: para la migración no cambia nada"
    return (
        f"el mapeo la lee{_filling(mapping, approved, name)}; lo que se escriba espera con su clave hasta que vuelva, o hasta"
        " que el mapeo y fase0 lleven el nombre nuevo"
    )


def _filling(mapping: TableMapping, approved: Relation, name: str) -> str:
    """Return, behind a blank, the Spanish columns that the legacy column fills."""
    filled = [
        f"{pair.target}.{rule.target}"
        for pair in mapping.pairs
        for rule in pair.columns
        if pair.source == approved.name and (source := source_of(rule, approved)) is not None and source.name == name
    ]
    return f" para {', '.join(filled)}" if filled else ""
