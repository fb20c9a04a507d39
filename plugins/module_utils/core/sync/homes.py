"""How the legacy row of a Spanish one is found and locked."""

from __future__ import annotations

from ..rows.routes import Route
from ..sqltext import literal
from .inverse import legacy_place

GIVE_WAY_TRIES, GIVE_WAY_SECONDS = 40, 0.005  # how often, and after how long each time, a legacy row that is held is asked for


def home_step(route: Route) -> str:
    """Return the step that finds and locks the legacy row of the Spanish row as it was."""
    place = f"{route.source_table} l WHERE {legacy_place(route, 'p_vieja')}"
    return f"""    IF v_casa = 0 AND p_orden <> 'INSERT' THEN
{polite_lock(route, place, "NO KEY UPDATE", "      ")}      IF v_hay THEN v_casa := {len(route.earlier) + 1}; END IF;
    END IF;
"""


def polite_lock(route: Route, place: str, strength: str, margin: str) -> str:
    """Return the step that locks the legacy row l of ``place``: asked for again while somebody holds it, then waited for.

    Who holds it and waits for us, also through others, will never let go: this side gives way, since legacy code repeats
    nothing. v_hay says whether the row is there.
    """
    gives_way = f"otra transacción tiene la fila de {route.pair.source} y espera a esta; repita la suya"
    lines = f"""FOR v_vez IN 1 .. {GIVE_WAY_TRIES} LOOP
  PERFORM 1 FROM {place} FOR {strength} OF l SKIP LOCKED;
  v_hay := FOUND;
  EXIT WHEN v_hay OR NOT EXISTS (SELECT FROM {place});
  PERFORM pg_sleep({GIVE_WAY_SECONDS});
END LOOP;
IF NOT v_hay AND {_holder_waits(place)} THEN
  RAISE EXCEPTION USING ERRCODE = '40001',
    MESSAGE = {literal(gives_way)};
END IF;
IF NOT v_hay THEN
  PERFORM 1 FROM {place} FOR {strength} OF l;
  v_hay := FOUND;
END IF;
"""
    return "".join(f"{margin}{line}" for line in lines.splitlines(keepends=True))


def _holder_waits(place: str) -> str:
    """Return whether one who holds the row waits for this session; of several holders none is known: any who waits then."""
    return f"""EXISTS (
  WITH RECURSIVE esperan AS (
    SELECT pg_backend_pid() AS pid
    UNION SELECT w.pid FROM esperan e JOIN pg_locks w ON NOT w.granted AND e.pid = ANY (pg_blocking_pids(w.pid))),
  tienen AS (
    SELECT h.pid FROM pg_locks h WHERE h.locktype = 'transactionid' AND h.granted
      AND h.transactionid IN (SELECT l.xmax FROM {place}))
  SELECT FROM esperan e WHERE e.pid <> pg_backend_pid()
    AND (e.pid IN (SELECT x.pid FROM tienen x) OR NOT EXISTS (SELECT FROM tienen)))"""
