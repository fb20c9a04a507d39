"""The step of ida for the keys r_k1 … that it wrote nothing for: rows that are gone, and those that llevar and quitar judge."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.refusals import accepted
from ..rows.retained import explained_by
from ..rows.routes import Route
from ..rows.set_aside import CARRIED
from ..sqltext import ident, idents, literal
from .entries_here import held_step, overwritten_step
from .images import (
    MODES,
    RUN,
    asked,
    both_names,
    flagged,
    left,
    legacy_row,
    legacy_text,
    match_names,
    pair_is,
    seen_row,
    set_flag,
    twin_row,
    twin_text,
)


def remaining_step(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the step: twins whose row a service deleted go at once, the rest goes to llevar and quitar, and what is noted of
    rows that are gone is settled."""
    same = [r for r in all_routes if r.pair.target == route.pair.target]
    gone = f"NOT EXISTS (SELECT FROM {route.source_table} l WHERE {legacy_row(route, 'l')})"
    keys = asked(route, "r")
    listed = ", ".join(f"array_agg(k.{n})" for n in route.key_names)
    distinct = f"(SELECT DISTINCT {idents(route.key_names, 'k.')} FROM {keys}) k"
    removal = ", ".join(f"array_agg(t.{ident(c.name)})" for c in route.match)
    held = held_step(route, twins(route, "r"), explained_by(same, "t", by_key=True))
    return f"""  IF NOT v_hecho THEN
    {set_flag(flagged(route))}
{_gone(route, same, all_routes, gone)}    IF v_filas < cardinality(r{route.key_names[0]}) THEN
      -- lo que la sincronización lleva puede salir con la fila de la que depende; lo demás la retiene
      v_marca := set_config({literal(CARRIED)}, (coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_array({literal(route.schema)},
        m.tabla_destino)) FROM {MODES} m), '[]'){_derived_keys(route, all_routes)})::text, true);
      PERFORM {route.function("llevar")}({listed}, {RUN})
      FROM {distinct} WHERE NOT ({gone}) HAVING count(*) > 0;
      PERFORM {route.removal}({removal}, {RUN})
      FROM {route.target_table} t WHERE {twins(route, "r")} AND NOT ({explained_by(same, "t", by_key=True)})
      HAVING count(*) > 0;
{held}      -- la vista la deja pasar y no está: falta su padre todavía
      {left(route, _not_arrived(route), "'falta la fila de la que depende'")}
    END IF;
{_settled(route, gone)}    {set_flag("v_antes")}
  END IF;
"""


def twins(route: Route, prefix: str = "p") -> str:
    """Return the condition that makes t the twin of one of the keys."""
    if len(route.match) == 1:
        return f"t.{ident(route.match[0].name)} = ANY ({prefix}{match_names(route)[0]})"
    names = idents((c.name for c in route.match), "t.")
    return f"({names}) IN (SELECT {idents(match_names(route), 'k.')} FROM {asked(route, prefix)})"


def _gone(route: Route, same: Sequence[Route], all_routes: Sequence[Route], gone: str) -> str:
    """Return the step that removes the twins of rows that are gone, where nothing hangs on them; v_filas says how many.

    A retained twin is kept aside by quitar, and so is one that somebody else's foreign key names.
    """
    others = [r for r in same if r != route]
    elsewhere = f" AND NOT ({explained_by(others, 't', by_key=True)})" if others else ""
    order = idents((c.name for c in route.match), "t.")
    # who names the row meanwhile holds it: he is waited for, and seen by the statement that follows
    lock = (
        f"    PERFORM 1 FROM {route.target_table} t JOIN {asked(route, 'r')} ON {twin_row(route)} WHERE {gone}\n"
        f"      ORDER BY {order} FOR UPDATE OF t;\n"
    )
    return f"""    -- lo que un servicio borró se va sin más, si nada cuelga de ello y no estaba retenido
{lock if _hanging(route, all_routes) else ""}    DELETE FROM {route.target_table} t USING {asked(route, "r")}
    WHERE {twin_row(route)} AND {gone} AND {legacy_text(route)} <> ALL (v_abiertas){elsewhere}
      AND {nothing_hangs(route, all_routes)};
    GET DIAGNOSTICS v_filas = ROW_COUNT;
"""


def nothing_hangs(route: Route, all_routes: Sequence[Route]) -> str:
    """Return whether no row depends on the Spanish row t: a foreign key that is not ours counts whether a row names t or not."""
    hanging = _hanging(route, all_routes)
    parts = [f"NOT EXISTS (SELECT FROM {table} h WHERE h.{ident(column)} = t.{ident(name)})" for table, column, name in hanging]
    tables = ", ".join(f"{literal(table)}::regclass" for table, _, _ in hanging)
    foreign = f"x.confrelid = g.tgrelid{f' AND x.conrelid NOT IN ({tables})' if tables else ''}"
    parts.append(f"""NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND {foreign}
        WHERE g.tgrelid = {literal(route.target_table)}::regclass AND g.tgisinternal)""")
    return "\n      AND ".join(parts)


def _hanging(route: Route, all_routes: Sequence[Route]) -> list[tuple[str, str, str]]:
    """Return the Spanish tables that a foreign key of ours ties to this one: table, its column, the column here."""
    return list(
        dict.fromkeys(
            (r.target_table, key.column, key.references)
            for r in all_routes
            for key in r.table.foreign_keys
            if key.table == route.pair.target
        )
    )


def _settled(route: Route, gone: str) -> str:
    """Return the steps that close entries of rows that are gone, forget their merges, and mark what legacy has overwritten."""
    open_entry = f"c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta' AND c.clave = {legacy_text(route)}"
    return f"""    IF v_abiertas <> '{{}}' THEN
      UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM {asked(route, "r")} WHERE {open_entry} AND {gone};
    END IF;
    IF v_anotadas <> '{{}}' THEN
      DELETE FROM {BOOKKEEPING}.fusion m USING {asked(route, "r")} WHERE {pair_is(route, "m")} AND m.clave = {legacy_text(route)}
        AND NOT EXISTS (SELECT FROM {route.view} f WHERE {seen_row(route)} AND f._fusion IS NOT NULL);
{overwritten_step(route, "r")}    END IF;
"""


def noted_keys(route: Route) -> str:
    """Return the statement that reads, in v_abiertas and v_anotadas, which keys (texts) have something noted of their rows.

    The first have an open entry. Of the others it is noted that they are merged, or an entry of the Spanish side is open.
    """
    mine = f"SELECT {legacy_text(route)} FROM {asked(route)}"
    entries = f"c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta' AND c.clave = ANY (ARRAY({mine}))"
    merged = f"ARRAY(SELECT m.clave FROM {BOOKKEEPING}.fusion m WHERE {pair_is(route, 'm')} AND m.clave = ANY (ARRAY({mine})))"
    if text := twin_text(route):
        held = f"c.tabla_origen = {literal(route.pair.target)} AND c.estado <> 'resuelta' AND c.clave = {text}"
        merged += f"\n    || ARRAY({mine}, {BOOKKEEPING}.cuarentena c WHERE {held})"
    return f"""  SELECT ARRAY(SELECT c.clave FROM {BOOKKEEPING}.cuarentena c WHERE {entries}),
    {merged} INTO v_abiertas, v_anotadas;
"""


def _derived_keys(route: Route, all_routes: Sequence[Route]) -> str:
    """Return what adds the columns that are looked up in this table: they let its row go, and are looked up again after it."""
    named = [
        f"jsonb_build_array({literal(r.schema)}, {literal(r.pair.target)}, {literal(c.target.name)})"
        for r in all_routes
        for c in r.carried
        if c.spanish and c.lookup.table == route.pair.target
    ]
    return f" || jsonb_build_array({', '.join(named)})" if named else ""


def _not_arrived(route: Route) -> str:
    distinct = f"(SELECT DISTINCT {idents(both_names(route), 'k.')} FROM {asked(route, 'r')}) k"
    twin = " AND ".join(f"t.{ident(c)} = f.{ident(c)}" for c in route.pair.match)
    return (
        f"{distinct} JOIN {route.view} f ON {seen_row(route)} WHERE {accepted('f')}"
        f" AND NOT EXISTS (SELECT FROM {route.target_table} t WHERE {twin})"
        f" AND NOT EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena c WHERE c.tabla_origen = {literal(route.pair.source)}"
        " AND c.estado <> 'resuelta' AND c.clave = f._clave)"
    )
