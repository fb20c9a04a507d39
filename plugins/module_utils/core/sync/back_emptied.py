"""A TRUNCATE of a Spanish table: its legacy tables are emptied as far as they let go, and every row that stays has an entry."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted
from ..rows.routes import Route, spanish_clave
from ..sqltext import all_of, ident, idents, literal
from .deferred import checked_now, deferred_found
from .images import ALL_ROWS, MODES, RUN, legacy_row, pair_is, passed_on, seen_row

PER_PART = 1_000  # rows that are tried together where legacy does not let all of them go


def emptied_step(route: Route, all_routes: Sequence[Route], back: str) -> str:
    """Return the step for one legacy table; ``back``: the function volver of the Spanish one."""
    off = _waits_while_off(route)
    rows = f"{route.source_table} l USING {route.view} f"
    return f"""    BEGIN
{deferred_found([route], all_routes, 6)}
      DELETE FROM {rows}
      WHERE {all_of(legacy_row(route, "l", "f"), _passing(), f"NOT {off}" if off else "")};
{checked_now(6)}
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
      IF {passed_on("      ")} THEN
        RAISE;
      ELSIF left(v_estado, 2) IN ('22', '23', '54') OR v_estado = 'P0001' THEN
{_in_parts(route, back) if off else _whole_entry(route)}      ELSE
        INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, clave, operacion, motivo, sqlstate)
        VALUES ({literal(route.pair.target)}, {literal(ALL_ROWS)}, TG_OP, v_mensaje, v_estado);
      END IF;
    END;
"""


def _passing() -> str:
    return f"({accepted('f')} OR f._fusion IS NOT NULL)"


def _in_parts(route: Route, back: str) -> str:
    """Return the step that deletes what legacy lets go, and hands each row of the rest to volver, which opens its entry."""
    keys = ", ".join(f"array_agg(x.{n}) AS {n}" for n in route.key_names)
    asked = f"unnest({', '.join(f'v_lote.{n}' for n in route.key_names)}) AS k({', '.join(route.key_names)})"
    row = ", ".join(f"{literal(c)}, f.{ident(c)}" for c in route.columns)
    return f"""        -- no los deja ir a todos: por partes, y donde no, uno a uno
        FOR v_lote IN SELECT {keys} FROM (
          SELECT {idents(route.key_names, "f.")}, (row_number() OVER () - 1) / {PER_PART} AS n
          FROM {route.view} f WHERE {_passing()}) x GROUP BY x.n LOOP
          BEGIN
            DELETE FROM {route.source_table} l USING {asked} WHERE {legacy_row(route, "l")};
{checked_now(12)}
          EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
            PERFORM {back}('DELETE',
              jsonb_populate_record(NULL::{route.target_table}, jsonb_build_object({row})), NULL)
            FROM {route.view} f JOIN {asked} ON {seen_row(route)} WHERE {accepted("f")};
          END;
        END LOOP;
"""


def _whole_entry(route: Route) -> str:
    """Return the statement of one entry for the table, where rows cannot be named by their Spanish key."""
    entry = f"{literal(route.pair.target)}, '*', '{{}}', SQLSTATE, {literal(f'{route.pair.source} no se vacía: ')} || SQLERRM"
    return f"""        INSERT INTO {BOOKKEEPING}.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
        VALUES ({entry}, {RUN})
        ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO UPDATE SET motivo = excluded.motivo;
"""


def _waits_while_off(route: Route) -> str:
    """Return whether the pair is off; '' where the rows that a TRUNCATE took cannot be named by their Spanish key."""
    if not all(route.carried_as(name) is not None for name in route.table.primary_key):
        return ""
    return f"EXISTS (SELECT FROM {MODES} m WHERE {pair_is(route, 'm')} AND m.modo <> 'si')"


def named_while_off(route: Route) -> str:
    """Return the step that leaves the key of each row that a TRUNCATE took, while the pair is off."""
    off = _waits_while_off(route)
    if not off:
        return ""
    row = ", ".join(f"{literal(c)}, f.{ident(c)}" for c in route.columns)
    return f"""    IF {off} THEN
      INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, clave, operacion, fila, motivo)
      SELECT {literal(route.pair.target)}, {spanish_clave(route, "f")}, 'DELETE', jsonb_build_object({row}), 'apagada'
      FROM {route.view} f WHERE {accepted("f")};
    END IF;
"""
