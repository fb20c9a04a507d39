"""The rendered function ``ida(keys)``, one per pair: it makes the Spanish rows of those legacy keys what the view says.

Lock, then read, then write, each a statement of its own: what the view reads beside the row, the merge partners, the twin; the
view; the twin. One row that goes in is written here; whatever else there is (a refusal, a merge, a value that somebody holds,
many rows) goes to llevar and quitar, as in the copy. Who hangs on the row comes after it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING
from ..rows.leaf_tables import is_leaf
from ..rows.routes import Route, spanish_clave
from ..rows.row_locks import parent_locks
from ..sqltext import commented, dollar_quoted, ident, idents, literal
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
    arguments,
    asked,
    current_flag,
    declared,
    gathered,
    left,
    legacy_text,
    pair_is,
    twin_text,
)
from .keeping import KEYS, goes_on_keeping, kept_before
from .moved_keys import taken_back_step
from .remaining import noted_keys, remaining_step, twins
from .rewritten import each_as_written
from .writing import alone_step, together_step, twin_found


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


_ALIKE = "  -- si una fila sigue pasando nadie más lo nota\n"


def _body(route: Route, same: Sequence[Route], all_routes: Sequence[Route]) -> str:
    partners = partners_of(route, same)
    variables = "".join(f"\n  {declared(r, f'v_s{n}')}" for n, r in enumerate(partners, 1))
    children = children_step(route, all_routes)
    late = "".join(f"    {partner_keys(route, other, f'v_s{n}')}\n" for n, other in enumerate(partners, 1))
    # also who came while the row's own value was waited for
    written = alone_step(route) + together_step(route)
    found_late = late and f"  IF NOT p_entera OR NOT v_hecho THEN\n{late}  END IF;\n"
    return f"""DECLARE
  v_modo text; v_tope integer; v_antes text := {current_flag()}; v_marca text;
  v_firme boolean := current_setting('transaction_isolation') = 'read committed';
  v_una boolean := cardinality(p{route.key_names[0]}) = 1;
  v_hecho boolean := false; v_nace boolean := false; v_abiertas text[]; v_anotadas text[]; v_filas bigint;
  v_f record; v_t record; {declared(route, "r")}{variables}
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
    {twin_found(route)};
  END IF;
{taken_back_step(route)}{_other_side_waits(route)}  -- de qué filas hay algo anotado: esas no van por el camino corto
{noted_keys(route)}{written}{remaining_step(route, all_routes)}{each_as_written(route)}{_ALIKE}  IF NOT (p_entera OR v_nace) THEN
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
    every = f"PERFORM 1 FROM {route.target_table} t WHERE {twins(route)} ORDER BY {order} FOR NO KEY UPDATE OF t"
    one = f"{twin_found(route)} FOR NO KEY UPDATE OF t"
    steps.append(f"    IF v_una THEN\n      {one};\n    ELSE\n      {every};\n    END IF;\n")
    return "".join(steps)


def _other_side_waits(route: Route) -> str:
    """Return the step that leaves the keys where a Spanish write of the same row waits: this one would overwrite it."""
    text = twin_text(route)
    keys = f"SELECT {text} FROM {asked(route)}"
    if text is None:
        keys = f"SELECT {spanish_clave(route, 't')} FROM {route.target_table} t WHERE {twins(route)}"
    waiting = f"EXISTS (SELECT FROM {BOOKKEEPING}.pendiente p WHERE p.tabla_origen = {literal(route.pair.target)}"
    return f"""  IF {waiting})
    AND {waiting} AND p.clave = ANY (ARRAY({keys}))) THEN
    IF v_firme THEN
      {left(route, asked(route), "'espera a la otra'")}
    END IF;
    RETURN;
  END IF;
"""
