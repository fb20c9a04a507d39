"""What volver does to the legacy rows that one Spanish row is: they go with it, and who is merged into it changes with it."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted
from ..rows.routes import Route, clave_sql
from ..sqltext import ident, literal
from .followers import children_of, partners_of
from .images import both_names, image, legacy_row, legacy_row_named, pair_is, set_flag
from .inverse import assignments, legacy_place
from .staying_back import forget_staying


def not_let_through(route: Route) -> str:
    """Return the error where a trigger of the legacy table let nothing through, or put it under another key."""
    message = f"un disparador de {route.pair.source} no la deja pasar"
    return f"RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = {literal(message)};"


def may_merge_now(route: Route, routes: Sequence[Route]) -> str:
    """Return the condition, behind OR, that what was written decides which rows are merged into this one, and under which key."""
    partners = partners_of(route, routes)
    by = dict.fromkeys(name for other in partners for name in (str(other.pair.merge_by), *route.table.primary_key))
    return "".join(f" OR v_poner ? {literal(c.source.name)}" for name in by if (c := route.carried_as(name)) is not None)


def merged_follow(route: Route, routes: Sequence[Route]) -> str:
    """Return the step that changes what rows are merged by in those that are merged: they are the same person's."""
    steps = ""
    for other in partners_of(route, routes):
        mine, theirs = route.carried_as(str(other.pair.merge_by)), other.carried_as(str(other.pair.merge_by))
        if mine is None or theirs is None:
            continue
        value = assignments(other, theirs, "s")[theirs.source.name]
        steps += f"""          IF v_poner ? {literal(mine.source.name)} THEN
      {_merged_lock(other).rstrip()}
            UPDATE {other.source_table} l SET {ident(theirs.source.name)} = {value} FROM {BOOKKEEPING}.fusion m
            WHERE {legacy_row_named(other, "l", "m.clave")} AND {pair_is(other, "m")} AND m.clave_destino = v_alli
              AND l.{ident(theirs.source.name)} = (v_f.{ident(mine.target.name)})::{theirs.source.type};
          END IF;
"""
    return steps


def removal_step(routes: Sequence[Route], all_routes: Sequence[Route]) -> str:
    """Return the step that deletes the legacy rows of a Spanish one: first the children whose twins fell with it."""
    steps = "".join(_fallen_children(r, all_routes) for r in routes)
    parts, gone = [], []
    for n, route in enumerate(routes):
        returned = f"RETURNING {literal(route.pair.source)} AS tabla, {clave_sql(route.key, 'l')} AS clave"
        if route.earlier:
            parts.append(f"m{n} AS ({_merged_rows(route)} {returned})")
            gone.append(f"m{n}")
        parts.append(f"d{n} AS (DELETE FROM {route.source_table} l WHERE {_all_of_one(route)}{_not_moved_on(route)} {returned})")
        gone.append(f"d{n}")
    rows = " UNION ALL ".join(f"SELECT * FROM {name}" for name in gone)
    said = "".join(forget_staying(r) for r in routes)
    locks = "".join(_merged_lock(route) for route in routes if route.earlier)
    twin = " AND ".join(f"t.{ident(c)} = p_vieja.{ident(c)}" for c in routes[0].table.primary_key)
    back = f"EXISTS (SELECT FROM {routes[0].target_table} t WHERE {twin})"
    stays = ""
    for r in routes:
        there = f"EXISTS (SELECT FROM {r.source_table} l WHERE {legacy_place(r, 'p_vieja')}{_not_moved_on(r)})"
        stays += f"      IF {there} AND NOT {back} THEN\n        {not_let_through(r)}\n      END IF;\n"
    here = f"SELECT {literal(routes[0].pair.target)}, v_aqui"
    return f"""{locks}{steps}      WITH {", ".join(parts)}
      UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      WHERE (c.tabla_origen, c.clave) IN ({rows} UNION ALL {here}) AND c.estado <> 'resuelta';
{stays}{"".join(_left_behind(r) for r in routes if r.earlier)}      DELETE FROM {BOOKKEEPING}.fusion m
      WHERE m.tabla_destino = {literal(routes[0].pair.target)} AND m.clave_destino = v_alli;
{said}"""


def _merged_lock(route: Route) -> str:
    """Return the lock of the rows that live in this one: who leaves it meanwhile is seen to have left by what follows."""
    return (
        f"      PERFORM 1 FROM {route.source_table} l JOIN {BOOKKEEPING}.fusion m ON {legacy_row_named(route, 'l', 'm.clave')}\n"
        f"      WHERE {pair_is(route, 'm')} AND m.clave_destino = v_alli FOR UPDATE OF l;\n"
    )


def _merged_rows(route: Route) -> str:
    """Return the statement that deletes the legacy rows which live in this Spanish row without having its key.

    Who has another value to be merged by has left it, though a drain may not have noted that yet.
    """
    still = []
    for other in route.earlier:
        mine, theirs = route.carried_as(str(route.pair.merge_by)), other.carried_as(str(route.pair.merge_by))
        if mine is not None and theirs is not None:
            same = f"c.{ident(theirs.source.name)} = l.{ident(mine.source.name)}"
            still.append(f"EXISTS (SELECT FROM {other.source_table} c WHERE {legacy_place(other, 'p_vieja', 'c')} AND {same})")
    return (
        f"DELETE FROM {route.source_table} l USING {BOOKKEEPING}.fusion m"
        f" WHERE {legacy_row_named(route, 'l', 'm.clave')} AND {pair_is(route, 'm')}"
        f" AND m.clave_destino = v_alli AND NOT ({legacy_place(route, 'p_vieja')})\n        AND ({' OR '.join(still)})"
    )


def _left_behind(route: Route) -> str:
    """Return the step that carries who was noted as merged into the row that is gone, and is still there."""
    noted = f"{BOOKKEEPING}.fusion m ON {legacy_row_named(route, 'l', 'm.clave')}"
    rows = f"{route.source_table} l JOIN {noted} WHERE {pair_is(route, 'm')} AND m.clave_destino = v_alli"
    arrays = ", ".join(f"array_agg(k.{n})" for n in both_names(route))
    return (
        f"      {set_flag('v_antes')}\n      PERFORM {route.function('ida')}({arrays}, true, false)\n"
        f"      FROM (SELECT {image(route, 'l')} FROM {rows}) k HAVING count(*) > 0;\n"
    )


def _all_of_one(route: Route) -> str:
    """Return the condition of every legacy row that is this Spanish row: with duplicates all that meet in its match."""
    if not route.pair.duplicates:
        return legacy_place(route, "p_vieja")
    by_target = {c.target.name: c for c in route.carried}
    return " AND ".join(
        f"l.{ident(by_target[m].source.name)} = (p_vieja.{ident(m)})::{by_target[m].source.type}" for m in route.pair.match
    )


def _not_moved_on(route: Route) -> str:
    """Return the condition, behind AND, that keeps a legacy row whose twin fell with a parent that legacy no longer names."""
    kept = ""
    for key, parents in route.parents:
        carried = route.carried_as(key.column)
        if carried is None or not parents or carried.rule.lookup is not None:
            continue
        value = f"p_vieja.{ident(key.column)}"
        elsewhere = f"l.{ident(carried.source.name)} IS DISTINCT FROM ({value})::{carried.source.type}"
        there = f"EXISTS (SELECT FROM {parents[0].target_table} t WHERE t.{ident(key.references)} = {value})"
        kept += f"\n        AND NOT ({elsewhere} AND NOT {there})"
    return kept


def _fallen_children(route: Route, all_routes: Sequence[Route]) -> str:
    steps = ""
    for child, key in children_of(route, all_routes):
        carried = child.carried_as(key.column)
        if carried is None:
            continue
        twin = " AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in child.pair.match)
        steps += f"""      DELETE FROM {child.source_table} l USING {child.view} f
      WHERE {legacy_row(child, "l", "f")}
        AND l.{ident(carried.source.name)} = (p_vieja.{ident(key.references)})::{carried.source.type}
        AND {accepted("f")} AND NOT EXISTS (SELECT FROM {child.target_table} t WHERE {twin});
"""
    return steps
