"""The triggers of a pair: on its legacy table, on the tables in which its rows look a value up, and on the Spanish table.

A trigger only names keys. On a legacy table one for each kind of statement sees all of its rows at once (a partitioned table's
partitions fire none of those, so there each row has its own). The echo of our own writes is cut before the function is called:
the flag names the Spanish table that is written and the depth at which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..bookkeeping import BOOKKEEPING
from ..rows.leaf_tables import is_leaf
from ..rows.routes import CarriedColumn, Route, spanish_clave
from ..rows.writers import writer_noted
from ..sqltext import all_of, commented, derived_name, dollar_quoted, ident, literal, qname, where_all
from .followers import followers_step, value_lock
from .freed import freed_name, legacy_values, unique_values
from .images import (
    RUN,
    SYNC_HEAD,
    asked,
    both_columns,
    both_names,
    caught,
    current_flag,
    gathered,
    image,
    left,
    left_whole,
    match_names,
    pair_is,
    passed_keys,
    twin_image,
    twin_row,
)
from .keeping import goes_on_keeping, keeps_now
from .remaining import nothing_hangs
from .staying_back import chosen_before

EVENTS = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")


@dataclass(frozen=True)
class Trigger:
    """A trigger of ours: on which table (qualified), its name, and the statement that makes it."""

    table: str
    name: str
    statement: str

    @property
    def drop(self) -> str:
        """The statement that takes it away."""
        return f"DROP TRIGGER IF EXISTS {ident(self.name)} ON {self.table}"


def forward_trigger_function(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the statement that makes the function which the triggers of the legacy table call.

    Its first pair counts who writes it.
    """
    first = next(r for r in all_routes if r.pair.source == route.pair.source) == route
    counted = f"  {writer_noted(route.pair.source)}\n" if first else ""
    source = ident(route.pair.source)
    caption = f"Nombra las filas de {source} que una sentencia tocó y llama a ida. La llaman los disparadores de {source}."
    variables = " ".join(f"p{n} {t}[];" for n, t in both_columns(route))
    whole = _emptied(route, is_leaf(route, all_routes))
    body = f"""DECLARE
  {variables} v_entera boolean := TG_OP <> 'UPDATE';
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_nada text; v_estado text; v_mensaje text; v_detalle text;{" v_libres jsonb[];" if unique_values(route) else ""}
BEGIN
{counted}  IF TG_OP = 'TRUNCATE' THEN
{whole}  ELSIF TG_OP = 'INSERT' THEN
    {_rows(route, [_new(route)])}
  ELSIF TG_OP = 'DELETE' THEN
    {_rows(route, [_old(route)])}
{_freed(route, "DELETE")}  ELSE
{_changed(route, all_routes)}  END IF;
  IF p_k1 IS NULL THEN RETURN NULL; END IF;
{_siblings(route)}  v_nada := {route.function("ida")}({passed_keys(route)}, v_entera, false);
{_yielded(route)}  RETURN NULL;
{caught(_left_or_whole(route), "", route.pair.source)}  RETURN NULL;
END """
    return trigger_function(route.function("sinc"), caption, body)


def _left_or_whole(route: Route) -> str:
    return f"""{left(route, asked(route), "v_mensaje", "v_estado")}
  IF p_k1 IS NULL THEN
    -- alguien cambió el nombre de una columna de la clave
    {left_whole(route)}
  END IF;"""


def trigger_function(name: str, caption: str, body: str) -> str:
    """Return the statement that makes a function for triggers: it does what it does as its owner, whoever writes."""
    head = f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger\nLANGUAGE plpgsql SECURITY DEFINER\n{SYNC_HEAD}AS "
    return commented(caption) + head + dollar_quoted(f"\n#variable_conflict use_variable\n{body}", "funcion")


def by_row(route: Route) -> bool:
    """Return whether the legacy table's triggers are for each row."""
    return route.legacy.kind == "p"


def _old(route: Route) -> tuple[str, str]:
    return ("(SELECT (OLD).*) o" if by_row(route) else "viejas o", "o")


def _new(route: Route) -> tuple[str, str]:
    return ("(SELECT (NEW).*) n" if by_row(route) else "nuevas n", "n")


def _rows(route: Route, images: Sequence[tuple[str, str]]) -> str:
    selects = [f"SELECT {image(route, alias)} FROM {rows}{where_all(route.where(alias), before=' ')}" for rows, alias in images]
    return f"{gathered(route)} FROM ({' UNION '.join(selects)}) k;"


def _emptied(route: Route, leaf: bool) -> str:
    """Return the step that names every twin whose legacy row is gone with a TRUNCATE; while a leaf is loaded, the table."""
    named = f"    {gathered(route)} FROM ({twin_image(route)}) k;\n"
    if leaf:
        named = f"""    IF {keeps_now(route)} THEN
      {goes_on_keeping(route)}
      {left_whole(route, "'carga'", "NULL")}
    ELSE
  {named}    END IF;
"""
    return f"""{named}    -- también de lo que no pasaba
    UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
    WHERE c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta'
      AND NOT EXISTS (SELECT FROM {route.source_table} l);
    DELETE FROM {BOOKKEEPING}.fusion m WHERE {pair_is(route, "m")} AND NOT EXISTS (SELECT FROM {route.source_table} l);
"""


def _changed(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the step that names the rows of an update, and sees whether it may change who merges with whom.

    Where it does not, the rows are known before and after by the same keys.
    """
    merge = [r.pair.merge_by for r in (route,) if r.pair.merge_by]
    unique = [u for columns in route.table.unique for u in columns]
    sources = [c.source.name for n in (*merge, *unique, *route.pair.match) if (c := route.carried_as(n)) is not None]
    names = dict.fromkeys([*(c.name for c in route.key), *sources, *(c for c, _ in route.pair.where)])
    old, new = (", ".join(f"{a}.{ident(n)}" for n in names) for a in "on")
    moved = f"EXISTS (SELECT {old} FROM {_old(route)[0]} EXCEPT SELECT {new} FROM {_new(route)[0]})"
    rows, alias = _old(route)
    listed = ", ".join(f"array_agg(k.{n})" for n in both_names(route))
    mine = f"SELECT {image(route, alias)} FROM {rows}{where_all(route.where(alias), before=' ')}"
    return f"""    -- quién es cada una antes y después: casi siempre la misma
    SELECT {listed}, {moved} INTO {passed_keys(route)}, v_entera FROM ({mine}) k;
    IF v_entera THEN
      {_rows(route, [_old(route), _new(route)])}
{_kept_of_changed_keys(route, all_routes)}{_freed(route, "UPDATE")}    END IF;
"""


def _kept_of_changed_keys(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the step that keeps the Spanish rows of keys that an UPDATE changed: rows of the new keys are born in their place.

    One on which something hangs is kept by quitar.
    """
    (old, o), (new, n) = _old(route), _new(route)
    before = f"(SELECT {image(route, o)} FROM {old}{where_all(route.where(o), before=' ')}) k"
    same = " AND ".join(f"{n}.{ident(c.name)} = k.{name}" for c, name in zip(route.key, route.key_names, strict=True))
    return f"""      -- con otra clave legacy la fila en español será otra: lo que solo esta tenía se guarda
      INSERT INTO {BOOKKEEPING}.apartada (run_id, tabla, clave, fila)
      SELECT {RUN}, {literal(route.pair.target)}, {spanish_clave(route, "t")}, to_jsonb(t.*)
      FROM {before} JOIN {route.target_table} t ON {twin_row(route)}
      WHERE NOT EXISTS (SELECT FROM {new} WHERE {same})
        AND {nothing_hangs(route, all_routes)};
"""


def _freed(route: Route, event: str) -> str:
    """Return the step that says which unique Spanish values the rows have no more."""
    if not unique_values(route):
        return ""
    old, new = (
        " UNION ALL ".join(
            f"SELECT {value} AS v FROM {rows}{where_all(route.where(alias), before=' ')}" for value in legacy_values(route, alias)
        )
        for rows, alias in (_old(route), _new(route))
    )
    if event == "DELETE":
        return f"    SELECT array_agg(u.v) INTO v_libres FROM ({old}) u;\n"
    return f"      SELECT array_agg(u.v) INTO v_libres FROM (({old}) EXCEPT ({new})) u;\n"


def _yielded(route: Route) -> str:
    """Return the step that carries whoever was kept out by a value that is free now."""
    if not unique_values(route):
        return ""
    return f"""  IF v_libres IS NOT NULL OR TG_OP = 'TRUNCATE' THEN
    PERFORM {freed_name(route)}(v_libres);
  END IF;
"""


def _siblings(route: Route) -> str:
    """Return the step that adds the rows which meet these in their Spanish key: one of them wins."""
    if not route.pair.duplicates:
        return ""
    same = " AND ".join(
        f"l.{ident(c.source.name)} = k.{n}::{c.source.type}"
        for m, n in zip(route.pair.match, match_names(route), strict=True)
        if (c := route.carried_as(m)) is not None
    )
    names = ", ".join(f"k.{n}" for n in both_names(route))
    return f"""  -- las que comparten clave en español: una gana
  {gathered(route)} FROM (SELECT {names} FROM {asked(route)}
    UNION SELECT {image(route, "l")} FROM {route.source_table} l JOIN {asked(route)} ON {same}) k;
"""


def forward_triggers(route: Route) -> Iterator[Trigger]:
    """Yield the triggers on the legacy table."""
    cut = f"{current_flag()} IS DISTINCT FROM {literal(route.pair.target + ':')} || pg_trigger_depth()"
    for event in EVENTS:
        name = derived_name("sinc", route.pair.source, route.pair.target, event[0].lower())
        tables = {"INSERT": ["NEW TABLE AS nuevas"], "DELETE": ["OLD TABLE AS viejas"], "TRUNCATE": []}
        seen = tables.get(event, ["OLD TABLE AS viejas", "NEW TABLE AS nuevas"])
        rows = by_row(route) and event != "TRUNCATE"
        referencing = f" REFERENCING {' '.join(seen)}" if seen and not rows else ""
        level = "ROW" if rows else "STATEMENT"
        statement = (
            f"CREATE TRIGGER {ident(name)} AFTER {event} ON {route.source_table}{referencing}\n  FOR EACH {level}"
            f" WHEN ({cut})\n  EXECUTE FUNCTION {route.function('sinc')}()"
        )
        yield Trigger(route.source_table, name, statement)


def lookups_of(route: Route) -> Iterator[tuple[int, CarriedColumn]]:
    """Yield the columns that are looked up, with a number."""
    yield from ((n, c) for n, c in enumerate(route.carried, 1) if c.rule.lookup is not None)


def lookup_function_name(route: Route, number: int) -> str:
    """Return the name of the function that follows a value looked up."""
    return derived_name("sigue", route.pair.source, route.pair.target, str(number))


def _seen_at_once(carried: CarriedColumn, all_routes: Sequence[Route]) -> bool:
    """Return whether all rows of a statement on the table looked up are seen at once: what comes or goes there by thousands
    calls its function once. A changed row is named by itself, since few change what is looked up."""
    legacy = [r for r in all_routes if r.pair.source == carried.lookup.table]
    return carried.spanish or (bool(legacy) and not by_row(legacy[0]))


def lookup_functions(route: Route, all_routes: Sequence[Route]) -> Iterator[str]:
    """Yield the statements of the functions that carry the rows whose value was looked up in a row that changed."""
    for number, carried in lookups_of(route):
        lookup = carried.lookup
        if carried.spanish:
            by = route.carried_as(lookup.by)
            if by is None:
                continue
            name, kind = by.source.name, by.source.type
        else:
            name, kind = lookup.by, next((c.type for c in route.legacy.columns if c.name == lookup.by), "text")
        column, at_once = ident(lookup.column), _seen_at_once(carried, all_routes)
        gone, come = ("viejas o", "nuevas n") if at_once else ("(SELECT (OLD).*) o", "(SELECT (NEW).*) n")
        condition = f"l.{ident(name)} = ANY (v_valores)"
        every = f"(SELECT {image(route, 'l')} FROM {route.source_table} l WHERE {all_of(condition, route.where('l'))}) k"
        followed = followers_step(route, (name, "v_valores"), condition, "h", "    ", derived=True)
        lock = value_lock(carried, "unnest(v_valores)", shared=False)
        locks = f"  IF NOT {keeps_now(route)} THEN\n    {lock}\n  END IF;\n" if carried.spanish else ""
        body = f"""DECLARE
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_valores {kind}[]; v_estado text; v_mensaje text; v_detalle text;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    v_valores := ARRAY[NEW.{column}::{kind}, OLD.{column}::{kind}];
  ELSIF TG_OP = 'INSERT' THEN
    v_valores := ARRAY(SELECT n.{column}::{kind} FROM {come});
  ELSE
    v_valores := ARRAY(SELECT o.{column}::{kind} FROM {gone});
  END IF;
  IF v_valores = '{{}}' THEN RETURN NULL; END IF;
{locks}{chosen_before(route, carried, kind, gone)}{followed}  RETURN NULL;
{caught(_named_or_whole(route, every), "", lookup.table)}  RETURN NULL;
END """
        caption = (
            f"Lleva de nuevo las filas de {ident(route.pair.source)} que leen {ident(carried.target.name)} en una fila que"
            f" cambió. La llaman los disparadores de {ident(lookup.table)}."
        )
        yield trigger_function(qname(BOOKKEEPING, lookup_function_name(route, number)), caption, body)


def _named_or_whole(route: Route, every: str) -> str:
    return f"""BEGIN
    {left(route, every, "v_mensaje", "v_estado")}
  EXCEPTION WHEN OTHERS THEN
    v_valores := NULL;
  END;
  IF v_valores IS NULL THEN
    -- alguien cambió el nombre de una columna por la que se busca
    {left_whole(route)}
  END IF;"""


def lookup_triggers(route: Route, all_routes: Sequence[Route]) -> Iterator[Trigger]:
    """Yield the triggers on the tables in which values are looked up."""
    for number, carried in lookups_of(route):
        lookup = carried.lookup
        table = qname(route.schema, lookup.table)
        names = dict.fromkeys((lookup.column, lookup.take))
        changed = " OR ".join(f"OLD.{ident(n)} IS DISTINCT FROM NEW.{ident(n)}" for n in names)
        function = qname(BOOKKEEPING, lookup_function_name(route, number))
        seen = {"INSERT OR DELETE": "FOR EACH ROW"}
        if _seen_at_once(carried, all_routes):
            seen = {
                "INSERT": "REFERENCING NEW TABLE AS nuevas\n  FOR EACH STATEMENT",
                "DELETE": "REFERENCING OLD TABLE AS viejas\n  FOR EACH STATEMENT",
            }
        for event, rows in (*seen.items(), ("UPDATE", f"FOR EACH ROW WHEN ({changed})")):
            name = derived_name("sigue", route.pair.source, route.pair.target, str(number), event[0].lower())
            statement = f"CREATE TRIGGER {ident(name)} AFTER {event} ON {table}\n  {rows}\n  EXECUTE FUNCTION {function}()"
            yield Trigger(table, name, statement)
