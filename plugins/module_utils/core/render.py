"""From mapping and catalogue to the files that a DBA signs: a pure function, the same for files/sql and for fase0."""

from __future__ import annotations

from collections.abc import Iterable

from .catalogue import Catalogue
from .copying import function_statements
from .ddl import table_statements, twin_of
from .forward import Route, forward_sql, route
from .mapping import Mapping, SpanishTable
from .policies import left_out
from .sqltext import comment_text


def routes(mapping: Mapping, catalogue: Catalogue, phase: str, subphase: str = "") -> tuple[Route, ...]:
    """Return the routes of a phase, or of one of its parts, in the mapping's order."""
    return tuple(
        route(mapping, catalogue, pair) for pair in mapping.pairs if pair.phase == phase and subphase in ("", pair.subphase)
    )


def render(mapping: Mapping, catalogue: Catalogue) -> dict[str, str]:
    """Return the text of every file below files/sql, by its name."""
    files = {}
    for number, table in enumerate(mapping.tables, 1):
        statements = table_statements(mapping, catalogue, table, mapping.schema)
        files[f"fase1/{number:02d}-{table.name}.sql"] = _file(_table_head(catalogue, table), statements)
    for number, pair in enumerate(mapping.pairs, 1):
        name = f"{pair.phase}/{number:02d}-{pair.source}-{pair.target}.sql"
        bound = route(mapping, catalogue, pair)
        files[name] = _file(_route_head(bound), (view_statement(bound), *function_statements(bound)))
    return files


def view_statement(bound: Route) -> str:
    """Return the statement that wraps the forward SELECT in its view."""
    return f"CREATE OR REPLACE VIEW {bound.view} AS\n{forward_sql(bound)}"


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
    return "".join(f"-- {comment_text(line)}\n" for line in lines)


def _route_head(bound: Route) -> str:
    source, target = bound.pair.source, bound.pair.target
    lines = [
        f"Meta: llevar {source} a {target}. La vista es la única definición: copia, prueba y simulacro la usan.",
        f"Necesita: fase1; SELECT y UPDATE (para FOR SHARE) sobre {source}.",
        f"Bloqueo: crear esto no bloquea nada; cada lote toma FOR SHARE de sus filas de {source}, lo que dura el lote.",
        "Deshacer: DROP VIEW y DROP FUNCTION en migracion; las filas, con fase2 --tags rollback.",
        "Repetir: sí, todo es CREATE OR REPLACE; un lote repetido no cambia nada.",
    ]
    return "".join(f"-- {comment_text(line)}\n" for line in lines)
