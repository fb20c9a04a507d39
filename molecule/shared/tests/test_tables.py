"""What the phases made: tables and indexes as the Spanish schema has them, and every legacy row in its place."""

from __future__ import annotations

import pytest

from .conftest import Database

testinfra_hosts = ["database"]
# An index that only repeats a UNIQUE constraint is not made twice: nombre, and telefono of two tables.
INDEXES = {
    "profesiones": "categoria esta_activo",
    "clientes": "ciudad estado creado_at",
    "proveedores": "ciudad estado rating nivel_verificacion creado_at",
    "proveedor_profesiones": "proveedor_id profesion_id estado_verificacion",
    "servicios_proveedor": "proveedor_id categoria esta_activo",
    "solicitudes_servicio": "cliente_id telefono estado ciudad solicitado_at",
    "mensajes": "conversacion_id telefono tipo_mensaje estado_procesamiento creado_at",
    "sesiones": "telefono id_sesion estado expira_at ultima_actividad",
    "tareas_programadas": "estado tipo_tarea programada_at prioridad",
}
STATUS = "CASE l.status WHEN 'active' THEN 'activo' WHEN 'inactive' THEN 'inactivo' WHEN 'suspended' THEN 'suspendido' "
PRICE = "CASE l.price_type WHEN 'fixed' THEN 'fijo' WHEN 'range' THEN 'rango' WHEN 'negotiable' THEN 'a_convenir' "
# Legacy table, Spanish table, the rows meant, the Spanish columns compared and what they must be.
PAIRS = {
    "fase2": [
        ("professions", "profesiones", "true", "id, nombre, categoria", "l.id, l.name::varchar(100), l.category::varchar(100)"),
        (
            "customers",
            "clientes",
            "true",
            "id, telefono, nombre_completo, creado_at",
            "l.id, l.phone_number::varchar(20), coalesce(l.full_name, 'Cliente TinkuBot')::varchar(255),"
            " l.created_at AT TIME ZONE 'UTC'",
        ),
        (
            "users",
            "proveedores",
            "l.user_type = 'provider'",
            "id, telefono, nombre, estado",
            f"l.id, l.phone_number::varchar(20), l.name::varchar(255),"
            f" {STATUS} WHEN 'pending' THEN 'verificacion_pendiente' ELSE l.status END::varchar(30)",
        ),
        (
            "users",
            "clientes",
            "l.user_type = 'client'",
            "id, telefono, nombre_completo, estado",
            "l.id, l.phone_number::varchar(20), coalesce(l.name, 'Cliente TinkuBot')::varchar(255),"
            f" {STATUS} WHEN 'pending' THEN 'inactivo' ELSE coalesce(l.status, 'activo') END::varchar(20)",
        ),
        (
            "provider_professions",
            "proveedor_profesiones",
            "true",
            "proveedor_id, profesion_id, anos_experiencia",
            "l.provider_id, l.profession_id, coalesce(l.experience_years, 0)",
        ),
        (
            "provider_services",
            "servicios_proveedor",
            "true",
            "id, proveedor_id, titulo, precio, tipo_precio",
            f"l.id, l.provider_id, l.title::varchar(255), l.price::numeric(10, 2), {PRICE} WHEN 'hourly' THEN 'hora'"
            " ELSE l.price_type END::varchar(20)",
        ),
    ],
    "fase3": [
        ("service_requests", "solicitudes_servicio", "true", "id, profesion_solicitada", "l.id, l.profession::varchar(100)"),
        ("messages", "mensajes", "true", "id, contenido", "l.id, coalesce(l.content, '')"),
        ("sessions", "sesiones", "true", "id, id_sesion", "l.id, l.session_id::varchar(255)"),
        ("task_queue", "tareas_programadas", "true", "id, payload, prioridad", "l.id, l.payload::jsonb, coalesce(l.priority, 0)"),
    ],
}


def ran(database: Database, phase: str) -> None:
    if phase not in database.road:
        pytest.skip(f"{phase} is not on this road")


def test_fase1_made_every_index_and_no_other(database: Database) -> None:
    ran(database, "fase1")
    query = (
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisvalid AND NOT i.indisunique"
        " AND i.indrelid = ANY ('{%s}'::regclass[]) ORDER BY c.relname COLLATE \"C\""
    )
    wanted = sorted(f"idx_{table}_{column}" for table, columns in INDEXES.items() for column in columns.split())
    assert database.rows(query % ", ".join(f"public.{table}" for table in INDEXES)) == wanted


def key(database: Database, table: str) -> str:
    """The primary key of a legacy row as the bookkeeping writes it."""
    columns = database.rows(
        "SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(n, position) JOIN pg_attribute a"
        f" ON a.attrelid = 'public.{table}'::regclass AND a.attnum = k.n WHERE i.indrelid = 'public.{table}'::regclass"
        " AND i.indisprimary ORDER BY k.position"
    )
    return " || '|' || ".join(f"l.{column}::text" for column in columns)


@pytest.mark.parametrize("phase", PAIRS)
def test_every_legacy_row_is_equal_merged_or_quarantined(database: Database, phase: str) -> None:
    ran(database, phase)
    for source, target, meant, columns, values in PAIRS[phase]:
        clave = key(database, source)
        unexplained = database.rows(
            f"SELECT {clave} FROM public.{source} l WHERE {meant}"
            f" AND NOT EXISTS (SELECT FROM public.{target} t WHERE ROW({columns}) IS NOT DISTINCT FROM ROW({values}))"
            f" AND NOT EXISTS (SELECT FROM migracion.cuarentena c WHERE c.tabla_origen = '{source}' AND c.clave = {clave}"
            " AND c.estado <> 'resuelta')"
            f" AND NOT EXISTS (SELECT FROM migracion.fusion m WHERE m.tabla_origen = '{source}' AND m.clave = {clave})"
        )
        assert unexplained == [], f"{source} → {target}"


@pytest.mark.parametrize("phase", PAIRS)
def test_no_spanish_row_is_too_much_and_most_rows_arrived(database: Database, phase: str) -> None:
    ran(database, phase)
    for target in dict.fromkeys(pair[1] for pair in PAIRS[phase]):
        sources = dict.fromkeys((pair[0], pair[2]) for pair in PAIRS[phase] if pair[1] == target)
        given = 0
        for source, meant in sources:
            clave = key(database, source)
            (count,) = database.rows(
                f"SELECT count(*) FROM public.{source} l WHERE {meant} AND {clave} NOT IN (SELECT clave FROM migracion.cuarentena"
                f" WHERE tabla_origen = '{source}' AND estado <> 'resuelta'"
                f" UNION ALL SELECT clave FROM migracion.fusion WHERE tabla_origen = '{source}')"
            )
            given += int(count)
        (rows,) = map(int, database.rows(f"SELECT count(*) FROM public.{target}"))
        (legacy,) = map(int, database.rows(f"SELECT count(*) FROM public.{next(iter(sources))[0]}"))
        assert rows == given
        assert rows > legacy / 3


def test_a_row_that_cannot_go_in_stands_in_quarantine_with_its_reason(database: Database) -> None:
    ran(database, "fase2")
    dirty = "c0000000-0000-4000-8000-000000000003"  # its phone number does not fit
    entry = f"FROM migracion.cuarentena WHERE tabla_origen = 'customers' AND clave = '{dirty}' AND estado = 'abierta'"
    assert database.rows(f"SELECT sqlstate, columna {entry}") == ["22001|phone_number"]
    assert database.rows(f"SELECT id FROM public.clientes WHERE id = '{dirty}'") == []
