"""What a command leaves, as lines that can be compared: rows, bookkeeping, accounting and schema, without times and run ids."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.databases import Database

# Of each table of the bookkeeping the columns that a second run may not change. Of the runs, those that went through: a second
# one that finds nothing to do is none.
LEDGER = {
    "identidad": "sistema, base, version",
    "fase_ejecucion": "fase, accion, estado",
    "arriendo": "fase, accion",
    "apartada": "tabla, clave, fila - %s::text[]",
    "progreso_copia": "tabla_origen, tabla_destino, tramo, filas_previstas, filas_leidas, filas_copiadas",
    "indice_pendiente": "tabla, indice, definicion",
    "cuarentena": "tabla_origen, clave, fila, sqlstate, motivo, origen, estado, resolucion, columna",
    "fusion": "tabla_origen, clave, tabla_destino, clave_destino, motivo",
    "pendiente": "tabla_origen, clave, motivo, sqlstate, tabla_destino, operacion, fila",
    "sincronizacion": "tabla_origen, tabla_destino, modo, propagacion, fase",
    "sql_aprobado": "nombre, sha256",
    "escritura": "tabla, rol, aplicacion, escrituras",
}
# A command of estado.yml that died and left nothing to do leaves its lease, which is taken over when it has been silent.
ONLY = {"fase_ejecucion": " WHERE estado <> 'fallida'", "arriendo": " WHERE fase LIKE 'fase%'"}
DISTINCT = {"fase_ejecucion": "DISTINCT"}
WHEN = ["updated_at", "actualizado_at"]  # which triggers set when a row changes
TABLES = """SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1"""
# The number that a sequence of a Spanish table alone gave means nothing.
DRAWN = """SELECT a.attname FROM pg_attribute a JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attrelid = %s::regclass AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(''proveedor%%'"""
SCHEMA = """
SELECT format('function %s', p.oid::regprocedure), md5(pg_get_functiondef(p.oid)) || coalesce(p.proacl::text, '')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('public', 'migracion') AND p.prokind = 'f'
UNION ALL SELECT format('trigger %s on %s', t.tgname, t.tgrelid::regclass),
  concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger')) FROM pg_trigger t
WHERE NOT t.tgisinternal
UNION ALL SELECT format('constraint %s on %s', conname, conrelid::regclass), pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid <> 0
UNION ALL SELECT format('index %s', indexrelid::regclass), concat(pg_get_indexdef(indexrelid), indisvalid) FROM pg_index
WHERE indrelid >= 16384
UNION ALL SELECT format('relation %s', c.oid::regclass), concat_ws(' ', c.relkind, c.relrowsecurity, c.relacl,
  (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull), ', ' ORDER BY a.attnum)
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  CASE c.relkind WHEN 'v' THEN md5(pg_get_viewdef(c.oid)) END)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('public', 'migracion') AND c.relkind IN ('r', 'v', 'S', 'p')
UNION ALL SELECT format('policy %s on %s', polname, polrelid::regclass),
  concat_ws(' ', polcmd, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
ORDER BY 1"""
PROOF = """SELECT DISTINCT ON (fase) fase, detalle ->> 'tablas' FROM migracion.evento
WHERE tipo = 'prueba' ORDER BY fase, id DESC"""


def state(database: Database) -> list[str]:
    """Return everything, a line for each row and object, sorted."""
    return sorted([*_rows(database), *_bookkeeping(database), *_schema(database)])


def _rows(database: Database) -> Iterator[str]:
    for (table,) in database.query(TABLES):
        drawn = [row[0] for row in database.query(DRAWN, (table,))]
        for (row,) in database.query(f"SELECT (to_jsonb(t.*) - %s::text[])::text FROM {table} t", ([*WHEN, *drawn],)):
            yield f"{table}: {row}"


def _bookkeeping(database: Database) -> Iterator[str]:
    for name, columns in LEDGER.items():
        where = ONLY.get(name, "").replace("%", "%%")
        rows = database.query(
            f"SELECT {DISTINCT.get(name, '')} ({columns})::text FROM migracion.{name}{where}", (WHEN,) * columns.count("%s")
        )
        yield from (f"migracion.{name}: {row}" for (row,) in rows)
    yield from (f"last proof of {phase}: {figures}" for phase, figures in database.query(PROOF))


def _schema(database: Database) -> Iterator[str]:
    yield from (f"{name}: {text}" for name, text in database.query(SCHEMA))
