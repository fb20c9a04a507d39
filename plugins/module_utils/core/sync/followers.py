"""Who comes along when a row is carried: rows that merge with it, rows that name it by a foreign key or look a value up in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bookkeeping import BOOKKEEPING
from ..mapping.types import ForeignKey
from ..rows.routes import CarriedColumn, Route, equals
from ..rows.row_locks import collated_as
from ..rows.values import TEXT_TYPES
from ..sqltext import all_of, ident, idents, literal, where_all
from .images import (
    MODES,
    asked,
    both_columns,
    gathered,
    image,
    left,
    legacy_row,
    legacy_row_named,
    match_names,
    pair_is,
    passed_keys,
    twin_text,
)
from .keeping import KEYS, goes_on_keeping, kept_before, value_left


def partners_of(route: Route, same: Sequence[Route]) -> list[Route]:
    """Return the pairs of the same Spanish table whose rows may be merged into this one's."""
    return [r for r in same if route in r.earlier and r.pair.merge_by]


def partner_keys(route: Route, other: Route, prefix: str) -> str:
    """Return the statement that finds the other pair's rows that are, were or may be merged into these keys' rows."""
    mine, theirs = route.carried_as(str(other.pair.merge_by)), other.carried_as(str(other.pair.merge_by))
    if mine is None or theirs is None:
        raise LookupError(other.pair.merge_by)
    value, column = f"c.{ident(mine.source.name)}", ident(mine.target.name)
    twins = " AND ".join(f"t.{ident(c.name)} = k.{n}" for c, n in zip(route.match, match_names(route), strict=True))
    same_id = " AND ".join(
        f"l.{ident(c.source.name)} = k.{n}::{c.source.type}"
        for m, n in zip(other.pair.match, match_names(route), strict=True)
        if (c := other.carried_as(m)) is not None
    )
    rows = f"FROM {other.source_table} l JOIN"
    found = [
        f"{rows} {route.source_table} c ON {equals(theirs.source, 'l', value)} JOIN {asked(route)} ON {legacy_row(route, 'c')}",
        f"{rows} {route.target_table} t ON {equals(theirs.source, 'l', f't.{column}::text')} JOIN {asked(route)} ON {twins}",
        f"{rows} {asked(route)} ON {same_id}",
    ]
    if text := twin_text(route):
        into = f"JOIN {asked(route)} ON m.clave_destino = {text} WHERE {pair_is(other, 'm')}"
        key = f"(SELECT m.clave FROM {BOOKKEEPING}.fusion m {into})"
        found.append(f"{rows} {key} x ON {legacy_row_named(other, 'l', 'x.clave')}")
    union = "\n        UNION ".join(
        f"SELECT {image(other, 'l')} {part}{where_all(other.where('l'), before=' ')}" for part in found
    )
    return f"{gathered(other, prefix)} FROM (\n        {union}) k;"


def partner_locks(other: Route, prefix: str) -> str:
    """Return the lock of the partners found: nobody changes, moves or takes away one of them meanwhile."""
    order = idents((c.name for c in other.key), "l.")
    return (
        f"      PERFORM 1 FROM {other.source_table} l JOIN {asked(other, prefix)} ON {legacy_row(other, 'l')}"
        f" ORDER BY {order} FOR SHARE OF l;\n"
    )


def rival_locks(route: Route) -> list[str]:
    """Return the locks of the earlier pairs' rows into which these may be merged, or whose key they may share."""
    steps: list[str] = []
    for other in route.earlier:
        mine, theirs = route.carried_as(str(route.pair.merge_by)), other.carried_as(str(route.pair.merge_by))
        asks = []
        if mine is not None and theirs is not None:
            rows = f"{route.source_table} l JOIN {asked(route)} ON {legacy_row(route, 'l')}"
            value = collated_as(theirs.source, f"l.{ident(mine.source.name)}")
            asks.append(f"c.{ident(theirs.source.name)} = ANY (ARRAY(SELECT {value} FROM {rows}))")
        same_id = [
            f"c.{ident(t.source.name)} = ANY (p{n}::{t.source.type}[])"
            for m, n in zip(route.pair.match, match_names(route), strict=True)
            if (t := other.carried_as(m)) is not None
        ]
        asks.append(" AND ".join(same_id))
        order = idents((c.name for c in other.key), "c.")
        steps += [f"    PERFORM 1 FROM {other.source_table} c WHERE {ask} ORDER BY {order} FOR KEY SHARE OF c;\n" for ask in asks]
    return steps


def partners_step(partners: Sequence[Route]) -> str:
    """Return the step that carries the partners: who is merged gives up its value, who reappears comes after."""
    return "".join(
        f"  IF v_s{n}_k1 IS NOT NULL AND EXISTS (SELECT FROM {MODES} s WHERE {pair_is(other, 's')}) THEN\n"
        f"    PERFORM {other.function('ida')}({passed_keys(other, f'v_s{n}')}, true, false);\n  END IF;\n"
        for n, other in enumerate(partners, 1)
    )


def looked_up_locks(route: Route, mine: str) -> list[str]:
    """Return the locks of values that rows l of the condition look up in a Spanish table by something that is no key of legacy:
    who writes such a value there and who looks it up see one another, also where neither's row is there yet."""
    steps = []
    for carried in (c for c in route.carried if c.spanish):
        if (by := route.carried_as(carried.lookup.by)) is not None:
            values = f"SELECT DISTINCT l.{ident(by.source.name)} FROM {route.source_table} l WHERE {mine}"
            steps.append(f"    {value_lock(carried, f'({values})', shared=True)}\n")
    return steps


def value_lock(carried: CarriedColumn, values: str, *, shared: bool) -> str:
    """Return the lock of values that are looked up, some 250 for all of them: a transaction may write any number of rows."""
    function = f"pg_advisory_xact_lock{'_shared' if shared else ''}"
    place = literal(f"{carried.lookup.table}.{carried.lookup.column}")
    return (
        f"PERFORM {function}(hashtext({place}), v.n) FROM (SELECT DISTINCT hashtext(x.v::text) & 255 AS n\n"
        f"      FROM {values} x(v) WHERE x.v IS NOT NULL ORDER BY 1 OFFSET 0) v;"
    )


def children_of(route: Route, all_routes: Sequence[Route]) -> Iterator[tuple[Route, ForeignKey]]:
    """Yield the pairs whose rows name a row of this one by a foreign key that they carry."""
    for child in all_routes:
        for key, parents in child.parents:
            if route in parents and child.carried_as(key.column) is not None:
                yield child, key


def children_step(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the step that looks at the children again: they go with their parent, and come back with it."""
    steps = []
    for child, key in children_of(route, all_routes):
        carried, mine = child.carried_as(key.column), dict(zip(route.pair.match, match_names(route), strict=True))
        if carried is None or key.references not in mine:
            continue
        value = f"p{mine[key.references]}"
        kind = carried.source.type if carried.source.base in TEXT_TYPES or carried.source.base != carried.target.type else ""
        named = f"l.{ident(carried.source.name)} = ANY ({value}{f'::{kind}[]' if kind else ''})"
        steps.append(followers_step(child, (carried.source.name, value), named, "h", "  "))
    return "".join(steps)


def followers_step(
    child: Route, followed: tuple[str, str], condition: str, prefix: str, margin: str, derived: bool = False
) -> str:
    """Return the step that carries the rows l of the condition, or leaves them where they are too many.

    ``followed``: the legacy column that the condition is on and its values, which are left instead where the child is loaded.

    Its variables stand in a block of its own; v_firme is the caller's. ``derived``: only what is looked up is written.
    """
    chosen = f"{child.source_table} l WHERE {all_of(condition, child.where('l'))}"
    keyed = ", ".join(f"{prefix}{n} {t}[]" for n, t in both_columns(child))
    every = f"(SELECT {image(child, 'l')} FROM {chosen}) k"
    lines = [
        f"DECLARE {keyed.replace(', ', '; ')}; {prefix}_tope integer; {prefix}_modo text;",
        "BEGIN",
        f"  SELECT s.propagacion, s.modo INTO {prefix}_tope, {prefix}_modo FROM {MODES} s WHERE {pair_is(child, 's')};",
        f"  IF {prefix}_modo = {literal(KEYS)}",
        f"    OR {kept_before(child)} THEN",
        "    -- se carga: qué filas son se pregunta al drenar",
        f"    {goes_on_keeping(child)}",
        f"    {value_left(child, *followed, literal('carga'))}",
        f"  ELSIF {prefix}_modo IS NOT NULL THEN",
        f"    {gathered(child, prefix)} FROM (SELECT {image(child, 'l')} FROM {chosen} LIMIT {prefix}_tope + 1) k;",
        f"    IF cardinality({prefix}_k1) > {prefix}_tope THEN",
        f"      {left(child, every, literal('son demasiadas'))}",
        f"    ELSIF {prefix}_k1 IS NOT NULL THEN",
        "      IF v_firme THEN",
        f"        PERFORM 1 FROM {child.source_table} l JOIN {asked(child, prefix)} ON {legacy_row(child, 'l')}"
        f" ORDER BY {idents((c.name for c in child.key), 'l.')} FOR SHARE OF l;",
        "      END IF;",
        f"      PERFORM {child.function('ida')}({passed_keys(child, prefix)}, {'false, true' if derived else 'true, false'});",
        "    END IF;",
        f"  ELSIF NOT v_firme AND to_regproc({literal(child.function('ida'))}) IS NOT NULL THEN",
        "    -- se instaló después de su foto, en la que pueden faltar",
        f"    {value_left(child, *followed, literal('aislamiento'))}",
        "  END IF;",
        "END;",
    ]
    return "".join(f"{margin}{line}\n" for line in lines)
