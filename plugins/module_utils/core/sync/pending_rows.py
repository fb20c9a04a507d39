"""What the way back leaves for the drain: the Spanish key, what was done, and the row as it was."""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING
from ..rows.routes import Route
from ..sqltext import literal
from .images import ALL_ROWS

MISSED = "la sincronización faltaba"  # why a row waits that differs from what nobody carried
MOVED = "CLAVE"  # the operation of a key that its row has no more: nothing is carried for it


def spanish_left(route: Route, reason: str, state: str = "NULL", before: str = "to_jsonb(p_vieja)") -> str:
    """Return the statements of volver that leave its key; ``reason``, ``state`` and ``before``, the row as it was, as SQL.

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
        f" CASE WHEN p_orden <> 'INSERT' THEN {before} END, {reason}, {state});"
    )


def left_by_place(route: Route) -> str:
    """Return the statements of vuelta that leave the key of its row where volver could not be asked, or could not name it.

    The key is taken by its place in the table: somebody may have given its columns another name.
    """
    values = {row: _key_by_place(row) for row in ("v_vieja", "v_ahora")}
    names = ", ".join(literal(name) for name in route.table.primary_key)
    return f"""IF TG_OP IN ('UPDATE', 'DELETE') THEN v_vieja := to_jsonb(OLD); END IF;
  IF TG_OP IN ('INSERT', 'UPDATE') THEN v_ahora := to_jsonb(NEW); END IF;
  -- la clave, por su sitio en la tabla: sus columnas pueden tener otro nombre
  SELECT {values["v_vieja"]}, {values["v_ahora"]},
    v_vieja || jsonb_object_agg((ARRAY[{names}])[k.n], v_vieja -> a.attname::text)
  INTO v_clave, v_nueva, v_vieja
  FROM pg_index i CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY k(columna, n)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.columna WHERE i.indrelid = TG_RELID AND i.indisprimary;
  v_clave := coalesce(v_clave, v_nueva);
  {spanish_left(route, "v_mensaje", "v_estado", "v_vieja")}"""


def _key_by_place(row: str) -> str:
    value = f"replace(replace({row} ->> a.attname, E'\\\\', E'\\\\\\\\'), '|', E'\\\\|')"
    return f"string_agg({value}, '|' ORDER BY k.n)"
