"""The rendered function ``ida(keys)``, one per pair: it makes the Spanish rows of those legacy keys what the view says.

Lock, then read, then write, each a statement of its own: what the view reads beside the row, the merge partners, the twin; the
view; the twin. One row that goes in is written here; whatever else there is (a refusal, a merge, a value that somebody holds,
many rows) goes to llevar and quitar, as in the copy. Who hangs on the row comes after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.leaf_tables import is_leaf
from ..rows.refusals import accepted
from ..rows.retained import explained_by
from ..rows.routes import Route, spanish_clave
from ..rows.row_locks import parent_locks
from ..rows.set_aside import CARRIED
from ..rows.staying import differs_from_due, due_value
from ..sqltext import commented, dollar_quoted, ident, idents, literal
from .entries_here import held_step, overwritten_step
from .followers import (
    children_step,
    looked_up_locks,
    partner_keys,
    partner_locks,
    partners_of,
    partners_step,
    rival_locks,
)
from .images import (
    MODES,
    RUN,
    arguments,
    asked,
    both_names,
    current_flag,
    declared,
    flagged,
    gathered,
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
from .keeping import KEYS, goes_on_keeping, kept_before
from .moved_keys import taken_back_step
from .rewritten import as_written, each_as_written


def forward_function(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the statement that makes the pair's function ida."""
    name, target = ident(route.pair.source), ident(route.pair.target)
    caption = (
        f"Deja en {target} las filas legacy de esas claves (p_k) como dice la vista, y a sus gemelas de antes (p_m); lo que no"
        " puede ahora, en pendiente. p_entera: puede cambiar quién se fusiona; p_derivadas: solo lo que viene de otra tabla."
        f" La llaman los disparadores de {name}, los de quien se lee, y el drenaje."
    )
    head = f"""{commented(caption)}CREATE OR REPLACE FUNCTION {route.function("ida")}(
  {arguments(route)}, p_entera boolean, p_derivadas boolean) RETURNS void
LANGUAGE plpgsql SECURITY INVOKER
AS """
    same = [r for r in all_routes if r.pair.target == route.pair.target]
    return head + dollar_quoted(f"\n#variable_conflict use_variable\n{_body(route, same, all_routes)}", "funcion")


def _body(route: Route, same: Sequence[Route], all_routes: Sequence[Route]) -> str:
    partners = partners_of(route, same)
    variables = "".join(f"\n  {declared(r, f'v_s{n}')}" for n, r in enumerate(partners, 1))
    children = children_step(route, all_routes)
    late = "".join(f"    {partner_keys(route, other, f'v_s{n}')}\n" for n, other in enumerate(partners, 1))
    # also who came while the row's own value was waited for
    found_late = late and f"  IF NOT p_entera OR NOT v_hecho THEN\n{late}  END IF;\n"
    return f"""DECLARE
  v_modo text; v_tope integer; v_antes text := {current_flag()};
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_hecho boolean := false; v_nace boolean := false; v_abiertas text[];
  v_f record; v_t record;{variables}
BEGIN
  SELECT s.modo, s.propagacion INTO v_modo, v_tope FROM {MODES} s WHERE {pair_is(route, "s")};
  IF coalesce(cardinality(p_k1), 0) = 0 OR v_modo IS NULL AND v_firme THEN RETURN; END IF;
{_kept(route, is_leaf(route, all_routes))}  IF v_modo IS DISTINCT FROM 'si' THEN
    -- sin modo: se instaló después de su foto
    {left(route, asked(route), _WHY)}
    RETURN;
  END IF;
  IF v_firme THEN
    -- primero lo que la vista lee y quien escribe no tiene; cada bloqueo espera, y la sentencia siguiente lee lo confirmado
{_locks(route, partners)}  ELSE
    -- lo que su foto no ve lo mira el drenaje
    {left(route, asked(route), "'aislamiento'")}
  END IF;
{taken_back_step(route)}{_other_side_waits(route)}  v_abiertas := {_open_entries(route)};
{_alone(route)}{_together(route, all_routes)}{each_as_written(route)}  -- si una fila sigue pasando nadie más lo nota
  IF NOT (p_entera OR v_nace) THEN
    IF NOT v_hecho THEN v_abiertas := v_abiertas || {_open_entries(route)}; END IF;
    IF v_abiertas = '{{}}' THEN RETURN; END IF;
    {gathered(route)} FROM {asked(route)} WHERE {legacy_text(route)} = ANY (v_abiertas);
  END IF;
{found_late}{partners_step(partners)}{children}END """


_WHY = f"CASE WHEN v_modo IS NULL THEN 'aislamiento' WHEN v_modo = '{KEYS}' THEN 'carga' ELSE 'apagada' END"


def _kept(route: Route, leaf: bool) -> str:
    """Return the step that goes on leaving keys in a transaction that began so while the table was loaded; leaves alone are."""
    if not leaf:
        return ""
    return f"""  IF v_modo = {literal(KEYS)}
    OR {kept_before(route)} THEN
    v_modo := {literal(KEYS)};
    {goes_on_keeping(route)}
  END IF;
"""


def _open_entries(route: Route) -> str:
    """Return those of the keys that have an open entry, as an array of texts."""
    mine = f"c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta'"
    return (
        f"ARRAY(SELECT c.clave FROM {BOOKKEEPING}.cuarentena c, {asked(route)} WHERE {mine} AND c.clave = {legacy_text(route)})"
    )


def _locks(route: Route, partners: Sequence[Route]) -> str:
    mine = (
        f"({', '.join('l.' + ident(c.name) for c in route.key)}) IN (SELECT {idents(route.key_names, 'k.')} FROM {asked(route)})"
    )
    if len(route.key) == 1:
        mine = f"l.{ident(route.key[0].name)} = ANY (p_k1)"
    steps = looked_up_locks(route, mine)
    steps += [f"    PERFORM {lock};\n" for lock in parent_locks(route, mine)]
    steps += rival_locks(route)
    found = "".join(
        f"      {partner_keys(route, other, f'v_s{n}')}\n{partner_locks(other, f'v_s{n}')}" for n, other in enumerate(partners, 1)
    )
    if found:
        steps.append(f"    IF p_entera THEN\n{found}    END IF;\n")
    order = idents((c.name for c in route.match), "t.")
    steps.append(f"    PERFORM 1 FROM {route.target_table} t WHERE {_twins(route)} ORDER BY {order} FOR NO KEY UPDATE OF t;\n")
    return "".join(steps)


def _twins(route: Route) -> str:
    if len(route.match) == 1:
        return f"t.{ident(route.match[0].name)} = ANY (p_m1)"
    names = idents((c.name for c in route.match), "t.")
    return f"({names}) IN (SELECT {idents(match_names(route), 'k.')} FROM {asked(route)})"


def _other_side_waits(route: Route) -> str:
    """Return the step that leaves the keys where a Spanish write of the same row waits: this one would overwrite it."""
    text = twin_text(route)
    keys = f"SELECT {text} FROM {asked(route)}"
    if text is None:
        keys = f"SELECT {spanish_clave(route, 't')} FROM {route.target_table} t WHERE {_twins(route)}"
    return f"""  IF EXISTS (SELECT FROM {BOOKKEEPING}.pendiente p WHERE p.tabla_origen = {literal(route.pair.target)}
    AND p.clave = ANY (ARRAY({keys}))) THEN
    IF v_firme THEN
      {left(route, asked(route), "'espera a la otra'")}
    END IF;
    RETURN;
  END IF;
"""


def _alone(route: Route) -> str:
    """Return the step that writes one row that goes in, has no entry and nothing in its way."""
    key = " AND ".join(f"f.{n} = p{n}[1]" for n in route.key_names)
    twin = " AND ".join(f"t.{ident(c.name)} = p{n}[1]" for c, n in zip(route.match, match_names(route), strict=True))
    mine = " AND ".join(f"v_f.{ident(c.name)} = p{n}[1]" for c, n in zip(route.match, match_names(route), strict=True))
    columns = route.columns
    others = tuple(c for c in columns if c not in route.pair.match)
    read = dict.fromkeys((*columns, *route.table.primary_key))
    derived = tuple(c.target.name for c in route.carried if c.rule.lookup and c.target.name in others)
    entries = f"""EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena c WHERE c.tabla_origen = {literal(route.pair.source)}
        AND c.estado <> 'resuelta' AND c.clave = v_f._clave)
        AND NOT EXISTS (SELECT FROM {BOOKKEEPING}.fusion m WHERE {pair_is(route, "m")} AND m.clave = v_f._clave)"""
    if text := twin_text(route):
        held = f"c.tabla_origen = {literal(route.pair.target)} AND c.estado <> 'resuelta' AND c.sobrescrita_at IS NULL"
        entries += f"""
        AND NOT EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena c, {asked(route)} WHERE {held} AND c.clave = {text})"""
    update = _updates(route, others, twin, "      ")
    if derived and derived != others:
        update = f"""      IF p_derivadas THEN
{_updates(route, derived, twin, "        ")}      ELSE
{_updates(route, others, twin, "        ")}      END IF;
"""
    return f"""    IF cardinality(p_k1) = 1 THEN
      SELECT f._clave, {accepted("f")} AS _entra, {idents(columns, "f.")} INTO v_f FROM {route.view} f WHERE {key};
      IF FOUND AND v_f._entra AND {mine} AND NOT {entries} THEN
        SELECT true AS _esta, {idents(read, "t.")} INTO v_t FROM {route.target_table} t WHERE {twin};
        v_hecho := true; v_nace := v_t._esta IS NULL;
        IF v_nace THEN
          BEGIN
            {set_flag(flagged(route))}
            INSERT INTO {route.target_table} AS t ({idents(columns)}) VALUES ({idents(columns, "v_f.")})
            RETURNING true AS _esta, {idents(read, "t.")} INTO v_t;
            {set_flag("v_antes")}
{_indent(as_written(route, columns, twin), 12)}          EXCEPTION WHEN {_CAUGHT} THEN
            v_hecho := false; v_nace := false;
          END;
        ELSE
{_indent(update, 4)}        END IF;
      END IF;
    END IF;
"""


_CAUGHT = "data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception"


def _updates(route: Route, columns: Sequence[str], twin: str, margin: str) -> str:
    if not columns:
        return f"{margin}NULL;\n"
    read = dict.fromkeys((*route.columns, *route.table.primary_key))
    values = ", ".join(f"{ident(c)} = {due_value(route, c, 't', 'v_f')}" for c in columns)
    return f"""{margin}IF {differs_from_due(route, columns, "v_t", "v_f")} THEN
{margin}  BEGIN
{margin}    {set_flag(flagged(route))}
{margin}    UPDATE {route.target_table} t SET {values} WHERE {twin}
{margin}    RETURNING true AS _esta, {idents(read, "t.")} INTO v_t;
{margin}    {set_flag("v_antes")}
{_indent(as_written(route, columns, twin), len(margin) + 4)}{margin}  EXCEPTION WHEN {_CAUGHT} THEN
{margin}    v_hecho := false;
{margin}  END;
{margin}END IF;
"""


def _indent(text: str, width: int) -> str:
    return "".join(" " * width + line for line in text.splitlines(keepends=True))


def _derived_keys(route: Route, all_routes: Sequence[Route]) -> str:
    """Return what adds the columns that are looked up in this table: they let its row go, and are looked up again after it."""
    named = [
        f"jsonb_build_array({literal(r.schema)}, {literal(r.pair.target)}, {literal(c.target.name)})"
        for r in all_routes
        for c in r.carried
        if c.spanish and c.lookup.table == route.pair.target
    ]
    return f" || jsonb_build_array({', '.join(named)})" if named else ""


def _together(route: Route, all_routes: Sequence[Route]) -> str:
    """Return the step for all else: llevar and quitar, and what the rows that are gone leave behind in the bookkeeping."""
    same = [r for r in all_routes if r.pair.target == route.pair.target]
    keys = ", ".join(f"coalesce(array_agg(k.{n}), '{{}}')" for n in route.key_names)
    distinct = f"(SELECT DISTINCT {idents(route.key_names, 'k.')} FROM {asked(route)}) k"
    gone = f"NOT EXISTS (SELECT FROM {route.source_table} l WHERE {legacy_row(route, 'l')})"
    others = [r for r in same if r != route]
    elsewhere = f" AND NOT ({explained_by(others, 't')})" if others else ""
    removal = ", ".join(f"coalesce(array_agg(t.{ident(c.name)}), '{{}}')" for c in route.match)
    open_entry = f"c.tabla_origen = {literal(route.pair.source)} AND c.estado <> 'resuelta' AND c.clave = {legacy_text(route)}"
    held = held_step(route, _twins(route), explained_by(same, "t"))
    refused = f"EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena c WHERE {open_entry})"
    return f"""    IF NOT v_hecho THEN
      {set_flag(flagged(route))}
      -- lo que la sincronización lleva puede salir con la fila de la que depende; lo demás la retiene
      PERFORM set_config({literal(CARRIED)}, (coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_array({literal(route.schema)},
        m.tabla_destino)) FROM {MODES} m), '[]'){_derived_keys(route, all_routes)})::text, true);
      -- lo que un servicio borró se va sin más, si nada cuelga de ello y no estaba retenido
      IF NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_constraint x ON x.oid = g.tgconstraint AND x.confrelid = g.tgrelid
        WHERE g.tgrelid = {literal(route.target_table)}::regclass AND g.tgisinternal) THEN
        DELETE FROM {route.target_table} t USING {asked(route)}
        WHERE {twin_row(route)} AND {gone}{elsewhere} AND NOT {refused};
      END IF;
      PERFORM {route.function("llevar")}({keys}, {RUN})
      FROM {distinct} WHERE NOT ({gone});
      PERFORM {route.removal}({removal}, {RUN})
      FROM {route.target_table} t WHERE {_twins(route)} AND NOT ({explained_by(same, "t")})
      HAVING count(*) > 0;
{held}      UPDATE {BOOKKEEPING}.cuarentena c SET estado = 'resuelta', resuelta_at = now(), resolucion = 'la fila ya no está'
      FROM {asked(route)} WHERE {open_entry} AND {gone};
      DELETE FROM {BOOKKEEPING}.fusion m USING {asked(route)} WHERE {pair_is(route, "m")} AND m.clave = {legacy_text(route)}
        AND NOT EXISTS (SELECT FROM {route.view} f WHERE {seen_row(route)} AND f._fusion IS NOT NULL);
{overwritten_step(route)}      -- la vista la deja pasar y no está: falta su padre todavía
      {left(route, _not_arrived(route), "'falta la fila de la que depende'")}
      {set_flag("v_antes")}
    END IF;
"""


def _not_arrived(route: Route) -> str:
    distinct = f"(SELECT DISTINCT {idents(both_names(route), 'k.')} FROM {asked(route)}) k"
    twin = " AND ".join(f"t.{ident(c)} = f.{ident(c)}" for c in route.pair.match)
    return (
        f"{distinct} JOIN {route.view} f ON {seen_row(route)} WHERE {accepted('f')}"
        f" AND NOT EXISTS (SELECT FROM {route.target_table} t WHERE {twin})"
        f" AND NOT EXISTS (SELECT FROM {BOOKKEEPING}.cuarentena c WHERE c.tabla_origen = {literal(route.pair.source)}"
        " AND c.estado <> 'resuelta' AND c.clave = f._clave)"
    )
