"""From mapping and catalogue to the files that a DBA signs: a pure function, the same for files/sql and for fase0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .backfill.batching import BATCH_BYTES, BATCH_ROWS
from .backfill.carrying import may_merge, route_statements
from .bookkeeping import BOOKKEEPING, COMMENT, CREATE, CREATE_SCHEMA, SEAL, TOUCH
from .catalogue import Catalogue
from .mapping.types import SpanishTable, TableMapping
from .rows.leaf_tables import is_leaf
from .rows.reading import helper_statements
from .rows.routes import Route, routes_of
from .rows.row_locks import locked_beside
from .schema.ddl import drawing_grant, grant_drawing, legacy_sequence, table_statements, twin_of
from .schema.policies import left_out
from .sqltext import commented, ident
from .sync.installing import pair_sync
from .sync.modes import SWITCH_OFF
from .waits import DDL, NEW_TRIGGER, ROWS, SESSION
from .words import number, size


def render(mapping: TableMapping, catalogue: Catalogue) -> dict[str, str]:
    """Return the text of every file below files/sql, by its name."""
    files = {
        "fase0/01-contabilidad.sql": _file(_ledger_head(), (CREATE_SCHEMA, CREATE, SEAL, COMMENT)),
        "fase0/02-funciones.sql": _file(_helpers_head(catalogue), helper_statements(catalogue.server_major)),
    }
    for place, table in enumerate(mapping.tables, 1):
        statements = table_statements(mapping, catalogue, table, mapping.schema)
        sequence, writers = drawing_grant(mapping, catalogue, table)
        statements += (grant_drawing(sequence, writers),) if writers else ()
        files[f"fase1/{place:02d}-{table.name}.sql"] = _file(_table_head(mapping, catalogue, table), statements)
    routes = routes_of(mapping, catalogue)
    for route in routes:
        name = f"{_place(route, routes)}-{route.pair.source}-{route.pair.target}.sql"
        statements = route_statements(route, routes)
        files[name] = _file(_route_head(route, routes, statements[0]), statements)
        sync = pair_sync(route, routes, mapping.tables)
        files[name.removesuffix(".sql") + ".sincronizacion.sql"] = _file(_sync_head(route), sync.statements)
    return {**files, **_emergency(routes, mapping)}


def _emergency(routes: Sequence[Route], mapping: TableMapping) -> dict[str, str]:
    """Return what a DBA runs with psql alone where the runbook cannot be run: nothing in it reads the mapping any more."""
    triggers = [t for route in routes for t in pair_sync(route, routes, mapping.tables).triggers]
    own = {route.target_table for route in routes}
    triggers.sort(key=lambda t: t.table in own)  # what carries legacy writes first
    wait = f"-- quien escribe no espera más que esto\n{NEW_TRIGGER.session_sql}"
    return {
        "emergencia/apagar.sql": _file(_off_head(), (SWITCH_OFF,)),
        "emergencia/quitar.sql": _file(_gone_head(), (wait, *(t.drop for t in triggers))),
    }


def _off_head() -> list[str]:
    return [
        "Meta: apagar la sincronización. Los servicios siguen; la clave de cada fila que escriban espera en"
        f" {BOOKKEEPING}.pendiente, y nada se pierde.",
        f"Necesita: UPDATE sobre {BOOKKEEPING}.sincronizacion. Con psql, también durante una fase, que entonces pausa.",
        "Bloqueo: ninguno sobre tablas de los servicios.",
        "Deshacer: estado --tags sincronizacion -e sincronizacion=si la enciende y lleva lo que esperó.",
        "Repetir: sí.",
    ]


def _gone_head() -> list[str]:
    return [
        "Meta: quitar todos los disparadores de la sincronización, solo donde apagar.sql no basta: desde entonces nadie sabe qué"
        " se escribió, y los servicios no pueden volver a legacy hasta que se repongan.",
        "Necesita: ser dueño de las tablas. Con psql, sin ON_ERROR_STOP.",
        "Bloqueo: ACCESS EXCLUSIVE en cada tabla, un disparador por transacción; cada espera dura"
        f" {NEW_TRIGGER.timeout_ms} ms como mucho, y el que no se pudo quitar sigue: repita.",
        "Deshacer: estado --tags sincronizacion -e sincronizacion=si -e manda=legacy los repone, y vale lo que hay en legacy; con"
        " manda=espanol, lo que hay en español. Con --check dice antes qué haría.",
        "Repetir: sí, hasta que no dé errores.",
    ]


def _place(route: Route, routes: Sequence[Route]) -> str:
    return f"{route.pair.phase}/{routes.index(route) + 1:02d}"


def _file(head: Sequence[str], statements: Iterable[str]) -> str:
    return "".join(commented(line) for line in head) + "".join(f"\n{statement};\n" for statement in statements)


def _listed(names: Iterable[str]) -> str:
    """Return each name once, as in a sentence."""
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} y {last}" if first else last


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
        "Deshacer: fase0 --tags rollback no tiene nada que deshacer y lo dice; solo las llaman vistas y disparadores de aquí.",
        "Repetir: sí, todo es CREATE OR REPLACE.",
    ]


def _table_head(mapping: TableMapping, catalogue: Catalogue, table: SpanishTable) -> list[str]:
    twin, name = twin_of(catalogue, table), ident(table.name)
    needs = [f"fase0 ({TOUCH})" if table.touched else "fase0", f"CREATE en {ident(mapping.schema)}"]
    sequences = [s for c in table.columns if c.serial and (s := legacy_sequence(mapping, catalogue, table, c))]
    if sequences:
        needs.append(f"USAGE sobre la secuencia {_listed(sequences)}, que comparte")
    parents = list(dict.fromkeys(k.table for k in table.foreign_keys if k.table != table.name))
    made = "ninguno sobre tablas en uso: es nueva y nadie la lee hasta que cambian los servicios"
    if parents:
        needs.append(f"ser dueño de {_listed(map(ident, parents))}, que hace antes fase1")
        made += f"; SHARE ROW EXCLUSIVE en {_listed(map(ident, parents))} (claves foráneas), igual de nuevas"
    lines = [
        f"Meta: crear la tabla {name} con la estructura de destino y los permisos de {ident(table.twin)}.",
        f"Necesita: {'; '.join(needs)}.",
        f"Bloqueo: {made}. En fase1 cada espera dura {DDL.timeout_ms} ms como mucho; {DDL.tries} intentos.",
        f"Deshacer: fase1 --tags rollback: DROP TABLE {name} (nunca CASCADE), con la tabla vacía.",
        "Repetir: no como archivo; fase1 compara antes con el catálogo y solo crea lo que falta.",
    ]
    if twin.row_security:
        lines.append(f"Seguridad por fila: activa como en {ident(table.twin)}, con las políticas que se pueden trasladar.")
    return lines + [f"Política que no se traslada, así que cerrada: {phrase}" for phrase in left_out(catalogue, table.name)]


def _route_head(route: Route, routes: Sequence[Route], view: str) -> list[str]:
    source, target, phase = ident(route.pair.source), ident(route.pair.target), route.pair.phase
    return [
        f"Meta: llevar {source} a {target}. La vista es la única definición: copia, prueba y simulacro la usan.",
        f"Necesita: {'; '.join(_needs(route, routes, view))}.",
        f"Bloqueo: {_while_loaded(route, routes)}cada lote ({number(BATCH_ROWS)} filas, si batch_rows no dice otra cosa, y"
        f" {size(BATCH_BYTES)} como mucho, o una fila mayor), hasta que termina: {'; '.join(_batch_locks(route))}. Cada espera"
        f" dura {ROWS.timeout_ms} ms como mucho; después el lote cede y vuelve con menos filas, {ROWS.tries} intentos. Crear esto"
        " toma ACCESS SHARE en lo que leen las vistas, que solo choca con quien cambia la tabla misma.",
        f"Deshacer: {phase} --tags rollback: guarda en {BOOKKEEPING}.apartada lo que solo {target} tiene, y la vacía con ACCESS"
        f" EXCLUSIVE en ella y en las que apuntan a ella ({DDL}); vista y funciones se van con la última copia.",
        "Repetir: sí, todo es CREATE OR REPLACE, y un lote repetido no cambia nada.",
    ]


def _while_loaded(route: Route, routes: Sequence[Route]) -> str:
    """Return what a leaf's batch locks while its pair keeps keys, as the beginning of a sentence."""
    if not is_leaf(route, routes):
        return ""
    keyed = [ident(k.table) for k in route.table.foreign_keys if route.carried_as(k.column)]
    held = f" (FOR KEY SHARE en {_listed(keyed)}, por sus claves foráneas)" if keyed else ""
    return f"mientras el par guarda claves, ninguna fila legacy{held}; si no, "


def _sync_head(route: Route) -> list[str]:
    source, target, phase = ident(route.pair.source), ident(route.pair.target), route.pair.phase
    return [
        f"Meta: lo que se escriba en {source} llega a {target}, y al revés, en la misma transacción. Lo que no puede ir espera en"
        f" {BOOKKEEPING}.pendiente o queda en {BOOKKEEPING}.cuarentena, y la escritura del servicio vale.",
        f"Necesita: la vista y las funciones de {phase}, y ser dueño de las tablas con disparadores o tener TRIGGER en ellas.",
        f"Bloqueo: SHARE ROW EXCLUSIVE en cada tabla, un disparador por transacción ({NEW_TRIGGER}); quien escribe mientras,"
        " espera. Sus funciones bloquean filas como se lee en cada una.",
        f"Deshacer: {phase} --tags rollback; apagarla sin bloquear nada: estado --tags sincronizacion -e sincronizacion=no.",
        "Repetir: las funciones sí; un disparador que ya está, no: la fase los compara y hace solo lo que falta.",
    ]


def _needs(route: Route, routes: Sequence[Route], view: str) -> list[str]:
    """Return what has to be there, and the rights, of a role that is not the owner of everything."""
    locked = _locked(route)
    built_on = [*route.earlier, *(r for _, parents in route.parents for r in parents)]
    read = [c.lookup.table for c in route.carried if c.spanish]
    read += [r.pair.source for r in route.earlier if route.pair.merge_by]
    read += [key.table for key, parents in route.parents if not parents]
    read += [r.pair.target for r in routes if any(key.table == route.pair.target for key in r.table.foreign_keys)]
    read = [name for name in map(ident, read) if name not in locked and name != ident(route.pair.target)]
    draws = any(c.serial and c.name not in route.columns for c in route.table.columns)
    functions = [f"{BOOKKEEPING}.{name}" for name in ("es_jsonb", "a_instante") if f"{BOOKKEEPING}.{name}(" in view]
    return [
        "fase1",
        *([f"las vistas de {_listed(_place(r, routes) for r in built_on)}"] if built_on else []),
        *([f"{_listed(functions)} (fase0/02)"] if functions else []),
        f"ser dueño de {BOOKKEEPING} y USAGE en {ident(route.schema)}",
        f"SELECT y UPDATE sobre {_listed(locked)}",
        *([f"SELECT sobre {_listed(read)}"] if read else []),
        f"SELECT, INSERT, UPDATE y DELETE sobre {ident(route.pair.target)}{' y USAGE sobre su secuencia' if draws else ''}",
        "BYPASSRLS, o ser su dueño, donde haya seguridad por fila",
    ]


def _locked(route: Route) -> dict[str, str]:
    """Return how strongly the rows of each legacy table are locked, the pair's own first."""
    locked = {ident(route.pair.source): "SHARE"}
    for other in route.earlier:
        locked[ident(other.pair.source)] = "KEY SHARE"
    for (table, _, _), strength in locked_beside(route).items():
        locked[ident(table)] = min(strength, locked.get(ident(table), strength), key=("SHARE", "KEY SHARE").index)
    return locked


def _batch_locks(route: Route) -> list[str]:
    (own, _), *beside = _locked(route).items()
    locks = [f"FOR SHARE en {own}"]
    for strength in ("SHARE", "KEY SHARE"):
        if names := [name for name, strong in beside if strong == strength]:
            locks.append(f"luego FOR {strength} en {_listed(names)} (lo que la vista lee a su lado)")
    keyed = [ident(k.table) for k in route.table.foreign_keys if route.carried_as(k.column)]
    named = f"{_listed(keyed)} (claves foráneas) y " if keyed else ""
    written = [ident(route.pair.target), *(f"{BOOKKEEPING}.{t}" for t in ("progreso_copia", "cuarentena"))]
    written += [f"{BOOKKEEPING}.fusion"] if may_merge(route) else []
    return [
        *locks,
        f"FOR KEY SHARE en {named}{BOOKKEEPING}.arriendo",
        f"escribe en {_listed(written)}, y en {BOOKKEEPING}.apartada si una fila sobra o no entra (sale con las que dependen"
        " de ella, todas FOR UPDATE)",
    ]
