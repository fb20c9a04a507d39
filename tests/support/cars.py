"""An invented mapping of brands and cars, short enough to be wrong in one place at a time."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.mapping import Mapping, SpanishColumn, SpanishTable
from plugins.module_utils.core.mapping_file import load_mapping

GOOD = """\
schema: public
subphases:
  fase2: [2.1, 2.2]
tables:
  marcas:
    twin: brands
    comment: Marcas
    columns:
      id: serial
      nombre: {type: varchar(10), not_null: true}
      nota: jsonb
      extra: {type: text, optional: true}
    primary_key: id
    unique: [nombre]
  coches:
    twin: cars
    columns:
      id: uuid
      marca_id: integer
      estado: {type: varchar(8), default: nuevo, allowed: [nuevo, usado]}
      plazas: {type: integer, default: 5, minimum: 1, maximum: 9}
      precio: numeric(6,2)
      visto_at: timestamp
    primary_key: id
    foreign_keys:
      marca_id: {table: marcas, column: id, on_delete: cascade}
    indexes: [estado]
    touched: visto_at
pairs:
  brands:
    marcas:
      subphase: 2.1
      columns:
        id: id
        nombre: name
        nota: {from: note, default: {}}
  cars:
    coches:
      subphase: 2.2
      columns:
        id: id
        estado: {from: state, values: {new: nuevo, used: usado}}
        plazas: {from: [seats, places], default: 5}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(MigrationError) as caught:
        load_mapping(text, "coches.yml")
    assert caught.value.code == "mapping"
    assert all(line in str(caught.value) for line in caught.value.details["errores"])
    return list(caught.value.details["errores"])


def refused(old: str, new: str, key: str, sentence: str, at: str | None = None) -> None:
    """Assert that GOOD with ``new`` for ``old`` has exactly one problem, on the line that holds ``at``."""
    assert GOOD.count(old) == 1, old
    text = GOOD.replace(old, new)
    line = text[: text.index(at or new)].count("\n") + 1
    [found] = problems(text)
    assert found.startswith(f"coches.yml, línea {line}, {key}: "), found
    assert sentence in found


def table(mapping: Mapping, name: str) -> SpanishTable:
    return next(t for t in mapping.tables if t.name == name)


def column(mapping: Mapping, table_name: str, name: str) -> SpanishColumn:
    return next(c for c in table(mapping, table_name).columns if c.name == name)
