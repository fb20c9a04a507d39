"""The rendered function ``cargar(keys)`` of a leaf: it puts the rows of a batch into the Spanish table without a lock on legacy.

While its pair keeps keys every change of what the view reads is in the log, and the drain carries it afterwards: a batch need
not see what is written beside it. Nor is there a Spanish row to look for, but where a row moved into a later stretch.
"""

from __future__ import annotations

from ..rows.refusals import accepted
from ..rows.routes import Route
from ..rows.row_locks import passed, placed_rows
from ..sqltext import commented, dollar_quoted, ident, idents
from .batching import HEAD, function_body


def loading_function(route: Route, opened: str, halving: str) -> str:
    """Return the statement that creates it. ``opened``: the part of a statement that opens an entry for each refused row f;
    ``halving``: the calls for either half."""
    keys = route.key_names
    arrays = ", ".join(f"p{k} {c.type}[]" for k, c in zip(keys, route.key, strict=True))
    caption = (
        f"Pone en {ident(route.pair.target)}, donde no están, las filas legacy de un lote, sin bloquear ninguna; anota las"
        " rechazadas. La llama copiar mientras el par guarda claves."
    )
    head = f"""{commented(caption)}CREATE OR REPLACE FUNCTION {route.function("cargar")}(
  {arrays}, p_run text, p_lugar tid[],
  OUT copiadas bigint, OUT rechazadas bigint)
{HEAD}"""
    body = f"""DECLARE
  v_mitad integer := cardinality(p{keys[0]}) / 2; v_mas bigint; v_peor bigint;
  v_estado text; v_estan boolean := false;
BEGIN
  copiadas := 0; rechazadas := 0;
  IF cardinality(p{keys[0]}) = 0 THEN RETURN; END IF;
  PERFORM set_config('migracion.sync', 'copia', true);
{_inserted(route)}  IF v_estado IS NOT NULL THEN
    copiadas := 0;
    IF cardinality(p{keys[0]}) > 1 THEN{halving}
    ELSIF v_estado <> '23503' THEN
      -- la rechaza PostgreSQL: llevar bloquea esta sola y lo anota; si falta su padre, quien se lo llevó dejó su clave
      SELECT r.copiadas, r.rechazadas INTO copiadas, rechazadas FROM {route.function("llevar")}({passed(keys)}, p_run) r;
    END IF;
    RETURN;
  END IF;
  IF copiadas < cardinality(p{keys[0]}) THEN
    EXECUTE {dollar_quoted(_refused(route, opened), "lote")} INTO rechazadas USING {_using(route)};
  END IF;
END """
    return head + function_body(body)


def _inserted(route: Route) -> str:
    """Return the step that inserts the batch; v_estado says why it could not."""
    columns = route.columns
    insert = f"""
    INSERT INTO {route.target_table} ({idents(columns)})
    SELECT {idents(columns, "f.")} FROM {route.view} f WHERE {_mine(route)} AND {accepted("f")}
    """
    there = f"{insert}ON CONFLICT ({idents(route.table.primary_key)}) DO NOTHING\n    "
    return f"""  LOOP
    v_estado := NULL;
    BEGIN
      IF v_estan THEN
        EXECUTE {dollar_quoted(there, "lote")} USING {_using(route)};
      ELSE
        EXECUTE {dollar_quoted(insert, "lote")} USING {_using(route)};
      END IF;
      GET DIAGNOSTICS copiadas = ROW_COUNT;
    EXCEPTION
      WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception THEN
        GET STACKED DIAGNOSTICS v_estado = RETURNED_SQLSTATE;
    END;
    EXIT WHEN v_estado IS NULL OR v_estan;
    -- alguna ya está, porque se movió o porque se lee de nuevo; o falta su padre, que otra foto puede ver
    v_estan := true;
  END LOOP;
"""


def _refused(route: Route, opened: str) -> str:
    keyed = idents((*route.key_names, "_clave", "_rechazo"), "f.")
    return f"""
    WITH f AS MATERIALIZED (
      SELECT {keyed} FROM {route.view} f WHERE {_mine(route)} AND f._rechazo IS NOT NULL
    ), {opened}
    SELECT count(*) FROM f
    """


def _mine(route: Route) -> str:
    """Return which rows f of the view are the batch's."""
    given = ", ".join(f"${n}" for n, _ in enumerate(route.key_names, 2))
    return placed_rows(route, "f", "_lugar", "$1", given)


def _using(route: Route) -> str:
    return ", ".join(["p_lugar", *([] if route.in_one_file else [passed(route.key_names)])])
