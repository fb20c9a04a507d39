"""The Spanish tables of the mapping file, built and checked."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from .column_types import (
    JSON,
    KNOWN_TYPES,
    NUMBERS,
    SERIAL,
    TEXTS,
    TIMESTAMPS,
    canonical,
    family,
    is_zone,
    misfit,
    sql_value,
    type_name,
)
from .document import Entry, Problems, nearest_or_all
from .types import ForeignKey, SpanishColumn, SpanishTable

ON_DELETE = ("no action", "restrict", "cascade", "set null", "set default")


def build_tables(root: Entry, problems: Problems) -> tuple[SpanishTable, ...]:
    """Return the tables in the order of the file."""
    tables: dict[str, SpanishTable] = {}
    for name, entry in root.fields.items():
        table = tables[name] = _table(name, entry, root, tables, problems)
        if table.twin in root.fields:
            problems.add(entry.get("twin"), f"«{table.twin}» es una tabla española: la gemela es la tabla legada")
    return tuple(tables.values())


def zone_of(entry: Entry, problems: Problems) -> str | None:
    """Return the time zone that is written there, None where none is."""
    if entry.text and not is_zone(entry.text):
        problems.add(entry, f"«{entry.text}» no es una zona como America/Guayaquil o UTC (o falta tzdata en esta máquina)")
    return entry.text or None


def value_of(entry: Entry, column: SpanishColumn, problems: Problems) -> str | None:
    """Return the text of a value written for the column; a value that the column refuses is noted."""
    if entry.kind == "null":
        return None
    if entry.kind in ("map", "list") and column.type and column.type not in JSON:
        problems.add(entry, f"{entry.text} no es un valor de {column.type}")
        return None
    reason = refusal(column, entry.text)
    if reason:
        problems.add(entry, reason)
        return None
    return canonical(column.type, entry.text)


def refusal(column: SpanishColumn, text: str) -> str | None:
    """Return why the column's type, list or range refuses the text, or None."""
    reason = misfit(column.type, text)
    if reason:
        return reason
    if column.allowed and text not in column.allowed:
        return f"«{text}» no está entre los valores que admite {column.name}: {', '.join(column.allowed)}"
    if family(column.type) in NUMBERS:
        if column.minimum is not None and Decimal(text) < column.minimum:
            return f"{text} es menor que {column.minimum}, el mínimo de {column.name}"
        if column.maximum is not None and Decimal(text) > column.maximum:
            return f"{text} es mayor que {column.maximum}, el máximo de {column.name}"
    return None


def _table(name: str, entry: Entry, root: Entry, earlier: Mapping[str, SpanishTable], problems: Problems) -> SpanishTable:
    written = entry.get("columns").fields
    columns = {column: _column(column, found, entry, problems) for column, found in written.items()}
    primary_key = _declared(entry.get("primary_key"), columns, problems)
    unique = tuple(_declared(key, columns, problems) for key in entry.get("unique").items)
    constraints = {primary_key, *unique}
    wanted = _declared(entry.get("indexes"), columns, problems)
    if primary_key in unique:
        problems.add(entry.get("unique"), "repite la clave primaria")
    return SpanishTable(
        name=name,
        twin=entry.get("twin").text,
        comment=entry.get("comment").text,
        columns=tuple(columns.values()),
        primary_key=primary_key,
        unique=unique,
        foreign_keys=_foreign_keys(name, entry.get("foreign_keys"), columns, root, earlier, problems),
        indexes=tuple(column for column in wanted if (column,) not in constraints),
        redundant_indexes=tuple(column for column in wanted if (column,) in constraints),
        touched=_touched(entry.get("touched"), columns, problems),
    )


def _column(name: str, entry: Entry, table: Entry, problems: Problems) -> SpanishColumn:
    written = entry.get("type").text
    serial = " ".join(written.lower().split()) in SERIAL
    column = SpanishColumn(
        name=name,
        type=type_name(written) or "",  # unknown: noted, and nothing more is said about its values
        not_null=entry.get("not_null").is_true() or serial or name in table.get("primary_key").texts(),
        serial=serial,
        allowed=entry.get("allowed").texts(),
        minimum=entry.get("minimum").whole(),
        maximum=entry.get("maximum").whole(),
        optional=entry.get("optional").text,
        comment=entry.get("comment").text,
    )
    if written and not column.type:
        problems.add(entry.get("type"), f"«{written}» no es un tipo conocido{nearest_or_all(written, KNOWN_TYPES)}")
    _check_column(column, entry, problems)
    default = _column_default(column, entry, problems)
    return SpanishColumn(**{**vars(column), "default": default})


def _check_column(column: SpanishColumn, entry: Entry, problems: Problems) -> None:
    kind = family(column.type)
    if column.allowed and kind and kind not in TEXTS:
        problems.add(entry.get("allowed"), f"allowed es para columnas de texto, y {column.name} es {column.type}")
    for value in entry.get("allowed").items:
        reason = misfit(column.type, value.text)
        if reason:
            problems.add(value, reason)
    for bound in ("minimum", "maximum"):
        if bound in entry.fields and kind and kind not in NUMBERS:
            problems.add(entry.get(bound), f"{bound} es para columnas de números, y {column.name} es {column.type}")
    if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
        problems.add(entry.get("minimum"), f"el mínimo {column.minimum} pasa del máximo {column.maximum}")
    if column.optional and column.not_null:
        problems.add(entry.get("optional"), "una columna opcional no puede ser obligatoria ni clave primaria")


def _column_default(column: SpanishColumn, entry: Entry, problems: Problems) -> str | None:
    literal, expression = entry.get("default"), entry.get("default_sql")
    given = [key for key in ("default", "default_sql") if key in entry.fields]
    if len(given) == 2 or (given and column.serial):
        other = "default" if len(given) == 2 else "el tipo serial"
        problems.add(entry.get(given[-1]), f"{given[-1]} y {other} se excluyen")
    if "default_sql" in entry.fields:
        return expression.text or None
    text = value_of(literal, column, problems)
    return None if text is None else sql_value(column.type, text)


def _declared(entry: Entry, columns: Mapping[str, SpanishColumn], problems: Problems) -> tuple[str, ...]:
    """Return the column names of a key or of the indexes; each must be declared, and be there in every installation."""
    for item in entry.items:
        column = columns.get(item.text)
        if column is None:
            problems.add(item, f"la columna «{item.text}» no está declarada{nearest_or_all(item.text, columns)}")
        elif column.optional:
            problems.add(item, f"la columna «{item.text}» es opcional: no puede estar en claves ni índices")
    return entry.texts()


def _touched(entry: Entry, columns: Mapping[str, SpanishColumn], problems: Problems) -> str | None:
    if not entry.text:
        return None
    column = columns.get(entry.text)
    if column is None:
        problems.add(entry, f"la columna «{entry.text}» no está declarada{nearest_or_all(entry.text, columns)}")
    elif column.type and column.type not in TIMESTAMPS:
        problems.add(entry, f"la columna «{entry.text}» debe ser timestamp y es {column.type}")
    return entry.text


def _foreign_keys(
    name: str,
    entry: Entry,
    columns: Mapping[str, SpanishColumn],
    root: Entry,
    earlier: Mapping[str, SpanishTable],
    problems: Problems,
) -> tuple[ForeignKey, ...]:
    found = []
    for column, written in entry.fields.items():
        parent, references = written.get("table"), written.get("column")
        on_delete = written.get("on_delete")
        if column not in columns:
            problems.add(written, f"la columna «{column}» no está declarada{nearest_or_all(column, columns)}")
        if on_delete.text and on_delete.text.lower() not in ON_DELETE:
            problems.add(on_delete, f"«{on_delete.text}» no es una acción{nearest_or_all(on_delete.text.lower(), ON_DELETE)}")
        if on_delete.text.lower() == "set null" and column in columns and columns[column].not_null:
            problems.add(on_delete, f"la columna «{column}» es obligatoria: no puede quedar en NULL")
        if parent.text and parent.text not in root.fields:
            problems.add(parent, f"la tabla «{parent.text}» no está declarada{nearest_or_all(parent.text, root.fields)}")
        elif parent.text in earlier:
            check_reference(columns.get(column), references, earlier[parent.text], problems)
        elif parent.text == name:
            problems.add(parent, "una tabla que se referencia a sí misma no está prevista")
        elif parent.text:
            problems.add(parent, f"la tabla «{parent.text}» se declara después de «{name}»: el orden es el de creación")
        found.append(ForeignKey(column, parent.text, references.text, (on_delete.text or "no action").upper()))
    return tuple(found)


def check_reference(child: SpanishColumn | None, entry: Entry, parent: SpanishTable, problems: Problems) -> None:
    """Refuse what finds not exactly one row of the parent: an undeclared column, no key, another type than the child's."""
    columns = {column.name: column for column in parent.columns}
    if not columns or not entry.text:
        return
    target = columns.get(entry.text)
    if target is None:
        problems.add(entry, f"la tabla «{parent.name}» no tiene la columna «{entry.text}»{nearest_or_all(entry.text, columns)}")
    elif (entry.text,) not in (parent.primary_key, *parent.unique):
        problems.add(entry, f"«{parent.name}.{entry.text}» no es clave primaria ni única")
    elif child and child.type and target.type and child.type != target.type:
        problems.add(entry, f"«{child.name}» es {child.type} y «{parent.name}.{entry.text}» es {target.type}")
