"""From mapping and catalogue to the files that a DBA signs: a pure function, the same for files/sql and for fase0."""

from __future__ import annotations

from collections.abc import Iterable

from .backfill.carrying import route_statements
from .bookkeeping import BOOKKEEPING, COMMENT, CREATE, CREATE_SCHEMA, SEAL
from .catalogue import Catalogue
from .mapping.types import SpanishTable, TableMapping
from .rows.reading import helper_statements
from .rows.routes import Route, routes_of
from .schema.ddl import table_statements, twin_of
from .schema.policies import left_out
from .sqltext import commented
from .waits import SESSION


def render(mapping: TableMapping, catalogue: Catalogue) -> dict[str, str]:
    """Return the text of every file below files/sql, by its name."""
    files = {
        "fase0/01-contabilidad.sql": _file(_ledger_head(), (CREATE_SCHEMA, CREATE, SEAL, COMMENT)),
        "fase0/02-funciones.sql": _file(_helpers_head(catalogue), helper_statements(catalogue.server_major)),
    }
    for number, table in enumerate(mapping.tables, 1):
        statements = table_statements(mapping, catalogue, table, mapping.schema)
        files[f"fase1/{number:02d}-{table.name}.sql"] = _file(_table_head(catalogue, table), statements)
    routes = routes_of(mapping, catalogue)
    for number, route in enumerate(routes, 1):
        name = f"{route.pair.phase}/{number:02d}-{route.pair.source}-{route.pair.target}.sql"
        files[name] = _file(_route_head(route), route_statements(route, routes))
    return files


def _file(head: Iterable[str], statements: Iterable[str]) -> str:
    return "".join(commented(line) for line in head) + "".join(f"\n{statement};\n" for statement in statements)


def _ledger_head() -> list[str]:
    return [
        f"Meta: crear la contabilidad de la migración, el esquema {BOOKKEEPING}, cerrado a todos menos a su dueño.",
        f"Necesita: CREATE en la base; o un esquema {BOOKKEEPING} vacío con CREATE en él, y entonces sobra CREATE SCHEMA.",
        f"Bloqueo: ninguno sobre tablas de los servicios; solo toca {BOOKKEEPING}, y cada espera dura {SESSION} como mucho.",
        f"Deshacer: fase0 --tags rollback no tiene nada que deshacer y lo dice; {BOOKKEEPING} queda, con lo que pasó.",
        "Repetir: sí, menos CREATE SCHEMA: lo que ya está se queda. fase0 lo ejecuta así, también para completar una anterior.",
    ]


def _helpers_head(catalogue: Catalogue) -> list[str]:
    return [
        f"Meta: crear las funciones que llaman tablas y vistas, como las pide PostgreSQL {catalogue.server_major}; para otra"
        " versión hay otro texto, que fase0 aprueba de nuevo.",
        f"Necesita: fase0/01 y CREATE en {BOOKKEEPING}.",
        "Bloqueo: ninguno sobre tablas.",
        "Deshacer: fase0 --tags rollback no tiene nada que deshacer y lo dice; nadie las llama fuera de la migración.",
        "Repetir: sí, todo es CREATE OR REPLACE.",
    ]


def _table_head(catalogue: Catalogue, table: SpanishTable) -> list[str]:
    twin = twin_of(catalogue, table)
    lines = [
        f"Meta: crear la tabla {table.name} con la estructura de destino y los permisos de {table.twin}.",
        "Necesita: CREATE en el esquema, USAGE sobre la secuencia legacy que se comparta, funciones de migracion (fase0).",
        "Bloqueo: ninguno sobre tablas en uso; la tabla es nueva y nadie la lee hasta fase3.",
        f"Deshacer: DROP TABLE {table.name} (nunca CASCADE), con la tabla vacía: fase1 --tags rollback.",
        "Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.",
    ]
    if twin.row_security:
        lines.append(f"Seguridad por fila: activa como en {table.twin}, con las políticas que se pueden trasladar.")
    lines += [f"Política que no se traslada, así que cerrada: {phrase}" for phrase in left_out(catalogue, table.name)]
    return lines


def _route_head(bound: Route) -> list[str]:
    source, target = bound.pair.source, bound.pair.target
    lines = [
        f"Meta: llevar {source} a {target}. La vista es la única definición: copia, prueba y simulacro la usan.",
        f"Necesita: fase1; SELECT y UPDATE (para FOR SHARE) sobre {source}.",
        f"Bloqueo: crear esto no bloquea nada; cada lote toma FOR SHARE de sus filas de {source}, lo que dura el lote.",
        "Deshacer: DROP VIEW y DROP FUNCTION en migracion; las filas, con fase2 --tags rollback.",
        "Repetir: sí, todo es CREATE OR REPLACE; un lote repetido no cambia nada.",
    ]
    return lines
