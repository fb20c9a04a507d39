"""From mapping and catalogue to the files that a DBA signs: a pure function, the same for files/sql and for fase0."""

from __future__ import annotations

from collections.abc import Iterable

from .backfill.carrying import route_statements
from .catalogue import Catalogue
from .mapping.types import SpanishTable, TableMapping
from .rows.routes import Route, routes_of
from .schema.ddl import table_statements, twin_of
from .schema.policies import left_out
from .sqltext import commented


def render(mapping: TableMapping, catalogue: Catalogue) -> dict[str, str]:
    """Return the text of every file below files/sql, by its name."""
    files = {}
    for number, table in enumerate(mapping.tables, 1):
        statements = table_statements(mapping, catalogue, table, mapping.schema)
        files[f"fase1/{number:02d}-{table.name}.sql"] = _file(_table_head(catalogue, table), statements)
    routes = routes_of(mapping, catalogue)
    for number, route in enumerate(routes, 1):
        name = f"{route.pair.phase}/{number:02d}-{route.pair.source}-{route.pair.target}.sql"
        files[name] = _file(_route_head(route), route_statements(route, routes))
    return files


def _file(head: str, statements: Iterable[str]) -> str:
    return head + "".join(f"\n{statement};\n" for statement in statements)


def _table_head(catalogue: Catalogue, table: SpanishTable) -> str:
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
    return "".join(map(commented, lines))


def _route_head(bound: Route) -> str:
    source, target = bound.pair.source, bound.pair.target
    lines = [
        f"Meta: llevar {source} a {target}. La vista es la única definición: copia, prueba y simulacro la usan.",
        f"Necesita: fase1; SELECT y UPDATE (para FOR SHARE) sobre {source}.",
        f"Bloqueo: crear esto no bloquea nada; cada lote toma FOR SHARE de sus filas de {source}, lo que dura el lote.",
        "Deshacer: DROP VIEW y DROP FUNCTION en migracion; las filas, con fase2 --tags rollback.",
        "Repetir: sí, todo es CREATE OR REPLACE; un lote repetido no cambia nada.",
    ]
    return "".join(map(commented, lines))
