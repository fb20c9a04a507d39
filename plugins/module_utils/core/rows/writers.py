"""Who writes which table: counted in the service's own session, noted at its first write and then now and again. SQL text."""

from __future__ import annotations

from ..bookkeeping import BOOKKEEPING, FLAG
from ..sqltext import commented, literal

WRITERS = f"{BOOKKEEPING}.escritura"
NOTED_EVERY, NOTED_SECONDS = 1_000, 60  # writes, or time since the first of them, after which they are noted
_NOTE = f"{BOOKKEEPING}.anotar_escritura"
_CAPTION = (
    "Cuenta una escritura de un servicio en la tabla, por rol y aplicación. La cuenta va en un ajuste de la sesión, sin tocar"
    f" ninguna tabla, y pasa a {WRITERS} con la primera, tras {NOTED_EVERY} o tras {NOTED_SECONDS} s, en una fila que nadie"
    " retiene: nunca espera. La llaman los disparadores de la sincronización."
)
# Six digits of count, ten of the second in which it began. One setting for each table, role and application, since a pooler's
# session serves several.
_STATEMENT = f"""CREATE OR REPLACE FUNCTION {_NOTE}(p_tabla text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_rol text := coalesce(nullif(current_setting('role'), 'none'), session_user);
  v_ajuste text := 'migracion.escribe_' || md5(concat_ws('|', p_tabla, v_rol, current_setting('application_name')));
  v_antes text := coalesce(current_setting(v_ajuste, true), '');
  v_ahora bigint := extract(epoch FROM statement_timestamp())::bigint;
  v_van integer := 1; v_puesto text;
BEGIN
  -- lo que la sincronización misma escribe, y lo que eso arrastra, no es de ningún servicio
  IF coalesce(current_setting({literal(FLAG)}, true), '') <> '' THEN RETURN; END IF;
  IF v_antes <> '' THEN
    v_van := left(v_antes, 6)::integer + 1;
    IF v_van < {NOTED_EVERY} AND v_ahora - right(v_antes, 10)::bigint < {NOTED_SECONDS} THEN
      v_puesto := set_config(v_ajuste, lpad(v_van::text, 6, '0') || right(v_antes, 10), false);
      RETURN;
    END IF;
  END IF;
  BEGIN
    -- con una foto vieja, una fila que otro cambió sería un error
    IF current_setting('transaction_isolation') = 'read committed' THEN
      UPDATE {WRITERS} e SET escrituras = e.escrituras + v_van, ultima = clock_timestamp()
      WHERE e.id = (SELECT x.id FROM {WRITERS} x WHERE x.tabla = p_tabla AND x.rol = v_rol
          AND x.aplicacion = current_setting('application_name') AND x.cliente IS NOT DISTINCT FROM inet_client_addr()
        LIMIT 1 FOR UPDATE SKIP LOCKED);
    END IF;
    IF NOT FOUND THEN
      INSERT INTO {WRITERS} (tabla, rol, aplicacion, cliente, escrituras)
      VALUES (p_tabla, v_rol, current_setting('application_name'), inet_client_addr(), v_van);
    END IF;
  EXCEPTION WHEN syntax_error_or_access_rule_violation OR data_exception OR integrity_constraint_violation THEN
    NULL;  -- quien cuenta no estorba a quien escribe
  END;
  v_puesto := set_config(v_ajuste, '000000' || lpad(v_ahora::text, 10, '0'), false);
END $$"""


def writer_statements() -> tuple[str, ...]:
    """Return the statements that make the function, closed to everybody else."""
    return commented(_CAPTION) + _STATEMENT, f"REVOKE ALL ON FUNCTION {_NOTE}(text) FROM PUBLIC"


def writer_noted(table: str) -> str:
    """Return the statement that counts a service's write to the table; its variable v_nada is read by nobody."""
    return f"v_nada := {_NOTE}({literal(table).strip()});"
