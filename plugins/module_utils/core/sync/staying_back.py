"""What the way back keeps of a value that legacy only looks up: that a service wrote another one, and beside what."""

from __future__ import annotations

from collections.abc import Iterator

from ..rows.routes import CarriedColumn, Route, spanish_clave
from ..rows.staying import STAYING, kept_value, may_stay
from ..sqltext import ident, literal, qname


def _looked_up(route: Route) -> Iterator[CarriedColumn]:
    return (c for c in route.carried if c.rule.lookup is not None and may_stay(c))


def staying_step(route: Route, row: str) -> str:
    """Return the step of volver that keeps what the statement said of such a column; ``row``: the Spanish row as it is now.

    What was kept stays where the statement only changed what is looked up by. A row that is born without the value takes the
    one looked up.
    """
    return "".join(_kept(route, carried, row) for carried in _looked_up(route))


def _kept(route: Route, carried: CarriedColumn, row: str) -> str:
    lookup, name, kept = carried.lookup, ident(carried.target.name), kept_value(route, carried, row)
    found = (
        f"(SELECT x.{ident(lookup.take)} FROM {qname(route.schema, lookup.table)} x"
        f" WHERE x.{ident(lookup.column)} = {row}.{ident(lookup.by)})"
    )
    changed = f"p_orden <> 'INSERT' AND p_vieja.{name} IS DISTINCT FROM {row}.{name}"
    said = f"p_orden = 'INSERT' AND {row}.{name} IS NOT NULL OR {changed}"
    values = (
        f"{literal(route.pair.target)}, {spanish_clave(route, row)}, {literal(carried.target.name)},"
        f" {row}.{name}::text, {row}.{ident(lookup.by)}::text"
    )
    return f"""      -- {carried.target.name}: otro valor que el buscado lo dijo un servicio, y se queda
      IF {row}.{name} IS NOT DISTINCT FROM {found} THEN
        DELETE FROM {STAYING} q WHERE {kept};
      ELSIF {said} OR EXISTS (SELECT FROM {STAYING} q WHERE {kept} AND q.valor IS NOT DISTINCT FROM {row}.{name}::text) THEN
        INSERT INTO {STAYING} AS q (tabla, clave, columna, valor, buscado) VALUES ({values})
        ON CONFLICT (tabla, clave, columna)
        DO UPDATE SET valor = excluded.valor, buscado = excluded.buscado, momento = excluded.momento;
      END IF;
"""


def forget_staying(route: Route) -> str:
    """Return the step of volver that forgets what was kept of a Spanish row that is gone."""
    if not any(_looked_up(route)):
        return ""
    return f"      DELETE FROM {STAYING} q WHERE q.tabla = {literal(route.pair.target)} AND q.clave = v_clave;\n"


def chosen_before(route: Route, carried: CarriedColumn, kind: str, gone: str) -> str:
    """Return the step that adds to what is looked up again the rows whose other value was a row that goes: o in ``gone``."""
    if not may_stay(carried):
        return ""
    mine = f"q.tabla = {literal(route.pair.target)} AND q.columna = {literal(carried.target.name)}"
    return f"""  IF TG_OP = 'DELETE' THEN
    v_valores := v_valores || ARRAY(SELECT q.buscado::{kind} FROM {STAYING} q
      WHERE {mine} AND q.valor IN (SELECT o.{ident(carried.lookup.take)}::text FROM {gone}));
  END IF;
"""
