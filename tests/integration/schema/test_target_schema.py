"""The Spanish tables as the target schema asks for them."""

from __future__ import annotations

import re

import pytest

from tests.support.databases import Begin, Database, Made

pytestmark = pytest.mark.values

# The target schema by hand: * is NOT NULL, = a default, {a,b} the only values, [a..b] a range, -> a foreign key.
TARGET = {
    "profesiones": (
        "id integer* pk =nextval; nombre varchar(100)* unique; especialidad varchar(255); categoria varchar(100);"
        " esta_activo boolean =true; creado_at timestamp =now; actualizado_at timestamp =now",
        "categoria esta_activo",
    ),
    "clientes": (
        "id uuid* pk =random; telefono varchar(20)* unique; nombre_completo varchar(255)*; ciudad varchar(100);"
        " ciudad_confirmada_at timestamp; notas jsonb ={}; estado varchar(20) =activo {activo,inactivo,suspendido};"
        " tiene_consentimiento boolean; creado_at timestamp =now; actualizado_at timestamp =now",
        "ciudad estado creado_at",
    ),
    "proveedores": (
        "id uuid* pk =random; telefono varchar(20)* unique; nombre varchar(255)*; email varchar(255);"
        " nombre_empresa varchar(255); descripcion_empresa text; direccion text; ciudad varchar(100);"
        " pais varchar(100) =ECUADOR; latitud numeric(10,8); longitud numeric(11,8);"
        " estado varchar(30) =activo {activo,inactivo,suspendido,verificacion_pendiente};"
        " nivel_verificacion varchar(20) =basico {basico,verificado,premium,institucional};"
        " rating numeric(3,2) =5.0 [0..5]; tiene_consentimiento boolean; creado_at timestamp =now; actualizado_at timestamp =now",
        "ciudad estado rating nivel_verificacion creado_at",
    ),
    "proveedor_profesiones": (
        "id integer* pk =nextval; proveedor_id uuid ->proveedores CASCADE; profesion_id integer ->profesiones CASCADE;"
        " especialidad varchar(255); anos_experiencia integer =0 [0..70]; certificaciones jsonb =[]; es_principal boolean =false;"
        " estado_verificacion varchar(20) =pendiente {pendiente,verificada,rechazada}; creado_at timestamp =now;"
        " unique (proveedor_id, profesion_id)",
        "proveedor_id profesion_id estado_verificacion",
    ),
    "servicios_proveedor": (
        "id uuid* pk =random; proveedor_id uuid ->proveedores CASCADE; titulo varchar(255)*; descripcion text;"
        " categoria varchar(100); precio numeric(10,2); tipo_precio varchar(20) =fijo {fijo,rango,a_convenir,hora};"
        " disponibilidad jsonb ={}; esta_activo boolean =true; creado_at timestamp =now; actualizado_at timestamp =now",
        "proveedor_id categoria esta_activo",
    ),
    "solicitudes_servicio": (
        "id uuid* pk =random; cliente_id uuid ->clientes SET NULL; telefono varchar(20)*;"
        " tipo_solicitud varchar(50) =servicio {servicio,consulta,queja,sugerencia}; profesion_solicitada varchar(100);"
        " ciudad varchar(100); latitud numeric(10,8); longitud numeric(11,8); proveedores_sugeridos jsonb =[];"
        " estado varchar(20) =pendiente {pendiente,en_progreso,resuelta,cancelada}; solicitado_at timestamp =now;"
        " resuelto_at timestamp",
        "cliente_id telefono estado ciudad solicitado_at",
    ),
    "mensajes": (
        "id uuid* pk =random; conversacion_id uuid; telefono varchar(20)*;"
        " tipo_mensaje varchar(50)* {texto,imagen,audio,video,documento,ubicacion,contacto}; contenido text*;"
        " url_media varchar(500); tipo_media varchar(20); respuesta_ia text;"
        " estado_procesamiento varchar(20) =pendiente {pendiente,procesando,completado,error}; metadata jsonb ={};"
        " creado_at timestamp =now",
        "conversacion_id telefono tipo_mensaje estado_procesamiento creado_at",
    ),
    "sesiones": (
        "id uuid* pk =random; telefono varchar(20)*; id_sesion varchar(255)*;"
        " estado varchar(20) =activa {activa,inactiva,expirada,error}; codigo_qr text; datos_sesion jsonb ={};"
        " expira_at timestamp; ultima_actividad timestamp =now; creado_at timestamp =now",
        "telefono id_sesion estado expira_at ultima_actividad",
    ),
    "tareas_programadas": (
        "id uuid* pk =random; tipo_tarea varchar(50)* {enviar_whatsapp,recordatorio,seguimiento,feedback,notificacion};"
        " payload jsonb*; estado varchar(20) =pendiente {pendiente,en_progreso,completada,fallida,cancelada};"
        " prioridad integer =0 [0..10]; programada_at timestamp*; iniciada_at timestamp; completada_at timestamp;"
        " mensaje_error text; intentos integer =0 [0..]; max_intentos integer =3 [1..]; creado_at timestamp =now",
        "estado tipo_tarea programada_at prioridad",
    ),
}


COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
       max(pg_get_constraintdef(c.oid)) FILTER (WHERE c.contype = 'c'),
       max(c.confrelid::regclass || CASE c.confdeltype WHEN 'c' THEN ' CASCADE' WHEN 'n' THEN ' SET NULL' ELSE ' other' END)
         FILTER (WHERE c.contype = 'f'),
       array_agg(c.contype::text) FILTER (WHERE c.contype IN ('p', 'u'))
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_constraint c ON c.conrelid = a.attrelid AND c.conkey = ARRAY[a.attnum]
WHERE a.attrelid = %s::regclass AND a.attnum > 0
GROUP BY a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, d.adbin, d.adrelid ORDER BY a.attnum"""
SHORT = {"character varying": "varchar", "timestamp without time zone": "timestamp"}
DEFAULTS = {"timezone('utc'::text, now())": "now", "gen_random_uuid()": "random"}


def described(database: Database, table: str) -> str:
    """The table's columns and constraints from the catalogue, as TARGET writes them."""
    parts = []
    for name, type_, not_null, default, check, key, unique in database.query(COLUMNS, (table,)):
        words = [name, re.sub("|".join(SHORT), lambda found: SHORT[found[0]], type_) + ("*" if not_null else "")]
        words += [{"p": "pk", "u": "unique"}[kind] for kind in unique or []]
        if default is not None:
            plain = "nextval" if default.startswith("nextval(") else DEFAULTS.get(default, default)
            words.append("=" + re.sub(r"^'(.*)'::[\w ]+$", r"\1", plain))
        if check is not None:
            values, limits = re.findall(r"'([^']*)'", check), re.findall(r"[<>]=? \(?(\d+)", check)
            words.append("{" + ",".join(values) + "}" if values else "[" + "..".join((*limits, "")[:2]) + "]")
        parts.append(" ".join([*words, *(["->" + key] if key else [])]))
    several = (
        "SELECT lower(pg_get_constraintdef(oid)) FROM pg_constraint WHERE conrelid = %s::regclass AND cardinality(conkey) > 1"
    )
    return "; ".join([*parts, *(definition for (definition,) in database.query(several, (table,)))])


@pytest.mark.parametrize("table", TARGET)
def test_the_table_has_the_columns_and_constraints_of_the_target_schema(tables: Made, table: str) -> None:
    database, _ = tables
    wanted, _ = TARGET[table]
    if not database.query("SELECT 1 FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attname = 'has_consent'"):
        wanted = wanted.replace(" tiene_consentimiento boolean;", "")
    assert described(database, table) == wanted


@pytest.mark.parametrize("table", TARGET)
def test_the_indexes_are_those_of_the_target_schema_and_none_repeats_another(tables: Made, table: str) -> None:
    database, _ = tables
    indexes = "SELECT indexrelid::regclass::text, indkey::text, indisvalid FROM pg_index WHERE indrelid = %s::regclass"
    found = database.query(indexes, (table,))
    named = {name for name, _, _ in found if name.startswith("idx_")}
    assert named == {f"idx_{table}_{column}" for column in TARGET[table][1].split()}
    assert len({keys for _, keys, _ in found}) == len(found)
    assert all(valid for _, _, valid in found)
    comment = database.value("SELECT obj_description(%s::regclass, 'pg_class')", (table,))
    assert len(comment) > 10


def test_what_fase1_made_is_what_it_verifies(tables: Made) -> None:
    _, jobs = tables
    assert jobs.verify_tables()["lines"][0].startswith("Estructura verificada con el catálogo: 9 tablas")


def test_the_report_names_the_indexes_that_a_unique_constraint_gives_already(begin: Begin) -> None:
    _, jobs = begin(up_to="fase0")
    lines = jobs.make_tables()["lines"]
    redundant = [line.strip() for line in lines if "sin índice aparte" in line]
    assert redundant == [
        "profesiones: sin índice aparte sobre nombre, que ya tiene el de su UNIQUE",
        "clientes: sin índice aparte sobre telefono, que ya tiene el de su UNIQUE",
        "proveedores: sin índice aparte sobre telefono, que ya tiene el de su UNIQUE",
    ]


def test_every_allowed_value_fits_its_own_column() -> None:
    limits = re.findall(r"varchar\((\d+)\)[^;]*?\{([^}]+)\}", "; ".join(columns for columns, _ in TARGET.values()))
    assert len(limits) == 12
    assert all(len(value) <= int(size) for size, values in limits for value in values.split(","))


def test_the_plans_on_conflict_finds_its_constraint(tables: Made) -> None:
    database, _ = tables
    upsert = "EXPLAIN INSERT INTO proveedor_profesiones DEFAULT VALUES ON CONFLICT (proveedor_id, profesion_id) DO NOTHING"
    assert "Arbiter Indexes" in str(database.query(upsert))


def test_both_sides_draw_their_ids_from_the_legacy_sequence(begin: Begin) -> None:
    database, jobs = begin(up_to="fase0")
    jobs.make_tables()
    drawn = []
    for n in range(3):
        drawn.append(database.value("INSERT INTO professions (name) VALUES (%s) RETURNING id", (f"n{n}",)))
        drawn.append(database.value("INSERT INTO profesiones (nombre) VALUES (%s) RETURNING id", (f"n{n}",)))
    assert drawn == list(range(drawn[0], drawn[0] + 6))


TOUCHED = {
    "profesiones": ("nombre", "'p'"),
    "clientes": ("telefono, nombre_completo", "'1', 'n'"),
    "proveedores": ("telefono, nombre", "'1', 'n'"),
    "servicios_proveedor": ("titulo", "'t'"),
}


@pytest.mark.parametrize("table", TOUCHED)
def test_actualizado_at_follows_a_service_and_stands_aside_for_the_copy(tables: Made, table: str) -> None:
    database, _ = tables
    columns, values = TOUCHED[table]
    moment = f"SELECT actualizado_at - timezone('utc', now()) FROM {table}"
    with database.cursor() as cursor:
        cursor.execute("SET TimeZone = 'America/Guayaquil'; SET ROLE service_role")
        cursor.execute(f"INSERT INTO {table} ({columns}, actualizado_at) VALUES ({values}, '2000-01-01')")
        first = columns.split(",")[0]
        cursor.execute(f"UPDATE {table} SET {first} = '2'")
        cursor.execute(moment)
        assert cursor.fetchone()[0].total_seconds() == 0
        cursor.execute(f"SET LOCAL migracion.sync = 'copia'; UPDATE {table} SET actualizado_at = '2000-01-01'; {moment}")
        assert cursor.fetchone()[0].days < -9000
        cursor.connection.rollback()
