"""What the way back leaves for the drain: the Spanish key, what was done, and the row as it was."""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING
from ..rows.routes import Route
from ..sqltext import literal
from .images import ALL_ROWS


def spanish_left(route: Route, reason: str, state: str = "NULL") -> str:
    """Return the statement of volver that leaves its key; ``reason`` and ``state`` as SQL."""
    return (
        f"INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)\n"
        f"    VALUES ({literal(route.pair.target)}, NULL, coalesce(v_clave, {literal(ALL_ROWS)}), p_orden,"
        f" CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, {reason}, {state});"
    )
