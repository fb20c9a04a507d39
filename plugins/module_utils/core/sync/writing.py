"""The steps of ida that write Spanish rows themselves, with kept plans: rows that go in and have no entry. One row, or a set.

What is refused, merged, gone, has an entry, or meets a value that another row holds is left to llevar and quitar.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..rows.refusals import accepted
from ..rows.routes import Route
from ..rows.staying import differs_from_due, due_value
from ..sqltext import ident, idents, indented
from .images import asked, both_names, flagged, match_names, seen_row, set_flag
from .rewritten import as_written

CAUGHT = "data_exception OR integrity_constraint_violation OR program_limit_exceeded OR raise_exception"


def one_twin(route: Route) -> str:
    """Return the condition that makes t the twin of ida's only key."""
    return " AND ".join(f"t.{ident(c.name)} = p{n}[1]" for c, n in zip(route.match, match_names(route), strict=True))


def twin_found(route: Route) -> str:
    """Return the statement, without its end, that reads the twin of ida's only key into v_t."""
    read = idents(_read(route), "t.")
    return f"SELECT true AS _esta, {read} INTO v_t FROM {route.target_table} t WHERE {one_twin(route)}"


def alone_step(route: Route) -> str:
    """Return the step that writes one row: v_t is its twin, locked, or no row."""
    key = " AND ".join(f"f.{n} = p{n}[1]" for n in route.key_names)
    mine = " AND ".join(f"f.{ident(c.name)} = p{n}[1]" for c, n in zip(route.match, match_names(route), strict=True))
    columns = route.columns
    update = _one_updated(route, _others(route), "      ")
    if derived := _derived(route):
        update = f"""      IF p_derivadas THEN
{_one_updated(route, derived, "        ")}      ELSE
{_one_updated(route, _others(route), "        ")}      END IF;
"""
    return f"""  IF v_una AND v_abiertas = '{{}}' AND v_anotadas = '{{}}' THEN
    SELECT {accepted("f")} AS _entra, {idents(columns, "f.")} INTO v_f FROM {route.view} f WHERE {key} AND {mine};
    IF FOUND AND v_f._entra THEN
      v_hecho := true; v_nace := v_t._esta IS NULL;
      IF v_nace THEN
        BEGIN
          {set_flag(flagged(route))}
          INSERT INTO {route.target_table} AS t ({idents(columns)}) VALUES ({idents(columns, "v_f.")})
          RETURNING true AS _esta, {idents(_read(route), "t.")} INTO v_t;
          {set_flag("v_antes")}
{indented(as_written(route, columns, one_twin(route)).rstrip(), 10)}
        EXCEPTION WHEN {CAUGHT} THEN
          v_hecho := false; v_nace := false;
        END;
      ELSE
{update}      END IF;
    END IF;
  END IF;
"""


def together_step(route: Route) -> str:
    """Return the step that writes a set of rows; r_k1 … are the keys that it leaves."""
    derived = _derived(route)
    written = _set_written(route, _others(route), "        " if derived else "      ")
    if derived:
        written = f"""      IF p_derivadas THEN
{_set_written(route, derived, "        ")}      ELSE
{written}      END IF;
"""
    same = " ".join(f"r{n} := p{n};" for n in both_names(route))
    return f"""  IF NOT v_una THEN
    BEGIN
      {set_flag(flagged(route))}
{written}      {set_flag("v_antes")}
      v_hecho := r{route.key_names[0]} IS NULL;
    EXCEPTION WHEN {CAUGHT} THEN
      v_nace := false; {same}
    END;
  ELSE
    {same}
  END IF;
"""


def _read(route: Route) -> Sequence[str]:
    return tuple(dict.fromkeys((*route.columns, *route.table.primary_key)))


def _others(route: Route) -> tuple[str, ...]:
    return tuple(c for c in route.columns if c not in route.pair.match)


def _derived(route: Route) -> tuple[str, ...]:
    """Return the columns that are looked up elsewhere; none where those are all."""
    found = tuple(c.target.name for c in route.carried if c.rule.lookup and c.target.name in _others(route))
    return () if found == _others(route) else found


def _one_updated(route: Route, columns: Sequence[str], margin: str) -> str:
    if not columns:
        return f"{margin}NULL;\n"
    values = ", ".join(f"{ident(c)} = {due_value(route, c, 't', 'v_f')}" for c in columns)
    return f"""{margin}IF {differs_from_due(route, columns, "v_t", "v_f")} THEN
{margin}  BEGIN
{margin}    {set_flag(flagged(route))}
{margin}    UPDATE {route.target_table} t SET {values} WHERE {one_twin(route)}
{margin}    RETURNING true AS _esta, {idents(_read(route), "t.")} INTO v_t;
{margin}    {set_flag("v_antes")}
{indented(as_written(route, columns, one_twin(route)).rstrip(), len(margin) + 4)}
{margin}  EXCEPTION WHEN {CAUGHT} THEN
{margin}    v_hecho := false;
{margin}  END;
{margin}END IF;
"""


def _set_written(route: Route, columns: Sequence[str], margin: str) -> str:
    """Return the statement that writes of the twins those that are not there or differ in ``columns``."""
    every = route.columns
    twin = " AND ".join(f"t.{ident(m)} = f.{ident(m)}" for m in route.pair.match)
    there = f"t.{ident(route.pair.match[0])} IS NOT NULL"
    mine = " AND ".join(f"f.{ident(m)} = k.{n}" for m, n in zip(route.pair.match, match_names(route), strict=True))
    differs = differs_from_due(route, columns, "t", "f") if columns else "false"
    listed = ", ".join(f"(SELECT array_agg(k.{n}) FROM k)" for n in both_names(route))
    corrected = ""
    if columns:
        values = ", ".join(f"{ident(c)} = {due_value(route, c, 't', 'f')}" for c in columns)
        corrected = f""", corregidas AS (
  UPDATE {route.target_table} t SET {values}
  FROM f WHERE f._distinta AND {twin}
)"""
    step = f"""WITH f AS MATERIALIZED (
  SELECT {idents((*route.key_names, *every), "f.")}, {there} AS _esta, CASE WHEN {there} THEN {differs} END AS _distinta
  FROM {asked(route)} JOIN {route.view} f ON {seen_row(route)} AND {mine} LEFT JOIN {route.target_table} t ON {twin}
  WHERE {accepted("f")} AND f._clave <> ALL (v_abiertas) AND f._clave <> ALL (v_anotadas)
), nuevas AS (
  INSERT INTO {route.target_table} ({idents(every)}) SELECT {idents(every, "f.")} FROM f WHERE NOT f._esta
  RETURNING 1
){corrected}, k AS (
  SELECT * FROM {asked(route)} WHERE NOT EXISTS (SELECT FROM f WHERE {seen_row(route)} AND {mine})
)
SELECT EXISTS (SELECT FROM nuevas), {listed} INTO v_nace, {", ".join("r" + n for n in both_names(route))};"""
    return indented(step, len(margin)) + "\n"
