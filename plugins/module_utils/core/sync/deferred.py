"""Constraints that PostgreSQL checks at COMMIT: what legacy refuses must show while the way back can still quarantine it."""

from __future__ import annotations

from collections.abc import Sequence

from ..rows.routes import Route
from ..sqltext import indented, literal
from .followers import children_of

CHECKED = "TK003"  # raised and caught once everything is checked: no class of PostgreSQL's own


def deferred_found(routes: Sequence[Route], all_routes: Sequence[Route], margin: int) -> str:
    """Return the step that finds, in v_ya, the deferrable constraints of these pairs' legacy tables.

    It stands before anything is written: where the service itself owes a row yet, they are left for its COMMIT. So are triggers
    that a service deferred: they may hold only when all of its statements have run.
    """
    tables = dict.fromkeys(r.source_table for r in (*routes, *(c for r in routes for c, _ in children_of(r, all_routes))))
    listed = ", ".join(f"{literal(t)}::regclass" for t in tables)
    mine = f"g.tgrelid IN ({listed}) AND g.tgdeferrable"
    step = f"""IF EXISTS (SELECT FROM pg_trigger g WHERE {mine}) THEN
  SELECT string_agg(DISTINCT format('%I.%I', n.nspname, c.conname), ', ') INTO v_ya
  FROM pg_trigger g JOIN pg_constraint c ON c.oid = g.tgconstraint JOIN pg_namespace n ON n.oid = c.connamespace
  WHERE {mine} AND c.contype <> 't';
END IF;
IF v_ya IS NOT NULL THEN
  BEGIN
{checked_now(4)}
  EXCEPTION WHEN integrity_constraint_violation THEN
    v_ya := NULL;  -- el servicio debe algo todavía: se comprueba cuando confirme
  END;
END IF;"""
    return indented(step, margin)


def checked_now(margin: int) -> str:
    """Return the step that checks now, and not at COMMIT, what was written under these constraints.

    What SET CONSTRAINTS changes is taken back with its block: each is deferred as the service has it, which nothing else says.
    """
    done = literal(CHECKED)
    step = f"""IF v_ya IS NOT NULL THEN
  -- lo que legacy comprobaría al confirmar: lo que rechace queda aquí, y cada restricción como el servicio la tenía
  BEGIN
    EXECUTE 'SET CONSTRAINTS ' || v_ya || ' IMMEDIATE';
    RAISE EXCEPTION USING ERRCODE = {done};
  EXCEPTION WHEN SQLSTATE {done} THEN
    NULL;
  END;
END IF;"""
    return indented(step, margin)
