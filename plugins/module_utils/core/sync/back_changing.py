"""What volver writes into the legacy row of a Spanish one that changed, and what of it comes back as legacy reads it."""

from __future__ import annotations

from collections.abc import Sequence

from ..rows.refusals import accepted
from ..rows.routes import CarriedColumn, Route
from ..rows.staying import due_value
from ..sqltext import ident, idents, literal, qname
from .back_removing import may_merge_now, merged_follow, not_let_through
from .births import found_nowhere
from .images import both_names, image, legacy_row, set_flag
from .inverse import assignments, goes_back, kept_beside, legacy_key, legacy_place, moment_of, not_found, read_beside
from .looked_up import looked_up_later
from .staying_back import staying_step


def changed_step(route: Route, number: int, routes: Sequence[Route]) -> str:
    """Return the branch that writes what this statement changed into the legacy row, where the row lives here."""
    steps = "".join(_column(route, c) for c in sorted(route.carried, key=_turn) if goes_back(c))
    begin = literal(f"UPDATE {route.source_table} l SET ").strip()
    keyed = " AND ".join(f"l.{ident(n)} = {v}" for n, v in legacy_key(route, "($1)"))
    end = literal(f" FROM (SELECT ($2).*) n WHERE {keyed}").strip()
    twin = " AND ".join(f"t.{ident(c)} = p_nueva.{ident(c)}" for c in route.table.primary_key)
    old, new = legacy_place(route, "p_vieja"), legacy_place(route, "v_l")
    keys = ", ".join(f"array_agg(l.{ident(c.name)})" for c in route.key)
    match = ", ".join(f"array_agg(v_l.{ident(c.name)})" for c in route.match)
    return f"""    ELSIF v_casa = {number} THEN
      {_seen(route, "v_f", old)}
      SELECT t.* INTO s FROM {route.target_table} t WHERE {twin};
      IF FOUND THEN
        v_l := CASE WHEN v_otra IS NOT NULL AND v_nueva = v_clave THEN jsonb_populate_record(s, v_otra) ELSE s END;
{staying_step(route, "s")}{steps}        IF v_poner <> '{{}}' THEN
          EXECUTE {begin} || (SELECT string_agg(format('%I = %s', p.key, p.value), ', ')
            FROM jsonb_each_text(v_poner) p) || {end} USING p_vieja, s;
          GET DIAGNOSTICS v_filas = ROW_COUNT;
          IF v_filas = 0 THEN {not_let_through(route)} END IF;
{merged_follow(route, routes)}          {_seen(route, "v_g", new)}
          IF NOT FOUND OR NOT v_g._entra OR NOT v_f._entra{may_merge_now(route, routes)} THEN
            {set_flag("v_antes")}
            PERFORM {route.function("ida")}({keys}, {match}, true, false)
            FROM {route.source_table} l WHERE {new} HAVING count(*) > 0;
{_comes_back(route)}          END IF;
{_next_of_duplicates(route)}{looked_up_later(route, new)}        END IF;
      END IF;
"""


def _seen(route: Route, into: str, place: str) -> str:
    view = f"{route.view} f JOIN {route.source_table} l ON {legacy_row(route, 'l', 'f')}"
    return f"SELECT {accepted('f')} AS _entra, {idents(route.columns, 'f.')} INTO {into} FROM {view} WHERE {place};"


def _comes_back(route: Route) -> str:
    """Return the branch that takes over what legacy says since: of what was written, and of what its triggers changed beside."""
    columns = route.columns
    due = {c: due_value(route, c, "s", "v_g") for c in columns}
    spoken = {c: f"v_g.{ident(c)}::text IS DISTINCT FROM v_f.{ident(c)}::text" for c in columns}
    for c in (c for c in columns if c not in route.table.primary_key):
        spoken[c] = f"(p_vieja.{ident(c)}::text IS DISTINCT FROM p_nueva.{ident(c)}::text OR {spoken[c]})"
    differs = " OR ".join(f"{m} AND {due[c]}::text IS DISTINCT FROM s.{ident(c)}::text" for c, m in spoken.items())
    update = ", ".join(f"{ident(c)} = CASE WHEN {m} THEN {due[c]} ELSE t.{ident(c)} END" for c, m in spoken.items())
    twin = " AND ".join(f"t.{ident(c)} = s.{ident(c)}" for c in route.table.primary_key)
    return f"""          ELSIF {differs} THEN
            -- legacy lo lee de otro modo, o un disparador suyo cambió algo más: eso vuelve aquí
            UPDATE {route.target_table} t SET {update} WHERE {twin} RETURNING t.* INTO s;
            IF {differs} THEN
              RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'los disparadores de las dos tablas no se ponen de acuerdo';
            END IF;
"""


def _next_of_duplicates(route: Route) -> str:
    """Return the step that lets in who repeated the key that the row had: it has won no longer."""
    own = [(c.source.name, m) for m in route.pair.match if (c := route.carried_as(m)) is not None]
    if not route.pair.duplicates or not own:
        return ""
    written = f"ARRAY[{', '.join(literal(n) for n, _ in own)}]"
    same = " AND ".join(f"l.{ident(n)} = p_vieja.{ident(m)}" for n, m in own)
    arrays = ", ".join(f"array_agg(k.{n})" for n in both_names(route))
    return f"""          IF v_poner ?| {written} THEN
            -- la siguiente de las que repetían la clave que tenía
            {set_flag("v_antes")}
            PERFORM {route.function("ida")}({arrays}, true, false)
            FROM (SELECT {image(route, "l")} FROM {route.source_table} l WHERE {same}) k HAVING count(*) > 0;
          END IF;
"""


def _turn(carried: CarriedColumn) -> int:
    """Columns of their own first; then what is looked up, which may add to another column; last what is said by presence."""
    if carried.rule.present is not None or carried.rule.absent is not None:
        return 2
    return int(carried.rule.lookup is not None)


def _column(route: Route, carried: CarriedColumn) -> str:
    name = ident(carried.target.name)
    due = due_value(route, carried.target.name, "s", "v_f")
    changed = f"p_vieja.{name}::text IS DISTINCT FROM p_nueva.{name}::text AND {due}::text IS DISTINCT FROM s.{name}::text"
    if carried.target.name in route.table.primary_key:
        changed = f"(v_otra IS NULL OR v_nueva <> v_clave) AND {changed}"
    if (moment := moment_of(route, carried)) is not None:
        own = ident(moment.target.name)
        present = f"s.{name} = {literal(str(carried.rule.present))}"
        changed = f"{changed} OR p_vieja.{own}::text IS DISTINCT FROM p_nueva.{own}::text AND {present}"
    beside = ""
    if carried.rule.lookup is not None:
        kept = kept_beside(route, carried, "n")
        then = _put(kept) if kept else found_nowhere(carried)
        beside = f"\n          IF {not_found(route, carried, 's')} THEN {then} END IF;"
    return f"""        IF {changed} THEN
          {_put(assignments(route, carried, "n"))}{beside}{_value_inside(route, carried)}
        END IF;
"""


def _put(pairs: dict[str, str]) -> str:
    said = ", ".join(f"{literal(c).strip()}, {literal(e).strip()}" for c, e in pairs.items())
    return f"v_poner := v_poner || jsonb_build_object({said});"


def _value_inside(route: Route, document: CarriedColumn) -> str:
    """Return the step that leaves in a document the value which legacy has nowhere else: no row is looked up for it."""
    steps = ""
    for carried in (c for c in route.carried if c.rule.lookup is not None and c.rule.sources == document.rule.sources):
        if document is carried or not carried.rule.json_keys:
            continue
        lookup, value = carried.lookup, f"s.{ident(carried.target.name)}"
        table = qname(route.schema, lookup.table)
        found = f"{route.source_table} l JOIN {table} x ON x.{ident(lookup.column)} = l.{ident(lookup.by)}"
        inside = read_beside(carried, f"s.{ident(document.target.name)}")
        steps += f"""
          IF {value} IS NOT NULL AND {inside} IS DISTINCT FROM {value}::text
            AND NOT EXISTS (SELECT FROM {found} WHERE {legacy_place(route, "p_vieja")}) THEN
            {_put(kept_beside(route, carried, "n"))}
          END IF;"""
    return steps
