"""What the way back leaves for the drain: the Spanish key, what was done, and the row as it was."""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING
from ..rows.routes import Route
from ..sqltext import literal
from .images import ALL_ROWS

MOVED = "CLAVE"  # the operation of a key that its row has no more: nothing is carried for it


def spanish_left(route: Route, reason: str, state: str = "NULL") -> str:
    """Return the statements of volver that leave its key; ``reason`` and ``state`` as SQL.

    Of a changed key both: what waited under the old one waits under the new one, and the old one holds legacy writes back.
    """
    target = literal(route.pair.target)
    into = f"INSERT INTO {BOOKKEEPING}.pendiente (tabla_origen, tabla_destino, clave, operacion, fila, motivo, sqlstate)\n"
    return (
        f"IF v_nueva <> v_clave THEN\n"
        f"      UPDATE {BOOKKEEPING}.pendiente q SET clave = v_nueva WHERE q.tabla_origen = {target} AND q.clave = v_clave;\n"
        f"      {into}      VALUES ({target}, NULL, v_clave, {literal(MOVED)}, NULL, {reason}, {state});\n"
        f"    END IF;\n"
        f"    {into}"
        f"    VALUES ({target}, NULL, coalesce(v_nueva, v_clave, {literal(ALL_ROWS)}), p_orden,"
        f" CASE WHEN p_orden <> 'INSERT' THEN to_jsonb(p_vieja) END, {reason}, {state});"
    )
