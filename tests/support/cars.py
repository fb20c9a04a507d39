"""An invented mapping of brands and cars, short enough to be wrong in one place at a time."""

from __future__ import annotations

import pytest

from plugins.module_utils.core.errors import MigrationError
from plugins.module_utils.core.mapping.file import load_mapping
from plugins.module_utils.core.mapping.types import SpanishColumn, SpanishTable, TableMapping

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

# People who are owners or shops, and visits that find both: lookups, conditions and merges.
GARAGE = """\
schema: public
subphases:
  fase2: [2.1, 2.2]
  fase3: [3]
tables:
  duenos:
    twin: owners
    columns:
      id: uuid
      correo: {type: varchar(20), not_null: true}
      apodo: varchar(8)
      lugar: varchar(20)
      extra: {type: text, optional: more}
    primary_key: id
    unique: [correo, apodo, [lugar, correo]]
  talleres:
    twin: people
    columns:
      id: uuid
      lema: text
    primary_key: id
  visitas:
    twin: visits
    columns:
      id: uuid
      taller_id: uuid
      dueno_id: uuid
      correo: {type: varchar(20), not_null: true}
      lema: text
      estado: {type: varchar(8), allowed: [hecha, abierta]}
      hecha_at: timestamp
      datos: jsonb
    primary_key: id
    unique: [correo]
    foreign_keys:
      taller_id: {table: talleres, column: id}
  recibos:
    twin: receipts
    columns:
      id: uuid
    primary_key: id
pairs:
  owners:
    duenos:
      subphase: 2.1
      columns:
        id: id
        correo: mail
  people:
    talleres:
      subphase: 2.2
      where: {kind: shop}
      otherwise: true
      columns:
        id: id
        lema: motto
    duenos:
      subphase: 2.2
      where: {kind: owner}
      merge_by: correo
      columns:
        id: id
        correo: mail
  visits:
    visitas:
      subphase: 3
      duplicates: true
      columns:
        id: id
        taller_id: shop_id
        dueno_id: {lookup: {table: duenos, column: correo, by: correo, take: id}}
        correo: {from: data, json_keys: [mail, sender], lookup: {table: people, column: pk, by: person, take: address}}
        estado: {from: done_at, present: hecha, absent: abierta}
        hecha_at: done_at
        datos: data
"""


def problems(text: str) -> list[str]:
    with pytest.raises(MigrationError) as caught:
        load_mapping(text, "coches.yml")
    assert caught.value.code == "mapping"
    assert all(line in str(caught.value) for line in caught.value.details["errores"])
    return list(caught.value.details["errores"])


def refused(old: str, new: str, key: str, sentence: str, at: str | None = None, good: str = GOOD) -> None:
    """Assert that ``good`` with ``new`` for ``old`` has exactly one problem, on the line that holds ``at``."""
    assert good.count(old) == 1, old
    text = good.replace(old, new)
    line = text[: text.index(at or new)].count("\n") + 1
    [found] = problems(text)
    assert found.startswith(f"coches.yml, línea {line}, {key}: "), found
    assert sentence in found


def table(mapping: TableMapping, name: str) -> SpanishTable:
    return next(t for t in mapping.tables if t.name == name)


def column(mapping: TableMapping, table_name: str, name: str) -> SpanishColumn:
    return next(c for c in table(mapping, table_name).columns if c.name == name)
