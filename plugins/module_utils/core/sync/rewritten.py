"""What a service's BEFORE trigger on a Spanish table made of a row that the sync wrote: other values go back, nothing waits."""

from __future__ import annotations

from collections.abc import Sequence

from ..bookkeeping import BOOKKEEPING, TOUCH
from ..rows.routes import Route
from ..rows.staying import differs_from_due, may_stay
from ..sqltext import derived_name, ident, literal, qname
from .images import asked, both_names, left


def as_written(route: Route, columns: Sequence[str], twin: str) -> str:
    """Return the step behind the write of one row: v_f is what was to be written, v_t what was; ``twin``: finds the row t."""
    stays = {c.target.name for c in route.carried if may_stay(c)}
    meant = ", ".join(f"{literal(c)}, v_f.{ident(c)}" for c in columns if c not in stays)
    back = qname(BOOKKEEPING, derived_name("volver", route.pair.target))
    stopped = f"un disparador de {route.pair.target} no la deja pasar"
    return f"""IF v_t._esta IS NULL THEN
  {left(route, asked(route), literal(stopped))}
ELSIF {differs_from_due(route, columns, "v_t", "v_f")} THEN
  -- un disparador de la tabla escribió otra cosa: eso vuelve
  PERFORM {back}('UPDATE', jsonb_populate_record(t, jsonb_build_object({meant})), t)
  FROM {route.target_table} t WHERE {twin};
END IF;
"""


def each_as_written(route: Route) -> str:
    """Return the step that looks at several rows one by one where such a trigger stands."""
    one = ", ".join(f"ARRAY[k.{n}]" for n in both_names(route))
    mine = f"g.tgrelid = {literal(route.target_table)}::regclass AND NOT g.tgisinternal AND g.tgfoid <> {literal(TOUCH)}::regproc"
    return f"""    IF cardinality(p_k1) > 1 AND EXISTS (SELECT FROM pg_trigger g WHERE {mine}
      AND g.tgtype & 3 = 3 AND g.tgenabled <> 'D') THEN
      -- un disparador de un servicio puede haber escrito otra cosa: se mira una a una
      PERFORM {route.function("ida")}({one}, false, p_derivadas) FROM {asked(route)};
    END IF;
"""
