"""The triggers on a Spanish table: each row that a service wrote is named, our own writes and what they cascade to are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bookkeeping import BOOKKEEPING
from ..mapping.types import SpanishTable
from ..rows.refusals import accepted
from ..rows.routes import Route, spanish_clave
from ..rows.writers import writer_noted
from ..sqltext import all_of, derived_name, ident, literal, qname
from .back import back_name
from .deferred import checked_now, deferred_found
from .freed import freed_name, spanish_values, unique_values
from .images import ALL_ROWS, MODES, RUN, caught, current_flag, legacy_row, pair_is, passed_on
from .pending_rows import left_by_place
from .triggers import Trigger, trigger_function

COPYING = "copia"  # the flag of copy, repair and rollback, at every depth


def back_trigger_name(target: str) -> str:
    """Return the qualified name of the function that the Spanish table's triggers call."""
    return qname(BOOKKEEPING, derived_name("vuelta", target))


def back_trigger_function(routes: Sequence[Route], all_routes: Sequence[Route]) -> str:
    """Return the statement that makes it."""
    route = routes[0]
    caption = (
        f"Nombra a volver la fila de {ident(route.pair.target)} que un servicio escribió. La llaman los disparadores de la tabla."
    )
    gone = "".join(_emptied(r, all_routes) for r in reversed(routes))
    body = f"""DECLARE
  v_ya text; v_luego text; v_estado text; v_mensaje text; v_detalle text;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  p_orden text := TG_OP; v_vieja jsonb; v_ahora jsonb; v_clave text; v_nueva text;
BEGIN
  {writer_noted(route.pair.target)}
  IF TG_OP = 'TRUNCATE' THEN
{"".join(map(_named_while_off, routes))}    -- lo que legacy no dejaba pasar se queda
{gone}{_yielded(route, "NULL")}    RETURN NULL;
  END IF;
  PERFORM {back_name(route)}(TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN OLD END, CASE WHEN TG_OP <> 'DELETE' THEN NEW END);
{_freed(route)}  RETURN NULL;
{caught(left_by_place(route), "", route.pair.target)}  RETURN NULL;
END """
    return trigger_function(back_trigger_name(route.pair.target), caption, body)


def _yielded(route: Route, values: str) -> str:
    return f"    PERFORM {freed_name(route)}({values});\n" if unique_values(route) else ""


def _freed(route: Route) -> str:
    """Return the step that carries whoever was kept out by a unique value which this row had."""
    if not unique_values(route):
        return ""
    values = f"ARRAY[{', '.join(spanish_values(route, 'OLD'))}]"
    kept = f"ARRAY[{', '.join(spanish_values(route, 'NEW'))}]"
    return f"""  IF TG_OP = 'DELETE' THEN
{_yielded(route, values)}  ELSIF TG_OP = 'UPDATE' AND {values} <> {kept} THEN
{_yielded(route, values)}  END IF;
"""


def _emptied(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the step that empties one legacy table as far as the view takes its rows; where it cannot, an entry says so."""
    passing = f"{accepted('f')} OR f._fusion IS NOT NULL"
    entry = f"{literal(route.pair.target)}, '*', '{{}}', SQLSTATE, {literal(f'{route.pair.source} no se vacía: ')} || SQLERRM"
    off = _waits_while_off(route)
    return f"""    BEGIN
{deferred_found([route], all_routes, 6)}
      DELETE FROM {route.source_table} l USING {route.view} f
      WHERE {all_of(legacy_row(route, "l", "f"), f"({passing})", f"NOT {off}" if off else "")};
{checked_now(6)}
    EXCEPTION WHEN OTHERS THEN
      GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE, v_mensaje = MESSAGE_TEXT, v_detalle = PG_EXCEPTION_DETAIL;
      IF {passed_on("      ")} THEN
        RAISE;
      ELSIF left(v_estado, 2) IN ('22', '23', '54') OR v_estado = 'P0001' THEN
        INSERT INTO {BOOKKEEPING}.cuarentena AS c (tabla_origen, clave, fila, sqlstate, motivo, origen)
        VALUES ({entry}, {RUN})
        ON CONFLICT (tabla_origen, clave) WHERE estado <> 'resuelta' DO UPDATE SET motivo = excluded.motivo;
      ELSE
        INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, clave, operacion, motivo, sqlstate)
        VALUES ({literal(route.pair.target)}, {literal(ALL_ROWS)}, TG_OP, v_mensaje, v_estado);
      END IF;
    END;
"""


def _waits_while_off(route: Route) -> str:
    """Return whether the pair is off; '' where the rows that a TRUNCATE took cannot be named by their Spanish key."""
    if not all(route.carried_as(name) is not None for name in route.table.primary_key):
        return ""
    return f"EXISTS (SELECT FROM {MODES} m WHERE {pair_is(route, 'm')} AND m.modo <> 'si')"


def _named_while_off(route: Route) -> str:
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


def back_triggers(route: Route, tables: Sequence[SpanishTable]) -> Iterator[Trigger]:
    """Yield the triggers on the Spanish table; ``tables``: all of the mapping, since a cascade from a parent is an echo too."""
    flags = [f"{literal(COPYING)}", f"{literal(route.pair.target + ':')} || pg_trigger_depth()"]
    for parent, depth in _ancestors(route.table, tables):
        flags += [f"{literal(parent + ':')} || {level}" for level in ("pg_trigger_depth()", f"(pg_trigger_depth() - {depth})")]
    cut = f"{current_flag()} NOT IN ({', '.join(flags)})"
    function = back_trigger_name(route.pair.target)
    for event in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        name = derived_name("vuelta", route.pair.target, event[0].lower())
        level = "STATEMENT" if event == "TRUNCATE" else "ROW"
        changed = "OLD.* IS DISTINCT FROM NEW.* AND " if event == "UPDATE" else ""
        statement = (
            f"CREATE TRIGGER {ident(name)} AFTER {event} ON {route.target_table}\n"
            f"  FOR EACH {level} WHEN ({changed}{cut})\n  EXECUTE FUNCTION {function}()"
        )
        yield Trigger(route.target_table, name, statement)


def _ancestors(table: SpanishTable, tables: Sequence[SpanishTable]) -> Iterator[tuple[str, int]]:
    """Yield the tables that this one's foreign keys lead to, with how many cascades lie between."""
    by_name = {t.name: t for t in tables}
    level, depth, seen = [table], 1, {table.name}
    while level:
        parents = dict.fromkeys(k.table for t in level for k in t.foreign_keys if k.table in by_name and k.table not in seen)
        yield from ((name, depth) for name in parents)
        seen |= set(parents)
        level, depth = [by_name[name] for name in parents], depth + 1
