"""A person of another pair of the legacy table who registers here: the legacy row becomes this one's, and nothing is deleted.

The person goes on as what he was in the table of the other Spanish table's first pair, under the key that he had; the legacy row
gets this one's key, and what names it by its key follows in the same statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..mapping.types import Lookup
from ..rows.routes import Route, equals
from ..sqltext import all_of, ident, idents, literal
from .homes import polite_lock
from .images import DRAINING, MODES, pair_is, set_flag
from .pending_rows import spanish_left

Values = Callable[[Route, str], dict[str, str]]


def taking_over_step(route: Route, all_routes: Sequence[Route], values: Values) -> str:
    """Return the step of volver, '' where the mapping declares nothing; ``values``: what a birth writes into a legacy row.

    Afterwards v_casa is 1 where such a row was taken over. Where more rows follow than may at once, the key waits.
    """
    by = route.pair.takes_over
    if by is None:
        return ""
    return "".join(_from(route, other, all_routes, values) for other in all_routes if _may_give(route, other, by))


def _may_give(route: Route, other: Route, by: str) -> bool:
    mine, theirs = route.carried_as(by), other.carried_as(by)
    same = mine is not None and theirs is not None and mine.source.name == theirs.source.name
    return same and other is not route and other.pair.source == route.pair.source and bool(other.earlier) and len(route.key) == 1


def _from(route: Route, other: Route, all_routes: Sequence[Route], values: Values) -> str:
    carried, home, key = route.carried_as(str(route.pair.takes_over)), other.earlier[0], route.key[0]
    if carried is None:
        raise LookupError(route.pair.takes_over)
    spoken = f"(s.{ident(carried.target.name)})::{carried.source.type}"
    mine = all_of(equals(carried.source, "l", spoken), other.where("l"))
    place = f"{route.source_table} l WHERE l.{ident(key.name)} = v_clave_de AND {mine}"
    twin = f"{other.target_table} t WHERE t.{ident(other.pair.match[0])} = v_clave_de"
    follow = list(_followers(route, all_routes))
    named = [f"SELECT FROM {r.source_table} l WHERE l.{ident(column)} = v_clave_de" for r, column in follow]
    rows = " UNION ALL ".join(named) or "SELECT WHERE false"
    caption = f"quien vive en {route.pair.source} como {other.pair.target} y se registra aquí: su fila legacy pasa a ser esta"
    return f"""      -- {caption}
      DECLARE v_clave_de {key.type}; v_de {other.target_table}; v_tope integer;
      BEGIN
      SELECT l.{ident(key.name)} INTO v_clave_de FROM {route.source_table} l WHERE {mine};
      IF FOUND THEN
        -- primero su fila en español, como todo lo que vuelve
        SELECT t.* INTO v_de FROM {twin} FOR NO KEY UPDATE;
{polite_lock(route, place, "UPDATE", "        ")}        IF v_hay THEN
          SELECT m.propagacion INTO v_tope FROM {MODES} m WHERE {pair_is(route, "m")};
          IF coalesce(current_setting({literal(DRAINING)}, true), '') = ''
            AND (SELECT count(*) FROM (SELECT FROM ({rows}) x LIMIT v_tope + 1) y) > v_tope THEN
            {spanish_left(route, "'son demasiadas'")}
            {set_flag("v_antes")}
            RETURN;
          END IF;
          WITH {_statement(route, home, follow, values)}
          SELECT 1 INTO v_casa;
        END IF;
      END IF;
      END;
"""


def _statement(route: Route, home: Route, follow: Sequence[tuple[Route, str]], values: Values) -> str:
    """Return the parts of the one statement: foreign keys are asked when it ends."""
    key, written, lives = route.key[0], values(route, "s"), values(home, "v_de")
    update = ", ".join(f"{ident(c)} = {v}" for c, v in written.items())
    there = " AND ".join(f"c.{ident(c.name)} = {lives[c.name]}" for c in home.key)
    born = home.match[0].name
    parts = [
        f"queda AS (INSERT INTO {home.source_table} ({idents(lives)}) SELECT {', '.join(lives.values())}\n"
        f"            WHERE v_de.{ident(born)} IS NOT NULL AND NOT EXISTS (SELECT FROM {home.source_table} c WHERE {there}))",
        f"pasa AS (UPDATE {route.source_table} l SET {update} WHERE l.{ident(key.name)} = v_clave_de)",
    ]
    for n, (child, column) in enumerate(follow, 1):
        same = " AND ".join(f"l.{ident(c.name)} = x.{ident(c.name)}" for c in child.key)
        parts.append(
            f"sigue{n} AS (UPDATE {child.source_table} l SET {ident(column)} = {written[key.name]}"
            f" FROM {child.source_table} x WHERE {same} AND x.{ident(column)} = v_clave_de)"
        )
    return ",\n            ".join(parts)


def _followers(route: Route, all_routes: Sequence[Route]) -> Iterator[tuple[Route, str]]:
    """Yield a pair of the table and the column of what names a row of the legacy table by its key, as the mapping reads it."""
    found: dict[tuple[str, str], Route] = {}
    for child in all_routes:
        lookups: list[Lookup] = [c.lookup for c in child.carried if c.rule.lookup is not None and not c.spanish]
        for x in lookups:
            if (x.table, x.column) == (route.pair.source, route.key[0].name):
                found[child.pair.source, x.by] = child
        for foreign, parents in child.parents:
            carried, named = child.carried_as(foreign.column), route.carried_as(foreign.references)
            if route in parents and carried is not None and named is not None and named.source.name == route.key[0].name:
                found[child.pair.source, carried.source.name] = child
    yield from ((child, column) for (_, column), child in found.items())
