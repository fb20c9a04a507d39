"""The triggers on a Spanish table: each row that a service wrote is named, our own writes and what they cascade to are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bookkeeping import BOOKKEEPING
from ..mapping.types import SpanishTable
from ..rows.routes import Route
from ..rows.writers import writer_noted
from ..sqltext import derived_name, ident, literal, qname
from .back import back_name
from .back_emptied import emptied_step, named_while_off
from .freed import freed_name, spanish_values, unique_values
from .images import caught, current_flag
from .pending_rows import left_by_place
from .triggers import Trigger, trigger_function

COPYING = "copia"  # the flag of copy, repair and rollback, at every depth


def back_trigger_name(target: str) -> str:
    """Return the qualified name of the function that the Spanish table's triggers call."""
    return qname(BOOKKEEPING, derived_name("vuelta", target))


def back_trigger_function(routes: Sequence[Route], all_routes: Sequence[Route], tables: Sequence[SpanishTable]) -> str:
    """Return the statement that makes it; ``tables``: all of the mapping."""
    route = routes[0]
    caption = (
        f"Nombra a volver la fila de {ident(route.pair.target)} que un servicio escribió. La llaman los disparadores de la tabla."
    )
    gone = "".join(emptied_step(r, all_routes, back_name(route)) for r in reversed(routes))
    body = f"""DECLARE
  v_nada text; v_ya text; v_lote record; v_estado text; v_mensaje text; v_detalle text;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  p_orden text := TG_OP; v_vieja jsonb; v_ahora jsonb; v_clave text; v_nueva text;
BEGIN
{_fallen_with_parent(route, tables)}  {writer_noted(route.pair.target)}
  IF TG_OP = 'TRUNCATE' THEN
{"".join(map(named_while_off, routes))}    -- lo que legacy no dejaba pasar se queda
{gone}{_yielded(route, "NULL")}    RETURN NULL;
  END IF;
  v_nada := {back_name(route)}(TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN OLD END, CASE WHEN TG_OP <> 'DELETE' THEN NEW END);
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


def back_triggers(route: Route, tables: Sequence[SpanishTable]) -> Iterator[Trigger]:
    """Yield the triggers on the Spanish table; ``tables``: all of the mapping, since a cascade from a parent is an echo too.

    A cascade of a DELETE is told from a service's own in the function, which can ask for the parent.
    """
    flags = [literal(COPYING), f"{literal(route.pair.target + ':')} || pg_trigger_depth()"]
    flags += [f"{literal(parent + ':')} || pg_trigger_depth()" for parent, _ in _ancestors(route.table, tables)]
    cut = f"{current_flag()} NOT IN ({', '.join(flags)})"
    function = back_trigger_name(route.pair.target)
    for event in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        name = derived_name("vuelta", route.pair.target, event[0].lower())
        level = "STATEMENT" if event == "TRUNCATE" else "ROW"
        # by image: 1.0 and 1.00 inside a JSON are equal and not the same
        changed, cleared = ("OLD *<> NEW AND ", _cleared_by_parent(route, tables)) if event == "UPDATE" else ("", "")
        statement = (
            f"CREATE TRIGGER {ident(name)} AFTER {event} ON {route.target_table}\n"
            f"  FOR EACH {level} WHEN ({changed}{cut}{cleared})\n  EXECUTE FUNCTION {function}()"
        )
        yield Trigger(route.target_table, name, statement)


def _cascading(route: Route, tables: Sequence[SpanishTable], deeper: int) -> str:
    """Return whether the flag names a parent that we write, one cascade or more above; ``deeper``: how deep it is asked."""
    levels = [(parent, depth + deeper) for parent, depth in _ancestors(route.table, tables)]
    flags = ", ".join(f"{literal(parent + ':')} || (pg_trigger_depth() - {level})" for parent, level in levels)
    return f"{current_flag()} IN ({flags})" if flags else ""


def _cleared_by_parent(route: Route, tables: Sequence[SpanishTable]) -> str:
    """Return the condition, behind AND, that no foreign key cleared its column, and nothing else, for a parent we removed."""
    cleared = [
        f"OLD.{ident(c)} IS NOT NULL AND NEW.{ident(c)} IS NULL AND to_jsonb(OLD) - {literal(c)} = to_jsonb(NEW) - {literal(c)}"
        for c in (k.column for k in route.table.foreign_keys if k.on_delete == "SET NULL")
    ]
    return f" AND NOT ({_cascading(route, tables, 0)} AND ({' OR '.join(cleared)}))" if cleared else ""


def _fallen_with_parent(route: Route, tables: Sequence[SpanishTable]) -> str:
    """Return the step that passes over rows which a foreign key deleted with a parent that we removed: they are no service's."""
    by_name = {t.name for t in tables}
    gone = [
        f"NOT EXISTS (SELECT FROM {qname(route.schema, k.table)} x WHERE x.{ident(k.references)} = OLD.{ident(k.column)})"
        for k in route.table.foreign_keys
        if k.on_delete == "CASCADE" and k.table in by_name
    ]
    if not gone:
        return ""
    return f"""  IF TG_OP = 'DELETE' THEN
    IF {_cascading(route, tables, 1)} AND ({" OR ".join(gone)}) THEN
      -- cayó con una fila que retiramos
      RETURN NULL;
    END IF;
  END IF;
"""


def _ancestors(table: SpanishTable, tables: Sequence[SpanishTable]) -> Iterator[tuple[str, int]]:
    """Yield the tables that this one's foreign keys lead to, with how many cascades lie between."""
    by_name = {t.name: t for t in tables}
    level, depth, seen = [table], 1, {table.name}
    while level:
        parents = dict.fromkeys(k.table for t in level for k in t.foreign_keys if k.table in by_name and k.table not in seen)
        yield from ((name, depth) for name in parents)
        seen |= set(parents)
        level, depth = [by_name[name] for name in parents], depth + 1
